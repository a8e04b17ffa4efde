"""What a day needs of AWS, and AWS's default quotas, as documented."""

import math
from dataclasses import dataclass

import numpy as np

from benchmarks.scale.day import PACE, Pace, Timeline, busiest_minute, in_progress, per_second, polls_per_second
from dropreel.use_cases.sweep_jobs import PASS, QUIET

DEFAULT_CONCURRENCY = 5
DEFAULT_LIMIT_CENTS = 5_000
LOAD = 0.9
"""SubmitConcurrency is chosen so that the busiest hour uses at most this share of it."""
NO_LIMIT = 100_000_000
"""Images a day: as many are as good as no limit."""

SWEEP_EVERY_SECONDS = 300
PASSES = 9
"""The sweeper releases held jobs, reads the dead-letter queue, and goes over the jobs of each of the index's seven values."""
READ_SECONDS = 0.010
"""Seconds to read or write one job: 0.8 ms of a whole processor, of which 256 MB have a seventh, and a round trip of 4 ms.
Assumed."""
SEND_SECONDS = 0.015
"""Seconds to send one message: assumed."""
JOBS_A_PASS = round(PASS.total_seconds() / READ_SECONDS)
RELEASES_A_PASS = round(PASS.total_seconds() / (2 * READ_SECONDS + SEND_SECONDS))


@dataclass(frozen=True)
class Units:
    """What one undisturbed image costs of each service.

    A job's row has between 1 and 2 KB once it is validated, so a write of it is 2 units and a consistent read 1. The rows of its
    submission, its generation and its picture are small. A write in a transaction counts twice. The index holds keys only: a
    change of `waiting` is a delete and a put, 1 unit each.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """

    job_write: int = 2
    received_writes: int = 1
    """The job as its event describes it, at the first receive."""
    received_index: int = 1
    claim_writes: int = 2 * (2 + 1 + 1)
    """The job, its submission's row and its picture's, in one transaction with the day's item."""
    claim_index: int = 2
    spend_writes: int = 2
    accepted_writes: int = 2 * (2 + 1 + 1) + 2
    """The job, its submission's row and its generation's in one transaction; then the event is marked as published."""
    accepted_index: int = 2
    delivered_writes: int = 2 * (2 + 1) + 2
    """The job and its submission's row in one transaction; then the event is marked, which takes the job out of the index."""
    delivered_index: int = 3
    transitions_start: int = 1
    transitions_turn: int = 3
    transitions_end: int = 2


UNITS = Units()


@dataclass(frozen=True)
class Quota:
    """One default limit of AWS: in us-east-1, and where it is smallest (a Region or a new account)."""

    need: str
    what: str
    most: float
    smallest: float


# The pages are listed in docs/scale.md.
QUOTAS = (
    Quota("lambda_at_once", "Lambda: functions at once", 1_000, 10),
    Quota("lambda_a_second", "Lambda: invocations a second", 10_000, 100),
    Quota("transitions_a_second", "Step Functions: state transitions a second", 5_000, 800),
    Quota("starts_a_second", "Step Functions: StartExecution a second", 300, 150),
    Quota("job_writes_a_second", "DynamoDB: write units a second, a new jobs table", 4_000, 4_000),
    Quota("index_writes_a_second", "DynamoDB: write units a second, index `waiting` (as one partition)", 1_000, 1_000),
    Quota("spend_writes_a_second", "DynamoDB: write units a second, the day's one item", 1_000, 1_000),
    Quota("puts_a_second", "EventBridge: PutEvents a second", 10_000, 400),
)


def needs(timeline: Timeline, pace: Pace = PACE) -> dict[str, float]:
    """Return what a day needs: rates are means of the busiest minute, all else is the highest number at any one second."""
    seconds = int(timeline.delivered.max()) + 2
    moments = (timeline.begun, timeline.accepted, timeline.delivered)
    begun, accepted, delivered = (per_second(moment, seconds) for moment in moments)
    polls = polls_per_second(timeline, pace.turn, seconds)
    submitting = in_progress(timeline.begun, timeline.accepted, seconds)
    delivering = in_progress(timeline.delivered - pace.deliver_seconds, timeline.delivered, seconds)
    checking = np.ceil(polls * pace.check_seconds)
    old = np.minimum(timeline.begun + QUIET.total_seconds(), timeline.delivered)  # what the sweeper reads
    return {
        "lambda_at_once": float((submitting + checking + delivering).max()),
        "lambda_a_second": busiest_minute(begun + polls + delivered),
        "transitions_a_second": busiest_minute(
            UNITS.transitions_start * accepted + UNITS.transitions_turn * polls + UNITS.transitions_end * delivered
        ),
        "starts_a_second": busiest_minute(accepted),
        "job_writes_a_second": busiest_minute(
            (UNITS.received_writes + UNITS.claim_writes) * begun
            + UNITS.accepted_writes * accepted
            + UNITS.job_write * polls
            + UNITS.delivered_writes * delivered
        ),
        "index_writes_a_second": busiest_minute(
            (UNITS.received_index + UNITS.claim_index) * begun
            + UNITS.accepted_index * accepted
            + UNITS.delivered_index * delivered
        ),
        "spend_writes_a_second": busiest_minute(UNITS.spend_writes * begun),
        "puts_a_second": busiest_minute(accepted + delivered),  # Submitted and Completed
        "messages_waiting": float(in_progress(timeline.arrived, timeline.begun, seconds).max()),
        "jobs_old": float(in_progress(old, timeline.delivered, seconds).max()),
        "longest_image_seconds": float((timeline.delivered - timeline.arrived).max()),
    }


def concurrency_for(images_a_second: float) -> int:
    """Return the SubmitConcurrency that keeps up with a rate, in whole tens."""
    return 10 * math.ceil(images_a_second * PACE.submit_seconds / LOAD / 10)


def images_a_day(quota: float, needed: float, images: int) -> float:
    """Return how many images a day a quota is enough for, at most `NO_LIMIT`, given what so many need: needs grow with them."""
    return NO_LIMIT if needed == 0 else min(NO_LIMIT, images * quota / needed)
