"""Decodes the messages of the queues: events about images, and our own."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dropreel.domain.encodable import encodable, is_encodable
from dropreel.domain.images import ImageRef, is_image_key
from dropreel.domain.job import Job
from dropreel.domain.redaction import holds_signed_address

REQUESTED = "Video Generation Requested"
"""The `detail-type` of the event that requests a video of an existing image."""
MAX_BUCKET_CHARACTERS = 63
MAX_KEY_BYTES = 1024
"""S3's limits on a bucket's name and on a key (in UTF-8)."""
MAX_VERSION_CHARACTERS = 1024
"""S3's limit on a version id."""
MAX_REQUEST_ID_CHARACTERS = 256
"""A limit of ours: a request's id is part of the job, its events and its receipt."""
MAX_FAULTS = 20
MAX_FAULT_CHARACTERS = 500
"""Limits of ours on the faults of one image, so that they fit into an event (256 KB) and a table item (400 KB)."""


@dataclass(frozen=True)
class Drop:
    """One decoded event: an upload, or a request for a video of an existing image.

    `size` is in bytes, None where the event has none. `options` are those of a request. `faults` are sentences about
    what is wrong with the event itself. `is_copy`: the object was written by a copy (`CopyObject`).
    """

    image: ImageRef
    size: int | None = None
    request_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    is_copy: bool = False

    @property
    def creates_job(self) -> bool:
        """Whether this creates a job: uploads of sidecars, folder markers and files of desktops do not."""
        return self.request_id is not None or is_image_key(self.image.key, self.size)


class RetryMessage(NamedTuple):
    """Our own message, which brings a job to SubmitGeneration or PrepareImage: the attempt's message number `requeues`.

    `generation_id` is the id of an accepted submission that could not be saved to the job table.
    """

    job_id: str
    attempt: int
    requeues: int
    generation_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the message's body."""
        body = {"job_id": self.job_id, "attempt": self.attempt, "requeues": self.requeues}
        return body if self.generation_id is None else {**body, "generation_id": self.generation_id}


def decode_message(body: Mapping[str, Any]) -> "Drop | RetryMessage":
    """Decode one message of the queue: an event or a `RetryMessage`. Raises KeyError for anything else."""
    return decode_drop(body) if "detail-type" in body else decode_retry_message(body)


def decode_retry_message(body: Mapping[str, Any]) -> RetryMessage:
    """Decode our own message. Raises KeyError for anything else."""
    return RetryMessage(body["job_id"], int(body["attempt"]), int(body["requeues"]), body.get("generation_id"))


def retry_message_of(job: Job) -> RetryMessage:
    """Return the job's current message; earlier ones are overtaken."""
    return RetryMessage(job.job_id, job.attempt, job.requeues)


def is_overtaken(message: "Drop | RetryMessage", job: Job) -> bool:
    """Return whether a later message of the job exists. An event counts as message 0 of attempt 1."""
    return _number(message) != (job.attempt, job.requeues)


def is_previous(message: "Drop | RetryMessage", job: Job) -> bool:
    """Return whether this message led to the job's current one, which may not have been sent."""
    return _number(message) == (job.attempt, job.requeues - 1)


def _number(message: "Drop | RetryMessage") -> tuple[int, int]:
    return (1, 0) if isinstance(message, Drop) else (message.attempt, message.requeues)


def decode_drop(event: Mapping[str, Any]) -> Drop:
    """Decode an event as EventBridge delivers it: S3's `Object Created`, or `Video Generation Requested`.

    Raises KeyError for anything else.
    """
    return _decode_request(event) if event["detail-type"] == REQUESTED else _decode_upload(event)


def pinned_version(version_id: str | None) -> str | None:
    """Return a version id; None for `null`, which every upload has while versioning is off or suspended."""
    return None if version_id == "null" else version_id


def truncate_messages(faults: Sequence[str]) -> tuple[str, ...]:
    """Return at most `MAX_FAULTS` sentences, each cut to `MAX_FAULT_CHARACTERS`, then how many were left out."""
    kept = [
        fault if len(fault) <= MAX_FAULT_CHARACTERS else fault[: MAX_FAULT_CHARACTERS - 1] + "…"
        for fault in faults[:MAX_FAULTS]
    ]
    more = len(faults) - len(kept)
    return (*kept, f"and {more:,} more.") if more else tuple(kept)


def _decode_upload(event: Mapping[str, Any]) -> Drop:
    # EventBridge does not URL-encode the key. `version-id` is absent for a bucket without versioning.
    detail = event["detail"]
    found = detail["object"]
    faults: list[str] = []

    def checked(name: str, value: Any) -> Any:
        if not isinstance(value, str) or is_encodable(value):
            return value
        faults.append(
            f"The event's {name} is not valid Unicode: it contains an unpaired surrogate, which S3 does not allow."
        )
        return encodable(value)

    image = ImageRef(
        bucket=checked("bucket", detail["bucket"]["name"]),
        key=checked("key", found["key"]),
        version_id=pinned_version(checked("version-id", found.get("version-id"))),
        etag=checked("etag", found.get("etag")),
        sequencer=checked("sequencer", found.get("sequencer")),
    )
    # S3 reports a multipart copy as CompleteMultipartUpload, the same reason as that of a multipart upload.
    return Drop(image, found.get("size"), faults=tuple(faults), is_copy=detail.get("reason") == "CopyObject")


def _decode_request(event: Mapping[str, Any]) -> Drop:
    """Decode a request event, in which any field can be invalid. The event's id replaces a missing `request_id`."""
    detail = event["detail"] if isinstance(event["detail"], Mapping) else {}
    faults: list[str] = []

    def named(holder: Mapping[str, Any], name: str, where: str, kind: type, *, needed: bool = False) -> Any:
        value = holder.get(name)
        if value is None and not needed:
            return None
        if not isinstance(value, kind) or not value:
            what = "an object" if kind is dict else "text"
            faults.append(f"{where} must be {what} but is {json.dumps(value)[:60]}.")
            return None
        if isinstance(value, str) and where in _FIELDS and not _FIELDS[where][0](value):
            faults.append(f"{where} must be {_FIELDS[where][1]} but is {json.dumps(value)[:60]}.")
            return None
        # It would be stored in the job table, the events and the receipt.
        if isinstance(value, str) and holds_signed_address(value):
            faults.append(f"{where} contains a signed URL, which is a secret; name the image by its bucket and key.")
            return None
        return value

    faults += [
        f"There is no field {name[:60]!r} in a request; allowed are image, options and request_id."
        for name in detail
        if name not in ("image", "options", "request_id")
    ]
    image = named(detail, "image", "image", dict, needed=True) or {}
    faults += [
        f"There is no field {name[:60]!r} in image; allowed are bucket, key and version_id."
        for name in image
        if name not in ("bucket", "key", "version_id")
    ]
    bucket = named(image, "bucket", "image.bucket", str, needed=True)
    key = named(image, "key", "image.key", str, needed=True)
    version_id = named(image, "version_id", "image.version_id", str)
    options = named(detail, "options", "options", dict) if detail.get("options") != {} else {}
    request_id = named(detail, "request_id", "request_id", str)
    return Drop(
        image=ImageRef(bucket or "", key or "", pinned_version(version_id)),
        request_id=request_id or encodable(str(event["id"])),
        options=options or {},
        faults=truncate_messages(faults),
    )


def _is_bucket(text: str) -> bool:
    return len(text) <= MAX_BUCKET_CHARACTERS and text.isascii() and text.isprintable()


def _is_key(text: str) -> bool:
    try:
        return len(text.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:  # JSON can contain an unpaired surrogate, a request to S3 cannot
        return False


def _is_request_id(text: str) -> bool:
    return len(text) <= MAX_REQUEST_ID_CHARACTERS and text.isprintable()


def _is_version(text: str) -> bool:
    return len(text) <= MAX_VERSION_CHARACTERS and text.isascii() and text.isprintable()


_FIELDS: dict[str, tuple[Callable[[str], bool], str]] = {
    # field -> (check, description); with a valid value, requests to S3, the job table and events cannot fail
    "image.bucket": (_is_bucket, f"at most {MAX_BUCKET_CHARACTERS} printable ASCII characters"),
    "image.key": (_is_key, f"at most {MAX_KEY_BYTES:,} bytes of UTF-8 text"),
    "image.version_id": (_is_version, f"at most {MAX_VERSION_CHARACTERS:,} printable ASCII characters"),
    "request_id": (_is_request_id, f"at most {MAX_REQUEST_ID_CHARACTERS} printable characters"),
}
