"""A job's timeline: phases in their order, a mark for each moment, and the same as rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from dropreel.domain.job import Charge, EventType, Job, JobStatus, PollFaultNote
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.job_story import JobStory, Submission
from dropreel_cli.web.histories import NOT_ALLOWED, Execution, Polls
from dropreel_cli.web.timeline import Timeline, timeline_of
from tests.support.sample_jobs import IMAGE, NOON, PREPARED, VIDEO, job_with


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def submission(seconds: float, *, charge: Charge = Charge.CHARGED, attempt: int = 1, **changes: Any) -> Submission:
    values: dict[str, Any] = {
        "requeues": 0,
        "updated_at": at(seconds + 1),
        "day": "2026-05-04",
        "cost_cents": 47,
        "status": "generating",
        "generation_id": "gen_1",
        "reason": None,
    }
    return Submission(attempt, claimed_at=at(seconds), charge=charge, **{**values, **changes})


def timeline(job: Job, *submissions: Submission, executions: Sequence[Execution] = (), note: str = "") -> Timeline:
    return timeline_of(JobStory(job, list(submissions), at(100)), Polls(executions, note))


def phases(line: Timeline) -> list[tuple[str, str, float]]:
    return [(each.kind, each.label, (each.until - each.since).total_seconds()) for each in line.phases]


def test_a_completed_job_waited_and_was_generated() -> None:
    job = job_with(
        status=JobStatus.COMPLETED, charge=Charge.CHARGED, submitted_at=at(11), updated_at=at(40), video=VIDEO, polls=2
    )
    execution = Execution(1, 0, at(11), (at(20), at(35)), delivery_began_at=at(35), ended_at=at(41))

    line = timeline(job, submission(10), executions=[execution])

    assert phases(line) == [("wait", "waited", 10), ("attempt", "attempt 1", 30)]
    assert line.phases[0].x + line.phases[0].width == pytest.approx(line.phases[1].x, abs=0.02)
    assert [mark.kind for mark in line.marks].count("poll") == 2
    polls = [mark.x for mark in line.marks if mark.kind == "poll"]
    assert line.phases[1].x < polls[0] < polls[1] < 98.5
    assert line.delivery is not None
    assert line.delivery[0] == polls[1]
    whats = [row.what for row in line.rows]
    assert whats[0] == "created"
    assert ("submitted, attempt 1", "$0.47 reserved on 2026-05-04, charged; generation gen_1") in [
        (row.what, row.detail) for row in line.rows
    ]
    assert "delivered" in whats
    assert line.polls_text == "2 polls"


def test_each_poll_has_its_time_in_the_table() -> None:
    polls = tuple(at(20 + 5 * number) for number in range(12))

    line = timeline(
        job_with(polls=12, submitted_at=at(11)), submission(10), executions=[Execution(1, 0, at(11), polls)]
    )

    row = next(row for row in line.rows if row.what == "polled")
    assert (row.detail, row.times) == ("12 polls in attempt 1", polls)


def test_without_the_permission_the_polls_are_counted() -> None:
    line = timeline(job_with(polls=7, poll_faults=2), submission(0), note=NOT_ALLOWED)

    assert line.polls_text == "7 polls, 2 of them without a usable answer"
    assert "states:GetExecutionHistory" in line.note
    assert not any(row.what == "polled" for row in line.rows)


@pytest.mark.parametrize(
    ("status", "label"),
    [(JobStatus.HELD, "held"), (JobStatus.PREPARING, "preparing"), (JobStatus.DEFERRED, "deferred")],
)
def test_a_job_that_waits_says_what_for(status: JobStatus, label: str) -> None:
    line = timeline(job_with(status=status, submitted_at=None, generation_id=None))

    assert phases(line) == [("wait", label, 100)]


def test_a_submission_that_was_released_is_a_moment_in_the_wait() -> None:
    job = job_with(status=JobStatus.DEFERRED, submitted_at=None, generation_id=None)

    line = timeline(job, submission(10, charge=Charge.NONE, status="deferred", generation_id=None))

    assert phases(line) == [("wait", "deferred", 100)]
    assert any("released, not charged" in row.detail for row in line.rows)
    assert [mark.kind for mark in line.marks].count("submission") == 1


def test_a_wait_says_why() -> None:
    held = {EventType.HELD: Reason(ReasonCode.DAILY_LIMIT, "too much for today")}
    job = job_with(image=IMAGE._replace(prepared=PREPARED), notices=held, submitted_at=at(61))

    row = timeline(job, submission(60)).rows[1]

    assert (row.what, row.detail) == ("waited 1 min 0 s", "its image was prepared; held: too much for today")


def test_a_second_attempt_follows_the_first_with_its_wait() -> None:
    job = job_with(attempt=2, charge=Charge.CHARGED, submitted_at=at(61))

    line = timeline(job, submission(10, status="failed", updated_at=at(30)), submission(60, attempt=2))

    assert phases(line) == [
        ("wait", "waited", 10),
        ("attempt", "attempt 1", 20),
        ("wait", "waited", 30),
        ("attempt", "attempt 2", 40),
    ]


def test_a_resumed_job_stopped_in_between() -> None:
    job = job_with(charge=Charge.CHARGED, submitted_at=at(1), resumes=1, watched_since=at(80))

    line = timeline(job, submission(0), executions=[Execution(1, 0, at(1), (at(5),), ended_at=at(20))])

    assert phases(line) == [
        ("attempt", "attempt 1", 20),
        ("decision", "stopped", 60),
        ("attempt", "attempt 1, again", 20),
    ]
    assert any(row.what == "polled again" for row in line.rows)


def test_faults_of_polls_and_of_our_functions_are_marked() -> None:
    job = job_with(polls=3, poll_faults=1, last_fault=PollFaultNote("HTTP 503", at(30)))
    failed = Execution(1, 0, at(1), failures=((at(40), "Check Status"),))

    line = timeline(job, submission(0), executions=[failed])

    assert [mark.kind for mark in line.marks].count("fault") == 2
    assert {row.what for row in line.rows} >= {"Check Status failed", "last poll without a usable answer"}


def test_events_say_whether_they_are_published() -> None:
    job = job_with(
        status=JobStatus.FAILED,
        updated_at=at(50),
        submitted_at=at(11),
        reason=Reason(ReasonCode.GENERATION_FAILED, "no"),
        notices={EventType.HELD: Reason(ReasonCode.DAILY_LIMIT, "too much")},
        pending_events=frozenset({EventType.FAILED}),
    )

    rows = {row.what: row for row in timeline(job, submission(10)).rows}

    assert rows["event: Video Generation Submitted"].detail == "published"
    assert rows["event: Video Generation Failed"].detail == "to be published"
    held = rows["event: Video Generation Held"]
    assert (held.at, held.detail) == (None, "published: too much")


def test_a_long_wait_leaves_room_for_what_took_seconds() -> None:
    job = job_with(status=JobStatus.COMPLETED, charge=Charge.CHARGED, updated_at=at(86_430), submitted_at=at(86_401))

    line = timeline(job, submission(86_400))

    assert [phase.width >= 9 for phase in line.phases] == [True, True]
    assert sum(phase.width for phase in line.phases) == pytest.approx(97, abs=0.1)


def test_everything_is_inside_the_drawing() -> None:
    job = job_with(polls=2, submitted_at=at(11), last_fault=PollFaultNote("late", at(500)))
    early = Execution(1, 0, at(-5), (at(-3), at(90)))

    line = timeline(job, submission(10), executions=[early])

    assert all(1.5 <= mark.x <= 98.5 for mark in line.marks)
