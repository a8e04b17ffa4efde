"""What `dropreel drop` draws while it waits, and its last table."""

import io

import pytest
from rich.console import Console

from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.drop_output import FollowBoard, outcome_table
from dropreel_cli.following import Following
from tests.support.sample_jobs import IMAGE, job_with


def numbered(number: int, **changes: object) -> Job:
    return job_with(job_id=f"{number:024}", image=IMAGE._replace(key=f"beach-{number}.jpg"), **changes)


def drawn(jobs: list[Job], height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=80, height=height, force_terminal=True, color_system=None)
    board = FollowBoard(console, Following(lambda _: [], [job.job_id for job in jobs]))
    for job in jobs:
        board.add(job)
    with console.capture() as captured:
        console.print(board._render())
    return [line.rstrip() for line in captured.get().splitlines()]


def test_each_job_has_one_row_that_changes() -> None:
    lines = drawn(
        [
            numbered(1, status=JobStatus.GENERATING, provider_status="created"),
            numbered(2, status=JobStatus.HELD, reason=Reason(ReasonCode.DAILY_LIMIT, "The [daily] limit is reached.")),
            numbered(1, status=JobStatus.GENERATING, provider_status="processing"),
        ],
        height=24,
    )

    assert lines[:-1] == [
        "image        status      progress, video or reason",
        "beach-1.jpg  generating  provider: processing",
        "beach-2.jpg  held        The [daily] limit is reached.",
    ]
    assert lines[-1].endswith("s  2 waiting")


def test_the_table_fits_the_terminal_and_keeps_the_last_changes() -> None:
    lines = drawn([numbered(n, status=JobStatus.GENERATING, provider_status="created") for n in range(50)], height=10)

    assert len(lines) < 10
    assert [line.split()[0] for line in lines[1:-1]] == [f"beach-{n}.jpg" for n in range(44, 50)]


@pytest.mark.parametrize(
    ("charge", "cell"), [(Charge.CHARGED, "up to 0.94"), (Charge.UNKNOWN, "up to 0.94"), (Charge.NONE, "")]
)
def test_the_last_table_has_the_charge_of_all_attempts(charge: Charge, cell: str) -> None:
    reason = Reason(ReasonCode.GENERATION_FAILED, "it was no")
    job = numbered(1, status=JobStatus.FAILED, charge=charge, attempt=2, cost_cents=47, reason=reason)
    console = Console(file=io.StringIO(), width=400)

    with console.capture() as captured:
        console.print(outcome_table([job], [], "", shows_all=False))

    said, end, charged = captured.get().splitlines()[1].partition("upload the image again.")
    assert end
    assert charged.strip() == cell
    assert "it was no. Read" in said


def test_the_next_step_names_the_stack_as_it_was_given() -> None:
    job = numbered(1, status=JobStatus.UNKNOWN, reason=Reason(ReasonCode.SUBMISSION_UNKNOWN, "no answer"))
    console = Console(file=io.StringIO(), width=500)

    with console.capture() as captured:
        console.print(outcome_table([job], [], " --local", shows_all=False))

    assert f"`dropreel adopt {job.job_id} GENERATION_ID --local`" in captured.get()
    assert f"`dropreel abandon {job.job_id} --local`" in captured.get()
