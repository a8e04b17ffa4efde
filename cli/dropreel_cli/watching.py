"""`dropreel watch`: a live board in a terminal, else one line for each change."""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.live import Live

from dropreel_cli.board_view import BoardView
from dropreel_cli.documents import job_document
from dropreel_cli.exits import Exit
from dropreel_cli.job_tables import charge_text, detail_text
from dropreel_cli.output import printable
from dropreel_cli.rehearsals import REHEARSAL_NOTICE
from dropreel_cli.submissions import PAUSED_NOTICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dropreel.domain.job import Job
    from dropreel_cli.board import Board, BoardReader
    from dropreel_cli.output import Output

_TICK_SECONDS = 0.5
"""How often the board is drawn again, so that it fits the terminal soon after its size has changed."""
_HINT = "Ctrl-C ends"
_TERMINATED = 128 + signal.SIGTERM


def watch(reader: BoardReader, output: Output, interval: float, *, once: bool) -> int:
    """Show the stack until Ctrl-C, or once; return the exit status."""
    board = reader.look()
    try:
        with _terminated():
            if once:
                _show_once(board, output)
            elif output.console.is_terminal and not output.console.is_dumb_terminal and not output.is_json:
                _watch_live(reader, board, output, interval)
            else:
                _print_changes(reader, board, output, interval)
    except KeyboardInterrupt:
        pass
    return Exit.DONE


def _show_once(board: Board, output: Output) -> None:
    if output.is_json:
        _print_document("board", board, **_jobs(board))
    else:
        output.show(BoardView(board))


def _watch_live(reader: BoardReader, board: Board, output: Output, interval: float) -> None:
    view = BoardView(board, hint=_HINT)
    with Live(view, console=output.console, screen=True, auto_refresh=False) as live:
        while True:
            live.refresh()
            next_look = time.monotonic() + interval
            while (left := next_look - time.monotonic()) > 0:
                time.sleep(min(left, _TICK_SECONDS))
                live.refresh()
            view.board = reader.look()


def _print_changes(reader: BoardReader, board: Board, output: Output, interval: float) -> None:
    """Print the jobs in work first, then each job whose status, attempt or reason has changed."""
    known = {job.job_id: _step(job) for job in board.ended}
    stack: dict[str, Any] = {}
    if output.is_json:
        stack = board.as_json()
        _print_document("board", board, **_jobs(board))
        known |= {job.job_id: _step(job) for job in board.in_work}
    while True:
        if (now := board.as_json()) != stack:
            _print_stack(board, stack, now, output)
            stack = now
        for job in sorted((*board.in_work, *board.ended), key=lambda job: job.updated_at):
            if known.get(job.job_id) != _step(job):
                known[job.job_id] = _step(job)
                _print_job(board, job, output)
        time.sleep(interval)
        board = reader.look()


def _print_stack(board: Board, before: dict[str, Any], now: dict[str, Any], output: Output) -> None:
    if output.is_json:
        _print_document("stack", board, **now)
        return
    if bool(now["paused"]) != bool(before.get("paused")):
        output.text(f"{_clock(board)}  {PAUSED_NOTICE if now['paused'] else 'Submissions start again.'}")
    if now["rehearsal"] and not before:
        output.text(f"{_clock(board)}  {REHEARSAL_NOTICE}")
    for fault in now["faults"]:
        if fault not in before.get("faults", ()):
            output.note(f"{_clock(board)}  {printable(fault)}")


def _print_job(board: Board, job: Job, output: Output) -> None:
    if output.is_json:
        _print_document("job", board, job=job_document(job))
        return
    cost = "" if charge_text(job) == "-" else charge_text(job)
    words = (
        _clock(board),
        job.job_id,
        job.status.value,
        job.image.key,
        cost,
        detail_text(job) if job.reason or job.video else "",
    )
    output.text("  ".join(printable(word) for word in words if word))


def _print_document(kind: str, board: Board, **document: Any) -> None:
    """Print one document on one line."""
    whole = {"version": 1, "type": kind, "at": board.at.isoformat(), **document}
    print(json.dumps(whole, ensure_ascii=False), flush=True)


def _jobs(board: Board) -> dict[str, Any]:
    lists = {"in_work": board.in_work, "ended": board.ended}
    return {**board.as_json(), **{name: [job_document(job) for job in jobs] for name, jobs in lists.items()}}


def _step(job: Job) -> tuple[object, ...]:
    return job.status, job.attempt, job.resumes, job.reason and job.reason.code


def _clock(board: Board) -> str:
    return f"{board.at:%H:%M:%S}"


@contextmanager
def _terminated() -> Iterator[None]:
    """End as usual on SIGTERM, so that the terminal is restored."""

    def end(_number: int, _frame: object) -> None:
        raise SystemExit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
