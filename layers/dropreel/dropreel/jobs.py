"""The job: one image's way from the drop to its one outcome."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from dropreel.redaction import redact_signed


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

A_PERSON = "a person"
"""What a deferred job waits for while its message is in the dead-letter queue, once its owner was told."""

DEAD_LETTER = "dead_letter"
"""The reason's code of such a job."""

TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED, JobStatus.UNKNOWN})


class Money(StrEnum):
    """Whether the provider charged for the job: surely not, surely (or counted as such), or nobody can tell."""

    NONE = "none"
    SPENT = "spent"
    PERHAPS = "perhaps"


@dataclass(frozen=True)
class Reason:
    """Why a job ended as it did: a code for machines, a plain message for people.

    `messages` holds each fault by itself where there are several; `message` is all of them. `provider_error` is what the
    provider itself said, where it said something.
    """

    code: str
    message: str
    messages: tuple[str, ...] = ()
    provider_error: str | None = None

    def __post_init__(self) -> None:
        """Whoever wrote its texts (an exception, a step's cause, an option's value): no signed address gets any further."""
        object.__setattr__(self, "message", redact_signed(self.message))
        object.__setattr__(self, "messages", tuple(redact_signed(message) for message in self.messages))
        if self.provider_error is not None:
            object.__setattr__(self, "provider_error", redact_signed(self.provider_error))

    def as_json(self) -> dict[str, Any]:
        """Return the reason as it stands in events and in the job table."""
        return {
            "code": self.code,
            "message": self.message,
            "messages": list(self.messages or (self.message,)),
            "provider_error": self.provider_error,
        }


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
class PollFaultNote:
    """The last poll that told nothing: what happened (never an address or a key), and when."""

    message: str
    at: datetime


@dataclass(frozen=True)
class VideoObject:
    """The delivered video: where it is, its size in bytes, the SHA-256 of its bytes in hex, and where its receipt is.

    `version_id` is S3's of that very object, None in a bucket without versions.
    Its own duration in seconds, width and height in pixels are None where the video does not say them readably.
    """

    bucket: str
    key: str
    size: int
    sha256: str
    receipt_key: str
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    version_id: str | None = None


@dataclass(frozen=True)
class Job:
    """One row of the job table.

    `watched_since` is when its polling began, or began again with the `resumes`-th resume: the deadline counts from there.
    `poll_faults` counts the polls that told nothing, `not_found_polls` those answered 404 since the last other answer.
    `image` and `options` are JSON objects as they appear in events; times are aware UTC datetimes; `cost_cents` is the
    price of one attempt in US cents, reserved on `reserved_day`. A deferred job is not submitted again before `retry_at`;
    `defers` counts how often it was deferred; `held_in_attempt` is the last attempt that was held, so that each is told once.
    `deferred_since` is when this attempt began to wait; `deferred_reason` is what its owner was told of the waiting, None
    until then.
    `sent_at` is when the sweeper last sent a message of the job that nothing has taken yet, `sends` how often it did.
    `pending_events` names the events that have still to reach the bus. `request_id` is a request event's; None for an upload.
    `request_fingerprint` is what that request asked for (`fingerprints.request_fingerprint`); `is_copy` marks a job that began
    with S3's event of a copy.
    """

    job_id: str
    status: JobStatus
    attempt: int
    image: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    request_id: str | None = None
    request_fingerprint: str | None = None
    is_copy: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    option_sources: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    cost_cents: int = 0
    money: Money = Money.NONE
    lease_until: datetime | None = None
    submitted_at: datetime | None = None
    generation_id: str | None = None
    provider_status: str | None = None
    watched_since: datetime | None = None
    resumes: int = 0
    polls: int = 0
    poll_faults: int = 0
    not_found_polls: int = 0
    last_fault: PollFaultNote | None = None
    defers: int = 0
    retry_at: datetime | None = None
    held_in_attempt: int = 0
    deferred_since: datetime | None = None
    deferred_reason: Reason | None = None
    sent_at: datetime | None = None
    sends: int = 0
    reserved_day: str | None = None
    reason: Reason | None = None
    video: VideoObject | None = None
    pending_events: frozenset[str] = frozenset()

    @property
    def is_terminal(self) -> bool:
        """Whether the job has reached its one outcome."""
        return self.status in TERMINAL

    @property
    def is_dead_letter(self) -> bool:
        """Whether the job's message is in the dead-letter queue, for a person to look at."""
        return self.status is JobStatus.DEFERRED and self.reason is not None and self.reason.code == DEAD_LETTER


def job_id_of(image: ImageRef, request_id: str | None = None, request_fingerprint: str | None = None) -> str:
    """Return the id under which every delivery of the same upload meets the same job.

    24 hex digits of SHA-256 over bucket, key and version id (or the event's sequencer where there is no version), and
    for a request event its request id. `request_fingerprint` is added only for a request whose id belongs to another one.
    """
    parts = [image.bucket, image.key, image.version_id or image.sequencer or image.etag or ""]
    parts += [part for part in (request_id, request_fingerprint) if part is not None]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def execution_name(job: Job) -> str:
    """Return the name of the execution that watches a job's attempt: the same for every start of it, a new one a resume."""
    return f"{job.job_id}-{job.attempt}" + (f"-{job.resumes}" if job.resumes else "")


def is_image_key(key: str, size: int | None = None) -> bool:
    """Tell images from what lies beside them.

    Sidecars and folder defaults end in `.json` (in any case), folder markers are empty and end in `/`, and desktops leave
    `.DS_Store`, `._*` (AppleDouble), `Thumbs.db` and `desktop.ini` in any folder, in upper or lower case.
    """
    name = key.rpartition("/")[2].lower()
    if name.endswith(".json") or name.startswith("._") or name in _DESKTOP_FILES:
        return False
    return not (key.endswith("/") and not size)


_DESKTOP_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
