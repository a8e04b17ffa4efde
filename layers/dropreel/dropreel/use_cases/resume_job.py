"""Resume a job that failed after it was paid: poll its generation again, since its video may still come."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel.domain.forgetting import FORGOTTEN
from dropreel.domain.job import Job, JobStatus, resume
from dropreel.domain.next_steps import RESUMABLE, can_resume
from dropreel.use_cases.publish_events import Publisher

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs, StateMachine


@dataclass(frozen=True)
class ResumeJob:
    """Polls the job's generation under a new execution with a new deadline. Nothing is paid.

    May be run again after a fault; otherwise Sweep Jobs starts the execution.
    """

    jobs: "Jobs"
    state_machine: "StateMachine"
    publisher: Publisher
    now: Callable[[], datetime]

    def run(self, job_id: str) -> Job:
        """Return the job as `generating`. Raises ActionNotAllowed for a job that cannot be resumed, and RetryLater."""
        job = self.jobs.get(job_id)
        if job is None:
            raise ActionNotAllowed(f"There is no job {job_id}.")
        if job.status is not JobStatus.GENERATING:
            job = self._resume(job)
        self.state_machine.start(job)
        return job

    def _resume(self, job: Job) -> Job:
        if (refused := resume_refusal(job)) is not None:
            raise ActionNotAllowed(refused)
        job = self.publisher.publish(job)  # its failure is published before it is generating again
        resumed = self.jobs.save(job, resume(job, self.now()))
        if resumed is None:
            raise RetryLater(f"job {job.job_id} was changed meanwhile; try again")
        return resumed


def resume_refusal(job: Job) -> str | None:
    """Return why a job cannot be resumed; None for one that can. A `generating` job is being polled: resuming it changes nothing."""
    if job.status is JobStatus.GENERATING or can_resume(job):
        return None
    if job.reason is not None and job.reason.message == FORGOTTEN:
        return (
            f"Job {job.job_id} was forgotten: what was made of its image is deleted, and nothing new is stored of it."
        )
    why = f" ({job.reason.code})" if job.reason else ""
    allowed = ", ".join(sorted(RESUMABLE))
    return (
        f"Job {job.job_id} is {job.status}{why}; only a failed one with a paid generation can be resumed ({allowed})."
    )
