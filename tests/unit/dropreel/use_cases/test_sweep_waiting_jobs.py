"""SweepJobs on waiting jobs: lost messages, long waits, dead letters, and waits that are too long."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.domain.backoff import NOTICE_AFTER
from dropreel.domain.job import Charge, EventType, JobStatus, receive
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.submit_answers import Busy
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, QUIET
from tests.support.fake_stack import ACCEPTED, DROP, JOB_ID, FakeStack
from tests.support.interleaving import just_before
from tests.support.sample_jobs import IMAGE, NOON
from tests.support.swept_jobs import IDS, SECOND, job_at, put_job, set_time, sweep_until

BUSY = Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy (429).", provider_error="slow down")
KEY_REFUSED = Reason(ReasonCode.KEY_REFUSED, "x")
DEAD = Reason(ReasonCode.DEAD_LETTER, "It could not be processed.", provider_error="slow down")
LIMIT = Reason(ReasonCode.DAILY_LIMIT, "The daily limit would be passed.")
NOTICED = {"reason": DEAD, "notices": {EventType.DEFERRED: DEAD}}
DUE = NOON + timedelta(days=300)
DAY = timedelta(days=1)


# --- lost messages ---------------------------------------------------------------------------------------------------


def test_a_message_counts_as_lost_after_an_hour():
    assert timedelta(hours=1) == MESSAGE_LOST


@pytest.mark.parametrize("retry_at", [None, NOON - DAY, NOON, NOON + timedelta(hours=2)])
@pytest.mark.parametrize(("late", "done"), [(-SECOND, {}), (timedelta(0), {"requeued": 1})])
def test_a_deferred_job_gets_a_new_message_an_hour_after_its_time(stack: FakeStack, retry_at, late, done):
    put_job(stack, 0, "deferred", requeues=3, retry_at=retry_at)
    set_time(stack, max(retry_at or NOON, NOON) - NOON + MESSAGE_LOST + late)

    assert stack.sweep.run() == done
    assert stack.queue.sent == ([(RetryMessage(IDS[0], 1, 4), 0)] if done else [])
    assert job_at(stack, 0).requeues == (4 if done else 3)


def test_a_lost_message_is_replaced_again_only_when_the_new_one_is_lost(stack: FakeStack):
    put_job(stack, 0, "deferred", requeues=1, retry_at=NOON)

    assert sweep_until(stack, timedelta(hours=2)) == [60, 120]
    assert [message.requeues for message, _delay in stack.queue.sent] == [2, 3]


def test_a_replaced_message_that_arrives_late_is_overtaken(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run()
    slow, _delay = stack.queue.sent.pop()
    set_time(stack, MESSAGE_LOST + timedelta(seconds=30))
    stack.sweep.run()

    assert stack.run(slow) == "overtaken"
    stack.provider.submit_answer = ACCEPTED
    assert stack.deliver_retry_message() == "generating"
    assert stack.run(slow) == "generating"
    assert len(stack.provider.sent) == 2


def test_a_sweep_that_lost_the_save_sends_nothing(stack: FakeStack):
    put_job(stack, 0, "deferred", requeues=1)
    set_time(stack, MESSAGE_LOST)
    just_before(stack.database, "save deferred", stack.sweep.run)

    assert stack.sweep.run() == {}
    assert stack.queue.sent == [(RetryMessage(IDS[0], 1, 2), 0)]


@pytest.mark.parametrize(
    ("outside", "when", "action"), [("database", "fails_after", "save deferred"), ("queue", "fails_before", "send")]
)
def test_a_crash_between_saving_and_sending_is_repaired_by_a_later_sweep(stack: FakeStack, outside, when, action):
    put_job(stack, 0, "deferred", requeues=1)
    set_time(stack, MESSAGE_LOST)
    broken = getattr(getattr(stack, outside), when)
    broken.add(action)
    assert stack.sweep.run() == {"not_swept": 1}
    broken.clear()
    assert (job_at(stack, 0).requeues, stack.queue.sent) == (2, [])

    set_time(stack, 2 * MESSAGE_LOST - SECOND)
    assert stack.sweep.run() == {}
    set_time(stack, 2 * MESSAGE_LOST)
    assert stack.sweep.run() == {"requeued": 1}
    assert stack.queue.sent == [(RetryMessage(IDS[0], 1, 3), 0)]


def test_a_lost_message_is_replaced_while_the_bus_refuses_events(stack: FakeStack):
    put_job(stack, 0, "deferred", reason=BUSY)
    stack.bus.refuses_all = True
    set_time(stack, timedelta(hours=1))

    assert stack.sweep.run() == {"not_swept": 1}
    assert len(stack.queue.sent) == 1
    assert job_at(stack, 0).pending_events == {EventType.DEFERRED}


def test_a_job_is_submitted_by_its_replaced_message(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run()
    stack.queue.sent.clear()
    set_time(stack, MESSAGE_LOST + timedelta(seconds=30))

    stack.sweep.run()
    stack.deliver_retry_message()

    assert len(stack.provider.sent) == 2


def test_an_unvalidated_job_gets_no_retry_message(stack: FakeStack):
    """Only its S3 event can validate it, and that is in the queue or in the dead-letter queue."""
    stack.database.put(receive(IDS[0], IMAGE, NOON))
    set_time(stack, 6 * DAY)

    assert stack.sweep.run() == {}
    assert stack.queue.sent == []


# --- the Deferred event of a long wait -------------------------------------------------------------------------------


def test_a_job_that_has_waited_for_long_is_published_once(stack: FakeStack):
    put_job(stack, 0, "deferred", reason=BUSY, retry_at=DUE)
    set_time(stack, NOTICE_AFTER)

    assert stack.sweep.run() == {"published": 1}
    set_time(stack, NOTICE_AFTER + timedelta(minutes=5))
    assert stack.sweep.run() == {}
    assert stack.bus.types == [EventType.DEFERRED]
    assert stack.queue.sent == []


def test_a_job_that_has_not_waited_for_long_is_not_published(stack: FakeStack):
    put_job(stack, 0, "deferred", reason=BUSY, retry_at=DUE)
    set_time(stack, NOTICE_AFTER - SECOND)

    assert stack.sweep.run() == {}


@pytest.mark.parametrize("reason", [BUSY, KEY_REFUSED, DEAD])
def test_a_waiting_job_that_owes_its_event_is_published(stack: FakeStack, reason):
    owed = frozenset({EventType.DEFERRED})
    put_job(
        stack, 0, "deferred", reason=reason, notices={EventType.DEFERRED: reason}, retry_at=DUE, pending_events=owed
    )
    set_time(stack)

    assert stack.sweep.run() == {"published": 1}
    assert stack.bus.types == [EventType.DEFERRED]
    assert job_at(stack, 0).pending_events == frozenset()


def test_a_recently_deferred_job_is_not_swept(stack: FakeStack):
    put_job(
        stack,
        0,
        "deferred",
        reason=BUSY,
        notices={EventType.DEFERRED: BUSY},
        retry_at=DUE,
        updated_at=NOON + 3 * SECOND,
        pending_events=frozenset({EventType.DEFERRED}),
    )
    set_time(stack, QUIET)

    assert stack.sweep.run() == {}
    assert stack.bus.types == []


# --- dead letters ----------------------------------------------------------------------------------------------------


def test_a_job_that_was_received_and_never_validated_is_a_dead_letter(stack: FakeStack):
    """The function was killed at each receive, so it could not write it to the job itself."""
    stack.put_job(status=JobStatus.DEFERRED, generation_id=None, options=None)
    stack.dead_letters.letters = [DROP]
    set_time(stack, timedelta(minutes=70))

    assert stack.sweep.run() == {"dead_letters": 1}
    assert stack.job.is_dead_letter
    ((event, detail),) = stack.bus.published
    assert (event, detail["data"]["reason"]["code"]) == (EventType.DEFERRED, "dead_letter")
    assert stack.job.waits_for == "operator"

    assert stack.sweep.run() == {}
    assert stack.bus.types == [EventType.DEFERRED]


def test_an_upload_whose_function_was_always_killed_gets_job_and_event(stack: FakeStack):
    stack.dead_letters.letters = [DROP]

    assert stack.sweep.run() == {"dead_letters": 1}
    assert (stack.job.status, stack.job.is_dead_letter) == (JobStatus.DEFERRED, True)
    assert stack.bus.types == [EventType.DEFERRED]


@pytest.mark.parametrize("status", [JobStatus.DEFERRED, JobStatus.PREPARING])
def test_a_dead_letter_is_noted_in_the_status_that_the_job_has(stack: FakeStack, status):
    stack.put_job(status=status, requeues=1, generation_id=None)
    stack.dead_letters.letters = [RetryMessage(JOB_ID, 1, 1)]

    assert stack.sweep.run() == {"dead_letters": 1}
    assert (stack.job.status, stack.job.is_dead_letter) == (status, True)
    assert stack.bus.types == [EventType.DEFERRED]


@pytest.mark.parametrize(
    "status", [status for status in JobStatus if status not in (JobStatus.DEFERRED, JobStatus.PREPARING)]
)
def test_a_dead_letter_of_a_job_in_another_status_is_not_noted(stack: FakeStack, status, caplog):
    job = stack.put_job(status=status, lease_until=DUE)
    stack.dead_letters.letters = [DROP]
    stack.set_daily_limit(0)

    assert stack.sweep.run() == {}
    assert (stack.job, caplog.records) == (job, [])


def test_an_overtaken_dead_letter_is_not_noted(stack: FakeStack):
    job = stack.put_job(status=JobStatus.DEFERRED, requeues=2, retry_at=DUE, generation_id=None)
    stack.dead_letters.letters = [DROP, RetryMessage(JOB_ID, 1, 1)]

    assert stack.sweep.run() == {}
    assert stack.job == job


def test_a_dead_letter_that_cannot_be_noted_does_not_block_the_next(stack: FakeStack):
    put_job(stack, 0, "deferred", requeues=1, retry_at=DUE)
    put_job(stack, 1, "deferred", requeues=1, retry_at=DUE)
    stack.dead_letters.letters = [RetryMessage(IDS[0], 1, 1), RetryMessage(IDS[1], 1, 1)]
    stack.database.unreadable.add(IDS[0])

    assert stack.sweep.run() == {"dead_letters": 1}
    assert job_at(stack, 1).is_dead_letter


def test_a_dead_letter_queue_that_cannot_be_read_blocks_no_job(stack: FakeStack):
    put_job(stack, 0, "rejected", pending_events=frozenset({EventType.REJECTED}))
    stack.dead_letters.fails_before.add("dead_letters")
    set_time(stack)

    assert stack.sweep.run() == {"not_swept": 1, "published": 1}


@pytest.mark.parametrize("options", [{}, {"options": None}])
def test_a_dead_letter_is_not_swept_until_its_age(stack: FakeStack, options):
    job = put_job(stack, 0, "deferred", **NOTICED, **options)

    for days in range(1, 14):
        set_time(stack, days * DAY)
        assert stack.sweep.run() == {}

    assert (job_at(stack, 0), stack.queue.sent, stack.bus.types) == (job, [], [])


def test_a_dead_letter_whose_event_cannot_be_published_gets_no_message(stack: FakeStack):
    put_job(stack, 0, "deferred", **NOTICED, pending_events=frozenset({EventType.DEFERRED}))
    stack.bus.refuses_all = True
    set_time(stack, DAY)

    assert stack.sweep.run() == {"not_swept": 1}
    assert stack.queue.sent == []


# --- the maximum wait ------------------------------------------------------------------------------------------------

LONG_BEFORE = NOON - 400 * DAY
WAITS: dict[str, tuple[str, timedelta, dict[str, Any]]] = {
    # name: (status, maximum wait, fields of which only the one that is noon counts)
    "deferred": (
        "deferred",
        7 * DAY,
        {"waiting_since": NOON, "created_at": LONG_BEFORE, "updated_at": LONG_BEFORE, "reason": BUSY, "retry_at": DUE},
    ),
    "preparing": (
        "preparing",
        7 * DAY,
        {"waiting_since": NOON, "created_at": LONG_BEFORE, "updated_at": NOON + 7 * DAY, "reason": BUSY},
    ),
    "dead letter of a preparation": (
        "preparing",
        14 * DAY,
        {"updated_at": NOON, "created_at": LONG_BEFORE, "waiting_since": LONG_BEFORE, "reason": DEAD},
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


def put_waiting(stack: FakeStack, what: str, **changes: Any) -> timedelta:
    """Put a job that waits since noon under a zero limit; return its maximum wait."""
    stack.set_daily_limit(0)
    status, longest, fields = WAITS[what]
    put_job(stack, 0, status, **{**fields, "notices": {EventType.DEFERRED: BUSY}, **changes})
    return longest


@pytest.mark.parametrize("what", WAITS)
def test_a_waiting_job_is_not_ended_before_its_maximum_wait(stack: FakeStack, what):
    longest = put_waiting(stack, what)
    set_time(stack, longest - SECOND)

    stack.sweep.run()

    assert not job_at(stack, 0).is_terminal
    assert stack.bus.types == []


@pytest.mark.parametrize("charge", Charge)
@pytest.mark.parametrize("what", WAITS)
def test_a_job_at_its_maximum_wait_ends_by_what_it_cost(stack: FakeStack, what, charge):
    longest = put_waiting(stack, what, charge=charge, attempt=1 if charge is Charge.NONE else 2)
    set_time(stack, longest)

    assert stack.sweep.run() == {"ended": 1}

    status, event = OUTCOMES[charge]
    assert (job_at(stack, 0).status, job_at(stack, 0).charge) == (status, charge)
    assert job_at(stack, 0).has_reason(ReasonCode.WAITED_TOO_LONG)
    assert stack.bus.types == [event]
    assert job_at(stack, 0).waits_for == (None if charge is not Charge.UNKNOWN else "unknown")
    assert (stack.queue.sent, stack.provider.sent) == ([], [])


@pytest.mark.parametrize("what", WAITS)
def test_the_reason_for_the_wait_and_the_providers_text_are_kept(stack: FakeStack, what):
    longest = put_waiting(stack, what)
    before = job_at(stack, 0).reason
    assert before is not None
    set_time(stack, longest)

    stack.sweep.run()

    reason = job_at(stack, 0).reason
    assert reason is not None
    assert f"{longest.days} days" in reason.message
    assert before.message in reason.message
    assert reason.provider_error == before.provider_error
    assert (reason.provider_error is None) is (what == "held")


def test_a_job_that_was_never_validated_ends_after_seven_days(stack: FakeStack):
    stack.database.put(receive(IDS[0], IMAGE, NOON))
    set_time(stack, 7 * DAY)

    assert stack.sweep.run() == {"ended": 1}
    assert stack.bus.types == [EventType.REJECTED]


@pytest.mark.parametrize("what", WAITS)
def test_an_end_that_cannot_be_published_is_published_by_a_later_sweep(stack: FakeStack, what):
    longest = put_waiting(stack, what)
    stack.bus.refuses_all = True
    set_time(stack, longest)
    assert stack.sweep.run() == {"not_swept": 1}
    stack.bus.refuses_all = False
    set_time(stack, longest + QUIET)

    assert stack.sweep.run() == {"published": 1}
    assert stack.bus.types == [EventType.REJECTED]


@pytest.mark.parametrize("what", WAITS)
def test_a_job_with_a_concurrent_transition_is_not_ended(stack: FakeStack, what):
    longest = put_waiting(stack, what)
    set_time(stack, longest)
    job = job_at(stack, 0)
    gone_on = replace(job, status=JobStatus.SUBMITTING, lease_until=DUE)
    just_before(stack.database, "save rejected", lambda: stack.jobs.save(job, gone_on))

    assert stack.sweep.run() == {}
    assert (job_at(stack, 0).status, stack.bus.types) == (JobStatus.SUBMITTING, [])
