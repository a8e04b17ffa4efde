"""Jobs for SweepJobs to find, and the times of its runs."""

from datetime import timedelta
from typing import Any

from dropreel.domain.job import TERMINAL, Job, JobStatus
from dropreel.use_cases.sweep_jobs import QUIET
from tests.support.fake_stack import HAS, FakeStack
from tests.support.sample_jobs import NOON, job_with

SECOND = timedelta(seconds=1)
SWEEP_INTERVAL = timedelta(minutes=5)
"""The schedule of SweepJobs."""
IDS = [f"{number:024x}" for number in range(600)]


def put_job(stack: FakeStack, number: int, status: str, **changes: Any) -> Job:
    """Put a job into the table; a higher number was created later. An ended job has what its event needs."""
    created = NOON + number * SECOND
    has = HAS[JobStatus(status)] if status in TERMINAL else {}
    generation = "gen_1" if status == "completed" else None
    fields: dict[str, Any] = {
        "created_at": created,
        "generation_id": generation,
        "submitted_at": None,
        **has,
        **changes,
    }
    stack.database.put(job_with(job_id=IDS[number], status=JobStatus(status), **fields))
    return job_at(stack, number)


def put_generating(stack: FakeStack, number: int = 0, **changes: Any) -> Job:
    """Put a generating job into the table."""
    return put_job(stack, number, "generating", generation_id="gen_1", submitted_at=NOON, **changes)


def job_at(stack: FakeStack, number: int) -> Job:
    """Return a job as stored in the table."""
    job = stack.database.job(IDS[number])
    assert job is not None
    return job


def set_time(stack: FakeStack, since: timedelta = QUIET) -> None:
    """Set the clock to a time after noon."""
    stack.clock.time = NOON + since


def sweep_until(stack: FakeStack, since: timedelta) -> list[int]:
    """Run SweepJobs every five minutes until that time after noon; return the minutes of the runs that did something."""
    found = []
    while stack.clock.time <= NOON + since:
        if stack.sweep.run():
            found.append(round((stack.clock.time - NOON) / timedelta(minutes=1)))
        stack.clock.time += SWEEP_INTERVAL
    return found
