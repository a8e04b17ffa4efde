"""A transition is saved on the job as it is, if only bookkeeping has changed; never over another step."""

from dataclasses import replace
from typing import Any

import pytest

from dropreel.jobs import Charge, EventType, Job, JobStatus, accept, defer, park
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.save_job import save_at_step
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_before
from tests.unit.dropreel.sample_jobs import NOON, job_with
from tests.unit.dropreel.world import JOB_ID, World

REASON = Reason(ReasonCode.SUBMISSION_UNKNOWN, "x")
OWED = frozenset({EventType.HELD, EventType.DEFERRED})


def parked(job: Job) -> Job:
    return park(job, REASON, NOON)


def claimed(world: World, **changes: Any) -> Job:
    fields = {"generation_id": None, "lease_until": NOON, "reserved_day": "2026-05-04", "pending_events": OWED}
    return world.has(status=JobStatus.SUBMITTING, **{**fields, **changes})


def saved(world: World, job: Job) -> Job | None:
    return save_at_step(job, parked, world.jobs.save, world.jobs.get)


def test_a_job_that_nobody_has_changed_is_saved_by_one_write(world: World):
    job = saved(world, claimed(world))

    assert job == world.job
    assert job.status is JobStatus.UNKNOWN
    assert world.journal == ["save unknown"]


def test_a_job_whose_event_was_published_is_saved_as_it_is_now(world: World):
    read = claimed(world)
    now = world.jobs.save(read, replace(read, pending_events=frozenset({EventType.HELD})))
    assert now is not None

    job = saved(world, read)

    assert job == world.job
    assert job.pending_events == {EventType.HELD, EventType.UNKNOWN}
    assert job.version == now.version + 1


def test_a_job_whose_bookkeeping_changes_again_and_again_is_saved_in_the_end(world: World):
    read, left = claimed(world), list(OWED)

    def publish() -> None:
        if left:
            now = world.job
            world.database.put(replace(now, version=now.version + 1, pending_events=now.pending_events - {left.pop()}))

    just_before(world.database, "save unknown", publish, each_time=True)

    job = saved(world, read)

    assert job is not None
    assert job.pending_events == {EventType.UNKNOWN}
    assert world.journal.count("get") == len(OWED)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.GENERATING, "generation_id": "gen_1"},
        {"status": JobStatus.UNKNOWN, "charge": Charge.UNKNOWN},
        {"attempt": 2},
        {"requeues": 1},
        {"resumes": 1},
        {"lease_until": NOON.replace(hour=13)},
        {"reason": REASON},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_job_that_has_taken_another_step_is_left_as_it_is(world: World, changes):
    read = claimed(world)
    after = claimed(world, version=2, **changes) if "status" not in changes else world.has(version=2, **changes)

    assert saved(world, read) is None
    assert world.job == after
    assert world.journal == ["save unknown", "get"]


def test_a_job_that_is_not_there_any_more_is_not_saved(world: World):
    read = job_with(job_id=JOB_ID, status=JobStatus.SUBMITTING, version=3)

    assert saved(world, read) is None
    assert world.database.jobs() == []


def test_a_generation_that_another_job_holds_is_not_saved_and_not_tried_again(world: World):
    world.run()
    second = job_with(job_id="f" * 24, status=JobStatus.SUBMITTING, generation_id=None, version=1)
    world.database.put(second)
    world.journal.clear()

    job = save_at_step(second, lambda read: accept(read, "gen_1", "created", NOON), world.jobs.save, world.jobs.get)

    assert job is None
    assert world.database.job(second.job_id) == second
    assert world.journal == ["save generating", "get"]


def test_a_release_is_made_once_on_the_job_as_it_is_now(world: World):
    world.database.reserve("2026-05-04", 100)
    read = claimed(world)
    world.jobs.save(read, replace(read, pending_events=frozenset()))

    job = save_at_step(read, lambda job: defer(job, REASON, NOON, NOON), world.ledger.release, world.jobs.get)

    assert job == world.job
    assert (job.status, job.reserved_day, world.reserved) == (JobStatus.DEFERRED, None, 53)


def test_a_fault_of_the_table_is_the_callers(world: World):
    read = claimed(world)
    world.database.broken_before.add("save unknown")

    with pytest.raises(OutOfOrderError):
        saved(world, read)

    assert world.job == read
