"""The stack's jobs in memory, read once for all open pages, and read again only where something may have changed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from dropreel.domain.job import OPERATOR, PUBLISHING, Job, JobStatus
from dropreel.domain.spending import SpendLimit
from dropreel_cli.board import Board, BoardReader
from dropreel_cli.job_search import days_between
from dropreel_cli.job_selection import WAITING
from dropreel_cli.rehearsals import is_rehearsal
from dropreel_cli.stack import StackMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from dropreel_cli.stack import Stack

MAX_JOBS = 10_000
"""The newest so many jobs are shown, and older ones that are still in work."""
_ACTIVE = (JobStatus.GENERATING, JobStatus.SUBMITTING)
_BATCH = 100
_KNOWN_IN_A_ROW = 100
"""A list of new ids ends after so many that are known: the index can show a later job first."""
_OVERLAP = timedelta(hours=1)
"""Just after midnight (UTC), the last jobs of the day before are read, too."""
_STALE_LOOKS = 30
"""With every thirtieth look, some ended jobs are read again: another command may have changed them."""
_PARAMETERS_SECONDS = 30.0
"""So long the stack's parameters are taken as they were read."""


@dataclass(frozen=True)
class Snapshot:
    """The stack at one moment. `jobs` are all that are kept, the newest first.

    `version` grows with each change; `changed_at` has the version with which each job changed last. `is_whole`: the first
    read has ended. `board` has the spending, the queues, the paused state and the faults.
    """

    version: int
    board: Board
    jobs: tuple[Job, ...] = ()
    by_id: Mapping[str, Job] = field(default_factory=dict)
    changed_at: Mapping[str, int] = field(default_factory=dict)
    is_whole: bool = False

    @property
    def counts(self) -> dict[JobStatus, int]:
        """How many jobs have each status, in the order of the statuses."""
        counted = Counter(job.status for job in self.jobs)
        return {status: counted[status] for status in JobStatus if counted[status]}

    @cached_property
    def in_work(self) -> int:
        """How many jobs wait for something."""
        return sum(1 for job in self.jobs if job.waits_for)

    def changed_since(self, version: int) -> list[Job]:
        """Return the jobs that have changed since a version, the oldest first."""
        return [job for job in reversed(self.jobs) if self.changed_at.get(job.job_id, 0) > version]


class JobFeed(BoardReader):
    """Looks at a stack again and again, and publishes each change as a new `snapshot`. One thread looks; any may `refresh`.

    `on_change` gets each new snapshot, in that thread.
    """

    def __init__(
        self,
        stack: Stack,
        since: datetime,
        now: Callable[[], datetime],
        on_change: Callable[[Snapshot], None] = lambda _: None,
        max_jobs: int = MAX_JOBS,
    ) -> None:
        super().__init__(stack, since, now)
        self.on_change = on_change
        self.max_jobs = max_jobs
        self.snapshot = Snapshot(0, self.board)
        self._jobs: dict[str, Job] = {}
        self._seen: set[str] = set()
        self._turn = 0
        self._has_read_all = False
        self._left_out: set[str] = set()
        self._renewed_at = time.monotonic()
        self._publishing = threading.Lock()

    def look(self) -> Board:
        """Read what may have changed, and publish it."""
        board = super().look()
        self._part("parameters", self._read_parameters)
        self.board.faults += [f"jobs: one or more cannot be read ({why}), and are not shown." for why in self._left_out]
        self._publish([], is_whole=True)
        return board

    def renew(self) -> Stack:
        """Return the stack with the parameters that it has now: prices, limit and `Rehearsal` may have changed.

        Raises StackMissing, botocore's errors.
        """
        self.stack = stack = self.stack.renewed()
        self._renewed_at = time.monotonic()
        self.board.limit = SpendLimit.parse(stack.parameters.get("DailySpendLimitUsd", "unlimited"))
        self.board.rehearsal = is_rehearsal(stack)
        return stack

    def _read_parameters(self) -> None:
        if time.monotonic() - self._renewed_at < _PARAMETERS_SECONDS:
            return
        try:
            self.renew()
        except StackMissing as error:
            self.board.faults.append(str(error))

    def refresh(self, jobs: Iterable[Job]) -> None:
        """Take jobs that were just read."""
        self._publish(jobs)

    def _read_jobs(self) -> None:
        if not self._has_read_all:
            self._read_all()
            return
        waiting = self._waiting_ids()
        active = [job_id for value in _ACTIVE for job_id in waiting.get(value, [])[:_BATCH]]
        in_work = {job_id for ids in waiting.values() for job_id in ids}
        known = {job_id for job_id, job in self._jobs.items() if not job.is_terminal or job.pending_events}
        ids = [*active, *in_work - known, *known - in_work, *self._new_ids(), *self._next_to_check(in_work)]
        self._publish(self._readable(dict.fromkeys(ids)))

    def _readable(self, job_ids: Iterable[str]) -> Iterator[Job]:
        """Yield the jobs with these ids, without those that cannot be read, such as one that a later release has written."""
        jobs = iter(self.lists.jobs_of_ids(job_ids))
        while True:
            try:
                job = next(jobs, None)
            except (ValueError, KeyError, TypeError) as error:
                self._left_out.add(f"{type(error).__name__}: {error!s:.200}")
                continue
            if job is None:
                return
            yield job

    def _read_all(self) -> None:
        """Read all jobs, those in work first, and publish them as they come: hundreds, then thousands.

        After a fault of AWS the next look reads those that are left.
        """
        waiting = [job_id for ids in self._waiting_ids().values() for job_id in ids][: self.max_jobs]
        days = days_between(self.since, self.board.at)
        newest = islice((job_id for day in days for job_id in self.lists.ids_of_day(day)), self.max_jobs)
        jobs = self._readable(each for each in dict.fromkeys((*waiting, *newest)) if each not in self._jobs)
        while batch := list(islice(jobs, max(_BATCH, len(self._jobs) // 2))):
            self._publish(batch)
        self._has_read_all = True

    def _waiting_ids(self) -> dict[str, list[str]]:
        """Return the ids of the jobs in work, by what they wait for, the newest first."""
        values = (*WAITING, OPERATOR, PUBLISHING)
        return {value: [job_id for _, job_id in islice(self.lists.waiting(value), self.max_jobs)] for value in values}

    def _new_ids(self) -> list[str]:
        new: list[str] = []
        known = 0
        for day in days_between(self.board.at - _OVERLAP, self.board.at):
            for job_id in self.lists.ids_of_day(day):
                known = known + 1 if job_id in self._seen else 0
                if known >= _KNOWN_IN_A_ROW:
                    return new
                if not known:
                    new.append(job_id)
        return new

    def _next_to_check(self, in_work: set[str]) -> list[str]:
        """Return the next hundred of the jobs in work, and now and then of the ended ones."""
        checked = in_work if self._looks % _STALE_LOOKS else self._jobs.keys()
        ids = sorted(checked)
        if not ids:
            return []
        start = self._turn % len(ids)
        self._turn += _BATCH
        return ids[start : start + _BATCH]

    def _publish(self, read: Iterable[Job], *, is_whole: bool = False) -> None:
        """Publish the jobs that differ from the known ones, and the board where it has changed. Threads may call it.

        A job that was read before a later state of it was published is left out.
        """
        read = list(read)
        with self._publishing:
            before = self.snapshot
            changed = {job.job_id: job for job in read if _is_news(self._jobs.get(job.job_id), job)}
            self._seen |= changed.keys()
            jobs = self._kept({**self._jobs, **changed}) if changed else before.jobs
            kept = {job.job_id: job for job in jobs} if changed else self._jobs
            changed = {job_id: job for job_id, job in changed.items() if job_id in kept}
            board = replace(self.board, faults=list(self.board.faults), queues=dict(self.board.queues))
            is_whole = is_whole or before.is_whole
            if not changed and is_whole == before.is_whole and board.as_json() == before.board.as_json():
                return
            version = before.version + 1
            changed_at = {**before.changed_at, **dict.fromkeys(changed, version)}
            self._jobs = kept
            self.snapshot = Snapshot(version, board, jobs, self._jobs, changed_at, is_whole)
            self.on_change(self.snapshot)

    def _kept(self, jobs: Mapping[str, Job]) -> tuple[Job, ...]:
        """Return the newest jobs, and the older ones that are in work."""
        newest = sorted(jobs.values(), key=lambda job: (job.created_at, job.job_id), reverse=True)
        return tuple(job for number, job in enumerate(newest) if number < self.max_jobs or job.waits_for)


def _is_news(known: Job | None, read: Job) -> bool:
    """Return whether a job differs from the known one, and is no earlier state of it: each save increments its version."""
    return known is None or (read.version >= known.version and read != known)
