"""What people read at the end of a job that brought no video."""

import pytest

from cli.progress import explain_end
from dropreel.jobs import JobStatus, Money, Reason
from dropreel.next_steps import RESUMABLE, next_step
from tests.unit.dropreel.sample_jobs import job_with

ENDS = [
    (JobStatus.FAILED, Money.SPENT, "timed_out"),
    (JobStatus.FAILED, Money.SPENT, "generation_failed"),
    (JobStatus.FAILED, Money.SPENT, "content_refused"),
    (JobStatus.FAILED, Money.PERHAPS, "abandoned"),
    (JobStatus.REJECTED, Money.NONE, "options_invalid"),
    (JobStatus.REJECTED, Money.NONE, "provider_refused"),
    (JobStatus.UNKNOWN, Money.PERHAPS, "submission_unknown"),
]


@pytest.mark.parametrize(("status", "money", "code"), ENDS)
def test_an_end_says_what_happened_to_which_image_and_ends_with_the_next_step(status, money, code):
    job = job_with(status=status, money=money, reason=Reason(code, "It was too dark"))

    said = explain_end(job)

    assert said.startswith(f"holiday/beach.jpg: {status.value}. It was too dark. ")
    assert said.endswith(next_step(job) or "-")


@pytest.mark.parametrize("code", sorted(RESUMABLE))
def test_nobody_is_told_to_pay_again_for_what_can_be_resumed(code):
    job = job_with(status=JobStatus.FAILED, money=Money.SPENT, reason=Reason(code, "x"))

    said = explain_end(job)

    assert f"Resume job {job.job_id}" in said
    assert "nothing is paid again" in said
    assert "Drop the image again" not in said
    assert "will be paid" not in said


@pytest.mark.parametrize(
    ("money", "attempt", "cost"),
    [
        (Money.NONE, 1, "nothing was spent."),
        (Money.SPENT, 1, "It cost $0.47."),
        (Money.PERHAPS, 1, "It may have cost $0.47."),
        (Money.SPENT, 2, "It cost up to $0.94 (2 attempts at $0.47)."),
        (Money.PERHAPS, 3, "It may have cost up to $1.41 (3 attempts at $0.47)."),
    ],
)
def test_an_end_says_once_what_it_cost(money, attempt, cost):
    job = job_with(status=JobStatus.FAILED, money=money, attempt=attempt, reason=Reason("x", "y."))

    assert explain_end(job).lower().count(cost.lower()) == 1


def test_an_end_without_a_reason_is_told_too():
    assert explain_end(job_with(status=JobStatus.FAILED)) == (
        "holiday/beach.jpg: failed. No reason was given. Nothing was spent."
    )
