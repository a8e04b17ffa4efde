"""A job that waits for the provider: its one next message, how long it waits, and when its owner hears of it."""

from datetime import timedelta

import pytest

from dropreel.adapters.image_bucket import Missing
from dropreel.answers import Busy, GenerationFailed, KeyRefused, NoBalance, NotSent
from dropreel.jobs import EventType, JobStatus
from dropreel.messages import RetryMessage
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.submit_generation import SUBMIT_SECONDS
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, QUIET
from dropreel.waiting import LONGEST_SECONDS, NOTICE_AFTER
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_after, just_before
from tests.unit.dropreel.pictures import jpeg
from tests.unit.dropreel.world import ACCEPTED, DROP, GENERATION, JOB_ID, World

FAILED = Reason(ReasonCode.GENERATION_FAILED, "it did not work")
WORDS = "Insufficient balance, please recharge"


def published(world: World) -> list[tuple[str, str]]:
    """The events that were published, each with its reason's code."""
    return [(event, (detail["data"]["reason"] or {}).get("code", "")) for event, detail in world.bus.published]


def deferred(world: World, seconds: int | None = 600) -> RetryMessage:
    """Let the provider be busy once, and accept from then on. Return the job's message."""
    world.provider.submit_answer = Busy(429, seconds)
    world.run()
    world.provider.submit_answer = ACCEPTED
    ((message, _delay),) = world.queue.sent
    return message


# --- how long ---------------------------------------------------------------------------------------------------------


def test_each_busy_answer_doubles_the_wait(world: World):
    world.provider.submit_answer = Busy(429, None)
    world.run()
    delays = []

    for _ in range(4):
        delays.append(world.queue.sent[0][1])
        world.comes_again()

    assert delays == [3, 6, 12, 24]
    assert world.job.requeues == 5
    assert world.reserved == 0


def test_a_deferred_job_says_when_it_is_due(world: World):
    deferred(world, 30)

    assert world.job.retry_at == world.clock.time + timedelta(seconds=30)


def test_a_wait_beyond_the_queues_longest_delay_is_split(world: World):
    deferred(world, 2000)
    begin, delays, outcomes = world.clock.time, [], []

    while world.queue.sent:
        delays.append(world.queue.sent[0][1])
        outcomes.append(world.comes_again())

    assert delays == [900, 900, 200]
    assert outcomes == ["deferred", "deferred", "generating"]
    assert world.clock.time == begin + timedelta(seconds=2000)
    assert len(world.provider.sent) == 2


def test_a_deferred_job_is_not_validated_again_and_gets_a_fresh_address(world: World):
    deferred(world, 30)
    world.journal.clear()

    world.comes_again()

    assert "read_file" not in world.journal
    assert world.journal.count("presign") == 1


def test_a_deferred_job_is_submitted_as_it_was_validated(world: World):
    deferred(world)
    world.images.files = {"dropreel.json": b'{"mode": "hq"}'}

    world.comes_again()

    assert world.provider.sent[-1]["mode"] == "fast"
    assert world.job.options is not None
    assert (world.job.options.mode, world.job.cost_cents) == ("fast", 47)


def test_what_was_not_validated_is_not_submitted(world: World):
    deferred(world, 30)
    world.image.content = jpeg(quality=10)  # under the same version and entity tag, as no store should have it

    assert world.comes_again() == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == "image_superseded"
    assert len(world.provider.sent) == 1


@pytest.mark.parametrize("missing", [Missing.GONE, Missing.SUPERSEDED])
def test_a_deferred_job_whose_image_is_gone_ends(world: World, missing):
    deferred(world)
    world.images.stored = missing

    assert world.comes_again() == "rejected"
    assert world.bus.types == [EventType.REJECTED]
    assert (len(world.provider.sent), world.reserved) == (1, 0)


# --- one next message -------------------------------------------------------------------------------------------------


def test_a_message_that_comes_too_early_is_followed_by_one_for_the_rest(world: World):
    message = deferred(world, 600)
    world.clock.pass_seconds(100)

    outcome = world.run(message)

    assert outcome == "deferred"
    assert world.queue.sent[1:] == [(RetryMessage(JOB_ID, 1, 2), 500)]
    assert len(world.provider.sent) == 1


def test_copies_of_an_early_message_send_one_message_in_all(world: World):
    message = deferred(world, 600)
    world.clock.pass_seconds(100)

    outcomes = [world.run(message) for _ in range(5)]

    assert outcomes == ["deferred", *["overtaken"] * 4]
    assert world.queue.sent[1:] == [(RetryMessage(JOB_ID, 1, 2), 500)]


def test_a_copy_that_lost_the_save_sends_no_message(world: World):
    message = deferred(world, 600)
    outcomes = []
    just_before(world.database, "save deferred", lambda: outcomes.append(world.run(message)))

    outcomes.append(world.run(message))

    assert outcomes == ["deferred", "overtaken"]
    assert world.queue.sent[1:] == [(RetryMessage(JOB_ID, 1, 2), 600)]


def test_every_deferral_has_one_next_message_however_often_its_own_comes(world: World):
    world.provider.submit_answer = Busy(429, 2000)
    world.run()
    received = []

    while len(received) < 8:
        message, delay = world.queue.sent.pop(0)
        assert world.queue.sent == []
        world.clock.pass_seconds(delay)
        for _ in range(3):
            world.run(message)
        received.append(message.requeues)

    assert received == list(range(1, 9))
    assert len(world.provider.sent) == 3


def test_the_next_message_is_sent_after_the_job_is_saved(world: World):
    message = deferred(world, 600)
    world.journal.clear()

    world.run(message)

    assert world.journal == ["get", "save deferred", "send"]


@pytest.mark.parametrize(
    "message", [RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 2), RetryMessage(JOB_ID, 2, 1), DROP]
)
def test_an_overtaken_message_does_nothing(world: World, message):
    before = world.has(status=JobStatus.DEFERRED, generation_id=None, requeues=1)

    outcome = world.run(message)

    assert outcome == "overtaken"
    assert world.job == before
    assert world.journal == ["get"]


def test_copies_of_the_event_of_a_deferred_job_are_overtaken(world: World):
    deferred(world, 30)
    world.clock.pass_seconds(3600)

    outcomes = [world.run() for _ in range(3)]

    assert outcomes == ["overtaken"] * 3
    assert (len(world.provider.sent), len(world.queue.sent)) == (1, 1)


def test_a_message_of_an_earlier_attempt_is_answered_with_the_status(world: World):
    before = world.has(status=JobStatus.GENERATING, attempt=2)

    assert world.run(RetryMessage(JOB_ID, 1, 0)) == "generating"
    assert (world.job, world.provider.sent) == (before, [])


@pytest.mark.parametrize("message", [DROP, RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 3)])
def test_a_message_of_an_earlier_attempt_does_not_begin_the_next(world: World, message):
    world.has(status=JobStatus.DEFERRED, generation_id=None, attempt=2)

    assert world.run(message) == "overtaken"
    assert world.provider.sent == []


def test_a_message_that_comes_twice_is_submitted_once(world: World):
    message = deferred(world, 30)
    world.clock.pass_seconds(30)

    outcomes = [world.run(message), world.run(message)]

    assert outcomes == ["generating", "generating"]
    assert len(world.provider.sent) == 2
    assert world.bus.types == [EventType.SUBMITTED]
    assert world.reserved == 47


def test_a_deferral_that_crashed_before_its_message_gets_one_from_the_sweeper(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.queue.broken_before.add("send")
    with pytest.raises(OutOfOrderError):
        world.run()
    world.queue.broken_before.clear()
    assert world.run() == "overtaken"
    world.provider.submit_answer = ACCEPTED

    world.clock.pass_seconds(30 + MESSAGE_LOST.total_seconds())
    world.sweep.run()

    assert [message for message, _ in world.queue.sent] == [RetryMessage(JOB_ID, 1, 2)]
    assert world.reserved == 0
    assert world.comes_again() == "generating"


# --- when its owner hears of it: once an attempt ----------------------------------------------------------------------


@pytest.mark.parametrize("answer", [KeyRefused(401), NoBalance(402)])
def test_where_the_operator_is_needed_it_is_published_at_once_and_once(world: World, answer):
    world.provider.submit_answer = answer

    world.run()
    for _ in range(5):
        world.comes_again()

    assert world.bus.types == [EventType.DEFERRED]
    assert world.job.pending_events == frozenset()


def test_a_busy_provider_is_published_after_15_minutes_and_once(world: World):
    world.provider.submit_answer = Busy(429, 300, "slow down")
    began = world.clock.time

    world.run()
    outcomes = []
    while world.clock.time < began + timedelta(hours=2):
        outcomes.append((world.clock.time - began, list(world.bus.types)))
        world.comes_again()

    assert all(types == ([] if waited < NOTICE_AFTER else [EventType.DEFERRED]) for waited, types in outcomes)
    ((_, detail),) = world.bus.published
    assert detail["data"]["reason"]["provider_error"] == "slow down"
    assert detail["data"]["reason"]["next_step"] == "Nothing: it comes again by itself."


def test_a_wait_of_hours_is_published_while_it_lasts(world: World):
    world.provider.submit_answer = Busy(429, 3 * 3600)
    world.run()
    assert world.bus.types == []

    assert world.comes_again() == "deferred"

    assert published(world) == [(EventType.DEFERRED, "provider_busy")]
    assert len(world.provider.sent) == 1


def test_an_unreachable_provider_is_published_too(world: World):
    world.provider.submit_answer = NotSent("NewConnectionError")
    world.run()
    world.clock.pass_seconds(NOTICE_AFTER.total_seconds())

    world.comes_again()

    assert published(world) == [(EventType.DEFERRED, "provider_unreachable")]


def test_a_second_reason_to_wait_in_one_attempt_is_not_published(world: World):
    """Once an attempt; the alarm speaks of the key."""
    world.provider.submit_answer = Busy(429, 3600)
    world.run()
    world.comes_again()
    world.provider.submit_answer = KeyRefused(401)
    while len(world.provider.sent) < 2:
        world.comes_again()

    assert published(world) == [(EventType.DEFERRED, "provider_busy")]
    assert world.job.reason is not None
    assert world.job.reason.code == "key_refused"


def test_each_attempt_has_a_deferred_event_with_an_id_of_its_own(world: World):
    world.provider.submit_answer = KeyRefused(401)
    world.run()
    world.provider.submit_answer = ACCEPTED
    world.comes_again()
    world.provider.poll_answer = GenerationFailed("it did not work")
    world.report.run(GENERATION, FAILED)
    world.provider.submit_answer = NoBalance(402)

    assert world.comes_again() == "deferred"

    assert published(world) == [
        (EventType.DEFERRED, "key_refused"),
        (EventType.SUBMITTED, ""),
        (EventType.DEFERRED, "provider_balance"),
    ]
    ids = [detail["metadata"]["id"] for _, detail in world.bus.published]
    assert len(set(ids)) == 3
    assert [detail["data"]["attempt"] for _, detail in world.bus.published] == [1, 1, 2]
    assert world.bus.published[-1][1]["data"]["charge"] == "charged"


def test_a_next_attempt_that_nobody_takes_for_long_is_published_by_the_sweeper(world: World):
    world.run()
    world.report.run(GENERATION, FAILED)
    world.clock.pass_seconds(NOTICE_AFTER.total_seconds())

    world.sweep.run()

    event, detail = world.bus.published[-1]
    assert (event, detail["data"]["attempt"]) == (EventType.DEFERRED, 2)
    assert detail["data"]["reason"]["next_step"] == "Nothing: it comes again by itself."


# --- a bus that takes nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [KeyRefused(401), NoBalance(402), Busy(429, 3600)])
def test_a_bus_that_takes_nothing_multiplies_no_messages(world: World, answer):
    world.provider.submit_answer = answer
    world.bus.takes_nothing = True
    world.run()
    for _ in range(3):
        world.comes_again()
        assert len(world.queue.sent) == 1
    assert world.job.pending_events == {EventType.DEFERRED}
    world.bus.takes_nothing = False
    world.clock.pass_seconds(QUIET.total_seconds())

    world.sweep.run()

    assert world.bus.types == [EventType.DEFERRED]


def test_an_owed_event_is_published_with_the_next_deferral(world: World):
    world.provider.submit_answer = KeyRefused(401)
    world.bus.takes_nothing = True
    world.run()
    world.bus.takes_nothing = False
    world.provider.submit_answer = Busy(429, 30)

    assert world.comes_again() == "deferred"

    assert published(world) == [(EventType.DEFERRED, "key_refused")]


def test_a_deferred_event_that_is_published_late_comes_before_what_followed(world: World):
    world.provider.submit_answer = KeyRefused(401, WORDS)
    world.bus.takes_nothing = True
    world.run()
    world.bus.takes_nothing = False
    world.provider.submit_answer = ACCEPTED

    world.comes_again()

    (_, first), (_, second) = world.bus.published
    assert published(world) == [(EventType.DEFERRED, "key_refused"), (EventType.SUBMITTED, "")]
    data = first["data"]
    assert (data["status"], data["charge"], data["generation_id"]) == ("deferred", "none", None)
    assert data["reason"]["provider_error"] == WORDS
    assert second["data"]["status"] == "generating"


@pytest.mark.parametrize(
    ("outside", "when", "action", "event"),
    [
        ("database", "broken_before", "save deferred", EventType.UNKNOWN),
        ("database", "broken_after", "save deferred", EventType.DEFERRED),
        ("queue", "broken_before", "send", EventType.DEFERRED),
        ("queue", "broken_after", "send", EventType.DEFERRED),
    ],
)
def test_a_death_on_the_way_to_waiting_is_published_all_the_same(world: World, outside, when, action, event):
    world.provider.submit_answer = KeyRefused(401)
    broken = getattr(getattr(world, outside), when)
    just_after(world.provider, "post", lambda: broken.add(action))
    with pytest.raises(OutOfOrderError):
        world.run()
    broken.clear()

    world.clock.pass_seconds(QUIET.total_seconds())
    world.sweep.run()

    assert world.bus.types == [event]


# --- no chain of messages goes round without a pause ------------------------------------------------------------------
# Lambda's own loop detection is off for SubmitGeneration: every message waits a second, or counts up an attempt.

SHORTEST = 1
FOR_EVER = {
    "429": Busy(429, None),
    "429 with Retry-After: 0": Busy(429, 0),
    "429 with a second": Busy(429, 1),
    "429 with a day": Busy(429, 86_400),
    "503": Busy(503, None),
    "a refused key": KeyRefused(401),
    "no balance": NoBalance(402, "no credits"),
    "no connection": NotSent("name not found"),
}


@pytest.mark.parametrize("answer", FOR_EVER.values(), ids=FOR_EVER)
@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
def test_a_provider_that_answers_so_for_ever_is_asked_with_pauses(world: World, answer, drawn):
    world.provider.submit_answer = answer
    object.__setattr__(world.submit, "random", lambda: drawn)
    world.run()

    for _ in range(40):
        (message,) = world.queue.sent
        assert SHORTEST <= message[1] <= LONGEST_SECONDS
        world.comes_again()

    assert world.job.status is JobStatus.DEFERRED


def test_a_message_that_comes_a_moment_too_early_still_waits_a_second(world: World):
    message = deferred(world, 3600)
    world.clock.pass_seconds(3598.6)

    world.run(message)

    assert world.queue.sent[-1][1] >= SHORTEST


@pytest.mark.parametrize("seconds_to_midnight", [0.001, 0.4, 1, 1.4])
def test_a_job_for_the_next_day_waits_a_second_at_least(world: World, seconds_to_midnight):
    world.clock.time = world.clock.time.replace(hour=23, minute=59, second=59) + timedelta(
        seconds=1 - seconds_to_midnight
    )

    assert world.run() == "deferred"
    assert world.queue.sent[-1][1] >= SHORTEST
    assert world.comes_again() in ("deferred", "generating")
    assert len(world.queue.sent) <= 1


def test_claims_that_always_take_too_long_are_made_with_growing_pauses(world: World):
    just_after(world.database, "save submitting", lambda: world.clock.pass_seconds(SUBMIT_SECONDS), each_time=True)
    world.run()
    delays = []

    for _ in range(5):
        delays.append(world.queue.sent[0][1])
        world.comes_again()

    assert delays == [3, 6, 12, 24, 48]
    assert (world.provider.sent, world.reserved) == ([], 0)
