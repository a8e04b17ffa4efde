"""What `dropreel run` prints while a job runs, and the sentences about jobs and videos at their end."""

import time
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console
from rich.markup import escape

from dropreel.domain.images import Image
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.next_steps import next_step
from dropreel.domain.prices import usd

_MEANING = {
    JobStatus.SUBMITTING: "the image is valid and is being submitted",
    JobStatus.GENERATING: "accepted by the provider",
    JobStatus.DEFERRED: "waiting to be submitted",
    JobStatus.PREPARING: "the image is being prepared for the provider",
    JobStatus.HELD: "waiting for the daily spend limit",
    JobStatus.COMPLETED: "the video is in the videos bucket",
    JobStatus.FAILED: "there is no video",
    JobStatus.REJECTED: "nothing was spent",
    JobStatus.UNKNOWN: "it may have been charged",
}


class JobProgress:
    """A line for each change and, on a terminal, a live line with seconds and polls in between."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._started = time.monotonic()
        self._status = console.status("waiting for the upload's event")
        self._shown: tuple[str, str | None] | None = None
        self._prepared: str | None = None
        self._polls = 0

    def __enter__(self) -> "JobProgress":
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def refresh(self, jobs: Iterable[Job]) -> None:
        """Update the live line to the polls of these jobs."""
        self._polls = sum(job.polls for job in jobs)
        self._status.update(f"{self.seconds:.0f} s, {self._polls} polls")

    def show(self, job: Job) -> None:
        """Print a line if the status has changed, and one for a prepared image."""
        self._polls = job.polls
        self._show_prepared(job.image)
        state = (job.status.value, job.provider_status)
        if state != self._shown:
            self._shown = state
            detail = ""
            if job.status is JobStatus.GENERATING:
                detail = f" (provider: {job.provider_status})"
            elif not job.is_terminal and job.reason:
                detail = f": {job.reason.message}"
            self._print(job.status.value, f"{_MEANING[job.status]}{detail}")

    def _show_prepared(self, image: Image) -> None:
        if image.prepared is not None and image.prepared.sha256 != self._prepared:
            self._prepared = image.prepared.sha256
            self._print("prepared", describe_preparation(image))

    def _print(self, status: str, text: str) -> None:
        self.console.print(
            f"  {self.seconds:5.1f} s  {self._polls:3d} polls  [bold]{status}[/]  {escape(text)}", highlight=False
        )


def describe_preparation(image: Image) -> str:
    """Return what a prepared image was and what is submitted in its place: `HEIC, 4032 x 3024 -> JPEG, 3.1 MB`."""
    if image.prepared is None:
        return ""
    is_scaled = (image.prepared.width, image.prepared.height) != (image.width, image.height)
    scaled = f", {image.prepared.width} x {image.prepared.height}" if is_scaled else ""
    megabytes = image.prepared.size / 1_000_000
    return f"{image.format}, {image.width} x {image.height} -> {image.prepared.format}{scaled}, {megabytes:.1f} MB"


def describe_video(job: Job) -> str:
    """Return the duration, resolution, sound and size of a completed job's video; what could not be read from it is left out."""
    video = job.video
    if video is None:
        raise ValueError(f"job {job.job_id} has no video")
    seconds = "" if video.duration_seconds is None else f"{video.duration_seconds:.2f} s"
    pixels = "" if video.width is None else f"{video.width} x {video.height}"
    sound = "" if job.options is None else "with sound" if job.options.sound else "without sound"
    return ", ".join(filter(None, (seconds, pixels, sound, f"{video.size:,} bytes")))


def explain_end(job: Job) -> str:
    """Return what happened to which image, what it cost and what to do next, for a job without a video."""
    reason = job.reason.message if job.reason else "No reason was given."
    step = next_step(job) or ""
    cost = "" if "nothing was spent" in step else _cost(job)
    parts = [f"{job.image.key}: {job.status.value}.", reason, cost, step]
    return " ".join(part if part.endswith((".", "…", "!", "?")) else f"{part}." for part in parts if part)


def _cost(job: Job) -> str:
    """Return what the job cost. All attempts have one price; an earlier one may have cost nothing."""
    if job.charge is Charge.NONE:
        return "Nothing was spent."
    may = "It cost" if job.charge is Charge.CHARGED else "It may have cost"
    if job.attempt == 1:
        return f"{may} ${usd(job.cost_cents)}."
    return f"{may} up to ${usd(job.cost_cents * job.attempt)} ({job.attempt} attempts at ${usd(job.cost_cents)})."
