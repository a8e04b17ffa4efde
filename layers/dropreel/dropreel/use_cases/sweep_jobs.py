"""Find jobs whose step or message is lost, and release held jobs when the day has room. Nothing is paid."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from dropreel.domain.backoff import is_notice_due, longest_wait
from dropreel.domain.current_job import work_on
from dropreel.domain.days import day_of, spend_day
from dropreel.domain.executions import Generation, is_running
from dropreel.domain.job import (
    OPERATOR,
    PUBLISHING,
    Job,
    JobStatus,
    execution_name,
    notice_wait,
    prepare,
    reject,
    requeue,
)
from dropreel.domain.messages import retry_message_of
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import SpendLimit
from dropreel.use_cases.note_dead_letter import NoteDeadLetter
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.report_failure import ReportFailure, watch_ended
from dropreel.use_cases.unknown_submission import UnknownSubmission

if TYPE_CHECKING:
    from dropreel.use_cases.ports import DeadLetters, Jobs, Ledger, Queue, StateMachine

QUIET = timedelta(minutes=10)
"""Jobs that did not change for this long are swept: the submission queue's visibility time-out, so that a retry comes first."""
MESSAGE_LOST = timedelta(minutes=60)
"""A deferred job's message counts as lost this long after it was due: by then it has had its last receive."""
PREPARE_MESSAGE_LOST = timedelta(hours=2)
"""The same for an image to prepare: its message is received at most five times, 18 minutes apart."""
PASS = timedelta(seconds=23)
"""The longest time of one pass. There are nine, and the function has 240 seconds."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class SweepJobs:
    """Runs on a schedule. A job that cannot be swept is logged, and the next one follows. `measure` writes the metrics."""

    jobs: "Jobs"
    ledger: "Ledger"
    queue: "Queue"
    prepare_queue: "Queue"
    state_machine: "StateMachine"
    publisher: Publisher
    failure: ReportFailure
    unknown: UnknownSubmission
    dead_letters: "DeadLetters"
    note_dead_letter: NoteDeadLetter
    measure: Callable[[], None]
    now: Callable[[], datetime]
    is_rehearsal: bool = False
    """Whether new jobs are rehearsals."""

    def run(self) -> dict[str, int]:
        """Return how many jobs were swept, by what was done with them; `unfinished` counts passes that ran out of time."""
        done: dict[str, int] = {}
        self._release_held(done)
        self._read_dead_letters(done)
        for waiting, step in self.passes().items():
            age = timedelta(0) if waiting == JobStatus.SUBMITTING else QUIET  # a lease is shorter
            for job_id in self._within_pass(done, waiting, self.now() - age):
                self._count(done, step, job_id)
        self._measure()
        return done

    def passes(self) -> dict[str, Callable[[Job], str | None]]:
        """Return the step of each pass, by what its jobs wait for. Held jobs are released and dead letters read before."""
        return {
            PUBLISHING: self._publish,
            JobStatus.SUBMITTING: self._settle_interrupted,
            JobStatus.GENERATING: self._watch_again,
            JobStatus.DEFERRED: self._sweep_deferred,
            JobStatus.PREPARING: self._sweep_preparing,
            JobStatus.HELD: self._sweep_held,
            OPERATOR: self._end_expired,
        }

    def _within_pass(self, done: dict[str, int], waiting: str, created_until: datetime) -> Iterator[str]:
        """Yield the ids of the jobs of one pass, oldest first, until its time is up."""
        end = self.now() + PASS
        for job_id in self.jobs.waiting(waiting, created_until):
            if self.now() >= end:
                logger.warning("sweep unfinished", extra={"waiting": waiting})
                done["unfinished"] = done.get("unfinished", 0) + 1
                return
            yield job_id

    def _measure(self) -> None:
        """Measure the stack as the sweep leaves it. Without the measurements the sweep is still done."""
        try:
            self.measure()
        except Exception:
            logger.exception("stack not measured")

    def _read_dead_letters(self, done: dict[str, int]) -> None:
        """Note the dead letters that Submit Generation could not note: it was killed, or the rule could not deliver."""
        try:
            self._note_dead_letters(done)
        except Exception:  # the jobs are swept even if the queue cannot be read
            logger.exception("dead letters not read")
            done["not_swept"] = done.get("not_swept", 0) + 1

    def _note_dead_letters(self, done: dict[str, int]) -> None:
        end = self.now() + PASS
        for message in self.dead_letters.messages():
            if self.now() >= end:
                return
            try:
                noted = self.note_dead_letter.run(message, "its message was received as often as it may be.")
            except Exception:
                logger.exception("dead letter not noted")
                continue
            finally:
                work_on(None)
            if noted is not None:
                done["dead_letters"] = done.get("dead_letters", 0) + 1

    def _count(self, done: dict[str, int], step: Callable[[Job], str | None], job_id: str) -> None:
        work_on(job_id)
        try:
            job = self.jobs.get(job_id)
            if job is not None:
                work_on(job_id, job.generation_id)
            what = None if job is None else step(job)
            if what is not None:
                logger.info("swept", extra={"outcome": what})
        except Exception:
            logger.exception("not swept", extra={"job_id": job_id})
            what = "not_swept"
        work_on(None)
        if what is not None:
            done[what] = done.get(what, 0) + 1

    def _publish(self, job: Job) -> str | None:
        """Publish what a job still owes."""
        if not job.pending_events or self._is_fresh(job):
            return None
        self.publisher.publish(job)
        return "published"

    def _settle_interrupted(self, job: Job) -> str | None:
        """Settle a claim whose lease has ended as unknown: it may have been charged.

        A running execution has the generation's id and will save it.
        """
        if job.status is not JobStatus.SUBMITTING or job.lease_until is None or job.lease_until > self.now():
            return None
        if is_running(self.state_machine.status_of(job)):
            return None
        settled = self.unknown.settle(job, "The submission was interrupted and may have been charged.", self.now())
        if settled is None:
            return None
        return "parked" if settled.status is JobStatus.UNKNOWN else "resubmitted"

    def _watch_again(self, job: Job) -> str | None:
        """Start the execution of a paid generation that is not polled; report the job if its execution has ended."""
        if job.status is not JobStatus.GENERATING or self._is_fresh(job):
            return None
        status = self.state_machine.status_of(job)
        if is_running(status):
            return None
        if status is None:
            self.state_machine.start(job)
            self.publisher.publish(job)
            return "started"
        generation = Generation(job.job_id, job.attempt, job.generation_id or "", execution_name(job))
        self.failure.run(generation, watch_ended(status))
        return "reported"

    def _sweep_deferred(self, job: Job) -> str | None:
        """Send another message for a deferred job whose own is lost, and publish a long wait."""
        if job.status is not JobStatus.DEFERRED:
            return None
        ended = self._end_expired(job)
        if ended is not None or job.is_dead_letter:
            return ended or self._publish(job)
        is_lost = (
            job.options is not None and self.now() >= max(job.updated_at, job.retry_at or job.updated_at) + MESSAGE_LOST
        )
        after = requeue(job, self.now()) if is_lost else job
        after = notice_wait(after) if is_notice_due(after, self.now()) else after
        if after is job:
            return self._publish(job)
        saved = self.jobs.save(job, after)
        if saved is None:
            return None
        if is_lost:
            self._send(saved)
        self.publisher.publish(saved)
        return "requeued" if is_lost else "published"

    def _sweep_preparing(self, job: Job) -> str | None:
        """Send another message for an image that is to be prepared and whose own message is lost."""
        if job.status is not JobStatus.PREPARING:
            return None
        ended = self._end_expired(job)
        if ended is not None or job.is_dead_letter or self.now() < job.updated_at + PREPARE_MESSAGE_LOST:
            return ended or self._publish(job)
        saved = self.jobs.save(job, prepare(job, self.now()))
        if saved is None:
            return None
        self.prepare_queue.send(retry_message_of(saved))
        self.publisher.publish(saved)
        return "requeued"

    def _sweep_held(self, job: Job) -> str | None:
        if job.status is not JobStatus.HELD:
            return None
        return self._end_expired(job) or self._publish(job)

    def _end_expired(self, job: Job) -> str | None:
        """End a job that has waited longer than it may."""
        wait = longest_wait(job)
        if wait is None or self.now() - wait[0] < wait[1]:
            return None
        why = "" if job.reason is None else f" It waited because of this: {job.reason.message}"
        message = f"It has waited for {wait[1].days} days, as long as an image may.{why}"
        provider_error = None if job.reason is None else job.reason.provider_error
        reason = Reason(ReasonCode.WAITED_TOO_LONG, message, provider_error=provider_error)
        ended = self.jobs.save(job, reject(job, reason, self.now()))
        if ended is None:
            return None
        self.publisher.publish(ended)
        return "ended"

    def _release_held(self, done: dict[str, int]) -> None:
        """Requeue held jobs, oldest first, as long as the day has room. Whether one is paid, its claim decides.

        Rehearsals have days of their own. Those of the kind that is not made now are few, and older: they end no pass. Real
        jobs stay held during a rehearsal.
        """
        rooms = {self.is_rehearsal: self._room(self.is_rehearsal)}
        for job_id in self._within_pass(done, JobStatus.HELD, self.now()):
            self._count(done, partial(self._requeue_held, rooms), job_id)
            if rooms[self.is_rehearsal].is_used_up:
                return

    def _room(self, is_rehearsal: bool) -> "_Room":
        limit, day = self.ledger.limit, spend_day(day_of(self.now()), is_rehearsal=is_rehearsal)
        return _Room(limit, limit.room_after(self.ledger.reserved_cents(day)))

    def _requeue_held(self, rooms: "dict[bool, _Room]", job: Job) -> str | None:
        if job.status is not JobStatus.HELD:
            return None
        if self.is_rehearsal and not job.rehearsal:  # without a provider it would be deferred, which ends after 7 days
            return None
        if job.rehearsal not in rooms:
            rooms[job.rehearsal] = self._room(job.rehearsal)
        if rooms[job.rehearsal].is_used_up or not rooms[job.rehearsal].takes(job):
            return None
        job = self.publisher.publish(job)
        if job.status is not JobStatus.HELD:
            return None
        saved = self.jobs.save(job, requeue(job, self.now()))
        if saved is None:
            return None
        self._send(saved)
        return "released"

    def _send(self, job: Job) -> None:
        self.queue.send(retry_message_of(job))

    def _is_fresh(self, job: Job) -> bool:
        return self.now() - job.updated_at < QUIET


@dataclass
class _Room:
    """What is left of the day, in cents; None for no limit. After a job that does not fit none is released: the order stays."""

    limit: SpendLimit
    cents: int | None
    is_used_up: bool = False

    def takes(self, job: Job) -> bool:
        """Take a job's price out of the room if it fits. Jobs above the whole limit pass; submission rejects them."""
        if self.cents is None or self.limit.rejects(job.cost_cents):
            return True
        if job.cost_cents > self.cents:
            self.is_used_up = True
            return False
        self.cents -= job.cost_cents
        return True
