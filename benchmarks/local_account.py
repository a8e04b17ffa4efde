"""What the benchmarks on the local cloud share: the account, its jobs, and the functions' processes."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dropreel.adapters.job_table import JOB_ROW
from dropreel_cli.stack import Stack
from local.cloud import ROOT, LocalCloud

SAMPLE = ROOT / "local" / "sample.jpg"
POLL_SECONDS = 0.5
_UPLOADERS = 8
_MESSAGE_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_WORKER = "ministack-lambda-"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class LocalAccount:
    """The local account as an operator has it. Times are seconds since 1970 on this machine's one clock."""

    cloud: LocalCloud
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        """The deployed template.yaml."""
        return self.cloud.stack

    def client(self, service: str) -> Any:
        """Return a boto3 client; the same one each time."""
        session: Any = self.stack.session
        if service not in self._clients:
            self._clients[service] = session.client(service, endpoint_url=self.stack.endpoint_url)
        return self._clients[service]

    def pages(self, service: str, operation: str, **request: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of an operation that has several."""
        yield from self.client(service).get_paginator(operation).paginate(**request)

    def put(self, key: str) -> None:
        """Upload the sample photograph."""
        bucket = self.stack.outputs["UploadsBucketName"]
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=SAMPLE.read_bytes())

    def put_many(self, folder: str, number: int) -> float:
        """Upload the photograph under so many keys, eight at a time; return when the first upload began."""
        self.client("s3")  # the threads share one
        began = time.time()
        with ThreadPoolExecutor(_UPLOADERS) as pool:
            list(pool.map(lambda index: self.put(f"{folder}/{index:04d}.jpg"), range(number)))
        return began

    def jobs(self, folder: str) -> list[dict[str, Any]]:
        """Return the jobs of a folder's images, as they stand in the job table."""
        tables: Any = self.stack.session.resource("dynamodb", endpoint_url=self.stack.endpoint_url)
        pages = tables.meta.client.get_paginator("scan").paginate(TableName=self.stack.outputs["JobsTableName"])
        jobs = (item for page in pages for item in page["Items"] if item["row"] == JOB_ROW)
        return [job for job in jobs if job["image"]["key"].startswith(f"{folder}/")]

    def wait_for_jobs(self, folder: str, number: int, seconds: float) -> list[dict[str, Any]]:
        """Return the folder's jobs once so many have ended, with their events, and nothing runs any more. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.is_idle():
                jobs = self.jobs(folder)
                if len(jobs) == number and not any("waiting" in job for job in jobs):
                    return jobs
            time.sleep(POLL_SECONDS)
        raise TimeoutError(f"{number} jobs of {folder} have not ended within {seconds:.0f} seconds")

    def is_idle(self) -> bool:
        """Whether the queue is empty and no execution runs: two small calls, to disturb little."""
        outputs = self.stack.outputs
        counts = self.client("sqs").get_queue_attributes(
            QueueUrl=outputs["QueueUrl"], AttributeNames=list(_MESSAGE_COUNTS)
        )
        if any(int(count) for count in counts["Attributes"].values()):
            return False
        running = self.client("stepfunctions").list_executions(
            stateMachineArn=outputs["StateMachineArn"], statusFilter="RUNNING", maxResults=1
        )
        return not running["executions"]

    def function_processes(self) -> list[tuple[str, float]]:
        """Return each process that the engine runs a function in: the function's name, and processor seconds so far.

        The engine starts one for each concurrent invocation, and keeps it.
        """
        found = []
        for thread in Path(f"/proc/{self.cloud.engine.process.pid}/task").iterdir():
            with suppress(OSError):  # it has just ended
                children = (thread / "children").read_text(encoding="ascii").split()
                found += [process for pid in map(int, children) if (process := _function_process(pid))]
        return found


def _function_process(pid: int) -> tuple[str, float] | None:
    with suppress(OSError, IndexError):  # it has just ended
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        folder = Path(command[1]).parent.name
        if folder.startswith(_WORKER):
            return logical_name(folder), cpu_seconds_of(pid)
    return None


def cpu_seconds_of(pid: int) -> float:
    """Return the processor time that a process has taken so far, from /proc. Raises OSError where it is not there."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / _TICKS


def logical_name(physical: str) -> str:
    """Return a function's name in the template: `stack-CheckStatusFunction-1A2B` is `CheckStatus`."""
    return next((part for part in physical.split("-") if part.endswith("Function")), physical).removesuffix("Function")
