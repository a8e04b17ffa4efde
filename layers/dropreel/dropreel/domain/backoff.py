"""Backoff between submissions, when a wait is published, and how long a job may wait."""

from datetime import datetime, timedelta

from dropreel.domain.job import EventType, Job, JobStatus
from dropreel.domain.reasons import ReasonCode

BASE_SECONDS = 5
LONGEST_SECONDS = 900
"""The longest delay that SQS allows for a message."""
NOTICE_AFTER = timedelta(minutes=15)
"""A wait for the provider is published after this time."""
NEEDS_OPERATOR = frozenset({ReasonCode.KEY_REFUSED, ReasonCode.PROVIDER_BALANCE, ReasonCode.DEAD_LETTER})
"""Reasons that only the operator can resolve: the wait is published at once."""
LONGEST_DEFERRAL = timedelta(days=7)
"""How long an attempt may wait for the provider, or for its image to be prepared."""
LONGEST_DEAD_LETTER = timedelta(days=14)
"""How long a job's message may be in the dead-letter queue: the longest retention of SQS."""
LONGEST_HOLD = timedelta(days=365)
"""How long the day's limit may hold a job, from its upload on. A large folder takes months under a small limit."""


def backoff_seconds(tries: int, random: float) -> int:
    """Return an exponential backoff with full jitter, in whole seconds. `tries` counts from 0, `random` is from 0 to 1."""
    most = min(LONGEST_SECONDS, BASE_SECONDS << min(tries, 20))
    return max(1, round(most * random))


def is_notice_due(job: Job, now: datetime) -> bool:
    """Return whether `Video Generation Deferred` is due: once an attempt, at once where the operator is needed."""
    if job.status is not JobStatus.DEFERRED or job.reason is None or EventType.DEFERRED in job.notices:
        return False
    has_waited_long = job.waiting_since is not None and now - job.waiting_since >= NOTICE_AFTER
    return has_waited_long or job.reason.code in NEEDS_OPERATOR


def longest_wait(job: Job) -> tuple[datetime, timedelta] | None:
    """Return when a job's wait began and how long it may last; None where it does not wait."""
    if job.is_dead_letter:
        return job.updated_at, LONGEST_DEAD_LETTER
    if job.status in (JobStatus.DEFERRED, JobStatus.PREPARING):
        return job.waiting_since or job.created_at, LONGEST_DEFERRAL
    if job.status is JobStatus.HELD:
        return job.created_at, LONGEST_HOLD
    return None
