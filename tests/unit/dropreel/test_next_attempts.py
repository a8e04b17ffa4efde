"""A failed generation comes again through the queue as the next attempt: a second payment, and never a third by accident."""

from dataclasses import replace

import pytest

from dropreel.answers import Accepted, GenerationFailed
from dropreel.errors import PublishFault, TryAgain
from dropreel.jobs import Charge, EventType, JobStatus, execution_name
from dropreel.messages import Generation, RetryMessage
from dropreel.reasons import Reason, ReasonCode
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_after
from tests.unit.dropreel.world import GENERATION, JOB_ID, World

FAILED = Reason(ReasonCode.GENERATION_FAILED, "The provider could not make the video: no faces")


def current(world: World) -> Generation:
    """The generation that the job has now."""
    job = world.job
    return Generation(job.job_id, job.attempt, job.generation_id or "", execution_name(job))


def attempts_of_its_own(world: World) -> None:
    """Let the provider give each submission a generation of its own."""

    def next_id() -> None:
        world.provider.submit_answer = Accepted(f"gen_{len(world.provider.sent)}", "created")

    just_after(world.provider, "post", next_id, each_time=True)


def test_a_failed_generation_is_submitted_again_by_one_message(world: World):
    attempts_of_its_own(world)
    world.run()

    assert world.report.run(GENERATION, FAILED) == {"outcome": "deferred"}

    assert world.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]
    assert world.comes_again() == "generating"
    assert (world.job.attempt, len(world.provider.sent), world.reserved) == (2, 2, 94)


def test_the_last_attempt_that_fails_ends_the_job(world: World):
    world.has(attempt=2, charge=Charge.CHARGED)

    assert world.report.run(current(world), FAILED) == {"outcome": "failed"}
    assert (world.queue.sent, world.bus.types) == ([], [EventType.FAILED])


@pytest.mark.parametrize("code", ["timed_out", "check_failed", "delivery_failed", "watch_ended", "content_refused"])
def test_only_a_failed_generation_is_paid_for_again(world: World, code):
    world.has(charge=Charge.CHARGED)

    assert world.report.run(GENERATION, Reason(ReasonCode(code), "x")) == {"outcome": "failed"}
    assert (world.queue.sent, world.job.attempt) == ([], 1)


@pytest.mark.parametrize("when", ["broken_before", "broken_after"])
@pytest.mark.parametrize(("outside", "action"), [("database", "save deferred"), ("queue", "send")])
def test_a_report_that_crashed_on_the_way_leads_to_one_next_attempt(world: World, outside, when, action):
    attempts_of_its_own(world)
    world.run()
    world.provider.poll_answer = GenerationFailed("no faces")
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        world.report.run(GENERATION, FAILED)
    broken.clear()

    world.report.run(GENERATION, FAILED)
    while world.queue.sent:
        world.comes_again()

    assert len(world.provider.sent) == 2
    assert (world.job.status, world.job.attempt) == (JobStatus.GENERATING, 2)


def test_generations_that_fail_come_round_once_an_attempt(world: World):
    world.report = replace(world.report, max_attempts=10)
    attempts_of_its_own(world)
    world.run()

    rounds = 1
    while world.job.status is JobStatus.GENERATING:
        world.report.run(current(world), FAILED)
        if world.queue.sent:
            world.comes_again()
            rounds += 1
        assert rounds <= 10

    assert (world.job.status, world.job.attempt, len(world.provider.sent)) == (JobStatus.FAILED, 10, 10)


def test_an_attempt_that_began_while_a_report_published_is_not_ended_by_it(world: World):
    """Step Functions may run a step again while it still runs: both speak of the attempt before."""
    world.report = replace(world.report, max_attempts=3)
    attempts_of_its_own(world)
    world.bus.takes_nothing = True
    with pytest.raises(PublishFault):
        world.run()
    world.bus.takes_nothing = False

    def other_report() -> None:
        world.report.run(GENERATION, FAILED)
        world.comes_again()

    just_after(world.bus, "publish", other_report)

    with pytest.raises(TryAgain):
        world.report.run(GENERATION, FAILED)

    assert (world.job.status, world.job.attempt, world.job.generation_id) == (JobStatus.GENERATING, 2, "gen_2")
    assert (len(world.provider.sent), world.queue.sent) == (2, [])
    assert world.report.run(GENERATION, FAILED) == {"outcome": "generating"}
