"""Hashes that identify content: of requests with the same request id, and of pictures with the same key."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from dropreel.domain.job import Job
from dropreel.domain.option_files import is_folder_file
from dropreel.domain.option_places import STACK_PARAMETERS

_HEX_DIGITS = 24


class Picture(NamedTuple):
    """One picture: an image's bytes, key and own options. It is written with the claim, so that a copy is not paid again.

    `item_key` is its key in the job table: `picture-` and 24 hex digits of SHA-256. `modified_at` is the object's
    LastModified in S3, in whole seconds.
    """

    item_key: str
    is_copy: bool
    modified_at: datetime


def picture_of(job: Job, modified_at: datetime) -> Picture | None:
    """Return the picture of an upload's job; None for a request, which is never a duplicate of another job's picture.

    The image's own options count (S3 metadata and sidecar). Folder defaults and stack parameters do not: a change of the
    storage class of a whole bucket is not paid, even if they have changed since. A rehearsal's picture is one of its own: a
    real copy of it has no video yet.
    """
    if job.request_id is not None or job.image.sha256 is None:
        return None
    own = {name: getattr(job.options, name) for name, source in job.option_sources.items() if _is_own(source)}
    parts = [job.image.bucket, job.image.key, job.image.sha256, _comparable(own)]
    if job.rehearsal:
        parts.append("rehearsal")
    return Picture(f"picture-{_digest(parts)}", job.is_copy, modified_at)


def request_fingerprint(options: Mapping[str, Any], faults: Sequence[str]) -> str:
    """Return 24 hex digits of SHA-256 over a request's options as sent and its faults."""
    return _digest([_comparable(options), list(faults)])


def _is_own(source: str) -> bool:
    return source != STACK_PARAMETERS and not is_folder_file(source)


def _comparable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in which 5 and 5.0 are equal, as in DynamoDB. No option has a nested value."""
    return {name: _scalar(value) for name, value in options.items()}


def _scalar(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (str, bool, int, float)) or value is None else type(value).__name__


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_HEX_DIGITS]
