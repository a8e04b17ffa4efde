"""What the days cost: the submissions' rows, with their jobs, against the spend table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from dropreel.domain.days import spend_day
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel_cli.job_story import Submission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dropreel_cli.job_lists import JobLists

_BATCH = 100
_TRIES = 3
"""How often a day is read again whose reservation changes while it is read."""
WITHOUT_VIDEO = frozenset({JobStatus.FAILED.value, JobStatus.UNKNOWN.value})
"""The statuses of submissions that have or may have cost something and gave no video."""


@dataclass(frozen=True)
class Charged:
    """A submission with its job; None where the job is not read, or is gone."""

    job_id: str
    submission: Submission
    job: Job | None = None

    @property
    def folder(self) -> str:
        """The image's folder, with a slash at its end; `/` for none."""
        return "?" if self.job is None else (self.job.image.key.rpartition("/")[0] + "/")

    @property
    def mode(self) -> str:
        """The mode and the duration, as the price depends on both: `fast 5 s`."""
        options = None if self.job is None else self.job.options
        return "?" if options is None else f"{options.mode} {options.duration} s"


@dataclass
class Sums:
    """US cents and counts of submissions. What was released counts as `released` and costs nothing."""

    charged_cents: int = 0
    unknown_cents: int = 0
    charged: int = 0
    unknown: int = 0
    released: int = 0

    def add(self, submission: Submission) -> None:
        """Count one submission."""
        match submission.charge:
            case Charge.CHARGED:
                self.charged_cents += submission.cost_cents
                self.charged += 1
            case Charge.UNKNOWN:
                self.unknown_cents += submission.cost_cents
                self.unknown += 1
            case Charge.NONE:
                self.released += 1

    def add_sums(self, other: Sums) -> None:
        """Count what others have counted."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def cents(self) -> int:
        """What was or may have been charged."""
        return self.charged_cents + self.unknown_cents


@dataclass
class Day:
    """One day (UTC): its submissions' sums, and what the spend table has reserved on it."""

    day: str
    sums: Sums
    reserved_cents: int

    @property
    def difference_cents(self) -> int:
        """What the spend table has more than the submissions' rows; negative for less."""
        return self.reserved_cents - self.sums.cents


@dataclass
class Spending:
    """The spending of some days, the oldest first. The sums by folder and mode are empty where no job was read."""

    days: list[Day] = field(default_factory=list)
    folders: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    modes: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    without_video: list[Charged] = field(default_factory=list)

    @property
    def total(self) -> Day:
        """All days together."""
        sums = Sums()
        for each in self.days:
            sums.add_sums(each.sums)
        return Day("total", sums, sum(each.reserved_cents for each in self.days))

    def add_spending(self, other: Spending) -> None:
        """Append later days."""
        self.days += other.days
        self.without_video += other.without_video
        for mine, its in ((self.folders, other.folders), (self.modes, other.modes)):
            for name, sums in its.items():
                mine[name].add_sums(sums)


@dataclass(frozen=True)
class SpendReader:
    """Reads days by the index of submissions. `reserved_cents` returns what the spend table has for a day."""

    lists: JobLists
    reserved_cents: Callable[[str], int]
    is_rehearsal: bool = False
    """Whether the days of rehearsals are read, and not those on which something was paid."""

    def spending(self, days: Iterable[str], *, with_jobs: bool = True) -> Spending:
        """Sum up some days. Without jobs, there are no sums by folder and mode."""
        spending = Spending()
        for day in days:
            reserved, rows = self._day(day)
            sums = Sums()
            for each in rows if not with_jobs else self._with_jobs(rows):
                sums.add(each.submission)
                if each.submission.charge is Charge.NONE:
                    continue
                if with_jobs:
                    spending.folders[each.folder].add(each.submission)
                    spending.modes[each.mode].add(each.submission)
                if each.submission.status in WITHOUT_VIDEO:
                    spending.without_video.append(each)
            spending.days.append(Day(day, sums, reserved))
        return spending

    def submissions(self, days: Iterable[str]) -> Iterator[Charged]:
        """Yield every submission of some days with its job, the oldest first."""
        for day in days:
            yield from self._with_jobs(self._rows(day))

    def _day(self, day: str) -> tuple[int, list[Charged]]:
        """Read a day's reservation and rows; again where a submission came in between."""
        item = spend_day(day, is_rehearsal=self.is_rehearsal)
        reserved = self.reserved_cents(item)
        for _ in range(_TRIES):
            rows, before = list(self._rows(day)), reserved
            reserved = self.reserved_cents(item)
            if reserved == before:
                break
        return reserved, rows

    def _rows(self, day: str) -> Iterator[Charged]:
        for row in self.lists.submissions_of_day(spend_day(day, is_rehearsal=self.is_rehearsal)):
            yield Charged(row["job_id"], Submission.of(row))

    def _with_jobs(self, submissions: Iterable[Charged]) -> Iterator[Charged]:
        left = iter(submissions)
        while batch := list(islice(left, _BATCH)):
            jobs = {job.job_id: job for job in self.lists.jobs_of_ids(dict.fromkeys(each.job_id for each in batch))}
            yield from (Charged(each.job_id, each.submission, jobs.get(each.job_id)) for each in batch)


def charged_document(charged: Charged) -> dict[str, Any]:
    """Return a submission as JSON: that of `show`, and its job's id, key, folder and mode."""
    key = None if charged.job is None else charged.job.image.key
    place = {"job_id": charged.job_id, "image_key": key, "folder": charged.folder, "mode": charged.mode}
    return {**place, **charged.submission.as_json()}
