"""The board with 10,000 jobs: how soon a page is answered, and what many open pages read."""

import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from benchmarks.measure import Progress, is_quick, spread
from benchmarks.tables import Report, Table, Target, range_text
from dropreel.domain.job import Job, JobStatus
from tests.support.board_server import running_board
from tests.support.command_stack import CommandStack, command_stack
from tests.support.sample_jobs import IMAGE, VIDEO, job_with

JOBS, QUICK_JOBS = 10_000, 300
RUNS = 21
"""How many times each page is asked for."""
TABS = 5
"""Pages that follow the stack at the same time."""
SECONDS = 10.0
"""How long they do."""
TARGET_SECONDS = 0.3
"""The most that a page may take."""
_PAGES = {
    "jobs": "/",
    "videos": "/videos",
    "the last page": "/?page=1000",
    "a search in all prompts": "/?text=no+such+word",
}


def run(progress: Progress) -> dict[str, Any]:
    """Measure a board of jobs in moto; return seconds and counts of DynamoDB's requests."""
    number = QUICK_JOBS if is_quick() else JOBS
    with pytest.MonkeyPatch.context() as patch, command_stack(patch) as made:
        progress(f"writing {number:,} jobs")
        made.put(*(_job(at, number) for at in range(number)))
        requested = _counted(made)
        progress("reading them")
        with running_board(made.stack, seconds=600) as board:  # moto takes many times as long as DynamoDB
            pages = {name: _seconds_of(board.port, board.address, path) for name, path in _PAGES.items()}
            progress("following the stack")
            return {
                "runs": RUNS,
                "jobs": number,
                "page_seconds": {name: spread(seconds) for name, seconds in pages.items()},
                "requests": {str(tabs): _requests_of(board.address, tabs, requested) for tabs in (1, TABS)},
            }


def report(figures: dict[str, Any]) -> Report:
    """Return the table of the pages, and the target for the slowest."""
    pages = figures["page_seconds"]
    rows = [[f"answer to {name}", f"{range_text(found)} s"] for name, found in pages.items()]
    rows += [
        [f"DynamoDB requests of {tabs} open page{'' if tabs == '1' else 's'} in {SECONDS:.0f} s", f"{found:,}"]
        for tabs, found in figures["requests"].items()
    ]
    slowest = max(found["median"] for found in pages.values())
    target = Target(f"slowest page with {figures['jobs']:,} jobs", slowest, at_most=TARGET_SECONDS, unit="s")
    summary = [["a page of the board with 10,000 jobs", f"{slowest:.2f} s", "a target of 0.3 s"]]
    return Report({"board": Table(("what", "figure"), rows)}, [target], summary)


def _job(number: int, of: int) -> Job:
    status = JobStatus.GENERATING if number < of // 200 else JobStatus.COMPLETED
    return job_with(
        job_id=f"{number:024x}",
        status=status,
        image=IMAGE._replace(key=f"folder-{number % 50}/{number}.jpg"),
        created_at=datetime.now(UTC) - timedelta(days=25) * (number / of),
        video=VIDEO if status is JobStatus.COMPLETED else None,
    )


def _counted(made: CommandStack) -> Counter[str]:
    """Count the requests to DynamoDB from now on, by operation."""
    counted: Counter[str] = Counter()
    lock = threading.Lock()

    def count(model: Any, **_: Any) -> None:
        with lock:
            counted[model.name] += 1

    made.dynamodb.meta.events.register("before-call.dynamodb", count)
    return counted


def _seconds_of(port: int, address: str, path: str) -> list[float]:
    with requests.Session() as session:
        session.get(address, timeout=30)
        seconds = []
        for _ in range(RUNS):
            started = time.perf_counter()
            session.get(f"http://127.0.0.1:{port}{path}", timeout=30).raise_for_status()
            seconds.append(time.perf_counter() - started)
    return seconds


def _requests_of(address: str, tabs: int, requested: Counter[str]) -> int:
    """Return how many requests to DynamoDB are sent while so many pages follow the stack."""
    base = address.partition("?")[0]
    with ExitStack() as stack:
        for _ in range(tabs):
            session = stack.enter_context(requests.Session())
            session.get(address, timeout=30)
            stack.enter_context(session.get(f"{base}updates?version=0", stream=True, timeout=30))
        time.sleep(1)
        before = requested.total()
        time.sleep(SECONDS)
        return requested.total() - before
