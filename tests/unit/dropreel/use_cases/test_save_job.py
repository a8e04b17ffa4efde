"""A transition is saved on the current job if only bookkeeping has changed; never over another transition."""

from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.job import Charge, EventType, Job, JobStatus, accept, defer, park
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.save_job import save_at_step
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_before
from tests.support.sample_jobs import NOON, PRICE, job_with

REASON = Reason(ReasonCode.SUBMISSION_UNKNOWN, "x")
OWED = frozenset({EventType.HELD, EventType.DEFERRED})


def parked(job: Job) -> Job:
    return park(job, REASON, NOON)


def claimed(stack: FakeStack, **changes: Any) -> Job:
    fields = {"generation_id": None, "lease_until": NOON, "reserved_day": "2026-05-04", "pending_events": OWED}
    return stack.put_job(status=JobStatus.SUBMITTING, **{**fields, **changes})


def saved(stack: FakeStack, job: Job) -> Job | None:
    return save_at_step(job, parked, stack.jobs.save, stack.jobs.get)


def test_an_unchanged_job_is_saved_by_one_write(stack: FakeStack):
    job = saved(stack, claimed(stack))

    assert job == stack.job
    assert job.status is JobStatus.UNKNOWN
    assert stack.journal == ["save unknown"]


def test_a_job_whose_event_was_published_is_saved_as_it_is_now(stack: FakeStack):
    read = claimed(stack)
    now = stack.jobs.save(read, replace(read, pending_events=frozenset({EventType.HELD})))
    assert now is not None

    job = saved(stack, read)

    assert job == stack.job
    assert job.pending_events == {EventType.HELD, EventType.UNKNOWN}
    assert job.version == now.version + 1


def test_a_job_is_saved_although_its_bookkeeping_keeps_changing(stack: FakeStack):
    read, left = claimed(stack), list(OWED)

    def publish() -> None:
        if left:
            now = stack.job
            stack.database.put(replace(now, version=now.version + 1, pending_events=now.pending_events - {left.pop()}))

    just_before(stack.database, "save unknown", publish, each_time=True)

    job = saved(stack, read)

    assert job is not None
    assert job.pending_events == {EventType.UNKNOWN}
    assert stack.journal.count("get") == len(OWED)


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
def test_a_job_after_another_transition_is_not_changed(stack: FakeStack, changes):
    read = claimed(stack)
    after = claimed(stack, version=2, **changes) if "status" not in changes else stack.put_job(version=2, **changes)

    assert saved(stack, read) is None
    assert stack.job == after
    assert stack.journal == ["save unknown", "get"]


def test_a_deleted_job_is_not_saved(stack: FakeStack):
    read = job_with(job_id=JOB_ID, status=JobStatus.SUBMITTING, version=3)

    assert saved(stack, read) is None
    assert stack.database.jobs() == []


def test_a_generation_held_by_another_job_is_not_saved_or_retried(stack: FakeStack):
    stack.run()
    second = job_with(job_id="f" * 24, status=JobStatus.SUBMITTING, generation_id=None, version=1)
    stack.database.put(second)
    stack.journal.clear()

    job = save_at_step(second, lambda read: accept(read, "gen_1", "created", NOON), stack.jobs.save, stack.jobs.get)

    assert job is None
    assert stack.database.job(second.job_id) == second
    assert stack.journal == ["save generating", "get"]


def test_a_release_is_made_once_on_the_job_as_it_is_now(stack: FakeStack):
    stack.database.set_reserved("2026-05-04", 100)
    read = claimed(stack)
    stack.jobs.save(read, replace(read, pending_events=frozenset()))

    job = save_at_step(read, lambda job: defer(job, REASON, NOON, NOON), stack.ledger.release, stack.jobs.get)

    assert job == stack.job
    assert (job.status, job.reserved_day, stack.reserved) == (JobStatus.DEFERRED, None, 100 - PRICE)


def test_a_fault_of_the_table_is_raised(stack: FakeStack):
    read = claimed(stack)
    stack.database.fails_before.add("save unknown")

    with pytest.raises(OutageError):
        saved(stack, read)

    assert stack.job == read
