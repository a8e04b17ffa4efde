"""Which held jobs the sweeper brings back to the queue, and in which order."""

from datetime import timedelta

import pytest

from dropreel.errors import PublishFault
from dropreel.jobs import EventType, JobStatus
from dropreel.messages import RetryMessage
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST
from tests.unit.dropreel.interleaving import just_before
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.swept_jobs import EVERY, IDS, at, lay, pass_time, sweep_until
from tests.unit.dropreel.world import JOB_ID, World

LIMIT = Reason(ReasonCode.DAILY_LIMIT, "The daily limit would be passed.")
OWED = frozenset({EventType.HELD})
TODAY, YESTERDAY = "2026-05-04", "2026-05-03"


def held(world: World, *prices: int) -> None:
    for number, price in enumerate(prices):
        lay(world, number, "held", cost_cents=price)
    pass_time(world, timedelta(minutes=1))


def released(world: World) -> list[str]:
    return [message.job_id for message, _delay in world.queue.sent]


# --- as far as the money goes ------------------------------------------------------------------------------------------


def test_held_jobs_are_released_oldest_first_as_far_as_the_money_goes(world: World):
    held(world, 47, 94, 47, 47)
    world.limit(200)
    world.database.reserve(TODAY, 12)

    assert world.sweep.run() == {"released": 3}
    assert released(world) == IDS[:3]
    assert world.reserved == 12


def test_a_more_expensive_job_is_not_overtaken_by_cheaper_ones_behind_it(world: World):
    held(world, 187, 47)
    world.limit(187)
    world.database.reserve(TODAY, 100)

    assert world.sweep.run() == {}
    assert released(world) == []


@pytest.mark.parametrize(("reserved", "number"), [(153, 1), (154, 0)])
def test_money_for_exactly_one_releases_one(world: World, reserved, number):
    held(world, 47, 47)
    world.limit(200)
    world.database.reserve(TODAY, reserved)

    world.sweep.run()

    assert len(released(world)) == number


def test_without_a_limit_all_are_released(world: World):
    held(world, 47, 187, 94)
    world.limit(None)

    assert world.sweep.run() == {"released": 3}


def test_a_pause_releases_nothing(world: World):
    held(world, 47)
    world.limit(0)

    assert world.sweep.run() == {}


def test_yesterdays_spending_does_not_count_today(world: World):
    held(world, 47)
    world.limit(50)
    world.database.reserve(YESTERDAY, 50)

    assert world.sweep.run() == {"released": 1}


def test_a_job_above_the_whole_limit_passes_and_takes_no_room(world: World):
    """Its submission rejects it."""
    held(world, 187, 47)
    world.limit(50)

    assert world.sweep.run() == {"released": 2}
    assert released(world) == IDS[:2]


# --- one message each ----------------------------------------------------------------------------------------------------


def test_a_released_job_gets_a_message_with_a_new_number(world: World):
    lay(world, 0, "held", requeues=4, attempt=2, reason=LIMIT)
    pass_time(world, timedelta(minutes=1))

    world.sweep.run()

    assert world.queue.sent == [(RetryMessage(IDS[0], 2, 5), 0)]
    job = at(world, 0)
    assert (job.status, job.requeues, job.reason) == (JobStatus.DEFERRED, 5, None)
    assert job.waiting_since == world.clock.time


def test_the_message_by_which_a_job_came_before_it_was_held_is_overtaken(world: World):
    world.limit(0)
    assert world.run() == "held"
    world.limit(50)
    world.clock.pass_seconds(1)
    world.sweep.run()

    assert world.run() == "overtaken"
    assert world.comes_again() == "generating"
    assert len(world.provider.sent) == 1


def test_a_released_job_whose_message_may_still_come_is_not_sent_again(world: World):
    held(world, 47)
    world.limit(50)

    assert sweep_until(world, timedelta(hours=2)) == [1, 61]
    assert [message.requeues for message, _delay in world.queue.sent] == [1, 2]


def test_a_released_job_that_found_no_money_is_released_again(world: World):
    world.limit(0)
    world.run()
    world.limit(50)
    world.clock.pass_seconds(1)
    assert world.sweep.run() == {"released": 1}
    world.database.reserve(TODAY, 47)  # somebody else was quicker
    assert world.comes_again() == "held"
    world.database.reserve(TODAY, 0)

    assert world.sweep.run() == {"released": 1}
    assert world.comes_again() == "generating"
    assert world.bus.types == [EventType.HELD, EventType.SUBMITTED]
    assert len(world.provider.sent) == 1


def test_two_sweeps_at_once_release_a_job_once(world: World):
    held(world, 47)
    just_before(world.database, "save deferred", world.sweep.run)

    assert world.sweep.run() == {}
    assert world.queue.sent == [(RetryMessage(IDS[0], 1, 1), 0)]


@pytest.mark.parametrize(
    ("outside", "when", "action"), [("database", "broken_after", "save deferred"), ("queue", "broken_before", "send")]
)
def test_a_crash_between_saving_and_sending_only_delays_the_message(world: World, outside, when, action):
    held(world, 47)
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    assert world.sweep.run() == {"not_swept": 1}
    broken.clear()
    assert (at(world, 0).requeues, world.queue.sent) == (1, [])

    world.clock.pass_seconds((MESSAGE_LOST - EVERY).total_seconds())
    assert world.sweep.run() == {}
    world.clock.pass_seconds(EVERY.total_seconds())
    assert world.sweep.run() == {"requeued": 1}
    assert world.queue.sent == [(RetryMessage(IDS[0], 1, 2), 0)]


# --- the event that it waits ---------------------------------------------------------------------------------------------


def test_a_held_job_that_still_owes_its_event_is_published_when_released(world: World):
    lay(world, 0, "held", reason=LIMIT, notices={EventType.HELD: LIMIT}, pending_events=OWED)

    assert world.sweep.run() == {"released": 1}

    assert world.bus.types == [EventType.HELD]
    assert world.journal.index("publish") < world.journal.index("save deferred")


def test_a_held_job_whose_event_cannot_be_published_is_not_released(world: World):
    lay(world, 0, "held", reason=LIMIT, notices={EventType.HELD: LIMIT}, pending_events=OWED)
    world.bus.takes_nothing = True

    assert world.sweep.run() == {"not_swept": 1}
    assert (at(world, 0).status, world.queue.sent) == (JobStatus.HELD, [])


def test_a_held_job_that_owes_its_event_is_published_without_money(world: World):
    lay(world, 0, "held", reason=LIMIT, notices={EventType.HELD: LIMIT}, pending_events=OWED)
    world.limit(0)
    pass_time(world)

    world.sweep.run()

    assert world.bus.types == [EventType.HELD]
    assert world.queue.sent == []


def test_a_job_that_leaves_the_hold_while_it_is_published_is_not_released(world: World):
    """Another sweep has released it, and its message came before this one went on."""
    world.limit(0)
    world.bus.takes_nothing = True
    with pytest.raises(PublishFault):
        world.run()
    world.bus.takes_nothing = False
    world.limit(50)
    world.clock.pass_seconds(1)

    def released_and_submitted() -> None:
        world.sweep.run()
        assert world.comes_again() == "generating"

    just_before(world.bus, "publish", released_and_submitted)

    assert world.sweep.run() == {}
    assert (world.job.status, world.queue.sent, world.job.job_id) == (JobStatus.GENERATING, [], JOB_ID)
    assert len(world.provider.sent) == 1
    assert world.clock.time < NOON + EVERY
