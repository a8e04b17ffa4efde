"""Many workers at once on the ledger's tables, and transactions that always meet another one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dropreel.adapters.ledger import MAX_RELEASE_TRIES, Ledger
from dropreel.adapters.transactions import MAX_PAUSE_SECONDS, MAX_TRIES
from dropreel.domain.errors import RetryLater
from dropreel.domain.job import Job, claim
from dropreel.domain.spending import NotReserved, SpendLimit
from tests.support.aws_errors import refusal
from tests.support.ledger_books import LEASE, Books, deferred
from tests.support.sample_jobs import NOON


class Conflicting:
    """A client whose transactions meet as in DynamoDB: one at a time, and a concurrent one is cancelled.

    moto checks and writes a transaction in several steps, which threads could come between.
    """

    def __init__(self, client: Any, always: bool = False) -> None:
        self.client = client
        self.always = always
        self.conflicts = 0
        self.one = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def transact_write_items(self, **arguments: Any) -> Any:
        if self.always or not self.one.acquire(blocking=False):
            self.conflicts += 1
            reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
            cancelled = "TransactionCanceledException"
            raise refusal("TransactWriteItems", cancelled, 400, self.client, CancellationReasons=reasons)
        try:
            return self.client.transact_write_items(**arguments)
        finally:
            self.one.release()


# moto copies its tables with every transaction: 200 jobs would take it half a minute.
@pytest.mark.parametrize(("dynamodb", "room"), [("memory", 100), ("moto", 20)], indirect=["dynamodb"])
def test_of_200_jobs_and_money_for_100_exactly_100_are_claimed(books: Books, room):
    jobs = [books.has(f"{number:024x}") for number in range(2 * room)]
    conflicting: Any = Conflicting(books.client)
    ledger = Ledger(conflicting, "jobs", "spend", SpendLimit(room * 47), lambda seconds: time.sleep(seconds / 50))

    def reserve(job: Job) -> Job | NotReserved:
        while True:
            try:
                return ledger.reserve(job, claim(job, NOON, LEASE))
            except RetryLater:  # the queue would bring it back
                continue

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(reserve, jobs))

    assert sum(isinstance(answer, Job) for answer in answers) == room
    assert answers.count(NotReserved.NO_ROOM) == room
    assert books.reserved == room * 47
    assert len(list(books.jobs.waiting("submitting", NOON))) == room


def test_of_8_workers_that_race_for_one_job_one_has_it(books: Books):
    job = books.has()
    conflicting: Any = Conflicting(books.client)
    ledger = Ledger(conflicting, "jobs", "spend", SpendLimit(None))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ledger.reserve(job, claim(job, NOON, LEASE)), range(8)))

    assert sum(isinstance(answer, Job) for answer in answers) == 1
    assert answers.count(NotReserved.CHANGED) == 7
    assert books.reserved == 47


def test_a_claim_that_always_meets_another_is_left_for_later(books: Books):
    job = books.has()
    conflicting: Any = Conflicting(books.client, always=True)
    ledger = Ledger(conflicting, "jobs", "spend", SpendLimit(None), books.pauses.append)

    with pytest.raises(RetryLater):
        ledger.reserve(job, claim(job, NOON, LEASE))

    assert (conflicting.conflicts, len(books.pauses)) == (MAX_TRIES, MAX_TRIES - 1)
    assert max(books.pauses) <= MAX_PAUSE_SECONDS
    assert books.stored() == job
    assert books.reserved == 0


def test_a_release_is_tried_more_often_than_a_claim(books: Books):
    job = books.claimed()
    conflicting: Any = Conflicting(books.client, always=True)
    ledger = Ledger(conflicting, "jobs", "spend", SpendLimit(None), books.pauses.append)

    with pytest.raises(RetryLater):
        ledger.release(job, deferred(job))

    assert conflicting.conflicts == MAX_RELEASE_TRIES == 30 > MAX_TRIES
    assert sum(books.pauses) <= MAX_RELEASE_TRIES * MAX_PAUSE_SECONDS
    assert books.stored() == job
    assert books.reserved == 47
