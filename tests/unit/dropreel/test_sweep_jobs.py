"""What the sweeper does with ended, submitting and generating jobs, and that no job and no pass holds up the next."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from cfnlint.decode.cfn_yaml import load as load_template

from dropreel.jobs import Charge, EventType, Job, JobStatus, execution_name
from dropreel.messages import RetryMessage
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.sweep_jobs import PASS, QUIET, SweepJobs
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.swept_jobs import IDS, MOMENT, at, generating, lay, pass_time
from tests.unit.dropreel.world import World

# --- never any money -------------------------------------------------------------------------------------------------


def test_the_sweeper_has_nothing_to_submit_with():
    assert {"provider", "judge", "images"} & {each.name for each in fields(SweepJobs)} == set()


@pytest.mark.parametrize("resubmits", [False, True])
def test_a_sweep_never_prepares_or_sends_a_submission(world: World, resubmits):
    if resubmits:
        world.allows_resubmitting()
    for number, status in enumerate(["submitting", "deferred", "held", "unknown", "rejected"]):
        lay(world, number, status, lease_until=NOON)
    generating(world, 5)
    world.database.reserve("2026-05-04", 47)
    pass_time(world, timedelta(days=400))

    world.sweep.run()

    assert {"prepare", "post", "presign", "save submitting"} & set(world.journal) == set()
    assert world.reserved == 47


def test_a_sweep_of_an_empty_table_does_nothing(world: World):
    assert world.sweep.run() == {}


# --- publishing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown"])
def test_an_ended_job_that_owes_its_event_is_published(world: World, status):
    event = EventType(f"Video Generation {status.capitalize()}")
    lay(world, 0, status, pending_events=frozenset({event}))
    pass_time(world)

    assert world.sweep.run() == {"published": 1}
    assert world.bus.types == [event]
    assert at(world, 0).pending_events == frozenset()


def test_a_job_that_has_just_ended_is_left_to_whoever_ended_it(world: World):
    lay(world, 0, "rejected", pending_events=frozenset({EventType.REJECTED}), updated_at=NOON + MOMENT)
    pass_time(world)

    assert world.sweep.run() == {}
    assert world.bus.published == []


def test_a_job_whose_event_was_published_waits_for_nothing_any_more(world: World):
    lay(world, 0, "rejected", pending_events=frozenset({EventType.REJECTED}))
    pass_time(world)
    assert list(world.jobs.waiting("publishing", world.clock.time)) == [IDS[0]]

    world.sweep.run()

    assert at(world, 0).waits_for is None
    assert list(world.jobs.waiting("publishing", world.clock.time)) == []
    assert world.sweep.run() == {}


# --- abandoned submissions -------------------------------------------------------------------------------------------


def test_a_submission_that_nobody_came_back_to_is_parked_and_published(world: World):
    lay(world, 0, "submitting", lease_until=NOON + MOMENT)
    world.database.reserve("2026-05-04", 47)
    pass_time(world, MOMENT)

    assert world.sweep.run() == {"parked": 1}
    job = at(world, 0)
    assert (job.status, job.charge) == (JobStatus.UNKNOWN, Charge.UNKNOWN)
    assert job.has_reason(ReasonCode.SUBMISSION_UNKNOWN)
    assert world.bus.types == [EventType.UNKNOWN]
    assert world.reserved == 47


def test_a_submission_under_its_lease_is_left_alone(world: World):
    job = lay(world, 0, "submitting", lease_until=NOON + 2 * MOMENT)
    pass_time(world, MOMENT)

    assert world.sweep.run() == {}
    assert at(world, 0) == job


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
def test_a_submission_whose_execution_runs_is_left_to_that(world: World, status, done):
    """The execution has the id that could not be written, and its next check writes it."""
    job = lay(world, 0, "submitting", lease_until=NOON)
    if status is not None:
        world.state_machine.start(job, "gen_1")
        world.state_machine.statuses[execution_name(job)] = status

    assert world.sweep.run() == done
    assert at(world, 0).status is (JobStatus.UNKNOWN if done else JobStatus.SUBMITTING)


def test_an_abandoned_submission_comes_again_where_the_owner_chose_so(world: World):
    world.allows_resubmitting()
    lay(world, 0, "submitting", lease_until=NOON)

    assert world.sweep.run() == {"resubmitted": 1}
    assert world.queue.sent == [(RetryMessage(IDS[0], 2, 0), 0)]
    assert (at(world, 0).status, at(world, 0).charge) == (JobStatus.DEFERRED, Charge.UNKNOWN)
    assert world.bus.published == []


def test_an_abandoned_last_attempt_is_parked_whatever_the_owner_chose(world: World):
    world.allows_resubmitting(max_attempts=2)
    lay(world, 0, "submitting", attempt=2, lease_until=NOON)

    assert world.sweep.run() == {"parked": 1}
    assert world.queue.sent == []


def test_an_abandoned_submission_publishes_what_it_owes_first(world: World):
    world.allows_resubmitting()
    lay(world, 0, "submitting", lease_until=NOON, pending_events=frozenset({EventType.HELD}))
    pass_time(world, timedelta(hours=1))

    assert world.sweep.run() == {"resubmitted": 1}
    assert (at(world, 0).status, at(world, 0).attempt) == (JobStatus.DEFERRED, 2)
    assert [(kind, detail["data"]["attempt"]) for kind, detail in world.bus.published] == [(EventType.HELD, 1)]


# --- generations that nobody polls -----------------------------------------------------------------------------------


def test_a_generation_without_an_execution_is_polled_and_published(world: World):
    generating(world, pending_events=frozenset({EventType.SUBMITTED}))
    pass_time(world)

    assert world.sweep.run() == {"started": 1}
    assert world.state_machine.executions == {f"{IDS[0]}-1": "gen_1"}
    assert world.bus.types == [EventType.SUBMITTED]


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_a_generation_that_is_polled_is_left_alone(world: World, status):
    job = generating(world)
    world.state_machine.start(job)
    world.state_machine.statuses[execution_name(job)] = status
    pass_time(world)

    assert world.sweep.run() == {}
    assert at(world, 0) == job


def test_a_generation_that_was_polled_a_moment_ago_is_not_even_asked_about(world: World):
    generating(world, updated_at=NOON + MOMENT)
    pass_time(world)

    assert world.sweep.run() == {}
    assert "status_of" not in world.journal


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_a_generation_whose_execution_has_ended_is_reported_unpaid(world: World, status):
    job = generating(world, charge=Charge.CHARGED)
    world.state_machine.start(job)
    world.state_machine.statuses[execution_name(job)] = status
    pass_time(world)

    assert world.sweep.run() == {"reported": 1}
    job = at(world, 0)
    assert (job.status, job.charge) == (JobStatus.FAILED, Charge.CHARGED)
    assert job.reason is not None
    assert (job.reason.code, status in job.reason.message) == ("watch_ended", True)
    assert world.queue.sent == []
    assert world.bus.types == [EventType.FAILED]


# --- one by one, and each pass its time ------------------------------------------------------------------------------


def test_a_job_that_cannot_be_swept_does_not_hold_up_the_next(world: World):
    for number in range(2):
        lay(world, number, "rejected", pending_events=frozenset({EventType.REJECTED}))
    world.bus.takes_nothing_of.add(IDS[0])
    held = lay(world, 2, "held")
    pass_time(world, QUIET + timedelta(minutes=1))

    assert world.sweep.run() == {"not_swept": 1, "published": 1, "released": 1}
    assert at(world, 0).pending_events == {EventType.REJECTED}
    assert [message.job_id for message, _delay in world.queue.sent] == [held.job_id]


def test_a_job_that_cannot_be_read_does_not_hold_up_the_next(world: World):
    for number in range(2):
        lay(world, number, "rejected", pending_events=frozenset({EventType.REJECTED}))
    world.database.unreadable.add(IDS[0])
    pass_time(world, QUIET + timedelta(minutes=1))

    assert world.sweep.run() == {"not_swept": 1, "published": 1}


@pytest.mark.parametrize("waiting", ["publishing", "submitting", "generating", "deferred", "held", "operator"])
@pytest.mark.parametrize("status", ["rejected", "deferred"])
def test_a_job_that_has_changed_since_the_index_was_written_is_left_alone(world: World, waiting, status):
    job = lay(world, 0, status, retry_at=NOON + timedelta(days=1))
    world.database.tables.items["jobs"][IDS[0], "job"]["waiting"] = {"S": waiting}
    pass_time(world)

    assert world.sweep.run() == {}
    assert at(world, 0) == job


def each_read_takes(world: World, time: timedelta) -> None:
    leaves = world.database.leaves

    def slowly(action: str) -> None:
        world.clock.pass_seconds(time.total_seconds() if action == "get" else 0)
        leaves(action)

    world.database.leaves = slowly


def test_more_held_jobs_than_one_pass_can_read_hold_up_nothing_else(world: World):
    for number in range(3):
        lay(world, number, "held")
    generating(world, 5)
    pass_time(world, QUIET + timedelta(minutes=1))
    each_read_takes(world, PASS / 2)

    assert world.sweep.run() == {"released": 2, "unfinished": 1, "started": 1}


def test_a_sweep_whose_every_pass_is_full_ends_before_the_functions_time(world: World):
    template = load_template(str(Path(__file__).parents[3] / "template.yaml"))
    timeout = template["Resources"]["SweepJobsFunction"]["Properties"]["Timeout"]
    many, numbers = 3 * round(PASS / MOMENT), iter(range(len(IDS)))

    def lay_many(status: str, **changes: object) -> Iterator[Job]:
        return (lay(world, next(numbers), status, created_at=NOON, **changes) for _ in range(many))

    dead = Reason(ReasonCode.DEAD_LETTER, "x")
    jobs = [
        *lay_many("rejected", pending_events=frozenset({EventType.REJECTED})),
        *lay_many("submitting", lease_until=NOON),
        *lay_many("generating", generation_id="gen_1"),
        *lay_many("deferred", retry_at=NOON + timedelta(days=1)),
        *lay_many("held"),
        *lay_many("deferred", reason=dead, notices={EventType.DEFERRED: dead}),
    ]
    assert {job.waits_for for job in jobs} == set(world.sweep.passes())
    world.dead_letters.letters = [RetryMessage(job.job_id, 1, 0) for job in jobs[:many]]
    pass_time(world)
    each_read_takes(world, MOMENT)

    done = world.sweep.run()

    assert done["unfinished"] == 1 + len(world.sweep.passes())
    passes = 2 + len(world.sweep.passes())  # and those that release held jobs, and look at the dead letters
    assert passes * PASS <= world.clock.time - NOON - QUIET < timedelta(seconds=timeout - 20)


def test_the_passes_together_leave_the_function_time_to_end(world: World):
    template = load_template(str(Path(__file__).parents[3] / "template.yaml"))
    timeout = template["Resources"]["SweepJobsFunction"]["Properties"]["Timeout"]

    passes = 2 + len(world.sweep.passes())
    assert passes * PASS < timedelta(seconds=timeout - 20)
