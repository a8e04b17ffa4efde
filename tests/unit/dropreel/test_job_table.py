"""What is written about a paid job, in moto's DynamoDB with the template's tables."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest

from dropreel.adapters.job_table import JobTable
from dropreel.events import EventType
from dropreel.jobs import A_PERSON, TELLING, Job, JobStatus, Money, PollFaultNote, Reason
from dropreel.next_steps import next_step
from tests.integration.conftest import make_table
from tests.moto_account import moto_account
from tests.unit.dropreel.sample_jobs import NOON, VIDEO, job_with

LATER = NOON + timedelta(minutes=5)
TIMED_OUT = Reason("timed_out", "too late")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[JobTable]:
    with moto_account():
        monkeypatch.setattr("tests.integration.conftest.TABLES", {"jobs": "JobsTable"})
        make_table("jobs")
        yield JobTable(boto3.client("dynamodb"), "jobs")


def generating(table: JobTable) -> Job:
    """Bring a job to `generating`, with every event told."""
    started = job_with(status=JobStatus.SUBMITTING, lease_until=NOON, generation_id=None)
    assert table.create(started, EventType.HELD) is not None
    table.event_sent(started, EventType.HELD)
    paid = table.record_accepted(started, "gen_1", "created", NOON, EventType.SUBMITTED)
    assert paid is not None
    table.event_sent(paid, EventType.SUBMITTED)
    return stored(table, paid)


def stored(table: JobTable, job: Job) -> Job:
    found = table.get(job.job_id)
    assert found is not None
    return found


def ended(table: JobTable, status: JobStatus, event: EventType, *, told: bool = True) -> Job:
    job = generating(table)
    assert table.finish(job, status, NOON, event, TIMED_OUT) is not None
    if told:
        table.event_sent(job, event)
    return stored(table, job)


def test_polls_and_faults_are_counted_side_by_side(table: JobTable):
    job = generating(table)
    table.record_poll_fault(job, "the provider answered 404", LATER, not_found=True)
    table.record_poll_fault(stored(table, job), "the provider answered 404", LATER, not_found=True)
    lost = stored(table, job)
    table.record_poll(lost, "processing", LATER)
    found = stored(table, job)

    assert (lost.polls, lost.poll_faults, lost.not_found_polls) == (2, 2, 2)
    assert (found.polls, found.poll_faults, found.not_found_polls) == (3, 2, 0)
    assert found.last_fault == PollFaultNote("the provider answered 404", LATER)
    assert found.provider_status == "processing"


def test_a_fault_that_is_no_404_begins_their_count_anew(table: JobTable):
    job = replace(generating(table), not_found_polls=7)

    table.record_poll_fault(job, "the provider answered 500", LATER, not_found=False)

    assert stored(table, job).not_found_polls == 0


def test_a_fault_of_a_job_that_has_ended_is_not_counted(table: JobTable):
    job = ended(table, JobStatus.FAILED, EventType.FAILED)

    assert table.record_poll_fault(job, "x", LATER, not_found=False) is None
    assert stored(table, job).polls == 0


def test_a_resumed_job_is_watched_again_and_keeps_what_was_paid(table: JobTable):
    failed = ended(table, JobStatus.FAILED, EventType.FAILED)

    resumed = table.resume(failed, LATER)

    assert resumed == stored(table, failed)
    assert (resumed.status, resumed.resumes, resumed.watched_since, resumed.reason) == ("generating", 1, LATER, None)
    assert (resumed.generation_id, resumed.money, resumed.submitted_at) == ("gen_1", "spent", NOON)
    assert list(table.waiting(JobStatus.GENERATING, NOON)) == [failed.job_id]
    assert list(table.waiting(TELLING, NOON)) == []


def test_a_job_is_resumed_once(table: JobTable):
    failed = ended(table, JobStatus.FAILED, EventType.FAILED)

    assert table.resume(failed, LATER) is not None
    assert table.resume(failed, LATER) is None
    assert stored(table, failed).resumes == 1


def test_a_job_whose_message_is_a_dead_letter_waits_for_a_person_and_goes_on_when_it_comes_back(table: JobTable):
    job = job_with(status=JobStatus.DEFERRED)
    table.note_dead_letter(job, NOON)
    seen_by_the_sweeper = list(table.waiting(JobStatus.DEFERRED, LATER))
    seen_by_a_person = list(table.waiting(A_PERSON, LATER))

    table.hold(stored(table, job), Reason("daily_limit", "x"), LATER, EventType.HELD)

    assert (seen_by_the_sweeper, seen_by_a_person) == ([], [job.job_id])
    assert list(table.waiting(JobStatus.HELD, LATER)) == [job.job_id]
    assert list(table.waiting(A_PERSON, LATER)) == []


@pytest.mark.parametrize("told", [False, True])
def test_a_job_that_owes_an_event_is_neither_resumed_nor_adopted(table: JobTable, told: bool):
    failed = ended(table, JobStatus.FAILED, EventType.FAILED, told=told)

    assert (table.resume(failed, LATER) is not None) is told


def test_an_adopted_job_owes_that_it_was_submitted(table: JobTable):
    unknown = ended(table, JobStatus.UNKNOWN, EventType.UNKNOWN)

    adopted = table.adopt(unknown, "gen_9", "processing", LATER, EventType.SUBMITTED)

    assert adopted == stored(table, unknown)
    assert (adopted.status, adopted.generation_id, adopted.money) == (JobStatus.GENERATING, "gen_9", Money.SPENT)
    assert (adopted.submitted_at, adopted.watched_since) == (NOON, LATER)
    assert adopted.pending_events == {EventType.SUBMITTED}
    assert table.adopt(unknown, "gen_9", "processing", LATER, EventType.SUBMITTED) is None


def test_an_unknown_job_that_owes_its_event_is_not_adopted(table: JobTable):
    unknown = ended(table, JobStatus.UNKNOWN, EventType.UNKNOWN, told=False)

    assert table.adopt(unknown, "gen_9", "processing", LATER, EventType.SUBMITTED) is None


def test_a_completed_job_keeps_the_videos_facts_and_all_warnings(table: JobTable):
    job = generating(table)

    table.finish(job, JobStatus.COMPLETED, LATER, EventType.COMPLETED, video=VIDEO, warnings=("small", "short"))

    found = stored(table, job)
    assert (found.video, found.warnings, found.reason) == (VIDEO, ("small", "short"), None)


def test_the_providers_own_words_are_kept_with_the_reason(table: JobTable):
    job = generating(table)
    reason = Reason("generation_failed", "It did not work: no faces", provider_error="no faces")

    table.finish(job, JobStatus.FAILED, LATER, EventType.FAILED, reason)

    assert stored(table, job).reason == replace(reason, messages=("It did not work: no faces",))


# --- what to do next, and who waits ---------------------------------------------------------------------------------------


def item(table: JobTable, job: Job) -> dict[str, Any]:
    found: dict[str, Any] = table.client.get_item(TableName=table.table, Key={"job_id": {"S": job.job_id}})["Item"]
    return found


def test_what_to_do_next_stands_on_the_item_beside_every_reason(table: JobTable):
    failed = ended(table, JobStatus.FAILED, EventType.FAILED)
    assert item(table, failed)["next_step"] == {"S": next_step(failed)}
    assert "nothing is paid again" in item(table, failed)["next_step"]["S"]

    resumed = table.resume(failed, LATER)
    assert resumed is not None
    assert item(table, failed)["next_step"] == {"NULL": True}

    assert table.finish(resumed, JobStatus.FAILED, LATER, EventType.FAILED, Reason("content_refused", "x")) is not None
    assert "change the image or the prompt" in item(table, failed)["next_step"]["S"]


def test_a_jobs_next_attempt_and_its_holding_say_what_to_do(table: JobTable):
    job = generating(table)
    deferred = table.defer_next_attempt(job, Reason("generation_failed", "x"), Money.SPENT, LATER)
    assert deferred is not None
    assert item(table, job)["next_step"] == {"S": "Nothing: it comes again by itself."}

    assert table.hold(deferred, Reason("daily_limit", "x"), LATER, EventType.HELD) is not None
    assert "DailySpendLimitUsd" in item(table, job)["next_step"]["S"]


def test_a_rejected_and_a_dead_job_say_what_to_do(table: JobTable):
    rejected = job_with(
        job_id="a" * 24, status=JobStatus.REJECTED, generation_id=None, reason=Reason("image_format", "x")
    )
    dead = job_with(job_id="b" * 24, status=JobStatus.DEFERRED, generation_id=None, reason=Reason("dead_letter", "x"))
    assert table.create(rejected, EventType.REJECTED) is not None
    assert table.note_dead_letter(dead, NOON, EventType.DEFERRED) is not None

    assert item(table, rejected)["next_step"] == {"S": next_step(rejected)}
    assert item(table, dead)["next_step"] == {"S": next_step(dead)}
    assert stored(table, dead).pending_events == {EventType.DEFERRED}


def test_a_dead_letter_is_found_by_the_sweeper_until_its_owner_was_told(table: JobTable):
    dead = job_with(status=JobStatus.DEFERRED, generation_id=None, reason=Reason("dead_letter", "x"))
    assert table.note_dead_letter(dead, NOON, EventType.DEFERRED) is not None
    table.leave_to_a_person(dead.job_id)
    untold = (list(table.waiting(JobStatus.DEFERRED, LATER)), list(table.waiting(A_PERSON, LATER)))

    table.event_sent(stored(table, dead), EventType.DEFERRED)

    assert untold == ([dead.job_id], [])
    assert list(table.waiting(JobStatus.DEFERRED, LATER)) == []
    assert list(table.waiting(A_PERSON, LATER)) == [dead.job_id]


@pytest.mark.parametrize("event", [None, EventType.DEFERRED])
def test_a_dead_letter_that_was_told_stays_with_a_person(table: JobTable, event: EventType | None):
    reason = Reason("dead_letter", "x")
    dead = job_with(status=JobStatus.DEFERRED, generation_id=None, reason=reason, deferred_reason=reason)
    assert table.note_dead_letter(dead, NOON, event) is not None
    if event is not None:
        table.event_sent(dead, event)

    assert list(table.waiting(A_PERSON, LATER)) == [dead.job_id]


def test_a_deferred_job_of_another_reason_is_not_left_to_a_person(table: JobTable):
    job = generating(table)
    assert table.defer_next_attempt(job, TIMED_OUT, Money.SPENT, LATER) is not None

    table.leave_to_a_person(job.job_id)

    assert list(table.waiting(JobStatus.DEFERRED, LATER)) == [job.job_id]


def test_that_a_job_waits_is_owed_once(table: JobTable):
    job = job_with(status=JobStatus.DEFERRED, generation_id=None, reason=TIMED_OUT, deferred_since=NOON)
    assert table.note_dead_letter(job, NOON) is not None

    noted = table.note_deferral(stored(table, job), EventType.DEFERRED)

    assert noted == stored(table, job)
    assert (noted.deferred_since, noted.pending_events) == (NOON, {EventType.DEFERRED})
    assert noted.deferred_reason == noted.reason
    assert noted.updated_at == NOON
    assert table.note_deferral(noted, EventType.DEFERRED) is None


def test_that_a_job_waits_is_not_owed_once_it_goes_on(table: JobTable):
    job = generating(table)

    assert table.note_deferral(replace(job, status=JobStatus.DEFERRED, reason=TIMED_OUT), EventType.DEFERRED) is None


def test_a_next_attempt_begins_to_wait_anew(table: JobTable):
    job = generating(table)
    deferred = table.defer_next_attempt(
        replace(job, deferred_since=NOON, deferred_reason=TIMED_OUT), TIMED_OUT, Money.SPENT, LATER
    )

    assert deferred is not None
    assert (deferred.deferred_since, deferred.deferred_reason) == (LATER, None)


# --- whoever comes late ----------------------------------------------------------------------------------------------


def test_crossing_out_an_old_failures_event_leaves_the_one_of_the_next_failure(table: JobTable):
    first = ended(table, JobStatus.FAILED, EventType.FAILED)
    resumed = table.resume(first, LATER)
    assert resumed is not None
    assert table.finish(resumed, JobStatus.FAILED, LATER, EventType.FAILED, TIMED_OUT) is not None

    table.event_sent(first, EventType.FAILED)

    assert stored(table, first).pending_events == {EventType.FAILED}
    assert list(table.waiting(TELLING, LATER)) == [first.job_id]


def test_crossing_out_an_event_of_an_earlier_attempt_leaves_the_one_of_the_next(table: JobTable):
    first = generating(table)
    deferred = table.defer_next_attempt(first, TIMED_OUT, Money.SPENT, LATER)
    assert deferred is not None
    assert table.hold(deferred, TIMED_OUT, LATER, EventType.HELD) is not None

    table.event_sent(first, EventType.HELD)

    assert stored(table, first).pending_events == {EventType.HELD}


def test_whoever_saw_a_job_before_it_was_resumed_can_not_end_it(table: JobTable):
    before = generating(table)
    assert table.finish(before, JobStatus.FAILED, NOON, EventType.FAILED, TIMED_OUT) is not None
    table.event_sent(before, EventType.FAILED)
    assert table.resume(stored(table, before), LATER) is not None

    assert table.finish(before, JobStatus.FAILED, LATER, EventType.FAILED, TIMED_OUT) is None
    assert table.record_poll(before, "processing", LATER) is None
    assert stored(table, before).status is JobStatus.GENERATING


def test_a_job_that_owes_an_event_does_not_come_to_its_next_attempt(table: JobTable):
    job = generating(table)
    started = table.client.update_item(
        TableName=table.table,
        Key={"job_id": {"S": job.job_id}},
        UpdateExpression="ADD pending_events :event",
        ExpressionAttributeValues={":event": {"SS": [EventType.SUBMITTED]}},
    )
    assert started["ResponseMetadata"]["HTTPStatusCode"] == 200

    assert table.defer_next_attempt(job, TIMED_OUT, Money.SPENT, LATER) is None
    assert stored(table, job).attempt == 1
