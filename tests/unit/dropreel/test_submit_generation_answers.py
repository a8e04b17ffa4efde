"""What becomes of a job by each answer of the provider, and how its words reach the owner."""

import pytest

from dropreel.answers import Accepted, Ambiguous, Busy, KeyRefused, NoBalance, NotSent, Refused
from dropreel.jobs import Charge, EventType, JobStatus
from dropreel.messages import RetryMessage
from dropreel.reasons import Reason, ReasonCode
from dropreel.waiting import NEEDS_A_PERSON
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.world import ACCEPTED, GENERATION, JOB_ID, World

WORDS = "Insufficient balance, please recharge"
FAILED = Reason(ReasonCode.GENERATION_FAILED, "The provider could not make the video: no faces")


def published(world: World) -> list[tuple[str, str]]:
    """The events that were published, each with its reason's code."""
    return [(event, (detail["data"]["reason"] or {}).get("code", "")) for event, detail in world.bus.published]


@pytest.mark.parametrize(
    ("answer", "status", "charge", "reserved", "events", "messages"),
    [
        (ACCEPTED, "generating", "charged", 47, [EventType.SUBMITTED], 0),
        (Refused(400, "too dark"), "rejected", "none", 0, [EventType.REJECTED], 0),
        (KeyRefused(401), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (NoBalance(402), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (NoBalance(200), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (Busy(429, None), "deferred", "none", 0, [], 1),
        (Busy(503, 60), "deferred", "none", 0, [], 1),
        (NotSent("no route"), "deferred", "none", 0, [], 1),
        (Ambiguous("ReadTimeout"), "unknown", "unknown", 47, [EventType.UNKNOWN], 0),
    ],
)
def test_each_answer_has_its_place(world: World, answer, status, charge, reserved, events, messages):
    world.provider.submit_answer = answer

    outcome = world.run()

    assert outcome == status
    assert (world.job.status, world.job.charge) == (status, charge)
    assert world.reserved == reserved
    assert world.bus.types == events
    assert len(world.queue.sent) == messages


@pytest.mark.parametrize(
    ("answer", "status", "charge"),
    [
        (ACCEPTED, "generating", "charged"),
        (Refused(400, "too dark"), "rejected", "none"),
        (Busy(429, None), "deferred", "none"),
        (Ambiguous("ReadTimeout"), "unknown", "unknown"),
    ],
)
def test_the_submissions_row_has_its_answer(world: World, answer, status, charge):
    world.provider.submit_answer = answer

    world.run()

    (row,) = world.database.tables.rows("attempt")
    assert (row["status"], row["charge"], row.get("generation_id")) == (
        *(status, charge),
        "gen_1" if answer is ACCEPTED else None,
    )


@pytest.mark.parametrize(
    ("answer", "status", "charge", "event", "code"),
    [
        (Refused(400, "too dark"), "rejected", "none", EventType.REJECTED, "provider_refused"),
        (Ambiguous("ReadTimeout"), "unknown", "unknown", EventType.UNKNOWN, "submission_unknown"),
    ],
)
def test_an_answer_that_ends_a_job_is_published(world: World, answer, status, charge, event, code):
    world.provider.submit_answer = answer

    outcome = world.run()

    assert outcome == status
    assert world.job.reason is not None
    assert world.job.reason.code == code
    assert [(kind, detail["data"]["charge"]) for kind, detail in world.bus.published] == [(event, charge)]
    assert world.state_machine.executions == {}


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
def test_what_was_surely_not_taken_is_released_and_comes_again(world: World, answer, code, delay):
    world.provider.submit_answer = answer

    outcome = world.run()

    assert outcome == "deferred"
    assert (world.job.status, world.job.charge, world.job.reserved_day) == ("deferred", "none", None)
    assert world.job.reason is not None
    assert world.job.reason.code == code
    assert world.queue.sent == [(RetryMessage(JOB_ID, 1, 1), delay)]
    assert world.bus.types == ([EventType.DEFERRED] if code in NEEDS_A_PERSON else [])
    assert world.reserved == 0
    assert world.state_machine.executions == {}


@pytest.mark.parametrize("answer", [Busy(429, None), NotSent("x"), KeyRefused(401), NoBalance(402)])
def test_a_deferred_job_is_submitted_when_it_comes_again(world: World, answer):
    world.provider.submit_answer = answer
    world.run()
    world.provider.submit_answer = ACCEPTED

    outcome = world.comes_again()

    assert outcome == "generating"
    assert (world.job.charge, world.job.reason) == (Charge.CHARGED, None)
    assert world.bus.types[-1] == EventType.SUBMITTED


# --- the provider's words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "event"),
    [
        (Refused(400, WORDS), "provider_refused", EventType.REJECTED),
        (KeyRefused(401, WORDS), "key_refused", EventType.DEFERRED),
        (KeyRefused(403, WORDS), "key_refused", EventType.DEFERRED),
        (NoBalance(402, WORDS), "provider_balance", EventType.DEFERRED),
        (Busy(429, 3600, WORDS), "provider_busy", EventType.DEFERRED),
        (Busy(503, 3600, WORDS), "provider_busy", EventType.DEFERRED),
        (Ambiguous("the provider answered 500", WORDS), "submission_unknown", EventType.UNKNOWN),
    ],
)
def test_the_providers_words_are_in_the_reason_and_in_its_event(world: World, answer, code, event):
    world.provider.submit_answer = answer
    world.run()
    while not world.bus.published:
        world.comes_again()

    ((kind, detail),) = world.bus.published
    assert kind == event
    for reason in (world.job.reason, Reason.from_json(detail["data"]["reason"])):
        assert reason is not None
        assert (reason.code, reason.provider_error) == (code, WORDS)
        assert WORDS in reason.message
        assert str(answer.status_code if not isinstance(answer, Ambiguous) else 500) in reason.message


@pytest.mark.parametrize("answer", [Refused(400), KeyRefused(401), NoBalance(402), Busy(429, None), Ambiguous("500")])
def test_without_words_there_are_none(world: World, answer):
    world.provider.submit_answer = answer

    world.run()

    assert world.job.reason is not None
    assert world.job.reason.provider_error is None
    assert "said" not in world.job.reason.message


@pytest.mark.parametrize(
    ("answer", "logged"), [(NoBalance(402, WORDS), "no balance"), (KeyRefused(401), "key refused")]
)
def test_what_needs_the_operator_is_logged_for_its_alarm(world: World, answer, logged, caplog):
    world.provider.submit_answer = answer

    world.run()

    assert [record.message for record in caplog.records] == [logged]


def test_a_job_without_balance_goes_on_once_there_is_some(world: World):
    world.provider.submit_answer = NoBalance(402, WORDS)
    world.run()
    assert world.reserved == 0
    world.provider.submit_answer = ACCEPTED

    assert world.comes_again() == "generating"
    assert (world.reserved, world.job.charge) == (47, Charge.CHARGED)
    assert published(world) == [(EventType.DEFERRED, "provider_balance"), (EventType.SUBMITTED, "")]


# --- after earlier attempts -------------------------------------------------------------------------------------------


def test_a_refusal_after_a_charged_attempt_ends_as_failed(world: World):
    world.run()
    world.report.run(GENERATION, FAILED)
    world.provider.submit_answer = Refused(400, "too dark")

    outcome = world.comes_again()

    assert outcome == "failed"
    assert (world.job.charge, world.reserved) == (Charge.CHARGED, 47)


def test_a_refusal_after_an_unknown_attempt_stays_unknown(world: World):
    world.allows_resubmitting()
    world.provider.submit_answer = Ambiguous("ReadTimeout")
    world.run()
    world.provider.submit_answer = Refused(400, "too dark")

    outcome = world.comes_again()

    assert outcome == "unknown"
    assert (world.job.charge, world.reserved) == (Charge.UNKNOWN, 47)


def test_each_attempt_is_charged_reserved_and_polled_by_itself(world: World):
    world.run()
    world.report.run(GENERATION, FAILED)
    world.provider.submit_answer = Accepted("gen_2", "created")

    assert world.comes_again() == "generating"

    assert (world.job.attempt, world.job.generation_id, world.job.charge) == (2, "gen_2", Charge.CHARGED)
    assert world.reserved == 94
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1", f"{JOB_ID}-2": "gen_2"}
    ids = [detail["metadata"]["id"] for kind, detail in world.bus.published if kind == EventType.SUBMITTED]
    assert len(set(ids)) == 2
    rows = world.database.tables.rows("attempt")
    assert [(row["row"], row["status"], row["charge"]) for row in rows] == [
        ("attempt#01#0000", "failed", "charged"),
        ("attempt#02#0000", "generating", "charged"),
    ]


@pytest.mark.parametrize("action", ["post", "save submitting"])
def test_a_death_in_a_later_attempt_is_unknown_and_keeps_both_reservations(world: World, action):
    world.run()
    world.report.run(GENERATION, FAILED)
    outside = world.provider if action == "post" else world.database
    outside.broken_after.add(action)
    with pytest.raises(OutOfOrderError):
        world.comes_again()
    outside.broken_after.clear()

    world.delivered_again()

    assert (world.job.status, world.job.charge, world.reserved) == (JobStatus.UNKNOWN, Charge.UNKNOWN, 94)
