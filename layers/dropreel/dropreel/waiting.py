"""How long to wait before a submission is tried again."""

BASE_SECONDS = 5
LONGEST_SECONDS = 900
"""SQS's longest delay of a message."""
KEY_REFUSED_SECONDS = 900
"""A refused key is changed by a person: there is no hurry."""


def backoff_seconds(tries: int, random: float) -> int:
    """Return an exponential wait with full jitter for the `tries`-th try (from 0); `random` is from 0 to 1."""
    most = min(LONGEST_SECONDS, BASE_SECONDS << min(tries, 20))
    return max(1, round(most * random))
