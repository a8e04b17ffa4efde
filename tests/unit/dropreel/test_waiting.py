import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.waiting import LONGEST_SECONDS, backoff_seconds


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
