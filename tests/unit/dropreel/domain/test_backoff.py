from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.backoff import (
    BASE_SECONDS,
    FLOOR_SECONDS,
    KEY_REFUSED_SECONDS,
    LONGEST_DEAD_LETTER,
    LONGEST_DEFERRAL,
    LONGEST_HOLD,
    LONGEST_SECONDS,
    NEEDS_A_PERSON,
    NOTICE_AFTER,
    backoff_seconds,
    busy_seconds,
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


def test_the_waits_are_these():
    assert (BASE_SECONDS, FLOOR_SECONDS, LONGEST_SECONDS, KEY_REFUSED_SECONDS) == (5, 5, 900, 900)
    assert timedelta(minutes=15) == NOTICE_AFTER
    assert [wait.days for wait in (LONGEST_DEFERRAL, LONGEST_DEAD_LETTER, LONGEST_HOLD)] == [7, 14, 365]
    assert {"key_refused", "provider_balance", "dead_letter"} == NEEDS_A_PERSON


@pytest.mark.parametrize(("tries", "seconds"), [(0, 5), (1, 10), (2, 20), (7, 640), (8, 900), (20, 900), (10_000, 900)])
def test_the_longest_wait_doubles_with_each_try_up_to_what_the_queue_can_delay(tries, seconds):
    assert backoff_seconds(tries, 1.0) == seconds


def test_a_wait_is_anywhere_up_to_the_longest():
    assert [backoff_seconds(3, random) for random in (0.0, 0.25, 0.5, 0.999)] == [1, 10, 20, 40]


@given(st.integers(0, 1000), st.floats(0, 1))
def test_a_wait_is_a_whole_number_of_seconds_that_the_queue_takes(tries, random):
    seconds = backoff_seconds(tries, random)

    assert isinstance(seconds, int)
    assert 1 <= seconds <= LONGEST_SECONDS


@pytest.mark.parametrize("seconds", [FLOOR_SECONDS, 6, 30, 86_400])
def test_a_provider_that_says_when_is_asked_then(seconds):
    assert busy_seconds(seconds, 3, 0.9) == seconds


@given(st.integers(0, FLOOR_SECONDS - 1), st.integers(0, 30), st.floats(0, 1))
def test_a_provider_that_wants_to_be_asked_at_once_is_not_asked_in_a_tight_loop(seconds, tries, random):
    wait = busy_seconds(seconds, tries, random)

    assert wait == max(FLOOR_SECONDS, backoff_seconds(tries, random))


def test_a_provider_that_does_not_say_when_is_asked_after_our_own_wait():
    assert [busy_seconds(None, tries, 0.6) for tries in range(4)] == [3, 6, 12, 24]


@pytest.mark.parametrize("code", sorted(NEEDS_A_PERSON))
def test_a_wait_for_a_person_is_published_at_once(code):
    job = job_with(status=JobStatus.DEFERRED, reason=Reason(code, "x"), waiting_since=NOON)

    assert is_notice_due(job, NOON)


@pytest.mark.parametrize(
    ("waited", "is_due"), [(NOTICE_AFTER - MOMENT, False), (NOTICE_AFTER, True), (timedelta(days=1), True)]
)
def test_any_other_wait_is_published_after_a_quarter_of_an_hour(waited, is_due):
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
def test_a_wait_that_was_published_or_is_none_is_not_published(changes):
    job = job_with(**{"status": JobStatus.DEFERRED, "reason": BUSY, "waiting_since": NOON, **changes})

    assert not is_notice_due(job, NOON + timedelta(days=1))


def test_a_held_notice_does_not_stand_for_one_of_waiting():
    job = job_with(status=JobStatus.DEFERRED, reason=BUSY, notices={EventType.HELD: BUSY})

    assert is_notice_due(job, NOON + NOTICE_AFTER)


@pytest.mark.parametrize(
    ("changes", "since", "most"),
    [
        ({"status": JobStatus.DEFERRED, "reason": BUSY}, "waiting_since", LONGEST_DEFERRAL),
        ({"status": JobStatus.DEFERRED, "reason": BUSY, "waiting_since": None}, "created_at", LONGEST_DEFERRAL),
        ({"status": JobStatus.DEFERRED, "reason": DEAD_LETTER}, "updated_at", LONGEST_DEAD_LETTER),
        ({"status": JobStatus.HELD, "reason": FULL}, "created_at", LONGEST_HOLD),
    ],
)
def test_how_long_a_job_may_wait_counts_from_when_that_wait_began(changes, since, most):
    times = {"created_at": NOON, "waiting_since": NOON + MOMENT, "updated_at": NOON + 2 * MOMENT}
    job = job_with(**{**times, **changes})

    assert longest_wait(job) == (getattr(job, since), most)


@pytest.mark.parametrize("status", sorted(TERMINAL | {JobStatus.SUBMITTING, JobStatus.GENERATING}))
def test_a_job_that_does_not_wait_has_no_longest_wait(status):
    assert longest_wait(job_with(status=status)) is None
