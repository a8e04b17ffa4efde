"""Counts what AWS would bill for one video, from what really happened on the local cloud."""

import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks.local_account import LocalAccount
from benchmarks.measure import Progress
from dropreel.adapters.job_table import JOB_ROW
from dropreel.domain.job import JobStatus
from local.cloud import running_cloud

Counts = Mapping[str, float]
"""How much there was of what; names that `bill.PRICES` has are priced."""


def subtract(after: Counts, before: Counts) -> dict[str, float]:
    """Return what was added between two counts."""
    return {name: after.get(name, 0.0) - before.get(name, 0.0) for name in {**before, **after}}


def multiply(counts: Counts, factor: float) -> dict[str, float]:
    """Return each count so many times."""
    return {name: count * factor for name, count in counts.items()}


def add(*several: Counts) -> dict[str, float]:
    """Return the sum of counts."""
    return {name: sum(one.get(name, 0.0) for one in several) for name in {k for one in several for k in one}}


WAITING_INDEX = ("waiting", "created_at")
INDEXES = (WAITING_INDEX, ("listed", "created_at"), ("image_key", "created_at"))
"""The keys of the job table's index, which has KEYS_ONLY."""
DAY_UNITS = 2.0
"""The write units of a claim in the spend table: a small item, in a transaction."""
FULL_CORE_MEGABYTES = 1769
"""The memory of a Lambda function that has one core's power."""
LOG_EVENT_BYTES = 26
"""CloudWatch Logs counts so many bytes with each log event.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutLogEvents.html"""
CHUNK_BYTES = 64 * 1024
"""EventBridge counts each begun chunk of an event as one."""


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
    old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, *indexes: tuple[str, ...], in_transaction: bool
) -> int:
    """Return the write units of one change of an item: 1 KB each, twice in a transaction, and those of the indexes.

    Each of `indexes` has the attributes of a KEYS_ONLY index, whose entries are small: an entry that comes or goes is a
    unit, one that changes is two.
    """
    units = math.ceil(max(item_bytes(old or {}), item_bytes(new or {})) / 1024) * (2 if in_transaction else 1)
    for index in indexes:
        before, after = _index_entry(old, index), _index_entry(new, index)
        units += 0 if before == after else (before is not None) + (after is not None)
    return units


def _index_entry(item: Mapping[str, Any] | None, index: tuple[str, ...]) -> tuple[Any, ...] | None:
    if item is None or any(name not in item for name in index):
        return None
    return tuple(item[name] for name in index)


def count_changes(records: Iterable[Mapping[str, Any]], job_id: str) -> dict[str, float]:
    """Return the write units of a job's rows and of its claims on the day's item, from the job table's stream.

    `largest_item_bytes` is the job's own row at its largest.
    """
    claims, largest, units = 0, 0, 0.0
    for record in records:
        new, old = record.get("NewImage"), record.get("OldImage")
        if job_id not in (record["Keys"]["job_id"]["S"], (new or old or {}).get("claimed_by", {}).get("S")):
            continue
        is_job = record["Keys"]["row"]["S"] == JOB_ROW
        in_transaction = not is_job or _changes_with_submission(old, new)
        units += write_units(old, new, *INDEXES, in_transaction=in_transaction)
        if is_job and new is not None:
            largest = max(largest, item_bytes(new))
            claims += in_transaction and new["status"]["S"] == JobStatus.SUBMITTING
    return {
        "dynamodb_write_units": units + DAY_UNITS * claims,
        "claims": float(claims),
        "largest_item_bytes": float(largest),
    }


def _changes_with_submission(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> bool:
    """Whether the job was written in a transaction: with the row of a submission that begins or changes."""
    if old is None or new is None:
        return False
    statuses = {old["status"]["S"], new["status"]["S"]}
    return len(statuses) > 1 and bool(statuses & {JobStatus.SUBMITTING, JobStatus.GENERATING})


def billed_seconds(wall_seconds: float, cpu_seconds: float, megabytes: int) -> float:
    """Return how long Lambda would take for what took so long here: below 1,769 MB it gives less than one core's power.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    """
    return max(0.0, wall_seconds - cpu_seconds) + cpu_seconds * max(1.0, FULL_CORE_MEGABYTES / megabytes)


FUNCTIONS = ("SubmitGeneration", "CheckStatus", "DeliverVideo")
STATE_MACHINE = "GenerateVideo"
PARAMETERS = {"PollIntervalSeconds": "1", "GenerationTimeoutMinutes": "30", "UploadSettleSeconds": "0"}
CREATED_SECONDS = 0.5
END_SECONDS = 120
_MOST_EVENTS_A_LOOKUP = 50
_REPORT = re.compile(r"REPORT .*\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB")
_PRICED_CALLS = {
    # Service and call: the count that has its price; None where a call has none, or is counted by its units.
    "dynamodb:GetItem": None,
    "dynamodb:UpdateItem": None,
    "dynamodb:TransactWriteItems": None,
    "states:StartExecution": None,
    "events:PutEvents": None,
    "secretsmanager:GetSecretValue": "secret_calls",
    "sqs:SendMessage": "sqs_requests",
    "s3:PutObject": "s3_puts",
    "s3:CreateMultipartUpload": "s3_puts",
    "s3:ListObjects": "s3_puts",  # CloudTrail's name of ListObjectsV2; it is priced as a PUT
    "s3:GetObject": "s3_gets",
    "s3:HeadObject": "s3_gets",
}


@contextmanager
def metered_cloud(progress: Progress) -> Iterator[LocalAccount]:
    """Run a local cloud with a poll a second, a CloudTrail, and a stream of the job table's changes."""
    with running_cloud(progress, PARAMETERS, environment={"CLOUDTRAIL_RECORDING": "1"}) as cloud:
        account = LocalAccount(cloud)
        account.client("dynamodb").update_table(
            TableName=cloud.stack.outputs["JobsTableName"],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        yield account


@dataclass(frozen=True)
class Video:
    """What one video took, and the size of the job's row at its largest."""

    counts: dict[str, float]
    item_bytes: int


@dataclass
class Meter:
    """Counts everything since the deployment; a video's part is what was added while nothing else ran."""

    account: LocalAccount

    def measure_video(self, name: str, seconds: float) -> Video:
        """Make one video whose generation takes so many seconds, and count."""
        self.account.cloud.simulator.client.set_pace(
            created_seconds=CREATED_SECONDS, processing_seconds=seconds - CREATED_SECONDS
        )
        cpu_before, began = self._cpu_seconds(), time.time()
        self.account.put(f"{name}/image.jpg")
        (job,) = self.account.wait_for_jobs(name, 1, END_SECONDS)
        if job["status"] != "completed":
            raise RuntimeError(f"the video was not made: {job['status']}")
        changes = count_changes(self._stream_records(), str(job["job_id"]))
        if not changes["claims"]:
            raise RuntimeError("the job table's stream does not have the claim")
        counts = add(
            {"polls": float(job["polls"]), "transitions": self._transitions(f"{job['job_id']}-{job['attempt']}")},
            count_calls(self._calls(began)),
            changes,
            self._logs(began, subtract(self._cpu_seconds(), cpu_before)),
            # What the services do themselves, and the upload.
            {"s3_puts": 1.0, "sqs_requests": 3.0, "events": 1.0},
            {"provider_calls": float(job["polls"]) + 3.0},  # the submission, DeliverVideo's poll, the download
        )
        return Video(counts, int(changes["largest_item_bytes"]))

    def _transitions(self, execution: str) -> float:
        """Return how many states an execution has entered."""
        arn = self.account.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{execution}"
        pages = self.account.pages("stepfunctions", "get_execution_history", executionArn=arn)
        return float(sum(event["type"].endswith("StateEntered") for page in pages for event in page["events"]))

    def _calls(self, since: float) -> list[dict[str, Any]]:
        """Return the CloudTrail records of what was called with keys of functions' roles.

        A look-up gives 50 records at most and takes whole seconds, so each second is looked up separately.
        """
        trail, found = self.account.client("cloudtrail"), {}
        for second in range(int(since), int(time.time()) + 1):
            events = trail.lookup_events(
                StartTime=datetime.fromtimestamp(second, UTC), EndTime=datetime.fromtimestamp(second + 1, UTC)
            )["Events"]
            if len(events) >= _MOST_EVENTS_A_LOOKUP:
                raise RuntimeError("more calls in a second than a look-up gives: calls would be missed")
            found.update({event["EventId"]: event for event in events if event["EventTime"].timestamp() >= since})
        return [
            json.loads(event["CloudTrailEvent"])
            for event in found.values()
            if event.get("AccessKeyId", "").startswith("ASIA")  # temporary keys: a role's
        ]

    def _stream_records(self) -> Iterable[dict[str, Any]]:
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

    def _cpu_seconds(self) -> dict[str, float]:
        """Return the functions' processor seconds so far, by function."""
        return add(*({function: seconds} for function, seconds in self.account.function_processes()))

    def _logs(self, since: float, cpu_seconds: Counts) -> dict[str, float]:
        """Return invocations, GB-seconds and log bytes since then, from the logs of the functions and of the state machine.

        `state_log_bytes` and `state_log_events` are the state machine's part of the bytes, and the events of its history.
        """
        listed = self.account.client("cloudformation").describe_stack_resources(StackName=self.account.stack.name)
        physical = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed["StackResources"]}
        counts = {"lambda_requests": 0.0, "lambda_gb_seconds": 0.0, "log_bytes": 0.0}

        def lines_of(step: str) -> list[str]:
            pages = self.account.pages(
                "logs", "filter_log_events", logGroupName=physical[f"{step}LogGroup"], startTime=int(since * 1000)
            )
            return [event["message"] for page in pages for event in page["events"]]

        for function in FUNCTIONS:
            lines = lines_of(function)
            reports = [found for line in lines if (found := _REPORT.search(line))]
            wall, megabytes = sum(int(found[1]) for found in reports) / 1000, int(reports[0][2])
            seconds = billed_seconds(wall, cpu_seconds.get(function, 0.0), megabytes)
            counts["lambda_requests"] += len(reports)
            counts["lambda_gb_seconds"] += seconds * megabytes / 1024
            counts["log_bytes"] += log_bytes(lines)
        states = lines_of(STATE_MACHINE)
        if not states:
            raise RuntimeError("the state machine has no log")
        counts["log_bytes"] += log_bytes(states)
        return {**counts, "state_log_bytes": log_bytes(states), "state_log_events": float(len(states))}


def log_bytes(lines: Iterable[str]) -> float:
    """Return what CloudWatch Logs counts of lines."""
    return float(sum(len(line.encode()) + LOG_EVENT_BYTES for line in lines))


def count_calls(calls: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the counts of calls, from CloudTrail's records. Raises LookupError for a call whose price is not known."""
    counts = {"aws_calls": 0.0, "dynamodb_read_units": 0.0, "events": 0.0}
    for call in calls:
        name = f"{call['eventSource'].partition('.')[0]}:{call['eventName']}"
        if name not in _PRICED_CALLS:
            raise LookupError(f"no price is known for the call {name}")
        counts["aws_calls"] += 1
        request = call.get("requestParameters") or {}
        if name == "dynamodb:GetItem":  # of items below 4 KB, which `bill.figures_of` checks
            counts["dynamodb_read_units"] += 1.0 if request.get("ConsistentRead") else 0.5
        elif name == "events:PutEvents":
            counts["events"] += sum(math.ceil(len(json.dumps(one)) / CHUNK_BYTES) for one in request["Entries"])
        elif (count := _PRICED_CALLS[name]) is not None:
            counts[count] = counts.get(count, 0.0) + 1
    return counts
