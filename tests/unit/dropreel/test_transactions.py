"""All of several writes or none, with patience where others write the same items."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.adapters import transactions
from dropreel.adapters.transactions import MAX_PAUSE_SECONDS, transact
from dropreel.errors import TryAgain
from tests.support.memory_dynamodb import MemoryDynamoDB


class Answers:
    """A client that answers with these cancellations, one a call, and then takes the transaction."""

    def __init__(self, *cancellations: list[str], fault: Exception | None = None) -> None:
        self.left, self.fault = list(cancellations), fault
        self.exceptions: Any = MemoryDynamoDB().exceptions
        self.asked: list[Any] = []

    def transact_write_items(self, **arguments: Any) -> None:
        self.asked.append(arguments)
        if self.fault is not None:
            raise self.fault
        if self.left:
            reasons = [{"Code": code} for code in self.left.pop(0)]
            response = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
            raise self.exceptions.TransactionCanceledException(response, "TransactWriteItems")


BUSY = ["None", "TransactionConflict"]


def run(client: Any, tries: int = 5) -> tuple[int | None, list[float]]:
    naps: list[float] = []
    return transact(client, [{"a": 1}, {"b": 2}], naps.append, tries), naps


def test_all_updates_go_in_one_call():
    client = Answers()

    assert run(client) == (None, [])
    assert client.asked == [{"TransactItems": [{"Update": {"a": 1}}, {"Update": {"b": 2}}]}]


@pytest.mark.parametrize(
    ("codes", "first"),
    [
        (["ConditionalCheckFailed", "None"], 0),
        (["None", "ConditionalCheckFailed"], 1),
        (["ConditionalCheckFailed", "ConditionalCheckFailed"], 0),
        (["TransactionConflict", "ConditionalCheckFailed"], 1),
    ],
)
def test_the_first_condition_that_does_not_hold_is_told_at_once(codes, first):
    assert run(Answers(codes)) == (first, [])


def test_a_transaction_that_meets_another_is_tried_again():
    client = Answers(BUSY, BUSY)
    failed, naps = run(client)

    assert (failed, len(naps), len(client.asked)) == (None, 2, 3)


def test_one_that_always_meets_another_is_left_for_later():
    client = Answers(*[BUSY] * 9)

    with pytest.raises(TryAgain):
        run(client, tries=4)
    assert len(client.asked) == 4


def test_pauses_are_random_from_nothing_to_a_longest_that_doubles(monkeypatch: pytest.MonkeyPatch):
    spans: list[tuple[float, float]] = []

    def longest(least: float, most: float) -> float:
        spans.append((least, most))
        return most

    monkeypatch.setattr(transactions.random, "uniform", longest)
    _, naps = run(Answers(*[BUSY] * 7), tries=8)

    assert naps == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert {least for least, _most in spans} == {0}
    assert naps[-1] == MAX_PAUSE_SECONDS


def test_no_pause_follows_the_last_try(monkeypatch: pytest.MonkeyPatch):
    naps: list[float] = []

    with pytest.raises(TryAgain):
        transact(Answers(BUSY, BUSY), [], naps.append, 2)
    assert len(naps) == 1


def test_a_fault_of_dynamodb_is_no_answer():
    fault = ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "TransactWriteItems")

    with pytest.raises(ClientError):
        run(Answers(fault=fault))
