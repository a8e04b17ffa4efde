"""The stack at one moment: jobs in work and last ended, counts, spending, queues. Each look reads little.

Jobs in work are found by the index `waiting`, one page for each status. Ended jobs are kept; only new ones are read.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.adapters.ledger import Ledger
from dropreel.domain.days import day_of
from dropreel.domain.job import OPERATOR, PUBLISHING, Job, JobStatus
from dropreel.domain.prices import usd
from dropreel.domain.spending import SpendLimit
from dropreel_cli.aws_errors import explain
from dropreel_cli.exits import CommandError
from dropreel_cli.job_lists import JobLists
from dropreel_cli.job_search import days_between
from dropreel_cli.job_selection import WAITING
from dropreel_cli.rehearsals import is_rehearsal, spend_day_of
from dropreel_cli.stack_resources import StackResources
from dropreel_cli.submissions import Submissions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dropreel_cli.stack import Stack

MAX_COUNTED = 1000
"""The most jobs of a status that are counted, and the most ended jobs that are kept: a board is no report."""
_MAX_READ = 100
"""The most jobs of a status that are read to be shown."""
_SLOW_LOOKS = 5
"""The paused state and the queues' addresses are read with every fifth look."""
_OVERLAP = timedelta(hours=1)
"""Just after midnight (UTC), the last jobs of the day before are read, too."""
_QUEUES = {"queue": "QueueUrl", "dead letters": "DeadLetterQueueUrl"}


@dataclass
class Board:
    """What the board shows. A part that could not be read keeps its last value, and `faults` says why.

    `waiting` counts the jobs in work by status, `MAX_COUNTED` for that many or more. `in_work` has the newest of them.
    `ended` has the last ended ones, the newest end first. `queues`: messages that wait, and that are being processed.
    """

    at: datetime
    stack: str
    limit: SpendLimit
    paused: bool | None = None
    rehearsal: bool = False
    waiting: dict[JobStatus, int] = field(default_factory=dict)
    in_work: list[Job] = field(default_factory=list)
    ended: list[Job] = field(default_factory=list)
    reserved_cents: int | None = None
    queues: dict[str, tuple[int, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[JobStatus, int]:
        """How many jobs have each status: those in work, and the ended ones that are kept."""
        counts = dict(self.waiting)
        for job in self.ended:
            counts[job.status] = counts.get(job.status, 0) + 1
        return {status: counts[status] for status in JobStatus if counts.get(status)}

    def as_json(self) -> dict[str, Any]:
        """Return all but the jobs as JSON, without the time."""
        queues = {name: {"waiting": waits, "in_work": taken} for name, (waits, taken) in self.queues.items()}
        return {
            "stack": self.stack,
            "paused": self.paused,
            "rehearsal": self.rehearsal,
            "counts": {status.value: count for status, count in self.counts.items()},
            "reserved_usd": None if self.reserved_cents is None else float(usd(self.reserved_cents)),
            "limit_usd": None if self.limit.cents is None else float(usd(self.limit.cents)),
            "queues": queues,
            "faults": list(self.faults),
        }


class BoardReader:
    """Looks at a stack again and again. `since`: how old the jobs may be whose end is shown at the first look."""

    def __init__(self, stack: Stack, since: datetime, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.stack = stack
        self.since = since
        self.now = now
        self.lists = JobLists(stack.client("dynamodb"), stack.outputs["JobsTableName"])
        limit = SpendLimit.parse(stack.parameters.get("DailySpendLimitUsd", "unlimited"))
        self.board = Board(now(), stack.name, limit, rehearsal=is_rehearsal(stack))
        self._ended: dict[str, Job] = {}
        self._in_work: dict[str, Job] = {}
        self._looks = 0
        self._queue_urls = {name: stack.outputs[output] for name, output in _QUEUES.items() if output in stack.outputs}
        self._resources: StackResources | None = None
        self._submissions: Submissions | None = None

    def look(self) -> Board:
        """Read what has changed. It raises no error of AWS: a fault is shown, and the next look tries again."""
        self.board.at = self.now()
        self.board.faults = []
        if self._looks == 0:
            self._resources = StackResources.if_allowed(self.stack)
        self._part("jobs", self._read_jobs)
        self._part("spending", self._read_spending)
        self._part("queues", self._read_queues)
        if self._looks % _SLOW_LOOKS == 0:
            self._part("paused", self._read_paused)
        self._looks += 1
        return self.board

    def _part(self, name: str, read: Callable[[], None]) -> None:
        try:
            read()
        except (BotoCoreError, ClientError) as error:
            if name != "paused":  # a reader may have no permission for Lambda
                self.board.faults.append(f"{name}: {explain(error)}")

    def _read_jobs(self) -> None:
        waiting: dict[JobStatus, int] = {}
        seen: list[str] = []
        for value in (*WAITING, OPERATOR, PUBLISHING):
            ids = self.lists.newest_waiting(value, MAX_COUNTED)
            seen += ids[:_MAX_READ]
            status = JobStatus.DEFERRED if value == OPERATOR else JobStatus(value) if value != PUBLISHING else None
            if status is not None and ids:
                waiting[status] = min(MAX_COUNTED, waiting.get(status, 0) + len(ids))
        new = [job_id for job_id in self._newest_ids() if job_id not in self._ended]
        jobs = list(self.lists.jobs_of_ids(dict.fromkeys((*seen, *self._in_work, *new))))
        self._in_work = {job.job_id: job for job in jobs if not job.is_terminal and job.job_id in seen}
        self._ended = {job_id: job for job_id, job in self._ended.items() if job_id not in self._in_work}
        self._ended |= {job.job_id: job for job in jobs if job.is_terminal and job.updated_at >= self.since}
        newest_end = sorted(self._ended.values(), key=lambda job: job.updated_at, reverse=True)[:MAX_COUNTED]
        self._ended = {job.job_id: job for job in newest_end}
        self.board.waiting = waiting
        self.board.in_work = sorted(self._in_work.values(), key=lambda job: (job.created_at, job.job_id), reverse=True)
        self.board.ended = newest_end

    def _newest_ids(self) -> Iterable[str]:
        """Return the newest jobs' ids: at the first look all that are kept, then one page of today's."""
        count = MAX_COUNTED if self._looks == 0 else _MAX_READ
        ids: list[str] = []
        since = self.since if self._looks == 0 else self.board.at - _OVERLAP
        for day in days_between(since, self.board.at):
            ids += self.lists.newest_of_day(day, count - len(ids))
            if len(ids) >= count:
                break
        return ids

    def _read_spending(self) -> None:
        jobs, spend = self.stack.outputs["JobsTableName"], self.stack.outputs["SpendTableName"]
        ledger = Ledger(self.lists.client, jobs, spend, self.board.limit)
        self.board.reserved_cents = ledger.reserved_cents(spend_day_of(self.stack, day_of(self.board.at)))

    def _read_queues(self) -> None:
        if self._looks == 0 and self._resources and "PrepareQueue" in self._resources:
            self._queue_urls["prepare"] = self._resources["PrepareQueue"]
        sqs = self.stack.client("sqs")
        names: Any = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        for name, url in self._queue_urls.items():
            numbers = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            visible, taken, delayed = (int(numbers.get(each, 0)) for each in names)
            self.board.queues[name] = (visible + delayed, taken)

    def _read_paused(self) -> None:
        with suppress(CommandError):  # the stack lacks the mapping
            self._submissions = self._submissions or Submissions.of(self.stack, self._resources)
            self.board.paused = self._submissions.is_paused
