"""Go on with a job that failed after it was paid for: its video may still come, and asking for it costs nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.state_machine import StateMachine
from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel.domain.job import Job, JobStatus, resume
from dropreel.domain.next_steps import RESUMABLE, can_resume
from dropreel.use_cases.publish_events import Publisher


@dataclass(frozen=True)
class ResumeJob:
    """Polls the generation that the job has, under a new execution and with a new deadline. It never pays.

    It may be run again whenever it broke off; if it is not, the sweeper starts the execution.
    """

    jobs: JobTable
    state_machine: StateMachine
    publisher: Publisher
    now: Callable[[], datetime]

    def run(self, job_id: str) -> Job:
        """Return the job as `generating`. Raises ActionNotAllowed where there is nothing to go on with, and RetryLater."""
        job = self.jobs.get(job_id)
        if job is None:
            raise ActionNotAllowed(f"There is no job {job_id}.")
        if job.status is not JobStatus.GENERATING:
            job = self._resumed(job)
        self.state_machine.start(job)
        return job

    def _resumed(self, job: Job) -> Job:
        if not can_resume(job):
            why = f" ({job.reason.code})" if job.reason else ""
            allowed = ", ".join(sorted(RESUMABLE))
            raise ActionNotAllowed(
                f"Job {job.job_id} is {job.status}{why}; only a failed one with a paid generation can be resumed ({allowed})."
            )
        job = self.publisher.publish(job)  # first its failure, then that it goes on
        resumed = self.jobs.save(job, resume(job, self.now()))
        if resumed is None:
            raise RetryLater(f"job {job.job_id} was changed by somebody else")
        return resumed
