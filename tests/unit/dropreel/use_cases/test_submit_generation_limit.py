"""The day's spend limit: a job is submitted if it fits, held if not, and rejected if its price is above the whole limit."""

import pytest

from dropreel.domain.errors import PublishFault
from dropreel.domain.images import Missing
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.prices import PRICE_CENTS, usd
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.submit_answers import Busy, KeyRefused, NoBalance
from tests.support.fake_stack import ACCEPTED, DROP, GENERATION, JOB_ID, FakeStack
from tests.support.interleaving import just_before
from tests.support.sample_jobs import PRICE

FAILED = Reason(ReasonCode.GENERATION_FAILED, "The provider could not make the video: no faces")
DAY = "2026-05-04"


def published(stack: FakeStack) -> list[tuple[str, str]]:
    """Return the published events, each with the job's status in it."""
    return [(event, detail["data"]["status"]) for event, detail in stack.bus.published]


def released(stack: FakeStack) -> str:
    """Release the held job by a sweep and deliver its retry message; return the outcome."""
    assert stack.sweep.run().get("released") == 1
    return stack.deliver_retry_message()


@pytest.fixture
def held(stack: FakeStack) -> FakeStack:
    """The upload's job is held: spending is paused."""
    stack.set_daily_limit(0)
    assert stack.run() == "held"
    return stack


# --- the claim decides ------------------------------------------------------------------------------------------------


def test_a_job_that_exactly_fits_the_day_is_submitted(stack: FakeStack):
    stack.set_daily_limit(2 * PRICE)
    stack.database.set_reserved(DAY, PRICE)

    assert stack.run() == "generating"
    assert stack.reserved == 2 * PRICE


def test_a_job_that_would_pass_the_days_limit_is_held_and_published(stack: FakeStack):
    stack.set_daily_limit(2 * PRICE)
    stack.database.set_reserved(DAY, PRICE + 1)

    outcome = stack.run()

    assert outcome == "held"
    assert (stack.job.status, stack.job.charge, stack.job.reserved_day) == (JobStatus.HELD, Charge.NONE, None)
    assert stack.job.reason is not None
    assert stack.job.reason.code == "daily_limit"
    assert (stack.provider.sent, stack.queue.sent, stack.reserved) == ([], [], PRICE + 1)
    ((kind, detail),) = stack.bus.published
    assert (kind, detail["data"]["status"], detail["data"]["reason"]["code"]) == (EventType.HELD, "held", "daily_limit")


def test_a_held_job_was_validated(stack: FakeStack):
    stack.set_daily_limit(0)
    stack.image.metadata = {"mode": "hq"}

    stack.run()

    assert stack.job.options is not None
    assert (stack.job.options.mode, stack.job.cost_cents, stack.job.image.format) == (
        "hq",
        PRICE_CENTS["hq", 5],
        "JPEG",
    )


def test_a_limit_of_0_holds_and_rejects_nothing(stack: FakeStack):
    stack.set_daily_limit(0)

    assert stack.run() == "held"
    assert stack.provider.sent == []


def test_without_a_limit_nothing_is_held(stack: FakeStack):
    stack.set_daily_limit(None)
    stack.database.set_reserved(DAY, 10**9)

    assert stack.run() == "generating"


def test_a_price_above_the_whole_limit_is_rejected_with_both_amounts(stack: FakeStack):
    stack.set_daily_limit(PRICE - 1)

    outcome = stack.run()

    assert outcome == "rejected"
    assert stack.job.reason is not None
    assert stack.job.reason.code == "over_daily_limit"
    assert f"${usd(PRICE)}" in stack.job.reason.message
    assert f"${usd(PRICE - 1)}" in stack.job.reason.message
    assert stack.bus.types == [EventType.REJECTED]
    assert (stack.provider.sent, stack.reserved) == ([], 0)


def test_room_used_between_validation_and_claim_counts(stack: FakeStack):
    stack.set_daily_limit(2 * PRICE)
    just_before(stack.database, "save submitting", lambda: stack.database.set_reserved(DAY, PRICE + 1))

    assert stack.run() == "held"
    assert (stack.provider.sent, stack.reserved) == ([], PRICE + 1)


# --- a held job -------------------------------------------------------------------------------------------------------


def test_a_held_job_is_published_once_for_duplicate_messages(held: FakeStack):
    held.redeliver()
    again = held.run(RetryMessage(JOB_ID, 1, 0))

    assert again == "held"
    assert held.bus.types == [EventType.HELD]
    assert held.queue.sent == []


@pytest.mark.parametrize("message", [DROP, RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 1)])
def test_no_message_releases_a_held_job(held: FakeStack, message):
    held.set_daily_limit(None)

    assert held.run(message) == "held"
    assert held.provider.sent == []


def test_a_held_job_is_submitted_once_the_day_has_room(held: FakeStack):
    held.set_daily_limit(PRICE)

    outcome = released(held)

    assert outcome == "generating"
    assert held.bus.types == [EventType.HELD, EventType.SUBMITTED]
    assert held.job.reason is None
    assert held.reserved == PRICE


def test_duplicates_of_a_held_jobs_retry_message_submit_it_once(held: FakeStack):
    held.set_daily_limit(None)
    held.sweep.run()
    ((message, _),) = held.queue.sent

    outcomes = [held.run(message) for _ in range(3)]

    assert outcomes == ["generating"] * 3
    assert (len(held.provider.sent), held.reserved) == (1, PRICE)


def test_the_next_day_has_room_again(stack: FakeStack):
    stack.set_daily_limit(PRICE)
    stack.database.set_reserved(DAY, PRICE)
    stack.run()
    stack.clock.pass_seconds(86_400)

    assert released(stack) == "generating"
    assert stack.database.reserved == {DAY: PRICE, "2026-05-05": PRICE}


def test_a_deferred_job_is_held_if_the_day_is_full_by_then(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run()
    stack.set_daily_limit(0)

    outcome = stack.deliver_retry_message()

    assert outcome == "held"
    assert stack.bus.types == [EventType.HELD]
    assert (len(stack.provider.sent), stack.queue.sent) == (1, [])


def test_a_job_that_is_held_again_in_one_attempt_is_not_published_again(held: FakeStack):
    held.set_daily_limit(PRICE)
    held.provider.submit_answer = Busy(429, 30)
    released(held)
    held.set_daily_limit(0)

    outcome = held.deliver_retry_message()

    assert (outcome, held.job.status) == ("held", "held")
    assert held.bus.types == [EventType.HELD]


def test_a_held_job_whose_image_was_deleted_is_rejected(held: FakeStack):
    held.set_daily_limit(PRICE)
    held.images.stored = Missing.GONE

    outcome = released(held)

    assert outcome == "rejected"
    assert held.bus.types == [EventType.HELD, EventType.REJECTED]


def test_a_held_job_above_a_lowered_limit_is_rejected(held: FakeStack):
    held.set_daily_limit(PRICE - 1)

    assert released(held) == "rejected"
    assert held.reserved == 0


def test_a_next_attempt_without_room_is_held(stack: FakeStack):
    stack.set_daily_limit(PRICE)
    stack.run()
    stack.report.run(GENERATION, FAILED)

    assert stack.deliver_retry_message() == "held"
    assert (stack.job.attempt, stack.job.charge) == (2, Charge.CHARGED)
    assert stack.bus.types == [EventType.SUBMITTED, EventType.HELD]


# --- its event --------------------------------------------------------------------------------------------------------


def test_a_held_event_is_published_when_its_message_is_redelivered(stack: FakeStack):
    stack.set_daily_limit(0)
    stack.bus.refuses_all = True
    with pytest.raises(PublishFault):
        stack.run()
    assert (stack.job.status, stack.job.pending_events) == (JobStatus.HELD, {EventType.HELD})
    stack.bus.refuses_all = False

    assert stack.run() == "held"
    assert published(stack) == [(EventType.HELD, "held")]


def test_a_held_event_published_late_is_before_later_events(stack: FakeStack):
    stack.set_daily_limit(0)
    stack.bus.refuses_all = True
    with pytest.raises(PublishFault):
        stack.run()
    stack.set_daily_limit(None)
    assert "released" not in stack.sweep.run()
    stack.bus.refuses_all = False

    assert released(stack) == "generating"

    assert published(stack) == [(EventType.HELD, "held"), (EventType.SUBMITTED, "generating")]


def test_a_job_whose_wait_was_published_can_still_be_held_and_rejected(stack: FakeStack):
    stack.provider.submit_answer = KeyRefused(401)
    stack.run()
    stack.set_daily_limit(0)
    assert stack.deliver_retry_message() == "held"
    stack.set_daily_limit(5000)
    stack.images.stored = Missing.GONE

    released(stack)

    assert stack.bus.types == [EventType.DEFERRED, EventType.HELD, EventType.REJECTED]
    assert stack.job.status is JobStatus.REJECTED


def test_an_owed_held_event_survives_a_deferral(stack: FakeStack):
    stack.bus.refuses_all = True
    stack.set_daily_limit(0)
    with pytest.raises(PublishFault):
        stack.run()
    stack.bus.refuses_all = False
    stack.set_daily_limit(5000)
    stack.provider.submit_answer = NoBalance(402)

    released(stack)

    reasons = [detail["data"]["reason"]["code"] for _, detail in stack.bus.published]
    assert stack.bus.types == [EventType.HELD, EventType.DEFERRED]
    assert reasons == ["daily_limit", "provider_balance"]


def test_a_wait_that_was_held_in_between_counts_from_its_release(held: FakeStack):
    held.clock.pass_seconds(86_400)
    held.set_daily_limit(5000)
    held.provider.submit_answer = Busy(429, 30)
    released(held)
    assert held.bus.types == [EventType.HELD]
    held.provider.submit_answer = ACCEPTED

    assert held.deliver_retry_message() == "generating"
    assert held.bus.types == [EventType.HELD, EventType.SUBMITTED]
