"""Find the jobs that nothing works on any more, and release the held ones when there is money. It never pays."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import Ledger
from dropreel.adapters.state_machine import StateMachine
from dropreel.adapters.submission_queue import SubmissionQueue
from dropreel.jobs import TELLING, Job, JobStatus
from dropreel.messages import Generation
from dropreel.spending import day_of
from dropreel.use_cases.announce import Announcer
from dropreel.use_cases.report_failure import ReportFailure, watch_ended
from dropreel.use_cases.settle_ambiguous import settle_ambiguous

QUIET = timedelta(minutes=10)
"""A job that nothing has touched for so long is looked at: longer than any step or any message of ours takes."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class SweepJobs:
    """Runs on a schedule. Each job is a job by itself: one that cannot be swept now does not hold up the next."""

    jobs: JobTable
    ledger: Ledger
    queue: SubmissionQueue
    state_machine: StateMachine
    announcer: Announcer
    failure: ReportFailure
    max_attempts: int
    resubmits_ambiguous: bool
    now: Callable[[], datetime]

    def run(self) -> dict[str, int]:
        """Return how many jobs were swept, by what was done."""
        done: dict[str, int] = {}
        steps: dict[str, Callable[[Job], str | None]] = {
            TELLING: self._tell,
            JobStatus.SUBMITTING: self._settle_abandoned,
            JobStatus.GENERATING: self._watch,
            JobStatus.DEFERRED: self._remind,
            JobStatus.HELD: self._tell_held,
        }
        for waiting, step in steps.items():
            for job_id in self.jobs.waiting(waiting):
                self._count(done, step, job_id)
        self._release(done)
        return done

    def _tell_held(self, job: Job) -> str | None:
        if job.status is not JobStatus.HELD or not job.pending_events or self._is_fresh(job):
            return None
        self.announcer.announce(job)
        return "told"

    def _count(self, done: dict[str, int], step: Callable[[Job], str | None], job_id: str) -> None:
        try:
            job = self.jobs.get(job_id)
            what = None if job is None else step(job)
        except Exception:
            logger.exception("not swept", extra={"job_id": job_id})
            what = "not_swept"
        if what is not None:
            done[what] = done.get(what, 0) + 1

    def _tell(self, job: Job) -> str | None:
        if not job.is_terminal or self._is_fresh(job):
            return None
        self.announcer.announce(job)
        self.jobs.told(job.job_id)
        return "told"

    def _settle_abandoned(self, job: Job) -> str | None:
        """A claim whose lease is over and that nobody came back to: it may have been paid."""
        if job.status is not JobStatus.SUBMITTING or job.lease_until is None or job.lease_until > self.now():
            return None
        may_resubmit = self.resubmits_ambiguous and job.attempt < self.max_attempts
        settle_ambiguous(
            job,
            "The submission was interrupted and may have been paid.",
            self.now(),
            may_resubmit=may_resubmit,
            jobs=self.jobs,
            queue=self.queue,
            announcer=self.announcer,
        )
        return "resubmitted" if may_resubmit else "parked"

    def _watch(self, job: Job) -> str | None:
        """A paid generation that has not been polled for long: start its execution if there is none, report it if that has ended."""
        if job.status is not JobStatus.GENERATING or self._is_fresh(job):
            return None
        status = self.state_machine.status_of(job)
        if status == "RUNNING":
            return None
        if status is None:
            self.state_machine.start(job)
            self.announcer.announce(job)
            return "watched"
        self.failure.run(Generation(job.job_id, job.attempt, job.generation_id or ""), watch_ended(status))
        return "reported"

    def _remind(self, job: Job) -> str | None:
        """A deferred job is due and its message is lost, or was sent to the dead letters and is for a person to look at."""
        if job.status is not JobStatus.DEFERRED or (job.reason is not None and job.reason.code == "dead_letter"):
            return None
        due = max(job.updated_at, job.retry_at or job.updated_at) + QUIET
        if self.now() < due:
            return None
        self.queue.send_again(job)
        return "reminded"

    def _release(self, done: dict[str, int]) -> None:
        """Send held jobs to the queue again, oldest first, as far as the day's money goes. The claim decides, not this."""
        room = self.ledger.limit.room_after(self.ledger.reserved_cents(day_of(self.now())))
        for job_id in self.jobs.waiting(JobStatus.HELD):
            try:
                job = self.jobs.get(job_id)
            except Exception:
                logger.exception("not swept", extra={"job_id": job_id})
                continue
            if job is None or job.status is not JobStatus.HELD:
                continue
            if room is not None and not self.ledger.limit.can_never_hold(job.cost_cents):
                if job.cost_cents > room:
                    return
                room -= job.cost_cents
            self._count(done, self._send_held, job_id)

    def _send_held(self, job: Job) -> str:
        self.announcer.announce(job)
        self.queue.send_again(job)
        return "released"

    def _is_fresh(self, job: Job) -> bool:
        return self.now() - job.updated_at < QUIET
