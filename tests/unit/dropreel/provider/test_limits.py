from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.backoff import backoff_seconds
from dropreel.provider.limits import MIN_RETRY_AFTER_SECONDS, NOT_FOUND_FOR, OPERATOR_RETRY_SECONDS, busy_seconds


def test_the_limits_are_these():
    assert (MIN_RETRY_AFTER_SECONDS, OPERATOR_RETRY_SECONDS) == (5, 900)
    assert timedelta(minutes=5) == NOT_FOUND_FOR


@pytest.mark.parametrize("seconds", [MIN_RETRY_AFTER_SECONDS, 6, 30, 86_400])
def test_retry_after_is_followed(seconds):
    assert busy_seconds(seconds, 3, 0.9) == seconds


@given(st.integers(0, MIN_RETRY_AFTER_SECONDS - 1), st.integers(0, 30), st.floats(0, 1))
def test_a_short_retry_after_counts_as_the_minimum_or_our_backoff(seconds, tries, random):
    wait = busy_seconds(seconds, tries, random)

    assert wait == max(MIN_RETRY_AFTER_SECONDS, backoff_seconds(tries, random))


def test_without_retry_after_our_backoff_counts():
    assert [busy_seconds(None, tries, 0.6) for tries in range(4)] == [3, 6, 12, 24]
