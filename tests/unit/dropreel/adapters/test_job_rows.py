"""The rows beside a job: each of its submissions, its generation, and its whole story; in moto and in memory."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import dropreel
from dropreel.adapters.job_table import JobTable, key_of
from dropreel.adapters.ledger import Ledger
from dropreel.domain.errors import RetryLater
from dropreel.domain.fingerprints import Picture
from dropreel.domain.job import (
    Job,
    JobStatus,
    accept,
    claim,
    complete,
    defer,
    fail,
    next_attempt,
    park,
    receive,
    reject,
    resume,
)
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import SpendLimit
from tests.support.aws_errors import refusal
from tests.support.memory_dynamodb import MemoryDynamoDB
from tests.support.sample_jobs import IMAGE, NOON, VIDEO

LEASE = timedelta(seconds=150)
BUSY = Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy.")
FAILED = Reason(ReasonCode.GENERATION_FAILED, "It did not work.", provider_error="no faces")
JOB_ID, OTHER = "a" * 24, "b" * 24


def after(minutes: float) -> Any:
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def table(dynamodb: Any) -> JobTable:
    return JobTable(dynamodb, "jobs")


def saved(table: JobTable, before: Job | None, now: Job) -> Job:
    found = table.save(before, now)
    assert found is not None
    return found


def deferred(table: JobTable, job_id: str = JOB_ID, **changes: Any) -> Job:
    """Let the table hold a job that waits to be submitted."""
    job = replace(receive(job_id, IMAGE, NOON), cost_cents=47, **changes)
    return saved(table, None, job)


def claimed(table: JobTable, job_id: str = JOB_ID) -> Job:
    job = deferred(table, job_id)
    return saved(table, job, claim(job, after(1), LEASE))


def published(table: JobTable, job: Job) -> Job:
    return saved(table, job, replace(job, pending_events=frozenset()))


def attempts(table: JobTable, job_id: str = JOB_ID) -> list[dict[str, Any]]:
    return [row for row in table.history(job_id) if row["row"].startswith("attempt#")]


# --- a submission's row -----------------------------------------------------------------------------------------------------


def test_a_claim_has_a_row_with_its_time_its_day_and_its_price(table: JobTable):
    claimed(table)

    assert attempts(table) == [
        {
            "job_id": JOB_ID,
            "row": "attempt#01#0000",
            "version": 1,
            "attempt": 1,
            "requeues": 0,
            "status": "submitting",
            "charge": "unknown",
            "created_at": after(1).isoformat(),
            "day": "2026-05-04",
            "listed": "attempt#2026-05-04",
            "cost_cents": 47,
            "updated_at": after(1).isoformat(),
        }
    ]


def test_a_submission_that_has_a_row_is_not_claimed_again(table: JobTable):
    """Whatever the job itself says: its row may have been restored from a backup."""
    first = claimed(table)
    table.client.delete_item(TableName="jobs", Key=key_of(JOB_ID, "job"))
    restored = deferred(table)
    before = table.history(JOB_ID)

    assert table.save(restored, claim(restored, after(9), LEASE)) is None
    assert table.history(JOB_ID) == before
    assert attempts(table)[0]["created_at"] == first.updated_at.isoformat()


def test_what_a_submission_came_to_is_added_to_its_row(table: JobTable):
    job = claimed(table)
    (as_claimed,) = attempts(table)

    saved(table, job, accept(job, "gen_1", "created", after(2)))

    assert attempts(table) == [
        {
            **as_claimed,
            "version": 2,
            "status": "generating",
            "charge": "charged",
            "generation_id": "gen_1",
            "updated_at": after(2).isoformat(),
        }
    ]


def test_why_a_submission_ended_is_on_its_row_until_it_goes_on(table: JobTable):
    job = claimed(table)
    job = saved(table, job, accept(job, "gen_1", "created", after(2)))
    job = published(table, saved(table, job, fail(job, FAILED, after(3))))
    (ended,) = attempts(table)

    saved(table, job, resume(job, after(4)))

    (resumed,) = attempts(table)
    assert (ended["status"], ended["reason"]) == ("failed", FAILED.as_json())
    assert (resumed["status"], resumed.get("reason"), resumed["charge"]) == ("generating", None, "charged")
    assert (resumed["created_at"], resumed["day"], resumed["cost_cents"]) == (
        ended["created_at"],
        "2026-05-04",
        47,
    )


def test_whoever_comes_late_changes_no_row(table: JobTable):
    read = claimed(table)
    parked = saved(table, read, park(read, FAILED, after(2)))
    before = table.history(JOB_ID)

    assert table.save(read, reject(read, FAILED, after(3))) is None
    assert table.save(read, accept(read, "gen_1", "created", after(3))) is None
    assert table.history(JOB_ID) == before
    assert table.holder_of("gen_1") is None
    assert table.get(JOB_ID) == parked


# --- a generation's row -----------------------------------------------------------------------------------------------------


def test_a_job_holds_the_generation_that_it_was_given(table: JobTable):
    job = claimed(table)
    unheld = table.holder_of("gen_1")

    saved(table, job, accept(job, "gen_1", "created", after(2)))

    row = table.client.get_item(TableName="jobs", Key=key_of("generation#gen_1", "generation"), ConsistentRead=True)[
        "Item"
    ]
    assert unheld is None
    assert table.holder_of("gen_1") == JOB_ID
    assert (row["claimed_by"], row["attempt"], row["version"]) == ({"S": JOB_ID}, {"N": "1"}, {"N": "1"})


def test_a_generation_has_one_job_and_never_two(table: JobTable):
    first, second = claimed(table), claimed(table, OTHER)
    saved(table, first, accept(first, "gen_1", "created", after(2)))
    before = table.history(OTHER)

    assert table.save(second, accept(second, "gen_1", "created", after(3))) is None
    assert table.history(OTHER) == before
    assert table.holder_of("gen_1") == JOB_ID


def test_a_job_may_be_given_its_own_generation_again(table: JobTable):
    job = claimed(table)
    job = published(table, saved(table, job, accept(job, "gen_1", "created", after(2))))
    job = saved(table, job, next_attempt(job, FAILED, after(3)))
    job = saved(table, job, claim(job, after(4), LEASE))

    assert table.save(job, accept(job, "gen_1", "created", after(5))) is not None
    assert table.holder_of("gen_1") == JOB_ID


def test_a_save_that_gives_no_new_generation_leaves_its_row_alone(table: JobTable):
    job = claimed(table)
    job = saved(table, job, accept(job, "gen_1", "created", after(2)))

    saved(table, job, complete(job, VIDEO, (), after(3)))

    row = table.client.get_item(TableName="jobs", Key=key_of("generation#gen_1", "generation"), ConsistentRead=True)[
        "Item"
    ]
    assert row["version"] == {"N": "1"}


def test_a_save_with_endless_conflicts_is_retried_later():
    pauses: list[float] = []

    def conflict(operation: str, _arguments: dict[str, Any], act: Any) -> Any:
        if operation == "TransactWriteItems":
            reasons = [{"Code": "TransactionConflict"}]
            raise refusal(operation, "TransactionCanceledException", 400, client, CancellationReasons=reasons)
        return act()

    client: Any = MemoryDynamoDB(around=conflict)
    table = JobTable(client, "jobs", pauses.append)
    job = deferred(table)

    with pytest.raises(RetryLater):
        table.save(job, claim(job, after(1), LEASE))
    assert len(pauses) > 5
    assert table.get(JOB_ID) == job


# --- the whole story --------------------------------------------------------------------------------------------------------


def test_the_story_of_a_job_has_each_submission_in_order_and_then_the_job(table: JobTable):
    job = claimed(table)
    job = saved(table, job, defer(job, BUSY, after(3), after(2)))
    job = saved(table, job, claim(job, after(4), LEASE))
    job = saved(table, job, accept(job, "gen_1", "created", after(5)))
    job = published(table, job)
    job = saved(table, job, next_attempt(job, FAILED, after(6)))
    job = saved(table, job, claim(job, after(7), LEASE))
    job = saved(table, job, accept(job, "gen_2", "created", after(8)))
    job = saved(table, job, complete(job, VIDEO, (), after(9)))
    claimed(table, OTHER)

    story = table.history(JOB_ID)

    assert [row["row"] for row in story] == ["attempt#01#0000", "attempt#01#0001", "attempt#02#0000", "job"]
    assert [(row["status"], row["charge"], row.get("generation_id")) for row in story] == [
        ("deferred", "none", None),
        ("failed", "charged", "gen_1"),
        ("completed", "charged", "gen_2"),
        ("completed", "charged", "gen_2"),
    ]
    assert [(row.get("reason") or {}).get("code") for row in story] == [
        "provider_busy",
        "generation_failed",
        None,
        None,
    ]
    assert [row.get("created_at") for row in story[:3]] == [after(minutes).isoformat() for minutes in (1, 4, 7)]
    assert story[3]["attempt"] == job.attempt == 2


def test_submissions_are_in_order_past_the_ninth_of_each(table: JobTable):
    for attempt, requeues in [(10, 0), (2, 10), (2, 9), (1, 100)]:
        job = deferred(table, attempt=attempt, requeues=requeues)
        saved(table, job, claim(job, after(1), LEASE))
        table.client.delete_item(TableName="jobs", Key=key_of(JOB_ID, "job"))

    assert [(row["attempt"], row["requeues"]) for row in attempts(table)] == [(1, 100), (2, 9), (2, 10), (10, 0)]


def test_a_job_without_a_row_has_no_story(table: JobTable):
    claimed(table, OTHER)

    assert table.history(JOB_ID) == []


def test_a_story_of_several_pages_is_whole(moto_dynamodb: Any):
    table = JobTable(moto_dynamodb, "jobs")
    for number in range(4):  # a page has at most 1 MB
        moto_dynamodb.put_item(
            TableName="jobs",
            Item={**key_of("c" * 24, f"attempt#01#{number:04}"), "said": {"S": "x" * 390_000}},
        )

    first_page = moto_dynamodb.query(
        TableName="jobs",
        KeyConditionExpression="job_id = :job_id",
        ExpressionAttributeValues={":job_id": {"S": "c" * 24}},
    )["Items"]

    assert len(first_page) < 4
    assert [row["row"][-1] for row in table.history("c" * 24)] == ["0", "1", "2", "3"]


def test_other_rows_are_in_no_list_of_what_waits(table: JobTable):
    job = claimed(table)
    saved(table, job, accept(job, "gen_1", "created", after(2)))

    assert list(table.waiting(JobStatus.SUBMITTING, after(9))) == []
    assert list(table.waiting(JobStatus.GENERATING, after(9))) == [JOB_ID]


# --- consistent reads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "read"),
    [
        ("GetItem", lambda jobs, _ledger: jobs.get(JOB_ID)),
        ("GetItem", lambda jobs, _ledger: jobs.holder_of("gen_1")),
        ("Query", lambda jobs, _ledger: jobs.history(JOB_ID)),
        ("GetItem", lambda _jobs, ledger: ledger.claimed_by(Picture("picture-1", True, NOON))),
        ("GetItem", lambda _jobs, ledger: ledger.reserved_cents("2026-05-04")),
    ],
    ids=["get", "holder_of", "history", "claimed_by", "reserved_cents"],
)
def test_whatever_decides_is_read_consistently(operation, read):
    asked: list[tuple[str, Any]] = []

    def note(operation: str, arguments: dict[str, Any], act: Any) -> Any:
        asked.append((operation, arguments.get("ConsistentRead")))
        return act()

    client: Any = MemoryDynamoDB(around=note)

    read(JobTable(client, "jobs"), Ledger(client, "jobs", "spend", SpendLimit(None)))

    assert asked == [(operation, True)]


def test_every_read_of_a_table_is_one_of_these():
    package = Path(dropreel.__file__).parent
    reads = {path.name: path.read_text(encoding="utf-8").count("get_item(") for path in package.rglob("*.py")}

    assert {name: count for name, count in reads.items() if count} == {"job_table.py": 2, "ledger.py": 2}
