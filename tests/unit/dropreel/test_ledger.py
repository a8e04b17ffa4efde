"""The ledger's own expressions, in moto's DynamoDB with the template's tables."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import MAX_GIVE_BACK_TRIES, MAX_PAUSE_SECONDS, MAX_TRIES, Ledger, NotClaimed
from dropreel.errors import TryAgain
from dropreel.events import EventType
from dropreel.fingerprints import Picture
from dropreel.jobs import Job, JobStatus, Money, Reason
from dropreel.spending import SpendLimit
from tests.integration.conftest import make_table
from tests.moto_account import moto_account
from tests.unit.dropreel.sample_jobs import NOON, job_with

DAY = "2026-05-04"
LEASE = timedelta(seconds=120)
BUSY = Reason("provider_busy", "The provider is busy (429).")
DEFERRED = {"status": JobStatus.DEFERRED, "defers": 1, "retry_at": NOON + timedelta(seconds=30)}


@dataclass
class Books:
    """Both tables, and ledgers of any limit on them."""

    client: Any = field(default_factory=lambda: boto3.client("dynamodb"))
    naps: list[float] = field(default_factory=list)

    @property
    def jobs(self) -> JobTable:
        return JobTable(self.client, "jobs")

    def ledger(self, cents: int | None = 5000) -> Ledger:
        return Ledger(self.client, "jobs", "spend", SpendLimit(cents), self.naps.append)

    def reserve(self, cents: int) -> None:
        """Let the day begin with this much reserved."""
        self.client.put_item(TableName="spend", Item={"day": {"S": DAY}, "reserved_cents": {"N": str(cents)}})

    def has(self, job: Job) -> Job:
        """Let the table hold a held or deferred job."""
        assert self.jobs.create(job, EventType.HELD) is not None
        return job

    @property
    def reserved(self) -> int:
        return self.ledger().reserved_cents(DAY)


@pytest.fixture(scope="module")
def tables() -> Iterator[dict[str, str]]:
    """The stack's tables, made once, and the key of each."""
    with moto_account():
        keys = {"jobs": "job_id", "spend": "day"}
        for table in keys:
            make_table(table)
        yield keys


@pytest.fixture
def books(tables: dict[str, str]) -> Books:
    books = Books()
    for table, key in tables.items():
        for item in books.client.scan(TableName=table)["Items"]:
            books.client.delete_item(TableName=table, Key={key: item[key]})
    return books


def new_job(**changes: Any) -> Job:
    """A job as it is before its first claim."""
    first: dict[str, Any] = {"status": JobStatus.SUBMITTING, "generation_id": None, "submitted_at": None}
    return job_with(**{**first, **changes})


def claimed(books: Books, job: Job, cents: int | None = 5000) -> Job:
    found = books.ledger(cents).claim(job, NOON, LEASE)
    assert isinstance(found, Job), found
    return found


# --- claiming --------------------------------------------------------------------------------------------------------


def test_a_claim_writes_the_intent_and_reserves_the_price(books: Books):
    job = claimed(books, new_job())

    assert books.jobs.get(job.job_id) == job
    assert (job.status, job.lease_until, job.reserved_day) == (JobStatus.SUBMITTING, NOON + LEASE, DAY)
    assert books.reserved == 47


@pytest.mark.parametrize("status", [JobStatus.DEFERRED, JobStatus.HELD])
def test_a_waiting_job_can_be_claimed_and_keeps_the_event_it_owes(books: Books, status):
    books.has(new_job(status=status, defers=2, retry_at=NOON))

    job = claimed(books, new_job(status=status, defers=2, retry_at=NOON))

    found = books.jobs.get(job.job_id)
    assert found is not None
    assert (found.status, found.defers, found.pending_events) == (JobStatus.SUBMITTING, 2, {EventType.HELD})


@pytest.mark.parametrize("status", ["submitting", "generating", "completed", "failed", "rejected", "unknown"])
def test_a_job_that_is_under_way_or_has_ended_is_taken_and_costs_nothing(books: Books, status):
    job = books.has(new_job(status=JobStatus(status)))

    assert books.ledger().claim(new_job(), NOON, LEASE) is NotClaimed.TAKEN
    assert books.reserved == 0
    found = books.jobs.get(job.job_id)
    assert found is not None
    assert found.lease_until is None


def test_an_attempt_that_another_has_followed_is_taken(books: Books):
    books.has(new_job(status=JobStatus.DEFERRED, attempt=2))

    assert books.ledger().claim(new_job(), NOON, LEASE) is NotClaimed.TAKEN
    assert books.reserved == 0


def test_a_job_that_was_deferred_once_more_since_it_was_read_is_taken(books: Books):
    books.has(new_job(status=JobStatus.DEFERRED, defers=1, retry_at=NOON + LEASE))

    assert books.ledger().claim(new_job(), NOON, LEASE) is NotClaimed.TAKEN
    assert books.reserved == 0


def test_a_second_claim_is_taken_and_reserves_nothing(books: Books):
    claimed(books, new_job())

    assert books.ledger().claim(new_job(), NOON, LEASE) is NotClaimed.TAKEN
    assert books.reserved == 47


def test_without_money_there_is_no_claim(books: Books):
    books.reserve(60)

    assert books.ledger(100).claim(new_job(), NOON, LEASE) is NotClaimed.NO_MONEY
    assert books.jobs.get(new_job().job_id) is None
    assert books.reserved == 60


def test_without_money_a_held_job_stays_as_it_is(books: Books):
    books.has(new_job(status=JobStatus.HELD))
    before = books.jobs.get(new_job().job_id)

    assert books.ledger(0).claim(new_job(status=JobStatus.HELD), NOON, LEASE) is NotClaimed.NO_MONEY
    assert books.jobs.get(new_job().job_id) == before


def test_a_taken_job_without_money_is_taken(books: Books):
    claimed(books, new_job())

    assert books.ledger(0).claim(new_job(), NOON, LEASE) is NotClaimed.TAKEN


# --- the limit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reserved", "passes"), [(53, True), (54, False), (100, False), (140, False), (0, True)])
def test_exactly_the_limit_passes_and_one_cent_more_does_not(books: Books, reserved, passes):
    books.reserve(reserved)

    found = books.ledger(100).claim(new_job(), NOON, LEASE)

    assert isinstance(found, Job) is passes
    assert books.reserved == reserved + (47 if passes else 0)


@pytest.mark.parametrize(("limit", "passes"), [(47, True), (46, False), (0, False)])
def test_the_days_first_claim_is_limited_too(books: Books, limit, passes):
    assert isinstance(books.ledger(limit).claim(new_job(), NOON, LEASE), Job) is passes
    assert books.reserved == (47 if passes else 0)


def test_without_a_limit_everything_passes_and_is_counted(books: Books):
    books.reserve(10**9)

    claimed(books, new_job(), cents=None)

    assert books.reserved == 10**9 + 47


def test_each_day_has_its_own_money(books: Books):
    books.reserve(100)

    tomorrow = books.ledger(100).claim(new_job(), NOON + timedelta(days=1), LEASE)

    assert isinstance(tomorrow, Job)
    assert tomorrow.reserved_day == "2026-05-05"
    assert (books.reserved, books.ledger().reserved_cents("2026-05-05")) == (100, 47)


def test_a_day_without_spending_has_nothing_reserved(books: Books):
    assert books.ledger().reserved_cents("2020-01-01") == 0


# --- pictures --------------------------------------------------------------------------------------------------------

ORIGINAL, COPY = new_job(job_id="a" * 24), new_job(job_id="b" * 24, is_copy=True)


def picture(*, is_copy: bool, seconds: int = 0) -> Picture:
    return Picture(f"picture-{'0' * 24}", is_copy, NOON + timedelta(seconds=seconds))


def test_a_copy_of_a_claimed_picture_claims_nothing_and_names_who_has_it(books: Books):
    assert isinstance(books.ledger().claim(ORIGINAL, NOON, LEASE, picture(is_copy=False)), Job)

    found = books.ledger().claim(COPY, NOON, LEASE, picture(is_copy=True, seconds=1))

    assert found is NotClaimed.DUPLICATE
    assert books.ledger().claimed_by(picture(is_copy=True)) == ORIGINAL.job_id
    assert books.jobs.get(COPY.job_id) is None
    assert books.reserved == 47


@pytest.mark.parametrize("seconds", [0, 1])
def test_the_original_of_a_copy_that_has_claimed_claims_nothing(books: Books, seconds):
    assert isinstance(books.ledger().claim(COPY, NOON, LEASE, picture(is_copy=True, seconds=seconds)), Job)

    assert books.ledger().claim(ORIGINAL, NOON, LEASE, picture(is_copy=False)) is NotClaimed.DUPLICATE
    assert books.reserved == 47


def test_uploads_of_the_same_picture_all_claim_and_the_late_original_of_a_copy_does_not(books: Books):
    books.ledger().claim(COPY, NOON, LEASE, picture(is_copy=True, seconds=1))

    for number in range(2):
        later = new_job(job_id=f"{number:024x}")
        assert isinstance(books.ledger().claim(later, NOON, LEASE, picture(is_copy=False, seconds=2)), Job)

    assert books.ledger().claim(ORIGINAL, NOON, LEASE, picture(is_copy=False)) is NotClaimed.DUPLICATE
    assert books.reserved == 3 * 47


def test_a_job_that_has_its_picture_may_claim_it_once_more(books: Books):
    for job, is_copy in ((COPY, True), (ORIGINAL, False)):
        books.client.delete_item(TableName="jobs", Key={"job_id": {"S": f"picture-{'0' * 24}"}})
        first = books.ledger().claim(job, NOON, LEASE, picture(is_copy=is_copy))
        assert isinstance(first, Job)
        assert books.ledger().give_back(first, DEFERRED, BUSY, NOON)

        again = books.ledger().claim(replace(job, defers=1), NOON, LEASE, picture(is_copy=is_copy))

        assert isinstance(again, Job)


def test_a_claim_without_money_leaves_the_picture_to_others(books: Books):
    assert books.ledger(0).claim(COPY, NOON, LEASE, picture(is_copy=True)) is NotClaimed.NO_MONEY

    assert books.ledger().claimed_by(picture(is_copy=True)) is None


def test_a_copy_without_money_is_a_duplicate_before_it_is_held(books: Books):
    books.ledger().claim(ORIGINAL, NOON, LEASE, picture(is_copy=False))

    assert books.ledger(0).claim(COPY, NOON, LEASE, picture(is_copy=True)) is NotClaimed.DUPLICATE


def test_a_taken_job_is_taken_whoever_has_its_picture(books: Books):
    books.ledger().claim(COPY, NOON, LEASE, picture(is_copy=True))
    books.ledger().claim(ORIGINAL, NOON, LEASE)

    assert books.ledger().claim(ORIGINAL, NOON, LEASE, picture(is_copy=False)) is NotClaimed.TAKEN


def test_a_picture_is_in_no_list_of_what_waits(books: Books):
    books.ledger().claim(ORIGINAL, NOON, LEASE, picture(is_copy=False))

    assert list(books.jobs.waiting("submitting", NOON)) == [ORIGINAL.job_id]


# --- giving back -----------------------------------------------------------------------------------------------------


def test_what_was_given_back_is_there_again_and_the_job_moved_on(books: Books):
    job = claimed(books, new_job(), 47)

    assert books.ledger(47).give_back(job, DEFERRED, BUSY, NOON + LEASE)
    assert books.reserved == 0
    found = books.jobs.get(job.job_id)
    assert found is not None
    assert (found.status, found.defers, found.reason) == (
        JobStatus.DEFERRED,
        1,
        replace(BUSY, messages=(BUSY.message,)),
    )
    assert (found.retry_at, found.reserved_day) == (DEFERRED["retry_at"], None)
    assert isinstance(books.ledger(47).claim(found, NOON, LEASE), Job)


def test_giving_back_twice_gives_back_once(books: Books):
    job = claimed(books, new_job())

    answers = [books.ledger().give_back(job, DEFERRED, BUSY, NOON) for _ in range(2)]

    assert answers == [True, False]
    assert books.reserved == 0


def test_what_may_have_been_paid_meanwhile_is_not_given_back(books: Books):
    job = claimed(books, new_job())
    books.jobs.finish(job, JobStatus.UNKNOWN, NOON, EventType.UNKNOWN, BUSY, Money.PERHAPS)

    assert not books.ledger().give_back(job, DEFERRED, BUSY, NOON)
    assert books.reserved == 47
    found = books.jobs.get(job.job_id)
    assert found is not None
    assert found.status is JobStatus.UNKNOWN


def test_money_goes_back_to_the_day_of_the_claim(books: Books):
    job = claimed(books, new_job())

    books.ledger().give_back(job, DEFERRED, BUSY, NOON + timedelta(days=1))

    assert (books.reserved, books.ledger().reserved_cents("2026-05-05")) == (0, 0)


def test_a_refused_job_owes_its_event_and_waits_for_telling(books: Books):
    job = claimed(books, new_job())

    books.ledger().give_back(job, {"status": JobStatus.REJECTED}, BUSY, NOON, EventType.REJECTED)

    found = books.jobs.get(job.job_id)
    assert found is not None
    assert (found.status, found.pending_events) == (JobStatus.REJECTED, {EventType.REJECTED})
    assert list(books.jobs.waiting("telling", NOON)) == [job.job_id]


def test_money_is_given_back_whatever_the_limit_is_by_now(books: Books):
    job = claimed(books, new_job())

    assert books.ledger(0).give_back(job, DEFERRED, BUSY, NOON)
    assert books.reserved == 0


# --- many at once ----------------------------------------------------------------------------------------------------


class Conflicting:
    """A client whose transactions meet as in DynamoDB: one at a time, and whoever comes meanwhile is cancelled.

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
            answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
            raise self.client.exceptions.TransactionCanceledException(answer, "TransactWriteItems")
        try:
            return self.client.transact_write_items(**arguments)
        finally:
            self.one.release()


def test_of_200_jobs_that_race_for_the_money_of_100_exactly_100_are_claimed(books: Books):
    conflicting = Conflicting(books.client)
    ledger = Ledger(conflicting, "jobs", "spend", SpendLimit(100 * 47), lambda seconds: time.sleep(seconds / 50))

    def claim(number: int) -> Job | NotClaimed:
        job = new_job(job_id=f"{number:024x}")
        while True:
            try:
                return ledger.claim(job, NOON, LEASE)
            except TryAgain:  # the queue would bring it back
                continue

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(claim, range(200)))

    assert sum(isinstance(answer, Job) for answer in answers) == 100
    assert answers.count(NotClaimed.NO_MONEY) == 100
    assert books.reserved == 100 * 47
    assert len(list(books.jobs.waiting("submitting", NOON))) == 100


def test_of_8_workers_that_race_for_one_job_one_has_it(books: Books):
    ledger = Ledger(Conflicting(books.client), "jobs", "spend", SpendLimit(None))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ledger.claim(new_job(), NOON, LEASE), range(8)))

    assert sum(isinstance(answer, Job) for answer in answers) == 1
    assert books.reserved == 47


def test_a_transaction_that_always_meets_another_is_left_for_later(books: Books):
    conflicting = Conflicting(books.client, always=True)
    ledger = Ledger(conflicting, "jobs", "spend", SpendLimit(None), books.naps.append)

    with pytest.raises(TryAgain):
        ledger.claim(new_job(), NOON, LEASE)

    assert (conflicting.conflicts, len(books.naps)) == (MAX_TRIES, MAX_TRIES - 1)
    assert max(books.naps) <= MAX_PAUSE_SECONDS
    assert books.reserved == 0


def test_money_is_given_back_with_more_patience_than_a_claim_has(books: Books):
    job = claimed(books, new_job())
    conflicting = Conflicting(books.client, always=True)
    ledger = Ledger(conflicting, "jobs", "spend", SpendLimit(None), books.naps.append)

    with pytest.raises(TryAgain):
        ledger.give_back(job, DEFERRED, BUSY, NOON)

    assert conflicting.conflicts == MAX_GIVE_BACK_TRIES > MAX_TRIES
    assert sum(books.naps) <= MAX_GIVE_BACK_TRIES * MAX_PAUSE_SECONDS
    assert books.reserved == 47


def test_a_fault_of_dynamodb_is_no_answer(books: Books):
    nowhere = Ledger(books.client, "jobs", "nowhere", SpendLimit(None))

    with pytest.raises(ClientError):
        nowhere.claim(new_job(), NOON, LEASE)


# --- an old claim ----------------------------------------------------------------------------------------------------


def test_whoever_saw_an_older_claim_can_neither_park_nor_end_the_newer_one(books: Books):
    """A sweeper that read an expired claim must not park the job that has been given back and claimed anew meanwhile."""
    old = claimed(books, new_job())
    waiting = {"status": JobStatus.DEFERRED, "defers": 0, "retry_at": None}
    assert books.ledger().give_back(old, waiting, BUSY, NOON)
    deferred = books.jobs.get(old.job_id)
    assert deferred is not None
    later = NOON + timedelta(seconds=300)
    newer = books.ledger().claim(deferred, later, LEASE)

    parked = books.jobs.finish(old, JobStatus.UNKNOWN, later, EventType.UNKNOWN, BUSY, Money.PERHAPS)

    assert parked is None
    assert not books.ledger().give_back(old, waiting, BUSY, later)
    assert books.jobs.get(old.job_id) == newer
    assert books.reserved == 47
