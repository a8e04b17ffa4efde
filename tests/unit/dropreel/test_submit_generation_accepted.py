"""The id of what was paid for: written until it is, kept in an execution or a message meanwhile, held by one job alone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.errors import PublishFault
from dropreel.jobs import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.messages import RetryMessage
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.settle_unknown import SettleUnknown
from dropreel.use_cases.submit_generation import KEEP_SECONDS, LEASE
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_after, just_before
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.world import DROP, GENERATION, JOB_ID, SECONDS_LEFT, World

LATE = RetryMessage(JOB_ID, 1, 0, "gen_1")
SECOND = replace(DROP, image=replace(DROP.image, version_id="v2"))
UNKNOWN = Reason(ReasonCode.SUBMISSION_UNKNOWN, "The submission was interrupted and may have been charged.")


def submitting(world: World, **changes: Any) -> Job:
    """Let the upload's job be claimed and its generation's id not be written."""
    lost = {"generation_id": None, "submitted_at": None, "lease_until": NOON + LEASE, "reserved_day": "2026-05-04"}
    world.database.reserve("2026-05-04", 47)
    return world.has(**{"status": JobStatus.SUBMITTING, **lost, **changes})


def unknown(world: World, **changes: Any) -> Job:
    """Let the upload's job be parked and its generation's id not be written."""
    return submitting(world, status=JobStatus.UNKNOWN, charge=Charge.UNKNOWN, reason=UNKNOWN, **changes)


def second_job(world: World) -> Job:
    found = world.database.job(job_id_of(SECOND.image))
    assert found is not None
    return found


# --- the table refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 10, SECONDS_LEFT - KEEP_SECONDS])
def test_an_accepted_id_is_written_again_while_the_table_refuses(world: World, seconds):
    until = world.clock.time + timedelta(seconds=seconds)

    def refuse() -> None:
        if world.clock.time < until:
            raise OutOfOrderError

    just_before(world.database, "save generating", refuse, each_time=True)

    assert world.run() == "generating"
    assert (world.job.generation_id, world.job.charge) == ("gen_1", Charge.CHARGED)
    assert until <= world.clock.time < until + timedelta(seconds=1)
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert (len(world.provider.sent), world.reserved, world.queue.sent) == (1, 47, [])
    assert world.bus.types == [EventType.SUBMITTED]


def test_a_write_that_only_seemed_to_fail_is_found_done(world: World):
    failed = []

    def fail() -> None:
        if not failed:
            failed.append(world.job.status)
            raise OutOfOrderError

    just_after(world.database, "save generating", fail)

    assert world.run() == "generating"
    assert failed == [JobStatus.GENERATING]
    assert (len(world.provider.sent), world.bus.types) == (1, [EventType.SUBMITTED])


def test_an_id_that_cannot_be_written_is_kept_in_its_execution(world: World):
    begin = world.clock.time
    world.database.broken_before.add("save generating")

    outcome = world.run()

    assert outcome == "submitting"
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert world.queue.sent == []
    assert (world.job.status, world.job.generation_id, world.reserved) == (JobStatus.SUBMITTING, None, 47)
    tried = (world.clock.time - begin).total_seconds()
    assert SECONDS_LEFT - KEEP_SECONDS <= tried <= SECONDS_LEFT - KEEP_SECONDS + 1


def test_the_first_check_of_that_execution_writes_the_id(world: World):
    world.database.broken_before.add("save generating")
    world.run()
    world.database.broken_before.clear()

    world.check.run(GENERATION)

    assert (world.job.status, world.job.generation_id, world.job.charge) == ("generating", "gen_1", "charged")
    assert (len(world.provider.sent), world.reserved) == (1, 47)


def test_an_id_that_no_execution_takes_is_kept_in_a_message(world: World):
    world.database.broken_before.add("save generating")
    world.state_machine.broken_before.add("start")

    outcome = world.run()

    assert outcome == "submitting"
    assert world.queue.sent == [(LATE, 0)]
    assert world.state_machine.executions == {}
    assert (world.job.status, world.reserved) == (JobStatus.SUBMITTING, 47)


def test_the_id_is_tried_in_the_table_first_then_in_an_execution(world: World):
    world.database.broken_before.add("save generating")
    world.state_machine.broken_after.add("start")

    world.run()

    order = [action for action in world.journal if action in ("post", "start", "send")]
    assert order == ["post", "start", "send"]


def test_a_slow_post_leaves_one_try_at_the_table_and_then_the_execution(world: World):
    just_after(world.provider, "post", lambda: world.clock.pass_seconds(SECONDS_LEFT - KEEP_SECONDS / 2))
    world.database.broken_before.add("save generating")
    begin = world.clock.time

    assert world.run() == "submitting"
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert world.clock.time - begin == timedelta(seconds=SECONDS_LEFT - KEEP_SECONDS / 2)


def test_the_id_of_what_was_paid_is_logged_before_it_is_written(world: World, caplog):
    caplog.set_level("INFO", logger="dropreel")
    logged = []
    just_before(world.database, "save generating", lambda: logged.extend(caplog.records))

    world.run()

    assert [(record.message, record.job_id, record.generation_id) for record in logged] == [
        ("accepted", JOB_ID, "gen_1")
    ]


def test_where_nothing_takes_the_id_the_fault_is_raised_and_the_id_logged(world: World, caplog):
    caplog.set_level("INFO", logger="dropreel")
    world.database.broken_before.add("save generating")
    world.state_machine.broken_before.add("start")
    world.queue.broken_before.add("send")

    with pytest.raises(OutOfOrderError):
        world.run()

    assert [record.generation_id for record in caplog.records if record.message == "accepted"] == ["gen_1"]
    assert (world.job.status, world.reserved) == (JobStatus.SUBMITTING, 47)


def test_an_event_published_during_the_post_does_not_lose_the_id(world: World):
    """Bookkeeping grows the version, too: the sweeper marks an event that the job owed."""
    world.has(
        status=JobStatus.DEFERRED,
        generation_id=None,
        notices={EventType.DEFERRED: UNKNOWN},
        pending_events=frozenset({EventType.DEFERRED}),
    )
    just_after(world.provider, "post", lambda: world.publisher.publish(world.job))

    assert world.run() == "generating"
    assert (world.job.generation_id, world.bus.types) == ("gen_1", [EventType.DEFERRED, EventType.SUBMITTED])


def test_an_answer_that_comes_after_the_job_was_parked_changes_nothing(world: World, caplog):
    caplog.set_level("INFO", logger="dropreel")
    just_after(world.provider, "post", lambda: world.unknown.settle(world.job, "too late", world.clock()))

    assert world.run() == "unknown"
    assert (world.job.status, world.job.charge, world.reserved) == (JobStatus.UNKNOWN, Charge.UNKNOWN, 47)
    assert world.state_machine.executions == {}
    assert [record.generation_id for record in caplog.records if record.message == "accepted"] == ["gen_1"]


# --- the message with an id -------------------------------------------------------------------------------------------


def test_a_late_id_is_accepted_by_a_submitting_job(world: World):
    submitting(world)

    outcome = world.run(LATE)

    assert outcome == "generating"
    assert (world.job.generation_id, world.job.charge, world.reserved) == ("gen_1", Charge.CHARGED, 47)
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert (world.bus.types, world.provider.sent) == ([EventType.SUBMITTED], [])


def test_a_late_id_is_accepted_after_the_lease_is_over(world: World):
    submitting(world)
    world.clock.pass_seconds(10 * LEASE.total_seconds())

    assert world.run(LATE) == "generating"
    assert (world.bus.types, world.provider.sent) == ([EventType.SUBMITTED], [])


def test_a_late_id_brings_back_an_unknown_job(world: World):
    unknown(world)

    outcome = world.run(LATE)

    assert outcome == "generating"
    assert (world.job.generation_id, world.job.charge, world.job.reason) == ("gen_1", Charge.CHARGED, None)
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert (world.reserved, world.provider.sent) == (47, [])


def test_that_a_job_is_unknown_is_published_before_its_late_id(world: World):
    unknown(world, pending_events=frozenset({EventType.UNKNOWN}))

    assert world.run(LATE) == "generating"
    assert world.bus.types == [EventType.UNKNOWN, EventType.SUBMITTED]


def test_a_late_id_waits_until_the_bus_takes_that_the_job_is_unknown(world: World):
    unknown(world, pending_events=frozenset({EventType.UNKNOWN}))
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        world.run(LATE)

    assert world.job.status is JobStatus.UNKNOWN
    world.bus.takes_nothing = False
    assert world.run(LATE) == "generating"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.GENERATING, "generation_id": "gen_9"},
        {"status": JobStatus.COMPLETED, "generation_id": "gen_9"},
        {"status": JobStatus.FAILED, "generation_id": "gen_9"},
        {"status": JobStatus.UNKNOWN, "generation_id": "gen_9"},
        {"status": JobStatus.FAILED, "generation_id": None, "reason": Reason(ReasonCode.ABANDONED, "x")},
        {"status": JobStatus.REJECTED, "generation_id": None},
        {"status": JobStatus.DEFERRED, "generation_id": None, "attempt": 2},
        {"status": JobStatus.DEFERRED, "generation_id": None, "requeues": 1},
        {"status": JobStatus.HELD, "generation_id": None, "attempt": 2},
        {"status": JobStatus.SUBMITTING, "generation_id": None, "attempt": 2, "lease_until": NOON},
        {"status": JobStatus.UNKNOWN, "generation_id": None, "attempt": 2},
    ],
    ids=lambda changes: "-".join(str(value) for value in changes.values() if not isinstance(value, Reason)),
)
def test_a_late_id_changes_no_job_that_has_gone_on(world: World, changes):
    before = world.has(**changes)

    outcome = world.run(LATE)

    assert outcome == changes["status"]
    assert (world.job, world.provider.sent, world.queue.sent) == (before, [], [])
    assert world.jobs.holder_of("gen_1") is None


def test_a_late_id_that_comes_again_changes_nothing(world: World):
    submitting(world)
    world.run(LATE)
    before = world.job

    assert world.run(LATE) == "generating"
    assert (world.job, world.bus.types, world.provider.sent) == (before, [EventType.SUBMITTED], [])


def test_a_late_id_meets_a_job_that_is_resubmitted_at_the_same_time(world: World):
    unknown(world, pending_events=frozenset({EventType.UNKNOWN}))
    settle = SettleUnknown(world.jobs, world.provider, world.state_machine, world.queue, world.publisher, world.clock)
    just_after(world.bus, "publish", lambda: settle.resubmit(JOB_ID))

    assert world.run(LATE) == "deferred"
    assert (world.job.attempt, world.job.generation_id) == (2, None)
    assert world.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]


# --- one generation, one job ------------------------------------------------------------------------------------------


def test_two_jobs_never_hold_one_generation(world: World):
    world.run()
    first = world.job

    outcome = world.run(SECOND)

    second = second_job(world)
    assert outcome == "unknown"
    assert (second.status, second.generation_id, second.charge) == (JobStatus.UNKNOWN, None, Charge.UNKNOWN)
    assert second.reason is not None
    assert second.reason.code is ReasonCode.SUBMISSION_UNKNOWN
    assert "gen_1" in second.reason.message
    assert JOB_ID in second.reason.message
    assert (world.job, world.jobs.holder_of("gen_1")) == (first, JOB_ID)


def test_the_second_job_of_a_generation_keeps_its_reservation(world: World):
    world.run()

    world.run(SECOND)

    assert (world.reserved, second_job(world).reserved_day) == (94, "2026-05-04")
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert world.bus.types == [EventType.SUBMITTED, EventType.UNKNOWN]
    rows = [row["charge"] for row in world.database.tables.rows("attempt")]
    assert sorted(rows) == ["charged", "unknown"]


def test_the_second_job_is_unknown_even_where_the_bus_takes_nothing(world: World):
    world.run()
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        world.run(SECOND)

    assert (second_job(world).status, world.reserved) == (JobStatus.UNKNOWN, 94)
    world.bus.takes_nothing = False
    assert world.run(SECOND) == "unknown"
    assert world.bus.types == [EventType.SUBMITTED, EventType.UNKNOWN]


@pytest.mark.parametrize("has", [submitting, unknown])
def test_a_late_id_that_another_job_holds_leaves_the_job_unknown(world: World, has):
    world.run(SECOND)
    has(world)

    outcomes = [world.run(LATE) for _ in range(2)]

    assert outcomes == ["unknown", "unknown"]
    assert (world.job.generation_id, world.job.charge) == (None, Charge.UNKNOWN)
    assert world.jobs.holder_of("gen_1") == job_id_of(SECOND.image)
    assert len(world.provider.sent) == 1


def test_the_generation_of_an_attempt_that_failed_stays_held(world: World):
    world.run()
    world.report.run(GENERATION, Reason(ReasonCode.GENERATION_FAILED, "no faces"))

    assert world.run(SECOND) == "unknown"
    assert world.jobs.holder_of("gen_1") == JOB_ID
