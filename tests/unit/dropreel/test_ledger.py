"""A claim with its price, and a release with what it gives back: on moto's tables and on the in-memory ones."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.adapters.job_table import JobTable, key_of
from dropreel.adapters.ledger import MAX_RELEASE_TRIES, Ledger, NotReserved
from dropreel.adapters.transactions import MAX_TRIES
from dropreel.errors import TryAgain
from dropreel.fingerprints import Picture
from dropreel.jobs import EventType, Job, JobStatus, claim, defer, notice_wait, reject, requeue
from dropreel.reasons import Reason, ReasonCode
from dropreel.spending import SpendLimit
from tests.unit.dropreel.sample_jobs import NOON, job_with

DAY = "2026-05-04"
LEASE = timedelta(seconds=150)
BUSY = Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy (429).")
KEY = Reason(ReasonCode.KEY_REFUSED, "The provider refused the API key (401).")


class Books:
    """Both tables, and ledgers of any limit on them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.naps: list[float] = []
        self.jobs = JobTable(client, "jobs", self.naps.append)

    def ledger(self, cents: int | None = 5000) -> Ledger:
        return Ledger(self.client, "jobs", "spend", SpendLimit(cents), self.naps.append)

    def has(self, **changes: Any) -> Job:
        """Let the table hold a job, deferred where nothing else is said."""
        plain = {"status": JobStatus.DEFERRED, "generation_id": None, "submitted_at": None}
        saved = self.jobs.save(None, job_with(**{**plain, **changes}))
        assert saved is not None
        return saved

    def claimed(self, job: Job, cents: int | None = 5000, picture: Picture | None = None) -> Job:
        found = self.ledger(cents).reserve(job, claim(job, NOON, LEASE), picture)
        assert isinstance(found, Job), found
        return found

    def reserve(self, cents: int, day: str = DAY) -> None:
        """Let this much be reserved on a day."""
        self.client.update_item(
            TableName="spend",
            Key={"day": {"S": day}},
            UpdateExpression="ADD reserved_cents :cents",
            ExpressionAttributeValues={":cents": {"N": str(cents)}},
        )

    @property
    def reserved(self) -> int:
        return self.ledger().reserved_cents(DAY)

    def rows(self, job: Job) -> list[str]:
        return [row["row"] for row in self.jobs.history(job.job_id)]


@pytest.fixture
def books(dynamodb: Any) -> Books:
    return Books(dynamodb)


# --- reserving --------------------------------------------------------------------------------------------------------


def test_a_claim_saves_the_intent_its_row_and_the_price(books: Books):
    job = books.claimed(books.has(requeues=2))

    assert books.jobs.get(job.job_id) == job
    assert (job.status, job.lease_until, job.reserved_day) == (JobStatus.SUBMITTING, NOON + LEASE, DAY)
    assert books.rows(job) == ["attempt#01#0002", "job"]
    assert books.reserved == 47


def test_a_claim_keeps_the_event_that_the_job_owes(books: Books):
    job = books.claimed(books.has(pending_events=frozenset({EventType.DEFERRED})))

    assert job.pending_events == {EventType.DEFERRED}


def test_a_job_that_has_changed_since_it_was_read_is_not_claimed(books: Books):
    read = books.has()
    assert books.jobs.save(read, requeue(read, NOON)) is not None

    assert books.ledger().reserve(read, claim(read, NOON, LEASE)) is NotReserved.CHANGED
    assert books.reserved == 0


def test_a_second_claim_of_the_same_reading_reserves_nothing(books: Books):
    read = books.has()
    books.claimed(read)

    assert books.ledger().reserve(read, claim(read, NOON, LEASE)) is NotReserved.CHANGED
    assert books.reserved == 47


def test_a_submission_that_has_its_row_is_never_claimed_again(books: Books):
    """Whatever has put the job's own row back."""
    read = books.has()
    job = books.claimed(read)
    books.client.delete_item(TableName="jobs", Key=key_of(job.job_id, "job"))
    back = books.has()

    assert books.ledger().reserve(back, claim(back, NOON, LEASE)) is NotReserved.CHANGED
    assert books.reserved == 47
    later = books.jobs.save(back, requeue(back, NOON))
    assert later is not None
    assert books.claimed(later).status is JobStatus.SUBMITTING


def test_without_room_there_is_no_claim(books: Books):
    read = books.has()

    assert books.ledger(46).reserve(read, claim(read, NOON, LEASE)) is NotReserved.NO_ROOM
    assert books.jobs.get(read.job_id) == read
    assert books.rows(read) == ["job"]


def test_a_job_that_has_changed_says_so_before_the_day_is_full(books: Books):
    read = books.has()
    books.claimed(read)

    assert books.ledger(0).reserve(read, claim(read, NOON, LEASE)) is NotReserved.CHANGED


@pytest.mark.parametrize(("reserved", "passes"), [(53, True), (54, False), (100, False), (140, False), (0, True)])
def test_exactly_the_limit_passes_and_one_cent_more_does_not(books: Books, reserved, passes):
    books.reserve(reserved)
    read = books.has()

    found = books.ledger(100).reserve(read, claim(read, NOON, LEASE))

    assert isinstance(found, Job) is passes
    assert books.reserved == reserved + (47 if passes else 0)


@pytest.mark.parametrize(("limit", "passes"), [(47, True), (46, False), (0, False)])
def test_the_days_first_claim_is_limited_too(books: Books, limit, passes):
    read = books.has()

    assert isinstance(books.ledger(limit).reserve(read, claim(read, NOON, LEASE)), Job) is passes


def test_without_a_limit_everything_passes_and_is_counted(books: Books):
    books.reserve(10_000_000)
    books.claimed(books.has(), cents=None)

    assert books.reserved == 10_000_047


def test_each_day_has_a_reservation_of_its_own(books: Books):
    books.reserve(100, "2026-05-03")
    books.claimed(books.has(), cents=100)

    assert (books.ledger().reserved_cents("2026-05-03"), books.reserved) == (100, 47)
    assert books.ledger().reserved_cents("2026-05-05") == 0


def test_what_was_reserved_is_read_consistently(books: Books, monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, Any]] = []
    real = books.client.get_item
    monkeypatch.setattr(books.client, "get_item", lambda **told: asked.append(told) or real(**told))

    books.ledger().reserved_cents(DAY)
    books.ledger().claimed_by(Picture("picture-1", is_copy=False, modified_at=NOON))

    assert [one.get("ConsistentRead") for one in asked] == [True, True]


# --- pictures ---------------------------------------------------------------------------------------------------------

UPLOAD, COPY = (Picture("picture-1", is_copy=is_copy, modified_at=NOON) for is_copy in (False, True))
OTHER = "f" * 24


def reserve(books: Books, job: Job, picture: Picture, cents: int = 5000) -> Job | NotReserved:
    return books.ledger(cents).reserve(job, claim(job, NOON, LEASE), picture)


def test_a_copy_of_a_claimed_picture_claims_nothing_and_names_who_has_it(books: Books):
    first = books.claimed(books.has(), picture=UPLOAD)
    copy = books.has(job_id=OTHER, is_copy=True)

    assert reserve(books, copy, COPY) is NotReserved.DUPLICATE
    assert books.ledger().claimed_by(COPY) == first.job_id
    assert (books.reserved, books.rows(copy)) == (47, ["job"])


@pytest.mark.parametrize(("seconds", "is_free"), [(-1, False), (0, False), (1, True)])
def test_an_upload_claims_unless_it_is_the_original_of_a_copy_that_has(books: Books, seconds, is_free):
    books.claimed(books.has(is_copy=True), picture=COPY)
    upload = replace(UPLOAD, modified_at=NOON + timedelta(seconds=seconds))

    assert isinstance(reserve(books, books.has(job_id=OTHER), upload), Job) is is_free


def test_uploads_of_the_same_picture_all_claim(books: Books):
    books.claimed(books.has(), picture=UPLOAD)

    assert isinstance(reserve(books, books.has(job_id=OTHER), UPLOAD), Job)
    assert books.ledger().claimed_by(UPLOAD) == OTHER


@pytest.mark.parametrize("picture", [UPLOAD, COPY])
def test_a_job_that_has_its_picture_may_claim_it_once_more(books: Books, picture):
    job = books.claimed(books.has(), picture=picture)
    deferred = books.ledger().release(job, defer(job, BUSY, NOON, NOON))
    assert deferred is not None

    assert isinstance(reserve(books, deferred, picture), Job)


def test_a_claim_without_room_leaves_the_picture_to_others(books: Books):
    assert reserve(books, books.has(), UPLOAD, cents=46) is NotReserved.NO_ROOM
    assert books.ledger().claimed_by(UPLOAD) is None


def test_a_copy_is_a_duplicate_before_it_is_held(books: Books):
    books.claimed(books.has(), picture=UPLOAD)

    assert reserve(books, books.has(job_id=OTHER, is_copy=True), COPY, cents=0) is NotReserved.DUPLICATE


def test_a_changed_job_is_changed_whoever_has_its_picture(books: Books):
    books.claimed(books.has(), picture=UPLOAD)
    copy = books.has(job_id=OTHER, is_copy=True)
    assert books.jobs.save(copy, requeue(copy, NOON)) is not None

    assert reserve(books, copy, COPY) is NotReserved.CHANGED


def test_a_picture_is_in_no_list_of_what_waits(books: Books):
    job = books.claimed(books.has(), picture=COPY)

    waiting = [name for what in ("submitting", "deferred", "held") for name in books.jobs.waiting(what, NOON)]
    assert waiting == [job.job_id]


# --- releasing --------------------------------------------------------------------------------------------------------


def test_what_was_released_has_room_again_and_the_job_moved_on(books: Books):
    job = books.claimed(books.has())

    after = books.ledger().release(job, defer(job, BUSY, NOON + timedelta(seconds=30), NOON))

    assert after is not None
    assert books.jobs.get(job.job_id) == after
    assert (after.status, after.requeues, after.reserved_day) == (JobStatus.DEFERRED, 1, None)
    assert books.reserved == 0
    (attempt, _job) = books.jobs.history(job.job_id)
    assert (attempt["charge"], attempt["reason"]["code"]) == ("none", "provider_busy")


def test_releasing_twice_releases_once(books: Books):
    books.reserve(100)
    job = books.claimed(books.has())
    after = defer(job, BUSY, NOON, NOON)
    assert books.ledger().release(job, after) is not None

    assert books.ledger().release(job, after) is None
    assert books.reserved == 100


def test_nothing_is_released_of_a_job_that_has_changed(books: Books):
    job = books.claimed(books.has())
    assert books.jobs.save(job, replace(job, generation_id="gen_1", status=JobStatus.GENERATING)) is not None

    assert books.ledger().release(job, reject(job, BUSY, NOON)) is None
    assert books.reserved == 47


def test_a_release_is_on_the_day_of_the_reservation(books: Books):
    job = books.claimed(books.has())
    tomorrow = NOON + timedelta(days=1)

    assert books.ledger().release(job, defer(job, BUSY, tomorrow, tomorrow)) is not None
    assert (books.reserved, books.ledger().reserved_cents("2026-05-05")) == (0, 0)


def test_a_job_without_a_reservation_has_nothing_to_release(books: Books):
    job = replace(books.claimed(books.has()), reserved_day=None)

    with pytest.raises(ValueError, match="no reservation"):
        books.ledger().release(job, reject(job, BUSY, NOON))


def test_what_a_release_owes_is_saved_with_it(books: Books):
    job = books.claimed(books.has())

    after = books.ledger().release(job, notice_wait(defer(job, KEY, NOON, NOON)))

    assert after is not None
    assert after.pending_events == {EventType.DEFERRED}
    assert books.jobs.get(job.job_id) == after


@pytest.mark.parametrize("limit", [0, 10, None])
def test_a_release_does_not_ask_for_the_limit(books: Books, limit):
    job = books.claimed(books.has())

    assert books.ledger(limit).release(job, reject(job, BUSY, NOON)) is not None
    assert books.reserved == 0


# --- many at once -----------------------------------------------------------------------------------------------------


class OneAtATime:
    """Lets moto do one transaction at a time, as DynamoDB does with an item, and says so to whoever comes meanwhile."""

    def __init__(self, client: Any) -> None:
        self.client, self.lock, self.conflicts = client, threading.Lock(), 0
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def transact_write_items(self, **arguments: Any) -> Any:
        if not self.lock.acquire(blocking=False):
            self.conflicts += 1
            raise conflict(self.client)
        try:
            return self.client.transact_write_items(**arguments)
        finally:
            self.lock.release()


def conflict(client: Any) -> ClientError:
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
    }
    error: ClientError = client.exceptions.TransactionCanceledException(response, "TransactWriteItems")
    return error


def test_of_200_jobs_that_race_for_the_room_of_100_exactly_100_are_claimed(dynamodb: Any):
    books = Books(OneAtATime(dynamodb))
    ledger = replace(books.ledger(4700), sleep=lambda seconds: time.sleep(seconds / 20))
    jobs = [books.has(job_id=f"{number:024}") for number in range(200)]

    def take(job: Job) -> Job | NotReserved:
        for _ in range(50):
            try:
                return ledger.reserve(job, claim(job, NOON, LEASE))
            except TryAgain:
                continue
        raise AssertionError("never")

    with ThreadPoolExecutor(8) as workers:
        found = list(workers.map(take, jobs))

    assert sum(isinstance(one, Job) for one in found) == 100
    assert found.count(NotReserved.NO_ROOM) == 100
    assert ledger.reserved_cents(DAY) == 4700


def test_of_8_workers_that_race_for_one_job_one_has_it(dynamodb: Any):
    books = Books(OneAtATime(dynamodb))
    ledger = replace(books.ledger(None), sleep=lambda seconds: time.sleep(seconds / 20))
    read = books.has()

    with ThreadPoolExecutor(8) as workers:
        found = list(workers.map(lambda _: ledger.reserve(read, claim(read, NOON, LEASE)), range(8)))

    assert sum(isinstance(one, Job) for one in found) == 1
    assert books.reserved == 47


@pytest.mark.parametrize(("is_release", "tries"), [(False, MAX_TRIES), (True, MAX_RELEASE_TRIES)])
def test_a_release_has_more_patience_than_a_claim(
    books: Books, monkeypatch: pytest.MonkeyPatch, is_release: bool, tries: int
):
    read = books.has()
    job = books.claimed(read)
    asked: list[object] = []

    def meets_another(**told: Any) -> None:
        asked.append(told)
        raise conflict(books.client)

    monkeypatch.setattr(books.client, "transact_write_items", meets_another)
    ledger = books.ledger()

    with pytest.raises(TryAgain):
        ledger.release(job, reject(job, BUSY, NOON)) if is_release else ledger.reserve(read, claim(read, NOON, LEASE))

    assert len(asked) == tries
    assert MAX_RELEASE_TRIES > MAX_TRIES
