"""What the last days cost, read once for all open pages by a thread that no page waits for."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dropreel_cli.aws_errors import explain
from dropreel_cli.job_lists import JobLists
from dropreel_cli.spend_report import days_until, reader_of
from dropreel_cli.spending import Spending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dropreel.domain.job import Job
    from dropreel_cli.spending import SpendReader
    from dropreel_cli.web.site import Site

DAYS = 30
"""So many days (UTC) are shown, with today."""
KEPT_SECONDS = 60.0
"""So long the sums of today and yesterday are kept."""
OLD_KEPT_SECONDS = 900.0
"""So long those of earlier days are kept: a decision about a job can still change them."""
_RETRY_SECONDS = 15.0
_FEED_SECONDS = 120.0
"""So long the first read of the jobs is waited for: what it has read is not read again."""


@dataclass(frozen=True)
class SpendState:
    """The days that were read, the oldest first, and what is still missing."""

    days: tuple[str, ...]
    spending: Spending
    fault: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every day was read."""
        return len(self.spending.days) == len(self.days)


@dataclass(frozen=True)
class _KnownJobs(JobLists):
    """Reads jobs, but those that the board has in memory: folder, mode and key of a job do not change."""

    known: Callable[[], Mapping[str, Job]] = field(default=dict)

    def jobs_of_ids(self, job_ids: Iterable[str]) -> Iterator[Job]:
        known, ids = self.known(), list(job_ids)
        read = {job.job_id: job for job in super().jobs_of_ids(each for each in ids if each not in known)}
        found = (known.get(each) or read.get(each) for each in ids)
        return (job for job in found if job is not None)


class SpendDays:
    """Keeps the sums of the last days. `state` answers at once, with what there is."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._read: dict[str, tuple[float, Spending]] = {}
        self._state = SpendState((), Spending())
        self._failed_at: float | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def state(self) -> SpendState:
        """Return what is known, and begin to read what is missing or too old."""
        days = tuple(days_until(self.site.now(), DAYS))
        with self._lock:
            if self._state.days != days:
                self._publish(days)
            is_reading = self._thread is not None and self._thread.is_alive()
            waits = self._failed_at is not None and time.monotonic() - self._failed_at < _RETRY_SECONDS
            if not is_reading and not waits and self._stale(days):
                self._thread = threading.Thread(target=self._read_days, args=(days,), daemon=True)
                self._thread.start()
            return self._state

    def wait(self, seconds: float) -> None:
        """Wait for a read that runs."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _stale(self, days: tuple[str, ...]) -> list[str]:
        """Return the days to read, the newest first."""
        now, found = time.monotonic(), []
        for age, day in enumerate(reversed(days)):
            kept = KEPT_SECONDS if age <= 1 else OLD_KEPT_SECONDS
            if day not in self._read or now - self._read[day][0] >= kept:
                found.append(day)
        return found

    def _read_days(self, days: tuple[str, ...]) -> None:
        self._wait_for_feed()
        reader = self._reader()
        for day in self._stale(days):
            if self.site.updates.is_closed:
                return
            try:
                spending = reader.spending([day])
            except (BotoCoreError, ClientError) as error:
                with self._lock:
                    self._failed_at = time.monotonic()
                    self._publish(days, explain(error))
                return
            with self._lock:
                self._failed_at = None
                self._read[day] = time.monotonic(), spending
                self._publish(days)

    def _wait_for_feed(self) -> None:
        end = time.monotonic() + _FEED_SECONDS
        while self.site.snapshot.version and not self.site.snapshot.is_whole and time.monotonic() < end:
            if self.site.updates.is_closed:
                return
            time.sleep(0.1)

    def _reader(self) -> SpendReader:
        stack = self.site.stack
        lists = _KnownJobs(
            stack.client("dynamodb"), stack.outputs["JobsTableName"], lambda: self.site.snapshot.by_id
        )  # fmt: skip
        return reader_of(stack, lists)

    def _publish(self, days: tuple[str, ...], fault: str = "") -> None:
        self._read = {day: self._read[day] for day in days if day in self._read}
        spending = Spending()
        for _, each in self._read.values():
            spending.add_spending(each)
        self._state = SpendState(days, spending, fault)
