"""Whoever reads why a job is where it is reads what to do next."""

import ast
from pathlib import Path

import pytest

import dropreel
from dropreel.jobs import JobStatus, Money, Reason
from dropreel.next_steps import RESUMABLE, can_resume, next_step
from tests.unit.dropreel.sample_jobs import job_with

PACKAGE = Path(dropreel.__file__).parent
MAY_BE_CORRECTED = {"options_invalid", "request_invalid", "provider_refused"}


def _codes() -> set[str]:
    """Every reason code that the package can give."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Reason", "_Unreadable", "_refused"):
                found |= {
                    each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
    return {code for code in found if code.replace("_", "").isalpha() and code.islower()}


@pytest.mark.parametrize("code", sorted(_codes()))
@pytest.mark.parametrize("money", Money)
def test_every_reason_has_a_next_step(code, money):
    status = JobStatus.FAILED if code in RESUMABLE else JobStatus.REJECTED
    step = next_step(job_with(status=status, money=money, reason=Reason(code, "x")))

    assert step is not None
    assert step.endswith(".")
    if code in RESUMABLE:
        assert "0123456789abcdef01234567" in step
        assert "nothing is paid again" in step
    elif code.startswith("image_") or code in MAY_BE_CORRECTED:
        assert "pload" in step
        assert ("nothing was spent" in step) is (money is Money.NONE or code == "image_missing") or "newer" in step


def test_all_codes_were_found():
    assert {"timed_out", "image_format", "options_invalid", "submission_unknown", "image_damaged"} <= _codes()
    assert {"key_refused", "provider_balance", "provider_busy", "content_refused"} <= _codes()


@pytest.mark.parametrize("code", ["generation_failed", "content_refused", "submission_unknown"])
def test_a_job_whose_next_attempt_comes_is_left_to_it(code):
    job = job_with(
        status=JobStatus.DEFERRED, attempt=2, money=Money.SPENT, generation_id=None, reason=Reason(code, "x")
    )

    assert next_step(job) == "Nothing: it comes again by itself."


def test_a_job_without_a_reason_has_no_next_step():
    assert next_step(job_with()) is None


@pytest.mark.parametrize("changes", [{"generation_id": None}, {"status": JobStatus.UNKNOWN}, {"reason": None}])
def test_only_a_failed_job_with_a_paid_generation_is_resumed(changes):
    fields = {"status": JobStatus.FAILED, "reason": Reason("timed_out", "x"), **changes}

    assert can_resume(job_with(status=JobStatus.FAILED, reason=Reason("timed_out", "x")))
    assert not can_resume(job_with(**fields))
