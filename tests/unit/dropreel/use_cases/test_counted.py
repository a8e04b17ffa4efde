"""What is counted in CloudWatch metrics, and so raises an alarm."""

import pytest

from dropreel.domain.job import JobStatus
from dropreel.domain.metrics import Metric
from dropreel.provider.poll_answers import PollFault
from dropreel.provider.submit_answers import Busy, KeyRefused, NoBalance, SubmitAnswer, Unknown
from dropreel.use_cases.submit_generation import LEASE
from tests.support.fake_stack import GENERATION, JOB_ID, FakeStack


@pytest.fixture
def stack() -> FakeStack:
    return FakeStack()


@pytest.mark.parametrize(
    ("answer", "metric"),
    [
        (KeyRefused(401), Metric.KEY_REFUSED),
        (NoBalance(402), Metric.NO_BALANCE),
        (Unknown("the connection was reset"), Metric.SUBMISSION_UNKNOWN),
    ],
)
def test_a_submission_that_needs_the_operator_is_counted(stack: FakeStack, answer: SubmitAnswer, metric: Metric):
    stack.provider.submit_answer = answer

    stack.run()

    assert stack.counted == [(metric, JOB_ID)]


def test_a_submission_that_only_waits_is_not_counted(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)

    stack.run()

    assert stack.counted == []


def test_an_accepted_submission_is_not_counted(stack: FakeStack):
    stack.run()

    assert stack.counted == []


@pytest.mark.parametrize(
    ("fault", "metric"),
    [
        (PollFault("refused", status_code=401), Metric.KEY_REFUSED),
        (PollFault("refused", status_code=403), Metric.KEY_REFUSED),
        (PollFault("no credits", status_code=402, no_balance=True), Metric.NO_BALANCE),
        (PollFault("no credits", status_code=403, no_balance=True), Metric.NO_BALANCE),
    ],
)
def test_a_poll_that_needs_the_operator_is_counted(stack: FakeStack, fault: PollFault, metric: Metric):
    stack.put_job(status=JobStatus.GENERATING, generation_id=GENERATION.generation_id)
    stack.provider.poll_answer = fault

    stack.check.run(GENERATION)

    assert stack.counted == [(metric, JOB_ID)]


def test_a_poll_that_only_failed_is_not_counted(stack: FakeStack):
    stack.put_job(status=JobStatus.GENERATING, generation_id=GENERATION.generation_id)
    stack.provider.poll_answer = PollFault("unavailable", status_code=503)

    stack.check.run(GENERATION)

    assert stack.counted == []


def test_an_interrupted_submission_is_counted_by_the_sweeper(stack: FakeStack):
    stack.put_job(status=JobStatus.SUBMITTING, lease_until=stack.clock.time)
    stack.clock.pass_seconds(LEASE.total_seconds())

    stack.sweep.run()

    assert stack.job.status is JobStatus.UNKNOWN
    assert stack.counted == [(Metric.SUBMISSION_UNKNOWN, JOB_ID)]
