"""How long a job waits: before it is submitted again, until its owner hears of it, and at most."""

from datetime import datetime, timedelta

from dropreel.domain.job import EventType, Job, JobStatus
from dropreel.domain.reasons import ReasonCode

BASE_SECONDS = 5
FLOOR_SECONDS = 5
"""The shortest wait that a provider can ask for: what it says below that is no reason to hurry."""
LONGEST_SECONDS = 900
"""SQS's longest delay of a message."""
KEY_REFUSED_SECONDS = 900
"""A refused key is changed by a person, and an account without money is filled by one: there is no hurry."""
NOTICE_AFTER = timedelta(minutes=15)
"""A wait of so long is published."""
NEEDS_A_PERSON = frozenset({ReasonCode.KEY_REFUSED, ReasonCode.PROVIDER_BALANCE, ReasonCode.DEAD_LETTER})
"""Why a job waits that does not go on by itself: published at once."""
LONGEST_DEFERRAL = timedelta(days=7)
"""An attempt that has waited for the provider so long ends."""
LONGEST_DEAD_LETTER = timedelta(days=14)
"""A job whose message has been in the dead-letter queue so long ends: SQS keeps it no longer."""
LONGEST_HOLD = timedelta(days=365)
"""A job that the day's limit has held back so long, from its upload on, ends. A large folder takes months under a small limit."""


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


def is_notice_due(job: Job, now: datetime) -> bool:
    """Tell whether a waiting job's owner is to hear of it now: once an attempt, at once where a person is needed."""
    if job.status is not JobStatus.DEFERRED or job.reason is None or EventType.DEFERRED in job.notices:
        return False
    has_waited_long = job.waiting_since is not None and now - job.waiting_since >= NOTICE_AFTER
    return has_waited_long or job.reason.code in NEEDS_A_PERSON


def longest_wait(job: Job) -> tuple[datetime, timedelta] | None:
    """Return since when a job waits and how long it may; None where it does not wait."""
    if job.is_dead_letter:
        return job.updated_at, LONGEST_DEAD_LETTER
    if job.status is JobStatus.DEFERRED:
        return job.waiting_since or job.created_at, LONGEST_DEFERRAL
    if job.status is JobStatus.HELD:
        return job.created_at, LONGEST_HOLD
    return None
