"""A world in which a function can die at any outside call, and the services deliver as they are allowed to.

The handlers, the wiring and the adapters are the real ones. DynamoDB and S3 are moto's, so the conditional expressions
are the real ones, too. The queue, the state machine's engine, the bus, the provider and the clock are played here, since
they are what redelivers, reorders, duplicates and kills.
"""

import json
import random
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.models import dynamodb_backends

import dropreel.wiring
from dropreel.adapters.video_source import VideoStream
from dropreel.answers import (
    Accepted,
    Ambiguous,
    Busy,
    Finished,
    GenerationFailed,
    InProgress,
    KeyRefused,
    NotSent,
    PollAnswer,
    Refused,
    SubmitAnswer,
)
from tests.integration.conftest import SAMPLE, STEPS, WIRED, call, make_table
from tests.sample_events import from_queue, object_created

PRICE = 47
VISIBILITY = timedelta(seconds=360)
MAX_RECEIVES = 5
RETRIES = {"CheckStatus": 8, "DeliverVideo": 6, "ReportFailure": 10}
VIDEO = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00" + b"\x00\x00\x00\x08moov" + b"\x00\x00\x00\x10mdat12345678"


class Crash(BaseException):
    """The function's process is gone: nothing in it runs any more, not even an `except Exception`."""


@dataclass
class Deaths:
    """Counts outside calls and does what is planned for them.

    `before` and `after` kill the function before the call and after it took effect; any other word lets somebody else work
    first: `duplicate` a second delivery of the same message, `sweep` the sweeper.
    """

    plan: dict[int, str] = field(default_factory=dict)
    meanwhile: Callable[[str], None] = lambda _: None
    count: int = 0
    trace: list[str] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)  # the first call of each invocation

    def around(self, name: str, act: Callable[[], Any]) -> Any:
        """Do one outside call, or die before or after it."""
        number = self.count
        self.count += 1
        self.trace.append(name)
        planned = self.plan.get(number)
        if planned == "before":
            raise Crash(f"before {name} (call {number})")
        if planned in ("duplicate", "sweep"):
            self.meanwhile(planned)
        result = act()
        if planned == "after":
            raise Crash(f"after {name} (call {number})")
        return result


@dataclass
class Submission:
    """One POST as the provider saw it."""

    image: str
    generation_id: str | None
    paid: bool
    polls: int = 0
    fails: bool = False


@dataclass
class Provider:
    """Answers POSTs by a script, one word each, and counts what it would bill."""

    deaths: Deaths
    script: list[str]
    submissions: list[Submission] = field(default_factory=list)

    def prepare(self, body: dict[str, Any]) -> "Prepared":
        """Like ProviderApi.prepare."""
        return Prepared(self, body["image_url"].partition("?")[0].rpartition("/")[2])

    def post(self, image: str) -> SubmitAnswer:
        """One POST takes effect."""
        word = self.script.pop(0) if self.script else "accept"
        paid = word in ("accept", "fail", "lost")
        generation_id = f"gen_{len(self.submissions)}" if paid else None
        self.submissions.append(Submission(image, generation_id, paid, fails=word == "fail"))
        if word in ("accept", "fail"):
            return Accepted(generation_id or "", "created")
        answers: dict[str, SubmitAnswer] = {
            "lost": Ambiguous("read time-out"),
            "lost unpaid": Ambiguous("the provider answered 500"),
            "busy": Busy(429, None),
            "refuse": Refused(400, "no"),
            "bad key": KeyRefused(401),
            "unreachable": NotSent("no route"),
        }
        return answers[word]

    def poll(self, generation_id: str) -> PollAnswer:
        """Like ProviderApi.poll: first in progress, then ended."""
        return self.deaths.around("provider poll", lambda: self._poll(generation_id))

    def _poll(self, generation_id: str) -> PollAnswer:
        (found,) = [one for one in self.submissions if one.generation_id == generation_id]
        found.polls += 1
        if found.polls == 1:
            return InProgress("processing")
        return GenerationFailed("it did not work") if found.fails else Finished("https://cdn.example/video.mp4")

    def paid(self, image: str) -> int:
        """Return how often the provider would bill for an image."""
        return sum(one.paid for one in self.submissions if one.image == image)


@dataclass
class Prepared:
    """Like ProviderApi's PreparedSubmission."""

    provider: Provider
    image: str

    def send(self) -> SubmitAnswer:
        """POST, with death possible before it and after it took effect."""
        answer: SubmitAnswer = self.provider.deaths.around("provider POST", lambda: self.provider.post(self.image))
        return answer


class Videos:
    """Like VideoSource, with a tiny video behind every address."""

    def __init__(self, deaths: Deaths) -> None:
        self.deaths = deaths

    @contextmanager
    def open(self, _: str) -> Iterator[VideoStream]:
        """Yield the video as a stream that checks itself."""
        pieces = self.deaths.around("video download", lambda: iter([VIDEO]))
        yield VideoStream(pieces, 1_000_000)


@dataclass
class Message:
    """A message of the submission queue."""

    body: str
    visible_at: datetime
    receives: int = 0


@dataclass
class Execution:
    """One execution of the state machine, as far as its definition has brought it."""

    state: dict[str, Any]
    at: str = "CheckStatus"
    status: str = "RUNNING"
    failures: int = 0
    due: datetime | None = None


class World:
    """One schedule: images, a script for the provider, deaths, and the services around."""

    numbers = iter(range(1_000_000))
    is_inside = False

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, script: list[str], plan: dict[int, str], limit: str, seed: int | None
    ) -> None:
        self.deaths = Deaths(plan, self._meanwhile)
        self.delivering: dict[str, Any] | None = None
        self.provider = Provider(self.deaths, list(script))
        self.now = datetime(2026, 11, 12, 23, 52, tzinfo=UTC)  # a new day is near: held jobs wait for it
        self.random = random.Random(seed)
        self.chaos = seed is not None
        self.queue: list[Message] = []
        self.dead: list[Message] = []
        self.executions: dict[str, Execution] = {}
        self.events: list[dict[str, Any]] = []
        self.images: list[str] = []
        self.most_reserved: dict[str, int] = {}
        number = next(self.numbers)
        self.jobs_table, self.spend_table = f"jobs-{number}", f"spend-{number}"
        self.limit = limit
        self.place = f"p{number}-"
        make_table(self.jobs_table)
        make_table(self.spend_table)
        self._wire(monkeypatch)

    def _wire(self, monkeypatch: pytest.MonkeyPatch) -> None:
        environment = {
            "JOBS_TABLE_NAME": self.jobs_table,
            "SPEND_TABLE_NAME": self.spend_table,
            "DAILY_SPEND_LIMIT_USD": self.limit,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(dropreel.wiring, "_provider", lambda: self.provider)
        monkeypatch.setattr(dropreel.wiring, "_now", lambda: self.deaths.around("clock", lambda: self.now))
        monkeypatch.setattr("dropreel.adapters.video_source.VideoSource", lambda *_: Videos(self.deaths))
        self.forget_processes()

    def forget_processes(self) -> None:
        """Let every function start in a new process."""
        for name in WIRED:
            getattr(dropreel.wiring, name).cache_clear()

    # --- the services' side of outside calls ---------------------------------------------------------------------------

    def api_call(self, real: Callable[..., Any], client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        """Take one AWS call of the code under test."""
        played: dict[str, Callable[[dict[str, Any]], Any]] = {
            "SendMessage": self._send_message,
            "StartExecution": self._start_execution,
            "DescribeExecution": self._describe_execution,
            "PutEvents": self._put_events,
        }
        act = played.get(operation)
        return self.deaths.around(
            operation, lambda: act(arguments) if act else self._really(real, client, operation, arguments)
        )

    def _really(self, real: Callable[..., Any], client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        """Make one call to moto; the calls that botocore makes inside it are not the code's own."""
        self.is_inside = True
        try:
            return real(client, operation, arguments)
        finally:
            self.is_inside = False

    def _send_message(self, arguments: dict[str, Any]) -> dict[str, Any]:
        visible_at = self.now + timedelta(seconds=arguments.get("DelaySeconds", 0))
        self.queue.append(Message(arguments["MessageBody"], visible_at))
        return {"MessageId": "1"}

    def _start_execution(self, arguments: dict[str, Any]) -> dict[str, Any]:
        name = arguments["name"]
        if name in self.executions:
            raise _refusal(dropreel.wiring.boto3.client("stepfunctions"), "ExecutionAlreadyExists", "StartExecution")
        self.executions[name] = Execution(json.loads(arguments["input"]), due=self.now + timedelta(seconds=5))
        return {"executionArn": name, "startDate": self.now}

    def _describe_execution(self, arguments: dict[str, Any]) -> dict[str, Any]:
        name = arguments["executionArn"].rpartition(":")[2]
        if name not in self.executions:
            raise _refusal(dropreel.wiring.boto3.client("stepfunctions"), "ExecutionDoesNotExist", "DescribeExecution")
        return {"status": self.executions[name].status}

    def _put_events(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.events += [{"type": one["DetailType"], **json.loads(one["Detail"])} for one in arguments["Entries"]]
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    # --- what the services do -----------------------------------------------------------------------------------------

    def upload(self, key: str) -> None:
        """Put an image into the bucket; its event goes to the queue."""
        key = self.place + key
        self.images.append(key)
        put = boto3.client("s3").put_object(Bucket="uploads", Key=key, Body=SAMPLE.read_bytes())
        event = object_created("uploads", key, SAMPLE.stat().st_size, put["ETag"], put["VersionId"], "seq")
        self.queue.append(Message(json.dumps(event), self.now))

    def run(self, hours: float = 400) -> None:
        """Let the services work, and the sweeper come every five minutes, until nothing is left to do."""
        end = self.now + timedelta(hours=hours)
        next_sweep = self.now + timedelta(minutes=5)
        while self.now < end:
            while self._something_due():
                pass
            if self.is_quiet():
                return
            self.now = min([next_sweep if not self._only_held() else self._midnight(), *self._dues()])
            if self.now >= next_sweep:
                next_sweep = self.now + timedelta(minutes=5)
                self._invoke("sweep_jobs", {})
                self._redrive()

    def is_quiet(self) -> bool:
        """Whether every image has an ended and told job and nothing is under way."""
        jobs = self.jobs()
        ended = all(
            job["status"] in ("completed", "failed", "rejected", "unknown") and not job.get("waiting") for job in jobs
        )
        running = any(one.status == "RUNNING" for one in self.executions.values())
        return ended and len(jobs) == len(self.images) and not self.queue and not self.dead and not running

    def _only_held(self) -> bool:
        """Whether nothing but tomorrow's money is waited for, so that the sweeps until midnight need not be played."""
        waiting = {job.get("waiting") for job in self.jobs()} - {None}
        return waiting == {"held"} and not self.queue and not self.dead and not self.running()

    def _midnight(self) -> datetime:
        return (self.now + timedelta(days=1)).replace(hour=0, minute=0, second=0)

    def _dues(self) -> list[datetime]:
        running = [one.due for one in self.executions.values() if one.status == "RUNNING" and one.due]
        return [due for due in [*running, *(message.visible_at for message in self.queue)] if due > self.now]

    def _something_due(self) -> bool:
        due: list[Callable[[], None]] = [
            *(lambda one=one: self.deliver(one) for one in self.queue if one.visible_at <= self.now),
            *(
                lambda one=one: self.advance(one)
                for one in self.executions.values()
                if one.status == "RUNNING" and (one.due or self.now) <= self.now
            ),
        ]
        if not due:
            return False
        (self.random.choice(due) if self.chaos else due[0])()
        self.check_always()
        return True

    def _meanwhile(self, who: str) -> None:
        """Somebody else works while a function is between two calls."""
        if who == "sweep":
            self._invoke("sweep_jobs", {})
        elif self.delivering is not None:
            event, self.delivering = self.delivering, None
            self._invoke("submit_generation", event)
            self.delivering = event

    def running(self) -> list[Execution]:
        """Return the executions that run."""
        return [one for one in self.executions.values() if one.status == "RUNNING"]

    def duplicate(self, message: Message, seconds: int = 0) -> None:
        """Let a message come a second time."""
        self.queue.append(Message(message.body, self.now + timedelta(seconds=seconds)))

    def wait(self, minutes: int) -> None:
        """Let time go by; the sweeper comes at its end."""
        self.now += timedelta(minutes=minutes)
        self._invoke("sweep_jobs", {})
        self._redrive()

    def deliver(self, message: Message) -> None:
        """Let SubmitGeneration take a message; it comes again unless the function returns."""
        message.receives += 1
        message.visible_at = self.now + VISIBILITY
        if self.chaos and self.random.random() < 0.15:
            self.duplicate(message, self.random.choice([0, 1, 400]))
        event = from_queue(json.loads(message.body))
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(message.receives)
        self.delivering = event
        answer = self._invoke("submit_generation", event)
        self.delivering = None
        if answer is not None:
            self.queue.remove(message)
        elif message.receives >= MAX_RECEIVES:
            self.queue.remove(message)
            self.dead.append(message)

    def _redrive(self) -> None:
        """What an operator does with the dead letters."""
        for message in self.dead:
            self.queue.append(Message(message.body, self.now))
        self.dead.clear()

    def advance(self, one: Execution) -> None:
        """One step of statemachine/generate_video.asl.json, with its retries and catches."""
        answer = self._invoke(STEPS[one.at], one.state)
        one.due = self.now + timedelta(seconds=5)
        if answer is None:
            one.failures += 1
            if one.failures > RETRIES[one.at]:
                one.failures = 0
                if one.at == "ReportFailure":
                    one.status = "FAILED"
                one.state["error"] = {"Error": "States.ALL", "Cause": "it died"}
                one.at = "ReportFailure"
            return
        one.failures = 0
        if one.at != "CheckStatus":
            one.status = "SUCCEEDED"
            return
        one.state["check"] = answer
        if answer["outcome"] == "ended":
            one.status = "SUCCEEDED"
        elif answer["outcome"] != "waiting":
            one.at = "DeliverVideo" if answer["outcome"] == "completed" else "ReportFailure"

    def _invoke(self, step: str, event: dict[str, Any]) -> dict[str, Any] | None:
        """Call a function; None if it raised or died."""
        self.deaths.firsts.append(self.deaths.count)
        try:
            return call(step, event)
        except Crash:
            self.forget_processes()
            return None
        except Exception:
            return None

    # --- what must be true --------------------------------------------------------------------------------------------

    def jobs(self) -> list[dict[str, Any]]:
        """Return every job, straight from moto's table: a check is not an outside call and costs no time."""
        return _rows(self.jobs_table)

    def reserved(self) -> int:
        """Return what is reserved on all days, in US cents."""
        items = _rows(self.spend_table)
        for item in items:
            self.most_reserved[item["day"]] = max(self.most_reserved.get(item["day"], 0), int(item["reserved_cents"]))
        return sum(int(item["reserved_cents"]) for item in items)

    def check_always(self) -> None:
        """At most one paid POST an attempt, and never past the cap: at any time."""
        attempts = {job["image"]["key"]: int(job["attempt"]) for job in self.jobs()}
        for image in self.images:
            assert self.provider.paid(image) <= attempts.get(image, 0), (
                f"{image} was paid for more than once an attempt"
            )
        self.reserved()
        if self.limit != "unlimited":
            cap = round(float(self.limit) * 100)
            assert all(cents <= cap for cents in self.most_reserved.values()), f"past the cap: {self.most_reserved}"

    def check_at_the_end(self) -> None:
        """Every image has exactly one outcome that was told, every cent is accounted for, no paid video is lost."""
        jobs = {job["image"]["key"]: job for job in self.jobs()}
        assert sorted(jobs) == sorted(self.images), "an image was forgotten"
        assert self.is_quiet(), f"not ended: {[(job['status'], job.get('waiting')) for job in jobs.values()]}"
        self.check_always()
        unpaid_unknown = 0
        for image, job in jobs.items():
            paid = self.provider.paid(image)
            if job["status"] == "unknown" and paid < int(job["attempt"]):
                unpaid_unknown += 1
            self._check_told(job)
            assert not (paid and job["status"] == "rejected"), f"{image}: paid and called rejected"
        billed = PRICE * sum(one.paid for one in self.provider.submissions)
        assert self.reserved() == billed + PRICE * unpaid_unknown, "the spend table is not what the provider would bill"

    def _check_told(self, job: dict[str, Any]) -> None:
        final = {"completed": "Completed", "failed": "Failed", "rejected": "Rejected", "unknown": "Unknown"}[
            job["status"]
        ]
        mine = [event for event in self.events if event["data"]["job_id"] == job["job_id"]]
        ends = {(event["type"], event["metadata"]["id"]) for event in mine if event["type"] not in _UNDER_WAY}
        assert len(ends) == 1, f"{job['status']} was told as {ends}"
        assert next(iter(ends))[0] == f"Video Generation {final}"
        if job["status"] == "completed":
            boto3.client("s3").head_object(Bucket=job["video"]["bucket"], Key=job["video"]["key"])


def _rows(table: str) -> list[dict[str, Any]]:
    return [item.to_regular_json() for item in dynamodb_backends["123456789012"]["us-east-1"].tables[table].all_items()]


_UNDER_WAY = ("Video Generation Submitted", "Video Generation Held")


def _refusal(client: Any, code: str, operation: str) -> ClientError:
    error: ClientError = getattr(client.exceptions, code)({"Error": {"Code": code, "Message": code}}, operation)
    return error


def play_services(monkeypatch: pytest.MonkeyPatch, current: Callable[[], World | None]) -> None:
    """Send every AWS call of the code under test through the world that runs now."""
    real = botocore.client.BaseClient._make_api_call
    clients: dict[str, Any] = {}

    def make_api_call(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        world = current()
        if world is None or world.is_inside or self not in clients.values():
            return real(self, operation, arguments)
        return world.api_call(real, self, operation, arguments)

    def client(service: str, **arguments: Any) -> Any:
        if service not in clients:
            clients[service] = make(service, **arguments)
        return clients[service]

    make = boto3.session.Session(region_name="us-east-1").client

    # The wiring's boto3: one client a service for all worlds, so that a schedule takes milliseconds.
    shared = types.SimpleNamespace(client=client)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", make_api_call)
    monkeypatch.setattr(dropreel.wiring, "boto3", shared)
