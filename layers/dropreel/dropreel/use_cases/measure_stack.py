"""Measure what waits and what is spent, for the alarms and the dashboard. Nothing is changed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dropreel.domain.days import day_of
from dropreel.domain.job import JobStatus
from dropreel.domain.metrics import Metric

if TYPE_CHECKING:
    from dropreel.domain.prices import PriceTable
    from dropreel.use_cases.ports import Jobs, Ledger

BEFORE_GENERATION = (JobStatus.DEFERRED, JobStatus.PREPARING, JobStatus.SUBMITTING)
"""The statuses of a job that waits for its submission without the operator or a new day."""


@dataclass(frozen=True)
class MeasureStack:
    """Writes the gauges: what is so now, not how often it happened. `prices` may be read at its first use."""

    jobs: "Jobs"
    ledger: "Ledger"
    write: Callable[[Metric, float], None]
    now: Callable[[], datetime]
    prices: "PriceTable"

    def run(self) -> None:
        """Write each gauge. `SpendPercent` is left out without a limit, and with a limit of 0, which pauses on purpose."""
        now = self.now()
        before = [self.jobs.count_waiting(status) for status in BEFORE_GENERATION]
        oldest = [since for _, since in (*before, self.jobs.count_waiting(JobStatus.GENERATING)) if since is not None]
        self.write(Metric.JOBS_WAITING, sum(count for count, _ in before))
        self.write(Metric.OLDEST_JOB_SECONDS, max(0.0, (now - min(oldest, default=now)).total_seconds()))
        self.write(Metric.JOBS_HELD, self.jobs.count_waiting(JobStatus.HELD)[0])
        self.write(Metric.JOBS_UNKNOWN, self.jobs.count_waiting(JobStatus.UNKNOWN)[0])
        reserved = self.ledger.reserved_cents(day_of(now))
        self.write(Metric.SPEND_RESERVED_USD, reserved / 100)
        percent = self.ledger.limit.percent_used(reserved, self.prices.lowest)
        if percent is not None:
            self.write(Metric.SPEND_PERCENT, percent)
