"""Fakes of every service that the code calls. They keep state, so that tests can assert on it.

All of them write their actions into one journal, in the order of the calls.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from dropreel.adapters.items import attribute_value
from dropreel.adapters.job_table import JobTable, item_of
from dropreel.domain.backoff import LONGEST_SECONDS
from dropreel.domain.errors import PublishFault
from dropreel.domain.images import ImageRef, Missing
from dropreel.domain.job import Job, execution_name
from dropreel.domain.messages import Drop, RetryMessage
from dropreel.domain.options import Options
from dropreel.media.images.preparation import HEAD_BYTES
from dropreel.media.video_stream import StoredVideo, VideoStream
from dropreel.provider.limits import MAX_IMAGE_BYTES
from dropreel.provider.poll_answers import PollAnswer, PollFault
from dropreel.provider.submit_answers import SubmitAnswer
from tests.support.memory_dynamodb import MemoryDynamoDB
from tests.support.sample_jobs import NOON
from tests.support.tables import Tables
from tests.support.validated_events import validate_detail

PREPARED_BUCKET = "prepared"


class OutageError(Exception):
    """A fake service fails. To the code under test it looks like a time-out or a crash."""


@dataclass
class Clock:
    """A clock that a test advances."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeService:
    """Writes the journal. An action in `fails_before` fails without an effect, one in `fails_after` after it took effect."""

    journal: list[str]
    fails_before: set[str] = field(default_factory=set)
    fails_after: set[str] = field(default_factory=set)

    def begin(self, action: str) -> None:
        if action in self.fails_before:
            raise OutageError(action)
        self.journal.append(action)

    def end(self, action: str) -> None:
        if action in self.fails_after:
            raise OutageError(action)


@dataclass
class Database(FakeService):
    """The two tables. The journal has `get`, `query`, `count_poll`, `discard`, and `save <status>` for each save of a job."""

    tables: Tables = field(default_factory=Tables)
    unreadable: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.client = cast("Any", MemoryDynamoDB(self.tables, self._around))
        self._quiet = cast("Any", MemoryDynamoDB(self.tables))

    def _around(self, operation: str, arguments: dict[str, Any], act: Callable[[], Any]) -> Any:
        action = self._action(operation, arguments)
        if operation == "GetItem" and arguments["Key"].get("job_id", {}).get("S") in self.unreadable:
            raise OutageError(str(arguments["Key"]))
        self.begin(action)
        answer = act()
        self.end(action)
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
        """Write a job to the table unconditionally."""
        saved = replace(job, version=job.version or 1)
        item = {**item_of(saved), "job_id": saved.job_id, "row": "job", "version": saved.version}
        self.tables.items["jobs"][saved.job_id, "job"] = {
            name: attribute_value(value) for name, value in item.items() if value is not None
        }

    def job(self, job_id: str) -> Job | None:
        """Return a job without a trace in the journal."""
        return JobTable(self._quiet, "jobs").get(job_id)

    def jobs(self) -> list[Job]:
        """Return all jobs, in the order of their creation."""
        found = [self.job(job_id) for job_id, row in self.tables.items["jobs"] if row == "job"]
        return [job for job in found if job is not None]

    def set_reserved(self, day: str, cents: int) -> None:
        """Set what is reserved on a day, in US cents."""
        self.tables.items["spend"][(day,)] = {"day": {"S": day}, "reserved_cents": {"N": str(cents)}}

    @property
    def reserved(self) -> dict[str, int]:
        """What is reserved on each day, in US cents."""
        return {day["day"]: int(day["reserved_cents"]) for day in self.tables.days()}


@dataclass
class FakeQueue(FakeService):
    """Keeps the retry messages and their delays in seconds, at most what SQS allows."""

    sent: list[tuple[RetryMessage, int]] = field(default_factory=list)
    action: str = "send"

    def send(self, message: RetryMessage, delay_seconds: float = 0) -> None:
        self.begin(self.action)
        self.sent.append((message, min(max(0, round(delay_seconds)), LONGEST_SECONDS)))
        self.end(self.action)


@dataclass
class FakeDeadLetterQueue(FakeService):
    """Keeps messages that were received too often."""

    letters: list[Drop | RetryMessage] = field(default_factory=list)

    def messages(self) -> Iterator[Drop | RetryMessage]:
        self.begin("dead_letters")
        yield from self.letters


@dataclass
class FakeStoredImage(FakeService):
    """One image in the bucket."""

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

    head: bytes = b""

    def __post_init__(self) -> None:
        self.head = self.head or (self.content or b"")[:HEAD_BYTES]

    @property
    def sha256(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()

    def presigned_url(self, content_type: str) -> str:
        self.begin("presign")
        self.presigned_as.append(content_type)
        return f"https://{self.bucket}.s3.amazonaws.com/{self.key}?X-Amz-Signature=5ec2e7"


@dataclass
class FakeImageBucket(FakeService):
    """A bucket with at most one image, and with option files; `prepared` has the prepared bucket's objects."""

    stored: FakeStoredImage | Missing = Missing.GONE
    prepared: dict[str, FakeStoredImage] = field(default_factory=dict)
    files: dict[str, bytes | Missing] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)

    def find(self, image: ImageRef, size: int | None = None) -> FakeStoredImage | Missing:
        self.begin("find")
        if image.bucket == PREPARED_BUCKET:
            return self.prepared.get(image.key, Missing.GONE)
        return self.stored

    @contextmanager
    def download(self, image: ImageRef, size: int | None = None) -> Iterator["FakeDownload | Missing"]:
        self.begin("download")
        if isinstance(self.stored, Missing):
            yield self.stored
            return
        content = self.stored.content if self.stored.content is not None else self.stored.head
        yield FakeDownload(Path(self.stored.key), len(content), hashlib.sha256(content).hexdigest())

    def list_keys(self, bucket: str, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        self.begin("list_keys")
        self.listed.append(f"{bucket}/{prefix}")
        found = sorted(key for key in self.files if key.startswith(prefix) and key > after)
        return found[:most], len(found) > most

    def read_file(self, bucket: str, key: str, most: int) -> bytes | Missing:
        self.begin("read_file")
        content = self.files.get(key, Missing.GONE)
        return content if isinstance(content, Missing) else content[:most]


@dataclass
class FakeDownload:
    """A downloaded image."""

    path: Path
    size: int
    sha256: str


@dataclass
class FakePreparedBucket(FakeService):
    """The prepared bucket, whose objects the image bucket finds."""

    images: FakeImageBucket = field(kw_only=True)
    bucket: str = PREPARED_BUCKET

    def put(self, key: str, content: bytes, content_type: str) -> None:
        self.begin("put_prepared")
        self.images.prepared[key] = FakeStoredImage(self.journal, content=content, bucket=self.bucket, key=key)
        self.end("put_prepared")


@dataclass
class FakeProvider(FakeService):
    """Gives the answers that a test sets, and keeps the body of each POST."""

    submit_answer: SubmitAnswer | None = None
    poll_answer: PollAnswer = field(default_factory=lambda: PollFault("no answer was set"))
    sent: list[dict[str, Any]] = field(default_factory=list)
    polled: list[str] = field(default_factory=list)

    def prepare(self, options: Options, image_url: str) -> "FakeSubmission":
        self.begin("prepare")
        return FakeSubmission(self, {**options._asdict(), "image_url": image_url})

    def poll(self, generation_id: str) -> PollAnswer:
        self.begin("poll")
        self.polled.append(generation_id)
        return self.poll_answer


@dataclass
class FakeSubmission:
    """A prepared submission."""

    provider: FakeProvider
    body: dict[str, Any]

    def send(self) -> SubmitAnswer:
        self.provider.begin("post")
        self.provider.sent.append(self.body)
        self.provider.end("post")
        assert self.provider.submit_answer is not None
        return self.provider.submit_answer


@dataclass
class FakeStateMachine(FakeService):
    """Keeps the executions. A second start under the same name changes nothing."""

    executions: dict[str, str | None] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)

    def status_of(self, job: Job) -> str | None:
        return self.status(execution_name(job))

    def status(self, arn: str) -> str | None:
        self.begin("status_of")
        name = arn.rpartition(":")[2]
        return self.statuses.get(name, "RUNNING") if name in self.executions else None

    def start(self, job: Job, generation_id: str | None = None) -> None:
        self.begin("start")
        self.executions.setdefault(execution_name(job), generation_id or job.generation_id)
        self.end("start")


@dataclass
class FakeBus(FakeService):
    """Keeps the published events. Each must follow its schema."""

    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuses_all: bool = False
    refused_job_ids: set[str] = field(default_factory=set)
    stack: str = "shop"

    def publish(self, event_type: str, detail: dict[str, Any]) -> None:
        if self.refuses_all or detail["data"]["job_id"] in self.refused_job_ids:
            raise PublishFault(event_type)
        validate_detail(event_type, detail)
        self.begin("publish")
        self.published.append((str(event_type), detail))
        self.end("publish")

    @property
    def types(self) -> list[str]:
        return [event_type for event_type, _detail in self.published]


@dataclass
class FakeVideoSource(FakeService):
    """Serves one video under every address."""

    content: bytes = b""
    sends_length: bool = True
    opened: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, result_url: str) -> Iterator[VideoStream]:
        self.begin("open")
        self.opened.append(result_url)
        yield VideoStream(iter([self.content]), 10_000_000, len(self.content) if self.sends_length else None)


@dataclass
class FakeVideoBucket(FakeService):
    """Keeps complete videos. A stream that raises leaves no object."""

    bucket: str = "videos"
    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put(self, key: str, video: VideoStream, metadata: dict[str, str], replaces: str | None = None) -> str:
        self.begin("put")
        content = video.read()
        self.objects[key] = (content, metadata)
        self.end("put")
        return f"version-{sha256(content)[:8]}"

    def find(self, key: str, metadata: dict[str, str]) -> StoredVideo | None:
        self.begin("find_video")
        if key not in self.objects:
            return None
        content, stored = self.objects[key]
        stream = VideoStream(iter([content]), len(content), len(content)) if stored == metadata else None
        return StoredVideo(f'"{sha256(content)}"', f"version-{sha256(content)[:8]}", stream)

    def put_receipt(self, key: str, receipt: dict[str, Any]) -> None:
        self.begin("put_receipt")
        self.receipts[key] = receipt
        self.end("put_receipt")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
