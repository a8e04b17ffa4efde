"""What the operator decides about an `unknown` job: a submission of which nobody can tell whether it was charged."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.queues import SubmissionQueue
from dropreel.adapters.state_machine import StateMachine
from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel.domain.job import Job, JobStatus, adopt, fail, next_attempt
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.answers import PollFault, is_usable_id
from dropreel.provider.client import ProviderClient
from dropreel.use_cases.publish_events import Publisher


@dataclass(frozen=True)
class SettleUnknown:
    """Three ways out of `unknown`, each on the operator's word. Only `resubmit` can lead to a payment.

    Each raises ActionNotAllowed where the job or the id does not allow it, and RetryLater where it must be asked for again.
    """

    jobs: JobTable
    provider: ProviderClient
    state_machine: StateMachine
    queue: SubmissionQueue
    publisher: Publisher
    now: Callable[[], datetime]

    def adopt(self, job_id: str, generation_id: str) -> Job:
        """Give the job the generation that its submission made; from there it goes on by itself. Nothing is paid.

        The provider must know the id, and no other job may hold it. That it belongs to this image is the operator's word.
        """
        job = self._unknown(job_id)
        if not is_usable_id(generation_id):
            raise ActionNotAllowed(f"{generation_id!r:.100} is no generation id.")
        self._require_free(generation_id, job)
        self._require_known(generation_id)
        adopted = self.jobs.save(job, adopt(job, generation_id, self.now()))
        if adopted is None:
            self._require_free(generation_id, job)
        adopted = _saved(adopted, job)
        self.state_machine.start(adopted)
        return self.publisher.publish(adopted)

    def abandon(self, job_id: str) -> Job:
        """Give the job up: it ends as `failed`. Its reservation stays, since it may have been charged."""
        job = self._unknown(job_id)
        reason = Reason(ReasonCode.ABANDONED, "Its owner gave it up; the submission may have been charged.")
        return self.publisher.publish(_saved(self.jobs.save(job, fail(job, reason, self.now())), job))

    def resubmit(self, job_id: str) -> Job:
        """Let the job be submitted once more, as its next attempt, whatever `MaxAttempts` says. It may be paid twice."""
        job = self._unknown(job_id)
        message = "Its owner chose to submit it again; it may have been charged before."
        reason = Reason(ReasonCode.SUBMISSION_UNKNOWN, message)
        deferred = _saved(self.jobs.save(job, next_attempt(job, reason, self.now())), job)
        self.queue.send(RetryMessage(deferred.job_id, deferred.attempt, deferred.requeues))
        return deferred

    def _unknown(self, job_id: str) -> Job:
        """Return the job with all its events published, so that what comes next is published after them."""
        job = self.jobs.get(job_id)
        if job is None:
            raise ActionNotAllowed(f"There is no job {job_id}.")
        if job.status is not JobStatus.UNKNOWN:
            raise ActionNotAllowed(f"Job {job_id} is {job.status}, not unknown.")
        published = self.publisher.publish(job)
        return _saved(published if published.is_at_same_step(job) else None, job)

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


def _saved(saved: Job | None, job: Job) -> Job:
    if saved is None:
        raise RetryLater(f"job {job.job_id} was changed by somebody else")
    return saved
