"""What is told apart by its content: requests under one request id, and pictures under one key."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dropreel.domain.job import Job
from dropreel.domain.option_files import is_folder_file
from dropreel.domain.options import STACK_PARAMETERS

_HEX_DIGITS = 24


@dataclass(frozen=True)
class Picture:
    """One picture under one key with options of its own, as a job is about to be paid for.

    `item_key` is 24 hex digits of SHA-256 behind `picture-`, its key in the job table. `modified_at` is S3's LastModified
    of the object, in whole seconds.
    """

    item_key: str
    is_copy: bool
    modified_at: datetime


def picture_of(job: Job, modified_at: datetime) -> Picture | None:
    """Return the picture of an upload's job; None for a request, which may ask for the same picture as often as it likes.

    The options that count are the image's own: its S3 metadata and its sidecar. Folder defaults and stack parameters do not,
    so that a change of storage class over a whole bucket pays for nothing, whatever was changed in those since.
    """
    if job.request_id is not None or job.image.sha256 is None:
        return None
    own = {name: getattr(job.options, name) for name, source in job.option_sources.items() if _is_own(source)}
    parts = [job.image.bucket, job.image.key, job.image.sha256, _comparable(own)]
    return Picture(f"picture-{_digest(parts)}", job.is_copy, modified_at)


def request_fingerprint(options: Mapping[str, Any], faults: Sequence[str]) -> str:
    """Return 24 hex digits that differ where two requests differ: by their options as sent, or by what is wrong with them."""
    return _digest([_comparable(options), list(faults)])


def _is_own(source: str) -> bool:
    return source != STACK_PARAMETERS and not is_folder_file(source)


def _comparable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options so that 5 and 5.0 are the same: DynamoDB does not keep them apart. No option takes a nested value."""
    return {name: _scalar(value) for name, value in options.items()}


def _scalar(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (str, bool, int, float)) or value is None else type(value).__name__


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_HEX_DIGITS]
