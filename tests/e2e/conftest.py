"""The local cloud, deployed once for all end-to-end tests by the real SAM CLI from the unchanged template."""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from dropreel.adapters.job_table import JOB_ROW, JobTable
from dropreel.domain.job import Job
from dropreel_cli.connection import LOCAL_CLOUD_VARIABLE
from dropreel_cli.stack import Stack
from local.cloud import ROOT, LocalCloud, local_cloud_description, running_cloud
from local.event_tail import EventTail, event_tail
from local.provider_simulator.client import SimulatorClient
from tests.e2e.forked_calls import ForkedCalls, forked_calls
from tests.e2e.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.support.command_documents import validate_document
from tests.support.validated_events import validate_event

EXISTING_BUCKET = "pictures-from-before"
# Quick polls, more images than a day may cost, and what is empty by default.
PARAMETERS = {
    "PollIntervalSeconds": "1",
    "GenerationTimeoutMinutes": "30",
    "DailySpendLimitUsd": "unlimited",
    "ExistingUploadsBucketName": EXISTING_BUCKET,
    "UploadsPrefix": "test-",
    "NotificationEmail": "operator@example.com",
    "Tracing": "Active",
}
FRAMES_PER_SECOND = 4
"""Of the simulator's videos: a video is an MP4 of the duration asked for, with a sixth of the pictures to encode."""
RUN_PYTHON = ROOT / ".venvs" / "run" / "bin" / "python"
"""What `make run`, `up`, `drop`, `deploy` and `remove` start: it has none of the development libraries."""
COMMAND = ROOT / ".venvs" / "command" / "bin" / "dropreel"
SAMPLE = ROOT / "local" / "sample.jpg"
_numbers = itertools.count()


@dataclass
class Account:
    """The local account: stock clients, the stack's names, the events on the bus, the provider simulator."""

    cloud: LocalCloud
    tail: EventTail
    webhooks: WebhookReceiver
    resources: dict[str, str] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        return self.cloud.stack

    @property
    def simulator(self) -> SimulatorClient:
        return self.cloud.simulator.client

    @property
    def uploads(self) -> str:
        return self.stack.outputs["UploadsBucketName"]

    @property
    def videos(self) -> str:
        return self.stack.outputs["VideosBucketName"]

    def client(self, service: str) -> Any:
        """Return a boto3 client with the account's own credentials, which may do everything."""
        session: Any = self.stack.session  # boto3's stubs have no overload for a service's name in a variable
        return session.client(service, endpoint_url=self.stack.endpoint_url)

    def aws(self, *arguments: str) -> Any:
        """Run the stock `aws` client; return what it prints, decoded where it is JSON."""
        done = self.run("aws", *arguments)
        assert done.returncode == 0, done.stderr
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def run(self, command: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `aws` or `sam` from its environment against the local cloud."""
        place = ROOT / ".venvs" / ("aws" if command == "aws" else "run") / "bin" / command
        environment = {**os.environ, **self.cloud.engine.environment, "SAM_CLI_TELEMETRY": "0", "AWS_PAGER": ""}
        return subprocess.run(
            [str(place), *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def new_key(self, name: str = "image.jpg") -> str:
        """Return a key that no other test uses."""
        return f"test-{next(_numbers)}/{name}"

    def put(self, key: str, body: bytes | None = None, metadata: dict[str, str] | None = None) -> dict[str, Any]:
        """Upload an object; the sample photograph where no body is given."""
        content = SAMPLE.read_bytes() if body is None else body
        answer: dict[str, Any] = self.client("s3").put_object(
            Bucket=self.uploads, Key=key, Body=content, Metadata=metadata or {}
        )
        return answer

    def jobs_of(self, key: str) -> list[Job]:
        """Return the jobs of the image with this key."""
        table = JobTable(self.client("dynamodb"), self.stack.outputs["JobsTableName"])
        pages = table.client.get_paginator("scan").paginate(
            TableName=table.table,
            FilterExpression="#row = :job AND image.#key = :key",
            ExpressionAttributeNames={"#row": "row", "#key": "key"},
            ExpressionAttributeValues={":job": {"S": JOB_ROW}, ":key": {"S": key}},
        )
        mine = [item["job_id"]["S"] for page in pages for item in page["Items"]]
        return [job for job in map(table.get, mine) if job is not None]

    def job_when(self, key: str, condition: Callable[[Job], bool], seconds: float = 60) -> Job:
        """Return the image's job once the condition holds. Raises AssertionError after `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for job in self.jobs_of(key):
                if condition(job):
                    return job
            time.sleep(0.2)
        raise AssertionError(f"the condition does not hold after {seconds} s for {key}: {self.jobs_of(key)}")

    def ended(self, key: str, seconds: float = 60) -> Job:
        """Return the image's job once it has ended and all its events are published."""
        return self.job_when(key, lambda job: job.is_terminal and not job.pending_events, seconds)

    def physical(self, logical_id: str) -> str:
        """Return the physical name of a resource of the stack or of its nested stacks."""
        if not self.resources:
            self.resources.update(self._names(self.stack.name))
        return self.resources[logical_id]

    def _names(self, stack: str) -> Iterator[tuple[str, str]]:
        listed = self.client("cloudformation").describe_stack_resources(StackName=stack)
        for one in listed["StackResources"]:
            yield one["LogicalResourceId"], one["PhysicalResourceId"]
            if one["ResourceType"] == "AWS::CloudFormation::Stack":
                yield from self._names(one["PhysicalResourceId"])

    def submitted(self, key: str) -> list[dict[str, Any]]:
        """Return the submissions of the image with this key, as the simulator recorded them."""
        found = []
        for submission in self.simulator.submissions():
            path = unquote(submission["request"].get("image_url", ""))
            if path.endswith(f"/{key}"):
                found.append(submission)
        return found


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    subprocess.run(["make", "build", "build-local"], cwd=ROOT, check=True, capture_output=True)
    with (
        webhook_receiver() as webhooks,
        running_cloud(
            lambda _: None,
            {**PARAMETERS, "WebhookUrl": webhooks.url},
            created_seconds=0,
            processing_seconds=0,
            frames_per_second=FRAMES_PER_SECOND,
        ) as cloud,
        event_tail(cloud.stack, validate_event) as tail,
    ):
        yield Account(cloud, tail, webhooks)
        tail.events()  # those that no test has looked at must follow their schemas, too


@dataclass(frozen=True)
class InstalledCommand:
    """The `dropreel` command, installed from its wheel, as a process of its own.

    `run` starts the executable. `call` and `json` fork a process in which the same wheel is imported already: a start takes
    half a second of a processor, most of it imports. What a test says about starts, signals, terminals, pipes and wrong calls
    takes the executable; `test_command_forked.py` shows that both ways are the same.
    """

    cloud_file: Path
    forks: ForkedCalls | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment it runs in: a user's, with the local cloud's file and no AWS account."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        return {**inherited, LOCAL_CLOUD_VARIABLE: str(self.cloud_file)}

    def run(
        self, *arguments: str, answers: str = "", cwd: Path | None = None, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run it to its end, without a terminal. `answers` is its standard input."""
        return subprocess.run(
            [str(COMMAND), *arguments],
            input=answers,
            cwd=cwd,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def call(
        self, *arguments: str, answers: str = "", cwd: Path | None = None, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Do what `run` does, in a forked process."""
        assert self.forks is not None
        return self.forks.run(arguments, answers, cwd, {**self.environment, **environment})

    def json(self, *arguments: str) -> Any:
        """Call it with `--local --json`; return the document that it prints, valid by its schema. It must end with 0."""
        done = self.call(*arguments, "--local", "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        validate_document(document, arguments[0])
        return document


@pytest.fixture(scope="session")
def dropreel(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledCommand]:
    subprocess.run(["make", ".venvs/command/dropreel"], cwd=ROOT, check=True, capture_output=True)
    file = tmp_path_factory.mktemp("local") / "cloud.json"
    file.write_text(json.dumps(local_cloud_description(account.cloud)), encoding="utf-8")
    command = InstalledCommand(file)
    with forked_calls(tmp_path_factory.mktemp("streams"), command.environment) as forks:
        yield replace(command, forks=forks)


@pytest.fixture(autouse=True)
def reset_simulator(account: Account) -> Iterator[None]:
    yield
    account.simulator.clear_faults()
    account.simulator.set_pace(created_seconds=0, processing_seconds=0)
