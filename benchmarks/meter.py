"""Counts what AWS would bill for one video, from what really happened on the local cloud."""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.local_account import LocalAccount, function_processes, log_lines, logical_name
from cli.stack import Stack
from dropreel.adapters.job_table import JOB_ROW
from dropreel.domain.job import JobStatus
from local.cloud import API_KEY, STACK_NAME, LocalCloud, deploy, running_engine
from local.parameters import local_parameters
from local.provider_simulator.process import running_simulator

Counts = Mapping[str, float]
"""How much there was of what; names that `bill.PRICES` has are priced."""

# --- counts -----------------------------------------------------------------------------------------------------------


def less(after: Counts, before: Counts) -> dict[str, float]:
    """Return what was added between two counts."""
    return {name: after.get(name, 0.0) - before.get(name, 0.0) for name in {**before, **after}}


def times(counts: Counts, factor: float) -> dict[str, float]:
    """Return each count so many times."""
    return {name: count * factor for name, count in counts.items()}


def plus(*several: Counts) -> dict[str, float]:
    """Return the sum of counts."""
    return {name: sum(one.get(name, 0.0) for one in several) for name in {k for one in several for k in one}}


# --- what the services count ------------------------------------------------------------------------------------------


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the size of a DynamoDB item.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    kind: str
    content: Any
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return math.ceil(len(content.strip("-").replace(".", "")) / 2) + 1 + int(content.startswith("-"))
        case "SS":
            return sum(len(one.encode()) for one in content)
        case "L":
            return 3 + sum(1 + _value_bytes(one) for one in content)
        case "M":
            return 3 + len(content) + item_bytes(content)
        case "NULL" | "BOOL":
            return 1
    raise ValueError(f"no size is known for a value of type {kind}")


def write_units(
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, index: tuple[str, ...] = (), *, in_transaction: bool
) -> int:
    """Return the write units of one change of an item: 1 KB each, twice in a transaction, and the index's own.

    `index` names the attributes of a KEYS_ONLY index, whose entries are small: an entry that comes or goes is a unit, one
    that changes is two.
    """
    units = math.ceil(max(item_bytes(old or {}), item_bytes(new or {})) / 1024) * (2 if in_transaction else 1)
    before, after = _entry(old, index), _entry(new, index)
    return units + (0 if before == after else (before is not None) + (after is not None))


def _entry(item: Mapping[str, Any] | None, index: tuple[str, ...]) -> tuple[Any, ...] | None:
    if not index or item is None or any(name not in item for name in index):
        return None
    return tuple(item[name] for name in index)


def changed_rows(records: Iterable[Mapping[str, Any]], job_id: str) -> dict[str, float]:
    """Return the write units of all changes of a job's rows, from the job table's stream, and of the day's item.

    `write_units_of_ROW` is the part of the submissions' rows (`attempt`), of the generation's and of the picture's;
    `write_units_of_first_receive` what it costs that the job is there before it is claimed: its first write, and the index's
    entry of that; `write_units_of_transactions` what it costs that the job is written together with its submission's row
    after the claim. `largest_item_bytes` is the job's own row at its largest.
    """
    units: dict[str, float] = dict.fromkeys(_PARTS, 0.0)
    claims, largest, every = 0, 0, 0.0
    for record in records:
        new, old = record.get("NewImage"), record.get("OldImage")
        image, row = new or old or {}, str(record["Keys"]["row"]["S"])
        if job_id not in (record["Keys"]["job_id"]["S"], image.get("claimed_by", {}).get("S")):
            continue
        is_job = row == JOB_ROW
        together = not is_job or _is_with_its_submission(old, new)
        taken = write_units(old, new, WAITING_INDEX, in_transaction=together)
        every += taken
        if not is_job:
            units[f"write_units_of_{row.partition('#')[0]}"] += taken
            continue
        largest = max(largest, item_bytes(new or {}))
        is_claim = together and new is not None and new["status"]["S"] == JobStatus.SUBMITTING
        claims += is_claim
        if old is None:
            units["write_units_of_first_receive"] += taken
        elif is_claim and _entry(old, WAITING_INDEX) is not None:
            units["write_units_of_first_receive"] += 1  # the index's entry is changed, which else it would begin to be
        elif together:
            units["write_units_of_transactions"] += taken - write_units(old, new, WAITING_INDEX, in_transaction=False)
    return {
        # The day's item is small, and in the claim's transaction.
        "dynamodb_write_units": every + DAY_UNITS * claims,
        "claims": float(claims),
        "largest_item_bytes": float(largest),
        **units,
    }


def _is_with_its_submission(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> bool:
    """Whether the job was written in a transaction: a submission begins or goes on, and has a row of its own."""
    if old is None or new is None:
        return False
    statuses = {old["status"]["S"], new["status"]["S"]}
    return len(statuses) > 1 and bool(statuses & {JobStatus.SUBMITTING, JobStatus.GENERATING})


def billed_seconds(wall_seconds: float, cpu_seconds: float, megabytes: int) -> float:
    """Return how long Lambda would run what took so long here: it gives a function one core's power at 1,769 MB, less below.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    """
    return max(0.0, wall_seconds - cpu_seconds) + cpu_seconds * max(1.0, FULL_CORE_MEGABYTES / megabytes)


WAITING_INDEX = ("waiting", "created_at")
"""The keys of the job table's index, which has KEYS_ONLY."""
DAY_UNITS = 2.0
"""What a claim takes of the spend table: a small item, in a transaction."""
_PARTS = tuple(
    f"write_units_of_{part}" for part in ("first_receive", "attempt", "generation", "picture", "transactions")
)
FULL_CORE_MEGABYTES = 1769
"""The memory of a Lambda function that has one core's power."""
LOG_EVENT_BYTES = 26
"""CloudWatch Logs counts so many bytes with each log event.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutLogEvents.html"""
CHUNK_BYTES = 64 * 1024
"""EventBridge counts each begun chunk of an event as one."""

# --- the run ----------------------------------------------------------------------------------------------------------

FUNCTIONS = ("SubmitGeneration", "CheckStatus", "DeliverVideo")
PARAMETERS = {"PollIntervalSeconds": "1", "GenerationTimeoutMinutes": "30", "UploadSettleSeconds": "0"}
CREATED_SECONDS = 0.5
END_SECONDS = 120
_MOST_LOOKED_UP = 50
_CALLS = {
    # By (service, call): the count that has its price; None where a call has none, or is counted by its units.
    ("dynamodb", "GetItem"): None,
    ("dynamodb", "UpdateItem"): None,
    ("dynamodb", "TransactWriteItems"): None,
    ("states", "StartExecution"): None,
    ("events", "PutEvents"): None,
    ("secretsmanager", "GetSecretValue"): "secret_calls",
    ("sqs", "SendMessage"): "sqs_requests",
    ("s3", "PutObject"): "s3_puts",
    ("s3", "CreateMultipartUpload"): "s3_puts",
    ("s3", "ListObjects"): "s3_puts",  # CloudTrail's name of ListObjectsV2; it is priced as a PUT
    ("s3", "GetObject"): "s3_gets",
    ("s3", "HeadObject"): "s3_gets",
}


@contextmanager
def metered_cloud(say: Callable[[str], None]) -> Iterator[LocalAccount]:
    """Run a local cloud with a poll a second that keeps a CloudTrail, and whose tables tell of their changes."""
    say("starting the local cloud")
    with (
        running_engine({"CLOUDTRAIL_RECORDING": "1"}) as engine,
        running_simulator(API_KEY) as simulator,
    ):
        say("deploying template.yaml with sam deploy")
        deploy(engine, {**local_parameters(simulator.base_url, API_KEY), **PARAMETERS})
        stack = Stack.find(STACK_NAME, engine.session(), engine.endpoint_url)
        account = LocalAccount(LocalCloud(engine, simulator, stack))
        account.client("dynamodb").update_table(
            TableName=stack.outputs["JobsTableName"],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        yield account


@dataclass(frozen=True)
class Video:
    """What one video took: counts, states entered by type, calls by service and name, and its execution's history here."""

    counts: dict[str, float]
    states: dict[str, float]
    calls: dict[str, int]
    local_events: int
    item_bytes: int


@dataclass
class Meter:
    """Counts everything since the deployment; a video's part is what was added while nothing else went on."""

    account: LocalAccount
    _resources: dict[str, str] = field(default_factory=dict)

    def of_video(self, name: str, seconds: float) -> Video:
        """Make one video whose generation takes so many seconds, and count."""
        self.account.cloud.simulator.client.set_pace(
            created_seconds=CREATED_SECONDS, processing_seconds=seconds - CREATED_SECONDS
        )
        processor, began = self._processor(), time.time()
        self.account.put(f"{name}/image.jpg")
        (job,) = self.account.jobs_when_ended(name, 1, END_SECONDS)
        if job["status"] != "completed":
            raise RuntimeError(f"the video was not made: {job['status']}")
        calls = self._calls(began)
        changes = self._changes(str(job["job_id"]), job["image"]["key"])
        history = self._history(f"{job['job_id']}-{job['attempt']}")
        states = Counter(
            event["type"].removesuffix("StateEntered") for event in history if event["type"].endswith("StateEntered")
        )
        counts = plus(
            {"polls": float(job["polls"]), "transitions": float(states.total())},
            _priced_calls(calls),
            changes,
            self._logged(began, less(self._processor(), processor)),
            # What the services do themselves, and who drops the image.
            {"s3_puts": 1.0, "sqs_requests": 3.0, "events": 1.0},
            {"provider_calls": float(job["polls"]) + 3.0},  # the submission, DeliverVideo's question, the download
        )
        named = Counter(f"{_service(call)}:{call['eventName']}" for call in calls)
        return Video(counts, dict(states), dict(named), len(history), int(changes["largest_item_bytes"]))

    def physical(self, logical: str) -> str:
        """Return the physical name of a resource of the stack."""
        if not self._resources:
            listed = self.account.client("cloudformation").describe_stack_resources(StackName=self.account.stack.name)
            self._resources.update(
                {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed["StackResources"]}
            )
        return self._resources[logical]

    def _history(self, execution: str) -> list[dict[str, Any]]:
        arn = self.account.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{execution}"
        pages = self.account.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def _calls(self, since: float) -> list[dict[str, Any]]:
        """Return the CloudTrail records of what was called with keys of functions' roles.

        A look-up gives 50 records at most and takes whole seconds, so each second is looked up by itself.
        """
        trail, found = self.account.client("cloudtrail"), {}
        for second in range(int(since), int(time.time()) + 1):
            events = trail.lookup_events(
                StartTime=datetime.fromtimestamp(second, UTC), EndTime=datetime.fromtimestamp(second + 1, UTC)
            )["Events"]
            if len(events) >= _MOST_LOOKED_UP:
                raise RuntimeError("more calls in a second than a look-up gives: calls would be missed")
            found.update({event["EventId"]: event for event in events if event["EventTime"].timestamp() >= since})
        return [
            json.loads(event["CloudTrailEvent"])
            for event in found.values()
            if event.get("AccessKeyId", "").startswith("ASIA")  # temporary keys: a role's
        ]

    def _changes(self, job_id: str, key: str) -> dict[str, float]:
        """Return the units of all changes of the job's rows. Raises RuntimeError where its claim is not among them."""
        changes = changed_rows(self._records(), job_id)
        if not changes["claims"]:
            raise RuntimeError(f"the streams do not tell of the claim of {key}")
        return changes

    def _records(self) -> Iterable[dict[str, Any]]:
        streams, name = self.account.client("dynamodbstreams"), self.account.stack.outputs["JobsTableName"]
        (stream,) = streams.list_streams(TableName=name)["Streams"]
        for shard in streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]:
            iterator = streams.get_shard_iterator(
                StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            ).get("ShardIterator")
            while iterator:
                page = streams.get_records(ShardIterator=iterator)
                yield from (record["dynamodb"] for record in page["Records"])
                iterator = page.get("NextShardIterator") if page["Records"] else None

    def _processor(self) -> dict[str, float]:
        """Return the functions' processor seconds so far."""
        seconds: dict[str, float] = {}
        for one in function_processes(self.account.cloud.engine.process.pid):
            name = logical_name(one.function)
            seconds[name] = seconds.get(name, 0.0) + one.cpu_seconds
        return seconds

    def _logged(self, since: float, processor: Counts) -> dict[str, float]:
        """Return invocations, GB-seconds and log bytes of our functions since then, from their logs."""
        counts = {"lambda_requests": 0.0, "lambda_gb_seconds": 0.0, "log_bytes": 0.0, "lambda_wall_seconds": 0.0}
        for function in FUNCTIONS:
            lines = log_lines(self.account, self.physical(f"{function}LogGroup"), since)
            reports = [found for line in lines if (found := _REPORT.search(line))]
            wall, cpu = sum(int(found[1]) for found in reports) / 1000, processor.get(function, 0.0)
            megabytes = int(reports[0][2])
            counts["lambda_requests"] += len(reports)
            counts["lambda_wall_seconds"] += wall
            counts["lambda_gb_seconds"] += billed_seconds(wall, cpu, megabytes) * megabytes / 1024
            counts["log_bytes"] += sum(len(line.encode()) + LOG_EVENT_BYTES for line in lines)
        return counts


_REPORT = re.compile(r"REPORT .*\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB")


def _service(call: Mapping[str, Any]) -> str:
    return str(call["eventSource"]).partition(".")[0]


def _priced_calls(calls: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the counts of calls. Raises LookupError for a call that nobody has said the price of."""
    counts = {"aws_calls": 0.0, "dynamodb_read_units": 0.0, "events": 0.0}
    for call in calls:
        named = (_service(call), str(call["eventName"]))
        if named not in _CALLS:
            raise LookupError(f"no price is known for the call {':'.join(named)}")
        counts["aws_calls"] += 1
        asked = call.get("requestParameters") or {}
        if named[1] == "GetItem":  # of items below 4 KB, which `result` holds
            counts["dynamodb_read_units"] += 1.0 if asked.get("ConsistentRead") else 0.5
        elif named[1] == "PutEvents":
            counts["events"] += sum(math.ceil(len(json.dumps(one)) / CHUNK_BYTES) for one in asked["Entries"])
        elif (name := _CALLS[named]) is not None:
            counts[name] = counts.get(name, 0.0) + 1
    return counts
