"""How long to wait before a submission is tried again, and when its owner is told of the waiting."""

from datetime import datetime, timedelta

from dropreel.jobs import Job, JobStatus

BASE_SECONDS = 5
FLOOR_SECONDS = 5
"""The shortest wait that a provider can ask for: what it says below that is no reason to hurry."""
LONGEST_SECONDS = 900
"""SQS's longest delay of a message."""
KEY_REFUSED_SECONDS = 900
"""A refused key is changed by a person, and an account without money is filled by one: there is no hurry."""
TELL_AFTER = timedelta(minutes=15)
"""An attempt that has waited so long since its first deferral is told of."""
NEEDS_A_PERSON = frozenset({"key_refused", "provider_balance", "dead_letter"})
"""Why a job waits that does not go on by itself: told of at once."""


def backoff_seconds(tries: int, random: float) -> int:
    """Return an exponential wait with full jitter for the `tries`-th try (from 0); `random` is from 0 to 1."""
    most = min(LONGEST_SECONDS, BASE_SECONDS << min(tries, 20))
    return max(1, round(most * random))


def busy_seconds(retry_after: int | None, tries: int, random: float) -> int:
    """Return how long to wait for a busy provider: what it asks for, but for less than `FLOOR_SECONDS` our own backoff.

    `retry_after` is in seconds, None where the provider did not say.
    """
    if retry_after is None:
        return backoff_seconds(tries, random)
    if retry_after < FLOOR_SECONDS:
        return max(FLOOR_SECONDS, backoff_seconds(tries, random))
    return retry_after


def is_deferral_to_be_told(job: Job, now: datetime) -> bool:
    """Tell whether a waiting job's owner is to hear of it now: once an attempt, at once where a person is needed."""
    if job.status is not JobStatus.DEFERRED or job.reason is None or job.deferred_reason is not None:
        return False
    has_waited_long = job.deferred_since is not None and now - job.deferred_since >= TELL_AFTER
    return has_waited_long or job.reason.code in NEEDS_A_PERSON
