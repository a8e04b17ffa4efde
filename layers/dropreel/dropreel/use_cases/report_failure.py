"""End a job that was paid for and brings no video, and say why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dropreel.adapters.job_table import JobTable
from dropreel.errors import TryAgain
from dropreel.events import EventType
from dropreel.jobs import JobStatus, Reason
from dropreel.messages import Generation
from dropreel.use_cases.announce import Announcer


@dataclass(frozen=True)
class ReportFailure:
    """Once a job: a job that has ended is left as it is, and only events it still owes are sent."""

    jobs: JobTable
    announcer: Announcer
    now: Callable[[], datetime]

    def run(self, generation: Generation, reason: Reason) -> dict[str, Any]:
        """Return `{"outcome": <the job's status>}`. Raises TryAgain or PublishFault where it must run again."""
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise TryAgain(f"job {generation.job_id} is not in the job table")
        if job.status is JobStatus.GENERATING and job.attempt == generation.attempt:
            failed = self.jobs.finish(job, JobStatus.FAILED, self.now(), EventType.FAILED, reason)
            if failed is None:
                raise TryAgain(f"job {job.job_id} was changed while its failure was written")
            job = failed
        self.announcer.announce(job)
        return {"outcome": job.status.value}
