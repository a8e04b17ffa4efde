"""What a day needs of AWS, and the default quotas that it is held against: AWS's own, as documented; each names its source."""

from dataclasses import dataclass

import numpy as np

from benchmarks.scale.way import PACE, Pace, Way, a_second, busiest_minute, inside, polls_a_second
from dropreel.use_cases.sweep_jobs import QUIET

SUBMIT_CONCURRENCIES: tuple[int, ...] = (
    *range(2, 21),
    *(25, 30, 40, 50, 60, 75, 80, 100, 150, 200, 250, 300, 400, 500, 750, 1000),
)
"""What the template's SubmitConcurrency may be."""
DEFAULT_CONCURRENCY = 5
DEFAULT_LIMIT_CENTS = 5_000
BUSY = 0.9
"""SubmitConcurrency is chosen so that the busiest hour uses at most this share of it."""
NEVER = 100_000_000
"""Images a day that nobody has: as many are as good as no limit."""


@dataclass(frozen=True)
class Units:
    """What one image costs of each service on its undisturbed way, as the code of the use cases has it.

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
    events: int = 2
    """PutEvents: Submitted and Completed."""
    transitions_start: int = 1
    transitions_turn: int = 3
    transitions_end: int = 2


UNITS = Units()


@dataclass(frozen=True)
class Quota:
    """One default limit of AWS: in us-east-1, and where it is smallest (a Region or a new account).

    `code` is the Service Quotas code where AWS's documentation has one; a limit without one cannot be raised or is asked for
    by name.
    """

    need: str
    what: str
    most: float
    smallest: float
    source: str
    code: str = ""


_DOCS = "https://docs.aws.amazon.com/"
_STATES = _DOCS + "step-functions/latest/dg/service-quotas.html"
_EVENTS = _DOCS + "eventbridge/latest/userguide/eb-quota.html"
_LAMBDA = _DOCS + "lambda/latest/dg/gettingstarted-limits.html"
_TABLES = _DOCS + "amazondynamodb/latest/developerguide/"

QUOTAS = (
    Quota("lambda_at_once", "Lambda: functions at once", 1_000, 10, _LAMBDA, "L-B99A9384"),
    Quota("lambda_a_second", "Lambda: invocations a second", 10_000, 100, _LAMBDA),
    Quota("transitions_a_second", "Step Functions: state transitions a second", 5_000, 800, _STATES),
    Quota("starts_a_second", "Step Functions: StartExecution a second", 300, 150, _STATES),
    Quota("executions", "Step Functions: open executions", 1_000_000, 1_000_000, _STATES),
    Quota(
        "job_writes_a_second",
        "DynamoDB: write units a second, a new jobs table",
        4_000,
        4_000,
        _TABLES + "on-demand-capacity-mode.html",
    ),
    Quota(
        "job_reads_a_second",
        "DynamoDB: read units a second, a new jobs table",
        12_000,
        12_000,
        _TABLES + "on-demand-capacity-mode.html",
    ),
    Quota(
        "index_writes_a_second",
        "DynamoDB: write units a second, index `waiting` (as one partition)",
        1_000,
        1_000,
        _TABLES + "bp-partition-key-design.html",
    ),
    Quota(
        "spend_writes_a_second",
        "DynamoDB: write units a second, the day's one item",
        1_000,
        1_000,
        _TABLES + "bp-partition-key-design.html",
    ),
    Quota("puts_a_second", "EventBridge: PutEvents a second", 10_000, 400, _EVENTS, "L-9B653E91"),
    Quota("rule_hits_a_second", "EventBridge: rule invocations a second", 18_750, 750, _EVENTS, "L-5540C5E3"),
    Quota(
        "messages_in_flight",
        "SQS: messages in flight",
        120_000,
        120_000,
        _DOCS + "AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html",
    ),
)


def needs(way: Way, pace: Pace = PACE, units: Units = UNITS) -> dict[str, float]:
    """Return what a day needs: rates are means of the busiest minute, all else is the highest number at any one second."""
    seconds = int(way.delivered.max()) + 2
    arrived, begun = a_second(way.arrived, seconds), a_second(way.begun, seconds)
    accepted, delivered = a_second(way.accepted, seconds), a_second(way.delivered, seconds)
    polls = polls_a_second(way, pace.turn, seconds)
    submitting = inside(way.begun, way.accepted, seconds)
    delivering = inside(way.delivered - pace.deliver_seconds, way.delivered, seconds)
    checking = np.ceil(polls * pace.check_seconds)
    waits = way.delivered - way.arrived
    old = np.minimum(way.begun + QUIET.total_seconds(), way.delivered)  # what the sweeper looks at
    return {
        "arrivals_a_second": busiest_minute(arrived),
        "submit_at_once": float(submitting.max()),
        "check_at_once": float(checking.max()),
        "deliver_at_once": float(delivering.max()),
        "lambda_at_once": float((submitting + checking + delivering).max()),
        "lambda_a_second": busiest_minute(begun + polls + delivered),
        "transitions_a_second": busiest_minute(
            units.transitions_start * accepted + units.transitions_turn * polls + units.transitions_end * delivered
        ),
        "starts_a_second": busiest_minute(accepted),
        "executions": float(inside(way.accepted, way.delivered, seconds).max()),
        "job_writes_a_second": busiest_minute(
            (units.received_writes + units.claim_writes) * begun
            + units.accepted_writes * accepted
            + units.job_write * polls
            + units.delivered_writes * delivered
        ),
        "job_reads_a_second": busiest_minute(begun + polls + delivered),
        "index_writes_a_second": busiest_minute(
            (units.received_index + units.claim_index) * begun
            + units.accepted_index * accepted
            + units.delivered_index * delivered
        ),
        "spend_writes_a_second": busiest_minute(units.spend_writes * begun),
        "puts_a_second": busiest_minute(accepted + (units.events - 1) * delivered),
        "rule_hits_a_second": busiest_minute(arrived),
        "messages_in_flight": float(submitting.max()),
        "messages_waiting": float(inside(way.arrived, way.begun, seconds).max()),
        "jobs_open": float(inside(way.begun, way.delivered, seconds).max()),
        "jobs_old": float(inside(old, way.delivered, seconds).max()),
        "longest_wait_in_queue_seconds": float((way.begun - way.arrived).max()),
        "last_image_seconds": float(waits[-1]),
        "longest_image_seconds": float(waits.max()),
        "ended": float(len(way.delivered)),
    }


def concurrency_for(images_a_second: float, pace: Pace = PACE) -> int:
    """Return the smallest SubmitConcurrency that keeps up with a rate, and the largest of all if none does."""
    wanted = images_a_second * pace.submit_seconds / BUSY
    return next((number for number in SUBMIT_CONCURRENCIES if number >= wanted), SUBMIT_CONCURRENCIES[-1])


def bends_at(quota: float, needed: float, images: int) -> float:
    """Return how many images a day a quota is enough for, at most `NEVER`, given what so many need: needs grow with them."""
    return NEVER if needed == 0 else min(NEVER, images * quota / needed)
