"""What the sweeper does with jobs that wait: a lost message, a long wait, a dead letter, and a wait that is too long."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.answers import Busy
from dropreel.jobs import Charge, EventType, JobStatus, receive
from dropreel.messages import RetryMessage
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, QUIET
from dropreel.waiting import NOTICE_AFTER
from tests.unit.dropreel.interleaving import just_before
from tests.unit.dropreel.sample_jobs import IMAGE, NOON
from tests.unit.dropreel.swept_jobs import IDS, MOMENT, at, lay, pass_time, sweep_until
from tests.unit.dropreel.world import ACCEPTED, DROP, JOB_ID, World

BUSY = Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy (429).", provider_error="slow down")
KEY_REFUSED = Reason(ReasonCode.KEY_REFUSED, "x")
DEAD = Reason(ReasonCode.DEAD_LETTER, "It could not be processed.", provider_error="slow down")
LIMIT = Reason(ReasonCode.DAILY_LIMIT, "The daily limit would be passed.")
NOTICED = {"reason": DEAD, "notices": {EventType.DEFERRED: DEAD}}
DUE = NOON + timedelta(days=300)
DAY = timedelta(days=1)


# --- a message that was lost -----------------------------------------------------------------------------------------


def test_a_message_counts_as_lost_after_an_hour():
    assert timedelta(hours=1) == MESSAGE_LOST


@pytest.mark.parametrize("retry_at", [None, NOON - DAY, NOON, NOON + timedelta(hours=2)])
@pytest.mark.parametrize(("late", "done"), [(-MOMENT, {}), (timedelta(0), {"requeued": 1})])
def test_a_deferred_job_gets_a_new_message_an_hour_after_its_time(world: World, retry_at, late, done):
    lay(world, 0, "deferred", requeues=3, retry_at=retry_at)
    pass_time(world, max(retry_at or NOON, NOON) - NOON + MESSAGE_LOST + late)

    assert world.sweep.run() == done
    assert world.queue.sent == ([(RetryMessage(IDS[0], 1, 4), 0)] if done else [])
    assert at(world, 0).requeues == (4 if done else 3)


def test_a_lost_message_is_replaced_again_only_when_the_new_one_is_lost(world: World):
    lay(world, 0, "deferred", requeues=1, retry_at=NOON)

    assert sweep_until(world, timedelta(hours=2)) == [60, 120]
    assert [message.requeues for message, _delay in world.queue.sent] == [2, 3]


def test_the_message_that_was_not_lost_after_all_is_overtaken(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.run()
    slow, _delay = world.queue.sent.pop()
    pass_time(world, MESSAGE_LOST + timedelta(seconds=30))
    world.sweep.run()

    assert world.run(slow) == "overtaken"
    world.provider.submit_answer = ACCEPTED
    assert world.comes_again() == "generating"
    assert world.run(slow) == "generating"
    assert len(world.provider.sent) == 2


def test_a_sweep_that_lost_the_save_sends_nothing(world: World):
    lay(world, 0, "deferred", requeues=1)
    pass_time(world, MESSAGE_LOST)
    just_before(world.database, "save deferred", world.sweep.run)

    assert world.sweep.run() == {}
    assert world.queue.sent == [(RetryMessage(IDS[0], 1, 2), 0)]


@pytest.mark.parametrize(
    ("outside", "when", "action"), [("database", "broken_after", "save deferred"), ("queue", "broken_before", "send")]
)
def test_a_crash_between_saving_and_sending_is_repaired_by_a_later_sweep(world: World, outside, when, action):
    lay(world, 0, "deferred", requeues=1)
    pass_time(world, MESSAGE_LOST)
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    assert world.sweep.run() == {"not_swept": 1}
    broken.clear()
    assert (at(world, 0).requeues, world.queue.sent) == (2, [])

    pass_time(world, 2 * MESSAGE_LOST - MOMENT)
    assert world.sweep.run() == {}
    pass_time(world, 2 * MESSAGE_LOST)
    assert world.sweep.run() == {"requeued": 1}
    assert world.queue.sent == [(RetryMessage(IDS[0], 1, 3), 0)]


def test_a_lost_message_is_replaced_though_the_bus_takes_nothing(world: World):
    lay(world, 0, "deferred", reason=BUSY)
    world.bus.takes_nothing = True
    pass_time(world, timedelta(hours=1))

    assert world.sweep.run() == {"not_swept": 1}
    assert len(world.queue.sent) == 1
    assert at(world, 0).pending_events == {EventType.DEFERRED}


def test_a_job_with_a_new_message_is_submitted_when_that_comes(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.run()
    world.queue.sent.clear()
    pass_time(world, MESSAGE_LOST + timedelta(seconds=30))

    world.sweep.run()
    world.comes_again()

    assert len(world.provider.sent) == 2


def test_a_job_that_was_never_validated_gets_no_message_of_ours(world: World):
    """Its event is all that can validate it: that is in the queue, or a dead letter by now."""
    world.database.put(receive(IDS[0], IMAGE, NOON))
    pass_time(world, 6 * DAY)

    assert world.sweep.run() == {}
    assert world.queue.sent == []


# --- a wait that its owner hears of ----------------------------------------------------------------------------------


def test_a_job_that_has_waited_for_long_is_published_once(world: World):
    lay(world, 0, "deferred", reason=BUSY, retry_at=DUE)
    pass_time(world, NOTICE_AFTER)

    assert world.sweep.run() == {"published": 1}
    pass_time(world, NOTICE_AFTER + timedelta(minutes=5))
    assert world.sweep.run() == {}
    assert world.bus.types == [EventType.DEFERRED]
    assert world.queue.sent == []


def test_a_job_that_has_not_waited_for_long_is_not_published(world: World):
    lay(world, 0, "deferred", reason=BUSY, retry_at=DUE)
    pass_time(world, NOTICE_AFTER - MOMENT)

    assert world.sweep.run() == {}


@pytest.mark.parametrize("reason", [BUSY, KEY_REFUSED, DEAD])
def test_a_waiting_job_that_owes_its_event_is_published(world: World, reason):
    owed = frozenset({EventType.DEFERRED})
    lay(world, 0, "deferred", reason=reason, notices={EventType.DEFERRED: reason}, retry_at=DUE, pending_events=owed)
    pass_time(world)

    assert world.sweep.run() == {"published": 1}
    assert world.bus.types == [EventType.DEFERRED]
    assert at(world, 0).pending_events == frozenset()


def test_a_job_that_was_deferred_a_moment_ago_is_left_alone(world: World):
    lay(
        world,
        0,
        "deferred",
        reason=BUSY,
        notices={EventType.DEFERRED: BUSY},
        retry_at=DUE,
        updated_at=NOON + 3 * MOMENT,
        pending_events=frozenset({EventType.DEFERRED}),
    )
    pass_time(world, QUIET)

    assert world.sweep.run() == {}
    assert world.bus.types == []


# --- dead letters ----------------------------------------------------------------------------------------------------


def test_a_job_that_was_received_and_never_validated_is_a_dead_letter(world: World):
    """Its function was killed each time, and could not say so itself."""
    world.has(status=JobStatus.DEFERRED, generation_id=None, options=None)
    world.dead_letters.letters = [DROP]
    pass_time(world, timedelta(minutes=70))

    assert world.sweep.run() == {"dead_letters": 1}
    assert world.job.is_dead_letter
    ((event, detail),) = world.bus.published
    assert (event, detail["data"]["reason"]["code"]) == (EventType.DEFERRED, "dead_letter")
    assert world.job.waits_for == "operator"

    assert world.sweep.run() == {}
    assert world.bus.types == [EventType.DEFERRED]


def test_a_drop_that_never_reached_the_function_gets_a_job_and_its_event(world: World):
    world.dead_letters.letters = [DROP]

    assert world.sweep.run() == {"dead_letters": 1}
    assert (world.job.status, world.job.is_dead_letter) == (JobStatus.DEFERRED, True)
    assert world.bus.types == [EventType.DEFERRED]


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.DEFERRED])
def test_a_job_that_has_gone_on_is_no_dead_letter(world: World, status, caplog):
    job = world.has(status=status, lease_until=DUE)
    world.dead_letters.letters = [DROP]
    world.limit(0)

    assert world.sweep.run() == {}
    assert (world.job, caplog.records) == (job, [])


def test_a_dead_letter_that_another_message_has_overtaken_is_not_noted(world: World):
    job = world.has(status=JobStatus.DEFERRED, requeues=2, retry_at=DUE, generation_id=None)
    world.dead_letters.letters = [DROP, RetryMessage(JOB_ID, 1, 1)]

    assert world.sweep.run() == {}
    assert world.job == job


def test_a_dead_letter_that_cannot_be_noted_does_not_hold_up_the_next(world: World):
    lay(world, 0, "deferred", requeues=1, retry_at=DUE)
    lay(world, 1, "deferred", requeues=1, retry_at=DUE)
    world.dead_letters.letters = [RetryMessage(IDS[0], 1, 1), RetryMessage(IDS[1], 1, 1)]
    world.database.unreadable.add(IDS[0])

    assert world.sweep.run() == {"dead_letters": 1}
    assert at(world, 1).is_dead_letter


def test_a_dead_letter_queue_that_cannot_be_read_holds_up_no_job(world: World):
    lay(world, 0, "rejected", pending_events=frozenset({EventType.REJECTED}))
    world.dead_letters.broken_before.add("dead_letters")
    pass_time(world)

    assert world.sweep.run() == {"not_swept": 1, "published": 1}


@pytest.mark.parametrize("options", [{}, {"options": None}])
def test_a_dead_letter_is_left_alone_until_its_age(world: World, options):
    job = lay(world, 0, "deferred", **NOTICED, **options)

    for days in range(1, 14):
        pass_time(world, days * DAY)
        assert world.sweep.run() == {}

    assert (at(world, 0), world.queue.sent, world.bus.types) == (job, [], [])


def test_a_dead_letter_whose_event_cannot_be_published_gets_no_message(world: World):
    lay(world, 0, "deferred", **NOTICED, pending_events=frozenset({EventType.DEFERRED}))
    world.bus.takes_nothing = True
    pass_time(world, DAY)

    assert world.sweep.run() == {"not_swept": 1}
    assert world.queue.sent == []


# --- a wait that is too long -----------------------------------------------------------------------------------------

LONG_BEFORE = NOON - 400 * DAY
WAITS: dict[str, tuple[str, timedelta, dict[str, Any]]] = {
    # what waits: its status, how long it may, and fields of which one alone, with noon as its time, counts
    "deferred": (
        "deferred",
        7 * DAY,
        {"waiting_since": NOON, "created_at": LONG_BEFORE, "updated_at": LONG_BEFORE, "reason": BUSY, "retry_at": DUE},
    ),
    "dead letter": (
        "deferred",
        14 * DAY,
        {"updated_at": NOON, "created_at": LONG_BEFORE, "waiting_since": LONG_BEFORE, "reason": DEAD},
    ),
    "held": (
        "held",
        365 * DAY,
        {"created_at": NOON, "updated_at": NOON + 300 * DAY, "waiting_since": NOON + 300 * DAY, "reason": LIMIT},
    ),
}
OUTCOMES = {
    Charge.NONE: (JobStatus.REJECTED, EventType.REJECTED),
    Charge.CHARGED: (JobStatus.FAILED, EventType.FAILED),
    Charge.UNKNOWN: (JobStatus.UNKNOWN, EventType.UNKNOWN),
}


def waits(world: World, what: str, **changes: Any) -> timedelta:
    """Let a job wait from noon on, and no money come; return how long it may."""
    world.limit(0)
    status, longest, fields = WAITS[what]
    lay(world, 0, status, **{**fields, "notices": {EventType.DEFERRED: BUSY}, **changes})
    return longest


@pytest.mark.parametrize("what", WAITS)
def test_what_waits_is_left_alone_until_its_longest_age(world: World, what):
    longest = waits(world, what)
    pass_time(world, longest - MOMENT)

    world.sweep.run()

    assert not at(world, 0).is_terminal
    assert world.bus.types == []


@pytest.mark.parametrize("charge", Charge)
@pytest.mark.parametrize("what", WAITS)
def test_what_has_waited_for_its_longest_age_ends_by_what_it_cost(world: World, what, charge):
    longest = waits(world, what, charge=charge, attempt=1 if charge is Charge.NONE else 2)
    pass_time(world, longest)

    assert world.sweep.run() == {"ended": 1}

    status, event = OUTCOMES[charge]
    assert (at(world, 0).status, at(world, 0).charge) == (status, charge)
    assert at(world, 0).has_reason(ReasonCode.WAITED_TOO_LONG)
    assert world.bus.types == [event]
    assert at(world, 0).waits_for is None
    assert (world.queue.sent, world.provider.sent) == ([], [])


@pytest.mark.parametrize("what", WAITS)
def test_why_it_waited_and_the_providers_words_are_kept(world: World, what):
    longest = waits(world, what)
    before = at(world, 0).reason
    assert before is not None
    pass_time(world, longest)

    world.sweep.run()

    reason = at(world, 0).reason
    assert reason is not None
    assert f"{longest.days} days" in reason.message
    assert before.message in reason.message
    assert reason.provider_error == before.provider_error
    assert (reason.provider_error is None) is (what == "held")


def test_a_job_that_was_never_validated_ends_after_seven_days(world: World):
    world.database.put(receive(IDS[0], IMAGE, NOON))
    pass_time(world, 7 * DAY)

    assert world.sweep.run() == {"ended": 1}
    assert world.bus.types == [EventType.REJECTED]


@pytest.mark.parametrize("what", WAITS)
def test_an_end_that_cannot_be_published_is_published_by_a_later_sweep(world: World, what):
    longest = waits(world, what)
    world.bus.takes_nothing = True
    pass_time(world, longest)
    assert world.sweep.run() == {"not_swept": 1}
    world.bus.takes_nothing = False
    pass_time(world, longest + QUIET)

    assert world.sweep.run() == {"published": 1}
    assert world.bus.types == [EventType.REJECTED]


@pytest.mark.parametrize("what", WAITS)
def test_a_job_that_goes_on_while_it_is_ended_is_not_ended(world: World, what):
    longest = waits(world, what)
    pass_time(world, longest)
    job = at(world, 0)
    gone_on = replace(job, status=JobStatus.SUBMITTING, lease_until=DUE)
    just_before(world.database, "save rejected", lambda: world.jobs.save(job, gone_on))

    assert world.sweep.run() == {}
    assert (at(world, 0).status, world.bus.types) == (JobStatus.SUBMITTING, [])
