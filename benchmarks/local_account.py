"""What the benchmarks on the local cloud share: the account, the engine's own floor, its processes, how figures are kept."""

import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import rounded, target
from cli.stack import Stack
from dropreel.adapters.job_table import JOB_ROW
from local.cloud import ROOT, LocalCloud
from local.event_tail import EventTail

SAMPLE = ROOT / "local" / "sample.jpg"
FLOOR_TEMPLATE = Path(__file__).with_name("engine_floor.yaml")
FLOOR_NAME = "engine-floor"
_LOOK_SECONDS = 0.5
_UPLOADERS = 8
_WAITING = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_WORKER = "ministack-lambda-"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Upload:
    """When an upload was begun, and when S3's answer was there."""

    began_at: float
    finished_at: float


@dataclass
class LocalAccount:
    """The local account as its owner has it. Times are seconds since 1970 on this machine's one clock."""

    cloud: LocalCloud
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        """The deployed template.yaml."""
        return self.cloud.stack

    def client(self, service: str) -> Any:
        """Return a boto3 client of the account's owner; the same one each time."""
        session: Any = self.stack.session
        if service not in self._clients:
            self._clients[service] = session.client(service, endpoint_url=self.stack.endpoint_url)
        return self._clients[service]

    def put(self, key: str, bucket: str | None = None) -> Upload:
        """Upload the sample photograph."""
        body, began = SAMPLE.read_bytes(), time.time()
        self.client("s3").put_object(Bucket=bucket or self.stack.outputs["UploadsBucketName"], Key=key, Body=body)
        return Upload(began, time.time())

    def put_many(self, folder: str, number: int, bucket: str | None = None) -> float:
        """Upload the photograph under so many keys, eight at a time; return when the first upload began."""
        self.client("s3")
        began = time.time()
        with ThreadPoolExecutor(_UPLOADERS) as pool:
            list(pool.map(lambda index: self.put(f"{folder}/{index:04d}.jpg", bucket), range(number)))
        return began

    def jobs(self, *folders: str) -> list[dict[str, Any]]:
        """Return the jobs of these folders' images, as they stand in the job table."""
        prefixes = tuple(f"{folder}/" for folder in folders)
        table = self.stack.session.resource("dynamodb", endpoint_url=self.stack.endpoint_url).Table(
            self.stack.outputs["JobsTableName"]
        )
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while True:
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else {}
            page = dict(table.scan(**start))
            jobs = (item for item in page["Items"] if item["row"] == JOB_ROW)
            found += [job for job in jobs if job["image"]["key"].startswith(prefixes)]
            if "LastEvaluatedKey" not in page:
                return found

    def jobs_when_ended(self, folder: str, number: int, seconds: float) -> list[dict[str, Any]]:
        """Return the folder's jobs once so many have ended, with their events, and nothing works any more. Raises TimeoutError."""
        found: list[dict[str, Any]] = []

        def ended() -> bool:
            if not self.is_idle(self.stack.outputs):
                return False
            found[:] = self.jobs(folder)
            return len(found) == number and not any("waiting" in job for job in found)

        wait_until(ended, seconds, f"{number} jobs of {folder} have ended")
        return found

    def is_idle(self, outputs: dict[str, str]) -> bool:
        """Whether a stack's queue is empty and none of its executions runs: asked in two small calls, to disturb little."""
        counts = self.client("sqs").get_queue_attributes(QueueUrl=outputs["QueueUrl"], AttributeNames=list(_WAITING))
        if any(int(count) for count in counts["Attributes"].values()):
            return False
        running = self.client("stepfunctions").list_executions(
            stateMachineArn=outputs["StateMachineArn"], statusFilter="RUNNING", maxResults=1
        )
        return not running["executions"]

    def deploy_floor(self) -> "Floor":
        """Create the stack of empty functions beside the real one. Raises botocore's WaiterError where that fails."""
        formation = self.client("cloudformation")
        formation.create_stack(
            StackName=FLOOR_NAME,
            TemplateBody=FLOOR_TEMPLATE.read_text(encoding="utf-8"),
            Capabilities=["CAPABILITY_IAM"],
        )
        formation.get_waiter("stack_create_complete").wait(
            StackName=FLOOR_NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        return Floor(self, Stack.find(FLOOR_NAME, self.stack.session, self.stack.endpoint_url).outputs)


@dataclass
class Floor:
    """The stack of empty functions: what the engine takes for the same way."""

    account: LocalAccount
    outputs: dict[str, str]

    def put(self, key: str) -> Upload:
        """Upload the sample photograph."""
        return self.account.put(key, self.outputs["UploadsBucketName"])

    def start(self, done_at: float, poll_seconds: int) -> str:
        """Start an execution that finds its work done at `done_at`; return its ARN."""
        document = {"done_at": done_at, "poll_seconds": poll_seconds}
        started = self.account.client("stepfunctions").start_execution(
            stateMachineArn=self.outputs["StateMachineArn"], input=json.dumps(document)
        )
        return str(started["executionArn"])

    def wait_for_executions(self, number: int, since: float, seconds: float) -> float:
        """Wait until so many executions that were started since then have ended well; return when the last one ended.

        Raises TimeoutError, or RuntimeError where one failed.
        """
        found: list[dict[str, Any]] = []

        def ended() -> bool:
            if not self.account.is_idle(self.outputs):
                return False
            pages = (
                self.account.client("stepfunctions")
                .get_paginator("list_executions")
                .paginate(stateMachineArn=self.outputs["StateMachineArn"])
            )
            every = [one for page in pages for one in page["executions"]]
            found[:] = [one for one in every if one["startDate"].timestamp() >= since]
            return len(found) >= number

        wait_until(ended, seconds, f"{number} executions of empty functions have ended")
        if failed := {one["status"] for one in found} - {"SUCCEEDED"}:
            raise RuntimeError(f"executions of empty functions ended as {', '.join(failed)}")
        return max(float(one["stopDate"].timestamp()) for one in found)

    def submitted(self) -> dict[str, float]:
        """Return by key when the empty function behind the queue was started, as far as its log lines have come."""
        lines = log_lines(self.account, self.outputs["SubmittedLogGroup"])
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return {line["name"]: line["at"] for line in told}

    def delivered(self, execution: str) -> float:
        """Return when an execution came to its last empty function."""
        history = self.account.client("stepfunctions").get_execution_history(executionArn=execution, reverseOrder=True)
        entered = (
            float(event["timestamp"].timestamp())
            for event in history["events"]
            if event["type"] == "TaskStateEntered" and event["stateEnteredEventDetails"]["name"] == "Deliver"
        )
        return next(entered)


def log_lines(account: LocalAccount, group: str, since: float = 0) -> list[str]:
    """Return the messages of a log group from `since` on."""
    pages = (
        account.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=group, startTime=int(since * 1000))
    )
    return [event["message"] for page in pages for event in page["events"]]


def completed_events(account: LocalAccount, tail: EventTail) -> dict[str, float]:
    """Return by the image's key when the bus gave its `Completed` event to the tail's queue.

    SQS keeps that time to the millisecond, so that it does not matter when this is called.
    """
    found = {}
    sqs = account.client("sqs")
    while messages := sqs.receive_message(
        QueueUrl=tail.queue_url, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]
    ).get("Messages"):
        for message in messages:
            event = json.loads(message["Body"])
            if event["detail-type"].endswith("Completed"):
                found[event["detail"]["data"]["image"]["key"]] = int(message["Attributes"]["SentTimestamp"]) / 1000
            sqs.delete_message(QueueUrl=tail.queue_url, ReceiptHandle=message["ReceiptHandle"])
    return found


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Look twice a second until it is so. Raises TimeoutError after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return
        time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"not within {seconds:.0f} seconds: {what}")


# --- processes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FunctionProcess:
    """One process that the engine runs a function in: the function's name, resident bytes, processor seconds so far."""

    pid: int
    function: str
    resident_bytes: int
    cpu_seconds: float


def function_processes(engine_pid: int) -> Iterator[FunctionProcess]:
    """Yield the functions' processes of an engine, from /proc. The engine starts one for each concurrent invocation."""
    for pid in _children(engine_pid):
        with suppress(OSError, ValueError, IndexError):  # it has just ended
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            folder = Path(command[1]).parent.name
            if not folder.startswith(_WORKER):
                continue
            pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
            function = folder.removeprefix(_WORKER).rpartition("-")[0]
            yield FunctionProcess(pid, function, pages * _PAGE, cpu_seconds_of(pid))


def cpu_seconds_of(pid: int) -> float:
    """Return the processor time that a process has taken so far, from /proc. Raises OSError where it is not there."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / _TICKS


def logical_name(function: str) -> str:
    """Return a function's name in the template from its physical one: `stack-CheckStatusFunction-1A2B` is `CheckStatus`."""
    return next((part for part in function.split("-") if part.endswith("Function")), function).removesuffix("Function")


def _children(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            yield from map(int, (thread / "children").read_text(encoding="ascii").split())


# --- figures ----------------------------------------------------------------------------------------------------------


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the percentile, between two values where it falls between them. Raises ValueError where there is no value."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def figures(values: Sequence[float]) -> dict[str, float]:
    """Return median, 95th percentile, least, greatest and number of values."""
    return {
        "median": rounded(percentile(values, 50)),
        "p95": rounded(percentile(values, 95)),
        "min": rounded(min(values)),
        "max": rounded(max(values)),
        "runs": len(values),
    }


def held_to(what: str, value: float, at_most: float, unit: str = "") -> dict[str, Any]:
    """Return a target that a value must not pass, in the value's unit."""
    return {**target(what, value, at_most=at_most), "target": f"at most {at_most:g} {unit}".strip()}


def pairwise_slopes(points: Sequence[tuple[float, float]]) -> list[float]:
    """Return the slope from each point (x, y) to the next."""
    return [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.pairwise(points)]
