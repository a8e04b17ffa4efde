"""Submit one image: validate, reserve its price, claim, POST once, save the generation id, start the polling.

An image that must be prepared goes to Prepare Image first, and returns by a message.

Where the process dies decides what happens next:

| it dies | the table has | what follows |
|---|---|---|
| before the claim is saved | `deferred` | the message comes again; nothing was sent |
| before the POST's answer | `submitting`, a lease | when the lease ends: `unknown`, it may have been charged |
| before the id is saved | `submitting`, a lease | the same; the log has the id |
| after the id is saved | `generating` | the message or Sweep Jobs starts the execution and publishes the event |

A claim starts from `deferred` alone, and each message can claim once. A submission that may have been charged is sent again only
as the next attempt, and only where `AmbiguousSubmitPolicy` is `resubmit` or the operator decides it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dropreel.domain.backoff import backoff_seconds, is_notice_due
from dropreel.domain.current_job import work_on
from dropreel.domain.days import day_of, next_day
from dropreel.domain.errors import RetryLater
from dropreel.domain.fingerprints import picture_of
from dropreel.domain.images import Missing
from dropreel.domain.job import (
    Job,
    JobStatus,
    accept,
    claim,
    defer,
    hold,
    job_id_of,
    notice_wait,
    prepare,
    reject,
    requeue,
)
from dropreel.domain.messages import Drop, RetryMessage, is_overtaken, is_previous, retry_message_of
from dropreel.domain.metrics import Metric
from dropreel.domain.prices import usd
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import NotReserved
from dropreel.provider.error_texts import NO_REASON_GIVEN
from dropreel.provider.limits import CONTENT_TYPES, OPERATOR_RETRY_SECONDS, SUBMIT_SECONDS, busy_seconds
from dropreel.provider.submit_answers import (
    Accepted,
    Busy,
    KeyRefused,
    NoBalance,
    NotSent,
    Refused,
    SubmitAnswer,
    Unknown,
)
from dropreel.use_cases.find_job import FindJob
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.save_job import save_at_step
from dropreel.use_cases.unknown_submission import UnknownSubmission
from dropreel.use_cases.validate_image import MISSING_REASONS, ImageValidator

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Images, Jobs, Ledger, Provider, Queue, StateMachine, StoredImage, Submission

LEASE = timedelta(seconds=150)
"""How long a claim lasts: longer than the function's time-out (100 s), shorter than the queue's visibility time-out (600 s)."""
SAVE_SECONDS = 25
"""Seconds of the function's time that are kept for saving an accepted id after the longest POST."""
MIN_TIME_LEFT = timedelta(seconds=SUBMIT_SECONDS + SAVE_SECONDS)
"""With less of the function's time left, no submission is begun."""
MAX_CONFLICTS = 3
"""How often a message is processed again after the optimistic lock failed."""

logger = logging.getLogger("dropreel")


class _Conflict(Exception):
    """The optimistic lock failed before anything was sent: process the message again."""


@dataclass(frozen=True)
class SubmitGeneration:
    """Processes the messages of the submission queue."""

    jobs: "Jobs"
    find_job: FindJob
    ledger: "Ledger"
    validator: ImageValidator
    images: "Images"
    provider: "Provider"
    rehearsal: "Provider"
    queue: "Queue"
    prepare_queue: "Queue"
    state_machine: "StateMachine"
    publisher: Publisher
    unknown: UnknownSubmission
    count: Callable[[Metric, str], None]
    now: Callable[[], datetime]
    random: Callable[[], float]
    sleep: Callable[[float], None]

    def run(self, message: Drop | RetryMessage, seconds_left: float) -> str:
        """Process one message; return the job's status, or `ignored`, `copied` or `overtaken`.

        `seconds_left` is the function's remaining time. Raises RetryLater where the same message must come again.
        """
        deadline = self.now() + timedelta(seconds=seconds_left)
        if isinstance(message, Drop) and not message.creates_job:
            return "ignored"
        for _ in range(MAX_CONFLICTS):
            try:
                return self._process(message, deadline)
            except _Conflict:
                continue
        raise RetryLater(f"the job was changed {MAX_CONFLICTS} times while it was processed")

    def _process(self, message: Drop | RetryMessage, deadline: datetime) -> str:
        """Continue from the job's status in the table. Only a deferred job whose latest message this is can be submitted."""
        job = self.find_job.run(message)
        if job is None:
            return self._end_without_job(message)
        if isinstance(message, Drop) and job.job_id != job_id_of(message.image, message.request_id):
            return self._reject_reused_request_id(job, job_id_of(message.image, message.request_id))
        if isinstance(message, RetryMessage) and message.generation_id is not None:
            work_on(job.job_id, message.generation_id)
            return self._accept_late(job, message.generation_id, message.attempt)
        match job.status:
            case JobStatus.PREPARING if is_previous(message, job) or not is_overtaken(message, job):
                return self._send_to_prepare(job)  # the message may not have been sent, or came to the wrong queue
            case JobStatus.DEFERRED | JobStatus.PREPARING if is_overtaken(message, job):
                return "overtaken"
            case JobStatus.DEFERRED:
                return self._wait_or_submit(message, job, deadline)
            case JobStatus.SUBMITTING if job.lease_until is not None and job.lease_until > self.now():
                return job.status.value  # another delivery is submitting it; if that one dies, Sweep Jobs finds the job
            case JobStatus.SUBMITTING:
                return self._settle_unknown(
                    job, "The submission was interrupted and may have been charged."
                ).status.value
            case _:
                return self._start_and_publish(job)

    def _end_without_job(self, message: Drop | RetryMessage) -> str:
        """A copy's job is discarded while a duplicate of its message is still on its way. A claimed job is never discarded."""
        if isinstance(message, RetryMessage) and message.generation_id is None:
            return "discarded"
        raise RetryLater("its job is not in the job table")

    def _reject_reused_request_id(self, job: Job, first_job_id: str) -> str:
        logger.warning("request id reused", extra={"job_id": job.job_id, "first_job_id": first_job_id})
        if job.status is not JobStatus.DEFERRED:
            return self._start_and_publish(job)
        message = f"The request_id belongs to job {first_job_id}, which asked for something else of this image."
        return self._reject(job, job, Reason(ReasonCode.REQUEST_ID_REUSED, message))

    # --- before the claim: nothing is sent, and every fault can be retried --------------------------------------------

    def _wait_or_submit(self, message: Drop | RetryMessage, job: Job, deadline: datetime) -> str:
        now = self.now()
        if job.retry_at is not None and (job.retry_at - now).total_seconds() > 1:
            return self._requeue(job, requeue(job, now, job.retry_at))
        if job.options is not None:
            return self._submit(job, job, None, deadline)
        if isinstance(message, RetryMessage):
            raise RetryLater(f"job {job.job_id} was not validated yet: the message of its upload does that")
        validated = self.validator.validate(message, job)
        if validated.reason is not None:
            return self._reject(job, validated.job, validated.reason)
        if validated.is_prepared_first:
            return self._prepare(job, validated.job)
        return self._submit(job, validated.job, validated.image, deadline)

    def _prepare(self, read: Job, job: Job) -> str:
        """Send the image to Prepare Image; the job returns by a message."""
        return self._send_to_prepare(self._save(read, prepare(job, self.now())))

    def _send_to_prepare(self, job: Job) -> str:
        self.prepare_queue.send(retry_message_of(job))
        return job.status.value

    def _requeue(self, read: Job, after: Job) -> str:
        """Save, then send a message with a delay. A new message, so that waiting does not count as a failed receive."""
        now = self.now()
        after = notice_wait(after) if is_notice_due(after, now) else after
        saved = self._save(read, after)
        wait = 0.0 if saved.retry_at is None else (saved.retry_at - now).total_seconds()
        self._send(saved, max(1.0, wait))  # at least a second, so that messages never follow each other without a pause
        self._try_publish(saved)
        return saved.status.value

    def _submit(self, read: Job, job: Job, image: "StoredImage | None", deadline: datetime) -> str:
        """Claim the job, then POST once. All that can fail on our side is done before the claim.

        `read` is the job as it is in the table, `job` the same one validated. `image` is None for a job that was validated
        by an earlier message: it is read again.
        """
        priced = self.validator.priced(job)  # it may have waited since it was validated
        if job.attempt == 1 or priced.cost_cents > job.cost_cents:  # so that attempts times price is never too little
            job = priced
        if self.ledger.limit.rejects(job.cost_cents):
            limit = usd(self.ledger.limit.cents or 0)
            message = f"The video costs ${usd(job.cost_cents)}, more than the whole daily limit of ${limit}."
            return self._reject(read, job, Reason(ReasonCode.OVER_DAILY_LIMIT, message))
        stored = image or self.images.find(job.image.submitted_ref)
        if not isinstance(stored, Missing) and stored.sha256 != (job.image.submitted_sha256 or stored.sha256):
            stored = Missing.SUPERSEDED  # other bytes under the same version and entity tag
        if isinstance(stored, Missing):
            if job.image.prepared is not None:  # it is kept for seven days
                return self._prepare(read, job)
            return self._reject(read, job, MISSING_REASONS[stored])
        assert job.options is not None  # noqa: S101  # nosec B101 # it was validated
        image_url = stored.presigned_url(CONTENT_TYPES[job.image.submitted_format])
        provider = self.rehearsal if job.rehearsal else self.provider
        submission = provider.prepare(job.options, image_url)
        now = self.now()
        if deadline - now < MIN_TIME_LEFT:
            raise RetryLater("there is not enough time left for a submission")
        if day_of(deadline) != day_of(now):  # the POST could fall on a day on which nothing is reserved for it
            return self._requeue(read, requeue(job, now, next_day(now)))
        picture = picture_of(job, job.modified_at or stored.last_modified) if job.lease_until is None else None
        claimed = self.ledger.reserve(read, claim(job, now, LEASE), picture)
        match claimed:
            case NotReserved.CHANGED:
                raise _Conflict
            case NotReserved.DUPLICATE:
                assert picture is not None  # noqa: S101  # nosec B101 # only a picture can be claimed by another job
                return self._drop_duplicate(read, job, self.ledger.claimed_by(picture))
            case NotReserved.NO_ROOM:
                return self._hold(read, job)
            case Job():
                return self._post(claimed, submission, deadline)

    def _drop_duplicate(self, read: Job, job: Job, first: str | None) -> str:
        """Discard the job of a copy whose picture another job has claimed; reject it if it has published an event."""
        logger.info("copied", extra={"job_id": job.job_id, "first_job_id": first})
        if not job.notices:
            if not self.jobs.discard(read):
                raise _Conflict
            return "copied"
        message = f"Job {first} has the same picture under the same key; a copy is not paid again."
        return self._reject(read, job, Reason(ReasonCode.DUPLICATE_COPY, message))

    def _hold(self, read: Job, job: Job) -> str:
        limit = usd(self.ledger.limit.cents or 0)
        message = f"The daily limit of ${limit} would be passed; the image waits until the day has room."
        reason = Reason(ReasonCode.DAILY_LIMIT, message)
        return self._start_and_publish(self._save(read, hold(job, reason, self.now())))

    def _reject(self, read: Job, job: Job, reason: Reason) -> str:
        """End a job of which nothing was charged in this attempt."""
        return self._start_and_publish(self._save(read, reject(job, reason, self.now())))

    def _save(self, before: Job, after: Job) -> Job:
        saved = self.jobs.save(before, after)
        if saved is None:
            raise _Conflict
        return saved

    # --- from the claim on: the POST may be charged -------------------------------------------------------------------

    def _post(self, claimed: Job, submission: "Submission", deadline: datetime) -> str:
        """POST once, if there is still time for it and for saving the answer."""
        if deadline - self.now() < timedelta(seconds=SUBMIT_SECONDS + SAVE_SECONDS / 2):
            reason = Reason(ReasonCode.PROVIDER_UNREACHABLE, "The claim took too long; nothing was sent.")
            return self._defer(claimed, reason, backoff_seconds(claimed.requeues, self.random()))
        return self._save_answer(claimed, submission.send(), deadline)

    def _save_answer(self, job: Job, answer: SubmitAnswer, deadline: datetime) -> str:
        """Save what the provider answered: accepted, not charged (the reservation is released), or unknown."""
        match answer:
            case Accepted(generation_id, provider_status):
                return self._save_generation(job, generation_id, provider_status, deadline)
            case Refused(status_code, error_text):
                message = f"The provider refused the request ({status_code}): {error_text or NO_REASON_GIVEN}"
                reason = Reason(ReasonCode.PROVIDER_REFUSED, message, provider_error=error_text)
                saved = save_at_step(
                    job, lambda read: reject(read, reason, self.now()), self.ledger.release, self.jobs.get
                )
                return self._start_and_publish(saved or self._get(job.job_id))
            case KeyRefused(status_code, error_text):
                self.count(Metric.KEY_REFUSED, job.job_id)
                message = f"The provider refused the API key ({status_code}); nothing was charged."
                reason = Reason(
                    ReasonCode.KEY_REFUSED, _with_error_text(message, error_text), provider_error=error_text
                )
                return self._defer(job, reason, OPERATOR_RETRY_SECONDS)
            case NoBalance(status_code, error_text):
                self.count(Metric.NO_BALANCE, job.job_id)
                message = f"The account at the provider has no money left ({status_code}); nothing was charged."
                reason = Reason(
                    ReasonCode.PROVIDER_BALANCE, _with_error_text(message, error_text), provider_error=error_text
                )
                return self._defer(job, reason, OPERATOR_RETRY_SECONDS)
            case Busy(status_code, retry_after, error_text):
                message = _with_error_text(f"The provider is busy ({status_code}).", error_text)
                reason = Reason(ReasonCode.PROVIDER_BUSY, message, provider_error=error_text)
                return self._defer(job, reason, busy_seconds(retry_after, job.requeues, self.random()))
            case NotSent(message):
                reason = Reason(ReasonCode.PROVIDER_UNREACHABLE, f"The provider could not be reached: {message}.")
                return self._defer(job, reason, backoff_seconds(job.requeues, self.random()))
            case Unknown(message, error_text):
                text = f"It is unknown whether the submission was charged: {message}."
                return self._settle_unknown(job, _with_error_text(text, error_text), error_text).status.value

    def _save_generation(self, job: Job, generation_id: str, provider_status: str, deadline: datetime) -> str:
        """Log and save the id of a paid generation. A failed write is repeated until `SAVE_SECONDS` are left."""
        work_on(job.job_id, generation_id)
        logger.info("accepted", extra={"job_id": job.job_id, "generation_id": generation_id})
        while True:
            try:
                accepted = self._accept(job, generation_id, provider_status)
                break
            except Exception:
                logger.exception("accepted and not saved", extra={"job_id": job.job_id})
            if deadline - self.now() < timedelta(seconds=SAVE_SECONDS):
                return self._hand_over(job, generation_id)
            self.sleep(1)
        return self._start_and_publish(accepted)

    def _hand_over(self, job: Job, generation_id: str) -> str:
        """Give the id to the job's execution, whose first check saves it, or else to a message."""
        try:
            self.state_machine.start(job, generation_id)
        except Exception:
            logger.exception("accepted and not started", extra={"job_id": job.job_id})
            self.queue.send(RetryMessage(job.job_id, job.attempt, job.requeues, generation_id))
        return job.status.value

    def _accept_late(self, job: Job, generation_id: str, attempt: int) -> str:
        """Save an id that came by a message, since the table could not be written when it was accepted."""
        if job.status is JobStatus.UNKNOWN:
            job = self.publisher.publish(job)  # the operator may have settled it meanwhile: use the job as it is now
        is_missing = job.status in (JobStatus.SUBMITTING, JobStatus.UNKNOWN) and job.generation_id is None
        if is_missing and job.attempt == attempt:
            job = self._accept(job, generation_id, "created")
        return self._start_and_publish(job)

    def _accept(self, job: Job, generation_id: str, provider_status: str) -> Job:
        """Save an accepted generation, and return the job as it is then. No two jobs hold the same generation."""
        saved = save_at_step(
            job, lambda read: accept(read, generation_id, provider_status, self.now()), self.jobs.save, self.jobs.get
        )
        if saved is not None:
            return saved
        now, holder = self._get(job.job_id), self.jobs.holder_of(generation_id)
        if not now.is_at_same_step(job):
            return now
        if holder in (None, job.job_id):
            raise RetryLater(f"job {job.job_id} was changed while its generation was saved")
        if now.status is JobStatus.UNKNOWN:
            return now  # a late id that another job holds settles nothing
        message = f"The provider answered with the generation {generation_id}, which belongs to job {holder}."
        return self._settle_unknown(now, message)

    def _settle_unknown(self, job: Job, message: str, error_text: str | None = None) -> Job:
        """Park the job, or begin the next attempt where `AmbiguousSubmitPolicy` is `resubmit`."""
        settled = self.unknown.settle(job, message, self.now(), error_text)
        if settled is None:
            raise RetryLater(f"job {job.job_id} was changed by another delivery")
        return settled

    def _defer(self, job: Job, reason: Reason, wait_seconds: int) -> str:
        """Release the reservation, then send a message with a delay."""
        now = self.now()
        retry_at = now + timedelta(seconds=wait_seconds)

        def deferred(read: Job) -> Job:
            after = defer(read, reason, retry_at, now)
            return notice_wait(after) if is_notice_due(after, now) else after

        saved = save_at_step(job, deferred, self.ledger.release, self.jobs.get)
        if saved is None:
            return self._start_and_publish(self._get(job.job_id))
        self._send(saved, wait_seconds)
        self._try_publish(saved)
        return saved.status.value

    # --- after a save -------------------------------------------------------------------------------------------------

    def _start_and_publish(self, job: Job) -> str:
        """Start the execution of a generating job, and publish what any job owes. Both may be repeated."""
        if job.status is JobStatus.GENERATING:
            self.state_machine.start(job)
        self.publisher.publish(job)
        return job.status.value

    def _try_publish(self, job: Job) -> None:
        """Publish what a waiting job owes; if that fails, Sweep Jobs does it, and the message need not come again."""
        try:
            self.publisher.publish(job)
        except Exception:
            logger.exception("not published", extra={"job_id": job.job_id})

    def _send(self, job: Job, delay_seconds: float) -> None:
        self.queue.send(retry_message_of(job), delay_seconds)

    def _get(self, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is None:
            raise RetryLater(f"job {job_id} is not in the job table")
        return job


def _with_error_text(message: str, error_text: str | None) -> str:
    return message if error_text is None else f"{message} The provider said: {error_text}"
