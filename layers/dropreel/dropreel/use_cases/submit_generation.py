"""From an upload to an accepted and polled generation, paying at most once an attempt and never past the cap."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from dropreel.adapters.image_bucket import ImageBucket, Missing, StoredImage
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import Ledger, NotReserved
from dropreel.adapters.queues import SubmissionQueue
from dropreel.adapters.state_machine import StateMachine
from dropreel.domain.backoff import KEY_REFUSED_SECONDS, backoff_seconds, busy_seconds, is_notice_due
from dropreel.domain.errors import RetryLater
from dropreel.domain.fingerprints import picture_of
from dropreel.domain.job import (
    Job,
    JobStatus,
    accept,
    claim,
    defer,
    hold,
    job_id_of,
    notice_wait,
    reject,
    requeue,
)
from dropreel.domain.messages import Drop, RetryMessage, is_overtaken
from dropreel.domain.options import Options
from dropreel.domain.prices import usd
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import day_of, next_day
from dropreel.media.images.reader import CONTENT_TYPES
from dropreel.provider.answers import Accepted, Busy, KeyRefused, NoBalance, NotSent, Refused, SubmitAnswer, Unknown
from dropreel.provider.client import SUBMIT_SECONDS, PreparedSubmission, ProviderClient
from dropreel.provider.words import NO_WORDS
from dropreel.use_cases.find_job import FindJob
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.save_job import save_at_step
from dropreel.use_cases.unknown_submission import UnknownSubmission
from dropreel.use_cases.validate_image import MISSING_REASONS, ImageValidator

LEASE = timedelta(seconds=150)
"""How long a claim lasts: longer than the function can run (100 s), shorter than the queue hides its message (600 s)."""
KEEP_SECONDS = 25
"""What is left of the function's time for writing an accepted id, after the POST has taken as long as it may."""
NEEDED = timedelta(seconds=SUBMIT_SECONDS + KEEP_SECONDS)
"""With less of the function's time left, no submission is begun."""
MAX_CONFLICTS = 3
"""So often a message starts again from the job as it is, where somebody else has changed it."""

logger = logging.getLogger("dropreel")


class _Changed(Exception):
    """Somebody else has changed the job before anything was sent: start again from what it is now."""


@dataclass(frozen=True)
class SubmitGeneration:
    """The step around the payment: all that can be wrong is found before the POST, and the intent is written before it.

    Where the process ends decides what follows: before the claim, the message comes again and nothing has happened; after
    it, the lease runs out and the job becomes `unknown`; after the accepted id was written, the sweeper goes on.
    """

    jobs: JobTable
    find_job: FindJob
    ledger: Ledger
    validator: ImageValidator
    images: ImageBucket
    provider: ProviderClient
    queue: SubmissionQueue
    state_machine: StateMachine
    publisher: Publisher
    unknown: UnknownSubmission
    now: Callable[[], datetime]
    random: Callable[[], float]
    sleep: Callable[[float], None]

    def run(self, message: Drop | RetryMessage, seconds_left: float) -> str:
        """Process one message as far as its job goes now; return the job's status, `ignored`, `copied` or `overtaken`.

        `seconds_left` is what the function has left of its time. Raises RetryLater where the same message must come again.
        """
        deadline = self.now() + timedelta(seconds=seconds_left)
        if isinstance(message, Drop) and not message.is_about_an_image:
            return "ignored"
        for _ in range(MAX_CONFLICTS):
            try:
                return self._process(message, deadline)
            except _Changed:
                continue
        raise RetryLater("the job was changed by others again and again")

    # --- which job, and how far it is -------------------------------------------------------------------------------

    def _process(self, message: Drop | RetryMessage, deadline: datetime) -> str:
        """Go on from what the table says. Only a job that waits for this very message can come to a POST."""
        job = self.find_job.run(message)
        if isinstance(message, Drop) and job.job_id != job_id_of(message.image, message.request_id):
            return self._request_id_reused(job, job_id_of(message.image, message.request_id))
        if isinstance(message, RetryMessage) and message.generation_id is not None:
            return self._accept_late(job, message.generation_id, message.attempt)
        match job.status:
            case JobStatus.DEFERRED if is_overtaken(message, job):
                return "overtaken"
            case JobStatus.DEFERRED:
                return self._wait_or_submit(message, job, deadline)
            case JobStatus.SUBMITTING if job.lease_until is not None and job.lease_until > self.now():
                return job.status.value  # another delivery has it; if that dies, the sweeper finds the job
            case JobStatus.SUBMITTING:
                return self._unknown(job, "The submission was interrupted and may have been charged.")
            case _:
                return self._go_on(job)

    def _request_id_reused(self, job: Job, first_job_id: str) -> str:
        logger.warning("request id reused", extra={"job_id": job.job_id, "first_job_id": first_job_id})
        if job.status is not JobStatus.DEFERRED:
            return self._go_on(job)
        message = f"The request_id belongs to job {first_job_id}, which asked for something else of this image."
        return self._reject(job, job, Reason(ReasonCode.REQUEST_ID_REUSED, message))

    # --- before the payment -------------------------------------------------------------------------------------------

    def _wait_or_submit(self, message: Drop | RetryMessage, job: Job, deadline: datetime) -> str:
        now = self.now()
        if job.retry_at is not None and (job.retry_at - now).total_seconds() > 1:
            return self._requeue(job, requeue(job, now, job.retry_at))
        if job.options is not None:
            return self._submit(job, job, None, deadline)
        if isinstance(message, RetryMessage):
            raise RetryLater(f"job {job.job_id} was not validated yet: its event does that")
        found = self.validator.validate(message, job)
        if found.reason is not None:
            return self._reject(job, found.job, found.reason)
        return self._submit(job, found.job, found.image, deadline)

    def _requeue(self, read: Job, after: Job) -> str:
        """Let the job come again by a message with a delay, so that waiting is not counted as failing."""
        now = self.now()
        after = notice_wait(after) if is_notice_due(after, now) else after
        saved = self._saved(read, after)
        wait = 0.0 if saved.retry_at is None else (saved.retry_at - now).total_seconds()
        self._send(saved, max(1.0, wait))  # no chain of messages without a pause, even right before midnight
        self._publish_or_leave(saved)
        return saved.status.value

    def _submit(self, read: Job, job: Job, image: StoredImage | None, deadline: datetime) -> str:
        """Claim the job and its price, then POST once. All that can fail on our side is done before the claim.

        `read` is the job as the table has it, `job` the same one validated. `image` is None for a job that has waited: it is
        looked for again.
        """
        if self.ledger.limit.can_never_hold(job.cost_cents):
            limit = usd(self.ledger.limit.cents or 0)
            message = f"The video costs ${usd(job.cost_cents)}, more than the whole daily limit of ${limit}."
            return self._reject(read, job, Reason(ReasonCode.OVER_DAILY_LIMIT, message))
        stored = image or self.images.find(job.image.ref)
        if isinstance(stored, Missing):
            return self._reject(read, job, MISSING_REASONS[stored])
        if stored.sha256 != (job.image.sha256 or stored.sha256):  # whatever version and entity tag say
            return self._reject(read, job, MISSING_REASONS[Missing.SUPERSEDED])
        submission = self.provider.prepare(_body(job, stored))
        now = self.now()
        if deadline - now < NEEDED:
            raise RetryLater("there is not enough time left for a submission")
        if day_of(deadline) != day_of(now):  # the POST would count for a day on which nothing is reserved for it
            return self._requeue(read, requeue(job, now, next_day(now)))
        picture = picture_of(job, stored.last_modified) if job.lease_until is None else None
        claimed = self.ledger.reserve(read, claim(job, now, LEASE), picture)
        match claimed:
            case NotReserved.CHANGED:
                raise _Changed
            case NotReserved.DUPLICATE:
                assert picture is not None  # noqa: S101  # only a picture can be claimed by another job
                return self._duplicate(read, job, self.ledger.claimed_by(picture))
            case NotReserved.NO_ROOM:
                return self._hold(read, job)
            case Job():
                return self._post(claimed, submission, deadline)

    def _duplicate(self, read: Job, job: Job, first: str | None) -> str:
        """Leave nothing of a copy whose picture another job has claimed; a job that was published ends."""
        logger.info("copied", extra={"job_id": job.job_id, "first_job_id": first})
        if not job.notices:
            if not self.jobs.discard(read):
                raise _Changed
            return "copied"
        message = f"Job {first} has the same picture under the same key; a copy is not paid again."
        return self._reject(read, job, Reason(ReasonCode.DUPLICATE_COPY, message))

    def _hold(self, read: Job, job: Job) -> str:
        limit = usd(self.ledger.limit.cents or 0)
        message = f"The daily limit of ${limit} would be passed; the image waits until the day has room."
        reason = Reason(ReasonCode.DAILY_LIMIT, message)
        return self._go_on(self._saved(read, hold(job, reason, self.now())))

    def _reject(self, read: Job, job: Job, reason: Reason) -> str:
        """End a job before anything was charged for this attempt."""
        return self._go_on(self._saved(read, reject(job, reason, self.now())))

    def _saved(self, before: Job, after: Job) -> Job:
        saved = self.jobs.save(before, after)
        if saved is None:
            raise _Changed
        return saved

    # --- the payment, and after it ------------------------------------------------------------------------------------

    def _post(self, claimed: Job, submission: PreparedSubmission, deadline: datetime) -> str:
        """Send the one POST of this claim, if there is still time for it."""
        if deadline - self.now() < timedelta(seconds=SUBMIT_SECONDS + KEEP_SECONDS / 2):
            reason = Reason(ReasonCode.PROVIDER_UNREACHABLE, "The claim took too long; nothing was sent.")
            return self._defer(claimed, reason, backoff_seconds(claimed.requeues, self.random()))
        return self._settle(claimed, submission.send(), deadline)

    def _settle(self, job: Job, answer: SubmitAnswer, deadline: datetime) -> str:
        """Give the provider's answer its place in the ledger."""
        match answer:
            case Accepted(generation_id, provider_status):
                return self._keep(job, generation_id, provider_status, deadline)
            case Refused(status_code, words):
                message = f"The provider refused the request ({status_code}): {words or NO_WORDS}"
                reason = Reason(ReasonCode.PROVIDER_REFUSED, message, provider_error=words)
                return self._release(job, lambda read: reject(read, reason, self.now()))
            case KeyRefused(status_code, words):
                logger.error("key refused", extra={"job_id": job.job_id, "status_code": status_code})
                message = f"The provider refused the API key ({status_code}); nothing was charged."
                reason = Reason(ReasonCode.KEY_REFUSED, _with_words(message, words), provider_error=words)
                return self._defer(job, reason, KEY_REFUSED_SECONDS)
            case NoBalance(status_code, words):
                logger.error("no balance", extra={"job_id": job.job_id, "status_code": status_code})
                message = f"The account at the provider has no money left ({status_code}); nothing was charged."
                reason = Reason(ReasonCode.PROVIDER_BALANCE, _with_words(message, words), provider_error=words)
                return self._defer(job, reason, KEY_REFUSED_SECONDS)
            case Busy(status_code, retry_after, words):
                message = _with_words(f"The provider is busy ({status_code}).", words)
                reason = Reason(ReasonCode.PROVIDER_BUSY, message, provider_error=words)
                return self._defer(job, reason, busy_seconds(retry_after, job.requeues, self.random()))
            case NotSent(message):
                reason = Reason(ReasonCode.PROVIDER_UNREACHABLE, f"The provider could not be reached: {message}.")
                return self._defer(job, reason, backoff_seconds(job.requeues, self.random()))
            case Unknown(message, words):
                text = f"The submission may have been charged and nobody can tell: {message}."
                return self._unknown(job, _with_words(text, words), words)

    def _keep(self, job: Job, generation_id: str, provider_status: str, deadline: datetime) -> str:
        """Write the id of what was paid for, again and again until the function's time is nearly out.

        Then the id goes where it lasts as well: into the input of its execution, whose first check writes it to the job, or
        else into a message.
        """
        logger.info("accepted", extra={"job_id": job.job_id, "generation_id": generation_id})
        while True:
            try:
                accepted = self._accepted(job, generation_id, provider_status)
                break
            except Exception:
                logger.exception("accepted and not written", extra={"job_id": job.job_id})
            if deadline - self.now() < timedelta(seconds=KEEP_SECONDS):
                return self._keep_elsewhere(job, generation_id)
            self.sleep(1)
        return self._go_on(accepted)

    def _keep_elsewhere(self, job: Job, generation_id: str) -> str:
        try:
            self.state_machine.start(job, generation_id)
        except Exception:
            logger.exception("accepted and not started", extra={"job_id": job.job_id})
            self.queue.send(RetryMessage(job.job_id, job.attempt, job.requeues, generation_id))
        return job.status.value

    def _accept_late(self, job: Job, generation_id: str, attempt: int) -> str:
        """Write an id that came by a message, since the job table could not be written when it was accepted."""
        if job.status is JobStatus.UNKNOWN:
            job = self.publisher.publish(job)  # and look at it as it is after that: the operator may have settled it
        is_missing = job.status in (JobStatus.SUBMITTING, JobStatus.UNKNOWN) and job.generation_id is None
        if is_missing and job.attempt == attempt:
            job = self._accepted(job, generation_id, "created")
        return self._go_on(job)

    def _accepted(self, job: Job, generation_id: str, provider_status: str) -> Job:
        """Save an accepted generation, and return the job as it is then. A generation has one job, and never two."""
        saved = save_at_step(
            job, lambda read: accept(read, generation_id, provider_status, self.now()), self.jobs.save, self.jobs.get
        )
        if saved is not None:
            return saved
        now, holder = self._read(job.job_id), self.jobs.holder_of(generation_id)
        if not now.is_at_same_step(job):
            return now
        if holder in (None, job.job_id):
            raise RetryLater(f"job {job.job_id} was changed while its generation was written")
        if now.status is JobStatus.UNKNOWN:
            return now  # the id came late and is another job's: nothing is known that was not before
        message = f"The provider answered with the generation {generation_id}, which belongs to job {holder}."
        return self._settled(now, message)

    def _defer(self, job: Job, reason: Reason, wait_seconds: int) -> str:
        """Release the reservation and let the job come again."""
        now = self.now()
        retry_at = now + timedelta(seconds=wait_seconds)

        def deferred(read: Job) -> Job:
            after = defer(read, reason, retry_at, now)
            return notice_wait(after) if is_notice_due(after, now) else after

        saved = save_at_step(job, deferred, self.ledger.release, self.jobs.get)
        if saved is None:
            return self._go_on(self._read(job.job_id))
        self._send(saved, wait_seconds)
        self._publish_or_leave(saved)
        return saved.status.value

    def _release(self, job: Job, transition: Callable[[Job], Job]) -> str:
        saved = save_at_step(job, transition, self.ledger.release, self.jobs.get)
        return self._go_on(saved or self._read(job.job_id))

    def _unknown(self, job: Job, message: str, words: str | None = None) -> str:
        """Never send again by itself what may have been charged; only its owner may choose that, as a counted attempt."""
        return self._settled(job, message, words).status.value

    def _settled(self, job: Job, message: str, words: str | None = None) -> Job:
        settled = self.unknown.settle(job, message, self.now(), words)
        if settled is None:
            raise RetryLater(f"job {job.job_id} was changed by another delivery")
        return settled

    def _read(self, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is None:
            raise RetryLater(f"job {job_id} is not in the job table")
        return job

    def _go_on(self, job: Job) -> str:
        """Make sure that a generating job is polled and that every event it owes is published."""
        if job.status is JobStatus.GENERATING:
            self.state_machine.start(job)
        self.publisher.publish(job)
        return job.status.value

    def _send(self, job: Job, delay_seconds: float) -> None:
        self.queue.send(RetryMessage(job.job_id, job.attempt, job.requeues), delay_seconds)

    def _publish_or_leave(self, job: Job) -> None:
        """Publish what a waiting job owes; where that fails the sweeper does. The message must not come again for it."""
        try:
            self.publisher.publish(job)
        except Exception:
            logger.exception("not published", extra={"job_id": job.job_id})


def _with_words(message: str, words: str | None) -> str:
    return message if words is None else f"{message} The provider said: {words}"


def _body(job: Job, stored: StoredImage) -> dict[str, Any]:
    """The provider's request: every parameter it documents, `negative_prompt` only where there is one."""
    options = job.options
    assert isinstance(options, Options)  # noqa: S101  # a job is submitted only when it was validated
    image_url = stored.presigned_url(CONTENT_TYPES[job.image.format or ""])
    body = {**asdict(options), "image_url": image_url}
    if not body["negative_prompt"]:
        del body["negative_prompt"]
    return body
