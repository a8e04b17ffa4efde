"""SweepJobs on ended, submitting and generating jobs; no job and no pass blocks the next."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from dropreel.domain.job import Charge, EventType, Job, JobStatus, execution_name
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.sweep_jobs import PASS, QUIET, SweepJobs
from tests.support.fake_stack import HAS, FakeStack
from tests.support.interleaving import just_after
from tests.support.sample_jobs import NOON, PRICE
from tests.support.swept_jobs import IDS, SECOND, job_at, put_generating, put_job, set_time
from tests.support.templates import load_template

# --- it never pays ---------------------------------------------------------------------------------------------------


def test_the_sweeper_has_no_provider_client():
    assert {"provider", "validator", "images"} & {each.name for each in fields(SweepJobs)} == set()


@pytest.mark.parametrize("resubmits", [False, True])
def test_a_sweep_never_prepares_or_sends_a_submission(stack: FakeStack, resubmits):
    if resubmits:
        stack.set_resubmit_policy()
    for number, status in enumerate(["submitting", "deferred", "held", "unknown", "rejected"]):
        put_job(stack, number, status, lease_until=NOON)
    put_generating(stack, 5)
    stack.database.set_reserved("2026-05-04", PRICE)
    set_time(stack, timedelta(days=400))

    stack.sweep.run()

    assert {"prepare", "post", "presign", "save submitting"} & set(stack.journal) == set()
    assert stack.reserved == PRICE


def test_a_sweep_of_an_empty_table_does_nothing(stack: FakeStack):
    assert stack.sweep.run() == {}


# --- publishing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown"])
def test_an_ended_job_that_owes_its_event_is_published(stack: FakeStack, status):
    event = EventType(f"Video Generation {status.capitalize()}")
    put_job(stack, 0, status, pending_events=frozenset({event}))
    set_time(stack)

    assert stack.sweep.run() == {"published": 1}
    assert stack.bus.types == [event]
    assert job_at(stack, 0).pending_events == frozenset()


def test_a_job_that_has_just_ended_is_left_to_its_function(stack: FakeStack):
    put_job(stack, 0, "rejected", pending_events=frozenset({EventType.REJECTED}), updated_at=NOON + SECOND)
    set_time(stack)

    assert stack.sweep.run() == {}
    assert stack.bus.published == []


def test_a_job_whose_event_was_published_leaves_the_index(stack: FakeStack):
    put_job(stack, 0, "rejected", pending_events=frozenset({EventType.REJECTED}))
    set_time(stack)
    assert list(stack.jobs.waiting("publishing", stack.clock.time)) == [IDS[0]]

    stack.sweep.run()

    assert job_at(stack, 0).waits_for is None
    assert list(stack.jobs.waiting("publishing", stack.clock.time)) == []
    assert stack.sweep.run() == {}


# --- interrupted submissions -----------------------------------------------------------------------------------------


def test_an_interrupted_submission_is_parked_and_published(stack: FakeStack):
    put_job(stack, 0, "submitting", lease_until=NOON + SECOND)
    stack.database.set_reserved("2026-05-04", PRICE)
    set_time(stack, SECOND)

    assert stack.sweep.run() == {"parked": 1}
    job = job_at(stack, 0)
    assert (job.status, job.charge) == (JobStatus.UNKNOWN, Charge.UNKNOWN)
    assert job.has_reason(ReasonCode.SUBMISSION_UNKNOWN)
    assert stack.bus.types == [EventType.UNKNOWN]
    assert stack.reserved == PRICE


def test_a_submission_under_its_lease_is_not_swept(stack: FakeStack):
    job = put_job(stack, 0, "submitting", lease_until=NOON + 2 * SECOND)
    set_time(stack, SECOND)

    assert stack.sweep.run() == {}
    assert job_at(stack, 0) == job


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ("RUNNING", {}),
        ("PENDING_REDRIVE", {}),
        ("FAILED", {"parked": 1}),
        ("ABORTED", {"parked": 1}),
        (None, {"parked": 1}),
    ],
)
def test_a_submission_whose_execution_runs_is_not_swept(stack: FakeStack, status, done):
    """The execution's input has the id that could not be written; its next check writes it."""
    job = put_job(stack, 0, "submitting", lease_until=NOON)
    if status is not None:
        stack.state_machine.start(job, "gen_1")
        stack.state_machine.statuses[execution_name(job)] = status

    assert stack.sweep.run() == done
    assert job_at(stack, 0).status is (JobStatus.UNKNOWN if done else JobStatus.SUBMITTING)


def test_an_interrupted_submission_is_resubmitted_under_that_policy(stack: FakeStack):
    stack.set_resubmit_policy()
    put_job(stack, 0, "submitting", lease_until=NOON)

    assert stack.sweep.run() == {"resubmitted": 1}
    assert stack.queue.sent == [(RetryMessage(IDS[0], 2, 0), 0)]
    assert (job_at(stack, 0).status, job_at(stack, 0).charge) == (JobStatus.DEFERRED, Charge.UNKNOWN)
    assert stack.bus.published == []


def test_an_interrupted_last_attempt_is_parked_under_any_policy(stack: FakeStack):
    stack.set_resubmit_policy(max_attempts=2)
    put_job(stack, 0, "submitting", attempt=2, lease_until=NOON)

    assert stack.sweep.run() == {"parked": 1}
    assert stack.queue.sent == []


def test_an_interrupted_submission_publishes_its_owed_events_first(stack: FakeStack):
    stack.set_resubmit_policy()
    held = HAS[JobStatus.HELD]["reason"]
    owed = {"pending_events": frozenset({EventType.HELD}), "notices": {EventType.HELD: held}}
    put_job(stack, 0, "submitting", lease_until=NOON, **owed)
    set_time(stack, timedelta(hours=1))

    assert stack.sweep.run() == {"resubmitted": 1}
    assert (job_at(stack, 0).status, job_at(stack, 0).attempt) == (JobStatus.DEFERRED, 2)
    assert [(kind, detail["data"]["attempt"]) for kind, detail in stack.bus.published] == [(EventType.HELD, 1)]


# --- generations without a poll -------------------------------------------------------------------------------------


def test_a_generation_without_an_execution_is_polled_and_published(stack: FakeStack):
    put_generating(stack, pending_events=frozenset({EventType.SUBMITTED}))
    set_time(stack)

    assert stack.sweep.run() == {"started": 1}
    assert stack.state_machine.executions == {f"{IDS[0]}-1": "gen_1"}
    assert stack.bus.types == [EventType.SUBMITTED]


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_a_generation_that_is_polled_is_not_swept(stack: FakeStack, status):
    job = put_generating(stack)
    stack.state_machine.start(job)
    stack.state_machine.statuses[execution_name(job)] = status
    set_time(stack)

    assert stack.sweep.run() == {}
    assert job_at(stack, 0) == job


def test_a_recently_polled_generations_execution_is_not_described(stack: FakeStack):
    put_generating(stack, updated_at=NOON + SECOND)
    set_time(stack)

    assert stack.sweep.run() == {}
    assert "status_of" not in stack.journal


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_a_generation_whose_execution_has_ended_is_reported_unpaid(stack: FakeStack, status):
    job = put_generating(stack, charge=Charge.CHARGED)
    stack.state_machine.start(job)
    stack.state_machine.statuses[execution_name(job)] = status
    set_time(stack)

    assert stack.sweep.run() == {"reported": 1}
    job = job_at(stack, 0)
    assert (job.status, job.charge) == (JobStatus.FAILED, Charge.CHARGED)
    assert job.reason is not None
    assert (job.reason.code, status in job.reason.message) == ("watch_ended", True)
    assert stack.queue.sent == []
    assert stack.bus.types == [EventType.FAILED]


# --- one fault or full pass, and the rest ----------------------------------------------------------------------------


def test_a_job_that_cannot_be_swept_does_not_block_the_next(stack: FakeStack):
    for number in range(2):
        put_job(stack, number, "rejected", pending_events=frozenset({EventType.REJECTED}))
    stack.bus.refused_job_ids.add(IDS[0])
    held = put_job(stack, 2, "held")
    set_time(stack, QUIET + timedelta(minutes=1))

    assert stack.sweep.run() == {"not_swept": 1, "published": 1, "released": 1}
    assert job_at(stack, 0).pending_events == {EventType.REJECTED}
    assert [message.job_id for message, _delay in stack.queue.sent] == [held.job_id]


def test_a_job_that_cannot_be_read_does_not_block_the_next(stack: FakeStack):
    for number in range(2):
        put_job(stack, number, "rejected", pending_events=frozenset({EventType.REJECTED}))
    stack.database.unreadable.add(IDS[0])
    set_time(stack, QUIET + timedelta(minutes=1))

    assert stack.sweep.run() == {"not_swept": 1, "published": 1}


@pytest.mark.parametrize("waiting", ["publishing", "submitting", "generating", "deferred", "held", "operator"])
@pytest.mark.parametrize("status", ["rejected", "deferred"])
def test_a_job_that_changed_since_the_index_was_written_is_not_swept(stack: FakeStack, waiting, status):
    job = put_job(stack, 0, status, retry_at=NOON + timedelta(days=1))
    stack.database.tables.items["jobs"][IDS[0], "job"]["waiting"] = {"S": waiting}
    set_time(stack)

    assert stack.sweep.run() == {}
    assert job_at(stack, 0) == job


def each_read_takes(stack: FakeStack, time: timedelta) -> None:
    just_after(stack.database, "get", lambda: stack.clock.pass_seconds(time.total_seconds()), each_time=True)


def test_more_held_jobs_than_one_pass_can_read_block_no_other_pass(stack: FakeStack):
    for number in range(3):
        put_job(stack, number, "held")
    put_generating(stack, 5)
    set_time(stack, QUIET + timedelta(minutes=1))
    each_read_takes(stack, PASS / 2)

    assert stack.sweep.run() == {"released": 2, "unfinished": 1, "started": 1}


def test_a_sweep_whose_every_pass_is_full_ends_before_the_functions_time(stack: FakeStack):
    template = load_template(str(Path(__file__).parents[4] / "template.yaml"))
    timeout = template["Resources"]["SweepJobsFunction"]["Properties"]["Timeout"]
    many, numbers = 3 * round(PASS / SECOND), iter(range(len(IDS)))

    def put_many(status: str, **changes: object) -> Iterator[Job]:
        return (put_job(stack, next(numbers), status, created_at=NOON, **changes) for _ in range(many))

    dead = Reason(ReasonCode.DEAD_LETTER, "x")
    jobs = [
        *put_many("rejected", pending_events=frozenset({EventType.REJECTED})),
        *put_many("submitting", lease_until=NOON),
        *put_many("generating", generation_id="gen_1"),
        *put_many("deferred", retry_at=NOON + timedelta(days=1)),
        *put_many("preparing"),
        *put_many("held"),
        *put_many("deferred", reason=dead, notices={EventType.DEFERRED: dead}),
    ]
    assert {job.waits_for for job in jobs} == set(stack.sweep.passes())
    stack.dead_letters.letters = [RetryMessage(job.job_id, 1, 0) for job in jobs[:many]]
    set_time(stack)
    each_read_takes(stack, SECOND)

    done = stack.sweep.run()

    assert done["unfinished"] == 1 + len(stack.sweep.passes())
    passes = 2 + len(stack.sweep.passes())  # and the passes over held jobs and dead letters
    assert passes * PASS <= stack.clock.time - NOON - QUIET < timedelta(seconds=timeout - 20)


def test_the_passes_together_leave_the_function_time_to_end(stack: FakeStack):
    template = load_template(str(Path(__file__).parents[4] / "template.yaml"))
    timeout = template["Resources"]["SweepJobsFunction"]["Properties"]["Timeout"]

    passes = 2 + len(stack.sweep.passes())
    assert passes * PASS < timedelta(seconds=timeout - 20)
