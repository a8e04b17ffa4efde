"""Which copies and uploads of one picture claim, and which are duplicates: in moto and in memory."""

from datetime import timedelta
from typing import Any

import pytest

from dropreel.adapters.job_table import key_of
from dropreel.domain.fingerprints import Picture
from dropreel.domain.job import Job
from dropreel.domain.spending import NotReserved
from tests.support.ledger_books import Books, deferred
from tests.support.sample_jobs import NOON

ORIGINAL, COPY = "a" * 24, "b" * 24
ITEM_KEY = f"picture-{'0' * 24}"


def picture(*, is_copy: bool, seconds: int = 0) -> Picture:
    return Picture(ITEM_KEY, is_copy, NOON + timedelta(seconds=seconds))


def claims(books: Books, job: Job, *, is_copy: bool, seconds: int = 0, cents: int = 5000) -> Job | NotReserved:
    return books.reserve(job, cents, picture(is_copy=is_copy, seconds=seconds))


def row(books: Books) -> dict[str, Any]:
    """The picture's row as DynamoDB has it, without its key."""
    key = key_of(ITEM_KEY, "picture")
    found = books.client.get_item(ConsistentRead=True, TableName="jobs", Key=key)["Item"]
    return {name: value for name, value in found.items() if name not in key}


def test_a_picture_that_nobody_claimed_has_no_job(books: Books):
    assert books.ledger().claimed_by(picture(is_copy=False)) is None


def test_a_claim_without_a_picture_claims_none(books: Books):
    books.claimed(books.has(ORIGINAL))

    assert books.ledger().claimed_by(picture(is_copy=False)) is None


@pytest.mark.parametrize("is_copy", [True, False])
def test_whoever_claims_first_has_the_picture(books: Books, is_copy):
    assert isinstance(claims(books, books.has(ORIGINAL), is_copy=is_copy), Job)

    assert books.ledger().claimed_by(picture(is_copy=is_copy)) == ORIGINAL
    assert books.reserved == 47


def test_a_copy_of_a_claimed_picture_claims_nothing(books: Books):
    claims(books, books.has(ORIGINAL), is_copy=False)
    copy = books.has(COPY)

    assert claims(books, copy, is_copy=True, seconds=1) is NotReserved.DUPLICATE
    assert books.ledger().claimed_by(picture(is_copy=True)) == ORIGINAL
    assert books.stored(COPY) == copy
    assert [row["row"] for row in books.jobs.history(COPY)] == ["job"]
    assert books.reserved == 47


def test_a_copy_of_a_copy_claims_nothing(books: Books):
    claims(books, books.has(ORIGINAL), is_copy=True)

    assert claims(books, books.has(COPY), is_copy=True, seconds=1) is NotReserved.DUPLICATE
    assert books.reserved == 47


@pytest.mark.parametrize("seconds", [0, 1])
def test_the_original_of_a_copy_that_has_claimed_claims_nothing(books: Books, seconds):
    claims(books, books.has(COPY), is_copy=True, seconds=seconds)

    assert claims(books, books.has(ORIGINAL), is_copy=False) is NotReserved.DUPLICATE
    assert books.ledger().claimed_by(picture(is_copy=False)) == COPY
    assert books.reserved == 47


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_an_upload_after_an_upload_always_claims(books: Books, seconds):
    claims(books, books.has(COPY), is_copy=False)

    assert isinstance(claims(books, books.has(ORIGINAL), is_copy=False, seconds=seconds), Job)
    assert books.ledger().claimed_by(picture(is_copy=False)) == ORIGINAL
    assert books.reserved == 2 * 47


def test_uploads_after_a_copy_claim_and_its_late_original_does_not(books: Books):
    claims(books, books.has(COPY), is_copy=True, seconds=1)

    for number in range(2):
        assert isinstance(claims(books, books.has(f"{number:024x}"), is_copy=False, seconds=2), Job)

    assert claims(books, books.has(ORIGINAL), is_copy=False) is NotReserved.DUPLICATE
    assert books.reserved == 3 * 47


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_a_job_that_has_its_picture_may_claim_it_once_more(books: Books, first, second):
    job = claims(books, books.has(ORIGINAL), is_copy=first)
    assert isinstance(job, Job)
    back = books.ledger().release(job, deferred(job))
    assert back is not None

    assert isinstance(claims(books, back, is_copy=second), Job)
    assert books.reserved == 47


def test_a_released_claim_still_has_its_picture(books: Books):
    """It is retried automatically: a copy paid meanwhile would be a second payment."""
    job = claims(books, books.has(ORIGINAL), is_copy=False)
    assert isinstance(job, Job)
    books.ledger().release(job, deferred(job))

    assert claims(books, books.has(COPY), is_copy=True) is NotReserved.DUPLICATE


def test_a_picture_of_another_key_is_another_one(books: Books):
    claims(books, books.has(ORIGINAL), is_copy=False)
    other = picture(is_copy=True)._replace(item_key=f"picture-{'1' * 24}")

    assert isinstance(books.reserve(books.has(COPY), 5000, other), Job)


def test_a_pictures_row_says_who_claimed_it_and_when_a_copy_was_made(books: Books):
    claims(books, books.has(COPY), is_copy=True, seconds=1)
    of_a_copy = row(books)
    claims(books, books.has(ORIGINAL), is_copy=False, seconds=2)

    copied = {"copied_at": {"S": "2026-05-04T12:00:01+00:00"}}
    assert of_a_copy == {**copied, "claimed_by": {"S": COPY}, "version": {"N": "1"}}
    assert row(books) == {**copied, "claimed_by": {"S": ORIGINAL}, "version": {"N": "2"}}


def test_a_picture_is_in_no_list_of_what_waits(books: Books):
    claims(books, books.has(ORIGINAL), is_copy=False)

    assert list(books.jobs.waiting("submitting", NOON)) == [ORIGINAL]


# --- the order of the answers ----------------------------------------------------------------------------------------


def test_a_claim_without_room_leaves_the_picture_to_others(books: Books):
    assert claims(books, books.has(COPY), is_copy=True, cents=0) is NotReserved.NO_ROOM

    assert books.ledger().claimed_by(picture(is_copy=True)) is None


def test_a_copy_without_room_is_a_duplicate_before_it_is_held(books: Books):
    claims(books, books.has(ORIGINAL), is_copy=False)

    assert claims(books, books.has(COPY), is_copy=True, cents=0) is NotReserved.DUPLICATE


def test_a_job_that_was_changed_is_that_whoever_has_its_picture(books: Books):
    claims(books, books.has(COPY), is_copy=True)
    read = books.has(ORIGINAL)
    books.claimed(read)

    assert claims(books, read, is_copy=False, cents=0) is NotReserved.CHANGED
    assert books.reserved == 2 * 47


def test_a_submission_that_has_a_row_is_that_whoever_has_its_picture(books: Books):
    claims(books, books.has(COPY), is_copy=True)
    books.claimed(books.has(ORIGINAL))
    books.client.delete_item(TableName="jobs", Key=key_of(ORIGINAL, "job"))

    assert claims(books, books.has(ORIGINAL), is_copy=False, cents=0) is NotReserved.CHANGED
    assert books.reserved == 2 * 47
