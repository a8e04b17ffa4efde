from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.backoff import (
    BASE_SECONDS,
    LONGEST_DEAD_LETTER,
    LONGEST_DEFERRAL,
    LONGEST_HOLD,
    LONGEST_SECONDS,
    NEEDS_OPERATOR,
    NOTICE_AFTER,
    backoff_seconds,
    is_notice_due,
    longest_wait,
)
from dropreel.domain.job import TERMINAL, EventType, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import NOON, job_with

MOMENT = timedelta(seconds=1)
BUSY = Reason(ReasonCode.PROVIDER_BUSY, "busy")
DEAD_LETTER = Reason(ReasonCode.DEAD_LETTER, "dead")
FULL = Reason(ReasonCode.DAILY_LIMIT, "full")


def test_the_limits_of_waiting():
    assert (BASE_SECONDS, LONGEST_SECONDS) == (5, 900)
    assert timedelta(minutes=15) == NOTICE_AFTER
    assert [wait.days for wait in (LONGEST_DEFERRAL, LONGEST_DEAD_LETTER, LONGEST_HOLD)] == [7, 14, 365]
    assert {"key_refused", "provider_balance", "dead_letter"} == NEEDS_OPERATOR


@pytest.mark.parametrize(("tries", "seconds"), [(0, 5), (1, 10), (2, 20), (7, 640), (8, 900), (20, 900), (10_000, 900)])
def test_the_longest_wait_doubles_with_each_try_up_to_the_limit_of_sqs(tries, seconds):
    assert backoff_seconds(tries, 1.0) == seconds


def test_a_wait_is_anywhere_up_to_the_longest():
    assert [backoff_seconds(3, random) for random in (0.0, 0.25, 0.5, 0.999)] == [1, 10, 20, 40]


@given(st.integers(0, 1000), st.floats(0, 1))
def test_a_wait_is_a_whole_number_of_seconds_that_the_queue_takes(tries, random):
    seconds = backoff_seconds(tries, random)

    assert isinstance(seconds, int)
    assert 1 <= seconds <= LONGEST_SECONDS


@pytest.mark.parametrize("code", sorted(NEEDS_OPERATOR))
def test_a_wait_for_the_operator_is_published_at_once(code):
    job = job_with(status=JobStatus.DEFERRED, reason=Reason(code, "x"), waiting_since=NOON)

    assert is_notice_due(job, NOON)


@pytest.mark.parametrize(
    ("waited", "is_due"), [(NOTICE_AFTER - MOMENT, False), (NOTICE_AFTER, True), (timedelta(days=1), True)]
)
def test_any_other_wait_is_published_after_15_minutes(waited, is_due):
    job = job_with(status=JobStatus.DEFERRED, reason=BUSY, waiting_since=NOON)

    assert is_notice_due(job, NOON + waited) is is_due


@pytest.mark.parametrize(
    "changes",
    [
        {"notices": {EventType.DEFERRED: BUSY}},
        {"status": JobStatus.HELD},
        {"reason": None},
        {"waiting_since": None},
    ],
)
def test_no_wait_is_published_twice_or_without_a_reason(changes):
    job = job_with(**{"status": JobStatus.DEFERRED, "reason": BUSY, "waiting_since": NOON, **changes})

    assert not is_notice_due(job, NOON + timedelta(days=1))


def test_a_published_hold_does_not_count_as_a_published_wait():
    job = job_with(status=JobStatus.DEFERRED, reason=BUSY, notices={EventType.HELD: BUSY})

    assert is_notice_due(job, NOON + NOTICE_AFTER)


@pytest.mark.parametrize(
    ("changes", "since", "most"),
    [
        ({"status": JobStatus.DEFERRED, "reason": BUSY}, "waiting_since", LONGEST_DEFERRAL),
        ({"status": JobStatus.PREPARING}, "waiting_since", LONGEST_DEFERRAL),
        ({"status": JobStatus.PREPARING, "reason": DEAD_LETTER}, "updated_at", LONGEST_DEAD_LETTER),
        ({"status": JobStatus.DEFERRED, "reason": BUSY, "waiting_since": None}, "created_at", LONGEST_DEFERRAL),
        ({"status": JobStatus.DEFERRED, "reason": DEAD_LETTER}, "updated_at", LONGEST_DEAD_LETTER),
        ({"status": JobStatus.HELD, "reason": FULL}, "created_at", LONGEST_HOLD),
    ],
)
def test_the_longest_wait_counts_from_the_start_of_that_wait(changes, since, most):
    times = {"created_at": NOON, "waiting_since": NOON + MOMENT, "updated_at": NOON + 2 * MOMENT}
    job = job_with(**{**times, **changes})

    assert longest_wait(job) == (getattr(job, since), most)


@pytest.mark.parametrize("status", sorted(TERMINAL | {JobStatus.SUBMITTING, JobStatus.GENERATING}))
def test_a_job_that_does_not_wait_has_no_longest_wait(status):
    assert longest_wait(job_with(status=status)) is None
