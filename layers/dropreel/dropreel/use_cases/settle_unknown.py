"""Settle an `unknown` job as the operator decides: adopt, abandon or resubmit it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel.domain.job import Job, JobStatus, adopt, fail, next_attempt
from dropreel.domain.messages import retry_message_of
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.answers import PollFault, is_usable_id
from dropreel.use_cases.publish_events import Publisher

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs, Provider, Queue, StateMachine


@dataclass(frozen=True)
class SettleUnknown:
    """Only `resubmit` can lead to a payment.

    Each method raises ActionNotAllowed where the job or the id does not allow it, and RetryLater where it must be run again.
    """

    jobs: "Jobs"
    provider: "Provider"
    state_machine: "StateMachine"
    queue: "Queue"
    publisher: Publisher
    now: Callable[[], datetime]

    def adopt(self, job_id: str, generation_id: str) -> Job:
        """Give the job the generation that its submission made, and poll it. Nothing is paid.

        The provider must know the id, and no other job may hold it. That it belongs to this image only the operator knows.
        """
        job = self._get_unknown(job_id)
        if not is_usable_id(generation_id):
            raise ActionNotAllowed(f"{generation_id!r:.100} is not a generation id.")
        self._require_free(generation_id, job)
        self._require_known(generation_id)
        adopted = self.jobs.save(job, adopt(job, generation_id, self.now()))
        if adopted is None:
            self._require_free(generation_id, job)
        adopted = _require_saved(adopted, job)
        self.state_machine.start(adopted)
        return self.publisher.publish(adopted)

    def abandon(self, job_id: str) -> Job:
        """End the job as `failed`. Its reservation stays, since it may have been charged."""
        job = self._get_unknown(job_id)
        reason = Reason(ReasonCode.ABANDONED, "The operator abandoned it; the submission may have been charged.")
        return self.publisher.publish(_require_saved(self.jobs.save(job, fail(job, reason, self.now())), job))

    def resubmit(self, job_id: str) -> Job:
        """Submit the job once more, as its next attempt, whatever `MaxAttempts` is. It may be paid twice."""
        job = self._get_unknown(job_id)
        message = "The operator chose to submit it again; it may have been charged before."
        reason = Reason(ReasonCode.SUBMISSION_UNKNOWN, message)
        deferred = _require_saved(self.jobs.save(job, next_attempt(job, reason, self.now())), job)
        self.queue.send(retry_message_of(deferred))
        return deferred

    def _get_unknown(self, job_id: str) -> Job:
        """Return the job with all its events published, so that those of the next transition come after them."""
        job = self.jobs.get(job_id)
        if job is None:
            raise ActionNotAllowed(f"There is no job {job_id}.")
        if job.status is not JobStatus.UNKNOWN:
            raise ActionNotAllowed(f"Job {job_id} is {job.status}, not unknown.")
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
