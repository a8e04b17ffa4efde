"""End a paid attempt that brings no video: try once more where that can help and is allowed, else say why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.submission_queue import SubmissionQueue
from dropreel.errors import TryAgain
from dropreel.events import EventType
from dropreel.jobs import Job, JobStatus, Money, Reason, execution_name
from dropreel.messages import EndedExecution, Generation
from dropreel.use_cases.announce import Announcer

RETRIED = frozenset({"generation_failed"})
"""The provider's document says of a `failed` generation: read the error, then retry. Nothing else is paid for again."""
CONTENT_REFUSED = "content_refused"
"""A failure that is paid for again only where the owner chose that: unchanged, it would most likely be refused again."""


def watch_ended(status: str, cause: str = "") -> Reason:
    """Return the reason of a job whose execution has ended (`FAILED`, `TIMED_OUT`, `ABORTED`, ...) before it did."""
    why = f": {cause}" if cause else ""
    return Reason("watch_ended", f"The state machine's execution ended ({status}) before the video was delivered{why}.")


@dataclass(frozen=True)
class ReportFailure:
    """Once an attempt: a job that has ended is left as it is, and only events it still owes are sent."""

    jobs: JobTable
    queue: SubmissionQueue
    announcer: Announcer
    max_attempts: int
    retries_content_refusals: bool
    now: Callable[[], datetime]

    def run(self, generation: Generation, reason: Reason) -> dict[str, Any]:
        """Return `{"outcome": <the job's status>}`. Raises TryAgain or PublishFault where it must run again."""
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise TryAgain(f"job {generation.job_id} is not in the job table")
        if generation.is_watched(job):
            job = self._moved_on(job, reason)
        if job.status is JobStatus.DEFERRED and job.attempt == generation.attempt + 1 and not job.defers:
            # Perhaps a second time, if the first run ended here: the later one finds nothing to do.
            self.queue.send_again(job)
        self.announcer.announce(job)
        return {"outcome": job.status.value}

    def execution_ended(self, ended: EndedExecution) -> dict[str, Any]:
        """Report the job whose execution ended before it did. One that goes on under another execution is left as it is.

        Return `{"outcome": <the job's status>}`, or `ignored` where there is no such job.
        """
        job = self.jobs.get(ended.job_id)
        if job is None:
            return {"outcome": "ignored"}
        if execution_name(job) != ended.name:
            return {"outcome": job.status.value}
        generation = Generation(job.job_id, job.attempt, job.generation_id or "", ended.name)
        return self.run(generation, watch_ended(ended.status, ended.cause))

    def _moved_on(self, job: Job, reason: Reason) -> Job:
        is_retried = reason.code in RETRIED or (reason.code == CONTENT_REFUSED and self.retries_content_refusals)
        if is_retried and job.attempt < self.max_attempts:
            self.announcer.announce(job)  # what this attempt still owes: the next one has events of its own
            moved = self.jobs.defer_next_attempt(job, reason, Money.SPENT, self.now())
        else:
            moved = self.jobs.finish(job, JobStatus.FAILED, self.now(), EventType.FAILED, reason)
        if moved is None:
            raise TryAgain(f"job {job.job_id} was changed while its failure was written")
        return moved
