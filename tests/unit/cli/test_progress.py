"""What people read at the end of a job that brought no video."""

import io

import pytest
from rich.console import Console

from cli.progress import _MEANING, JobProgress, explain_end
from dropreel.domain.job import Charge, JobStatus
from dropreel.domain.next_steps import RESUMABLE, next_step
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import job_with

ENDS = [
    (JobStatus.FAILED, Charge.CHARGED, ReasonCode.TIMED_OUT),
    (JobStatus.FAILED, Charge.CHARGED, ReasonCode.GENERATION_FAILED),
    (JobStatus.FAILED, Charge.CHARGED, ReasonCode.CONTENT_REFUSED),
    (JobStatus.FAILED, Charge.UNKNOWN, ReasonCode.ABANDONED),
    (JobStatus.REJECTED, Charge.NONE, ReasonCode.OPTIONS_INVALID),
    (JobStatus.REJECTED, Charge.NONE, ReasonCode.PROVIDER_REFUSED),
    (JobStatus.UNKNOWN, Charge.UNKNOWN, ReasonCode.SUBMISSION_UNKNOWN),
]


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_has_a_line_of_its_own(status):
    console = Console(record=True, file=io.StringIO())

    JobProgress(console).saw(job_with(status=status))

    assert f"{status.value}  {_MEANING[status]}" in console.export_text()


@pytest.mark.parametrize(("status", "charge", "code"), ENDS)
def test_an_end_says_what_happened_to_which_image_and_ends_with_the_next_step(status, charge, code):
    job = job_with(status=status, charge=charge, reason=Reason(code, "It was too dark"))

    said = explain_end(job)

    assert said.startswith(f"holiday/beach.jpg: {status.value}. It was too dark. ")
    assert said.endswith(next_step(job) or "-")


@pytest.mark.parametrize("code", sorted(RESUMABLE))
def test_nobody_is_told_to_pay_again_for_what_can_be_resumed(code):
    job = job_with(status=JobStatus.FAILED, charge=Charge.CHARGED, reason=Reason(code, "x"))

    said = explain_end(job)

    assert f"Resume job {job.job_id}" in said
    assert "nothing is paid again" in said
    assert "Drop the image again" not in said
    assert "will be paid" not in said


@pytest.mark.parametrize(
    ("charge", "attempt", "cost"),
    [
        (Charge.NONE, 1, "nothing was spent."),
        (Charge.CHARGED, 1, "It cost $0.47."),
        (Charge.UNKNOWN, 1, "It may have cost $0.47."),
        (Charge.CHARGED, 2, "It cost up to $0.94 (2 attempts at $0.47)."),
        (Charge.UNKNOWN, 3, "It may have cost up to $1.41 (3 attempts at $0.47)."),
    ],
)
def test_an_end_says_once_what_it_cost(charge, attempt, cost):
    reason = Reason(ReasonCode.PROVIDER_REFUSED, "y.")
    job = job_with(status=JobStatus.FAILED, charge=charge, attempt=attempt, reason=reason)

    assert explain_end(job).lower().count(cost.lower()) == 1


def test_an_end_without_a_reason_is_told_too():
    assert explain_end(job_with(status=JobStatus.FAILED)) == (
        "holiday/beach.jpg: failed. No reason was given. Nothing was spent."
    )
