"""What reaches the functions from outside, decoded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dropreel.jobs import ImageRef, Reason

REQUESTED = "Video Generation Requested"
"""The `detail-type` of the event that asks for a video of an image that is already there."""


@dataclass(frozen=True)
class Drop:
    """One wish for a video: an upload, or a request event about an image that is already there.

    `size` is in bytes where the event says it. `options` are a request's own; `faults` say what is wrong with the event
    itself, as sentences.
    """

    image: ImageRef
    size: int | None = None
    request_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def drop_of(event: Mapping[str, Any]) -> Drop:
    """Decode an event as EventBridge delivers it: S3's `Object Created`, or `Video Generation Requested`.

    Raises KeyError for anything else.
    """
    return _requested(event) if event["detail-type"] == REQUESTED else _uploaded(event)


def _uploaded(event: Mapping[str, Any]) -> Drop:
    # The key is not URL-encoded here, so it is taken as it is; `version-id` is absent for an unversioned bucket.
    detail = event["detail"]
    thing = detail["object"]
    image = ImageRef(
        bucket=detail["bucket"]["name"],
        key=thing["key"],
        version_id=thing.get("version-id"),
        etag=thing.get("etag"),
        sequencer=thing.get("sequencer"),
    )
    return Drop(image, thing.get("size"))


def _requested(event: Mapping[str, Any]) -> Drop:
    """Decode a request; whoever sent it may have written anything. Without a `request_id` the event's own id stands for it."""
    detail = event["detail"] if isinstance(event["detail"], Mapping) else {}
    faults: list[str] = []

    def named(holder: Mapping[str, Any], name: str, where: str, kind: type, *, needed: bool = False) -> Any:
        value = holder.get(name)
        if value is None and not needed:
            return None
        if not isinstance(value, kind) or not value:
            what = "an object" if kind is dict else "text"
            faults.append(f"{where} must be {what} and is {json.dumps(value)[:60]}.")
            return None
        return value

    faults += [
        f"There is no {name[:60]!r} in a request; allowed are image, options and request_id."
        for name in detail
        if name not in ("image", "options", "request_id")
    ]
    image = named(detail, "image", "image", dict, needed=True) or {}
    faults += [
        f"There is no {name[:60]!r} in image; allowed are bucket, key and version_id."
        for name in image
        if name not in ("bucket", "key", "version_id")
    ]
    bucket = named(image, "bucket", "image.bucket", str, needed=True)
    key = named(image, "key", "image.key", str, needed=True)
    version_id = named(image, "version_id", "image.version_id", str)
    options = named(detail, "options", "options", dict) if detail.get("options") != {} else {}
    request_id = named(detail, "request_id", "request_id", str)
    return Drop(
        image=ImageRef(bucket or "", key or "", version_id),
        request_id=request_id or str(event["id"]),
        options=options or {},
        faults=tuple(faults),
    )


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
