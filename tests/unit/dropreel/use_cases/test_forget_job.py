"""The rows of a job are redacted under its optimistic lock, and a run that was stopped is completed by the next one."""

from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel.domain.forgetting import FORGOTTEN, forgotten
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.submit_answers import Accepted
from dropreel.use_cases.forget_job import ForgetJob
from tests.support.executions import generation_of
from tests.support.fake_stack import JOB_ID, STACK, FakeStack
from tests.support.interleaving import death_before, just_before

WORDS = "Anna dances in Lindau"
KEPT = ("job_id", "row", "attempt", "status", "charge", "generation_id", "day", "listed", "cost_cents", "created_at")


@pytest.fixture
def forget(stack: FakeStack) -> ForgetJob:
    return ForgetJob(stack.jobs)


def failed_twice(stack: FakeStack) -> Job:
    """Pay for two generations that fail with the prompt in the provider's words."""
    validator = replace(stack.submit.validator, default_options={**STACK, "prompt": WORDS})
    stack.submit = replace(stack.submit, validator=validator)
    stack.run()
    for number in (1, 2):
        generation = generation_of(stack.job)
        stack.report.run(generation, Reason(ReasonCode.GENERATION_FAILED, f"it said {WORDS}", provider_error=WORDS))
        if number == 1:
            stack.provider.submit_answer = Accepted("gen_2", "created")
            stack.deliver_retry_message()
    assert (stack.job.status, stack.job.attempt, stack.job.charge) == (JobStatus.FAILED, 2, Charge.CHARGED)
    return stack.job


def rows(stack: FakeStack) -> list[dict[str, Any]]:
    return stack.jobs.history(JOB_ID)


def test_the_prompt_is_in_no_row_and_the_amounts_stay(stack: FakeStack, forget: ForgetJob) -> None:
    job = failed_twice(stack)
    before, reserved = rows(stack), stack.database.reserved
    assert [WORDS in str(row) for row in before] == [True, True, True]

    forget.run(JOB_ID)

    after = rows(stack)
    assert [WORDS in str(row) for row in after] == [False, False, False]
    assert [[row.get(name) for name in KEPT] for row in after] == [[row.get(name) for name in KEPT] for row in before]
    assert [row["reason"]["code"] for row in after] == ["generation_failed"] * 3
    assert stack.database.reserved == reserved
    assert stack.job == replace(forgotten(job), version=job.version + 1)


def test_a_second_run_writes_nothing(stack: FakeStack, forget: ForgetJob) -> None:
    failed_twice(stack)
    once = forget.run(JOB_ID)
    del stack.journal[:]

    assert forget.run(JOB_ID) == once
    assert stack.journal == ["get"]


@pytest.mark.parametrize("number", range(5))
def test_a_run_that_dies_at_any_call_is_completed_by_the_next(stack: FakeStack, forget: ForgetJob, number: int) -> None:
    failed_twice(stack)
    with death_before(number):
        forget.run(JOB_ID)
    assert stack.job.options is not None
    assert stack.job.options.prompt == WORDS  # the job is the last to be written

    forget.run(JOB_ID)

    assert WORDS not in str(rows(stack))
    assert FORGOTTEN in str(rows(stack))


def test_a_run_has_no_other_calls(stack: FakeStack, forget: ForgetJob) -> None:
    failed_twice(stack)
    del stack.journal[:]

    forget.run(JOB_ID)

    assert stack.journal == ["get", "query", "save failed", "save failed", "save failed"]


@pytest.mark.parametrize("status", [one for one in JobStatus if one not in ("completed", "failed", "rejected")])
def test_a_job_that_has_not_ended_is_left_as_it_is(stack: FakeStack, forget: ForgetJob, status: JobStatus) -> None:
    job = stack.put_job(status=status)

    with pytest.raises(ActionNotAllowed, match=f"is {status.value}"):
        forget.run(JOB_ID)

    assert stack.job == job


def test_a_job_that_is_resumed_meanwhile_keeps_its_options(stack: FakeStack, forget: ForgetJob) -> None:
    job = failed_twice(stack)

    def resume() -> None:
        stack.database.put(replace(job, status=JobStatus.GENERATING, version=job.version + 1))

    just_before(stack.database, "save failed", resume, each_time=False)
    with pytest.raises(RetryLater, match="was changed meanwhile"):
        forget.run(JOB_ID)

    assert stack.job.status is JobStatus.GENERATING
    assert stack.job.options == job.options


def test_a_job_that_is_not_there(forget: ForgetJob) -> None:
    with pytest.raises(ActionNotAllowed, match="There is no job"):
        forget.run(JOB_ID)
