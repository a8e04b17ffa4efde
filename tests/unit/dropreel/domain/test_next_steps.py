"""Every reason has a next step for people."""

import ast
from pathlib import Path

import pytest

import dropreel
from dropreel.domain.job import Charge, JobStatus
from dropreel.domain.next_steps import RESUMABLE, can_resume, next_step
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import job_with

PACKAGE = Path(dropreel.__file__).parent
MAY_BE_CORRECTED = {ReasonCode.OPTIONS_INVALID, ReasonCode.REQUEST_INVALID, ReasonCode.PROVIDER_REFUSED}


@pytest.mark.parametrize("code", ReasonCode)
@pytest.mark.parametrize("charge", Charge)
def test_every_reason_has_a_next_step(code, charge):
    status = JobStatus.FAILED if code in RESUMABLE else JobStatus.REJECTED
    step = next_step(job_with(status=status, charge=charge, reason=Reason(code, "x")))

    assert step is not None
    assert step.endswith(".")
    if code in RESUMABLE:
        assert "0123456789abcdef01234567" in step
        assert "nothing is paid again" in step
    elif code.startswith("image_") or code in MAY_BE_CORRECTED:
        assert "pload" in step
        assert ("nothing was spent" in step) is (charge is Charge.NONE or code == "image_missing") or "newer" in step


def test_every_reason_code_is_used_somewhere():
    elsewhere = [path for path in PACKAGE.rglob("*.py") if path.stem not in ("reasons", "next_steps")]
    named = {
        node.attr
        for path in elsewhere
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ReasonCode"
    }

    assert {code.name for code in ReasonCode} == named


def test_after_too_long_a_wait_its_cause_is_to_be_fixed():
    job = job_with(status=JobStatus.REJECTED, generation_id=None, reason=Reason(ReasonCode.WAITED_TOO_LONG, "x"))

    assert next_step(job) == "Fix the cause of the wait and upload the image again; nothing was spent."


@pytest.mark.parametrize(
    "code", [ReasonCode.GENERATION_FAILED, ReasonCode.CONTENT_REFUSED, ReasonCode.SUBMISSION_UNKNOWN]
)
def test_a_job_with_a_next_attempt_needs_nothing(code):
    job = job_with(
        status=JobStatus.DEFERRED, attempt=2, charge=Charge.CHARGED, generation_id=None, reason=Reason(code, "x")
    )

    assert next_step(job) == "Nothing: the job is retried automatically."


def test_the_step_of_a_failed_paid_job_is_its_command():
    job = job_with(status=JobStatus.FAILED, reason=Reason(ReasonCode.TIMED_OUT, "x"))

    assert next_step(job).startswith("Run `dropreel resume 0123456789abcdef01234567`: ")


@pytest.mark.parametrize("code", [ReasonCode.SUBMISSION_UNKNOWN, ReasonCode.WAITED_TOO_LONG])
def test_every_unknown_job_has_the_three_commands_that_settle_it(code):
    """A later attempt that was not charged ends as unknown, too, after an unknown one."""
    job = job_with(status=JobStatus.UNKNOWN, charge=Charge.UNKNOWN, generation_id=None, reason=Reason(code, "x"))

    step = next_step(job) or ""

    assert "`dropreel adopt 0123456789abcdef01234567 GENERATION_ID`" in step
    assert "`dropreel abandon 0123456789abcdef01234567`" in step
    assert "`dropreel resubmit 0123456789abcdef01234567`, which may pay a second time" in step


@pytest.mark.parametrize("status", [JobStatus.DEFERRED, JobStatus.PREPARING])
def test_the_step_of_a_dead_letter_is_its_command(status):
    job = job_with(status=status, generation_id=None, reason=Reason(ReasonCode.DEAD_LETTER, "x"))

    assert next_step(job) == (
        "Fix the cause, then run `dropreel redrive 0123456789abcdef01234567`; nothing is paid twice."
    )


def test_a_job_without_a_reason_has_no_next_step():
    assert next_step(job_with()) is None


@pytest.mark.parametrize("changes", [{"generation_id": None}, {"status": JobStatus.UNKNOWN}, {"reason": None}])
def test_only_a_failed_job_with_a_paid_generation_is_resumed(changes):
    fields = {"status": JobStatus.FAILED, "reason": Reason(ReasonCode.TIMED_OUT, "x"), **changes}

    assert can_resume(job_with(status=JobStatus.FAILED, reason=Reason(ReasonCode.TIMED_OUT, "x")))
    assert not can_resume(job_with(**fields))
