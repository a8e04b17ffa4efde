"""A paid generation's id: its write is retried, then it is kept in an execution or a message; only one job has it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.domain.errors import PublishFault
from dropreel.domain.job import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.settle_unknown import SettleUnknown
from dropreel.use_cases.submit_generation import LEASE, SAVE_SECONDS
from tests.support.fake_stack import DROP, GENERATION, JOB_ID, SECONDS_LEFT, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_after, just_before
from tests.support.sample_jobs import NOON, PRICE

LATE = RetryMessage(JOB_ID, 1, 0, "gen_1")
SECOND = replace(DROP, image=DROP.image._replace(version_id="v2"))
UNKNOWN = Reason(ReasonCode.SUBMISSION_UNKNOWN, "The submission was interrupted and may have been charged.")


def submitting(stack: FakeStack, **changes: Any) -> Job:
    """Put the upload's claimed job into the table, without its generation's id."""
    lost = {"generation_id": None, "submitted_at": None, "lease_until": NOON + LEASE, "reserved_day": "2026-05-04"}
    stack.database.set_reserved("2026-05-04", PRICE)
    return stack.put_job(**{"status": JobStatus.SUBMITTING, **lost, **changes})


def unknown(stack: FakeStack, **changes: Any) -> Job:
    """Put the upload's parked job into the table, without its generation's id."""
    return submitting(stack, status=JobStatus.UNKNOWN, charge=Charge.UNKNOWN, reason=UNKNOWN, **changes)


def second_job(stack: FakeStack) -> Job:
    found = stack.database.job(job_id_of(SECOND.image))
    assert found is not None
    return found


# --- the table refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 10, SECONDS_LEFT - SAVE_SECONDS])
def test_an_accepted_id_is_retried_while_the_table_refuses(stack: FakeStack, seconds):
    until = stack.clock.time + timedelta(seconds=seconds)

    def refuse() -> None:
        if stack.clock.time < until:
            raise OutageError

    just_before(stack.database, "save generating", refuse, each_time=True)

    assert stack.run() == "generating"
    assert (stack.job.generation_id, stack.job.charge) == ("gen_1", Charge.CHARGED)
    assert until <= stack.clock.time < until + timedelta(seconds=1)
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert (len(stack.provider.sent), stack.reserved, stack.queue.sent) == (1, PRICE, [])
    assert stack.bus.types == [EventType.SUBMITTED]


def test_a_write_whose_answer_was_lost_is_found_done(stack: FakeStack):
    failed: list[JobStatus] = []

    def fail() -> None:
        if not failed:
            failed.append(stack.job.status)
            raise OutageError

    just_after(stack.database, "save generating", fail)

    assert stack.run() == "generating"
    assert failed == [JobStatus.GENERATING]
    assert (len(stack.provider.sent), stack.bus.types) == (1, [EventType.SUBMITTED])


def test_an_id_that_cannot_be_written_is_kept_in_its_execution(stack: FakeStack):
    begin = stack.clock.time
    stack.database.fails_before.add("save generating")

    outcome = stack.run()

    assert outcome == "submitting"
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert stack.queue.sent == []
    assert (stack.job.status, stack.job.generation_id, stack.reserved) == (JobStatus.SUBMITTING, None, PRICE)
    tried = (stack.clock.time - begin).total_seconds()
    assert SECONDS_LEFT - SAVE_SECONDS <= tried <= SECONDS_LEFT - SAVE_SECONDS + 1


def test_the_first_check_of_that_execution_writes_the_id(stack: FakeStack):
    stack.database.fails_before.add("save generating")
    stack.run()
    stack.database.fails_before.clear()

    stack.check.run(GENERATION)

    assert (stack.job.status, stack.job.generation_id, stack.job.charge) == ("generating", "gen_1", "charged")
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)


def test_an_id_that_cannot_start_an_execution_is_sent_in_a_message(stack: FakeStack):
    stack.database.fails_before.add("save generating")
    stack.state_machine.fails_before.add("start")

    outcome = stack.run()

    assert outcome == "submitting"
    assert stack.queue.sent == [(LATE, 0)]
    assert stack.state_machine.executions == {}
    assert (stack.job.status, stack.reserved) == (JobStatus.SUBMITTING, PRICE)


def test_the_id_goes_to_the_table_first_then_to_an_execution(stack: FakeStack):
    stack.database.fails_before.add("save generating")
    stack.state_machine.fails_after.add("start")

    stack.run()

    order = [action for action in stack.journal if action in ("post", "start", "send")]
    assert order == ["post", "start", "send"]


def test_after_a_slow_post_the_id_has_one_write_and_then_an_execution(stack: FakeStack):
    just_after(stack.provider, "post", lambda: stack.clock.pass_seconds(SECONDS_LEFT - SAVE_SECONDS / 2))
    stack.database.fails_before.add("save generating")
    begin = stack.clock.time

    assert stack.run() == "submitting"
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert stack.clock.time - begin == timedelta(seconds=SECONDS_LEFT - SAVE_SECONDS / 2)


def test_a_paid_id_is_logged_before_it_is_written(stack: FakeStack, caplog):
    caplog.set_level("INFO", logger="dropreel")
    logged = []
    just_before(stack.database, "save generating", lambda: logged.extend(caplog.records))

    stack.run()

    assert [(record.message, record.job_id, record.generation_id) for record in logged] == [
        ("accepted", JOB_ID, "gen_1")
    ]


def test_an_id_that_cannot_be_stored_is_logged_and_raises_the_fault(stack: FakeStack, caplog):
    caplog.set_level("INFO", logger="dropreel")
    stack.database.fails_before.add("save generating")
    stack.state_machine.fails_before.add("start")
    stack.queue.fails_before.add("send")

    with pytest.raises(OutageError):
        stack.run()

    assert [record.generation_id for record in caplog.records if record.message == "accepted"] == ["gen_1"]
    assert (stack.job.status, stack.reserved) == (JobStatus.SUBMITTING, PRICE)


def test_an_event_published_during_the_post_does_not_lose_the_id(stack: FakeStack):
    """Bookkeeping changes the version too: SweepJobs marks an event that the job owed."""
    stack.put_job(
        status=JobStatus.DEFERRED,
        generation_id=None,
        notices={EventType.DEFERRED: UNKNOWN},
        pending_events=frozenset({EventType.DEFERRED}),
    )
    just_after(stack.provider, "post", lambda: stack.publisher.publish(stack.job))

    assert stack.run() == "generating"
    assert (stack.job.generation_id, stack.bus.types) == ("gen_1", [EventType.DEFERRED, EventType.SUBMITTED])


def test_an_answer_after_the_job_was_parked_changes_nothing(stack: FakeStack, caplog):
    caplog.set_level("INFO", logger="dropreel")
    just_after(stack.provider, "post", lambda: stack.unknown.settle(stack.job, "too late", stack.clock()))

    assert stack.run() == "unknown"
    assert (stack.job.status, stack.job.charge, stack.reserved) == (JobStatus.UNKNOWN, Charge.UNKNOWN, PRICE)
    assert stack.state_machine.executions == {}
    assert [record.generation_id for record in caplog.records if record.message == "accepted"] == ["gen_1"]


# --- the message with an id -------------------------------------------------------------------------------------------


def test_a_late_id_is_accepted_by_a_submitting_job(stack: FakeStack):
    submitting(stack)

    outcome = stack.run(LATE)

    assert outcome == "generating"
    assert (stack.job.generation_id, stack.job.charge, stack.reserved) == ("gen_1", Charge.CHARGED, PRICE)
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert (stack.bus.types, stack.provider.sent) == ([EventType.SUBMITTED], [])


def test_a_late_id_is_accepted_after_the_lease_is_over(stack: FakeStack):
    submitting(stack)
    stack.clock.pass_seconds(10 * LEASE.total_seconds())

    assert stack.run(LATE) == "generating"
    assert (stack.bus.types, stack.provider.sent) == ([EventType.SUBMITTED], [])


def test_a_late_id_turns_an_unknown_job_into_generating(stack: FakeStack):
    unknown(stack)

    outcome = stack.run(LATE)

    assert outcome == "generating"
    assert (stack.job.generation_id, stack.job.charge, stack.job.reason) == ("gen_1", Charge.CHARGED, None)
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert (stack.reserved, stack.provider.sent) == (PRICE, [])


def test_the_unknown_event_is_published_before_the_late_id(stack: FakeStack):
    unknown(stack, pending_events=frozenset({EventType.UNKNOWN}))

    assert stack.run(LATE) == "generating"
    assert stack.bus.types == [EventType.UNKNOWN, EventType.SUBMITTED]


def test_a_late_id_waits_until_the_unknown_event_is_published(stack: FakeStack):
    unknown(stack, pending_events=frozenset({EventType.UNKNOWN}))
    stack.bus.refuses_all = True

    with pytest.raises(PublishFault):
        stack.run(LATE)

    assert stack.job.status is JobStatus.UNKNOWN
    stack.bus.refuses_all = False
    assert stack.run(LATE) == "generating"


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
def test_a_late_id_changes_no_job_in_another_status(stack: FakeStack, changes):
    before = stack.put_job(**changes)

    outcome = stack.run(LATE)

    assert outcome == changes["status"]
    assert (stack.job, stack.provider.sent, stack.queue.sent) == (before, [], [])
    assert stack.jobs.holder_of("gen_1") is None


def test_a_duplicate_late_id_changes_nothing(stack: FakeStack):
    submitting(stack)
    stack.run(LATE)
    before = stack.job

    assert stack.run(LATE) == "generating"
    assert (stack.job, stack.bus.types, stack.provider.sent) == (before, [EventType.SUBMITTED], [])


def test_a_late_id_and_a_concurrent_resubmission_have_one_winner(stack: FakeStack):
    unknown(stack, pending_events=frozenset({EventType.UNKNOWN}))
    settle = SettleUnknown(stack.jobs, stack.provider, stack.state_machine, stack.queue, stack.publisher, stack.clock)
    just_after(stack.bus, "publish", lambda: settle.resubmit(JOB_ID))

    assert stack.run(LATE) == "deferred"
    assert (stack.job.attempt, stack.job.generation_id) == (2, None)
    assert stack.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]


# --- one generation, one job ------------------------------------------------------------------------------------------


def test_two_jobs_never_hold_one_generation(stack: FakeStack):
    stack.run()
    first = stack.job

    outcome = stack.run(SECOND)

    second = second_job(stack)
    assert outcome == "unknown"
    assert (second.status, second.generation_id, second.charge) == (JobStatus.UNKNOWN, None, Charge.UNKNOWN)
    assert second.reason is not None
    assert second.reason.code is ReasonCode.SUBMISSION_UNKNOWN
    assert "gen_1" in second.reason.message
    assert JOB_ID in second.reason.message
    assert (stack.job, stack.jobs.holder_of("gen_1")) == (first, JOB_ID)


def test_the_second_job_of_a_generation_keeps_its_reservation(stack: FakeStack):
    stack.run()

    stack.run(SECOND)

    assert (stack.reserved, second_job(stack).reserved_day) == (2 * PRICE, "2026-05-04")
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert stack.bus.types == [EventType.SUBMITTED, EventType.UNKNOWN]
    rows = [row["charge"] for row in stack.database.tables.rows("attempt")]
    assert sorted(rows) == ["charged", "unknown"]


def test_the_second_job_is_unknown_even_if_the_bus_refuses_events(stack: FakeStack):
    stack.run()
    stack.bus.refuses_all = True

    with pytest.raises(PublishFault):
        stack.run(SECOND)

    assert (second_job(stack).status, stack.reserved) == (JobStatus.UNKNOWN, 2 * PRICE)
    stack.bus.refuses_all = False
    assert stack.run(SECOND) == "unknown"
    assert stack.bus.types == [EventType.SUBMITTED, EventType.UNKNOWN]


@pytest.mark.parametrize("has", [submitting, unknown])
def test_a_late_id_of_another_job_leaves_the_job_unknown(stack: FakeStack, has):
    stack.run(SECOND)
    has(stack)

    outcomes = [stack.run(LATE) for _ in range(2)]

    assert outcomes == ["unknown", "unknown"]
    assert (stack.job.generation_id, stack.job.charge) == (None, Charge.UNKNOWN)
    assert stack.jobs.holder_of("gen_1") == job_id_of(SECOND.image)
    assert len(stack.provider.sent) == 1


def test_the_generation_of_a_failed_attempt_stays_claimed(stack: FakeStack):
    stack.run()
    stack.report.run(GENERATION, Reason(ReasonCode.GENERATION_FAILED, "no faces"))

    assert stack.run(SECOND) == "unknown"
    assert stack.jobs.holder_of("gen_1") == JOB_ID
