"""A submission of which nobody can tell whether it was charged: parked, or submitted again where the operator chose so."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.answers import Ambiguous
from dropreel.errors import PublishFault
from dropreel.events import event_id
from dropreel.jobs import Charge, EventType, Job, JobStatus
from dropreel.messages import RetryMessage
from dropreel.reasons import Reason, ReasonCode
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_after, just_before
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.world import DROP, JOB_ID, World

BUSY = Reason(ReasonCode.PROVIDER_BUSY, "busy")
OWED = {"notices": {EventType.DEFERRED: BUSY}, "pending_events": frozenset({EventType.DEFERRED})}


def claimed(world: World, **changes: Any) -> Job:
    """Let the upload's job be claimed: its POST may have been sent."""
    world.database.reserve("2026-05-04", 47)
    fields = {"generation_id": None, "submitted_at": None, "lease_until": NOON, "reserved_day": "2026-05-04"}
    return world.has(status=JobStatus.SUBMITTING, **{**fields, **changes})


def settle(world: World, job: Job) -> Job | None:
    return world.unknown.settle(job, "nobody can tell", world.clock(), "the provider's words")


# --- parked -----------------------------------------------------------------------------------------------------------


def test_a_parked_job_is_unknown_and_its_reservation_stays(world: World):
    settled = settle(world, claimed(world))

    assert settled == world.job
    assert (settled.status, settled.charge) == (JobStatus.UNKNOWN, Charge.UNKNOWN)
    assert (settled.reserved_day, world.reserved) == ("2026-05-04", 47)
    assert settled.reason == Reason(
        ReasonCode.SUBMISSION_UNKNOWN, "nobody can tell", ("nobody can tell",), "the provider's words"
    )
    assert world.queue.sent == []


def test_a_parked_job_is_published(world: World):
    settle(world, claimed(world))

    ((event, detail),) = world.bus.published
    assert (event, detail["data"]["charge"]) == (EventType.UNKNOWN, "unknown")
    assert "may pay a second time" in detail["data"]["reason"]["next_step"]
    assert world.job.pending_events == frozenset()


def test_a_parked_submission_has_its_row(world: World):
    world.provider.broken_after.add("post")
    with pytest.raises(OutOfOrderError):
        world.run()

    settle(world, world.job)

    (row,) = world.database.tables.rows("attempt")
    assert (row["status"], row["charge"], row["reason"]["code"]) == ("unknown", "unknown", "submission_unknown")


def test_an_unknown_submission_is_logged_for_its_alarm(world: World, caplog):
    settle(world, claimed(world))

    assert [(record.name, record.message, record.job_id, record.attempt) for record in caplog.records] == [
        ("dropreel", "submission unknown", JOB_ID, 1)
    ]


def test_a_job_is_parked_even_where_the_bus_takes_nothing(world: World):
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        settle(world, claimed(world))

    assert (world.job.status, world.job.pending_events) == (JobStatus.UNKNOWN, {EventType.UNKNOWN})


def test_what_a_parked_job_owed_before_is_published_first(world: World):
    settle(world, claimed(world, **OWED))

    assert world.bus.types == [EventType.DEFERRED, EventType.UNKNOWN]


def test_an_event_that_is_published_meanwhile_does_not_hinder_parking(world: World):
    job = claimed(world, **OWED)
    world.publisher.publish(job)

    settled = settle(world, job)

    assert settled is not None
    assert settled.status is JobStatus.UNKNOWN
    assert world.bus.types == [EventType.DEFERRED, EventType.UNKNOWN]


@pytest.mark.parametrize("resubmits", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.GENERATING, "generation_id": "gen_1"},
        {"status": JobStatus.UNKNOWN, "charge": Charge.UNKNOWN},
        {"status": JobStatus.DEFERRED, "requeues": 1},
        {"status": JobStatus.DEFERRED, "attempt": 2},
        {"status": JobStatus.SUBMITTING, "lease_until": NOON + timedelta(seconds=1)},
        {"status": JobStatus.SUBMITTING, "attempt": 2},
    ],
    ids=lambda changes: "-".join(str(value) for value in changes.values()) if isinstance(changes, dict) else None,
)
def test_a_job_that_somebody_else_has_changed_is_left_as_it_is(world: World, changes, resubmits):
    if resubmits:
        world.allows_resubmitting(max_attempts=3)
    job = claimed(world)
    after = world.has(**{"version": 2, "generation_id": None, "lease_until": NOON, **changes})

    assert settle(world, job) is None
    assert (world.job, world.queue.sent, world.bus.published) == (after, [], [])


# --- submitted again --------------------------------------------------------------------------------------------------


def test_where_the_operator_chose_so_the_next_attempt_follows_at_once(world: World):
    world.allows_resubmitting()

    settled = settle(world, claimed(world))

    assert settled == world.job
    assert (settled.status, settled.attempt, settled.requeues) == (JobStatus.DEFERRED, 2, 0)
    assert (settled.charge, world.reserved) == (Charge.UNKNOWN, 47)
    assert settled.reason == Reason(
        ReasonCode.SUBMISSION_UNKNOWN, "nobody can tell", provider_error="the provider's words"
    )
    assert world.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]
    assert world.bus.types == []


@pytest.mark.parametrize("max_attempts", [1, 2, 3])
def test_the_unknown_is_submitted_again_as_often_as_allowed(world: World, max_attempts):
    world.allows_resubmitting(max_attempts)
    world.provider.submit_answer = Ambiguous("ReadTimeout")

    world.run()
    while world.queue.sent:
        world.comes_again()

    assert len(world.provider.sent) == max_attempts
    assert (world.job.status, world.job.attempt, world.job.charge) == ("unknown", max_attempts, "unknown")
    assert world.reserved == max_attempts * 47
    assert world.bus.types == [EventType.UNKNOWN]
    charges = [(row["row"], row["charge"]) for row in world.database.tables.rows("attempt")]
    assert charges == [(f"attempt#{number:02}#0000", "unknown") for number in range(1, max_attempts + 1)]


def test_without_the_operators_choice_it_is_never_submitted_again(world: World):
    world.provider.submit_answer = Ambiguous("ReadTimeout")

    world.run()
    world.delivered_again()

    assert (len(world.provider.sent), world.queue.sent) == (1, [])


def test_an_interrupted_submission_is_resubmitted_where_the_operator_chose_so(world: World):
    world.allows_resubmitting()
    claimed(world)

    assert world.run() == "deferred"
    assert world.comes_again() == "generating"
    assert (len(world.provider.sent), world.job.attempt, world.reserved) == (1, 2, 94)


def test_copies_of_the_event_do_not_begin_the_next_attempt(world: World):
    world.allows_resubmitting()
    claimed(world)
    world.run()

    assert [world.run(DROP) for _ in range(3)] == ["overtaken"] * 3
    assert (world.provider.sent, len(world.queue.sent)) == ([], 1)


def test_a_second_job_of_a_generation_may_be_resubmitted_too(world: World):
    world.allows_resubmitting()
    world.run()

    assert world.run(replace(DROP, image=replace(DROP.image, version_id="v2"))) == "deferred"
    assert [message.attempt for message, _ in world.queue.sent] == [2]
    assert world.reserved == 94


def test_what_an_attempt_owes_is_published_before_the_next_begins(world: World):
    world.allows_resubmitting()
    before = claimed(world, **OWED)

    assert world.sweep.run() == {"resubmitted": 1}

    assert (world.job.status, world.job.attempt) == (JobStatus.DEFERRED, 2)
    assert [detail["metadata"]["id"] for _, detail in world.bus.published] == [event_id(before, EventType.DEFERRED)]


def test_no_next_attempt_begins_while_the_bus_takes_nothing(world: World):
    world.allows_resubmitting()
    world.bus.takes_nothing = True
    before = claimed(world, **OWED)

    with pytest.raises(PublishFault):
        settle(world, before)

    assert (world.job, world.queue.sent) == (before, [])


def test_a_late_id_accepted_while_events_are_published_ends_no_attempt(world: World):
    """The generation is paid for and known by then: a next attempt would pay again."""
    world.allows_resubmitting()
    job = claimed(world, **OWED)
    just_before(world.bus, "publish", lambda: world.run(RetryMessage(JOB_ID, 1, 0, "gen_1")))

    assert settle(world, job) is None

    assert (world.job.status, world.job.attempt, world.job.generation_id) == (JobStatus.GENERATING, 1, "gen_1")
    assert world.queue.sent == []


def test_of_two_that_settle_at_once_one_sends_a_message(world: World):
    world.allows_resubmitting()
    job = claimed(world, **OWED)
    settled = []
    just_after(world.bus, "publish", lambda: settled.append(settle(world, world.job)))

    settled.append(settle(world, job))

    assert [each and each.attempt for each in settled] == [2, None]
    assert world.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]


def test_a_resubmission_whose_message_was_lost_gets_one_from_the_sweeper(world: World):
    world.allows_resubmitting()
    world.queue.broken_before.add("send")
    with pytest.raises(OutOfOrderError):
        settle(world, claimed(world))
    world.queue.broken_before.clear()
    world.clock.pass_seconds(3600)

    assert world.sweep.run() == {"requeued": 1}
    assert world.comes_again() == "generating"
    assert (world.job.attempt, len(world.provider.sent)) == (2, 1)


def test_submissions_that_stay_unknown_come_round_once_an_attempt(world: World):
    world.allows_resubmitting(max_attempts=10)
    world.provider.submit_answer = Ambiguous("no answer")
    world.run()

    rounds = 0
    while world.queue.sent:
        world.comes_again()
        rounds += 1
        assert rounds < 10

    assert (world.job.status, world.job.attempt) == (JobStatus.UNKNOWN, 10)
