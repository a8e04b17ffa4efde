"""No chain of messages goes round without a pause: Lambda's own loop detection is off for SubmitGeneration.

Every message that a step sends about a job either waits at least a second, or counts up an attempt, of which there are few.
"""

import pytest

from dropreel.answers import Ambiguous, Busy, KeyRefused, NoBalance, NotSent
from dropreel.jobs import JobStatus, Reason
from dropreel.messages import Generation
from dropreel.spending import SpendLimit, day_of
from dropreel.waiting import LONGEST_SECONDS, backoff_seconds
from tests.unit.dropreel.world import DROP, JOB_ID, World

ROUNDS = 40
SHORTEST = 1  # seconds
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


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("answer", FOR_EVER.values(), ids=FOR_EVER)
@pytest.mark.parametrize("drawn", [0.0, 0.5, 1.0])
def test_a_provider_that_answers_so_for_ever_is_asked_with_pauses(world: World, answer, drawn):
    world.provider.submit_answer = answer
    object.__setattr__(world.submit, "random", lambda: drawn)
    world.submit.run(DROP)

    for _ in range(ROUNDS):
        (message,) = world.queue.sent
        assert SHORTEST <= message[1] <= LONGEST_SECONDS
        world.comes_again()

    assert world.job.status is JobStatus.DEFERRED


@pytest.mark.parametrize("drawn", [0.0, 1e-9, 0.5, 1.0])
def test_a_backoff_is_never_nothing(drawn):
    assert all(SHORTEST <= backoff_seconds(tries, drawn) <= LONGEST_SECONDS for tries in range(100))


def test_submissions_that_cannot_be_told_come_round_once_an_attempt(world: World):
    world.allows_resubmitting(max_attempts=10)
    world.provider.submit_answer = Ambiguous("no answer")
    world.submit.run(DROP)

    rounds = 0
    while world.queue.sent:
        world.comes_again()
        rounds += 1
        assert rounds < 10

    assert (world.job.status, world.job.attempt) == (JobStatus.UNKNOWN, 10)


def test_generations_that_fail_come_round_once_an_attempt(world: World):
    object.__setattr__(world.report, "max_attempts", 10)
    world.submit.run(DROP)

    rounds = 1
    while world.job.status is JobStatus.GENERATING:
        failed = Generation(JOB_ID, world.job.attempt, world.job.generation_id or "")
        world.report.run(failed, Reason("generation_failed", "no"))
        if world.queue.sent:
            world.comes_again()
            rounds += 1
        assert rounds <= 10

    assert (world.job.status, world.job.attempt) == (JobStatus.FAILED, 10)


def test_a_message_that_comes_too_early_waits_for_what_is_left(world: World):
    world.provider.submit_answer = Busy(429, 3_600)
    world.submit.run(DROP)
    message, _ = world.queue.sent.pop()
    world.clock.pass_seconds(3_598.6)

    world.submit.run(message)

    ((_, delay),) = world.queue.sent
    assert delay >= SHORTEST


def test_a_held_job_sends_no_message_of_its_own(world: World):
    world.ledger.limit = SpendLimit(50)
    world.ledger.reserved = {day_of(world.clock()): 50}

    world.submit.run(DROP)

    assert world.job.status is JobStatus.HELD
    assert world.queue.sent == []
