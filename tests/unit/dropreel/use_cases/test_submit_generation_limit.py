"""The day's spend limit: what fits is submitted, what does not is held, what never can is rejected."""

import pytest

from dropreel.adapters.image_bucket import Missing
from dropreel.domain.errors import PublishFault
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.answers import Busy, KeyRefused, NoBalance
from tests.support.fake_stack import ACCEPTED, DROP, GENERATION, JOB_ID, FakeStack
from tests.support.interleaving import just_before

FAILED = Reason(ReasonCode.GENERATION_FAILED, "The provider could not make the video: no faces")
DAY = "2026-05-04"


def published(stack: FakeStack) -> list[tuple[str, str]]:
    """The events that were published, each with the job's status in it."""
    return [(event, detail["data"]["status"]) for event, detail in stack.bus.published]


def released(stack: FakeStack) -> str:
    """Let the sweeper release the held job, and its message come."""
    assert stack.sweep.run().get("released") == 1
    return stack.comes_again()


@pytest.fixture
def held(stack: FakeStack) -> FakeStack:
    """The upload's job is held: spending is paused."""
    stack.limit(0)
    assert stack.run() == "held"
    return stack


# --- the claim decides ------------------------------------------------------------------------------------------------


def test_a_job_that_just_fits_into_the_day_is_submitted(stack: FakeStack):
    stack.limit(100)
    stack.database.reserve(DAY, 53)

    assert stack.run() == "generating"
    assert stack.reserved == 100


def test_a_job_that_would_pass_the_days_limit_is_held_and_published(stack: FakeStack):
    stack.limit(100)
    stack.database.reserve(DAY, 54)

    outcome = stack.run()

    assert outcome == "held"
    assert (stack.job.status, stack.job.charge, stack.job.reserved_day) == (JobStatus.HELD, Charge.NONE, None)
    assert stack.job.reason is not None
    assert stack.job.reason.code == "daily_limit"
    assert (stack.provider.sent, stack.queue.sent, stack.reserved) == ([], [], 54)
    ((kind, detail),) = stack.bus.published
    assert (kind, detail["data"]["status"], detail["data"]["reason"]["code"]) == (EventType.HELD, "held", "daily_limit")


def test_a_held_job_was_validated(stack: FakeStack):
    stack.limit(0)
    stack.image.metadata = {"mode": "hq"}

    stack.run()

    assert stack.job.options is not None
    assert (stack.job.options.mode, stack.job.cost_cents, stack.job.image.format) == ("hq", 94, "JPEG")


def test_a_limit_of_0_holds_and_rejects_nothing(stack: FakeStack):
    stack.limit(0)

    assert stack.run() == "held"
    assert stack.provider.sent == []


def test_without_a_limit_nothing_is_held(stack: FakeStack):
    stack.limit(None)
    stack.database.reserve(DAY, 10**9)

    assert stack.run() == "generating"


def test_what_costs_more_than_the_whole_limit_is_rejected_with_both_amounts(stack: FakeStack):
    stack.limit(40)

    outcome = stack.run()

    assert outcome == "rejected"
    assert stack.job.reason is not None
    assert stack.job.reason.code == "over_daily_limit"
    assert "$0.47" in stack.job.reason.message
    assert "$0.40" in stack.job.reason.message
    assert stack.bus.types == [EventType.REJECTED]
    assert (stack.provider.sent, stack.reserved) == ([], 0)


def test_room_that_goes_between_validation_and_claim_is_not_passed(stack: FakeStack):
    stack.limit(100)
    just_before(stack.database, "save submitting", lambda: stack.database.reserve(DAY, 60))

    assert stack.run() == "held"
    assert (stack.provider.sent, stack.reserved) == ([], 60)


# --- held, and what follows -------------------------------------------------------------------------------------------


def test_a_held_job_is_published_once_however_often_a_message_comes(held: FakeStack):
    held.delivered_again()
    again = held.run(RetryMessage(JOB_ID, 1, 0))

    assert again == "held"
    assert held.bus.types == [EventType.HELD]
    assert held.queue.sent == []


@pytest.mark.parametrize("message", [DROP, RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 1)])
def test_no_message_takes_a_held_job_past_the_sweeper(held: FakeStack, message):
    held.limit(None)

    assert held.run(message) == "held"
    assert held.provider.sent == []


def test_a_held_job_is_submitted_once_the_day_has_room(held: FakeStack):
    held.limit(47)

    outcome = released(held)

    assert outcome == "generating"
    assert held.bus.types == [EventType.HELD, EventType.SUBMITTED]
    assert held.job.reason is None
    assert held.reserved == 47


def test_copies_of_the_message_that_releases_a_job_submit_it_once(held: FakeStack):
    held.limit(None)
    held.sweep.run()
    ((message, _),) = held.queue.sent

    outcomes = [held.run(message) for _ in range(3)]

    assert outcomes == ["generating"] * 3
    assert (len(held.provider.sent), held.reserved) == (1, 47)


def test_the_next_day_has_room_again(stack: FakeStack):
    stack.limit(50)
    stack.database.reserve(DAY, 50)
    stack.run()
    stack.clock.pass_seconds(86_400)

    assert released(stack) == "generating"
    assert stack.database.reserved == {DAY: 50, "2026-05-05": 47}


def test_a_deferred_job_is_held_when_the_room_has_gone_meanwhile(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run()
    stack.limit(0)

    outcome = stack.comes_again()

    assert outcome == "held"
    assert stack.bus.types == [EventType.HELD]
    assert (len(stack.provider.sent), stack.queue.sent) == (1, [])


def test_a_job_that_is_held_again_in_one_attempt_is_not_published_again(held: FakeStack):
    held.limit(47)
    held.provider.submit_answer = Busy(429, 30)
    released(held)
    held.limit(0)

    outcome = held.comes_again()

    assert (outcome, held.job.status) == ("held", "held")
    assert held.bus.types == [EventType.HELD]


def test_a_held_job_whose_image_is_gone_meanwhile_is_rejected(held: FakeStack):
    held.limit(47)
    held.images.stored = Missing.GONE

    outcome = released(held)

    assert outcome == "rejected"
    assert held.bus.types == [EventType.HELD, EventType.REJECTED]


def test_a_held_job_that_a_lower_limit_can_never_hold_is_rejected(held: FakeStack):
    held.limit(40)

    assert released(held) == "rejected"
    assert held.reserved == 0


def test_a_next_attempt_without_room_is_held(stack: FakeStack):
    stack.limit(47)
    stack.run()
    stack.report.run(GENERATION, FAILED)

    assert stack.comes_again() == "held"
    assert (stack.job.attempt, stack.job.charge) == (2, Charge.CHARGED)
    assert stack.bus.types == [EventType.SUBMITTED, EventType.HELD]


# --- its event --------------------------------------------------------------------------------------------------------


def test_a_held_event_is_published_when_its_message_comes_again(stack: FakeStack):
    stack.limit(0)
    stack.bus.takes_nothing = True
    with pytest.raises(PublishFault):
        stack.run()
    assert (stack.job.status, stack.job.pending_events) == (JobStatus.HELD, {EventType.HELD})
    stack.bus.takes_nothing = False

    assert stack.run() == "held"
    assert published(stack) == [(EventType.HELD, "held")]


def test_a_held_event_that_is_published_late_comes_before_what_follows(stack: FakeStack):
    stack.limit(0)
    stack.bus.takes_nothing = True
    with pytest.raises(PublishFault):
        stack.run()
    stack.limit(None)
    assert "released" not in stack.sweep.run()
    stack.bus.takes_nothing = False

    assert released(stack) == "generating"

    assert published(stack) == [(EventType.HELD, "held"), (EventType.SUBMITTED, "generating")]


def test_a_job_whose_wait_was_published_can_still_be_held_and_rejected(stack: FakeStack):
    stack.provider.submit_answer = KeyRefused(401)
    stack.run()
    stack.limit(0)
    assert stack.comes_again() == "held"
    stack.limit(5000)
    stack.images.stored = Missing.GONE

    released(stack)

    assert stack.bus.types == [EventType.DEFERRED, EventType.HELD, EventType.REJECTED]
    assert stack.job.status is JobStatus.REJECTED


def test_a_held_event_that_is_owed_is_not_lost_in_waiting(stack: FakeStack):
    stack.bus.takes_nothing = True
    stack.limit(0)
    with pytest.raises(PublishFault):
        stack.run()
    stack.bus.takes_nothing = False
    stack.limit(5000)
    stack.provider.submit_answer = NoBalance(402)

    released(stack)

    reasons = [detail["data"]["reason"]["code"] for _, detail in stack.bus.published]
    assert stack.bus.types == [EventType.HELD, EventType.DEFERRED]
    assert reasons == ["daily_limit", "provider_balance"]


def test_a_wait_that_was_held_in_between_counts_from_its_release(held: FakeStack):
    held.clock.pass_seconds(86_400)
    held.limit(5000)
    held.provider.submit_answer = Busy(429, 30)
    released(held)
    assert held.bus.types == [EventType.HELD]
    held.provider.submit_answer = ACCEPTED

    assert held.comes_again() == "generating"
    assert held.bus.types == [EventType.HELD, EventType.SUBMITTED]
