"""What must outlast what: one table of time-outs, leases, limits and retentions, read from the template and the code."""

import json
import re
from typing import Any, NamedTuple

import pytest

from dropreel.adapters.image_bucket import PRESIGN_SECONDS
from dropreel.adapters.ledger import MAX_RELEASE_TRIES
from dropreel.adapters.transactions import MAX_PAUSE_SECONDS, MAX_TRIES
from dropreel.adapters.video_source import DOWNLOAD_SECONDS
from dropreel.domain.backoff import LONGEST_DEFERRAL, LONGEST_SECONDS
from dropreel.provider.limits import POLL_SECONDS, POLL_TIMEOUT, SUBMIT_SECONDS, SUBMIT_TIMEOUT
from dropreel.use_cases.submit_generation import LEASE, MIN_TIME_LEFT, SAVE_SECONDS
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, PASS, PREPARE_MESSAGE_LOST, QUIET
from tests.support.fake_stack import FakeStack
from tests.unit.template.resolved import ROOT, resources, written

MINUTE, DAY = 60, 86_400


class Limit(NamedTuple):
    """A value and its bounds, both allowed themselves. Times are in seconds; the rest are counts."""

    name: str
    at_least: float
    value: float
    at_most: float
    why: str


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the stack's resources of one type, by name."""
    return {name: one["Properties"] for name, one in resources().items() if one["Type"] == kind}


def seconds_of(schedule: str) -> int:
    """Return the seconds between two events of a schedule: 300 for `rate(5 minutes)`."""
    found = re.fullmatch(r"rate\((\d+) minutes?\)", schedule)
    assert found, f"{schedule} is not a rate in minutes"
    return int(found[1]) * MINUTE


def last_receive(function: str) -> int:
    """Return the MAX_RECEIVES of a function's handler, read from its source: an import would start the function."""
    step = re.sub(r"(?<!^)(?=[A-Z])", "_", function.removesuffix("Function")).lower()
    handler = (ROOT / "functions" / step / "handler.py").read_text(encoding="utf-8")
    (last,) = re.findall(r"^MAX_RECEIVES = (\d+)", handler, re.MULTILINE)
    return int(last)


def passes_of_a_sweep() -> int:
    """Return the passes of one sweep: the release of held jobs, the dead letters, and each kind of waiting job."""
    return len(FakeStack().sweep.passes()) + 2


FUNCTIONS = of_type("AWS::Serverless::Function")
QUEUES = of_type("AWS::SQS::Queue")
TIMEOUTS = {name: one.get("Timeout", written()["Globals"]["Function"]["Timeout"]) for name, one in FUNCTIONS.items()}
STATES = json.loads((ROOT / "statemachine" / "generate_video.asl.json").read_text(encoding="utf-8"))["States"]
TASKS = [
    (name, state["Resource"].removeprefix("${").removesuffix("Arn}"), state["TimeoutSeconds"])
    for name, state in STATES.items()
    if state["Type"] == "Task"
]
SOURCES = [
    (name, event["Properties"]["Queue"].removesuffix(".Arn"), event["Properties"])
    for name, one in FUNCTIONS.items()
    for event in one.get("Events", {}).values()
    if event["Type"] == "SQS"
]
REDRIVES = [
    (name, one, one["RedrivePolicy"]["deadLetterTargetArn"].removesuffix(".Arn"))
    for name, one in QUEUES.items()
    if "RedrivePolicy" in one
]

SUBMIT, CHECK, DELIVER, SWEEP = (
    TIMEOUTS[f"{step}Function"] for step in ("SubmitGeneration", "CheckStatus", "DeliverVideo", "SweepJobs")
)
HIDDEN = QUEUES["SubmissionQueue"]["VisibilityTimeout"]
MAX_RECEIVES = QUEUES["SubmissionQueue"]["RedrivePolicy"]["maxReceiveCount"]
LEASE_SECONDS, QUIET_SECONDS = LEASE.total_seconds(), QUIET.total_seconds()
PASSES = passes_of_a_sweep()
SWEPT = FUNCTIONS["SweepJobsFunction"]
SWEEP_EVERY = seconds_of(SWEPT["Events"]["Schedule"]["Properties"]["Schedule"])
LEDGER_PAUSES = (MAX_TRIES + MAX_RELEASE_TRIES) * MAX_PAUSE_SECONDS

SUBMISSION = [
    Limit(
        "a whole POST", sum(SUBMIT_TIMEOUT), SUBMIT_SECONDS, SUBMIT / 2,
        "It has time to connect and for one long pause of the provider, and leaves half of the function's time to write "
        "down what the answer was: what is not written down becomes unknown.",
    ),
    Limit(
        "Submit Generation's time-out", SUBMIT_SECONDS + LEDGER_PAUSES, SUBMIT, HIDDEN / 6,
        "The POST and the ledger's longest pauses fit into it; AWS hides a message at least 6 times as long.",
    ),
    Limit(
        "the lease after the function", SUBMIT + 30, LEASE_SECONDS, 2 * SUBMIT,
        "A function that still runs holds its claim, with a margin for clocks that differ; what was interrupted is settled "
        "no later than needed.",
    ),
    Limit(
        "the lease before the message", 0, LEASE_SECONDS, HIDDEN - MINUTE,
        "A message that comes again finds the lease over and can settle the job. Else that costs a second receive.",
    ),
    Limit(
        "what a submission needs", SUBMIT_SECONDS + 20, MIN_TIME_LEFT.total_seconds(), SUBMIT - 20,
        "The POST fits into it, and 20 s for its id; the image is read before, in the 20 s that are left of the function.",
    ),
    Limit(
        "what is left to write an id", 15, SAVE_SECONDS, SUBMIT - SUBMIT_SECONDS,
        "A call that DynamoDB does not answer takes up to 15 s; the start of the execution follows it.",
    ),
    Limit(
        "until a message counts as lost", MAX_RECEIVES * HIDDEN, MESSAGE_LOST.total_seconds(), 2 * MAX_RECEIVES * HIDDEN,
        "Its last receive comes before, and says that it is a dead letter: another message would overtake it unseen.",
    ),
    Limit(
        "the sweeper's quiet time", HIDDEN, QUIET_SECONDS, 15 * MINUTE,
        "The sweeper does not send a message that the queue still hides; a job that nothing works on is found within "
        "15 minutes and one pace of the sweeper.",
    ),
    Limit(
        "the presigned address", SUBMIT + 30 * MINUTE, PRESIGN_SECONDS, 60 * MINUTE,
        "The provider may fetch the image half an hour after the function has ended. It is a bearer token, and dies with the "
        "role's credentials: an hour at most.",
    ),
]  # fmt: skip

PREPARING = QUEUES["PrepareQueue"]
PREPARATION = [
    Limit(
        "until a message to prepare counts as lost",
        PREPARING["RedrivePolicy"]["maxReceiveCount"] * PREPARING["VisibilityTimeout"],
        PREPARE_MESSAGE_LOST.total_seconds(),
        2 * PREPARING["RedrivePolicy"]["maxReceiveCount"] * PREPARING["VisibilityTimeout"],
        "Its last receive comes before, and says that it is a dead letter: another message would overtake it unseen.",
    ),
    Limit(
        "the prepared image's days", LONGEST_DEFERRAL.days,
        of_type("AWS::S3::Bucket")["PreparedBucket"]["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"], 30,
        "A job that waits for the provider as long as it may still has its prepared image. It is a copy: no longer than needed.",
    ),
]  # fmt: skip

GENERATION = [
    Limit(
        "a whole poll", sum(POLL_TIMEOUT), POLL_SECONDS, CHECK - 10,
        "It has time to connect and for one long pause of the provider; 10 s are left to read the key and count the poll.",
    ),
    Limit(
        "a whole download", 10 * MINUTE, DOWNLOAD_SECONDS, DELIVER - POLL_SECONDS - MINUTE,
        "2 GiB over a line of 30 Mbit/s take 10 minutes. A poll for a fresh address comes before it; after it, a minute is "
        "left to end or to abort the upload.",
    ),
    *(
        Limit(
            f"the state {name}", TIMEOUTS[function] + 10, seconds, TIMEOUTS[function] + MINUTE,
            "The function ends first, a cold start counted: else the state tries again while it still works. "
            "A function that is lost is not waited for longer than needed.",
        )
        for name, function, seconds in TASKS
    ),
]  # fmt: skip

SWEEPER = [
    Limit(
        "one pass of the sweeper", 20, PASS.total_seconds(), MINUTE,
        "Thousands of jobs can wait in one way, and each of them costs some milliseconds.",
    ),
    Limit(
        "Sweep Jobs' time-out", PASSES * PASS.total_seconds() + 20, SWEEP, SWEEP_EVERY - 30,
        "All passes fit into it, with what the last job of each takes; it has ended when the next sweep begins.",
    ),
    Limit(
        "the sweeper's pace", SWEEP + 30, SWEEP_EVERY, 5 * MINUTE,
        "No two sweeps at a time; the pages say that the sweeper comes every five minutes.",
    ),
    Limit(
        "a failed sweep's retries", 0, SWEPT["EventInvokeConfig"]["MaximumRetryAttempts"], 0,
        "The next sweep comes anyway: a retry would run beside it.",
    ),
    Limit(
        "a late sweep's age", MINUTE, SWEPT["EventInvokeConfig"]["MaximumEventAgeInSeconds"], SWEEP_EVERY,
        "Once the next sweep is due, the one before it has nothing to do.",
    ),
]  # fmt: skip

EVERY_SOURCE = [
    limit
    for function, queue, source in SOURCES
    for limit in (
        Limit(
            f"the batch of {function}", 1, source["BatchSize"], 1,
            "One image, one invocation: an image that fails does not bring the others back.",
        ),
        Limit(
            f"how long {queue} hides a message", 6 * TIMEOUTS[function], QUEUES[queue]["VisibilityTimeout"],
            9 * TIMEOUTS[function],
            "AWS's advice for a function behind a queue; an interrupted image comes again no later than needed.",
        ),
        Limit(
            f"MAX_RECEIVES of {function}", QUEUES[queue]["RedrivePolicy"]["maxReceiveCount"], last_receive(function),
            QUEUES[queue]["RedrivePolicy"]["maxReceiveCount"],
            "The handler notes on the job that its message goes to the dead-letter queue at exactly the last receive.",
        ),
    )
]  # fmt: skip

EVERY_QUEUE = [
    *(
        Limit(
            f"the retention of {name}", 4 * DAY, one["MessageRetentionPeriod"], 14 * DAY,
            "Four days are SQS's default and outlast a long week-end; 14 are its limit.",
        )
        for name, one in QUEUES.items()
    ),
    *(
        limit
        for name, one, dead in REDRIVES
        for limit in (
            Limit(
                f"the receives of {name}", 5, one["RedrivePolicy"]["maxReceiveCount"], 10,
                "AWS's advice: fewer make dead letters of short faults. What fails ten times fails for good.",
            ),
            Limit(
                f"the longest wait in {name}",
                LONGEST_SECONDS + one["RedrivePolicy"]["maxReceiveCount"] * one["VisibilityTimeout"],
                one["MessageRetentionPeriod"] - 4 * DAY,
                14 * DAY,
                "A message outlives its longest delay and all of its receives, in a queue that stood still for four days.",
            ),
            Limit(
                f"what {dead} adds to {name}", 4 * DAY,
                QUEUES[dead]["MessageRetentionPeriod"] - one["MessageRetentionPeriod"], 10 * DAY,
                "SQS counts a message's age from its first queue on: the oldest dead letter still has four days.",
            ),
        )
    ),
]  # fmt: skip

EVERY_FUNCTION = [
    Limit(f"the time-out of {name}", 10, seconds, 900, "A cold start fits into it; 900 is Lambda's limit.")
    for name, seconds in TIMEOUTS.items()
]

LIMITS = [*SUBMISSION, *PREPARATION, *GENERATION, *SWEEPER, *EVERY_SOURCE, *EVERY_QUEUE, *EVERY_FUNCTION]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_a_time_or_count_keeps_its_bounds(limit: Limit) -> None:
    assert limit.at_least <= limit.value <= limit.at_most, limit.why


def test_every_task_source_and_queue_is_in_the_table() -> None:
    assert [name for name, _, _ in TASKS] == ["Check Status", "Deliver Video", "Report Failure"]
    assert [(function, queue) for function, queue, _ in SOURCES] == [
        ("SubmitGenerationFunction", "SubmissionQueue"),
        ("PrepareImageFunction", "PrepareQueue"),
    ]
    assert [(name, dead) for name, _, dead in REDRIVES] == [
        ("SubmissionQueue", "DeadLetterQueue"),
        ("PrepareQueue", "DeadLetterQueue"),
    ]
    assert len({limit.name for limit in LIMITS}) == len(LIMITS)


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("reliability.md", f"a lease of {LEASE_SECONDS:.0f} s"),
        ("scale.md", f"message comes back after {HIDDEN} s"),
        ("scale.md", f"at most {QUEUES['SubmissionQueue']['MessageRetentionPeriod'] // DAY} days in the queue"),
    ],
)
def test_the_pages_say_these_times(page: str, sentence: str) -> None:
    assert sentence in " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())
