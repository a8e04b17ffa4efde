"""Each answer of the provider: the job's status and charge, and the error text in its reason and event."""

import pytest

from dropreel.domain.backoff import NEEDS_OPERATOR
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.metrics import Metric
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.submit_answers import Accepted, Busy, KeyRefused, NoBalance, NotSent, Refused, Unknown
from tests.support.fake_stack import ACCEPTED, GENERATION, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.sample_jobs import PRICE

ERROR_TEXT = "Insufficient balance, please recharge"
FAILED = Reason(ReasonCode.GENERATION_FAILED, "The provider could not make the video: no faces")


def published(stack: FakeStack) -> list[tuple[str, str]]:
    """Return the published events, each with its reason's code."""
    return [(event, (detail["data"]["reason"] or {}).get("code", "")) for event, detail in stack.bus.published]


@pytest.mark.parametrize(
    ("answer", "status", "charge", "reserved", "events", "messages"),
    [
        (ACCEPTED, "generating", "charged", PRICE, [EventType.SUBMITTED], 0),
        (Refused(400, "too dark"), "rejected", "none", 0, [EventType.REJECTED], 0),
        (KeyRefused(401), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (NoBalance(402), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (NoBalance(200), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (Busy(429, None), "deferred", "none", 0, [], 1),
        (Busy(503, 60), "deferred", "none", 0, [], 1),
        (NotSent("no route"), "deferred", "none", 0, [], 1),
        (Unknown("ReadTimeout"), "unknown", "unknown", PRICE, [EventType.UNKNOWN], 0),
    ],
)
def test_each_answer_has_its_status_charge_and_events(
    stack: FakeStack, answer, status, charge, reserved, events, messages
):
    stack.provider.submit_answer = answer

    outcome = stack.run()

    assert outcome == status
    assert (stack.job.status, stack.job.charge) == (status, charge)
    assert stack.reserved == reserved
    assert stack.bus.types == events
    assert len(stack.queue.sent) == messages


@pytest.mark.parametrize(
    ("answer", "status", "charge"),
    [
        (ACCEPTED, "generating", "charged"),
        (Refused(400, "too dark"), "rejected", "none"),
        (Busy(429, None), "deferred", "none"),
        (Unknown("ReadTimeout"), "unknown", "unknown"),
    ],
)
def test_the_submissions_row_has_its_answer(stack: FakeStack, answer, status, charge):
    stack.provider.submit_answer = answer

    stack.run()

    (row,) = stack.database.tables.rows("attempt")
    assert (row["status"], row["charge"], row.get("generation_id")) == (
        *(status, charge),
        "gen_1" if answer is ACCEPTED else None,
    )


@pytest.mark.parametrize(
    ("answer", "status", "charge", "event", "code"),
    [
        (Refused(400, "too dark"), "rejected", "none", EventType.REJECTED, "provider_refused"),
        (Unknown("ReadTimeout"), "unknown", "unknown", EventType.UNKNOWN, "submission_unknown"),
    ],
)
def test_an_answer_that_ends_a_job_is_published(stack: FakeStack, answer, status, charge, event, code):
    stack.provider.submit_answer = answer

    outcome = stack.run()

    assert outcome == status
    assert stack.job.reason is not None
    assert stack.job.reason.code == code
    assert [(kind, detail["data"]["charge"]) for kind, detail in stack.bus.published] == [(event, charge)]
    assert stack.state_machine.executions == {}


@pytest.mark.parametrize(
    ("answer", "code", "delay"),
    [
        (Busy(429, 30), "provider_busy", 30),
        (Busy(429, 0), "provider_busy", 5),
        (Busy(429, 1), "provider_busy", 5),
        (Busy(429, 5), "provider_busy", 5),
        (Busy(503, 3600), "provider_busy", 900),
        (Busy(503, None), "provider_busy", 3),
        (NotSent("NewConnectionError"), "provider_unreachable", 3),
        (KeyRefused(401), "key_refused", 900),
        (KeyRefused(403), "key_refused", 900),
        (NoBalance(402), "provider_balance", 900),
        (NoBalance(200, "Insufficient balance"), "provider_balance", 900),
    ],
)
def test_a_submission_that_was_surely_not_taken_is_released_and_retried(stack: FakeStack, answer, code, delay):
    stack.provider.submit_answer = answer

    outcome = stack.run()

    assert outcome == "deferred"
    assert (stack.job.status, stack.job.charge, stack.job.reserved_day) == ("deferred", "none", None)
    assert stack.job.reason is not None
    assert stack.job.reason.code == code
    assert stack.queue.sent == [(RetryMessage(JOB_ID, 1, 1), delay)]
    assert stack.bus.types == ([EventType.DEFERRED] if code in NEEDS_OPERATOR else [])
    assert stack.reserved == 0
    assert stack.state_machine.executions == {}


@pytest.mark.parametrize("answer", [Busy(429, None), NotSent("x"), KeyRefused(401), NoBalance(402)])
def test_a_deferred_job_is_submitted_by_its_retry_message(stack: FakeStack, answer):
    stack.provider.submit_answer = answer
    stack.run()
    stack.provider.submit_answer = ACCEPTED

    outcome = stack.deliver_retry_message()

    assert outcome == "generating"
    assert (stack.job.charge, stack.job.reason) == (Charge.CHARGED, None)
    assert stack.bus.types[-1] == EventType.SUBMITTED


# --- the provider's error text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "event"),
    [
        (Refused(400, ERROR_TEXT), "provider_refused", EventType.REJECTED),
        (KeyRefused(401, ERROR_TEXT), "key_refused", EventType.DEFERRED),
        (KeyRefused(403, ERROR_TEXT), "key_refused", EventType.DEFERRED),
        (NoBalance(402, ERROR_TEXT), "provider_balance", EventType.DEFERRED),
        (Busy(429, 3600, ERROR_TEXT), "provider_busy", EventType.DEFERRED),
        (Busy(503, 3600, ERROR_TEXT), "provider_busy", EventType.DEFERRED),
        (Unknown("the provider answered 500", ERROR_TEXT), "submission_unknown", EventType.UNKNOWN),
    ],
)
def test_the_providers_error_text_is_in_the_reason_and_its_event(stack: FakeStack, answer, code, event):
    stack.provider.submit_answer = answer
    stack.run()
    while not stack.bus.published:
        stack.deliver_retry_message()

    ((kind, detail),) = stack.bus.published
    assert kind == event
    for reason in (stack.job.reason, Reason.from_json(detail["data"]["reason"])):
        assert reason is not None
        assert (reason.code, reason.provider_error) == (code, ERROR_TEXT)
        assert ERROR_TEXT in reason.message
        assert str(answer.status_code if not isinstance(answer, Unknown) else 500) in reason.message


@pytest.mark.parametrize("answer", [Refused(400), KeyRefused(401), NoBalance(402), Busy(429, None), Unknown("500")])
def test_without_an_error_text_there_is_no_provider_error(stack: FakeStack, answer):
    stack.provider.submit_answer = answer

    stack.run()

    assert stack.job.reason is not None
    assert stack.job.reason.provider_error is None
    assert "said" not in stack.job.reason.message


@pytest.mark.parametrize(
    ("answer", "metric"), [(NoBalance(402, ERROR_TEXT), Metric.NO_BALANCE), (KeyRefused(401), Metric.KEY_REFUSED)]
)
def test_a_refusal_that_needs_the_operator_is_counted_for_its_alarm(stack: FakeStack, answer, metric):
    stack.provider.submit_answer = answer

    stack.run()

    assert stack.counted == [(metric, JOB_ID)]


def test_a_job_without_balance_is_submitted_once_there_is_some(stack: FakeStack):
    stack.provider.submit_answer = NoBalance(402, ERROR_TEXT)
    stack.run()
    assert stack.reserved == 0
    stack.provider.submit_answer = ACCEPTED

    assert stack.deliver_retry_message() == "generating"
    assert (stack.reserved, stack.job.charge) == (PRICE, Charge.CHARGED)
    assert published(stack) == [(EventType.DEFERRED, "provider_balance"), (EventType.SUBMITTED, "")]


# --- after earlier attempts -------------------------------------------------------------------------------------------


def test_a_refusal_after_a_charged_attempt_ends_as_failed(stack: FakeStack):
    stack.run()
    stack.report.run(GENERATION, FAILED)
    stack.provider.submit_answer = Refused(400, "too dark")

    outcome = stack.deliver_retry_message()

    assert outcome == "failed"
    assert (stack.job.charge, stack.reserved) == (Charge.CHARGED, PRICE)


def test_a_refusal_after_an_unknown_attempt_stays_unknown(stack: FakeStack):
    stack.set_resubmit_policy()
    stack.provider.submit_answer = Unknown("ReadTimeout")
    stack.run()
    stack.provider.submit_answer = Refused(400, "too dark")

    outcome = stack.deliver_retry_message()

    assert outcome == "unknown"
    assert (stack.job.charge, stack.reserved) == (Charge.UNKNOWN, PRICE)


def test_each_attempt_is_charged_reserved_and_polled_separately(stack: FakeStack):
    stack.run()
    stack.report.run(GENERATION, FAILED)
    stack.provider.submit_answer = Accepted("gen_2", "created")

    assert stack.deliver_retry_message() == "generating"

    assert (stack.job.attempt, stack.job.generation_id, stack.job.charge) == (2, "gen_2", Charge.CHARGED)
    assert stack.reserved == 2 * PRICE
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1", f"{JOB_ID}-2": "gen_2"}
    ids = [detail["metadata"]["id"] for kind, detail in stack.bus.published if kind == EventType.SUBMITTED]
    assert len(set(ids)) == 2
    rows = stack.database.tables.rows("attempt")
    assert [(row["row"], row["status"], row["charge"]) for row in rows] == [
        ("attempt#01#0000", "failed", "charged"),
        ("attempt#02#0000", "generating", "charged"),
    ]


@pytest.mark.parametrize("action", ["post", "save submitting"])
def test_a_crash_in_a_later_attempt_is_unknown_and_keeps_its_reservations(stack: FakeStack, action):
    stack.run()
    stack.report.run(GENERATION, FAILED)
    outside = stack.provider if action == "post" else stack.database
    outside.fails_after.add(action)
    with pytest.raises(OutageError):
        stack.deliver_retry_message()
    outside.fails_after.clear()

    stack.redeliver()

    assert (stack.job.status, stack.job.charge, stack.reserved) == (JobStatus.UNKNOWN, Charge.UNKNOWN, 2 * PRICE)
