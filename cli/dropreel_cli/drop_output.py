"""What `dropreel drop` shows while it uploads and waits, and at its end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dropreel.domain.job import JobStatus
from dropreel.domain.prices import usd
from dropreel_cli.following import WAITING, cost_text, describe_change
from dropreel_cli.job_tables import Cell, add_flexible, plain_table
from dropreel_cli.next_commands import step_text
from dropreel_cli.output import printable
from dropreel_cli.plan_output import SHOWN, count
from dropreel_cli.progress import describe_video
from dropreel_cli.status_line import PLAIN_SECONDS
from dropreel_cli.uploading import FailedUpload, Upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from dropreel.domain.job import Job
    from dropreel_cli.downloading import Downloaded
    from dropreel_cli.following import Following
    from dropreel_cli.plan_sources import PlannedFiles
    from dropreel_cli.planning import PlannedImage
    from dropreel_cli.stack import Stack

_FEW = 20
"""Without a terminal, up to so many images have a line each while they are uploaded."""
_OTHER_LINES = 4
"""Lines of the live table beside its rows: the heading, the counts, and room for the cursor."""
_MAX_TEXT = 300
STYLES = {
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.REJECTED: "red",
    JobStatus.UNKNOWN: "bold red",
    JobStatus.HELD: "yellow",
}


class UploadProgress:
    """A bar on a terminal; elsewhere a line for each of a few images, or now and then."""

    def __init__(self, console: Console, planned: Sequence[PlannedImage]) -> None:
        self._console, self._total = console, len(planned)
        self._done, self._said = 0, 0.0
        self._bar = Progress(
            TextColumn("uploading"), BarColumn(), MofNCompleteColumn(), DownloadColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        size = sum(image.size or 0 for image in planned)
        self._bytes = self._bar.add_task("bytes", total=size)
        self._lock = threading.Lock()

    def __enter__(self) -> UploadProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def add_bytes(self, number: int) -> None:
        """Count uploaded bytes; called by several threads."""
        self._bar.advance(self._bytes, number)

    def add(self, result: Upload | FailedUpload) -> None:
        """Count an image, and say what has become of it."""
        self._done += 1
        key = printable(result.planned.key)
        if isinstance(result, FailedUpload):
            self._print(f"{self._done:,}/{self._total:,}  not uploaded  {key}: {printable(result.message)}")
        elif not self._console.is_terminal and self._is_due():
            self._print(f"{self._done:,}/{self._total:,}  uploaded  {key}")

    def _is_due(self) -> bool:
        if self._total > _FEW and time.monotonic() - self._said < PLAIN_SECONDS and self._done < self._total:
            return False
        self._said = time.monotonic()
        return True

    def _print(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


class FollowBoard:
    """A live table of the jobs on a terminal, those that changed last where there are many; elsewhere a line for each change."""

    def __init__(self, console: Console, following: Following) -> None:
        self._console, self._following = console, following
        self._started = time.monotonic()
        self._rows: dict[str, tuple[Cell, Text, Cell]] = {}
        """By job, the one that changed last at the end."""
        self._live = Live(console=console, transient=True, get_renderable=self._render) if console.is_terminal else None

    def __enter__(self) -> FollowBoard:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def refresh(self) -> None:
        """Show the counts as they are now."""
        if self._live:
            self._live.refresh()

    def add(self, job: Job) -> None:
        """Show that a job has changed."""
        style, change = STYLES.get(job.status, ""), describe_change(job)[:_MAX_TEXT]
        if self._live:
            status, _, detail = change.partition(" ")
            self._rows.pop(job.job_id, None)
            self._rows[job.job_id] = (
                Cell(job.image.key),
                Text(status.rstrip(":"), style),
                Cell(detail.strip("()"), "dim"),
            )
            return
        text = printable(f"{job.image.key}  {change}"[:_MAX_TEXT])
        self._console.print(Text(f"{time.monotonic() - self._started:6.1f} s  {text}", style), soft_wrap=True)

    def _render(self) -> Group:
        counts = self._following.counts
        names = [WAITING, *(status.value for status in JobStatus)]
        line = "   ".join(f"{counts[name]:,} {name}" for name in names if counts[name])
        table = plain_table()
        add_flexible(table, "image")
        table.add_column("status", no_wrap=True)
        add_flexible(table, "progress, video or reason")
        last = list(self._rows.values())[-max(1, self._console.height - _OTHER_LINES) :]
        for row in sorted(last, key=lambda row: row[0].text):
            table.add_row(*row)
        return Group(table, Text(f"{time.monotonic() - self._started:6.0f} s  {line}", "bold"))


def describe_uploaded(uploaded: int, total: int, cents: int) -> str:
    """Return how many of the images were uploaded where an upload ends early, and what they cost (US cents)."""
    if not uploaded:
        return "No image was uploaded."
    return f"{uploaded:,} of {count(total, 'image')} were uploaded: they become videos and are charged (${usd(cents)})."


def outcome_table(jobs: Sequence[Job], videos: Iterable[Downloaded], arguments: str, *, shows_all: bool) -> Table:
    """Return a row for each job: its video, or why there is none and what to do next."""
    paths = {video.job.job_id: video for video in videos}
    shown = [job for job in jobs if shows_all or job.status is not JobStatus.COMPLETED]
    others = [job for job in jobs if job.status is JobStatus.COMPLETED and not shows_all]
    shown += others[:SHOWN]
    table = Table(box=None, pad_edge=False)
    for heading in ("image", "status", "video or reason"):
        table.add_column(heading, overflow="fold")
    table.add_column("USD", justify="right", no_wrap=True)
    for job in sorted(shown, key=lambda job: job.image.key):
        status = Text(job.status.value, STYLES.get(job.status, ""))
        table.add_row(
            Text(printable(job.image.key)),
            status,
            Text(printable(_result(job, paths, arguments))),
            cost_text(job),
        )
    if len(shown) < len(jobs):
        table.caption = f"… and {len(jobs) - len(shown):,} more completed; --all shows every image"
        table.caption_justify = "left"
    return table


def _result(job: Job, paths: dict[str, Downloaded], arguments: str) -> str:
    if job.video is None:
        reason = job.reason.message[:_MAX_TEXT] if job.reason else ""
        reason += "." if reason and reason[-1] not in ".!?…" else ""
        return " ".join(filter(None, (reason, step_text(job, arguments))))
    got = paths.get(job.job_id)
    where = str(got.path) if got and got.path else f"s3://{job.video.bucket}/{job.video.key}"
    note = f" ({got.message})" if got and got.message else ""
    return f"{where}: {describe_video(job)}{note}"


def outcome_lines(
    stack: Stack,
    files: PlannedFiles,
    uploads: Sequence[Upload],
    failed: Sequence[FailedUpload],
    following: Following | None,
    arguments: str,
) -> Iterator[tuple[str, str | None]]:
    """Yield the last lines, each with its style: what was uploaded, what was not, and how to see the rest."""
    if uploads:
        cents = sum(each.planned.cents for each in uploads)
        yield f"{count(len(uploads), 'image')} uploaded to s3://{files.bucket}/, ${usd(cents)}.", None
    elif not failed:
        yield (
            "Nothing was uploaded: all of it is in the bucket already. --again makes other videos, which are charged.",
            None,
        )
    for each in failed:
        yield f"Not uploaded: {each.planned.key}: {each.message}", "red"
    videos = f"s3://{stack.outputs['VideosBucketName']}/"
    if following is None:
        if uploads:
            yield f"The videos will be in {videos}. See the jobs: dropreel jobs{arguments}", None
    elif following.ended_early:
        yield (
            f"The wait ended: {following.ended_early}. The jobs continue without it; their videos will be in {videos}.",
            "yellow",
        )
        yield "The same command waits again, and uploads nothing twice.", "yellow"
        yield f"See the jobs: dropreel jobs{arguments}. See what is wrong: dropreel doctor{arguments}", "yellow"
