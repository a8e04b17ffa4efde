"""What the sweeper does with jobs that wait: a lost message, a long wait, a dead letter, and a wait that is too long."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.domain.backoff import NOTICE_AFTER
from dropreel.domain.job import Charge, EventType, JobStatus, receive
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.answers import Busy
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, QUIET
from tests.support.fake_stack import ACCEPTED, DROP, JOB_ID, FakeStack
from tests.support.interleaving import just_before
from tests.support.sample_jobs import IMAGE, NOON
from tests.support.swept_jobs import IDS, MOMENT, at, lay, pass_time, sweep_until

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
def test_a_deferred_job_gets_a_new_message_an_hour_after_its_time(stack: FakeStack, retry_at, late, done):
    lay(stack, 0, "deferred", requeues=3, retry_at=retry_at)
    pass_time(stack, max(retry_at or NOON, NOON) - NOON + MESSAGE_LOST + late)

    assert stack.sweep.run() == done
    assert stack.queue.sent == ([(RetryMessage(IDS[0], 1, 4), 0)] if done else [])
    assert at(stack, 0).requeues == (4 if done else 3)


def test_a_lost_message_is_replaced_again_only_when_the_new_one_is_lost(stack: FakeStack):
    lay(stack, 0, "deferred", requeues=1, retry_at=NOON)

    assert sweep_until(stack, timedelta(hours=2)) == [60, 120]
    assert [message.requeues for message, _delay in stack.queue.sent] == [2, 3]


def test_the_message_that_was_not_lost_after_all_is_overtaken(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run()
    slow, _delay = stack.queue.sent.pop()
    pass_time(stack, MESSAGE_LOST + timedelta(seconds=30))
    stack.sweep.run()

    assert stack.run(slow) == "overtaken"
    stack.provider.submit_answer = ACCEPTED
    assert stack.comes_again() == "generating"
    assert stack.run(slow) == "generating"
    assert len(stack.provider.sent) == 2


def test_a_sweep_that_lost_the_save_sends_nothing(stack: FakeStack):
    lay(stack, 0, "deferred", requeues=1)
    pass_time(stack, MESSAGE_LOST)
    just_before(stack.database, "save deferred", stack.sweep.run)

    assert stack.sweep.run() == {}
    assert stack.queue.sent == [(RetryMessage(IDS[0], 1, 2), 0)]


@pytest.mark.parametrize(
    ("outside", "when", "action"), [("database", "broken_after", "save deferred"), ("queue", "broken_before", "send")]
)
def test_a_crash_between_saving_and_sending_is_repaired_by_a_later_sweep(stack: FakeStack, outside, when, action):
    lay(stack, 0, "deferred", requeues=1)
    pass_time(stack, MESSAGE_LOST)
    broken = getattr(getattr(stack, outside), when)
    broken.add(action)
    assert stack.sweep.run() == {"not_swept": 1}
    broken.clear()
    assert (at(stack, 0).requeues, stack.queue.sent) == (2, [])

    pass_time(stack, 2 * MESSAGE_LOST - MOMENT)
    assert stack.sweep.run() == {}
    pass_time(stack, 2 * MESSAGE_LOST)
    assert stack.sweep.run() == {"requeued": 1}
    assert stack.queue.sent == [(RetryMessage(IDS[0], 1, 3), 0)]


def test_a_lost_message_is_replaced_though_the_bus_takes_nothing(stack: FakeStack):
    lay(stack, 0, "deferred", reason=BUSY)
    stack.bus.takes_nothing = True
    pass_time(stack, timedelta(hours=1))

    assert stack.sweep.run() == {"not_swept": 1}
    assert len(stack.queue.sent) == 1
    assert at(stack, 0).pending_events == {EventType.DEFERRED}


def test_a_job_with_a_new_message_is_submitted_when_that_comes(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run()
    stack.queue.sent.clear()
    pass_time(stack, MESSAGE_LOST + timedelta(seconds=30))

    stack.sweep.run()
    stack.comes_again()

    assert len(stack.provider.sent) == 2


def test_a_job_that_was_never_validated_gets_no_message_of_ours(stack: FakeStack):
    """Its event is all that can validate it: that is in the queue, or a dead letter by now."""
    stack.database.put(receive(IDS[0], IMAGE, NOON))
    pass_time(stack, 6 * DAY)

    assert stack.sweep.run() == {}
    assert stack.queue.sent == []


# --- a wait that its owner hears of ----------------------------------------------------------------------------------


def test_a_job_that_has_waited_for_long_is_published_once(stack: FakeStack):
    lay(stack, 0, "deferred", reason=BUSY, retry_at=DUE)
    pass_time(stack, NOTICE_AFTER)

    assert stack.sweep.run() == {"published": 1}
    pass_time(stack, NOTICE_AFTER + timedelta(minutes=5))
    assert stack.sweep.run() == {}
    assert stack.bus.types == [EventType.DEFERRED]
    assert stack.queue.sent == []


def test_a_job_that_has_not_waited_for_long_is_not_published(stack: FakeStack):
    lay(stack, 0, "deferred", reason=BUSY, retry_at=DUE)
    pass_time(stack, NOTICE_AFTER - MOMENT)

    assert stack.sweep.run() == {}


@pytest.mark.parametrize("reason", [BUSY, KEY_REFUSED, DEAD])
def test_a_waiting_job_that_owes_its_event_is_published(stack: FakeStack, reason):
    owed = frozenset({EventType.DEFERRED})
    lay(stack, 0, "deferred", reason=reason, notices={EventType.DEFERRED: reason}, retry_at=DUE, pending_events=owed)
    pass_time(stack)

    assert stack.sweep.run() == {"published": 1}
    assert stack.bus.types == [EventType.DEFERRED]
    assert at(stack, 0).pending_events == frozenset()


def test_a_job_that_was_deferred_a_moment_ago_is_left_alone(stack: FakeStack):
    lay(
        stack,
        0,
        "deferred",
        reason=BUSY,
        notices={EventType.DEFERRED: BUSY},
        retry_at=DUE,
        updated_at=NOON + 3 * MOMENT,
        pending_events=frozenset({EventType.DEFERRED}),
    )
    pass_time(stack, QUIET)

    assert stack.sweep.run() == {}
    assert stack.bus.types == []


# --- dead letters ----------------------------------------------------------------------------------------------------


def test_a_job_that_was_received_and_never_validated_is_a_dead_letter(stack: FakeStack):
    """Its function was killed each time, and could not say so itself."""
    stack.has(status=JobStatus.DEFERRED, generation_id=None, options=None)
    stack.dead_letters.letters = [DROP]
    pass_time(stack, timedelta(minutes=70))

    assert stack.sweep.run() == {"dead_letters": 1}
    assert stack.job.is_dead_letter
    ((event, detail),) = stack.bus.published
    assert (event, detail["data"]["reason"]["code"]) == (EventType.DEFERRED, "dead_letter")
    assert stack.job.waits_for == "operator"

    assert stack.sweep.run() == {}
    assert stack.bus.types == [EventType.DEFERRED]


def test_a_drop_that_never_reached_the_function_gets_a_job_and_its_event(stack: FakeStack):
    stack.dead_letters.letters = [DROP]

    assert stack.sweep.run() == {"dead_letters": 1}
    assert (stack.job.status, stack.job.is_dead_letter) == (JobStatus.DEFERRED, True)
    assert stack.bus.types == [EventType.DEFERRED]


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.DEFERRED])
def test_a_job_that_has_gone_on_is_no_dead_letter(stack: FakeStack, status, caplog):
    job = stack.has(status=status, lease_until=DUE)
    stack.dead_letters.letters = [DROP]
    stack.limit(0)

    assert stack.sweep.run() == {}
    assert (stack.job, caplog.records) == (job, [])


def test_a_dead_letter_that_another_message_has_overtaken_is_not_noted(stack: FakeStack):
    job = stack.has(status=JobStatus.DEFERRED, requeues=2, retry_at=DUE, generation_id=None)
    stack.dead_letters.letters = [DROP, RetryMessage(JOB_ID, 1, 1)]

    assert stack.sweep.run() == {}
    assert stack.job == job


def test_a_dead_letter_that_cannot_be_noted_does_not_hold_up_the_next(stack: FakeStack):
    lay(stack, 0, "deferred", requeues=1, retry_at=DUE)
    lay(stack, 1, "deferred", requeues=1, retry_at=DUE)
    stack.dead_letters.letters = [RetryMessage(IDS[0], 1, 1), RetryMessage(IDS[1], 1, 1)]
    stack.database.unreadable.add(IDS[0])

    assert stack.sweep.run() == {"dead_letters": 1}
    assert at(stack, 1).is_dead_letter


def test_a_dead_letter_queue_that_cannot_be_read_holds_up_no_job(stack: FakeStack):
    lay(stack, 0, "rejected", pending_events=frozenset({EventType.REJECTED}))
    stack.dead_letters.broken_before.add("dead_letters")
    pass_time(stack)

    assert stack.sweep.run() == {"not_swept": 1, "published": 1}


@pytest.mark.parametrize("options", [{}, {"options": None}])
def test_a_dead_letter_is_left_alone_until_its_age(stack: FakeStack, options):
    job = lay(stack, 0, "deferred", **NOTICED, **options)

    for days in range(1, 14):
        pass_time(stack, days * DAY)
        assert stack.sweep.run() == {}

    assert (at(stack, 0), stack.queue.sent, stack.bus.types) == (job, [], [])


def test_a_dead_letter_whose_event_cannot_be_published_gets_no_message(stack: FakeStack):
    lay(stack, 0, "deferred", **NOTICED, pending_events=frozenset({EventType.DEFERRED}))
    stack.bus.takes_nothing = True
    pass_time(stack, DAY)

    assert stack.sweep.run() == {"not_swept": 1}
    assert stack.queue.sent == []


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


def waits(stack: FakeStack, what: str, **changes: Any) -> timedelta:
    """Let a job wait from noon on, and no money come; return how long it may."""
    stack.limit(0)
    status, longest, fields = WAITS[what]
    lay(stack, 0, status, **{**fields, "notices": {EventType.DEFERRED: BUSY}, **changes})
    return longest


@pytest.mark.parametrize("what", WAITS)
def test_what_waits_is_left_alone_until_its_longest_age(stack: FakeStack, what):
    longest = waits(stack, what)
    pass_time(stack, longest - MOMENT)

    stack.sweep.run()

    assert not at(stack, 0).is_terminal
    assert stack.bus.types == []


@pytest.mark.parametrize("charge", Charge)
@pytest.mark.parametrize("what", WAITS)
def test_what_has_waited_for_its_longest_age_ends_by_what_it_cost(stack: FakeStack, what, charge):
    longest = waits(stack, what, charge=charge, attempt=1 if charge is Charge.NONE else 2)
    pass_time(stack, longest)

    assert stack.sweep.run() == {"ended": 1}

    status, event = OUTCOMES[charge]
    assert (at(stack, 0).status, at(stack, 0).charge) == (status, charge)
    assert at(stack, 0).has_reason(ReasonCode.WAITED_TOO_LONG)
    assert stack.bus.types == [event]
    assert at(stack, 0).waits_for is None
    assert (stack.queue.sent, stack.provider.sent) == ([], [])


@pytest.mark.parametrize("what", WAITS)
def test_why_it_waited_and_the_providers_words_are_kept(stack: FakeStack, what):
    longest = waits(stack, what)
    before = at(stack, 0).reason
    assert before is not None
    pass_time(stack, longest)

    stack.sweep.run()

    reason = at(stack, 0).reason
    assert reason is not None
    assert f"{longest.days} days" in reason.message
    assert before.message in reason.message
    assert reason.provider_error == before.provider_error
    assert (reason.provider_error is None) is (what == "held")


def test_a_job_that_was_never_validated_ends_after_seven_days(stack: FakeStack):
    stack.database.put(receive(IDS[0], IMAGE, NOON))
    pass_time(stack, 7 * DAY)

    assert stack.sweep.run() == {"ended": 1}
    assert stack.bus.types == [EventType.REJECTED]


@pytest.mark.parametrize("what", WAITS)
def test_an_end_that_cannot_be_published_is_published_by_a_later_sweep(stack: FakeStack, what):
    longest = waits(stack, what)
    stack.bus.takes_nothing = True
    pass_time(stack, longest)
    assert stack.sweep.run() == {"not_swept": 1}
    stack.bus.takes_nothing = False
    pass_time(stack, longest + QUIET)

    assert stack.sweep.run() == {"published": 1}
    assert stack.bus.types == [EventType.REJECTED]


@pytest.mark.parametrize("what", WAITS)
def test_a_job_that_goes_on_while_it_is_ended_is_not_ended(stack: FakeStack, what):
    longest = waits(stack, what)
    pass_time(stack, longest)
    job = at(stack, 0)
    gone_on = replace(job, status=JobStatus.SUBMITTING, lease_until=DUE)
    just_before(stack.database, "save rejected", lambda: stack.jobs.save(job, gone_on))

    assert stack.sweep.run() == {}
    assert (at(stack, 0).status, stack.bus.types) == (JobStatus.SUBMITTING, [])
