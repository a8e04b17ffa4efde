"""Find the jobs that nothing works on any more, and release the held ones when there is money. It never pays."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import Ledger
from dropreel.adapters.state_machine import StateMachine
from dropreel.adapters.submission_queue import SubmissionQueue
from dropreel.events import EventType
from dropreel.jobs import TELLING, Job, JobStatus, Reason, execution_name
from dropreel.messages import Generation
from dropreel.spending import SpendLimit, day_of
from dropreel.use_cases.announce import Announcer
from dropreel.use_cases.report_failure import ReportFailure, watch_ended
from dropreel.use_cases.settle_ambiguous import settle_ambiguous
from dropreel.waiting import is_deferral_to_be_told

QUIET = timedelta(minutes=10)
"""A job that nothing has touched for so long is looked at: no sooner than the queue shows a message again that was taken."""

PASS = timedelta(seconds=35)
"""The time of one pass over what waits in one way: all six fit into the function's 240 seconds."""
MAX_DOUBLINGS = 7
"""A message that is not taken is sent again after 10, 20, 40 minutes and so on, at most after 21 hours."""

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
        """Return how many jobs were swept, by what was done; `unfinished` counts the passes that had no time for all."""
        done: dict[str, int] = {}
        self._release(done)
        steps: dict[str, Callable[[Job], str | None]] = {
            TELLING: self._tell,
            JobStatus.SUBMITTING: self._settle_abandoned,
            JobStatus.GENERATING: self._watch,
            JobStatus.DEFERRED: self._remind,
            JobStatus.HELD: self._tell_held,
        }
        for waiting, step in steps.items():
            age = timedelta(0) if waiting == JobStatus.SUBMITTING else QUIET  # a lease is shorter
            for job_id in self._in_time(done, waiting, self.now() - age):
                self._count(done, step, job_id)
        return done

    def _in_time(self, done: dict[str, int], waiting: str, created_until: datetime) -> Iterator[str]:
        """Yield the ids of what waits, oldest first, for as long as one pass may take: the others want their turn, too."""
        end = self.now() + PASS
        for job_id in self.jobs.waiting(waiting, created_until):
            if self.now() >= end:
                logger.warning("sweep unfinished", extra={"waiting": waiting})
                done["unfinished"] = done.get("unfinished", 0) + 1
                return
            yield job_id

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
            Reason("submission_unknown", "The submission was interrupted and may have been paid."),
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
        generation = Generation(job.job_id, job.attempt, job.generation_id or "", execution_name(job))
        self.failure.run(generation, watch_ended(status))
        return "reported"

    def _remind(self, job: Job) -> str | None:
        """A deferred job's message comes again if it was lost, and its owner is told that it waits."""
        reminded = self._remind_of_message(job)
        told = self._tell_deferred(job)
        return reminded or told

    def _tell_deferred(self, job: Job) -> str | None:
        """Tell of a job that has waited for long, or of one whose event did not reach the bus."""
        if job.status is not JobStatus.DEFERRED:
            return None
        if job.is_dead_letter and not job.pending_events:
            self.jobs.leave_to_a_person(job.job_id)
        noted: Job | None = job
        if is_deferral_to_be_told(job, self.now()):
            noted = self.jobs.note_deferral(job, EventType.DEFERRED)
        elif self._is_fresh(job):  # whoever deferred it may be about to tell
            return None
        if noted is None or not noted.pending_events:
            return None
        self.announcer.announce(noted)
        return "told"

    def _remind_of_message(self, job: Job) -> str | None:
        """Its message is lost, or was sent to the dead letters and is for a person to look at."""
        if job.status is not JobStatus.DEFERRED or job.is_dead_letter:
            return None
        due = max(job.updated_at, job.retry_at or job.updated_at) + QUIET
        if self.now() < due or self._is_on_its_way(job):
            return None
        return self._sent(job, "reminded")

    def _release(self, done: dict[str, int]) -> None:
        """Send held jobs to the queue again, oldest first, as far as the day's money goes. The claim decides, not this."""
        limit = self.ledger.limit
        room = _Room(limit, limit.room_after(self.ledger.reserved_cents(day_of(self.now()))))
        for job_id in self._in_time(done, JobStatus.HELD, self.now()):
            self._count(done, partial(self._send_held, room), job_id)
            if room.is_used_up:
                return

    def _send_held(self, room: "_Room", job: Job) -> str | None:
        if job.status is not JobStatus.HELD or not room.takes(job) or self._is_on_its_way(job):
            return None
        self.announcer.announce(job)
        return self._sent(job, "released")

    def _sent(self, job: Job, what: str) -> str | None:
        if self.jobs.note_sent(job, self.now()) is None:
            return None
        self.queue.send_again(job)
        return what

    def _is_on_its_way(self, job: Job) -> bool:
        """Whether a message was sent that may still wait in the queue: each one is given twice the time of the one before."""
        return job.sent_at is not None and self.now() - job.sent_at < QUIET * 2 ** min(job.sends - 1, MAX_DOUBLINGS)

    def _is_fresh(self, job: Job) -> bool:
        return self.now() - job.updated_at < QUIET


@dataclass
class _Room:
    """What is left of the day, in cents; None for no limit. A job that is too dear uses it up, so that none overtakes it."""

    limit: SpendLimit
    cents: int | None
    is_used_up: bool = False

    def takes(self, job: Job) -> bool:
        """Take a job's price out of the room if it fits; one that the limit can never hold goes to its verdict for nothing."""
        if self.cents is None or self.limit.can_never_hold(job.cost_cents):
            return True
        if job.cost_cents > self.cents:
            self.is_used_up = True
            return False
        self.cents -= job.cost_cents
        return True
