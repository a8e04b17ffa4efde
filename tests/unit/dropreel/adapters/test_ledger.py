"""What a claim reserves and a release gives back: the ledger's own expressions, in moto and in memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from dropreel.adapters.job_table import key_of
from dropreel.adapters.ledger import Ledger
from dropreel.domain.fingerprints import Picture
from dropreel.domain.job import (
    Charge,
    EventType,
    Job,
    JobStatus,
    accept,
    claim,
    defer,
    hold,
    notice_wait,
    park,
    receive,
    reject,
    requeue,
)
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import NotReserved, SpendLimit
from tests.support.ledger_books import BUSY, DAY, JOB_ID, LATER, LEASE, NEXT_DAY, TOMORROW, Books, deferred
from tests.support.memory_dynamodb import MemoryDynamoDB
from tests.support.sample_jobs import IMAGE, NOON

FULL = Reason(ReasonCode.DAILY_LIMIT, "The day was full.")


# --- reserving -------------------------------------------------------------------------------------------------------


def test_a_claim_is_saved_and_its_price_is_reserved(books: Books):
    before = books.has()

    job = books.claimed(before)

    assert job == replace(claim(before, NOON, LEASE), version=2)
    assert books.stored() == job
    assert (job.status, job.lease_until, job.reserved_day) == (JobStatus.SUBMITTING, NOON + LEASE, DAY)
    assert books.reserved == 47
    assert [row["row"] for row in books.rows] == ["attempt#01#0000", "job"]


def test_the_price_that_is_reserved_is_the_claims(books: Books):
    """A job's price is known only once its image was validated, and is saved with the claim."""
    before = books.has(cost_cents=0)

    books.ledger().reserve(before, claim(replace(before, cost_cents=94), NOON, LEASE))

    assert books.reserved == 94
    assert books.stored().cost_cents == 94


@pytest.mark.parametrize("status", [JobStatus.DEFERRED, JobStatus.HELD])
def test_a_job_that_waited_keeps_the_event_it_owes(books: Books, status):
    job = books.has(reason=BUSY)
    waits = notice_wait(job) if status is JobStatus.DEFERRED else hold(job, FULL, NOON)
    back = books.saved(job, requeue(waits, NOON))

    claimed = books.claimed(back)

    assert claimed.pending_events == waits.pending_events != frozenset()
    assert books.stored() == claimed


CHANGES: dict[str, Callable[[Job], Job]] = {
    "claimed": lambda job: claim(job, NOON, LEASE),
    "held": lambda job: hold(job, FULL, NOON),
    "requeued": lambda job: requeue(job, NOON, LATER),
    "rejected": lambda job: reject(job, BUSY, NOON),
    "next attempt": lambda job: replace(job, attempt=2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_job_that_was_changed_since_is_not_claimed_and_costs_nothing(books: Books, change):
    read = books.has()
    books.saved(read, CHANGES[change](read))
    before = books.rows

    assert books.reserve(read) is NotReserved.CHANGED
    assert books.reserved == 0
    assert books.rows == before


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.DEFERRED])
def test_a_job_that_has_gone_on_is_not_claimed_and_costs_nothing(books: Books, status):
    read = books.has()
    there = books.saved(read, replace(read, status=status))

    assert books.reserve(read) is NotReserved.CHANGED
    assert books.reserved == 0
    assert books.stored() == there


def test_a_second_claim_reserves_nothing(books: Books):
    read = books.has()
    books.claimed(read)
    before = books.rows

    assert books.reserve(read) is NotReserved.CHANGED
    assert books.reserved == 47
    assert books.rows == before


def test_a_job_that_is_gone_is_not_claimed(books: Books):
    read = books.has()
    assert books.jobs.discard(read)

    assert books.reserve(read) is NotReserved.CHANGED
    assert (books.rows, books.reserved) == ([], 0)


def test_a_submission_that_has_a_row_is_not_claimed_again(books: Books):
    """Whatever the job itself says: its row may have been restored from a backup."""
    books.claimed()
    books.client.delete_item(TableName="jobs", Key=key_of(JOB_ID, "job"))
    restored = books.has()
    before = books.rows

    assert books.reserve(restored) is NotReserved.CHANGED
    assert books.reserved == 47
    assert books.rows == before


def test_a_job_that_was_changed_is_that_before_the_day_is_full(books: Books):
    read = books.has()
    books.claimed(read)

    assert books.reserve(read, 0) is NotReserved.CHANGED


def test_a_claim_without_a_day_is_a_mistake_of_ours(books: Books):
    job = books.has()

    with pytest.raises(ValueError, match=f"job {JOB_ID} has no reservation"):
        books.ledger().reserve(job, replace(claim(job, NOON, LEASE), reserved_day=None))
    assert books.stored() == job


# --- the limit -------------------------------------------------------------------------------------------------------


def test_without_room_nothing_is_claimed(books: Books):
    books.begin_with(60)
    job = books.has()

    assert books.reserve(job, 100) is NotReserved.NO_ROOM
    assert [row["row"] for row in books.rows] == ["job"]
    assert books.stored() == job
    assert books.reserved == 60


@pytest.mark.parametrize(("reserved", "passes"), [(53, True), (54, False), (100, False), (140, False), (0, True)])
def test_exactly_the_limit_passes_and_one_cent_more_does_not(books: Books, reserved, passes):
    books.begin_with(reserved)

    found = books.reserve(books.has(), 100)

    assert isinstance(found, Job) if passes else found is NotReserved.NO_ROOM
    assert books.reserved == reserved + (47 if passes else 0)


@pytest.mark.parametrize(("limit", "passes"), [(48, True), (47, True), (46, False), (0, False)])
def test_the_days_first_claim_is_limited_too(books: Books, limit, passes):
    found = books.reserve(books.has(), limit)

    assert isinstance(found, Job) if passes else found is NotReserved.NO_ROOM
    assert books.reserved == (47 if passes else 0)


@pytest.mark.parametrize(("limit", "passes"), [(47, True), (46, False), (0, False)])
def test_a_day_whose_reservations_were_all_released_is_limited(books: Books, limit, passes):
    job = books.claimed()
    back = books.ledger().release(job, deferred(job))
    assert back is not None

    found = books.reserve(back, limit)

    assert isinstance(found, Job) if passes else found is NotReserved.NO_ROOM
    assert books.reserved == (47 if passes else 0)


def test_a_price_of_nothing_passes_a_limit_of_nothing(books: Books):
    assert isinstance(books.reserve(books.has(cost_cents=0), 0), Job)


def test_without_a_limit_everything_passes_and_is_counted(books: Books):
    books.begin_with(10**9)

    assert isinstance(books.reserve(books.has(), None), Job)
    assert books.reserved == 10**9 + 47


def test_each_day_has_a_limit_of_its_own(books: Books):
    books.begin_with(100)
    job = books.has()

    tomorrow = books.ledger(100).reserve(job, claim(job, TOMORROW, LEASE))

    assert isinstance(tomorrow, Job)
    assert tomorrow.reserved_day == NEXT_DAY
    assert (books.reserved, books.ledger().reserved_cents(NEXT_DAY)) == (100, 47)


def test_a_day_without_spending_has_nothing_reserved(books: Books):
    assert books.ledger().reserved_cents("2020-01-01") == 0


def test_a_day_has_one_item_whose_version_grows_with_every_change(books: Books):
    job = books.claimed()
    books.ledger().release(job, deferred(job))
    books.claimed(books.stored())

    found = books.client.get_item(ConsistentRead=True, TableName="spend", Key={"day": {"S": DAY}})["Item"]

    assert found == {"day": {"S": DAY}, "reserved_cents": {"N": "47"}, "version": {"N": "3"}}


# --- releasing -------------------------------------------------------------------------------------------------------


def test_what_was_released_can_be_reserved_again_and_the_job_moved_on(books: Books):
    job = books.claimed()

    back = books.ledger(47).release(job, deferred(job))

    assert back == replace(deferred(job), version=3)
    assert books.stored() == back
    assert (back.status, back.requeues, back.retry_at) == (JobStatus.DEFERRED, 1, LATER)
    assert (back.reason, back.reserved_day) == (BUSY, None)
    assert books.reserved == 0
    assert [(row["row"], row["charge"]) for row in books.rows] == [("attempt#01#0000", "none"), ("job", "none")]
    assert isinstance(books.reserve(back, 47), Job)


def test_releasing_twice_releases_once(books: Books):
    books.begin_with(100)
    job = books.claimed()

    answers = [books.ledger().release(job, deferred(job)) for _ in range(2)]

    assert [answer is not None for answer in answers] == [True, False]
    assert books.reserved == 100


OUTCOMES: dict[str, Callable[[Job], Job]] = {
    "parked": lambda job: park(job, BUSY, NOON),
    "accepted": lambda job: accept(job, "gen_1", "created", NOON),
    "event published": lambda job: replace(job, pending_events=frozenset()),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_job_that_was_changed_since_is_not_released(books: Books, outcome):
    """The provider may have charged for what was parked, and has for what was accepted."""
    job = books.claimed()
    now = books.saved(job, OUTCOMES[outcome](job))
    before = books.rows

    assert books.ledger().release(job, deferred(job)) is None
    assert books.reserved == 47
    assert books.stored() == now
    assert books.rows == before


def test_a_reservation_is_released_on_the_day_of_the_claim(books: Books):
    job = books.claimed()

    back = books.ledger().release(job, defer(job, BUSY, TOMORROW, TOMORROW))

    assert back is not None
    assert (books.reserved, books.ledger().reserved_cents(NEXT_DAY)) == (0, 0)
    assert "Item" not in books.client.get_item(ConsistentRead=True, TableName="spend", Key={"day": {"S": NEXT_DAY}})


def test_the_price_that_is_released_is_the_one_that_was_reserved(books: Books):
    job = books.claimed()

    books.ledger().release(job, replace(deferred(job), cost_cents=94))

    assert books.reserved == 0


def test_a_rejected_job_owes_its_event_and_waits_for_its_publishing(books: Books):
    job = books.claimed()

    assert books.ledger().release(job, reject(job, BUSY, NOON)) is not None

    found = books.stored()
    assert (found.status, found.charge, found.pending_events) == (
        JobStatus.REJECTED,
        Charge.NONE,
        {EventType.REJECTED},
    )
    assert list(books.jobs.waiting("publishing", NOON)) == [JOB_ID]
    assert books.reserved == 0


def test_the_event_of_a_wait_is_owed_with_what_is_released_or_neither(books: Books):
    job = books.claimed()
    waits = notice_wait(deferred(job))

    assert books.ledger().release(job, waits) is not None
    assert books.ledger().release(job, waits) is None
    found = books.stored()
    assert (found.notices, found.pending_events) == ({EventType.DEFERRED: BUSY}, {EventType.DEFERRED})

    again = books.claimed(found)

    assert (again.notices, again.pending_events, again.reason) == (found.notices, found.pending_events, None)
    assert books.stored() == again


def test_a_reservation_is_released_whatever_the_limit_is_by_now(books: Books):
    books.begin_with(100)
    job = books.claimed()

    assert books.ledger(0).release(job, deferred(job)) is not None
    assert books.reserved == 100


def test_a_job_without_a_reservation_is_not_released(books: Books):
    job = books.has()

    with pytest.raises(ValueError, match=f"job {JOB_ID} has no reservation"):
        books.ledger().release(job, requeue(job, NOON))
    assert books.stored() == job


def test_whoever_saw_an_older_claim_can_neither_park_nor_release_the_newer(books: Books):
    """A sweeper that read an expired claim must not park the job that has been released and claimed again meanwhile."""
    old = books.claimed()
    back = books.ledger().release(old, deferred(old))
    assert back is not None
    newer = books.ledger().reserve(back, claim(back, LATER, LEASE))

    assert books.jobs.save(old, park(old, BUSY, LATER)) is None
    assert books.ledger().release(old, deferred(old)) is None
    assert books.stored() == newer
    assert books.reserved == 47


# --- faults ----------------------------------------------------------------------------------------------------------

JOB = replace(receive(JOB_ID, IMAGE, NOON), cost_cents=47, version=1)
CLAIMED = claim(JOB, NOON, LEASE)


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("transact_write_items", lambda ledger: ledger.reserve(JOB, CLAIMED)),
        ("transact_write_items", lambda ledger: ledger.release(CLAIMED, deferred(CLAIMED))),
        ("get_item", lambda ledger: ledger.reserved_cents(DAY)),
        ("get_item", lambda ledger: ledger.claimed_by(Picture("picture-1", False, NOON))),
    ],
    ids=["reserve", "release", "reserved_cents", "claimed_by"],
)
def test_a_fault_of_dynamodb_is_no_answer(operation, call):
    client = boto3.client("dynamodb", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        stubber.add_client_error(operation, "AccessDeniedException")

        with pytest.raises(ClientError, match="AccessDeniedException"):
            call(Ledger(client, "jobs", "spend", SpendLimit(None), lambda _seconds: pytest.fail("it was tried again")))


@pytest.mark.parametrize(
    ("table", "key", "read"),
    [
        ("spend", {"day": {"S": DAY}}, lambda ledger: ledger.reserved_cents(DAY)),
        ("jobs", key_of("picture-1", "picture"), lambda ledger: ledger.claimed_by(Picture("picture-1", False, NOON))),
    ],
    ids=["reserved_cents", "claimed_by"],
)
def test_whatever_decides_is_read_consistently(table, key, read):
    asked: list[tuple[str, dict[str, Any]]] = []

    def note(operation: str, arguments: dict[str, Any], act: Any) -> Any:
        asked.append((operation, arguments))
        return act()

    client: Any = MemoryDynamoDB(around=note)

    read(Ledger(client, "jobs", "spend", SpendLimit(None)))

    assert asked == [("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})]
