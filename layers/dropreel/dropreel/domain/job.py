"""The job: its statuses, and every transition between them.

A transition is a pure function that returns the job to save. It declares the statuses from which it may start. The job
table saves the result under an optimistic lock: only if the stored `version` is still the one that was read.

These rules prevent a second payment: only `claim` leads to a POST, `claim` starts from `deferred` alone, and a job whose
submission was or may have been charged never becomes `deferred` again in the same attempt.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec

from dropreel.domain.days import day_of, spend_day
from dropreel.domain.errors import TransitionError
from dropreel.domain.images import Image, ImageRef
from dropreel.domain.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from dropreel.domain.options import Options


class JobStatus(StrEnum):
    """Every status of a job. Each job ends in exactly one of `TERMINAL`."""

    DEFERRED = "deferred"
    PREPARING = "preparing"
    HELD = "held"
    SUBMITTING = "submitting"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED, JobStatus.UNKNOWN})

PUBLISHING = "publishing"
"""The job table's index value of an ended job that has an event to publish."""
OPERATOR = "operator"
"""The index value of a job whose message is in the dead-letter queue, after that was published."""


class Charge(StrEnum):
    """What the provider charged for a job or an attempt: nothing, the price (or counted as charged), or unknown."""

    NONE = "none"
    CHARGED = "charged"
    UNKNOWN = "unknown"


class EventType(StrEnum):
    """The `detail-type` of each event of a job, in the order in which they can be due."""

    HELD = "Video Generation Held"
    DEFERRED = "Video Generation Deferred"
    SUBMITTED = "Video Generation Submitted"
    COMPLETED = "Video Generation Completed"
    FAILED = "Video Generation Failed"
    REJECTED = "Video Generation Rejected"
    UNKNOWN = "Video Generation Unknown"


class PollFaultNote(NamedTuple):
    """The last poll without a usable answer: what happened (never a URL or a key), and when."""

    message: str
    at: datetime


class VideoObject(NamedTuple):
    """The delivered video: its object, its size in bytes, the SHA-256 of its bytes in hex, and its receipt's key.

    `version_id` is None in a bucket without versioning. The duration (seconds), width and height (pixels) are the video's
    own, None where they cannot be read from it.
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
    """One job. Times are aware UTC datetimes.

    `version` is the optimistic lock: each save increments it, and 0 is a job that was never saved. `request_id` is that of
    a request event, None for an upload; `request_fingerprint` identifies the request's content
    (`fingerprints.request_fingerprint`). `is_copy`: S3's event was about a copy (`CopyObject`). `rehearsal`: it is never
    sent to the provider and is reserved on days of its own, whatever the stack's `Rehearsal` is now. `modified_at` is the
    image's LastModified in S3. `options` is None until the image is validated; their `aspect_ratio` can be `auto` until it
    is prepared. `cost_cents` is the price of one attempt in US cents, by the prices of `prices_version`. `reserved_day` is
    the day on which it is reserved, from the claim on, None after a release. `lease_until` is when the last claim expires.

    `requeues` numbers the retry messages of this attempt; only the message with the current number is processed. A deferred
    job is not submitted before `retry_at`. `waiting_since` is when this attempt began to wait. `notices` has the reason of
    each `Held` and `Deferred` event of this attempt, so that each is published once.

    `watched_since` is when polling began, or began again with the last resume or adoption (`resumes` counts them); the
    deadline counts from there. `polls` counts the polls, `poll_faults` those without a usable answer. `not_found_since` is
    when the provider began to answer 404. `pending_events` are still to be published.
    """

    job_id: str
    status: JobStatus
    attempt: int
    image: Image
    created_at: datetime
    updated_at: datetime
    version: int = 0
    request_id: str | None = None
    request_fingerprint: str | None = None
    is_copy: bool = False
    rehearsal: bool = False
    modified_at: datetime | None = None
    options: "Options | None" = None
    option_sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    cost_cents: int = 0
    prices_version: str | None = None
    charge: Charge = Charge.NONE
    reserved_day: str | None = None
    lease_until: datetime | None = None
    requeues: int = 0
    retry_at: datetime | None = None
    waiting_since: datetime | None = None
    notices: Mapping[EventType, Reason] = field(default_factory=dict)
    submitted_at: datetime | None = None
    generation_id: str | None = None
    provider_status: str | None = None
    watched_since: datetime | None = None
    resumes: int = 0
    polls: int = 0
    poll_faults: int = 0
    not_found_since: datetime | None = None
    last_fault: PollFaultNote | None = None
    reason: Reason | None = None
    video: VideoObject | None = None
    pending_events: frozenset[EventType] = frozenset()

    @property
    def is_terminal(self) -> bool:
        """Whether the job has its final status."""
        return self.status in TERMINAL

    @property
    def is_dead_letter(self) -> bool:
        """Whether the job's message is in a dead-letter queue."""
        return self.status in (JobStatus.DEFERRED, JobStatus.PREPARING) and self.has_reason(ReasonCode.DEAD_LETTER)

    @property
    def waits_for(self) -> str | None:
        """The job's value in the job table's index: its status, `PUBLISHING`, `OPERATOR`, or None (not in the index).

        Of the final statuses only `unknown` is in the index, so that what the operator has to settle can be counted.
        """
        if self.is_terminal and self.pending_events:
            return PUBLISHING
        if self.is_terminal and self.status is not JobStatus.UNKNOWN:
            return None
        return OPERATOR if self.is_dead_letter and not self.pending_events else self.status.value

    def has_reason(self, *codes: ReasonCode) -> bool:
        """Return whether the job's reason has one of these codes."""
        return self.reason is not None and self.reason.code in codes

    def is_at_same_step(self, other: "Job") -> bool:
        """Return whether another copy of the job differs at most in published events and poll counts."""
        return self._step() == other._step()

    def _step(self) -> tuple[object, ...]:
        return (self.status, self.attempt, self.requeues, self.resumes, self.lease_until, self.reason)


def job_id_of(image: ImageRef, request_id: str | None = None, request_fingerprint: str | None = None) -> str:
    """Return the job's id, the same for every delivery of the same event.

    24 hex digits of SHA-256 over bucket, key and version id (the event's sequencer where there is no version), and for a
    request event its request id. `request_fingerprint` is passed only for a request whose id another request has used.
    """
    parts = [image.bucket, image.key, image.version_id or image.sequencer or image.etag or ""]
    parts += [part for part in (request_id, request_fingerprint) if part is not None]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def execution_name(job: Job) -> str:
    """Return the name of the execution that polls a job's attempt: always the same, except that each resume has a new one."""
    return f"{job.job_id}-{job.attempt}" + (f"-{job.resumes}" if job.resumes else "")


# --- transitions ------------------------------------------------------------------------------------------------------


class Transition(NamedTuple):
    """One transition: its name, its source and target statuses, and when it happens."""

    name: str
    sources: tuple[JobStatus, ...]
    targets: tuple[JobStatus, ...]
    when: str


TRANSITIONS: dict[str, Transition] = {}
"""Every transition by its name, in the usual order. The state diagram in docs/reliability.md is made from it."""

_Arguments = ParamSpec("_Arguments")
_Move = Callable[Concatenate[Job, _Arguments], Job]
_D, _P, _H = JobStatus.DEFERRED, JobStatus.PREPARING, JobStatus.HELD
_S, _G = JobStatus.SUBMITTING, JobStatus.GENERATING
_C, _F, _R, _U = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED, JobStatus.UNKNOWN


def _transition(
    *sources: JobStatus, to: tuple[JobStatus, ...], when: str
) -> Callable[[_Move[_Arguments]], _Move[_Arguments]]:
    """Register a transition. The registered function raises TransitionError for a job in any other status."""

    def register(move: _Move[_Arguments]) -> _Move[_Arguments]:
        TRANSITIONS[move.__name__] = Transition(move.__name__, sources, to, when)

        @wraps(move)
        def checked(job: Job, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Job:
            if job.status not in sources:
                raise TransitionError(f"job {job.job_id} is {job.status}: {move.__name__} is not possible")
            return move(job, *args, **kwargs)

        return checked

    return register


def receive(
    job_id: str,
    image: Image,
    at: datetime,
    *,
    request_id: str | None = None,
    request_fingerprint: str | None = None,
    is_copy: bool = False,
    rehearsal: bool = False,
) -> Job:
    """Create the job of an image on its first message."""
    return Job(
        job_id,
        JobStatus.DEFERRED,
        1,
        image,
        created_at=at,
        updated_at=at,
        request_id=request_id,
        request_fingerprint=request_fingerprint,
        is_copy=is_copy,
        rehearsal=rehearsal,
        waiting_since=at,
    )


@_transition(
    _D,
    _P,
    to=(_P,),
    when="the provider would not take the image or might show it wrongly, its prepared copy is gone, or its message is lost",
)
def prepare(job: Job, at: datetime) -> Job:
    """Number the message to Prepare Image, which replaces all earlier ones. Save the job first, then send the message."""
    return replace(
        job,
        status=JobStatus.PREPARING,
        image=job.image._replace(prepared=None),
        requeues=job.requeues + 1,
        retry_at=None,
        waiting_since=at if job.is_dead_letter else job.waiting_since,  # time in the dead-letter queue does not count
        reason=None,
        updated_at=at,
    )


@_transition(_P, to=(_D,), when="the prepared copy is stored; the job returns to the submission queue")
def finish_preparation(job: Job, at: datetime) -> Job:
    """Return a job that has its prepared image to the submission queue, with its next message's number."""
    return replace(
        job,
        status=JobStatus.DEFERRED,
        requeues=job.requeues + 1,
        waiting_since=at,  # preparation is no wait for the provider
        reason=None,
        updated_at=at,
    )


@_transition(_D, to=(_S,), when="before the POST; the price fits into the day's limit and is reserved")
def claim(job: Job, at: datetime, lease: timedelta) -> Job:
    """Record the intent to submit, before the POST. The ledger reserves the price in the same transaction."""
    return replace(
        job,
        status=JobStatus.SUBMITTING,
        lease_until=at + lease,
        reserved_day=spend_day(day_of(at), is_rehearsal=job.rehearsal),
        retry_at=None,
        waiting_since=at if job.is_dead_letter else job.waiting_since,  # time in the dead-letter queue does not count
        reason=None,
        updated_at=at,
    )


@_transition(_D, to=(_H,), when="the price would exceed the day's limit")
def hold(job: Job, reason: Reason, at: datetime) -> Job:
    """Wait until the price fits into a day's limit. `Held` is published once an attempt."""
    return _with_notice(
        replace(job, status=JobStatus.HELD, reason=reason, retry_at=None, updated_at=at), EventType.HELD
    )


@_transition(
    _D,
    _H,
    to=(_D,),
    when="it is sent to the queue again: the limit has room, `retry_at` is reached, or its message is lost",
)
def requeue(job: Job, at: datetime, retry_at: datetime | None = None) -> Job:
    """Number the job's next message, which replaces all earlier ones. Save the job first, then send the message."""
    if job.status is JobStatus.HELD or job.is_dead_letter:
        job = replace(job, status=JobStatus.DEFERRED, reason=None, waiting_since=at)
    return replace(job, requeues=job.requeues + 1, retry_at=retry_at, updated_at=at)


@_transition(
    _S,
    to=(_D,),
    when="the provider charged nothing: busy, key or balance refused, or never sent; the price is released",
)
def defer(job: Job, reason: Reason, retry_at: datetime, at: datetime) -> Job:
    """Try again at `retry_at` with a new message. The ledger releases the price in the same transaction."""
    return replace(
        job,
        status=JobStatus.DEFERRED,
        reason=reason,
        requeues=job.requeues + 1,
        retry_at=retry_at,
        reserved_day=None,
        updated_at=at,
    )


@_transition(_D, to=(_D,), when="it has waited for 15 minutes, or needs the operator")
def notice_wait(job: Job) -> Job:
    """Add `Video Generation Deferred` to the events to publish, once an attempt."""
    return _with_notice(job, EventType.DEFERRED)


@_transition(_D, _P, to=(_D, _P), when="its message was received five times and is in a dead-letter queue")
def dead_letter(job: Job, reason: Reason, at: datetime) -> Job:
    """Save why the job's message could not be processed. The job continues when the message is sent back to its queue."""
    return _with_notice(replace(job, reason=reason, updated_at=at), EventType.DEFERRED)


@_transition(
    _D,
    _P,
    _H,
    _S,
    to=(_R, _F, _U),
    when="this attempt was not charged and is the last; the status depends on the charge of earlier attempts",
)
def reject(job: Job, reason: Reason, at: datetime) -> Job:
    """End the job after an attempt that was not charged. It is `rejected` only if no earlier attempt can have been charged."""
    status, event = {
        Charge.NONE: (JobStatus.REJECTED, EventType.REJECTED),
        Charge.CHARGED: (JobStatus.FAILED, EventType.FAILED),
        Charge.UNKNOWN: (JobStatus.UNKNOWN, EventType.UNKNOWN),
    }[job.charge]
    return _ended(replace(job, reserved_day=None, retry_at=None), status, event, reason, at)


@_transition(_S, to=(_U,), when="it is unknown whether the submission was charged")
def park(job: Job, reason: Reason, at: datetime) -> Job:
    """Wait for the operator. The price stays reserved."""
    return _ended(replace(job, charge=Charge.UNKNOWN), JobStatus.UNKNOWN, EventType.UNKNOWN, reason, at)


@_transition(_S, _U, to=(_G,), when="the provider accepted it, even if its id is saved late")
def accept(job: Job, generation_id: str, provider_status: str, at: datetime) -> Job:
    """Save the id of the paid generation."""
    _require_published(job, JobStatus.UNKNOWN)
    return _generating(job, generation_id, provider_status, submitted_at=at, at=at)


@_transition(_S, _G, _U, to=(_D,), when="the attempt failed or is unknown, and another attempt is allowed")
def next_attempt(job: Job, reason: Reason, at: datetime) -> Job:
    """Start the next attempt, which is paid again. The charge of this one stays on the job and on the attempt's row."""
    _require_published(job)
    return replace(
        job,
        status=JobStatus.DEFERRED,
        attempt=job.attempt + 1,
        charge=Charge.CHARGED if job.status is JobStatus.GENERATING else Charge.UNKNOWN,
        reason=reason,
        requeues=0,
        retry_at=None,
        waiting_since=at,
        notices={},
        reserved_day=None,
        submitted_at=None,
        generation_id=None,
        provider_status=None,
        watched_since=None,
        not_found_since=None,
        resumes=0,
        updated_at=at,
    )


@_transition(_G, to=(_C,), when="the video is in the videos bucket")
def complete(job: Job, video: VideoObject, warnings: tuple[str, ...], at: datetime) -> Job:
    """End the job with its video, and add `warnings` to the job's own."""
    done = replace(job, video=video, warnings=(*job.warnings, *warnings))
    return _ended(done, JobStatus.COMPLETED, EventType.COMPLETED, None, at)


@_transition(_G, _U, to=(_F,), when="the generation gives no video, or the operator abandons an unknown job")
def fail(job: Job, reason: Reason, at: datetime) -> Job:
    """End the job without a video. The price stays reserved."""
    return _ended(job, JobStatus.FAILED, EventType.FAILED, reason, at)


@_transition(_F, to=(_G,), when="the operator resumes polling a paid generation")
def resume(job: Job, at: datetime) -> Job:
    """Poll the paid generation again, with a new execution and a new deadline. No attempt follows if it fails."""
    if job.generation_id is None:
        raise TransitionError(f"job {job.job_id} has no generation to resume")
    _require_published(job)
    return replace(
        job,
        status=JobStatus.GENERATING,
        provider_status=None,
        watched_since=at,
        not_found_since=None,
        resumes=job.resumes + 1,
        reason=None,
        updated_at=at,
    )


@_transition(_U, to=(_G,), when="the operator found the generation at the provider")
def adopt(job: Job, generation_id: str, at: datetime) -> Job:
    """Poll the generation that the operator names. No attempt follows if it fails."""
    _require_published(job)
    adopted = replace(job, resumes=job.resumes + 1)
    return _generating(adopted, generation_id, None, submitted_at=job.updated_at, at=at)


def _generating(
    job: Job, generation_id: str, provider_status: str | None, *, submitted_at: datetime, at: datetime
) -> Job:
    return replace(
        job,
        status=JobStatus.GENERATING,
        charge=Charge.CHARGED,
        generation_id=generation_id,
        provider_status=provider_status,
        submitted_at=submitted_at,
        watched_since=at,
        not_found_since=None,
        reason=None,
        pending_events=job.pending_events | {EventType.SUBMITTED},
        updated_at=at,
    )


def _ended(job: Job, status: JobStatus, event: EventType, reason: Reason | None, at: datetime) -> Job:
    return replace(job, status=status, reason=reason, pending_events=job.pending_events | {event}, updated_at=at)


def _with_notice(job: Job, event: EventType) -> Job:
    """Add a `Held` or `Deferred` event to the pending ones, once an attempt."""
    if event in job.notices or job.reason is None:
        return job
    return replace(job, notices={**job.notices, event: job.reason}, pending_events=job.pending_events | {event})


def _require_published(job: Job, *statuses: JobStatus) -> None:
    """Raise TransitionError for a job with pending events: the next step can have an event of the same type."""
    if job.pending_events and (not statuses or job.status in statuses):
        raise TransitionError(f"job {job.job_id} has yet to publish {', '.join(sorted(job.pending_events))}")
