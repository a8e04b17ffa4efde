"""docs/reasons.md explains every reason code, and says of each what the code itself says is next."""

import re
from pathlib import Path

import pytest

from dropreel.adapters.queues import HIDDEN_SECONDS
from dropreel.domain.backoff import LONGEST_DEAD_LETTER, LONGEST_DEFERRAL, LONGEST_HOLD
from dropreel.domain.job import Charge, JobStatus
from dropreel.domain.next_steps import next_step
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import job_with

PAGE = Path(__file__).parents[3] / "docs" / "reasons.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]


def test_every_reason_code_has_one_row_in_the_order_of_an_images_way() -> None:
    assert [row[0] for row in ROWS] == [f"`{code}`" for code in ReasonCode]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_the_next_step_of_a_job_in_that_status(row: list[str]) -> None:
    code, status, _, said = row
    is_paid = status == "`failed`"
    job = job_with(
        status=JobStatus(status.strip("`")),
        charge=Charge.CHARGED if is_paid else Charge.NONE,
        generation_id="gen_1" if is_paid else None,
        reason=Reason(ReasonCode(code.strip("`")), "x"),
    )

    assert said == (next_step(job) or "").replace(job.job_id, "*job_id*")


def test_no_page_calls_a_charge_by_its_old_name() -> None:
    names = ("README.md", "docs/options.md", "docs/reasons.md", "docs/images.md", "docs/first-deployment.md")
    pages = [PAGE.parents[1] / name for name in names]

    assert [page.name for page in pages if re.search(r"`money`|\"money\"|`perhaps`", page.read_text())] == []


def test_the_pages_say_how_long_an_image_may_wait_as_the_code_has_it() -> None:
    (because,) = [row[2] for row in ROWS if row[0] == f"`{ReasonCode.WAITED_TOO_LONG}`"]
    checklist = " ".join((PAGE.parent / "first-deployment.md").read_text(encoding="utf-8").split())

    assert because.endswith(
        f"{LONGEST_DEFERRAL.days} days for the provider, {LONGEST_DEAD_LETTER.days} days in the dead-letter queue, "
        f"{LONGEST_HOLD.days} days for the day's limit"
    )
    assert f"After {LONGEST_DEAD_LETTER.days} days, its job ends with the reason `waited_too_long`" in checklist
    assert f"hides each message for {HIDDEN_SECONDS} s" in checklist
