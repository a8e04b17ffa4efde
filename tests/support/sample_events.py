"""The sample events of events/, one file each, and events that are made from them."""

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).resolve().parents[2] / "events"


def load_event(name: str) -> dict[str, Any]:
    """Return events/<name>.json."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def object_created(
    bucket: str, key: str, size: int, etag: str, version_id: str | None, sequencer: str
) -> dict[str, Any]:
    """Return the `Object Created` sample about another object."""
    event = load_event("object_created")
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"] = {"key": key, "size": size, "etag": etag.strip('"'), "sequencer": sequencer}
    if version_id is not None:
        event["detail"]["object"]["version-id"] = version_id
    return event


def from_queue(event: dict[str, Any]) -> dict[str, Any]:
    """Return the submit_generation sample with another event in its message."""
    message = load_event("submit_generation")
    message["Records"][0]["body"] = json.dumps(event)
    return message
