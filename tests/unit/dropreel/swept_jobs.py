"""Jobs that wait for the sweeper, and the time that passes until it runs."""

from datetime import timedelta
from typing import Any

from dropreel.jobs import Job, JobStatus
from dropreel.use_cases.sweep_jobs import QUIET
from tests.unit.dropreel.sample_jobs import NOON, job_with
from tests.unit.dropreel.world import World

MOMENT = timedelta(seconds=1)
EVERY = timedelta(minutes=5)
"""The sweeper's schedule."""
IDS = [f"{number:024x}" for number in range(600)]


def lay(world: World, number: int, status: str, **changes: Any) -> Job:
    """Put a job into the table; a higher number is a later one."""
    created = NOON + number * MOMENT
    fields: dict[str, Any] = {"created_at": created, "generation_id": None, "submitted_at": None, **changes}
    world.database.put(job_with(job_id=IDS[number], status=JobStatus(status), **fields))
    return at(world, number)


def generating(world: World, number: int = 0, **changes: Any) -> Job:
    """Put a job that is generating into the table."""
    return lay(world, number, "generating", generation_id="gen_1", submitted_at=NOON, **changes)


def at(world: World, number: int) -> Job:
    """Return a job as the table has it."""
    job = world.database.job(IDS[number])
    assert job is not None
    return job


def pass_time(world: World, since: timedelta = QUIET) -> None:
    """Let it be so long after noon."""
    world.clock.time = NOON + since


def sweep_until(world: World, since: timedelta) -> list[int]:
    """Sweep every five minutes until so long after noon; return after how many minutes a sweep did something."""
    found = []
    while world.clock.time <= NOON + since:
        if world.sweep.run():
            found.append(round((world.clock.time - NOON) / timedelta(minutes=1)))
        world.clock.time += EVERY
    return found
