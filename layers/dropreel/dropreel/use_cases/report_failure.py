"""End a paid attempt that brings no video: begin the next attempt where that is allowed, else fail the job."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dropreel.domain.current_job import work_on
from dropreel.domain.errors import RetryLater
from dropreel.domain.executions import EndedExecution, Generation, is_running
from dropreel.domain.job import Job, JobStatus, fail, next_attempt
from dropreel.domain.messages import retry_message_of
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.publish_events import Publisher

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs, Queue


def watch_ended(status: str, cause: str = "") -> Reason:
    """Return the reason of a job whose execution has ended (`FAILED`, `TIMED_OUT`, `ABORTED`, ...) before it did."""
    why = f": {cause}" if cause else ""
    message = f"The state machine's execution ended ({status}) before the video was delivered{why}."
    return Reason(ReasonCode.WATCH_ENDED, message)


@dataclass(frozen=True)
class ReportFailure:
    """May run any number of times: a job that has ended does not change, and only what it owes is published."""

    jobs: "Jobs"
    queue: "Queue"
    execution_status: Callable[[str], str | None]
    publisher: Publisher
    max_attempts: int
    retries_content_refusals: bool
    now: Callable[[], datetime]

    def run(self, generation: Generation, reason: Reason) -> dict[str, Any]:
        """Return `{"outcome": <the job's status>}`. Raises RetryLater or PublishFault where it must run again."""
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise RetryLater(f"job {generation.job_id} is not in the job table")
        if generation.is_current(job):
            job = self._end_attempt(job, reason)
        if job.status is JobStatus.DEFERRED and (job.attempt, job.requeues) == (generation.attempt + 1, 0):
            # A second run sends the same message again; only one of them can claim the attempt.
            self.queue.send(retry_message_of(job))
        job = self.publisher.publish(job)
        return {"outcome": job.status.value}

    def execution_ended(self, ended: EndedExecution) -> dict[str, Any]:
        """Report a job whose execution ended before it did, unless the job has a newer execution or this one runs again.

        The event may be late and the execution redriven, so its status is read now. Return `{"outcome": <the job's
        status>}`, or `ignored` without such a job.
        """
        work_on(ended.job_id)
        job = self.jobs.get(ended.job_id)
        if job is None:
            return {"outcome": "ignored"}
        work_on(job.job_id, job.generation_id)
        generation = Generation(job.job_id, job.attempt, job.generation_id or "", ended.name)
        if not generation.is_current(job) or is_running(self.execution_status(ended.arn)):
            return {"outcome": job.status.value}
        return self.run(generation, watch_ended(ended.status, ended.cause))

    def _end_attempt(self, job: Job, reason: Reason) -> Job:
        """Save the next attempt or the failure. After a resume or an adoption a failure is final."""
        is_retried = reason.code is ReasonCode.GENERATION_FAILED or (
            reason.code is ReasonCode.CONTENT_REFUSED and self.retries_content_refusals
        )
        if is_retried and job.attempt < self.max_attempts and not job.resumes:
            published = self.publisher.publish(job)  # the next attempt has events of the same types
            if not published.is_at_same_step(job):
                raise RetryLater(f"job {job.job_id} was changed while its events were published")
            saved = self.jobs.save(published, next_attempt(published, reason, self.now()))
        else:
            saved = self.jobs.save(job, fail(job, reason, self.now()))
        if saved is None:
            raise RetryLater(f"job {job.job_id} was changed while its failure was saved")
        return saved
