"""Where the local engine differs from AWS: the conditions of `events:PutEvents`. It runs inside ministack's interpreter.

`tests/e2e/test_event_conditions.py` goes red once the engine knows them itself; then this is to be deleted.
"""

import json
from importlib import import_module
from typing import Any


def know_what_put_events_puts() -> None:
    """`events:source` and `events:detail-type`.

    AWS: a PutEvents request has both as condition keys, checked for every entry.
    The engine: knows neither, so that a policy with such a condition allows nothing.
    """
    actions: Any = import_module("ministack.core.iam_actions")
    known = actions.request_tag_context

    def with_events(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = known(service, iam_action, body, params)
        return {**found, **_events(body)} if iam_action == "events:PutEvents" else found

    actions.request_tag_context = with_events


def _events(body: bytes) -> dict[str, Any]:
    """Return the keys of a request whose entries all agree; where they do not, a list, which equals no value."""
    entries = json.loads(body).get("Entries", [])
    found = {}
    for key, name in (("events:source", "Source"), ("events:detail-type", "DetailType")):
        values = {str(entry.get(name, "")) for entry in entries}
        found[key] = values.pop() if len(values) == 1 else sorted(values)
    return found
