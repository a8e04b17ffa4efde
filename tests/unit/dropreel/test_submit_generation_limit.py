"""The day's spend limit: what fits is submitted, what does not is held, what never can is rejected."""

import pytest

from dropreel.adapters.image_bucket import Missing
from dropreel.answers import Busy, KeyRefused, NoBalance
from dropreel.errors import PublishFault
from dropreel.jobs import Charge, EventType, JobStatus
from dropreel.messages import RetryMessage
from dropreel.reasons import Reason, ReasonCode
from tests.unit.dropreel.interleaving import just_before
from tests.unit.dropreel.world import ACCEPTED, DROP, GENERATION, JOB_ID, World

FAILED = Reason(ReasonCode.GENERATION_FAILED, "The provider could not make the video: no faces")
DAY = "2026-05-04"


def published(world: World) -> list[tuple[str, str]]:
    """The events that were published, each with the job's status in it."""
    return [(event, detail["data"]["status"]) for event, detail in world.bus.published]


def released(world: World) -> str:
    """Let the sweeper release the held job, and its message come."""
    assert world.sweep.run().get("released") == 1
    return world.comes_again()


@pytest.fixture
def held(world: World) -> World:
    """The upload's job is held: spending is paused."""
    world.limit(0)
    assert world.run() == "held"
    return world


# --- the claim decides ------------------------------------------------------------------------------------------------


def test_a_job_that_just_fits_into_the_day_is_submitted(world: World):
    world.limit(100)
    world.database.reserve(DAY, 53)

    assert world.run() == "generating"
    assert world.reserved == 100


def test_a_job_that_would_pass_the_days_limit_is_held_and_published(world: World):
    world.limit(100)
    world.database.reserve(DAY, 54)

    outcome = world.run()

    assert outcome == "held"
    assert (world.job.status, world.job.charge, world.job.reserved_day) == (JobStatus.HELD, Charge.NONE, None)
    assert world.job.reason is not None
    assert world.job.reason.code == "daily_limit"
    assert (world.provider.sent, world.queue.sent, world.reserved) == ([], [], 54)
    ((kind, detail),) = world.bus.published
    assert (kind, detail["data"]["status"], detail["data"]["reason"]["code"]) == (EventType.HELD, "held", "daily_limit")


def test_a_held_job_was_validated(world: World):
    world.limit(0)
    world.image.metadata = {"mode": "hq"}

    world.run()

    assert world.job.options is not None
    assert (world.job.options.mode, world.job.cost_cents, world.job.image.format) == ("hq", 94, "JPEG")


def test_a_limit_of_0_holds_and_rejects_nothing(world: World):
    world.limit(0)

    assert world.run() == "held"
    assert world.provider.sent == []


def test_without_a_limit_nothing_is_held(world: World):
    world.limit(None)
    world.database.reserve(DAY, 10**9)

    assert world.run() == "generating"


def test_what_costs_more_than_the_whole_limit_is_rejected_with_both_amounts(world: World):
    world.limit(40)

    outcome = world.run()

    assert outcome == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == "over_daily_limit"
    assert "$0.47" in world.job.reason.message
    assert "$0.40" in world.job.reason.message
    assert world.bus.types == [EventType.REJECTED]
    assert (world.provider.sent, world.reserved) == ([], 0)


def test_room_that_goes_between_validation_and_claim_is_not_passed(world: World):
    world.limit(100)
    just_before(world.database, "save submitting", lambda: world.database.reserve(DAY, 60))

    assert world.run() == "held"
    assert (world.provider.sent, world.reserved) == ([], 60)


# --- held, and what follows -------------------------------------------------------------------------------------------


def test_a_held_job_is_published_once_however_often_a_message_comes(held: World):
    held.delivered_again()
    again = held.run(RetryMessage(JOB_ID, 1, 0))

    assert again == "held"
    assert held.bus.types == [EventType.HELD]
    assert held.queue.sent == []


@pytest.mark.parametrize("message", [DROP, RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 1)])
def test_no_message_takes_a_held_job_past_the_sweeper(held: World, message):
    held.limit(None)

    assert held.run(message) == "held"
    assert held.provider.sent == []


def test_a_held_job_is_submitted_once_the_day_has_room(held: World):
    held.limit(47)

    outcome = released(held)

    assert outcome == "generating"
    assert held.bus.types == [EventType.HELD, EventType.SUBMITTED]
    assert held.job.reason is None
    assert held.reserved == 47


def test_copies_of_the_message_that_releases_a_job_submit_it_once(held: World):
    held.limit(None)
    held.sweep.run()
    ((message, _),) = held.queue.sent

    outcomes = [held.run(message) for _ in range(3)]

    assert outcomes == ["generating"] * 3
    assert (len(held.provider.sent), held.reserved) == (1, 47)


def test_the_next_day_has_room_again(world: World):
    world.limit(50)
    world.database.reserve(DAY, 50)
    world.run()
    world.clock.pass_seconds(86_400)

    assert released(world) == "generating"
    assert world.database.reserved == {DAY: 50, "2026-05-05": 47}


def test_a_deferred_job_is_held_when_the_room_has_gone_meanwhile(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.run()
    world.limit(0)

    outcome = world.comes_again()

    assert outcome == "held"
    assert world.bus.types == [EventType.HELD]
    assert (len(world.provider.sent), world.queue.sent) == (1, [])


def test_a_job_that_is_held_again_in_one_attempt_is_not_published_again(held: World):
    held.limit(47)
    held.provider.submit_answer = Busy(429, 30)
    released(held)
    held.limit(0)

    outcome = held.comes_again()

    assert (outcome, held.job.status) == ("held", "held")
    assert held.bus.types == [EventType.HELD]


def test_a_held_job_whose_image_is_gone_meanwhile_is_rejected(held: World):
    held.limit(47)
    held.images.stored = Missing.GONE

    outcome = released(held)

    assert outcome == "rejected"
    assert held.bus.types == [EventType.HELD, EventType.REJECTED]


def test_a_held_job_that_a_lower_limit_can_never_hold_is_rejected(held: World):
    held.limit(40)

    assert released(held) == "rejected"
    assert held.reserved == 0


def test_a_next_attempt_without_room_is_held(world: World):
    world.limit(47)
    world.run()
    world.report.run(GENERATION, FAILED)

    assert world.comes_again() == "held"
    assert (world.job.attempt, world.job.charge) == (2, Charge.CHARGED)
    assert world.bus.types == [EventType.SUBMITTED, EventType.HELD]


# --- its event --------------------------------------------------------------------------------------------------------


def test_a_held_event_is_published_when_its_message_comes_again(world: World):
    world.limit(0)
    world.bus.takes_nothing = True
    with pytest.raises(PublishFault):
        world.run()
    assert (world.job.status, world.job.pending_events) == (JobStatus.HELD, {EventType.HELD})
    world.bus.takes_nothing = False

    assert world.run() == "held"
    assert published(world) == [(EventType.HELD, "held")]


def test_a_held_event_that_is_published_late_comes_before_what_follows(world: World):
    world.limit(0)
    world.bus.takes_nothing = True
    with pytest.raises(PublishFault):
        world.run()
    world.limit(None)
    assert "released" not in world.sweep.run()
    world.bus.takes_nothing = False

    assert released(world) == "generating"

    assert published(world) == [(EventType.HELD, "held"), (EventType.SUBMITTED, "generating")]


def test_a_job_whose_wait_was_published_can_still_be_held_and_rejected(world: World):
    world.provider.submit_answer = KeyRefused(401)
    world.run()
    world.limit(0)
    assert world.comes_again() == "held"
    world.limit(5000)
    world.images.stored = Missing.GONE

    released(world)

    assert world.bus.types == [EventType.DEFERRED, EventType.HELD, EventType.REJECTED]
    assert world.job.status is JobStatus.REJECTED


def test_a_held_event_that_is_owed_is_not_lost_in_waiting(world: World):
    world.bus.takes_nothing = True
    world.limit(0)
    with pytest.raises(PublishFault):
        world.run()
    world.bus.takes_nothing = False
    world.limit(5000)
    world.provider.submit_answer = NoBalance(402)

    released(world)

    reasons = [detail["data"]["reason"]["code"] for _, detail in world.bus.published]
    assert world.bus.types == [EventType.HELD, EventType.DEFERRED]
    assert reasons == ["daily_limit", "provider_balance"]


def test_a_wait_that_was_held_in_between_counts_from_its_release(held: World):
    held.clock.pass_seconds(86_400)
    held.limit(5000)
    held.provider.submit_answer = Busy(429, 30)
    released(held)
    assert held.bus.types == [EventType.HELD]
    held.provider.submit_answer = ACCEPTED

    assert held.comes_again() == "generating"
    assert held.bus.types == [EventType.HELD, EventType.SUBMITTED]
