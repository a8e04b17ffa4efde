"""From a drop to an accepted, recorded and watched generation, paying at most once an attempt and never past the cap."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from dropreel.adapters.image_bucket import ImageBucket, Missing, StoredImage
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import Ledger, NotClaimed
from dropreel.adapters.provider_api import ProviderApi
from dropreel.adapters.state_machine import StateMachine
from dropreel.adapters.submission_queue import SubmissionQueue
from dropreel.answers import Accepted, Ambiguous, Busy, KeyRefused, NoBalance, NotSent, Refused, SubmitAnswer
from dropreel.errors import TryAgain
from dropreel.events import EventType
from dropreel.fingerprints import Picture, picture_of
from dropreel.images import CONTENT_TYPES
from dropreel.jobs import ImageRef, Job, JobStatus, Money, Reason, is_image_key, job_id_of
from dropreel.messages import Again, Drop
from dropreel.options import Options
from dropreel.prices import usd
from dropreel.provider_words import NO_WORDS
from dropreel.use_cases.announce import Announcer
from dropreel.use_cases.judge_image import MISSING_REASONS, ImageJudge, fingerprint_of
from dropreel.use_cases.settle_ambiguous import settle_ambiguous
from dropreel.waiting import (
    KEY_REFUSED_SECONDS,
    LONGEST_SECONDS,
    backoff_seconds,
    busy_seconds,
    is_deferral_to_be_told,
)

LEASE = timedelta(seconds=150)
"""How long a claim lasts: longer than the function can run (100 s), shorter than the queue hides its message (600 s)."""

_END_BY_MONEY = {
    # A refused attempt ends the job by what the attempts before it cost: only what cost nothing is `rejected`.
    Money.NONE: (JobStatus.REJECTED, EventType.REJECTED),
    Money.SPENT: (JobStatus.FAILED, EventType.FAILED),
    Money.PERHAPS: (JobStatus.UNKNOWN, EventType.UNKNOWN),
}

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class SubmitGeneration:
    """The step around the money: everything that can be wrong is found before the POST, and the intent is written before it."""

    jobs: JobTable
    ledger: Ledger
    judge: ImageJudge
    images: ImageBucket
    provider: ProviderApi
    queue: SubmissionQueue
    state_machine: StateMachine
    announcer: Announcer
    max_attempts: int
    resubmits_ambiguous: bool
    now: Callable[[], datetime]
    random: Callable[[], float]

    def run(self, message: Drop | Again) -> str:
        """Bring one message's job as far as it goes now; return its status, `ignored`, `superseded`, `copied` or `overtaken`.

        Raises TryAgain where the same message must come again.
        """
        if isinstance(message, Again):
            return self._again(message)
        if message.request_id is None and not is_image_key(message.image.key, message.size):
            return "ignored"
        job = self.jobs.get(job_id_of(message.image, message.request_id))
        if job is not None and job.request_fingerprint not in (None, fingerprint_of(message)):
            return self._request_id_reused(message, job)
        if job is None or (not job.options and job.status is JobStatus.DEFERRED):
            return self._begin(message, job)
        return self._go_on(job)

    def dead_letter(self, message: Drop | Again, error: Exception) -> None:
        """Say on the job that its message goes to the dead-letter queue now, and tell its owner: once an attempt.

        A job that is under way is left as it is.
        """
        reason = Reason(
            "dead_letter", f"It could not be worked on and is in the dead-letter queue: {type(error).__name__}."
        )
        now = self.now()
        if isinstance(message, Again):
            job = self.jobs.get(message.job_id)
        else:
            job_id = job_id_of(message.image, message.request_id)
            job = self.jobs.get(job_id) or self.judge.unjudged(message, JobStatus.DEFERRED)
        if job is None:
            return
        dead = replace(job, status=JobStatus.DEFERRED, reason=reason, deferred_since=job.deferred_since or now)
        is_to_be_told = is_deferral_to_be_told(dead, now)
        if is_to_be_told:
            dead = replace(dead, deferred_reason=reason)
        noted = self.jobs.note_dead_letter(dead, now, EventType.DEFERRED if is_to_be_told else None)
        if noted is not None:
            self._tell_of_waiting(noted)

    # --- before the money ---------------------------------------------------------------------------------------------

    def _begin(self, drop: Drop, dead: Job | None) -> str:
        """Judge a drop that has no job yet, or one that a dead letter left behind."""
        judged = self.judge.judge(drop)
        if judged is None:
            return "superseded" if dead is None else self._rejected(dead, MISSING_REASONS[Missing.SUPERSEDED])
        job = judged.job
        if dead is not None:  # what its owner was told of its waiting is not told again
            job = replace(job, deferred_since=dead.deferred_since, deferred_reason=dead.deferred_reason)
        if job.status is JobStatus.REJECTED and job.reason is not None:
            return self._rejected(job, job.reason)
        return self._submit(job, judged.image, is_new=dead is None)

    def _request_id_reused(self, drop: Drop, first: Job) -> str:
        """Answer a request whose id belongs to another one with a job of its own: nobody waits for a video that is not made."""
        job_id = job_id_of(drop.image, drop.request_id, fingerprint_of(drop))
        logger.warning("request id reused", extra={"job_id": job_id, "first_job_id": first.job_id})
        told = self.jobs.get(job_id)
        if told is not None:
            return self._told(told, job_id)
        message = f"The request_id belongs to job {first.job_id}, which asked for something else of this image."
        job = replace(self.judge.unjudged(drop, JobStatus.REJECTED), job_id=job_id)
        return self._rejected(job, Reason("request_id_reused", message))

    def _again(self, message: Again) -> str:
        job = self.jobs.get(message.job_id)
        if job is None:
            raise TryAgain(f"job {message.job_id} is not in the job table")
        if (job.attempt, job.defers) != (message.attempt, message.defers):
            return "overtaken"  # a later message of this job is on its way, or has been
        return self._go_on(job)

    def _go_on(self, job: Job) -> str:
        """Go on from what the table says. Only a job that waits for its attempt can come to a POST."""
        match job.status:
            case JobStatus.DEFERRED | JobStatus.HELD:
                return self._wait_or_submit(job)
            case JobStatus.SUBMITTING if job.lease_until is not None and job.lease_until > self.now():
                return job.status.value  # another worker has it; if that dies, the sweeper finds the job
            case JobStatus.SUBMITTING:
                return self._ambiguous(job, "The submission was interrupted and may have been paid.")
            case _:
                return self._told(job, job.job_id)

    def _wait_or_submit(self, job: Job) -> str:
        left = 0.0 if job.retry_at is None else (job.retry_at - self.now()).total_seconds()
        if left > 1:
            self.queue.send_again(job, round(left))
            return self._waits(job)
        return self._submit(job)

    def _waits(self, job: Job) -> str:
        """Tell the owner of a job that waits on, where that is due or owed."""
        noted = self.jobs.note_deferral(job, EventType.DEFERRED) if is_deferral_to_be_told(job, self.now()) else job
        if noted is not None:
            self._tell_of_waiting(noted)
        return job.status.value

    def _tell_of_waiting(self, job: Job) -> None:
        """Send what a waiting job owes; where that fails the sweeper does.

        The message must not come again for it: each time it would send another one of its job.
        """
        try:
            self.announcer.announce(job)
        except Exception:
            logger.exception("not told", extra={"job_id": job.job_id})

    def _submit(self, job: Job, image: StoredImage | None = None, *, is_new: bool = False) -> str:
        """Claim the job and its price, then POST once. Whatever can fail on our side is done before the claim.

        `image`: as it has just been seen; a job that has waited is looked for anew. `is_new`: the table has nothing of it yet.
        """
        if self.ledger.limit.can_never_hold(job.cost_cents):
            limit = usd(self.ledger.limit.cents or 0)
            message = f"The video costs ${usd(job.cost_cents)}, more than the whole daily limit of ${limit}."
            return self._rejected(job, Reason("over_daily_limit", message))
        stored = image or self.images.find(_ref(job))
        if isinstance(stored, Missing):
            return self._rejected(job, MISSING_REASONS[stored])
        if stored.sha256 != (job.image.get("sha256") or stored.sha256):  # whatever version and entity tag say
            return self._rejected(job, MISSING_REASONS[Missing.SUPERSEDED])
        url = stored.presigned_url(CONTENT_TYPES[job.image["format"]])
        submission = self.provider.prepare(_body(job, url))
        picture = picture_of(job, stored.last_modified) if job.lease_until is None else None
        claimed = self.ledger.claim(job, self.now(), LEASE, picture)
        if claimed is NotClaimed.TAKEN:
            raise TryAgain(f"job {job.job_id} has just been claimed by another delivery")
        if claimed is NotClaimed.DUPLICATE and picture is not None:
            return self._duplicate(job, picture, is_new)
        if claimed is NotClaimed.NO_MONEY:
            return self._held(job)
        assert isinstance(claimed, Job)  # noqa: S101  # the two other answers are above
        return self._settle(claimed, submission.send())

    def _duplicate(self, job: Job, picture: Picture, is_new: bool) -> str:
        """Leave nothing of a copy whose picture another job has claimed; a job that has been told of ends."""
        first = self.ledger.claimed_by(picture)
        logger.info("copied", extra={"job_id": job.job_id, "first_job_id": first})
        if is_new:
            return "copied"
        message = f"Job {first} has the same picture under the same key; a copy is not paid again."
        return self._rejected(job, Reason("duplicate_copy", message))

    def _held(self, job: Job) -> str:
        """Wait for money. Told once: a job that was held before and is still too dear for today just stays so."""
        if job.status is JobStatus.HELD:
            if job.sent_at is not None:
                self.jobs.note_taken(job)
            return self._told(job, job.job_id)
        if job.status is JobStatus.DEFERRED:
            return self._told(self.jobs.hold(job, self._no_money(), self.now(), EventType.HELD), job.job_id)
        held = replace(job, status=JobStatus.HELD, reason=self._no_money(), held_in_attempt=job.attempt)
        return self._told(self.jobs.create(held, EventType.HELD), job.job_id)

    def _no_money(self) -> Reason:
        limit = usd(self.ledger.limit.cents or 0)
        return Reason(
            "daily_limit", f"The daily limit of ${limit} would be passed; the image waits until there is money."
        )

    def _rejected(self, job: Job, reason: Reason) -> str:
        """End a job before anything was spent on this attempt."""
        if job.status in (JobStatus.DEFERRED, JobStatus.HELD):
            status, event = _END_BY_MONEY[job.money]
            ended = self.jobs.finish(job, status, self.now(), event, reason)
        else:
            ended = self.jobs.create(replace(job, status=JobStatus.REJECTED, reason=reason), EventType.REJECTED)
        return self._told(ended, job.job_id)

    # --- after the money ----------------------------------------------------------------------------------------------

    def _settle(self, job: Job, answer: SubmitAnswer) -> str:
        """Give the provider's answer its place in the ledger."""
        now = self.now()
        match answer:
            case Accepted(generation_id, provider_status):
                # The log line is the only evidence of the id if the next write fails.
                logger.info("accepted", extra={"job_id": job.job_id, "generation_id": generation_id})
                paid = self.jobs.record_accepted(job, generation_id, provider_status, now, EventType.SUBMITTED)
                return self._told(paid, job.job_id)
            case Refused(status_code, words):
                message = f"The provider refused the request ({status_code}): {words or NO_WORDS}"
                reason = Reason("provider_refused", message, provider_error=words)
                status, event = _END_BY_MONEY[job.money]
                self.ledger.give_back(job, {"status": status}, reason, now, event)
                return self._told(self.jobs.get(job.job_id), job.job_id)
            case KeyRefused(status_code, words):
                logger.error("key refused", extra={"job_id": job.job_id, "status_code": status_code})
                message = f"The provider refused the API key ({status_code}); nothing was spent."
                reason = Reason("key_refused", _with_words(message, words), provider_error=words)
                return self._defer(job, reason, KEY_REFUSED_SECONDS)
            case NoBalance(status_code, words):
                logger.error("no balance", extra={"job_id": job.job_id, "status_code": status_code})
                message = f"The account at the provider has no money left ({status_code}); nothing was spent."
                reason = Reason("provider_balance", _with_words(message, words), provider_error=words)
                return self._defer(job, reason, KEY_REFUSED_SECONDS)
            case Busy(status_code, retry_after, words):
                message = _with_words(f"The provider is busy ({status_code}).", words)
                reason = Reason("provider_busy", message, provider_error=words)
                return self._defer(job, reason, busy_seconds(retry_after, job.defers, self.random()))
            case NotSent(message):
                reason = Reason("provider_unreachable", f"The provider could not be reached: {message}.")
                return self._defer(job, reason, backoff_seconds(job.defers, self.random()))
            case Ambiguous(message, words):
                told = f"The submission may have been paid and cannot be told: {message}."
                return self._ambiguous(job, _with_words(told, words), words)

    def _defer(self, job: Job, reason: Reason, wait_seconds: int) -> str:
        """Give the money back and let the job come again: a new message, so that waiting is not counted as failing.

        The owner is told once an attempt: at once where a person is needed, else after a while.
        """
        now = self.now()
        later = replace(
            job,
            status=JobStatus.DEFERRED,
            reason=reason,
            defers=job.defers + 1,
            retry_at=now + timedelta(seconds=wait_seconds),
            deferred_since=job.deferred_since or now,
        )
        changes: dict[str, Any] = {
            "status": later.status,
            "defers": later.defers,
            "retry_at": later.retry_at,
            "deferred_since": later.deferred_since,
        }
        event = EventType.DEFERRED if is_deferral_to_be_told(later, now) else None
        if event is not None:
            changes["deferred_reason"] = reason
        if self.ledger.give_back(job, changes, reason, now, event):
            self.queue.send_again(later, min(wait_seconds, LONGEST_SECONDS))
            owes = self.jobs.get(job.job_id) if event is not None or job.pending_events else None
            if owes is not None:
                self._tell_of_waiting(owes)
        return JobStatus.DEFERRED.value

    def _ambiguous(self, job: Job, message: str, words: str | None = None) -> str:
        """Never send again by itself what may have been paid; only its owner may choose that, as a counted attempt."""
        settled = settle_ambiguous(
            job,
            Reason("submission_unknown", message, provider_error=words),
            self.now(),
            may_resubmit=self.resubmits_ambiguous and job.attempt < self.max_attempts,
            jobs=self.jobs,
            queue=self.queue,
            announcer=self.announcer,
        )
        if settled is None:
            raise TryAgain(f"job {job.job_id} was changed by another delivery")
        return settled.status.value

    def _told(self, job: Job | None, job_id: str) -> str:
        """Make sure that a generating job is watched and that every event it owes is sent."""
        if job is None:
            raise TryAgain(f"job {job_id} was changed by another delivery")
        if job.status is JobStatus.GENERATING:
            self.state_machine.start(job)
        self.announcer.announce(job)
        return job.status.value


def _with_words(message: str, words: str | None) -> str:
    return message if words is None else f"{message} The provider said: {words}"


def _ref(job: Job) -> ImageRef:
    return ImageRef(job.image["bucket"], job.image["key"], job.image["version_id"], job.image["etag"])


def _body(job: Job, image_url: str) -> dict[str, Any]:
    """The provider's request: every parameter it documents, `negative_prompt` only where there is one."""
    body = {**Options(**job.options).__dict__, "image_url": image_url}
    if not body["negative_prompt"]:
        del body["negative_prompt"]
    return body
