"""Jobs as rows for people: ages, charges, colors, and tables that fit the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.prices import usd
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from rich.console import Console, ConsoleOptions, RenderResult

    from dropreel_cli.output import Output

STYLES = {
    JobStatus.DEFERRED: "cyan",
    JobStatus.PREPARING: "cyan",
    JobStatus.HELD: "yellow",
    JobStatus.SUBMITTING: "blue",
    JobStatus.GENERATING: "blue",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.REJECTED: "yellow",
    JobStatus.UNKNOWN: "bold magenta",
}
SHORT_ID = 8
"""The digits of a job's id that are enough to find it among those of a week."""
_WIDE = 130
"""Columns of a terminal from which there is room for whole ids and the attempts."""
_MEDIUM = 60
"""Columns from which there is room for the charge and the detail."""


class Cell:
    """A text on one line. Where it does not fit, `…` stands for its middle: names differ at their ends."""

    def __init__(self, text: str, style: str = "", least: int = 8, *, keeps_end: bool = True) -> None:
        self.text = printable(text)
        self.keeps_end = keeps_end
        self.style = style
        self.least = least

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return how narrow and how wide it can be."""
        length = cell_len(self.text)
        return Measurement(min(length, self.least), max(length, 1))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render it within the width that there is."""
        text = shorten(self.text, options.max_width) if self.keeps_end else self.text
        yield Text(text, self.style, no_wrap=True, overflow="ellipsis", end="")


def shorten(text: str, width: int) -> str:
    """Return a text of at most `width` columns: `…` replaces its middle."""
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    head = (width - 1) // 2
    tail = text[-(width - 1 - head) :]
    while cell_len(tail) > width - 1 - head:
        tail = tail[1:]
    return set_cell_size(text, head) + "…" + tail


def age_text(age: timedelta) -> str:
    """Return a span of time in its largest unit: `41s`, `12m`, `5h`, `8d`."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def seconds_text(seconds: float) -> str:
    """Return seconds as people read them: `8 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"


def charge_text(job: Job) -> str:
    """Return what a job was charged: `-`, `$0.47`, `$0.47?` (unknown), `≤$0.94` (an earlier attempt may have cost nothing)."""
    if job.charge is Charge.NONE:
        return "-"
    most = "≤" if job.attempt > 1 else ""
    doubt = "?" if job.charge is Charge.UNKNOWN else ""
    return f"{most}${usd(job.cost_cents * job.attempt)}{doubt}"


def detail_text(job: Job) -> str:
    """Return why a job has its status, or where its video is. A rehearsal's begins with `rehearsal`."""
    detail = _detail_text(job)
    return f"rehearsal: {detail}".rstrip(": ") if job.rehearsal else detail


def _detail_text(job: Job) -> str:
    if job.reason is not None:
        return f"{job.reason.code}: {job.reason.message}"
    if job.video is not None:
        return f"s3://{job.video.bucket}/{job.video.key}"
    if job.status is JobStatus.GENERATING:
        return f"{job.provider_status or 'accepted'}, {job.polls} polls"
    return ""


def detail_cell(job: Job) -> Cell:
    """Return the detail as a cell. Where it does not fit, a reason loses its end, and a video's address its middle."""
    return Cell(detail_text(job), "dim", keeps_end=job.reason is None)


def counts_text(counts: Mapping[JobStatus, int]) -> str:
    """Return counts by status: `3 completed, 1 failed`."""
    return ", ".join(f"{count:,} {status}" for status, count in counts.items())


def jobs_table(jobs: Iterable[Job], now: datetime, width: int) -> Table:
    """Return a table of jobs for a width in columns. Narrow ones leave out what `show` has."""
    wide, medium = width >= _WIDE, width >= _MEDIUM
    table = plain_table("JOB", "AGE", "STATUS")
    add_flexible(table, "IMAGE")
    for name in ("TRY", "PRICE") if wide else ():
        table.add_column(name, justify="right", no_wrap=True)
    if medium:
        table.add_column("CHARGE", justify="right", no_wrap=True)
        add_flexible(table, "REASON OR VIDEO")
    for job in jobs:
        cells: list[Cell | Text] = [
            Text(job.job_id if wide else job.job_id[:SHORT_ID]),
            Text(age_text(now - job.created_at)),
            Text(job.status.value, STYLES[job.status]),
            Cell(job.image.key),
        ]
        if wide:
            cells += [Text(str(job.attempt)), Text(f"${usd(job.cost_cents)}" if job.cost_cents else "-")]
        if medium:
            cells += [Text(charge_text(job)), detail_cell(job)]
        table.add_row(*cells)
    return table


def plain_table(*columns: str) -> Table:
    """Return a table without lines. These columns keep their width, and their cells stay on one line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def add_flexible(table: Table, name: str) -> None:
    """Add a column of `Cell`s, which gives way where the terminal is narrow."""
    table.add_column(Text(name, no_wrap=True, overflow="ellipsis"))


def show_table(output: Output, table: Table) -> None:
    """Print a table; in a pipe or a file without the spaces that fill its columns."""
    if output.is_json:
        return
    if output.console.is_terminal:
        output.show(table)
        return
    with output.console.capture() as captured:
        output.console.print(table)
    for line in captured.get().splitlines():
        output.text(line.rstrip())
