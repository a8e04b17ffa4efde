"""A failed generation comes again through the queue as the next attempt: a second payment, and never a third by accident."""

from dataclasses import replace

import pytest

from dropreel.domain.errors import PublishFault, RetryLater
from dropreel.domain.job import Charge, EventType, JobStatus, execution_name
from dropreel.domain.messages import Generation, RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.answers import Accepted, GenerationFailed
from tests.support.fake_stack import GENERATION, JOB_ID, FakeStack
from tests.support.fakes import OutOfOrderError
from tests.support.interleaving import just_after

FAILED = Reason(ReasonCode.GENERATION_FAILED, "The provider could not make the video: no faces")


def current(stack: FakeStack) -> Generation:
    """The generation that the job has now."""
    job = stack.job
    return Generation(job.job_id, job.attempt, job.generation_id or "", execution_name(job))


def attempts_of_its_own(stack: FakeStack) -> None:
    """Let the provider give each submission a generation of its own."""

    def next_id() -> None:
        stack.provider.submit_answer = Accepted(f"gen_{len(stack.provider.sent)}", "created")

    just_after(stack.provider, "post", next_id, each_time=True)


def test_a_failed_generation_is_submitted_again_by_one_message(stack: FakeStack):
    attempts_of_its_own(stack)
    stack.run()

    assert stack.report.run(GENERATION, FAILED) == {"outcome": "deferred"}

    assert stack.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]
    assert stack.comes_again() == "generating"
    assert (stack.job.attempt, len(stack.provider.sent), stack.reserved) == (2, 2, 94)


def test_the_last_attempt_that_fails_ends_the_job(stack: FakeStack):
    stack.has(attempt=2, charge=Charge.CHARGED)

    assert stack.report.run(current(stack), FAILED) == {"outcome": "failed"}
    assert (stack.queue.sent, stack.bus.types) == ([], [EventType.FAILED])


@pytest.mark.parametrize("code", ["timed_out", "check_failed", "delivery_failed", "watch_ended", "content_refused"])
def test_only_a_failed_generation_is_paid_for_again(stack: FakeStack, code):
    stack.has(charge=Charge.CHARGED)

    assert stack.report.run(GENERATION, Reason(ReasonCode(code), "x")) == {"outcome": "failed"}
    assert (stack.queue.sent, stack.job.attempt) == ([], 1)


@pytest.mark.parametrize("when", ["broken_before", "broken_after"])
@pytest.mark.parametrize(("outside", "action"), [("database", "save deferred"), ("queue", "send")])
def test_a_report_that_crashed_on_the_way_leads_to_one_next_attempt(stack: FakeStack, outside, when, action):
    attempts_of_its_own(stack)
    stack.run()
    stack.provider.poll_answer = GenerationFailed("no faces")
    broken = getattr(getattr(stack, outside), when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        stack.report.run(GENERATION, FAILED)
    broken.clear()

    stack.report.run(GENERATION, FAILED)
    while stack.queue.sent:
        stack.comes_again()

    assert len(stack.provider.sent) == 2
    assert (stack.job.status, stack.job.attempt) == (JobStatus.GENERATING, 2)


def test_generations_that_fail_come_round_once_an_attempt(stack: FakeStack):
    stack.report = replace(stack.report, max_attempts=10)
    attempts_of_its_own(stack)
    stack.run()

    rounds = 1
    while stack.job.status is JobStatus.GENERATING:
        stack.report.run(current(stack), FAILED)
        if stack.queue.sent:
            stack.comes_again()
            rounds += 1
        assert rounds <= 10

    assert (stack.job.status, stack.job.attempt, len(stack.provider.sent)) == (JobStatus.FAILED, 10, 10)


def test_an_attempt_that_began_while_a_report_published_is_not_ended_by_it(stack: FakeStack):
    """Step Functions may run a step again while it still runs: both speak of the attempt before."""
    stack.report = replace(stack.report, max_attempts=3)
    attempts_of_its_own(stack)
    stack.bus.takes_nothing = True
    with pytest.raises(PublishFault):
        stack.run()
    stack.bus.takes_nothing = False

    def other_report() -> None:
        stack.report.run(GENERATION, FAILED)
        stack.comes_again()

    just_after(stack.bus, "publish", other_report)

    with pytest.raises(RetryLater):
        stack.report.run(GENERATION, FAILED)

    assert (stack.job.status, stack.job.attempt, stack.job.generation_id) == (JobStatus.GENERATING, 2, "gen_2")
    assert (len(stack.provider.sent), stack.queue.sent) == (2, [])
    assert stack.report.run(GENERATION, FAILED) == {"outcome": "generating"}
