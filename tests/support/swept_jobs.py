"""Jobs that wait for the sweeper, and the time that passes until it runs."""

from datetime import timedelta
from typing import Any

from dropreel.domain.job import Job, JobStatus
from dropreel.use_cases.sweep_jobs import QUIET
from tests.support.fake_stack import FakeStack
from tests.support.sample_jobs import NOON, job_with

MOMENT = timedelta(seconds=1)
EVERY = timedelta(minutes=5)
"""The sweeper's schedule."""
IDS = [f"{number:024x}" for number in range(600)]


def lay(stack: FakeStack, number: int, status: str, **changes: Any) -> Job:
    """Put a job into the table; a higher number is a later one."""
    created = NOON + number * MOMENT
    fields: dict[str, Any] = {"created_at": created, "generation_id": None, "submitted_at": None, **changes}
    stack.database.put(job_with(job_id=IDS[number], status=JobStatus(status), **fields))
    return at(stack, number)


def generating(stack: FakeStack, number: int = 0, **changes: Any) -> Job:
    """Put a job that is generating into the table."""
    return lay(stack, number, "generating", generation_id="gen_1", submitted_at=NOON, **changes)


def at(stack: FakeStack, number: int) -> Job:
    """Return a job as the table has it."""
    job = stack.database.job(IDS[number])
    assert job is not None
    return job


def pass_time(stack: FakeStack, since: timedelta = QUIET) -> None:
    """Let it be so long after noon."""
    stack.clock.time = NOON + since


def sweep_until(stack: FakeStack, since: timedelta) -> list[int]:
    """Sweep every five minutes until so long after noon; return after how many minutes a sweep did something."""
    found = []
    while stack.clock.time <= NOON + since:
        if stack.sweep.run():
            found.append(round((stack.clock.time - NOON) / timedelta(minutes=1)))
        stack.clock.time += EVERY
    return found
