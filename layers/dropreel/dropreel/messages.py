"""What reaches the functions from outside, decoded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropreel.jobs import ImageRef, Reason


@dataclass(frozen=True)
class Upload:
    """One `Object Created` event: the image, and its size in bytes where the event says it."""

    image: ImageRef
    size: int | None


def upload_of(event: Mapping[str, Any]) -> Upload:
    """Decode S3's `Object Created` event as EventBridge delivers it. Raises KeyError for anything else.

    The key is not URL-encoded there, so it is taken as it is; `version-id` is absent for an unversioned bucket.
    """
    detail = event["detail"]
    thing = detail["object"]
    image = ImageRef(
        bucket=detail["bucket"]["name"],
        key=thing["key"],
        version_id=thing.get("version-id"),
        etag=thing.get("etag"),
        sequencer=thing.get("sequencer"),
    )
    return Upload(image, thing.get("size"))


@dataclass(frozen=True)
class Generation:
    """What the state machine carries: ids only."""

    job_id: str
    attempt: int
    generation_id: str


def generation_of(state: Mapping[str, Any]) -> Generation:
    """Decode the state machine's state. Raises KeyError where an id is missing."""
    return Generation(state["job_id"], int(state["attempt"]), state["generation_id"])


def reason_of(state: Mapping[str, Any]) -> Reason:
    """Say why the state machine came to Report Failure: the check's own reason, or the step that kept failing."""
    check = state.get("check") or {}
    if "reason" in check and "error" not in state:
        return Reason(check["reason"]["code"], check["reason"]["message"])
    cause = str((state.get("error") or {}).get("Cause") or "no cause was given")
    try:
        told = json.loads(cause)
        cause = f"{told['errorType']}: {told['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        pass
    if check.get("outcome") == "completed":
        return Reason("delivery_failed", f"The video is ready at the provider and could not be copied: {cause[:500]}")
    return Reason("check_failed", f"The generation could not be watched any longer: {cause[:500]}")
