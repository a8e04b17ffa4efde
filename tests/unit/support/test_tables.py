"""The in-memory tables answer as moto's do, operation by operation, and hold the same items afterwards."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest

from dropreel.adapters.job_table import JobTable, key_of
from dropreel.adapters.ledger import Ledger
from dropreel.domain.fingerprints import Picture
from dropreel.domain.job import Job, accept, claim, complete, defer, hold, next_attempt, receive, reject, requeue
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import NotReserved, SpendLimit
from tests.integration.conftest import make_table
from tests.support import tables
from tests.support.memory_dynamodb import MemoryDynamoDB
from tests.support.moto_account import moto_account
from tests.support.sample_jobs import IMAGE, NOON, PRICE, VIDEO
from tests.support.tables import MotoTables, Tables

BUSY = Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy.")
LEASE = timedelta(seconds=150)
FULL: dict[str, Any] = {
    "version": {"N": "3"},
    "status": {"S": "held"},
    "reason": {"M": {"code": {"S": "daily_limit"}}},
    "pending_events": {"SS": ["a", "b", "c"]},
}


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    """A client of moto with the stack's tables."""
    with moto_account():
        for table in ("jobs", "spend"):
            make_table(table)
        yield boto3.client("dynamodb")


@pytest.fixture
def dynamodb(moto: Any) -> Iterator[Any]:
    """A client whose every call is made to moto's tables, too: both must answer the same and hold the same afterwards."""
    client = MemoryDynamoDB(MotoTables())
    yield client
    for table, ours in client.tables.items.items():
        theirs = moto.scan(TableName=table)["Items"]
        assert sorted(map(comparable, ours.values())) == sorted(map(comparable, theirs))


def comparable(item: dict[str, Any]) -> str:
    return json.dumps(tables._sorted(item))


def put_row(dynamodb: Any, row: str = "job", job_id: str = "a", **attributes: Any) -> None:
    """Put a row into both tables."""
    update(dynamodb, f"SET {', '.join(f'#{name} = :{name}' for name in attributes)}", row, job_id, **attributes)


def update(
    dynamodb: Any, expression: str, row: str = "job", job_id: str = "a", condition: str | None = None, **values: Any
) -> Any:
    return dynamodb.update_item(**arguments(expression, row, job_id, condition, **values))


def arguments(
    expression: str, row: str = "job", job_id: str = "a", condition: str | None = None, **values: Any
) -> dict[str, Any]:
    """The arguments of an update; each value is known as `:name`, and its attribute as `#name` where that is written."""
    made: dict[str, Any] = {"TableName": "jobs", "Key": key_of(job_id, row), "UpdateExpression": expression}
    text = f"{expression} {condition or ''}"
    if names := {f"#{name}": name for name in {*FULL, *values} if f"#{name}" in text}:
        made["ExpressionAttributeNames"] = names
    if values:
        made["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    if condition is not None:
        made["ConditionExpression"] = condition
    return made


def got(dynamodb: Any, row: str = "job", job_id: str = "a") -> dict[str, Any] | None:
    found: dict[str, Any] | None = dynamodb.get_item(
        TableName="jobs", Key=key_of(job_id, row), ConsistentRead=True
    ).get("Item")
    return found


# --- one item -------------------------------------------------------------------------------------------------------------


def test_a_missing_item_is_no_item(dynamodb: Any):
    put_row(dynamodb, **FULL)

    assert got(dynamodb) == {**key_of("a", "job"), **FULL}
    assert got(dynamodb, "attempt#01#0000") is None
    assert got(dynamodb, job_id="b") is None


@pytest.mark.parametrize(
    ("expression", "values", "changed"),
    [
        ("SET #status = :status", {"status": {"S": "deferred"}}, {"status": {"S": "deferred"}}),
        ("SET charge = :charge, polls = :polls", {"charge": {"S": "none"}, "polls": {"N": "0"}}, None),
        ("REMOVE #reason", {}, {"reason": None}),
        ("REMOVE #reason, pending_events, never_there", {}, {"reason": None, "pending_events": None}),
        ("ADD version :version", {"version": {"N": "1"}}, {"version": {"N": "4"}}),
        ("ADD version :version", {"version": {"N": "-5"}}, {"version": {"N": "-2"}}),
        ("ADD polls :polls", {"polls": {"N": "2"}}, {"polls": {"N": "2"}}),
        ("ADD pending_events :more", {"more": {"SS": ["a", "d"]}}, {"pending_events": {"SS": ["a", "b", "c", "d"]}}),
        ("DELETE pending_events :done", {"done": {"SS": ["a", "x"]}}, {"pending_events": {"SS": ["b", "c"]}}),
        ("DELETE pending_events :done", {"done": {"SS": ["a", "b", "c"]}}, {"pending_events": None}),
        ("DELETE never_there :done", {"done": {"SS": ["a"]}}, {}),
        (
            "SET #status = :status REMOVE #reason ADD version :one",
            {"status": {"S": "deferred"}, "one": {"N": "1"}},
            {"status": {"S": "deferred"}, "reason": None, "version": {"N": "4"}},
        ),
    ],
)
def test_each_clause_of_an_update_changes_the_same(dynamodb: Any, expression, values, changed):
    put_row(dynamodb, **FULL)

    update(dynamodb, expression, **values)

    expected = {**key_of("a", "job"), **FULL, **(values if changed is None else changed)}
    assert tables._sorted(got(dynamodb)) == tables._sorted(
        {name: value for name, value in expected.items() if value is not None}
    )


@pytest.mark.parametrize("expression", ["SET #status = :status", "REMOVE #reason ADD version :status"])
def test_an_update_makes_an_item_that_is_not_there(dynamodb: Any, expression):
    update(dynamodb, expression, status={"N": "1"})

    assert got(dynamodb) is not None


def test_an_update_answers_with_the_item_where_it_is_asked_to(dynamodb: Any):
    put_row(dynamodb, **FULL)
    asked = {**arguments("ADD version :one", one={"N": "1"}), "ReturnValues": "ALL_NEW"}

    assert dynamodb.update_item(**asked)["Attributes"]["version"] == {"N": "4"}


CONDITIONS: list[tuple[str, dict[str, Any], bool, bool]] = [
    ("attribute_not_exists(job_id)", {}, False, True),
    ("attribute_not_exists(never_there)", {}, True, True),
    ("attribute_exists(#status)", {}, True, False),
    ("version = :read", {"read": {"N": "3"}}, True, False),
    ("version = :read", {"read": {"N": "4"}}, False, False),
    ("version <= :most", {"most": {"N": "3"}}, True, False),
    ("version <= :most", {"most": {"N": "2"}}, False, False),
    ("attribute_not_exists(version) OR version <= :most", {"most": {"N": "2"}}, False, True),
    ("#status = :is AND version = :read", {"is": {"S": "held"}, "read": {"N": "3"}}, True, False),
    ("#status = :is AND version = :read", {"is": {"S": "held"}, "read": {"N": "4"}}, False, False),
    ("attribute_not_exists(#status) OR #status < :is", {"is": {"S": "hele"}}, True, True),
    ("attribute_not_exists(#status) OR #status < :is", {"is": {"S": "held"}}, False, True),
    ("attribute_not_exists(a) AND attribute_not_exists(b) OR #status = :is", {"is": {"S": "x"}}, True, True),
]
"""Conditions, their values, and whether they hold of a full item and of none."""


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(("condition", "values", "of_full", "of_none"), CONDITIONS)
def test_an_update_is_made_only_where_its_condition_holds(dynamodb: Any, condition, values, of_full, of_none, is_there):
    if is_there:
        put_row(dynamodb, **FULL)
    before = got(dynamodb)

    if of_full if is_there else of_none:
        update(dynamodb, "ADD polls :one", condition=condition, one={"N": "1"}, **values)
        assert got(dynamodb) != before
    else:
        with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
            update(dynamodb, "ADD polls :one", condition=condition, one={"N": "1"}, **values)
        assert got(dynamodb) == before


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(("condition", "values", "of_full", "of_none"), CONDITIONS)
def test_an_item_is_deleted_only_where_the_condition_holds(
    dynamodb: Any, condition, values, of_full, of_none, is_there
):
    if is_there:
        put_row(dynamodb, **FULL)
    put_row(dynamodb, "attempt#01#0000", **FULL)
    before = got(dynamodb)
    asked = arguments("", condition=condition, **values)
    del asked["UpdateExpression"]

    if of_full if is_there else of_none:
        dynamodb.delete_item(**asked)
        assert got(dynamodb) is None
    else:
        with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
            dynamodb.delete_item(**asked)
        assert got(dynamodb) == before
    assert got(dynamodb, "attempt#01#0000") is not None


# --- several items --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("holds", [(True, True, True), (True, False, True), (False, True, False)])
def test_a_transaction_is_made_as_a_whole_or_says_which_conditions_failed(dynamodb: Any, holds):
    rows = ("job", "job_2", "job_3")
    for row in rows:
        put_row(dynamodb, row, **FULL)
    before = [got(dynamodb, row) for row in rows]
    updates = [
        arguments("ADD polls :one", row, condition=f"attribute_not_exists({'x' if each else 'job_id'})", one={"N": "1"})
        for row, each in zip(rows, holds, strict=True)
    ]
    asked = {"TransactItems": [{"Update": each} for each in updates]}

    if all(holds):
        dynamodb.transact_write_items(**asked)
        assert [got(dynamodb, row) for row in rows] == [{**item, "polls": {"N": "1"}} for item in before if item]
    else:
        with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as raised:
            dynamodb.transact_write_items(**asked)
        codes = [reason["Code"] for reason in raised.value.response["CancellationReasons"]]
        assert codes == ["None" if each else "ConditionalCheckFailed" for each in holds]
        assert [got(dynamodb, row) for row in rows] == before


def test_a_query_finds_the_rows_of_one_job_in_key_order(dynamodb: Any):
    for job_id in ("ab", "a", "b"):
        for row in ("job", "attempt#01#0001", "attempt#02#0000", "attempt#01#0000"):
            put_row(dynamodb, row, job_id, **FULL)
    story = JobTable(dynamodb, "jobs").history("a")

    assert [(row["job_id"], row["row"]) for row in story] == [
        ("a", row) for row in ("attempt#01#0000", "attempt#01#0001", "attempt#02#0000", "job")
    ]
    assert JobTable(dynamodb, "jobs").history("c") == []


def test_the_index_has_jobs_of_one_value_until_a_time_oldest_first(dynamodb: Any):
    for job_id, what, minutes in [("a", "held", 3), ("b", "held", 1), ("c", "held", 9), ("d", "submitting", 2)]:
        created_at = {"S": (NOON + timedelta(minutes=minutes)).isoformat()}
        put_row(dynamodb, "job", job_id, waiting={"S": what}, created_at=created_at)
    put_row(dynamodb, "attempt#01#0000", "a", **FULL)
    found = list(JobTable(dynamodb, "jobs").waiting("held", NOON + timedelta(minutes=3)))
    update(dynamodb, "REMOVE waiting", "job", "b")

    assert found == ["b", "a"]
    assert list(JobTable(dynamodb, "jobs").waiting("held", NOON + timedelta(minutes=3))) == ["a"]


# --- the real adapters on both --------------------------------------------------------------------------------------------


def test_complete_jobs_are_the_same_on_both_by_every_operation(dynamodb: Any):
    made: set[str] = set()

    def note(operation: str, _arguments: dict[str, Any], act: Callable[[], Any]) -> Any:
        made.add(operation)
        return act()

    dynamodb.around = note
    play(JobTable(dynamodb, "jobs"), Ledger(dynamodb, "jobs", "spend", SpendLimit(2 * PRICE)))

    assert made == set(Tables.OPERATIONS)
    assert [row["row"] for row in dynamodb.tables.rows("attempt")] == [
        "attempt#01#0000",
        "attempt#01#0001",
        "attempt#02#0000",
    ]
    assert [job["status"] for job in dynamodb.tables.jobs()] == ["completed", "rejected"]


def play(jobs: JobTable, ledger: Ledger) -> None:
    """Complete one job in two attempts, beside a copy, a held job and a rejected one."""

    def saved(found: Job | NotReserved | None) -> Job:
        assert isinstance(found, Job)
        return found

    def received(job_id: str) -> Job:
        return saved(jobs.save(None, replace(receive(job_id * 24, IMAGE, NOON), cost_cents=PRICE)))

    upload, copy = (Picture("picture-1", is_copy, NOON) for is_copy in (False, True))
    job, other, third = received("a"), received("b"), received("c")
    assert jobs.save(None, receive("a" * 24, IMAGE, NOON)) is None
    job = saved(ledger.reserve(job, claim(job, NOON, LEASE), upload))
    job = saved(ledger.release(job, defer(job, BUSY, NOON, NOON)))
    job = saved(ledger.reserve(job, claim(job, NOON, LEASE)))
    job = saved(jobs.save(job, accept(job, "gen_1", "created", NOON)))
    job = saved(jobs.save(job, replace(job, pending_events=frozenset())))
    jobs.count_poll(job, NOON, provider_status="processing")
    jobs.count_poll(job, NOON, fault="the provider answered 404", not_found_since=NOON)
    jobs.count_poll(other, NOON, fault="it is not generating")
    job = saved(jobs.save(job, next_attempt(job, BUSY, NOON)))
    assert ledger.reserve(other, claim(other, NOON, LEASE), copy) is NotReserved.DUPLICATE
    assert not jobs.discard(receive("b" * 24, IMAGE, NOON))
    assert jobs.discard(other)
    job = saved(ledger.reserve(job, claim(job, NOON, LEASE)))
    assert ledger.reserve(third, claim(third, NOON, LEASE)) is NotReserved.NO_ROOM
    third = saved(jobs.save(third, hold(third, BUSY, NOON)))
    assert list(jobs.waiting("held", NOON)) == [third.job_id]
    third = saved(jobs.save(third, requeue(third, NOON)))
    saved(jobs.save(third, reject(third, BUSY, NOON)))
    job = saved(jobs.save(job, accept(job, "gen_2", "created", NOON)))
    saved(jobs.save(job, complete(job, VIDEO, ("short",), NOON)))
    assert jobs.holder_of("gen_2") == ledger.claimed_by(copy) == job.job_id
    assert ledger.reserved_cents("2026-05-04") == 2 * PRICE
    assert len(jobs.history(job.job_id)) == 4


# --- the comparison itself, and what moto does not do ---------------------------------------------------------------------


def _forget_to_remove(patch: pytest.MonkeyPatch) -> None:
    change = tables._change
    patch.setattr(tables, "_change", lambda item, clause, *more: clause == "REMOVE" or change(item, clause, *more))


def _hold_every_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tables, "_holds", lambda *_: True)


def _find_rows_of_all_jobs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tables, "_found", lambda self, _: list(self.items["jobs"].values()))


def _find_no_item(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tables, "_item", lambda *_: None)


@pytest.mark.parametrize("break_it", [_forget_to_remove, _hold_every_condition, _find_rows_of_all_jobs, _find_no_item])
def test_a_difference_from_motos_tables_fails_the_comparison(
    moto: Any, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None]
):
    client: Any = MemoryDynamoDB(MotoTables())
    break_it(monkeypatch)

    with pytest.raises(AssertionError, match=r"differs from moto's|fails in moto"):
        play(JobTable(client, "jobs"), Ledger(client, "jobs", "spend", SpendLimit(2 * PRICE)))


@pytest.mark.parametrize("write", ["update", "transaction", "delete"])
def test_an_inconsistent_read_answers_with_the_item_before_the_last_write(write):
    client: Any = MemoryDynamoDB()
    put_row(client, **FULL)
    put_row(client, polls={"N": "1"})
    before = got(client)
    asked = arguments("ADD polls :one", one={"N": "1"})
    match write:
        case "update":
            client.update_item(**asked)
        case "transaction":
            client.transact_write_items(TransactItems=[{"Update": asked}])
        case "delete":
            client.delete_item(TableName="jobs", Key=key_of("a", "job"))

    assert client.get_item(TableName="jobs", Key=key_of("a", "job"))["Item"] == before
    assert got(client) != before
