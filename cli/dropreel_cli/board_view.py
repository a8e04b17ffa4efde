"""The board in a terminal of any size: what matters most stays where the terminal is small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from dropreel.domain.job import JobStatus
from dropreel.domain.prices import usd
from dropreel_cli.board import MAX_COUNTED
from dropreel_cli.job_tables import (
    SHORT_ID,
    STYLES,
    Cell,
    add_flexible,
    age_text,
    charge_text,
    detail_cell,
    plain_table,
)
from dropreel_cli.output import printable
from dropreel_cli.rehearsals import REHEARSAL_NOTICE
from dropreel_cli.spend_report import bar
from dropreel_cli.submissions import PAUSED_NOTICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from dropreel.domain.job import Job
    from dropreel_cli.board import Board

_MEDIUM = 60
"""Columns from which there is room for polls, charges and reasons."""
_MAX_BAR = 40
_ENDED_SHARE = 3
"""Where not all jobs fit, the last ended ones get a third of the lines."""


class BoardView:
    """Renders the board into the width and height that the terminal has at that moment."""

    def __init__(self, board: Board, *, hint: str = "") -> None:
        self.board = board
        self.hint = hint

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the head, the faults, the jobs in work and the last ended ones, at most as many lines as there are."""
        height = options.height or 1_000_000
        head = list(self._head(options.max_width))
        yield from head[:height]
        in_work, ended = rows_that_fit(height - len(head), len(self.board.in_work), len(self.board.ended))
        medium = options.max_width >= _MEDIUM
        total = sum(self.board.waiting.values())
        if in_work is not None:
            yield _line("", "")
            yield _line(_heading("In work", in_work, total), "bold")
            yield self._in_work_table(self.board.in_work[:in_work], medium)
        if ended is not None:
            yield _line("", "")
            yield _line(_heading("Last ended", ended, len(self.board.ended)), "bold")
            yield self._ended_table(self.board.ended[:ended], medium)

    def _head(self, width: int) -> Iterator[RenderableType]:
        board = self.board
        yield _line(f"{board.stack}   {board.at:%H:%M:%S} UTC   {self.hint}".rstrip(), "bold")
        if board.rehearsal:
            yield _line(REHEARSAL_NOTICE.ljust(width), "bold black on yellow")
        if board.paused:
            yield _line(PAUSED_NOTICE.ljust(width), "bold black on yellow")
        yield Text(no_wrap=True, overflow="ellipsis").join(self._counts())
        yield self._spending(width)
        if board.queues:
            yield Text(no_wrap=True, overflow="ellipsis").join(self._queues())
        for fault in board.faults:
            yield _line(printable(fault), "bold red")

    def _counts(self) -> Iterator[Text]:
        counts = self.board.counts
        if not counts:
            yield Text("No job.", "dim")
        for status, count in counts.items():
            more = "+" if count >= MAX_COUNTED else ""
            yield Text(f"{count:,}{more} {status}   ", STYLES[status])

    def _spending(self, width: int) -> Text:
        board = self.board
        if board.reserved_cents is None:
            return _line("today: not known", "dim")
        limit = board.limit.cents
        text = f"today ${usd(board.reserved_cents)}" + (", no daily limit" if limit is None else f" of ${usd(limit)}")
        line = Text(text, no_wrap=True, overflow="ellipsis")
        if limit:
            line.append("  ")
            line.append_text(bar(board.reserved_cents, 0, limit, min(_MAX_BAR, width - len(text) - 2)))
        return line

    def _queues(self) -> Iterator[Text]:
        for name, (waits, taken) in self.board.queues.items():
            style = "bold red" if name == "dead letters" and waits + taken else ""
            yield Text(f"{name} {waits:,}" + (f" and {taken:,} in work" if taken else "") + "   ", style)

    def _in_work_table(self, jobs: Sequence[Job], medium: bool) -> Table:
        def since(job: Job) -> datetime:
            return job.submitted_at if job.status is JobStatus.GENERATING and job.submitted_at else job.created_at

        headings = ("FOR", "POLLS", "DETAIL")
        return _table(headings, ((job, self.board.at - since(job), str(job.polls)) for job in jobs), medium)

    def _ended_table(self, jobs: Sequence[Job], medium: bool) -> Table:
        headings = ("AGO", "CHARGE", "REASON OR VIDEO")
        return _table(headings, ((job, self.board.at - job.updated_at, charge_text(job)) for job in jobs), medium)


def _table(headings: tuple[str, str, str], rows: Iterable[tuple[Job, timedelta, str]], medium: bool) -> Table:
    """Return a table of jobs, each with an age and a figure. What has no room in a narrow terminal is left out."""
    age_heading, figure_heading, detail_heading = headings
    table = plain_table("JOB", "STATUS", age_heading)
    if medium:
        table.add_column(figure_heading, justify="right", no_wrap=True)
    add_flexible(table, "IMAGE")
    if medium:
        add_flexible(table, detail_heading)
    for job, age, figure in rows:
        cells: list[Text | Cell] = [*_name(job), Text(age_text(age))]
        cells += [Text(figure), Cell(job.image.key), detail_cell(job)] if medium else [Cell(job.image.key)]
        table.add_row(*cells)
    return table


def rows_that_fit(lines: int, in_work: int, ended: int) -> tuple[int | None, int | None]:
    """Return how many rows each table gets of so many lines; None for a table that is left out.

    A table has three lines beside its rows. It is left out without a row, except that of the jobs in work.
    """
    left = lines - 3
    if left < 0:
        return None, None
    for_ended = min(ended, max(left - 3 - in_work, (left - 3) // _ENDED_SHARE))
    if for_ended < 1:
        return min(in_work, left), None
    return min(in_work, left - 3 - for_ended), for_ended


def _heading(name: str, shown: int, total: int) -> str:
    more = "+" if total >= MAX_COUNTED else ""
    count = f"{total:,}{more}" if shown >= total else f"{shown:,} of {total:,}{more}"
    return f"{name} ({count})"


def _name(job: Job) -> tuple[Text, Text]:
    return Text(job.job_id[:SHORT_ID]), Text(job.status.value, STYLES[job.status])


def _line(text: str, style: str) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")
