"""A job's timeline, as it is drawn: where everything stands in percent of the width, and the same as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

from dropreel.domain.events import in_order
from dropreel.domain.forgetting import is_forgotten
from dropreel.domain.job import Charge, EventType, Job, JobStatus
from dropreel.domain.prices import usd
from dropreel.domain.redaction import redact_signed
from dropreel_cli.job_tables import seconds_text
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from dropreel_cli.job_story import JobStory, Submission
    from dropreel_cli.web.histories import Polls

_LEFT, _WIDTH = 1.5, 97.0
"""Percent: a circle at an end is drawn whole."""
_LABELED = 17.0
"""Percent of the width from which a phase has room for its words on a phone."""
_LEAST_SECONDS = 0.5
"""A shorter phase is not drawn."""
_CHARGES = {Charge.NONE: "released, not charged", Charge.CHARGED: "charged", Charge.UNKNOWN: "may have been charged"}
_OUTCOMES = {
    JobStatus.COMPLETED: EventType.COMPLETED,
    JobStatus.FAILED: EventType.FAILED,
    JobStatus.REJECTED: EventType.REJECTED,
    JobStatus.UNKNOWN: EventType.UNKNOWN,
}


@dataclass(frozen=True)
class Phase:
    """A span of time, drawn to a scale of its own. `kind`: `wait`, `attempt` or `decision`."""

    kind: str
    label: str
    since: datetime
    until: datetime
    x: float = 0.0
    width: float = 0.0

    @property
    def seconds(self) -> str:
        """How long it took."""
        return seconds_text((self.until - self.since).total_seconds())

    @property
    def has_room(self) -> bool:
        """Whether its words fit."""
        return self.width >= _LABELED

    @property
    def middle(self) -> float:
        """Where its words stand."""
        return round(self.x + self.width / 2, 2)


@dataclass(frozen=True)
class Mark:
    """A moment in the drawing. `kind`: `poll`, `fault`, `submission`, `event`, `created`, or a job's final status."""

    kind: str
    x: float
    title: str


@dataclass(frozen=True)
class Row:
    """A line of the table; `at` is None where the time is not known."""

    at: datetime | None
    what: str
    detail: str = ""
    kind: str = ""
    times: Sequence[datetime] = ()


@dataclass(frozen=True)
class Timeline:
    """What the template draws. `polls_text` stands where the polls' times are not known."""

    phases: Sequence[Phase]
    marks: Sequence[Mark]
    rows: Sequence[Row]
    polls_text: str
    note: str
    delivery: tuple[float, float] | None = None
    edges: Sequence[tuple[float, str, datetime]] = field(default=())

    @property
    def summary(self) -> str:
        """The drawing in a sentence, for those who do not see it."""
        phases = ", ".join(f"{phase.label} {phase.seconds}" for phase in self.phases)
        return f"Timeline: {phases or 'just created'}. {self.polls_text}. The table below has every time."


def timeline_of(story: JobStory, polls: Polls) -> Timeline:
    """Return the timeline of a job as it is now."""
    job = story.job
    phases = _placed(_phases(story, polls))
    rows = sorted(_rows(story, polls, phases), key=lambda row: (row.at is None, row.at or job.created_at))
    marks = [
        Mark(row.kind, _place(phases, at), printable(f"{row.what}, {at:%Y-%m-%d %H:%M:%S} UTC"))
        for row in rows
        if row.kind
        for at in (row.times or (() if row.at is None else (row.at,)))
    ]
    began = next((each.delivery_began_at for each in reversed(polls.executions) if each.delivery_began_at), None)
    ended = job.updated_at if job.is_terminal else story.now
    delivery = None
    if began is not None and began <= ended:
        x = _place(phases, began)
        delivery = x, round(max(0.4, _place(phases, ended) - x), 2)
    note = polls.note if job.polls else ""
    return Timeline(phases, marks, rows, _polls_text(job), note, delivery, _edges(phases))


def _polls_text(job: Job) -> str:
    faults = f", {job.poll_faults:,} of them without a usable answer" if job.poll_faults else ""
    return f"{job.polls:,} poll{'' if job.polls == 1 else 's'}{faults}"


# --- phases ------------------------------------------------------------------------------------------------------------


def _phases(story: JobStory, polls: Polls) -> Iterator[Phase]:
    """Yield what the job did one after the other: it waited, was generated, waited for a decision."""
    job = story.job
    end = job.updated_at if job.is_terminal else story.now
    cursor = job.created_at
    for run in _runs(story):
        if (run.claimed_at - cursor).total_seconds() >= _LEAST_SECONDS:
            yield Phase("wait", "waited", cursor, run.claimed_at)
        until = end if run.attempt == job.attempt else run.updated_at
        yield from _run_phases(job, run, max(until, run.claimed_at), polls)
        cursor = max(until, run.claimed_at)
    if (end - cursor).total_seconds() >= _LEAST_SECONDS:
        yield Phase("wait", "waited" if job.is_terminal else job.status.value, cursor, end)


def _runs(story: JobStory) -> list[Submission]:
    """Return the submission of each attempt that was or may have been charged, or is in work."""
    job, runs = story.job, dict[int, "Submission"]()
    for each in story.submissions:
        is_current = each.attempt == job.attempt and job.status in (JobStatus.SUBMITTING, JobStatus.GENERATING)
        if each.charge is not Charge.NONE or is_current:
            runs[each.attempt] = each
    return list(runs.values())


def _run_phases(job: Job, run: Submission, until: datetime, polls: Polls) -> Iterator[Phase]:
    """Yield an attempt, and the time until an operator resumed or adopted it."""
    label = f"attempt {run.attempt}"
    if run.attempt == job.attempt and job.resumes and job.watched_since and run.claimed_at < job.watched_since <= until:
        before = [
            each.ended_at
            for each in polls.executions
            if each.attempt == run.attempt and each.ended_at and run.claimed_at < each.ended_at < job.watched_since
        ]
        stopped = before[-1] if before else max(run.claimed_at, job.submitted_at or run.claimed_at)
        if stopped > run.claimed_at:
            yield Phase("attempt", label, run.claimed_at, stopped)
        yield Phase("decision", "stopped", stopped, job.watched_since)
        yield Phase("attempt", f"{label}, again", job.watched_since, until)
    else:
        yield Phase("attempt", label, run.claimed_at, until)


def _placed(phases: Iterator[Phase]) -> list[Phase]:
    """Give each phase a width: long ones more, but a night's wait does not hide what took seconds."""
    found = list(phases)
    weights = [sqrt(max(1.0, (each.until - each.since).total_seconds())) for each in found]
    least = min(0.1, 0.5 / len(found)) if found else 0.0
    placed, x = [], _LEFT
    for phase, weight in zip(found, weights, strict=True):
        width = _WIDTH * (least + (1 - least * len(found)) * weight / sum(weights))
        placed.append(Phase(phase.kind, phase.label, phase.since, phase.until, round(x, 2), round(width, 2)))
        x += width
    return placed


def _place(phases: Sequence[Phase], at: datetime) -> float:
    """Return where a moment is, in percent of the width."""
    if not phases or at <= phases[0].since:
        return _LEFT
    for phase in phases:
        if at <= phase.until:
            length = (phase.until - phase.since).total_seconds()
            passed = max(0.0, (at - phase.since).total_seconds())
            return round(phase.x + phase.width * (passed / length if length else 1.0), 2)
    return _LEFT + _WIDTH


def _edges(phases: Sequence[Phase]) -> list[tuple[float, str, datetime]]:
    """Return the times under the drawing that have room: the beginning, the end, and the phases' ends between them."""
    if not phases:
        return []
    last = _LEFT + _WIDTH
    edges, x = [(_LEFT, "start", phases[0].since)], _LEFT
    for phase, after in pairwise(phases):
        if after.x - x >= _LABELED and last - after.x >= _LABELED:
            edges.append((after.x, "middle", phase.until))
            x = after.x
    return [*edges, (last, "end", phases[-1].until)]


# --- rows --------------------------------------------------------------------------------------------------------------


def _rows(story: JobStory, polls: Polls, phases: Sequence[Phase]) -> Iterator[Row]:
    job = story.job
    yield Row(job.created_at, "created", kind="created")
    for phase in phases:
        if phase.kind != "attempt":
            yield Row(phase.since, f"{phase.label} {phase.seconds}", _wait_text(job, phase))
    yield from map(_submission_row, story.submissions)
    if job.submitted_at is not None:
        yield Row(job.submitted_at, "accepted by the provider", f"generation {job.generation_id}")
    if job.resumes and job.watched_since is not None:
        yield Row(job.watched_since, "polled again", f"resumed or adopted, {job.resumes} in all", kind="resumed")
    for each in polls.executions:
        if each.polls:
            count = f"{len(each.polls):,} poll{'' if len(each.polls) == 1 else 's'}"
            again = ", again" if each.resume else ""
            yield Row(each.polls[0], "polled", f"{count} in attempt {each.attempt}{again}", "poll", each.polls)
        for at, state in each.failures:
            yield Row(at, f"{state} failed", "our own function; Step Functions runs it again", "fault")
        if each.delivery_began_at is not None:
            yield Row(each.delivery_began_at, "delivery began")
    if job.last_fault is not None:
        message = redact_signed(job.last_fault.message)
        yield Row(job.last_fault.at, "last poll without a usable answer", message, "fault")
    if job.retry_at is not None and not job.is_terminal:
        yield Row(job.retry_at, "is submitted again")
    yield from _outcome_rows(job)
    yield from _event_rows(job, polls)


def _wait_text(job: Job, phase: Phase) -> str:
    """Return why a job waited: of earlier attempts that is not kept."""
    if phase.kind != "wait":
        return "until it was resumed or adopted"
    reasons = []
    if job.image.prepared is not None and phase.since == job.created_at:
        reasons.append("its image was prepared")
    if phase.until >= (job.waiting_since or job.created_at):
        words = {EventType.HELD: "held", EventType.DEFERRED: "deferred"}
        reasons += [f"{words[event]}: {redact_signed(job.notices[event].message)}" for event in in_order(job.notices)]
    return "; ".join(reasons)


def _submission_row(submission: Submission) -> Row:
    requeue = f", requeue {submission.requeues}" if submission.requeues else ""
    parts = [f"${usd(submission.cost_cents)} reserved on {submission.day}, {_CHARGES[submission.charge]}"]
    if submission.generation_id:
        parts.append(f"generation {submission.generation_id}")
    if submission.reason is not None:
        parts.append(f"{submission.reason.code}: {redact_signed(submission.reason.message)}")
    return Row(
        submission.claimed_at, f"submitted, attempt {submission.attempt}{requeue}", "; ".join(parts), "submission"
    )


def _outcome_rows(job: Job) -> Iterator[Row]:
    if not job.is_terminal:
        return
    what = "delivered" if job.status is JobStatus.COMPLETED else job.status.value
    reason = "" if job.reason is None else redact_signed(job.reason.message)
    if job.video is not None and not is_forgotten(job):
        reason = f"{job.video.size:,} bytes"
    yield Row(job.updated_at, what, reason, job.status.value)


def _event_rows(job: Job, polls: Polls) -> Iterator[Row]:
    """Yield the events. The table keeps which of them are still to be published, but not when the others were."""
    accepted = {each.attempt: each.started_at for each in polls.executions if not each.resume}
    for attempt, at in accepted.items():
        if attempt != job.attempt:
            yield Row(at, f"event: {EventType.SUBMITTED}", f"published, attempt {attempt}", "event")
    due: dict[EventType, datetime | None] = dict.fromkeys(job.notices)
    if job.submitted_at is not None:
        due[EventType.SUBMITTED] = job.submitted_at
    if job.is_terminal:
        due[_OUTCOMES[job.status]] = job.updated_at
    for event in in_order({*due, *job.pending_events}):
        state = "to be published" if event in job.pending_events else "published"
        reason = job.notices.get(event)
        detail = f"{state}: {redact_signed(reason.message)}" if reason else state
        yield Row(due.get(event), f"event: {event}", detail, "event")
