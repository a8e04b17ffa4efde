"""How several writes of DynamoDB are made together, and how often they are tried."""

import math
import random
from collections.abc import Callable
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError

from dropreel.adapters.job_table import key_of
from dropreel.adapters.transactions import MAX_PAUSE_SECONDS, MAX_TRIES, transact
from dropreel.domain.errors import RetryLater
from tests.support.aws_errors import refusal

CONFLICT = ["None", "TransactionConflict"]


class Scripted:
    """A client whose transactions are cancelled for these reasons, one list a try, and then made."""

    def __init__(self, *cancelled: list[str]) -> None:
        self.exceptions = boto3.client("dynamodb", "us-east-1").exceptions
        self.cancelled = [*cancelled]
        self.written: list[Any] = []
        self.tries = 0

    def transact_write_items(self, **arguments: Any) -> None:
        self.tries += 1
        if self.cancelled:
            reasons = [{"Code": code} for code in self.cancelled.pop(0)]
            cancelled = "TransactionCanceledException"
            raise refusal("TransactWriteItems", cancelled, 400, self, CancellationReasons=reasons)
        self.written.append(arguments)


def run(client: Any, *tries: int) -> tuple[int | None, list[float]]:
    """Make two updates; return the answer and the pauses."""
    pauses: list[float] = []
    return transact(client, ["first", "second"], pauses.append, *tries), pauses


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Let each pause be as long as it can be, and return between what it was drawn."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    return drawn


# --- all or none -----------------------------------------------------------------------------------------------------


def put(name: str, *, new: bool = False) -> dict[str, Any]:
    """The update of one row, perhaps only where there is none."""
    update = {
        "TableName": "jobs",
        "Key": key_of(name, "job"),
        "UpdateExpression": "ADD version :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    return {**update, "ConditionExpression": "attribute_not_exists(job_id)"} if new else update


def versions(client: Any) -> list[str | None]:
    """The version of each of three rows."""
    found = [
        client.get_item(ConsistentRead=True, TableName="jobs", Key=key_of(name, "job")).get("Item", {})
        for name in "abc"
    ]
    return [item["version"]["N"] if item else None for item in found]


def no_pause(_seconds: float) -> None:
    pytest.fail("it was tried again")


def test_all_updates_are_made(dynamodb: Any):
    assert transact(dynamodb, [put("a", new=True), put("b"), put("c", new=True)], no_pause) is None
    assert versions(dynamodb) == ["1", "1", "1"]


@pytest.mark.parametrize(("there", "index"), [("a", 0), ("b", 1), ("c", 2), ("bc", 1), ("abc", 0)])
def test_where_a_condition_fails_nothing_is_made_and_the_first_is_named(dynamodb: Any, there, index):
    for name in there:
        dynamodb.update_item(**put(name))
    before = versions(dynamodb)

    assert transact(dynamodb, [put(name, new=True) for name in "abc"], no_pause) == index
    assert versions(dynamodb) == before


def test_each_update_is_one_item_of_the_transaction():
    client = Scripted()

    assert run(client) == (None, [])
    assert client.written == [{"TransactItems": [{"Update": "first"}, {"Update": "second"}]}]


# --- tries -----------------------------------------------------------------------------------------------------------


def test_a_failed_condition_is_not_tried_again():
    client = Scripted(["None", "ConditionalCheckFailed"])

    assert run(client) == (1, [])
    assert (client.tries, client.written) == (1, [])


@pytest.mark.parametrize(
    ("codes", "index"),
    [
        (["TransactionConflict", "ConditionalCheckFailed"], 1),
        (["ConditionalCheckFailed", "TransactionConflict"], 0),
    ],
)
def test_a_failed_condition_counts_before_a_conflict(codes: list[str], index):
    client = Scripted(codes)

    assert run(client) == (index, [])
    assert client.tries == 1


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_what_was_cancelled_for_another_reason_is_tried_again(code):
    client = Scripted([code, "None"], ["None", code])

    answer, pauses = run(client)

    assert (answer, len(pauses)) == (None, 2)
    assert (client.tries, len(client.written)) == (3, 1)


def test_a_condition_that_fails_after_a_conflict_is_named():
    client = Scripted(CONFLICT, ["None", "ConditionalCheckFailed"])

    answer, pauses = run(client)

    assert (answer, len(pauses), client.tries) == (1, 1, 2)


def test_pauses_double_up_to_the_longest(longest: list[tuple[float, float]]):
    _answer, pauses = run(Scripted(*[CONFLICT] * 14))

    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, *[MAX_PAUSE_SECONDS] * 9])
    assert longest == [(0, pause) for pause in pauses]
    assert MAX_PAUSE_SECONDS == 1


def test_pauses_differ_from_worker_to_worker():
    """Workers that met would meet again after equal pauses."""
    _answer, pauses = run(Scripted(*[CONFLICT] * 14))
    _answer, others = run(Scripted(*[CONFLICT] * 14))

    assert pauses != others
    assert all(0 <= pause <= MAX_PAUSE_SECONDS for pause in pauses)


def test_the_longest_pause_is_the_longest_after_very_many_tries(longest: list[tuple[float, float]]):
    _answer, pauses = run(Scripted(*[CONFLICT] * 1500), 1501)

    assert pauses[-1] == MAX_PAUSE_SECONDS
    assert math.isfinite(sum(high for _low, high in longest))


@pytest.mark.parametrize("tries", [1, 2, 30])
def test_after_the_last_try_it_is_left_for_later_without_a_pause(tries):
    client = Scripted(*[CONFLICT] * tries)
    pauses: list[float] = []

    with pytest.raises(RetryLater, match=r"^the table is busy: too many transactions at once$"):
        transact(cast("Any", client), ["first"], pauses.append, tries)

    assert (client.tries, len(pauses), client.written) == (tries, tries - 1, [])


@pytest.mark.parametrize("tries", [1, 2, 30])
def test_the_last_try_may_succeed(tries):
    client = Scripted(*[CONFLICT] * (tries - 1))

    answer, pauses = run(client, tries)

    assert (answer, len(pauses), client.tries) == (None, tries - 1, tries)


def test_unless_told_otherwise_it_is_tried_16_times():
    client = Scripted(*[CONFLICT] * 20)

    with pytest.raises(RetryLater):
        run(client)

    assert client.tries == MAX_TRIES == 16


@pytest.mark.parametrize(
    "fault",
    [
        lambda client: refusal("TransactWriteItems", "ResourceNotFoundException", 400, client),
        lambda client: refusal("TransactWriteItems", "InternalServerError", 500, client),
        lambda _client: refusal("TransactWriteItems", "AccessDeniedException", 400),
    ],
)
def test_a_fault_of_dynamodb_is_raised_at_once(fault: Callable[[Any], ClientError]):
    client = Scripted()
    error = fault(client)

    def raises(**_arguments: Any) -> None:
        client.tries += 1
        raise error

    client.transact_write_items = raises

    with pytest.raises(ClientError) as raised:
        run(client)
    assert raised.value is error
    assert client.tries == 1
