"""Which held jobs SweepJobs requeues, and in which order."""

from datetime import timedelta

import pytest

from dropreel.domain.errors import PublishFault
from dropreel.domain.job import EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.support.interleaving import just_before
from tests.support.sample_jobs import NOON, PRICE
from tests.support.swept_jobs import IDS, SWEEP_INTERVAL, job_at, put_job, set_time, sweep_until

LIMIT = Reason(ReasonCode.DAILY_LIMIT, "The daily limit would be passed.")
OWED = frozenset({EventType.HELD})
TODAY, YESTERDAY = "2026-05-04", "2026-05-03"


def held(stack: FakeStack, *prices: int) -> None:
    for number, price in enumerate(prices):
        put_job(stack, number, "held", cost_cents=price)
    set_time(stack, timedelta(minutes=1))


def released(stack: FakeStack) -> list[str]:
    return [message.job_id for message, _delay in stack.queue.sent]


# --- within the day's limit --------------------------------------------------------------------------------------------


def test_held_jobs_are_released_oldest_first_as_far_as_the_limit_allows(stack: FakeStack):
    held(stack, PRICE, 2 * PRICE, PRICE, PRICE)
    stack.set_daily_limit(4 * PRICE + 12)
    stack.database.set_reserved(TODAY, 12)

    assert stack.sweep.run() == {"released": 3}
    assert released(stack) == IDS[:3]
    assert stack.reserved == 12


def test_a_more_expensive_job_is_not_overtaken_by_cheaper_ones_behind_it(stack: FakeStack):
    held(stack, 4 * PRICE, PRICE)
    stack.set_daily_limit(4 * PRICE)
    stack.database.set_reserved(TODAY, 2 * PRICE)

    assert stack.sweep.run() == {}
    assert released(stack) == []


@pytest.mark.parametrize(("reserved", "number"), [(PRICE, 1), (PRICE + 1, 0)])
def test_room_for_exactly_one_releases_one(stack: FakeStack, reserved, number):
    held(stack, PRICE, PRICE)
    stack.set_daily_limit(2 * PRICE)
    stack.database.set_reserved(TODAY, reserved)

    stack.sweep.run()

    assert len(released(stack)) == number


def test_without_a_limit_all_are_released(stack: FakeStack):
    held(stack, PRICE, 4 * PRICE, 2 * PRICE)
    stack.set_daily_limit(None)

    assert stack.sweep.run() == {"released": 3}


def test_a_pause_releases_nothing(stack: FakeStack):
    held(stack, PRICE)
    stack.set_daily_limit(0)

    assert stack.sweep.run() == {}


def test_yesterdays_spending_does_not_count_today(stack: FakeStack):
    held(stack, PRICE)
    stack.set_daily_limit(PRICE)
    stack.database.set_reserved(YESTERDAY, PRICE)

    assert stack.sweep.run() == {"released": 1}


def test_a_job_above_the_whole_limit_passes_and_takes_no_room(stack: FakeStack):
    """SubmitGeneration rejects it."""
    held(stack, 4 * PRICE, PRICE)
    stack.set_daily_limit(PRICE)

    assert stack.sweep.run() == {"released": 2}
    assert released(stack) == IDS[:2]


# --- one retry message each -------------------------------------------------------------------------------------------------


def test_a_released_job_gets_a_message_with_a_new_number(stack: FakeStack):
    put_job(stack, 0, "held", requeues=4, attempt=2, reason=LIMIT)
    set_time(stack, timedelta(minutes=1))

    stack.sweep.run()

    assert stack.queue.sent == [(RetryMessage(IDS[0], 2, 5), 0)]
    job = job_at(stack, 0)
    assert (job.status, job.requeues, job.reason) == (JobStatus.DEFERRED, 5, None)
    assert job.waiting_since == stack.clock.time


def test_a_message_from_before_the_hold_is_overtaken(stack: FakeStack):
    stack.set_daily_limit(0)
    assert stack.run() == "held"
    stack.set_daily_limit(PRICE)
    stack.clock.pass_seconds(1)
    stack.sweep.run()

    assert stack.run() == "overtaken"
    assert stack.deliver_retry_message() == "generating"
    assert len(stack.provider.sent) == 1


def test_a_released_job_is_not_requeued_within_the_hour(stack: FakeStack):
    held(stack, PRICE)
    stack.set_daily_limit(PRICE)

    assert sweep_until(stack, timedelta(hours=2)) == [1, 61]
    assert [message.requeues for message, _delay in stack.queue.sent] == [1, 2]


def test_a_released_job_that_is_held_again_is_released_again(stack: FakeStack):
    stack.set_daily_limit(0)
    stack.run()
    stack.set_daily_limit(PRICE)
    stack.clock.pass_seconds(1)
    assert stack.sweep.run() == {"released": 1}
    stack.database.set_reserved(TODAY, PRICE)  # another job took the room
    assert stack.deliver_retry_message() == "held"
    stack.database.set_reserved(TODAY, 0)

    assert stack.sweep.run() == {"released": 1}
    assert stack.deliver_retry_message() == "generating"
    assert stack.bus.types == [EventType.HELD, EventType.SUBMITTED]
    assert len(stack.provider.sent) == 1


def test_two_sweeps_at_once_release_a_job_once(stack: FakeStack):
    held(stack, PRICE)
    just_before(stack.database, "save deferred", stack.sweep.run)

    assert stack.sweep.run() == {}
    assert stack.queue.sent == [(RetryMessage(IDS[0], 1, 1), 0)]


@pytest.mark.parametrize(
    ("outside", "when", "action"), [("database", "fails_after", "save deferred"), ("queue", "fails_before", "send")]
)
def test_a_crash_between_saving_and_sending_only_delays_the_message(stack: FakeStack, outside, when, action):
    held(stack, PRICE)
    broken = getattr(getattr(stack, outside), when)
    broken.add(action)
    assert stack.sweep.run() == {"not_swept": 1}
    broken.clear()
    assert (job_at(stack, 0).requeues, stack.queue.sent) == (1, [])

    stack.clock.pass_seconds((MESSAGE_LOST - SWEEP_INTERVAL).total_seconds())
    assert stack.sweep.run() == {}
    stack.clock.pass_seconds(SWEEP_INTERVAL.total_seconds())
    assert stack.sweep.run() == {"requeued": 1}
    assert stack.queue.sent == [(RetryMessage(IDS[0], 1, 2), 0)]


# --- its Held event ------------------------------------------------------------------------------------------------------


def test_a_held_job_that_still_owes_its_event_is_published_when_released(stack: FakeStack):
    put_job(stack, 0, "held", reason=LIMIT, notices={EventType.HELD: LIMIT}, pending_events=OWED)

    assert stack.sweep.run() == {"released": 1}

    assert stack.bus.types == [EventType.HELD]
    assert stack.journal.index("publish") < stack.journal.index("save deferred")


def test_a_held_job_whose_event_cannot_be_published_is_not_released(stack: FakeStack):
    put_job(stack, 0, "held", reason=LIMIT, notices={EventType.HELD: LIMIT}, pending_events=OWED)
    stack.bus.refuses_all = True

    assert stack.sweep.run() == {"not_swept": 1}
    assert (job_at(stack, 0).status, stack.queue.sent) == (JobStatus.HELD, [])


def test_a_held_jobs_owed_event_is_published_without_room(stack: FakeStack):
    put_job(stack, 0, "held", reason=LIMIT, notices={EventType.HELD: LIMIT}, pending_events=OWED)
    stack.set_daily_limit(0)
    set_time(stack)

    stack.sweep.run()

    assert stack.bus.types == [EventType.HELD]
    assert stack.queue.sent == []


def test_a_job_released_while_it_is_published_is_not_released_again(stack: FakeStack):
    """Another sweep released it, and its message was delivered before this sweep continued."""
    stack.set_daily_limit(0)
    stack.bus.refuses_all = True
    with pytest.raises(PublishFault):
        stack.run()
    stack.bus.refuses_all = False
    stack.set_daily_limit(PRICE)
    stack.clock.pass_seconds(1)

    def released_and_submitted() -> None:
        stack.sweep.run()
        assert stack.deliver_retry_message() == "generating"

    just_before(stack.bus, "publish", released_and_submitted)

    assert stack.sweep.run() == {}
    assert (stack.job.status, stack.queue.sent, stack.job.job_id) == (JobStatus.GENERATING, [], JOB_ID)
    assert len(stack.provider.sent) == 1
    assert stack.clock.time < NOON + SWEEP_INTERVAL
