"""Settle an `unknown` job as the operator decides: adopt, abandon or resubmit it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel.domain.job import Job, JobStatus, adopt, fail, next_attempt
from dropreel.domain.messages import retry_message_of
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.rehearsals import is_rehearsal_id
from dropreel.provider.poll_answers import PollFault
from dropreel.provider.submit_answers import is_usable_id
from dropreel.use_cases.publish_events import Publisher

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs, PolledProvider, Queue, StateMachine


class Decision(StrEnum):
    """What the operator decides about an `unknown` job."""

    ADOPT = "adopt"
    ABANDON = "abandon"
    RESUBMIT = "resubmit"


@dataclass(frozen=True)
class SettleUnknown:
    """Only `resubmit` can lead to a payment.

    Each method raises ActionNotAllowed where the job or the id does not allow it, and RetryLater where it must be run again.
    After a fault at any point the same decision can be made again: it then completes what was not done.
    """

    jobs: "Jobs"
    provider: "PolledProvider"
    state_machine: "StateMachine"
    queue: "Queue"
    publisher: Publisher
    now: Callable[[], datetime]

    def adopt(self, job_id: str, generation_id: str) -> Job:
        """Give the job the generation that its submission made, and poll it. Nothing is paid.

        The provider must know the id, and no other job may hold it. That it belongs to this image only the operator knows.
        """
        job = self._get(job_id)
        if is_decided(Decision.ADOPT, job, generation_id):
            self.state_machine.start(job)
            return self.publisher.publish(job)
        job = self._publish_unknown(job)
        self.check_adoption(job, generation_id)
        adopted = self.jobs.save(job, adopt(job, generation_id, self.now()))
        if adopted is None:
            self._require_free(generation_id, job)
        adopted = _require_saved(adopted, job)
        self.state_machine.start(adopted)
        return self.publisher.publish(adopted)

    def check_adoption(self, job: Job, generation_id: str) -> None:
        """Check that a job may be given a generation. Changes nothing and pays nothing: the provider is asked for its state."""
        if not is_usable_id(generation_id):
            raise ActionNotAllowed(f"{generation_id!r:.100} is not a generation id.")
        if is_rehearsal_id(generation_id) != job.rehearsal:
            is_one = "is a rehearsal" if job.rehearsal else "is no rehearsal"
            raise ActionNotAllowed(f"Job {job.job_id} {is_one}, and the generation {generation_id} is not of its kind.")
        self._require_free(generation_id, job)
        self._require_known(generation_id)

    def abandon(self, job_id: str) -> Job:
        """End the job as `failed`. Its reservation stays, since it may have been charged."""
        job = self._get(job_id)
        if is_decided(Decision.ABANDON, job):
            return self.publisher.publish(job)
        job = self._publish_unknown(job)
        reason = Reason(ReasonCode.ABANDONED, "The operator abandoned it; the submission may have been charged.")
        return self.publisher.publish(_require_saved(self.jobs.save(job, fail(job, reason, self.now())), job))

    def resubmit(self, job_id: str, attempt: int | None = None) -> Job:
        """Submit the job once more, as its next attempt, whatever `MaxAttempts` is. It may be paid twice.

        `attempt` is the number of that attempt as the operator saw it. Where another decision has made it since, a further
        one is not allowed: each payment has a decision of its own.
        """
        job = self._get(job_id)
        if attempt is not None and attempt != attempt_of_resubmit(job):
            raise ActionNotAllowed(
                f"Job {job_id} was submitted again meanwhile: it is {job.status}, attempt {job.attempt}."
            )
        if is_decided(Decision.RESUBMIT, job):
            self.queue.send(retry_message_of(job))  # a copy of the same number: the attempt is claimed once
            return job
        job = self._publish_unknown(job)
        message = "The operator chose to submit it again; it may have been charged before."
        reason = Reason(ReasonCode.SUBMISSION_UNKNOWN, message)
        deferred = _require_saved(self.jobs.save(job, next_attempt(job, reason, self.now())), job)
        self.queue.send(retry_message_of(deferred))
        return deferred

    def _get(self, job_id: str) -> Job:
        job = self.jobs.get(job_id)
        if job is None:
            raise ActionNotAllowed(f"There is no job {job_id}.")
        return job

    def _publish_unknown(self, job: Job) -> Job:
        """Return an unknown job with all its events published, so that those of the next transition come after them."""
        if (refused := settle_refusal(job)) is not None:
            raise ActionNotAllowed(refused)
        published = self.publisher.publish(job)
        return _require_saved(published if published.is_at_same_step(job) else None, job)

    def _require_free(self, generation_id: str, job: Job) -> None:
        holder = self.jobs.holder_of(generation_id)
        if holder not in (None, job.job_id):
            raise ActionNotAllowed(f"The generation {generation_id} belongs to job {holder}.")

    def _require_known(self, generation_id: str) -> None:
        match self.provider.poll(generation_id):
            case PollFault(_, 404):
                raise ActionNotAllowed(f"The provider does not know the generation {generation_id}.")
            case PollFault(message):
                raise RetryLater(f"the provider cannot be asked about {generation_id} now: {message}")


def _require_saved(saved: Job | None, job: Job) -> Job:
    if saved is None:
        raise RetryLater(f"job {job.job_id} was changed meanwhile; try again")
    return saved


def is_decided(decision: Decision, job: Job, generation_id: str | None = None) -> bool:
    """Return whether a job is as the decision leaves it. Making the decision again completes it and changes nothing else."""
    match decision:
        case Decision.ADOPT:
            return job.status is JobStatus.GENERATING and job.generation_id == generation_id
        case Decision.ABANDON:
            return job.status is JobStatus.FAILED and job.has_reason(ReasonCode.ABANDONED)
        case Decision.RESUBMIT:
            return job.status is JobStatus.DEFERRED and job.has_reason(ReasonCode.SUBMISSION_UNKNOWN)


def attempt_of_resubmit(job: Job) -> int:
    """Return the number of the attempt that a resubmission of this job makes, or has made."""
    return job.attempt + 1 if job.status is JobStatus.UNKNOWN else job.attempt


def settle_refusal(job: Job) -> str | None:
    """Return why nothing can be decided about a job; None for an unknown one."""
    return None if job.status is JobStatus.UNKNOWN else f"Job {job.job_id} is {job.status}, not unknown."
