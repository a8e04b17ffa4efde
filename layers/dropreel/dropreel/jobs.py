"""The job: one image's way from the drop to its one outcome."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobStatus(StrEnum):
    """Every status a job can have. Each job ends in exactly one of `TERMINAL`."""

    SUBMITTING = "submitting"
    GENERATING = "generating"
    HELD = "held"
    DEFERRED = "deferred"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


TELLING = "telling"
"""What an ended job waits for while an event of it has still to reach the bus."""

TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED, JobStatus.UNKNOWN})


class Money(StrEnum):
    """Whether the provider charged for the job: surely not, surely (or counted as such), or nobody can tell."""

    NONE = "none"
    SPENT = "spent"
    PERHAPS = "perhaps"


@dataclass(frozen=True)
class Reason:
    """Why a job ended as it did: a code for machines, a plain message for people.

    `messages` holds each fault by itself where there are several; `message` is all of them.
    """

    code: str
    message: str
    messages: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the reason as it stands in events and in the job table."""
        return {"code": self.code, "message": self.message, "messages": list(self.messages or (self.message,))}


@dataclass(frozen=True)
class ImageRef:
    """One object version in a bucket.

    `version_id` is None where the event carried none (an unversioned bucket); `etag` then tells whether the object is
    still the one that the event spoke of. `sequencer` is S3's own and may only be compared for equality.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True)
class VideoObject:
    """The delivered video: where it is, its size in bytes, the SHA-256 of its bytes in hex, and where its receipt is."""

    bucket: str
    key: str
    size: int
    sha256: str
    receipt_key: str


@dataclass(frozen=True)
class Job:
    """One row of the job table.

    `image` and `options` are JSON objects as they appear in events; times are aware UTC datetimes; `cost_cents` is the
    price of one attempt in US cents, reserved on `reserved_day`. A deferred job is not submitted again before `retry_at`;
    `defers` counts how often it was deferred; `held_in_attempt` is the last attempt that was held, so that each is told once.
    `pending_events` names the events that have still to reach the bus.
    """

    job_id: str
    status: JobStatus
    attempt: int
    image: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    options: dict[str, Any] = field(default_factory=dict)
    option_sources: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    cost_cents: int = 0
    money: Money = Money.NONE
    lease_until: datetime | None = None
    submitted_at: datetime | None = None
    generation_id: str | None = None
    provider_status: str | None = None
    polls: int = 0
    defers: int = 0
    retry_at: datetime | None = None
    held_in_attempt: int = 0
    reserved_day: str | None = None
    reason: Reason | None = None
    video: VideoObject | None = None
    pending_events: frozenset[str] = frozenset()

    @property
    def is_terminal(self) -> bool:
        """Whether the job has reached its one outcome."""
        return self.status in TERMINAL


def job_id_of(image: ImageRef, request_id: str | None = None) -> str:
    """Return the id under which every delivery of the same upload meets the same job.

    24 hex digits of SHA-256 over bucket, key and version id (or the event's sequencer where there is no version), and
    for a request event its request id.
    """
    parts = [image.bucket, image.key, image.version_id or image.sequencer or image.etag or ""]
    if request_id is not None:
        parts.append(request_id)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def execution_name(job_id: str, attempt: int) -> str:
    """Return the state machine's execution name for one attempt: the same for every start of it."""
    return f"{job_id}-{attempt}"


def is_image_key(key: str, size: int | None = None) -> bool:
    """Tell images from what lies beside them: sidecars and folder defaults end in `.json`, folder markers are empty and end in `/`."""
    if key.endswith(".json"):
        return False
    return not (key.endswith("/") and not size)
