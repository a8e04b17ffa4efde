"""Which jobs a list shows: by status, time and key, from the job table's indexes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING
from unicodedata import normalize

from dropreel.domain.job import OPERATOR, TERMINAL, Job, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dropreel_cli.job_lists import JobLists

WAITING = tuple(status for status in JobStatus if status not in TERMINAL)
"""The statuses of jobs that still need work: each is a value of the index `waiting`."""
_INDEX_VALUES: dict[JobStatus, tuple[str, ...]] = {status: (status.value,) for status in WAITING}
_INDEX_VALUES |= {status: (status.value, OPERATOR) for status in (JobStatus.DEFERRED, JobStatus.PREPARING)}
_READ_AT_ONCE = 100


@dataclass(frozen=True)
class Selection:
    """What a list asks for. Without statuses, every job counts. `has_since`: the time was asked for, and is no default."""

    since: datetime
    until: datetime
    statuses: frozenset[JobStatus] = frozenset()
    key_prefix: str = ""
    limit: int = 100
    has_since: bool = False

    def matches(self, job: Job) -> bool:
        """Return whether a job's status and key are asked for."""
        if self.statuses and job.status not in self.statuses:
            return False
        return normalize("NFC", job.image.key).startswith(normalize("NFC", self.key_prefix))


@dataclass(frozen=True)
class JobList:
    """The selected jobs, the newest first. `older` is when the next one was created, None where these are all.

    `waiting_before` counts the jobs from before `since` that still wait, by what they wait for.
    """

    jobs: list[Job]
    older: datetime | None = None
    waiting_before: dict[JobStatus, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[JobStatus, int]:
        """How many of the jobs have each status, in the order of the statuses."""
        counted = Counter(job.status for job in self.jobs)
        return {status: counted[status] for status in JobStatus if status in counted}


def select_jobs(lists: JobLists, selection: Selection, on_read: Callable[[int], None] = lambda _: None) -> JobList:
    """Return the selected jobs. `on_read` gets how many jobs were read, each time that one more was.

    Waiting jobs are found by what they wait for: unless a time is asked for, jobs of any age. All others are found by
    their days.
    """
    waiting = selection.statuses & frozenset(WAITING)
    ended = selection.statuses - waiting
    streams: list[Iterator[Job]] = []
    if waiting:
        streams.append(_waiting_jobs(lists, waiting, selection))
    if ended or not waiting:
        listed = _counted(lists.jobs_since(selection.since, selection.until), on_read)
        streams.append(job for job in listed if not selection.statuses or job.status in ended)
    newest_first = merge(*streams, key=_order, reverse=True)
    found = (job for job in newest_first if selection.matches(job))
    jobs = list(islice(found, selection.limit))
    following = next(found, None)
    older = None if following is None else following.created_at
    before = {} if selection.statuses or selection.key_prefix else _waiting_before(lists, selection.since)
    return JobList(jobs, older, before)


def _order(job: Job) -> tuple[datetime, str]:
    return job.created_at, job.job_id


def _counted(jobs: Iterator[Job], on_read: Callable[[int], None]) -> Iterator[Job]:
    for count, job in enumerate(jobs, 1):
        on_read(count)
        yield job


def _waiting_jobs(lists: JobLists, statuses: frozenset[JobStatus], selection: Selection) -> Iterator[Job]:
    """Yield the jobs that wait, the newest first."""
    values = dict.fromkeys(value for status in WAITING if status in statuses for value in _INDEX_VALUES[status])
    keys = merge(*(lists.waiting(value) for value in values), reverse=True)
    wanted = (job_id for created, job_id in keys if _is_within(datetime.fromisoformat(created), selection))
    while ids := list(islice(wanted, _READ_AT_ONCE)):
        yield from lists.jobs_of_ids(dict.fromkeys(ids))


def _is_within(created: datetime, selection: Selection) -> bool:
    return created <= selection.until and (not selection.has_since or created >= selection.since)


def _waiting_before(lists: JobLists, since: datetime) -> dict[JobStatus, int]:
    """Count the jobs from before a time that still wait, without a read of the jobs."""
    counts: dict[JobStatus, int] = {
        status: sum(lists.count_waiting(value, since) for value in _INDEX_VALUES[status])
        for status in WAITING
        if status is not JobStatus.PREPARING
    }
    counts[JobStatus.PREPARING] = lists.count_waiting(JobStatus.PREPARING, since)  # `operator` is counted as deferred
    return {status: count for status, count in counts.items() if count}
