"""Follows many jobs to their end."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.prices import usd
from dropreel.domain.reasons import ReasonCode
from dropreel_cli.exits import Exit
from dropreel_cli.job_lists import JobLists
from dropreel_cli.submissions import Submissions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dropreel_cli.stack import Stack

QUIET_SECONDS = 1800
"""The wait ends if nothing changes for so long: a generation is polled far more often."""
_PAUSE_SECONDS = 15
_FOR_OPERATOR = (ReasonCode.KEY_REFUSED, ReasonCode.PROVIDER_BALANCE)
WAITING = "waiting"
"""What a job is called before it is in the table: its upload has not been received yet."""


def poll_seconds(jobs: int) -> float:
    """Return the seconds between two reads of so many jobs: 1 for a few, 30 for thousands, which take 1% of a day's reads then."""
    return min(30.0, max(1.0, jobs / 100))


def waits_for_operator(job: Job) -> bool:
    """Return whether a job waits for the day's limit, or for the operator."""
    if job.status is JobStatus.HELD or job.is_dead_letter:
        return True
    return job.status is JobStatus.DEFERRED and job.has_reason(*_FOR_OPERATOR)


@dataclass
class Following:
    """The jobs that are followed, by id; None before a job is there.

    `read` yields the jobs with these ids that exist. `is_paused`: whether the stack starts no submission. `on_poll` is
    called after each read. `interval` returns the seconds between two reads of so many jobs. The wait ends if nothing changes
    for `quiet_seconds`, and after `max_seconds`. `ended_early` says why it ended before all jobs did.
    """

    read: Callable[[Iterable[str]], Iterable[Job]]
    job_ids: list[str]
    is_paused: Callable[[], bool] = lambda: False
    on_poll: Callable[[], None] = lambda: None
    interval: Callable[[int], float] = poll_seconds
    quiet_seconds: float = QUIET_SECONDS
    max_seconds: float = math.inf
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    jobs: dict[str, Job | None] = field(default_factory=dict)
    ended_early: str = ""

    @classmethod
    def of(
        cls, stack: Stack, job_ids: list[str], is_paused: Callable[[], bool] | None = None, **settings: Any
    ) -> Following:
        """Return the following of a stack's jobs. `is_paused`: whether no submission starts; without it, Lambda is asked."""
        lists = JobLists(stack.client("dynamodb"), stack.outputs["JobsTableName"])
        return cls(lists.jobs_of_ids, job_ids, is_paused or (lambda: Submissions.of(stack).is_paused), **settings)

    def __post_init__(self) -> None:
        self.jobs = dict.fromkeys(self.job_ids)

    @property
    def counts(self) -> Counter[str]:
        """The number of jobs in each status."""
        return Counter(WAITING if job is None else job.status.value for job in self.jobs.values())

    @property
    def found(self) -> list[Job]:
        """The jobs that are there, in the order of their ids."""
        return [job for job in self.jobs.values() if job is not None]

    def changes(self) -> Iterator[Job]:
        """Yield each job when it is there and when it changes, until all have ended or the rest waits for the operator."""
        open_ids = list(self.jobs)
        started = changed_at = asked_at = self.monotonic()
        while open_ids:
            for job in self.read(open_ids):
                before, self.jobs[job.job_id] = self.jobs[job.job_id], job
                if before != job:
                    changed_at = self.monotonic()
                if before is None or _shown(before) != _shown(job):
                    yield job
            open_ids = [each for each in open_ids if not _has_ended(self.jobs[each])]
            self.on_poll()
            left = [self.jobs[each] for each in open_ids]
            if left and all(job is not None and waits_for_operator(job) for job in left):
                verb = "waits" if len(left) == 1 else "wait"
                self.ended_early = f"{len(left):,} of the jobs {verb} for the day's limit or for the operator"
                return
            is_waiting = all(job is None or job.status in (JobStatus.DEFERRED, JobStatus.HELD) for job in left)
            if left and is_waiting and self.monotonic() - asked_at >= _PAUSE_SECONDS:
                asked_at = self.monotonic()
                if self.is_paused():
                    self.ended_early = f"{len(left):,} of the images wait: the stack is paused"
                    return
            if left and self.monotonic() - changed_at > self.quiet_seconds:
                self.ended_early = f"nothing has changed for {self.quiet_seconds / 60:.0f} minutes"
                return
            if left and self.monotonic() - started > self.max_seconds:
                self.ended_early = f"{len(left):,} of the jobs have not ended within {self.max_seconds:.0f} seconds"
                return
            if open_ids:
                self.sleep(self.interval(len(open_ids)))

    def exit(self) -> Exit:
        """Return the exit status: the worst of all jobs."""
        statuses = {_exit_of(job) for job in self.jobs.values()}
        return next((status for status in (Exit.UNKNOWN, Exit.HELD, Exit.FAILED) if status in statuses), Exit.DONE)


def describe_change(job: Job) -> str:
    """Return what a job has changed to: `generating (provider: processing)`, `held: The daily limit ...`."""
    if job.status is JobStatus.GENERATING:
        return f"{job.status.value} (provider: {job.provider_status})"
    if job.status is JobStatus.COMPLETED and job.video is not None:
        return f"{job.status.value}: {job.video.key}"
    if job.status is JobStatus.DEFERRED and job.reason is None:
        return f"{job.status.value}: waiting to be submitted"
    return f"{job.status.value}: {job.reason.message}" if job.reason else job.status.value


def cost_text(job: Job) -> str:
    """Return what a job has cost, in US dollars. All attempts have one price; an earlier one may have cost nothing."""
    if job.charge is Charge.NONE:
        return ""
    most = usd(job.cost_cents * job.attempt)
    return str(most) if job.attempt == 1 and job.charge is Charge.CHARGED else f"up to {most}"


def _shown(job: Job) -> tuple[object, ...]:
    return (job.status, job.attempt, job.provider_status, job.reason)


def _has_ended(job: Job | None) -> bool:
    return job is not None and job.is_terminal and not job.pending_events


def _exit_of(job: Job | None) -> Exit:
    if job is None or not job.is_terminal:
        return Exit.HELD
    if job.status is JobStatus.COMPLETED:
        return Exit.DONE
    return Exit.UNKNOWN if job.status is JobStatus.UNKNOWN else Exit.FAILED
