"""The job: one image's way from its upload to its one outcome, and every transition on that way.

A transition is a pure function from a job to the job that is to be saved. It says from which statuses it may start; the
job table saves its result only if nobody has changed the job since it was read (`Job.version`). So the promise can be read
here: `claim` is the only way to a POST, it starts from `deferred` alone, and no transition leads from a job whose
submission was or may have been charged back to the same attempt.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from dropreel.domain.errors import TransitionError
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import day_of

if TYPE_CHECKING:
    from dropreel.domain.options import Options


class JobStatus(StrEnum):
    """Every status a job can have. Each job ends in exactly one of `TERMINAL`."""

    DEFERRED = "deferred"
    HELD = "held"
    SUBMITTING = "submitting"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED, JobStatus.UNKNOWN})

PUBLISHING = "publishing"
"""What an ended job waits for while it owes an event: a value of the job table's index."""
OPERATOR = "operator"
"""What a job waits for whose message is in the dead-letter queue, once that was published: a value of the index."""


class Charge(StrEnum):
    """What the provider charged for a job or an attempt: surely nothing, surely (or counted as such), or nobody can tell."""

    NONE = "none"
    CHARGED = "charged"
    UNKNOWN = "unknown"


class EventType(StrEnum):
    """The `detail-type` of each event that a job can owe, in the order in which it can come to them."""

    HELD = "Video Generation Held"
    DEFERRED = "Video Generation Deferred"
    SUBMITTED = "Video Generation Submitted"
    COMPLETED = "Video Generation Completed"
    FAILED = "Video Generation Failed"
    REJECTED = "Video Generation Rejected"
    UNKNOWN = "Video Generation Unknown"


@dataclass(frozen=True)
class ImageRef:
    """One object version in a bucket, as an event names it.

    `version_id` is None where the event carried none (an unversioned bucket); `etag` then tells whether the object is
    still the one that the event spoke of. `sequencer` is S3's own and may only be compared for equality.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True)
class Image:
    """The job's image: what its event says at first, what its bytes say once it was validated.

    `size` is in bytes, `sha256` in hex; `format` is `JPEG`, `PNG` or `WebP`; `width` and `height` are in pixels as
    displayed. None where it is not known.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    sha256: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None

    @property
    def ref(self) -> ImageRef:
        """The object that this is."""
        return ImageRef(self.bucket, self.key, self.version_id, self.etag)

    def as_json(self) -> dict[str, Any]:
        """Return the image as it stands in events, receipts and the job table: its shape only where it is known."""
        shape = ("format", "width", "height")
        return {name: value for name, value in asdict(self).items() if value is not None or name not in shape}


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
    """One job. Times are aware UTC datetimes.

    `version` grows with every save; 0 is a job that was never saved. `request_id` is a request event's, None for an upload;
    `request_fingerprint` is what that request asked for (`fingerprints.request_fingerprint`). `is_copy` marks a job that
    began with S3's event of a copy. `options` is None until the image was validated. `cost_cents` is the price of one
    attempt in US cents, reserved on `reserved_day` from the claim on, None again where it was released. `lease_until` is
    when the last claim ends.

    `requeues` counts the messages that this attempt has had of ours: a message names the attempt and its number, and one
    that another has followed is overtaken. A deferred job is not submitted again before `retry_at`. `waiting_since` is when
    this attempt began to wait. `notices` holds the reason that each waiting event of this attempt tells, so that each is
    published once.

    `watched_since` is when its polling began, or began again with the `resumes`-th resume or adoption: the deadline counts
    from there. `polls` counts the polls, `poll_faults` those that told nothing; `not_found_since` is when the provider
    began to answer 404. `pending_events` have still to reach the bus.
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
    options: "Options | None" = None
    option_sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    cost_cents: int = 0
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
        """Whether the job has reached its one outcome."""
        return self.status in TERMINAL

    @property
    def is_dead_letter(self) -> bool:
        """Whether the job's message is in the dead-letter queue."""
        return self.status is JobStatus.DEFERRED and self.has_reason(ReasonCode.DEAD_LETTER)

    @property
    def waits_for(self) -> str | None:
        """What the job waits for, as the job table's index has it: its status, `PUBLISHING`, `OPERATOR`, or None at its end."""
        if self.is_terminal:
            return PUBLISHING if self.pending_events else None
        return OPERATOR if self.is_dead_letter and not self.pending_events else self.status.value

    def has_reason(self, *codes: ReasonCode) -> bool:
        """Tell whether the job's reason is one of these."""
        return self.reason is not None and self.reason.code in codes

    def is_at_same_step(self, other: "Job") -> bool:
        """Tell whether another reading of the job differs in bookkeeping at most (events published, polls counted)."""
        return self._step() == other._step()

    def _step(self) -> tuple[object, ...]:
        return (self.status, self.attempt, self.requeues, self.resumes, self.lease_until, self.reason)


@dataclass(frozen=True)
class Attempt:
    """What an attempt's row tells of one submission.

    A job is submitted again in the same attempt only after the provider surely took nothing; each submission has a row of
    its own, named by the attempt and by `requeues` at its claim.
    """

    attempt: int
    requeues: int
    status: JobStatus
    charge: Charge
    generation_id: str | None
    reason: Reason | None
    at: datetime


def attempt_after(before: Job, after: Job) -> Attempt | None:
    """Return what a saved transition says of the submission that it starts or goes on with; None where there is none.

    A job without a reservation has no such submission: it was never claimed in this attempt, or nothing was charged for it.
    """
    if before.status is JobStatus.DEFERRED and after.status is JobStatus.SUBMITTING:
        return Attempt(after.attempt, after.requeues, after.status, Charge.UNKNOWN, None, None, after.updated_at)
    if before.reserved_day is None or before.is_at_same_step(after):
        return None
    status, generation_id = after.status, after.generation_id or before.generation_id
    charge = Charge.CHARGED if generation_id else Charge.UNKNOWN
    if after.attempt != before.attempt:
        status = JobStatus.FAILED if generation_id else JobStatus.UNKNOWN
    elif before.status is JobStatus.SUBMITTING and after.reserved_day is None:
        charge = Charge.NONE
    return Attempt(before.attempt, before.requeues, status, charge, generation_id, after.reason, after.updated_at)


def job_id_of(image: ImageRef, request_id: str | None = None, request_fingerprint: str | None = None) -> str:
    """Return the id under which every delivery of the same upload meets the same job.

    24 hex digits of SHA-256 over bucket, key and version id (or the event's sequencer where there is no version), and
    for a request event its request id. `request_fingerprint` is added only for a request whose id belongs to another one.
    """
    parts = [image.bucket, image.key, image.version_id or image.sequencer or image.etag or ""]
    parts += [part for part in (request_id, request_fingerprint) if part is not None]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def execution_name(job: Job) -> str:
    """Return the name of the execution that polls a job's attempt: the same for every start of it, a new one a resume."""
    return f"{job.job_id}-{job.attempt}" + (f"-{job.resumes}" if job.resumes else "")


def is_running(execution_status: str | None) -> bool:
    """Tell whether an execution goes on: it runs, or is about to after a redrive (Step Functions, DescribeExecution)."""
    return execution_status in ("RUNNING", "PENDING_REDRIVE")


def event_id(job: Job, event: EventType) -> str:
    """Return `metadata.id`: 32 hex digits, the same each time the same event is published again.

    A job that was resumed may fail once more, which is another event.
    """
    parts = [job.job_id, str(job.attempt), event.value, *([str(job.resumes)] if job.resumes else [])]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


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

# --- transitions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transition:
    """One transition: its name, from which statuses it may start, to which it leads, and when it is made."""

    name: str
    sources: tuple[JobStatus, ...]
    targets: tuple[JobStatus, ...]
    when: str


TRANSITIONS: dict[str, Transition] = {}
"""Every transition by its name, in the order of a job's way: the state diagram in docs/reliability.md is made from it."""

_Arguments = ParamSpec("_Arguments")
_Move = Callable[Concatenate[Job, _Arguments], Job]
_D, _H, _S, _G = JobStatus.DEFERRED, JobStatus.HELD, JobStatus.SUBMITTING, JobStatus.GENERATING
_C, _F, _R, _U = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED, JobStatus.UNKNOWN


def _transition(
    *sources: JobStatus, to: tuple[JobStatus, ...], when: str
) -> Callable[[_Move[_Arguments]], _Move[_Arguments]]:
    """Register a transition. It raises TransitionError for a job in any other status."""

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
) -> Job:
    """Return the job of an image whose message has come for the first time. It waits to be validated."""
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
        waiting_since=at,
    )


@_transition(_D, to=(_S,), when="about to be submitted: the attempt's row is new and its price fits the day")
def claim(job: Job, at: datetime, lease: timedelta) -> Job:
    """Write the intent to submit, before the POST. The price is reserved in the same transaction."""
    return replace(
        job,
        status=JobStatus.SUBMITTING,
        lease_until=at + lease,
        reserved_day=day_of(at),
        retry_at=None,
        waiting_since=at if job.is_dead_letter else job.waiting_since,  # its time in the queue is over
        reason=None,
        updated_at=at,
    )


@_transition(_D, to=(_H,), when="the day's limit would be passed")
def hold(job: Job, reason: Reason, at: datetime) -> Job:
    """Wait until the day's limit has room. Published once an attempt."""
    return _noticed(replace(job, status=JobStatus.HELD, reason=reason, retry_at=None, updated_at=at), EventType.HELD)


@_transition(
    _D, _H, to=(_D,), when="a message brings it back: the day has room, its time has come, or its message was lost"
)
def requeue(job: Job, at: datetime, retry_at: datetime | None = None) -> Job:
    """Number the next message of the job. Save first, then send: only who saved sends, and older messages are overtaken."""
    if job.status is JobStatus.HELD or job.is_dead_letter:
        job = replace(job, status=JobStatus.DEFERRED, reason=None, waiting_since=at)
    return replace(job, requeues=job.requeues + 1, retry_at=retry_at, updated_at=at)


@_transition(_S, to=(_D,), when="the provider surely took nothing: busy, key or balance refused, never sent; released")
def defer(job: Job, reason: Reason, retry_at: datetime, at: datetime) -> Job:
    """Come back at `retry_at` with a new message; the reservation is released in the same transaction."""
    return replace(
        job,
        status=JobStatus.DEFERRED,
        reason=reason,
        requeues=job.requeues + 1,
        retry_at=retry_at,
        reserved_day=None,
        updated_at=at,
    )


@_transition(_D, to=(_D,), when="it has waited for 15 minutes, or a person is needed")
def notice_wait(job: Job) -> Job:
    """Owe `Video Generation Deferred`, once an attempt."""
    return _noticed(job, EventType.DEFERRED)


@_transition(_D, to=(_D,), when="its message was received five times and is in the dead-letter queue")
def dead_letter(job: Job, reason: Reason, at: datetime) -> Job:
    """Keep why the job's message could not be processed. The job goes on where it was when the message is sent back."""
    return _noticed(replace(job, reason=reason, updated_at=at), EventType.DEFERRED)


@_transition(
    _D,
    _H,
    _S,
    to=(_R, _F, _U),
    when="nothing was charged for this attempt and none will follow; by what earlier ones cost",
)
def reject(job: Job, reason: Reason, at: datetime) -> Job:
    """End the job with an attempt that cost nothing. Where an earlier one was or may have been charged it is not `rejected`."""
    status, event = {
        Charge.NONE: (JobStatus.REJECTED, EventType.REJECTED),
        Charge.CHARGED: (JobStatus.FAILED, EventType.FAILED),
        Charge.UNKNOWN: (JobStatus.UNKNOWN, EventType.UNKNOWN),
    }[job.charge]
    return _ended(replace(job, reserved_day=None, retry_at=None), status, event, reason, at)


@_transition(_S, to=(_U,), when="nobody can tell whether the submission was charged")
def park(job: Job, reason: Reason, at: datetime) -> Job:
    """Wait for the operator. The reservation stays."""
    return _ended(replace(job, charge=Charge.UNKNOWN), JobStatus.UNKNOWN, EventType.UNKNOWN, reason, at)


@_transition(_S, _U, to=(_G,), when="the provider accepted it; also where its id comes late")
def accept(job: Job, generation_id: str, provider_status: str, at: datetime) -> Job:
    """Keep the id of what was paid for."""
    _require_published(job, JobStatus.UNKNOWN)
    return _generating(job, generation_id, provider_status, submitted_at=at, at=at)


@_transition(_S, _G, _U, to=(_D,), when="the attempt failed or is unknown, and another one is allowed")
def next_attempt(job: Job, reason: Reason, at: datetime) -> Job:
    """Begin the next attempt: a second payment. What this one cost stays on the job and on the attempt's row."""
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


@_transition(_G, to=(_C,), when="its video is in the bucket")
def complete(job: Job, video: VideoObject, warnings: tuple[str, ...], at: datetime) -> Job:
    """End the job with its video; `warnings` are added to those that it has."""
    done = replace(job, video=video, warnings=(*job.warnings, *warnings))
    return _ended(done, JobStatus.COMPLETED, EventType.COMPLETED, None, at)


@_transition(_G, _U, to=(_F,), when="no video comes of the generation; or the operator abandons an unknown one")
def fail(job: Job, reason: Reason, at: datetime) -> Job:
    """End the job without a video. The reservation stays."""
    return _ended(job, JobStatus.FAILED, EventType.FAILED, reason, at)


@_transition(_F, to=(_G,), when="the operator resumes a paid generation whose video may still come")
def resume(job: Job, at: datetime) -> Job:
    """Poll the paid generation again, under a new execution and with a new deadline. After it a `failed` is final."""
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


@_transition(_U, to=(_G,), when="the operator found its generation at the provider")
def adopt(job: Job, generation_id: str, at: datetime) -> Job:
    """Go on with a generation that the operator names. After it a `failed` is final."""
    _require_published(job)
    adopted = replace(job, resumes=job.resumes + 1)
    return _generating(adopted, generation_id, None, submitted_at=job.updated_at, at=at)


def mark_published(job: Job, event: EventType, published_id: str) -> Job:
    """Return the job without an event that reached the bus; the same job where it owes another one of that type by now."""
    if event not in job.pending_events or event_id(job, event) != published_id:
        return job
    return replace(job, pending_events=job.pending_events - {event})


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


def _noticed(job: Job, event: EventType) -> Job:
    """Owe a waiting event, unless this attempt has had it."""
    if event in job.notices or job.reason is None:
        return job
    return replace(job, notices={**job.notices, event: job.reason}, pending_events=job.pending_events | {event})


def _require_published(job: Job, *statuses: JobStatus) -> None:
    """Raise TransitionError where the job owes events: what comes next has events of its own under the same types."""
    if job.pending_events and (not statuses or job.status in statuses):
        raise TransitionError(f"job {job.job_id} owes {', '.join(sorted(job.pending_events))}")
