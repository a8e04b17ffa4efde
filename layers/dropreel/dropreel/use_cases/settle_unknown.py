"""What the owner decides about an `unknown` job: a submission that may have been paid and cannot be told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.provider_api import ProviderApi
from dropreel.adapters.state_machine import StateMachine
from dropreel.adapters.submission_queue import SubmissionQueue
from dropreel.answers import Finished, GenerationFailed, InProgress, PollFault, is_usable_id
from dropreel.errors import NotPossible, TryAgain
from dropreel.events import EventType
from dropreel.jobs import Job, JobStatus, Money, Reason
from dropreel.use_cases.announce import Announcer


@dataclass(frozen=True)
class SettleUnknown:
    """Three ways out of `unknown`, each on the owner's word. Only `resubmit` can lead to a payment.

    Each raises NotPossible where the job or the id does not allow it, and TryAgain where it must be asked for again.
    """

    jobs: JobTable
    provider: ProviderApi
    state_machine: StateMachine
    queue: SubmissionQueue
    announcer: Announcer
    now: Callable[[], datetime]

    def adopt(self, job_id: str, generation_id: str) -> Job:
        """Give the job the generation that its submission made; from there it goes on by itself. Nothing is paid.

        The provider must know the id. That it belongs to this image is the owner's word.
        """
        job = self._unknown(job_id)
        if not is_usable_id(generation_id):
            raise NotPossible(f"{generation_id!r:.100} is no generation id.")
        adopted = self.jobs.adopt(
            job, generation_id, self._provider_status(generation_id), self.now(), EventType.SUBMITTED
        )
        adopted = _changed(adopted, job)
        self.state_machine.start(adopted)
        self.announcer.announce(adopted)
        return adopted

    def abandon(self, job_id: str) -> Job:
        """Give the job up: it ends as `failed`. Its reservation stays, since it may have been paid."""
        job = self._unknown(job_id)
        reason = Reason("abandoned", "Its owner gave it up; the submission may have been paid.")
        failed = self.jobs.finish(job, JobStatus.FAILED, self.now(), EventType.FAILED, reason)
        failed = _changed(failed, job)
        self.announcer.announce(failed)
        return failed

    def resubmit(self, job_id: str) -> Job:
        """Let the job be submitted once more, as its next attempt, whatever `MaxAttempts` says. It may be paid twice."""
        job = self._unknown(job_id)
        reason = Reason("submission_unknown", "Its owner chose to submit it again; it may have been paid before.")
        deferred = self.jobs.defer_next_attempt(job, reason, Money.PERHAPS, self.now())
        deferred = _changed(deferred, job)
        self.queue.send_again(deferred)
        return deferred

    def _unknown(self, job_id: str) -> Job:
        """Return the job with all its events told, so that what comes next is told after them."""
        job = self.jobs.get(job_id)
        if job is None:
            raise NotPossible(f"There is no job {job_id}.")
        if job.status is not JobStatus.UNKNOWN:
            raise NotPossible(f"Job {job_id} is {job.status}, not unknown.")
        self.announcer.announce(job)
        return job

    def _provider_status(self, generation_id: str) -> str:
        match self.provider.poll(generation_id):
            case InProgress(provider_status):
                return provider_status
            case Finished():
                return "completed"
            case GenerationFailed():
                return "failed"
            case PollFault(_, 404):
                raise NotPossible(f"The provider does not know the generation {generation_id}.")
            case PollFault(message):
                raise TryAgain(f"the provider cannot be asked about {generation_id} now: {message}")


def _changed(changed: Job | None, job: Job) -> Job:
    if changed is None:
        raise TryAgain(f"job {job.job_id} was changed by somebody else")
    return changed
