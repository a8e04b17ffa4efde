"""A deferred job: its one retry message, how long it waits, and when its Deferred event is published."""

from datetime import timedelta

import pytest

from dropreel.domain.backoff import LONGEST_SECONDS, NOTICE_AFTER
from dropreel.domain.images import Missing
from dropreel.domain.job import EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.limits import SUBMIT_SECONDS
from dropreel.provider.poll_answers import GenerationFailed
from dropreel.provider.submit_answers import Busy, KeyRefused, NoBalance, NotSent
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, QUIET
from tests.support.fake_stack import ACCEPTED, DROP, GENERATION, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_after, just_before
from tests.support.pictures import jpeg
from tests.support.sample_jobs import PRICE

FAILED = Reason(ReasonCode.GENERATION_FAILED, "it did not work")
ERROR_TEXT = "Insufficient balance, please recharge"


def published(stack: FakeStack) -> list[tuple[str, str]]:
    """Return the published events, each with its reason's code."""
    return [(event, (detail["data"]["reason"] or {}).get("code", "")) for event, detail in stack.bus.published]


def deferred(stack: FakeStack, seconds: int | None = 600) -> RetryMessage:
    """Defer the upload's job by a busy answer, then make the provider accept. Return the job's retry message."""
    stack.provider.submit_answer = Busy(429, seconds)
    stack.run()
    stack.provider.submit_answer = ACCEPTED
    ((message, _delay),) = stack.queue.sent
    return message


# --- how long ---------------------------------------------------------------------------------------------------------


def test_each_busy_answer_doubles_the_wait(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, None)
    stack.run()
    delays = []

    for _ in range(4):
        delays.append(stack.queue.sent[0][1])
        stack.deliver_retry_message()

    assert delays == [3, 6, 12, 24]
    assert stack.job.requeues == 5
    assert stack.reserved == 0


def test_a_deferred_job_has_its_due_time(stack: FakeStack):
    deferred(stack, 30)

    assert stack.job.retry_at == stack.clock.time + timedelta(seconds=30)


def test_a_wait_beyond_the_queues_longest_delay_is_split(stack: FakeStack):
    deferred(stack, 2000)
    begin, delays, outcomes = stack.clock.time, [], []

    while stack.queue.sent:
        delays.append(stack.queue.sent[0][1])
        outcomes.append(stack.deliver_retry_message())

    assert delays == [900, 900, 200]
    assert outcomes == ["deferred", "deferred", "generating"]
    assert stack.clock.time == begin + timedelta(seconds=2000)
    assert len(stack.provider.sent) == 2


def test_a_deferred_job_is_not_validated_again_and_gets_a_fresh_address(stack: FakeStack):
    deferred(stack, 30)
    stack.journal.clear()

    stack.deliver_retry_message()

    assert "read_file" not in stack.journal
    assert stack.journal.count("presign") == 1


def test_a_deferred_job_is_submitted_as_it_was_validated(stack: FakeStack):
    deferred(stack)
    stack.images.files = {"dropreel.json": b'{"mode": "hq"}'}

    stack.deliver_retry_message()

    assert stack.provider.sent[-1]["mode"] == "fast"
    assert stack.job.options is not None
    assert (stack.job.options.mode, stack.job.cost_cents) == ("fast", PRICE)


def test_an_unvalidated_job_is_not_submitted(stack: FakeStack):
    deferred(stack, 30)
    stack.image.content = jpeg(quality=10)  # under the same version and entity tag, which S3 never does

    assert stack.deliver_retry_message() == "rejected"
    assert stack.job.reason is not None
    assert stack.job.reason.code == "image_superseded"
    assert len(stack.provider.sent) == 1


@pytest.mark.parametrize("missing", [Missing.GONE, Missing.SUPERSEDED])
def test_a_deferred_job_whose_image_is_gone_ends(stack: FakeStack, missing):
    deferred(stack)
    stack.images.stored = missing

    assert stack.deliver_retry_message() == "rejected"
    assert stack.bus.types == [EventType.REJECTED]
    assert (len(stack.provider.sent), stack.reserved) == (1, 0)


# --- one retry message ------------------------------------------------------------------------------------------------


def test_a_message_that_comes_too_early_is_followed_by_one_for_the_rest(stack: FakeStack):
    message = deferred(stack, 600)
    stack.clock.pass_seconds(100)

    outcome = stack.run(message)

    assert outcome == "deferred"
    assert stack.queue.sent[1:] == [(RetryMessage(JOB_ID, 1, 2), 500)]
    assert len(stack.provider.sent) == 1


def test_duplicates_of_an_early_message_send_one_message_in_all(stack: FakeStack):
    message = deferred(stack, 600)
    stack.clock.pass_seconds(100)

    outcomes = [stack.run(message) for _ in range(5)]

    assert outcomes == ["deferred", *["overtaken"] * 4]
    assert stack.queue.sent[1:] == [(RetryMessage(JOB_ID, 1, 2), 500)]


def test_a_duplicate_that_lost_the_save_sends_no_message(stack: FakeStack):
    message = deferred(stack, 600)
    outcomes = []
    just_before(stack.database, "save deferred", lambda: outcomes.append(stack.run(message)))

    outcomes.append(stack.run(message))

    assert outcomes == ["deferred", "overtaken"]
    assert stack.queue.sent[1:] == [(RetryMessage(JOB_ID, 1, 2), 600)]


def test_every_deferral_has_one_next_message_despite_duplicates(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 2000)
    stack.run()
    received: list[int] = []

    while len(received) < 8:
        message, delay = stack.queue.sent.pop(0)
        assert stack.queue.sent == []
        stack.clock.pass_seconds(delay)
        for _ in range(3):
            stack.run(message)
        received.append(message.requeues)

    assert received == list(range(1, 9))
    assert len(stack.provider.sent) == 3


def test_the_next_message_is_sent_after_the_job_is_saved(stack: FakeStack):
    message = deferred(stack, 600)
    stack.journal.clear()

    stack.run(message)

    assert stack.journal == ["get", "save deferred", "send"]


@pytest.mark.parametrize(
    "message", [RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 2), RetryMessage(JOB_ID, 2, 1), DROP]
)
def test_an_overtaken_message_does_nothing(stack: FakeStack, message):
    before = stack.put_job(status=JobStatus.DEFERRED, generation_id=None, requeues=1)

    outcome = stack.run(message)

    assert outcome == "overtaken"
    assert stack.job == before
    assert stack.journal == ["get"]


def test_duplicates_of_a_deferred_jobs_event_are_overtaken(stack: FakeStack):
    deferred(stack, 30)
    stack.clock.pass_seconds(3600)

    outcomes = [stack.run() for _ in range(3)]

    assert outcomes == ["overtaken"] * 3
    assert (len(stack.provider.sent), len(stack.queue.sent)) == (1, 1)


def test_a_message_of_an_earlier_attempt_is_answered_with_the_status(stack: FakeStack):
    before = stack.put_job(status=JobStatus.GENERATING, attempt=2)

    assert stack.run(RetryMessage(JOB_ID, 1, 0)) == "generating"
    assert (stack.job, stack.provider.sent) == (before, [])


@pytest.mark.parametrize("message", [DROP, RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 3)])
def test_a_message_of_an_earlier_attempt_does_not_begin_the_next(stack: FakeStack, message):
    stack.put_job(status=JobStatus.DEFERRED, generation_id=None, attempt=2)

    assert stack.run(message) == "overtaken"
    assert stack.provider.sent == []


def test_a_duplicate_message_is_submitted_once(stack: FakeStack):
    message = deferred(stack, 30)
    stack.clock.pass_seconds(30)

    outcomes = [stack.run(message), stack.run(message)]

    assert outcomes == ["generating", "generating"]
    assert len(stack.provider.sent) == 2
    assert stack.bus.types == [EventType.SUBMITTED]
    assert stack.reserved == PRICE


def test_a_deferral_without_its_message_gets_one_from_the_sweeper(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.queue.fails_before.add("send")
    with pytest.raises(OutageError):
        stack.run()
    stack.queue.fails_before.clear()
    assert stack.run() == "overtaken"
    stack.provider.submit_answer = ACCEPTED

    stack.clock.pass_seconds(30 + MESSAGE_LOST.total_seconds())
    stack.sweep.run()

    assert [message for message, _ in stack.queue.sent] == [RetryMessage(JOB_ID, 1, 2)]
    assert stack.reserved == 0
    assert stack.deliver_retry_message() == "generating"


# --- the Deferred event: once an attempt ------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [KeyRefused(401), NoBalance(402)])
def test_a_wait_for_the_operator_is_published_at_once_and_once(stack: FakeStack, answer):
    stack.provider.submit_answer = answer

    stack.run()
    for _ in range(5):
        stack.deliver_retry_message()

    assert stack.bus.types == [EventType.DEFERRED]
    assert stack.job.pending_events == frozenset()


def test_a_busy_provider_is_published_after_15_minutes_and_once(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 300, "slow down")
    began = stack.clock.time

    stack.run()
    outcomes = []
    while stack.clock.time < began + timedelta(hours=2):
        outcomes.append((stack.clock.time - began, list(stack.bus.types)))
        stack.deliver_retry_message()

    assert all(types == ([] if waited < NOTICE_AFTER else [EventType.DEFERRED]) for waited, types in outcomes)
    ((_, detail),) = stack.bus.published
    assert detail["data"]["reason"]["provider_error"] == "slow down"
    assert detail["data"]["reason"]["next_step"] == "Nothing: the job is retried automatically."


def test_a_wait_of_hours_is_published_while_it_lasts(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 3 * 3600)
    stack.run()
    assert stack.bus.types == []

    assert stack.deliver_retry_message() == "deferred"

    assert published(stack) == [(EventType.DEFERRED, "provider_busy")]
    assert len(stack.provider.sent) == 1


def test_an_unreachable_provider_is_published_too(stack: FakeStack):
    stack.provider.submit_answer = NotSent("NewConnectionError")
    stack.run()
    stack.clock.pass_seconds(NOTICE_AFTER.total_seconds())

    stack.deliver_retry_message()

    assert published(stack) == [(EventType.DEFERRED, "provider_unreachable")]


def test_a_second_reason_to_wait_in_one_attempt_is_not_published(stack: FakeStack):
    """Published once an attempt; the refused key still has its alarm."""
    stack.provider.submit_answer = Busy(429, 3600)
    stack.run()
    stack.deliver_retry_message()
    stack.provider.submit_answer = KeyRefused(401)
    while len(stack.provider.sent) < 2:
        stack.deliver_retry_message()

    assert published(stack) == [(EventType.DEFERRED, "provider_busy")]
    assert stack.job.reason is not None
    assert stack.job.reason.code == "key_refused"


def test_each_attempt_has_a_deferred_event_with_an_id_of_its_own(stack: FakeStack):
    stack.provider.submit_answer = KeyRefused(401)
    stack.run()
    stack.provider.submit_answer = ACCEPTED
    stack.deliver_retry_message()
    stack.provider.poll_answer = GenerationFailed("it did not work")
    stack.report.run(GENERATION, FAILED)
    stack.provider.submit_answer = NoBalance(402)

    assert stack.deliver_retry_message() == "deferred"

    assert published(stack) == [
        (EventType.DEFERRED, "key_refused"),
        (EventType.SUBMITTED, ""),
        (EventType.DEFERRED, "provider_balance"),
    ]
    ids = [detail["metadata"]["id"] for _, detail in stack.bus.published]
    assert len(set(ids)) == 3
    assert [detail["data"]["attempt"] for _, detail in stack.bus.published] == [1, 1, 2]
    assert stack.bus.published[-1][1]["data"]["charge"] == "charged"


def test_a_next_attempt_that_waits_long_is_published_by_the_sweeper(stack: FakeStack):
    stack.run()
    stack.report.run(GENERATION, FAILED)
    stack.clock.pass_seconds(NOTICE_AFTER.total_seconds())

    stack.sweep.run()

    event, detail = stack.bus.published[-1]
    assert (event, detail["data"]["attempt"]) == (EventType.DEFERRED, 2)
    assert detail["data"]["reason"]["next_step"] == "Nothing: the job is retried automatically."


# --- a bus that refuses events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [KeyRefused(401), NoBalance(402), Busy(429, 3600)])
def test_a_bus_fault_multiplies_no_messages(stack: FakeStack, answer):
    stack.provider.submit_answer = answer
    stack.bus.refuses_all = True
    stack.run()
    for _ in range(3):
        stack.deliver_retry_message()
        assert len(stack.queue.sent) == 1
    assert stack.job.pending_events == {EventType.DEFERRED}
    stack.bus.refuses_all = False
    stack.clock.pass_seconds(QUIET.total_seconds())

    stack.sweep.run()

    assert stack.bus.types == [EventType.DEFERRED]


def test_an_owed_event_is_published_with_the_next_deferral(stack: FakeStack):
    stack.provider.submit_answer = KeyRefused(401)
    stack.bus.refuses_all = True
    stack.run()
    stack.bus.refuses_all = False
    stack.provider.submit_answer = Busy(429, 30)

    assert stack.deliver_retry_message() == "deferred"

    assert published(stack) == [(EventType.DEFERRED, "key_refused")]


def test_a_late_deferred_event_is_published_before_later_events(stack: FakeStack):
    stack.provider.submit_answer = KeyRefused(401, ERROR_TEXT)
    stack.bus.refuses_all = True
    stack.run()
    stack.bus.refuses_all = False
    stack.provider.submit_answer = ACCEPTED

    stack.deliver_retry_message()

    (_, first), (_, second) = stack.bus.published
    assert published(stack) == [(EventType.DEFERRED, "key_refused"), (EventType.SUBMITTED, "")]
    data = first["data"]
    assert (data["status"], data["charge"], data["generation_id"]) == ("deferred", "none", None)
    assert data["reason"]["provider_error"] == ERROR_TEXT
    assert second["data"]["status"] == "generating"


@pytest.mark.parametrize(
    ("outside", "when", "action", "event"),
    [
        ("database", "fails_before", "save deferred", EventType.UNKNOWN),
        ("database", "fails_after", "save deferred", EventType.DEFERRED),
        ("queue", "fails_before", "send", EventType.DEFERRED),
        ("queue", "fails_after", "send", EventType.DEFERRED),
    ],
)
def test_a_crash_before_a_deferrals_event_is_still_published(stack: FakeStack, outside, when, action, event):
    stack.provider.submit_answer = KeyRefused(401)
    broken = getattr(getattr(stack, outside), when)
    just_after(stack.provider, "post", lambda: broken.add(action))
    with pytest.raises(OutageError):
        stack.run()
    broken.clear()

    stack.clock.pass_seconds(QUIET.total_seconds())
    stack.sweep.run()

    assert stack.bus.types == [event]


# --- every chain of retry messages has pauses -------------------------------------------------------------------------
# Lambda's own loop detection is off for SubmitGeneration: every message waits a second, or counts up an attempt.

SHORTEST = 1
NEVER_ACCEPTED = {
    "429": Busy(429, None),
    "429 with Retry-After: 0": Busy(429, 0),
    "429 with a second": Busy(429, 1),
    "429 with a day": Busy(429, 86_400),
    "503": Busy(503, None),
    "a refused key": KeyRefused(401),
    "no balance": NoBalance(402, "no credits"),
    "no connection": NotSent("name not found"),
}


@pytest.mark.parametrize("answer", NEVER_ACCEPTED.values(), ids=NEVER_ACCEPTED)
@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
def test_a_provider_that_never_accepts_is_called_with_pauses(stack: FakeStack, answer, drawn):
    stack.provider.submit_answer = answer
    object.__setattr__(stack.submit, "random", lambda: drawn)
    stack.run()

    for _ in range(40):
        (message,) = stack.queue.sent
        assert SHORTEST <= message[1] <= LONGEST_SECONDS
        stack.deliver_retry_message()

    assert stack.job.status is JobStatus.DEFERRED


def test_a_slightly_early_message_still_waits_a_second(stack: FakeStack):
    message = deferred(stack, 3600)
    stack.clock.pass_seconds(3598.6)

    stack.run(message)

    assert stack.queue.sent[-1][1] >= SHORTEST


@pytest.mark.parametrize("seconds_to_midnight", [0.001, 0.4, 1, 1.4])
def test_a_job_for_the_next_day_waits_a_second_at_least(stack: FakeStack, seconds_to_midnight):
    stack.clock.time = stack.clock.time.replace(hour=23, minute=59, second=59) + timedelta(
        seconds=1 - seconds_to_midnight
    )

    assert stack.run() == "deferred"
    assert stack.queue.sent[-1][1] >= SHORTEST
    assert stack.deliver_retry_message() in ("deferred", "generating")
    assert len(stack.queue.sent) <= 1


def test_claims_that_always_take_too_long_back_off(stack: FakeStack):
    just_after(stack.database, "save submitting", lambda: stack.clock.pass_seconds(SUBMIT_SECONDS), each_time=True)
    stack.run()
    delays = []

    for _ in range(5):
        delays.append(stack.queue.sent[0][1])
        stack.deliver_retry_message()

    assert delays == [3, 6, 12, 24, 48]
    assert (stack.provider.sent, stack.reserved) == ([], 0)
