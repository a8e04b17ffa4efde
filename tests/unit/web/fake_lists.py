"""The job table's lists in memory, which count what is read."""

from collections.abc import Iterable, Iterator
from typing import Any

from dropreel.domain.days import day_of
from dropreel.domain.job import Job


class FakeJobLists:
    """Lists of `jobs`; `read` has the ids of all jobs that were read, in their order."""

    def __init__(self, client: Any, *jobs: Job) -> None:
        self.client = client
        self.jobs = {job.job_id: job for job in jobs}
        self.read: list[str] = []
        self.fault: Exception | None = None

    def put(self, *jobs: Job) -> None:
        self.jobs |= {job.job_id: job for job in jobs}

    def waiting(self, what: str) -> Iterator[tuple[str, str]]:
        if self.fault is not None:
            raise self.fault
        found = [job for job in self.jobs.values() if job.waits_for == what]
        for job in sorted(found, key=lambda job: job.created_at, reverse=True):
            yield job.created_at.isoformat(), job.job_id

    def ids_of_day(self, day: str) -> Iterator[str]:
        found = [job for job in self.jobs.values() if day_of(job.created_at) == day]
        yield from (job.job_id for job in sorted(found, key=lambda job: job.created_at, reverse=True))

    def jobs_of_ids(self, job_ids: Iterable[str]) -> Iterator[Job]:
        for job_id in job_ids:
            if job_id in self.jobs:
                self.read.append(job_id)
                yield self.jobs[job_id]
