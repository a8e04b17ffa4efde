"""moto as a server on loopback, our real wiring and handlers against it, and the provider simulator beside it."""

import importlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer

import dropreel.wiring
from dropreel.adapters.job_table import JOB_ROW
from dropreel.domain.prices import DOCUMENTED
from local.provider_simulator.client import SimulatorClient
from local.provider_simulator.process import running_simulator
from tests.lint.rendered_state_machine import rendered
from tests.support.sample_events import from_queue, object_created
from tests.support.templates import load_template
from tests.support.validated_events import validate_event

SAMPLE = Path(__file__).resolve().parents[2] / "local" / "sample.jpg"
TEMPLATE = SAMPLE.parents[1] / "template.yaml"
TABLES = {"jobs": "JobsTable", "spend": "SpendTable"}
STEPS = {"CheckStatus": "check_status", "DeliverVideo": "deliver_video", "ReportFailure": "report_failure"}
WIRED = (
    "_client",
    "_session",
    "_secrets",
    "submit_generation",
    "prepare_image",
    "check_status",
    "deliver_video",
    "report_failure",
    "sweep_jobs",
    "note_dead_letter",
)


@dataclass
class Context:
    """The context object that Lambda passes to a handler."""

    function_name: str = "function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"
    seconds: int = 30

    def get_remaining_time_in_millis(self) -> int:
        """Return the function's whole time-out, as at its start."""
        return 1000 * self.seconds


def time_out_of(step: str) -> int:
    """Return the time-out of a step's function in seconds."""
    function = _resources()[f"{step.title().replace('_', '')}Function"]
    return int(function["Properties"].get("Timeout", 30))


def call(step: str, event: dict[str, Any]) -> dict[str, Any]:
    """Call a step's handler as Lambda does."""
    answer: dict[str, Any] = importlib.import_module(f"functions.{step}.handler").handler(
        event, Context(seconds=time_out_of(step))
    )
    return answer


@cache
def client(service: str) -> Any:
    """Return a client of moto, made once for all tests: it takes longer to make than to use."""
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    return session.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"])


@dataclass
class MotoStack:
    """The stack's resources in moto, and the provider simulator."""

    simulator: SimulatorClient
    uploads: str = "uploads"
    videos: str = "videos"
    table: str = "jobs"
    spend: str = "spend"
    tail_url: str = ""
    queue_url: str = ""
    prepare_queue_url: str = ""
    prepared: str = "prepared"
    state_machine_arn: str = ""

    def upload(self, key: str, body: bytes = b"", metadata: dict[str, str] | None = None) -> dict[str, Any]:
        """Put an object into the uploads bucket; return the queue's event about it."""
        put = client("s3").put_object(
            Bucket=self.uploads, Key=key, Body=body or SAMPLE.read_bytes(), Metadata=metadata or {}
        )
        size = len(body or SAMPLE.read_bytes())
        return from_queue(object_created(self.uploads, key, size, put["ETag"], put["VersionId"], "0055AED6DCD90281E5"))

    def jobs(self) -> list[dict[str, Any]]:
        """Return every job, without the rows of attempts, generations and pictures."""
        return [row for row in self._rows() if row["row"] == JOB_ROW]

    def attempts(self) -> list[tuple[str, str, str]]:
        """Return row, status and charge of every submission, in the order of the rows' names."""
        rows = sorted((row for row in self._rows() if row["row"].startswith("attempt#")), key=lambda row: row["row"])
        return [(row["row"], row["status"], row["charge"]) for row in rows]

    def _rows(self) -> list[dict[str, Any]]:
        return boto3.resource("dynamodb").Table(self.table).scan()["Items"]

    def job(self) -> dict[str, Any]:
        """Return the only job."""
        (job,) = self.jobs()
        return job

    def events(self) -> list[dict[str, Any]]:
        """Return the events that reached the bus since the last call. Each must follow its schema."""
        found = []
        while messages := client("sqs").receive_message(QueueUrl=self.tail_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                validate_event({"account": "123456789012", **found[-1]})  # moto delivers events without it
                client("sqs").delete_message(QueueUrl=self.tail_url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def deliver_retry_messages(self) -> list[str]:
        """Call SubmitGeneration with each message that is visible in the submission queue; return the outcomes."""
        return self._deliver("submit_generation", self.queue_url)

    def deliver_prepare_messages(self) -> list[str]:
        """Call PrepareImage with each message in its queue; return the outcomes."""
        return self._deliver("prepare_image", self.prepare_queue_url)

    def _deliver(self, step: str, queue_url: str) -> list[str]:
        sqs, outcomes = client("sqs"), []
        for message in sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", []):
            outcomes.append(call(step, from_queue(json.loads(message["Body"])))["outcome"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return outcomes

    def reserved_cents(self) -> int:
        """Return what is reserved on all days, in US cents."""
        items: list[dict[str, Any]] = boto3.resource("dynamodb").Table(self.spend).scan()["Items"]
        return sum(int(item["reserved_cents"]) for item in items)

    def executions(self) -> Sequence[Mapping[str, Any]]:
        """Return the state machine's executions."""
        return client("stepfunctions").list_executions(stateMachineArn=self.state_machine_arn)["executions"]


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    default_user_config["lambda"] = {"use_docker": False}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["MOTO_PORT"] = str(port)  # where moto's state machine looks for moto's Lambda
    yield f"http://{host}:{port}"
    server.stop()
    del os.environ["MOTO_PORT"]


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatorClient]:
    with running_simulator("key", created_seconds=0, processing_seconds=0) as running:
        yield running.client


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set environment variables and clear the wiring that was cached with the earlier ones."""

    def apply(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        for name in WIRED:
            getattr(dropreel.wiring, name).cache_clear()

    return apply


@pytest.fixture
def stack(
    moto_endpoint: str,
    simulator: SimulatorClient,
    monkeypatch: pytest.MonkeyPatch,
    settings: Callable[..., None],
) -> Iterator[MotoStack]:
    import requests

    requests.post(f"{moto_endpoint}/moto-api/reset", timeout=10)
    simulator.reset()
    simulator.set_pace(created_seconds=0, processing_seconds=0)
    for name, value in {
        "AWS_ENDPOINT_URL": moto_endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    stack = MotoStack(simulator)
    _make_buckets_and_table(stack)
    secret = client("secretsmanager").create_secret(Name="key", SecretString="key")
    stack.tail_url = _listen_to_the_bus()
    stack.queue_url = client("sqs").create_queue(QueueName="submissions")["QueueUrl"]
    stack.prepare_queue_url = client("sqs").create_queue(QueueName="prepare")["QueueUrl"]
    dead_letters = client("sqs").create_queue(QueueName="dead-letters")["QueueUrl"]
    tasks = _Tasks()
    stack.state_machine_arn = _state_machine(monkeypatch, tasks)
    settings(
        JOBS_TABLE_NAME=stack.table,
        VIDEOS_BUCKET_NAME=stack.videos,
        IMAGE_BUCKET_NAMES=stack.uploads,
        EXISTING_UPLOADS_BUCKET_NAME="",
        UPLOADS_PREFIX="",
        STACK_NAME="dropreel",
        EVENT_BUS_NAME="default",
        SPEND_TABLE_NAME=stack.spend,
        QUEUE_URL=stack.queue_url,
        PREPARE_IMAGES="when-needed",
        PRICES_USD=DOCUMENTED.text,
        PREPARE_QUEUE_URL=stack.prepare_queue_url,
        PREPARED_BUCKET_NAME=stack.prepared,
        DEAD_LETTER_QUEUE_URL=dead_letters,
        DAILY_SPEND_LIMIT_USD="50",
        MAX_ATTEMPTS="2",
        RETRY_CONTENT_REFUSALS="false",
        AMBIGUOUS_SUBMIT_POLICY="park",
        STATE_MACHINE_ARN=stack.state_machine_arn,
        API_KEY_SECRET_ARN=secret["ARN"],
        API_BASE_URL=simulator.base_url,
        REHEARSAL="false",
        GENERATION_TIMEOUT_MINUTES="1",
        MAX_VIDEO_BYTES="2147483648",
        DEFAULT_PROMPT="zoom in",
        DEFAULT_NEGATIVE_PROMPT="",
        DEFAULT_MODE="fast",
        DEFAULT_DURATION="5",
        DEFAULT_ASPECT_RATIO="auto",
        DEFAULT_CFG_SCALE="0.5",
        DEFAULT_SOUND="true",
    )
    yield stack
    tasks.close()
    for name in WIRED:
        getattr(dropreel.wiring, name).cache_clear()


def _make_buckets_and_table(stack: MotoStack) -> None:
    s3 = client("s3")
    for bucket in (stack.uploads, stack.videos, stack.prepared):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for table in (stack.table, stack.spend):
        make_table(table)


@cache
def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = load_template(str(TEMPLATE))["Resources"]
    return resources


def make_table(name: str) -> None:
    """Create one of the stack's tables with the keys and indexes of template.yaml."""
    properties = _resources()[TABLES[name]]["Properties"]
    wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    boto3.client("dynamodb").create_table(
        TableName=name, **{key: properties[key] for key in wanted if key in properties}
    )


def _listen_to_the_bus() -> str:
    sqs, events = client("sqs"), client("events")
    url = sqs.create_queue(QueueName="tail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="tail", EventPattern=json.dumps({"source": ["dropreel"]}))
    events.put_targets(Rule="tail", Targets=[{"Id": "tail", "Arn": arn}])
    return url


class _Tasks:
    """Calls our handlers for the state machine of one test. An execution that outlives its test calls none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False

    def call(self, step: str, event: dict[str, Any]) -> dict[str, Any]:
        """Call a step's handler, one at a time."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the execution's test has ended")
            return call(step, event)

    def close(self) -> None:
        """Wait for the handler that runs; let no further one begin."""
        with self._lock:
            self._closed = True


_tasks_of: dict[str, _Tasks] = {}
"""By the id in the ARNs of a test's functions: moto's executions go on when their test has ended."""


def _state_machine(monkeypatch: pytest.MonkeyPatch, tasks: _Tasks) -> str:
    """Create the real state machine in moto, with its tasks calling our handlers."""
    test_id = uuid4().hex
    _tasks_of[test_id] = tasks

    def invoke(self: LambdaSimpleBackend, function_name: str, qualifier: Any, body: Any, *_: Any, **__: Any) -> bytes:
        name, of_test = function_name.rpartition(":")[2].split("-")
        return json.dumps(_tasks_of[of_test].call(STEPS[name], json.loads(body))).encode()

    functions = {
        f"{name}FunctionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}-{test_id}" for name in STEPS
    }
    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
    made = client("stepfunctions").create_state_machine(
        name="generate-video",
        definition=rendered({"PollIntervalSeconds": "1", **functions}),
        roleArn="arn:aws:iam::123456789012:role/states",
    )
    return made["stateMachineArn"]
