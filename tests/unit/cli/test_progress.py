"""What is printed while a job runs, and at the end of one without a video."""

import io

import pytest
from rich.console import Console

from dropreel.domain.images import Image, Prepared, PrepareReason
from dropreel.domain.job import Charge, JobStatus
from dropreel.domain.next_steps import RESUMABLE, next_step
from dropreel.domain.prices import PRICE_CENTS, usd
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.progress import _MEANING, JobProgress, describe_preparation, describe_video, explain_end
from tests.support.sample_jobs import OPTIONS, VIDEO, job_with

PRICE = PRICE_CENTS["fast", 5]
"""What the job of these tests costs an attempt."""
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

    JobProgress(console).show(job_with(status=status))

    assert f"{status.value}  {_MEANING[status]}" in console.export_text()


def test_a_waiting_job_has_its_reason_in_the_line():
    console = Console(record=True, width=200, file=io.StringIO())
    reason = Reason(ReasonCode.KEY_REFUSED, "The provider refused [our] key.")

    JobProgress(console).show(job_with(status=JobStatus.DEFERRED, reason=reason))

    assert f"{_MEANING[JobStatus.DEFERRED]}: The provider refused [our] key." in console.export_text()


def prepared_image(width: int = 4032, height: int = 3024) -> Image:
    prepared = Prepared("prepared", "id.jpg", (PrepareReason.FORMAT,), "JPEG", 3_140_000, width, height, "0" * 64)
    return Image("uploads", "beach.heic", format="HEIC", width=4032, height=3024, prepared=prepared)


def test_a_prepared_image_has_one_line_with_what_it_was_and_what_it_is():
    console = Console(record=True, width=200, file=io.StringIO())
    progress = JobProgress(console)

    for status in (JobStatus.SUBMITTING, JobStatus.GENERATING):
        progress.show(job_with(status=status, image=prepared_image()))

    lines = [line for line in console.export_text().splitlines() if " prepared  " in line]
    assert [line.partition(" prepared  ")[2] for line in lines] == ["HEIC, 4032 x 3024 -> JPEG, 3.1 MB"]


def test_a_prepared_image_that_was_scaled_down_has_its_new_size():
    text = describe_preparation(prepared_image(2016, 1512))

    assert text == "HEIC, 4032 x 3024 -> JPEG, 2016 x 1512, 3.1 MB"


@pytest.mark.parametrize(("sound", "words"), [(True, "with sound"), (False, "without sound")])
def test_a_video_is_described_from_its_job(sound, words):
    job = job_with(status=JobStatus.COMPLETED, video=VIDEO, options=OPTIONS._replace(sound=sound))

    assert describe_video(job) == f"5.04 s, 640 x 360, {words}, 99 bytes"


def test_what_could_not_be_read_from_a_video_is_left_out():
    video = VIDEO._replace(duration_seconds=None, width=None, height=None)

    assert describe_video(job_with(video=video, options=None)) == "99 bytes"


@pytest.mark.parametrize(("status", "charge", "code"), ENDS)
def test_an_end_has_the_image_status_reason_and_next_step(status, charge, code):
    job = job_with(status=status, charge=charge, reason=Reason(code, "It was too dark"))

    text = explain_end(job)

    assert text.startswith(f"holiday/beach.jpg: {status.value}. It was too dark. ")
    assert text.endswith(next_step(job) or "-")


@pytest.mark.parametrize("code", sorted(RESUMABLE))
def test_a_job_that_can_be_resumed_asks_for_no_second_payment(code):
    job = job_with(status=JobStatus.FAILED, charge=Charge.CHARGED, reason=Reason(code, "x"))

    text = explain_end(job)

    assert f"`dropreel resume {job.job_id}`" in text
    assert "nothing is paid again" in text
    assert "Drop the image again" not in text
    assert "will be paid" not in text


@pytest.mark.parametrize(
    ("charge", "attempt", "cost"),
    [
        (Charge.NONE, 1, "nothing was spent."),
        (Charge.CHARGED, 1, f"It cost ${usd(PRICE)}."),
        (Charge.UNKNOWN, 1, f"It may have cost ${usd(PRICE)}."),
        (Charge.CHARGED, 2, f"It cost up to ${usd(2 * PRICE)} (2 attempts at ${usd(PRICE)})."),
        (Charge.UNKNOWN, 3, f"It may have cost up to ${usd(3 * PRICE)} (3 attempts at ${usd(PRICE)})."),
    ],
)
def test_an_end_has_the_cost_once(charge, attempt, cost):
    reason = Reason(ReasonCode.PROVIDER_REFUSED, "y.")
    job = job_with(status=JobStatus.FAILED, charge=charge, attempt=attempt, reason=reason)

    assert explain_end(job).lower().count(cost.lower()) == 1


def test_an_end_without_a_reason():
    assert explain_end(job_with(status=JobStatus.FAILED)) == (
        "holiday/beach.jpg: failed. No reason was given. Nothing was spent."
    )
