"""A failed generation is submitted again as the next attempt, which is paid again: exactly once."""

from dataclasses import replace

import pytest

from dropreel.domain.errors import PublishFault, RetryLater
from dropreel.domain.executions import Generation
from dropreel.domain.job import Charge, EventType, JobStatus, execution_name
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.poll_answers import GenerationFailed
from dropreel.provider.submit_answers import Accepted
from tests.support.fake_stack import GENERATION, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_after
from tests.support.sample_jobs import PRICE

FAILED = Reason(ReasonCode.GENERATION_FAILED, "The provider could not make the video: no faces")


def current(stack: FakeStack) -> Generation:
    """The job's current generation."""
    job = stack.job
    return Generation(job.job_id, job.attempt, job.generation_id or "", execution_name(job))


def attempts_of_its_own(stack: FakeStack) -> None:
    """Let the provider answer each submission with a new generation id."""

    def next_id() -> None:
        stack.provider.submit_answer = Accepted(f"gen_{len(stack.provider.sent)}", "created")

    just_after(stack.provider, "post", next_id, each_time=True)


def test_a_failed_generation_is_submitted_again_by_one_message(stack: FakeStack):
    attempts_of_its_own(stack)
    stack.run()

    assert stack.report.run(GENERATION, FAILED) == {"outcome": "deferred"}

    assert stack.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]
    assert stack.deliver_retry_message() == "generating"
    assert (stack.job.attempt, len(stack.provider.sent), stack.reserved) == (2, 2, 2 * PRICE)


def test_the_last_attempt_that_fails_ends_the_job(stack: FakeStack):
    stack.put_job(attempt=2, charge=Charge.CHARGED)

    assert stack.report.run(current(stack), FAILED) == {"outcome": "failed"}
    assert (stack.queue.sent, stack.bus.types) == ([], [EventType.FAILED])


@pytest.mark.parametrize("code", ["timed_out", "check_failed", "delivery_failed", "watch_ended", "content_refused"])
def test_only_a_failed_generation_is_paid_for_again(stack: FakeStack, code):
    stack.put_job(charge=Charge.CHARGED)

    assert stack.report.run(GENERATION, Reason(ReasonCode(code), "x")) == {"outcome": "failed"}
    assert (stack.queue.sent, stack.job.attempt) == ([], 1)


@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
@pytest.mark.parametrize(("outside", "action"), [("database", "save deferred"), ("queue", "send")])
def test_a_report_that_crashed_leads_to_one_next_attempt(stack: FakeStack, outside, when, action):
    attempts_of_its_own(stack)
    stack.run()
    stack.provider.poll_answer = GenerationFailed("no faces")
    broken = getattr(getattr(stack, outside), when)
    broken.add(action)
    with pytest.raises(OutageError):
        stack.report.run(GENERATION, FAILED)
    broken.clear()

    stack.report.run(GENERATION, FAILED)
    while stack.queue.sent:
        stack.deliver_retry_message()

    assert len(stack.provider.sent) == 2
    assert (stack.job.status, stack.job.attempt) == (JobStatus.GENERATING, 2)


def test_each_failed_attempt_is_followed_by_one_attempt(stack: FakeStack):
    stack.report = replace(stack.report, max_attempts=10)
    attempts_of_its_own(stack)
    stack.run()

    rounds = 1
    while stack.job.status is JobStatus.GENERATING:
        stack.report.run(current(stack), FAILED)
        if stack.queue.sent:
            stack.deliver_retry_message()
            rounds += 1
        assert rounds <= 10

    assert (stack.job.status, stack.job.attempt, len(stack.provider.sent)) == (JobStatus.FAILED, 10, 10)


def test_an_attempt_that_began_while_a_report_published_is_not_ended_by_it(stack: FakeStack):
    """Step Functions can run a step twice at the same time: both runs report the previous attempt."""
    stack.report = replace(stack.report, max_attempts=3)
    attempts_of_its_own(stack)
    stack.bus.refuses_all = True
    with pytest.raises(PublishFault):
        stack.run()
    stack.bus.refuses_all = False

    def other_report() -> None:
        stack.report.run(GENERATION, FAILED)
        stack.deliver_retry_message()

    just_after(stack.bus, "publish", other_report)

    with pytest.raises(RetryLater):
        stack.report.run(GENERATION, FAILED)

    assert (stack.job.status, stack.job.attempt, stack.job.generation_id) == (JobStatus.GENERATING, 2, "gen_2")
    assert (len(stack.provider.sent), stack.queue.sent) == (2, [])
    assert stack.report.run(GENERATION, FAILED) == {"outcome": "generating"}
