"""Small stand-ins for everything outside: they keep state, so that tests can look at what came of it.

All of them write into one journal, which tells in which order things happened.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from dropreel.adapters.attribute_values import attribute_value
from dropreel.adapters.image_bucket import Missing
from dropreel.adapters.job_table import JobTable, item_of
from dropreel.adapters.video_bucket import StoredVideo
from dropreel.adapters.video_source import VideoStream
from dropreel.domain.backoff import LONGEST_SECONDS
from dropreel.domain.errors import PublishFault
from dropreel.domain.job import ImageRef, Job, execution_name
from dropreel.domain.messages import Drop, RetryMessage
from dropreel.media.images.reader import MAX_IMAGE_BYTES
from dropreel.provider.answers import PollAnswer, PollFault, SubmitAnswer
from tests.support.memory_dynamodb import MemoryDynamoDB
from tests.support.sample_jobs import NOON
from tests.support.tables import Tables


class OutOfOrderError(Exception):
    """The outside does not work just now, as a time-out or a crash would look."""


@dataclass
class Clock:
    """Stands still until it is told to go on."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Outside:
    """Writes the journal, and breaks down where it is told to: before or after doing what it was asked."""

    journal: list[str]
    broken_before: set[str] = field(default_factory=set)
    broken_after: set[str] = field(default_factory=set)

    def enters(self, action: str) -> None:
        if action in self.broken_before:
            raise OutOfOrderError(action)
        self.journal.append(action)

    def leaves(self, action: str) -> None:
        if action in self.broken_after:
            raise OutOfOrderError(action)


@dataclass
class Database(Outside):
    """The two tables. The journal has `get`, `query`, `count_poll`, `discard`, and `save <status>` for each save of a job."""

    tables: Tables = field(default_factory=Tables)
    unreadable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.client = cast("Any", MemoryDynamoDB(self.tables, self._around))
        self._quiet = cast("Any", MemoryDynamoDB(self.tables))

    def _around(self, operation: str, arguments: dict[str, Any], act: Callable[[], Any]) -> Any:
        action = self._action(operation, arguments)
        if operation == "GetItem" and arguments["Key"].get("job_id", {}).get("S") in self.unreadable:
            raise OutOfOrderError(str(arguments["Key"]))
        self.enters(action)
        answer = act()
        self.leaves(action)
        return answer

    def _action(self, operation: str, arguments: dict[str, Any]) -> str:
        match operation:
            case "GetItem":
                return "get"
            case "Query":
                return "query"
            case "DeleteItem":
                return "discard"
            case "TransactWriteItems":
                arguments = arguments["TransactItems"][0]["Update"]
        values = arguments["ExpressionAttributeValues"]
        if ":generating" in values:
            return "count_poll"
        there = self.tables.items["jobs"].get((arguments["Key"]["job_id"]["S"], "job"), {})
        return f"save {values.get(':status', there.get('status'))['S']}"

    def put(self, job: Job) -> None:
        """Let the table hold this job as it is, whatever was there."""
        saved = replace(job, version=job.version or 1)
        item = {**item_of(saved), "job_id": saved.job_id, "row": "job", "version": saved.version}
        self.tables.items["jobs"][saved.job_id, "job"] = {
            name: attribute_value(value) for name, value in item.items() if value is not None
        }

    def job(self, job_id: str) -> Job | None:
        """Return a job without a trace in the journal."""
        return JobTable(self._quiet, "jobs").get(job_id)

    def jobs(self) -> list[Job]:
        """Return all jobs, in the order in which they came."""
        found = [self.job(job_id) for job_id, row in self.tables.items["jobs"] if row == "job"]
        return [job for job in found if job is not None]

    def reserve(self, day: str, cents: int) -> None:
        """Let so many cents be reserved on a day."""
        self.tables.items["spend"][(day,)] = {"day": {"S": day}, "reserved_cents": {"N": str(cents)}}

    @property
    def reserved(self) -> dict[str, int]:
        """What is reserved a day, in cents."""
        return {day["day"]: int(day["reserved_cents"]) for day in self.tables.days()}


@dataclass
class FakeQueue(Outside):
    """Keeps our own messages and how long each is delayed, never longer than SQS can."""

    sent: list[tuple[RetryMessage, int]] = field(default_factory=list)

    def send(self, message: RetryMessage, delay_seconds: float = 0) -> None:
        self.enters("send")
        self.sent.append((message, min(max(0, round(delay_seconds)), LONGEST_SECONDS)))
        self.leaves("send")


@dataclass
class FakeDeadLetterQueue(Outside):
    """Keeps the messages that could not be processed."""

    letters: list[Drop | RetryMessage] = field(default_factory=list)

    def messages(self) -> Iterator[Drop | RetryMessage]:
        self.enters("dead_letters")
        yield from self.letters


@dataclass
class FakeStoredImage(Outside):
    """One image as it lies in the bucket."""

    content: bytes | None = b""
    bucket: str = "uploads"
    key: str = "holiday/beach.jpg"
    version_id: str | None = "v1"
    etag: str = '"e1"'
    last_modified: datetime = NOON
    metadata: dict[str, str] = field(default_factory=dict)
    presigned_as: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return MAX_IMAGE_BYTES + 1 if self.content is None else len(self.content)

    @property
    def sha256(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()

    def presigned_url(self, content_type: str) -> str:
        self.enters("presign")
        self.presigned_as.append(content_type)
        return f"https://{self.bucket}.s3.amazonaws.com/{self.key}?X-Amz-Signature=5ec2e7"


@dataclass
class FakeImageBucket(Outside):
    """A bucket with one image, or with none, and with small files beside it."""

    stored: FakeStoredImage | Missing = Missing.GONE
    files: dict[str, bytes | Missing] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)

    def find(self, image: ImageRef, size: int | None = None) -> FakeStoredImage | Missing:
        self.enters("find")
        return self.stored

    def list_keys(self, bucket: str, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        self.enters("list_keys")
        self.listed.append(f"{bucket}/{prefix}")
        found = sorted(key for key in self.files if key.startswith(prefix) and key > after)
        return found[:most], len(found) > most

    def read_file(self, bucket: str, key: str, most: int) -> bytes | Missing:
        self.enters("read_file")
        content = self.files.get(key, Missing.GONE)
        return content if isinstance(content, Missing) else content[:most]


@dataclass
class FakeProvider(Outside):
    """Answers what it is told to, and keeps each submission that was really sent."""

    submit_answer: SubmitAnswer | None = None
    poll_answer: PollAnswer = field(default_factory=lambda: PollFault("not told"))
    sent: list[dict[str, Any]] = field(default_factory=list)
    polled: list[str] = field(default_factory=list)

    def prepare(self, body: dict[str, Any]) -> "FakeSubmission":
        self.enters("prepare")
        return FakeSubmission(self, body)

    def poll(self, generation_id: str) -> PollAnswer:
        self.enters("poll")
        self.polled.append(generation_id)
        return self.poll_answer


@dataclass
class FakeSubmission:
    """A submission that was prepared."""

    provider: FakeProvider
    body: dict[str, Any]

    def send(self) -> SubmitAnswer:
        self.provider.enters("post")
        self.provider.sent.append(self.body)
        self.provider.leaves("post")
        assert self.provider.submit_answer is not None
        return self.provider.submit_answer


@dataclass
class FakeStateMachine(Outside):
    """Keeps the executions; a second start under the same name changes nothing."""

    executions: dict[str, str | None] = field(default_factory=dict)

    statuses: dict[str, str] = field(default_factory=dict)

    def status_of(self, job: Job) -> str | None:
        return self.status(execution_name(job))

    def status(self, arn: str) -> str | None:
        self.enters("status_of")
        name = arn.rpartition(":")[2]
        return self.statuses.get(name, "RUNNING") if name in self.executions else None

    def start(self, job: Job, generation_id: str | None = None) -> None:
        self.enters("start")
        self.executions.setdefault(execution_name(job), generation_id or job.generation_id)
        self.leaves("start")


@dataclass
class FakeBus(Outside):
    """Keeps what was published."""

    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    takes_nothing: bool = False
    takes_nothing_of: set[str] = field(default_factory=set)
    stack: str = "shop"

    def publish(self, event_type: str, detail: dict[str, Any]) -> None:
        if self.takes_nothing or detail["data"]["job_id"] in self.takes_nothing_of:
            raise PublishFault(event_type)
        self.enters("publish")
        self.published.append((str(event_type), detail))
        self.leaves("publish")

    @property
    def types(self) -> list[str]:
        return [event_type for event_type, _detail in self.published]


@dataclass
class FakeVideoSource(Outside):
    """Has one video behind every address."""

    content: bytes = b""
    tells_its_length: bool = True
    opened: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, result_url: str) -> Iterator[VideoStream]:
        self.enters("open")
        self.opened.append(result_url)
        yield VideoStream(iter([self.content]), 10_000_000, len(self.content) if self.tells_its_length else None)


@dataclass
class FakeVideoBucket(Outside):
    """Keeps videos that were whole; a stream that raises leaves nothing behind."""

    bucket: str = "videos"
    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put(self, key: str, video: VideoStream, metadata: dict[str, str], replaces: str | None = None) -> str:
        self.enters("put")
        content = video.read()
        self.objects[key] = (content, metadata)
        self.leaves("put")
        return f"version-{sha256(content)[:8]}"

    def find(self, key: str, metadata: dict[str, str]) -> StoredVideo | None:
        self.enters("find_video")
        if key not in self.objects:
            return None
        content, stored = self.objects[key]
        stream = VideoStream(iter([content]), len(content), len(content)) if stored == metadata else None
        return StoredVideo(f'"{sha256(content)}"', f"version-{sha256(content)[:8]}", stream)

    def put_receipt(self, key: str, receipt: dict[str, Any]) -> None:
        self.enters("put_receipt")
        self.receipts[key] = receipt
        self.leaves("put_receipt")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
