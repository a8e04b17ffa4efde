"""Nobody waits for long without having been told why: what the provider said reaches the owner."""

import json
from datetime import timedelta

import pytest

from dropreel.adapters.image_bucket import Missing
from dropreel.answers import Ambiguous, Busy, GenerationFailed, KeyRefused, NoBalance, NotSent, Refused
from dropreel.errors import PublishFault
from dropreel.events import EventType
from dropreel.jobs import JobStatus, Money, Reason
from dropreel.spending import SpendLimit
from dropreel.waiting import TELL_AFTER
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.world import ACCEPTED, DROP, GENERATION, World

WORDS = "Insufficient balance, please recharge"


def told(world: World) -> list[tuple[str, str]]:
    """The events that were published, each with its reason's code."""
    return [(event, (detail["data"]["reason"] or {}).get("code", "")) for event, detail in world.bus.published]


# --- the provider's words --------------------------------------------------------------------------------------------


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
def test_what_the_provider_said_is_in_the_jobs_reason_and_its_event(world: World, answer, code, event):
    world.provider.submit_answer = answer
    world.submit.run(DROP)
    while not world.bus.published:
        world.comes_again()

    ((kind, detail),) = world.bus.published
    assert kind == event
    for reason in (world.job.reason, Reason(**{k: v for k, v in detail["data"]["reason"].items() if k != "next_step"})):
        assert reason is not None
        assert (reason.code, reason.provider_error) == (code, WORDS)
        assert WORDS in reason.message
        assert str(answer.status_code if not isinstance(answer, Ambiguous) else 500) in reason.message


@pytest.mark.parametrize("answer", [Refused(400), KeyRefused(401), NoBalance(402), Busy(429, None), Ambiguous("500")])
def test_without_words_there_are_none(world: World, answer):
    world.provider.submit_answer = answer

    world.submit.run(DROP)

    assert world.job.reason is not None
    assert world.job.reason.provider_error is None
    assert "said" not in world.job.reason.message


def test_no_balance_is_logged_for_its_alarm(world: World, caplog):
    world.provider.submit_answer = NoBalance(402, WORDS)

    world.submit.run(DROP)

    assert [record.message for record in caplog.records] == ["no balance"]


def test_a_job_without_balance_goes_on_once_there_is_some(world: World):
    world.provider.submit_answer = NoBalance(402, WORDS)
    world.submit.run(DROP)
    assert world.reserved == 0
    world.provider.submit_answer = ACCEPTED

    assert world.comes_again() == "generating"
    assert (world.reserved, world.job.money) == (47, Money.SPENT)
    assert told(world) == [(EventType.DEFERRED, "provider_balance"), (EventType.SUBMITTED, "")]


# --- the event, once an attempt --------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [KeyRefused(401), NoBalance(402)])
def test_who_is_needed_is_told_at_once_and_not_again(world: World, answer):
    world.provider.submit_answer = answer

    world.submit.run(DROP)
    for _ in range(5):
        world.comes_again()

    assert world.bus.types == [EventType.DEFERRED]
    assert world.job.pending_events == frozenset()


def test_a_busy_provider_is_told_of_after_a_quarter_of_an_hour_and_not_again(world: World):
    world.provider.submit_answer = Busy(429, 300, "slow down")
    began = world.clock.time

    world.submit.run(DROP)
    outcomes = []
    while world.clock.time < began + timedelta(hours=2):
        outcomes.append((world.clock.time - began, list(world.bus.types)))
        world.comes_again()

    assert all(types == ([] if waited < TELL_AFTER else [EventType.DEFERRED]) for waited, types in outcomes)
    ((_, detail),) = world.bus.published
    assert detail["data"]["reason"]["provider_error"] == "slow down"
    assert detail["data"]["reason"]["next_step"] == "Nothing: it comes again by itself."


def test_a_wait_of_hours_is_told_of_while_it_lasts(world: World):
    world.provider.submit_answer = Busy(429, 3 * 3600)
    world.submit.run(DROP)
    assert world.bus.types == []

    assert world.comes_again() == "deferred"

    assert told(world) == [(EventType.DEFERRED, "provider_busy")]
    assert len(world.provider.sent) == 1


def test_an_unreachable_provider_is_told_of_too(world: World):
    world.provider.submit_answer = NotSent("NewConnectionError")
    world.submit.run(DROP)
    world.clock.pass_seconds(TELL_AFTER.total_seconds())

    world.comes_again()

    assert told(world) == [(EventType.DEFERRED, "provider_unreachable")]


def test_who_was_told_of_a_busy_provider_is_not_told_of_a_refused_key_in_the_same_attempt(world: World):
    """Once an attempt; the alarm tells of the key."""
    world.provider.submit_answer = Busy(429, 3600)
    world.submit.run(DROP)
    world.comes_again()
    world.provider.submit_answer = KeyRefused(401)
    while len(world.provider.sent) < 2:
        world.comes_again()

    assert told(world) == [(EventType.DEFERRED, "provider_busy")]
    assert world.job.reason is not None
    assert world.job.reason.code == "key_refused"


def test_each_attempt_is_told_of_with_an_id_of_its_own(world: World):
    world.provider.submit_answer = KeyRefused(401)
    world.submit.run(DROP)
    world.provider.submit_answer = ACCEPTED
    world.comes_again()
    world.provider.poll_answer = GenerationFailed("it did not work")
    world.report.run(GENERATION, Reason("generation_failed", "it did not work"))
    world.provider.submit_answer = NoBalance(402)

    assert world.comes_again() == "deferred"

    assert told(world) == [
        (EventType.DEFERRED, "key_refused"),
        (EventType.SUBMITTED, ""),
        (EventType.DEFERRED, "provider_balance"),
    ]
    ids = [detail["metadata"]["id"] for _, detail in world.bus.published]
    assert len(set(ids)) == 3
    assert [detail["data"]["attempt"] for _, detail in world.bus.published] == [1, 1, 2]
    assert world.bus.published[-1][1]["data"]["money"] == "spent"


def test_a_next_attempt_that_nobody_takes_for_long_is_told_of_by_the_sweeper(world: World):
    world.submit.run(DROP)
    world.report.run(GENERATION, Reason("generation_failed", "it did not work"))
    world.clock.pass_seconds(TELL_AFTER.total_seconds())

    world.sweep.run()

    event, detail = world.bus.published[-1]
    assert (event, detail["data"]["attempt"]) == (EventType.DEFERRED, 2)
    assert detail["data"]["reason"]["next_step"] == "Nothing: it comes again by itself."


# --- a bus that takes nothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [KeyRefused(401), NoBalance(402), Busy(429, 3600)])
def test_a_bus_that_takes_nothing_multiplies_no_messages_and_the_sweeper_tells(world: World, answer):
    world.provider.submit_answer = answer
    world.bus.takes_nothing = True
    world.submit.run(DROP)
    for _ in range(3):
        world.comes_again()
        assert len(world.queue.sent) == 1
    assert world.job.pending_events == {EventType.DEFERRED}
    world.bus.takes_nothing = False
    world.clock.pass_seconds(600)

    world.sweep.run()

    assert world.bus.types == [EventType.DEFERRED]


def test_what_is_owed_is_told_with_the_next_deferral(world: World):
    world.provider.submit_answer = KeyRefused(401)
    world.bus.takes_nothing = True
    world.submit.run(DROP)
    world.bus.takes_nothing = False
    world.provider.submit_answer = Busy(429, 30)

    assert world.comes_again() == "deferred"

    assert told(world) == [(EventType.DEFERRED, "key_refused")]


def test_a_deferred_event_that_is_told_late_comes_before_what_followed(world: World):
    world.provider.submit_answer = KeyRefused(401, WORDS)
    world.bus.takes_nothing = True
    world.submit.run(DROP)
    world.bus.takes_nothing = False
    world.provider.submit_answer = ACCEPTED

    world.comes_again()

    (_, first), (_, second) = world.bus.published
    assert told(world) == [(EventType.DEFERRED, "key_refused"), (EventType.SUBMITTED, "")]
    assert (first["data"]["status"], first["data"]["money"], first["data"]["generation_id"]) == (
        "deferred",
        "none",
        None,
    )
    assert first["data"]["reason"]["provider_error"] == WORDS
    assert second["data"]["status"] == "generating"


@pytest.mark.parametrize("when", ["broken_before", "broken_after"])
@pytest.mark.parametrize("action", ["give_back", "send_again"])
def test_a_death_on_the_way_leaves_nobody_untold(world: World, when, action):
    world.provider.submit_answer = KeyRefused(401)
    broken = getattr(world.ledger if action == "give_back" else world.queue, when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)
    broken.clear()

    world.clock.pass_seconds(600)
    world.sweep.run()

    expected = EventType.UNKNOWN if (action, when) == ("give_back", "broken_before") else EventType.DEFERRED
    assert world.bus.types == [expected]


# --- other ends and waits --------------------------------------------------------------------------------------------


def test_a_dead_letter_is_told_of_at_once_and_not_again(world: World):
    for _ in range(2):
        world.submit.dead_letter(DROP, OutOfOrderError("find"))

    assert told(world) == [(EventType.DEFERRED, "dead_letter")]
    world.provider.submit_answer = KeyRefused(401)
    assert world.submit.run(DROP) == "deferred"
    assert world.bus.types == [EventType.DEFERRED]


def test_a_dead_letter_does_not_hide_its_fault_where_the_bus_is_down(world: World):
    world.bus.takes_nothing = True

    world.submit.dead_letter(DROP, OutOfOrderError("find"))

    assert world.job.pending_events == {EventType.DEFERRED}


def test_a_job_that_was_told_of_can_still_be_held_and_rejected(world: World):
    world.provider.submit_answer = KeyRefused(401)
    world.submit.run(DROP)
    world.ledger.limit = SpendLimit(0)
    assert world.comes_again() == "held"
    world.ledger.limit = SpendLimit(5000)
    world.images.stored = Missing.GONE
    world.submit.run(DROP)

    assert world.bus.types == [EventType.DEFERRED, EventType.HELD, EventType.REJECTED]
    assert world.job.status is JobStatus.REJECTED


def test_a_held_event_that_is_owed_is_not_lost_in_waiting(world: World):
    world.bus.takes_nothing = True
    world.ledger.limit = SpendLimit(0)
    with pytest.raises(PublishFault):
        world.submit.run(DROP)
    world.bus.takes_nothing = False
    world.ledger.limit = SpendLimit(5000)
    world.provider.submit_answer = NoBalance(402)

    world.submit.run(DROP)

    assert told(world) == [(EventType.HELD, "daily_limit"), (EventType.DEFERRED, "provider_balance")]
    json.dumps(world.bus.published)
