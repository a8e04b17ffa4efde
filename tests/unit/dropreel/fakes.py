"""Small stand-ins for everything outside: they keep state, so that tests can look at what came of it.

All of them write into one journal, which tells in which order things happened.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from dropreel.adapters.image_bucket import Missing
from dropreel.adapters.ledger import NotClaimed
from dropreel.adapters.video_bucket import StoredVideo
from dropreel.adapters.video_source import VideoStream
from dropreel.answers import PollAnswer, PollFault, SubmitAnswer
from dropreel.errors import PublishFault
from dropreel.fingerprints import Picture
from dropreel.images import MAX_IMAGE_BYTES
from dropreel.jobs import (
    A_PERSON,
    TELLING,
    ImageRef,
    Job,
    JobStatus,
    Money,
    PollFaultNote,
    Reason,
    VideoObject,
    execution_name,
)
from dropreel.messages import Again
from dropreel.spending import SpendLimit, day_of
from dropreel.waiting import LONGEST_SECONDS
from tests.unit.dropreel.sample_jobs import NOON


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
class FakeJobTable(Outside):
    """Keeps jobs under the same conditions as the real table."""

    jobs: dict[str, Job] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def get(self, job_id: str) -> Job | None:
        self.enters("get")
        if job_id in self.unreadable:
            raise OutOfOrderError(job_id)
        return self.jobs.get(job_id)

    def create(self, job: Job, event: str) -> Job | None:
        found = self.jobs.get(job.job_id)
        if found is not None and (found.status is not JobStatus.DEFERRED or found.options):
            return None
        return self.write("create", job, event)

    def hold(self, job: Job, reason: Reason, at: datetime, event: str) -> Job | None:
        untold = None if job.held_in_attempt == job.attempt else event
        changes = {"status": JobStatus.HELD, "reason": reason, "updated_at": at, "held_in_attempt": job.attempt}
        return self.change("hold", job, JobStatus.DEFERRED, untold, sent_at=None, sends=0, **changes)

    def defer_next_attempt(self, job: Job, reason: Reason, money: Money, at: datetime) -> Job | None:
        return self.change_if_told(
            "defer_next_attempt",
            job,
            job.status,
            status=JobStatus.DEFERRED,
            attempt=job.attempt + 1,
            defers=0,
            retry_at=None,
            sent_at=None,
            sends=0,
            deferred_since=at,
            deferred_reason=None,
            reason=reason,
            money=money,
            generation_id=None,
            submitted_at=None,
            watched_since=None,
            resumes=0,
            updated_at=at,
        )

    def note_deferral(self, job: Job, event: str) -> Job | None:
        if self.jobs[job.job_id].deferred_reason is not None:
            return None
        return self.change("note_deferral", job, JobStatus.DEFERRED, event, deferred_reason=job.reason)

    def note_sent(self, job: Job, at: datetime) -> Job | None:
        return self.change("note_sent", job, job.status, sent_at=at, sends=job.sends + 1)

    def note_taken(self, job: Job) -> None:
        self.change("note_taken", job, job.status, sent_at=None, sends=0)

    def note_dead_letter(self, job: Job, at: datetime, event: str | None = None) -> Job | None:
        found = self.jobs.get(job.job_id)
        if found is not None and found.status is not JobStatus.DEFERRED:
            return None
        return self.write("note_dead_letter", replace(job, status=JobStatus.DEFERRED, updated_at=at), event)

    def record_accepted(
        self, job: Job, generation_id: str, provider_status: str, at: datetime, event: str
    ) -> Job | None:
        return self.change(
            "record_accepted",
            job,
            JobStatus.SUBMITTING,
            event,
            status=JobStatus.GENERATING,
            generation_id=generation_id,
            provider_status=provider_status,
            submitted_at=at,
            watched_since=at,
            updated_at=at,
            money=Money.SPENT,
            reason=None,
        )

    def record_poll(self, job: Job, provider_status: str, at: datetime) -> Job | None:
        changes = {"provider_status": provider_status, "updated_at": at, "not_found_polls": 0}
        return self.change("record_poll", job, JobStatus.GENERATING, polls=self.jobs[job.job_id].polls + 1, **changes)

    def record_poll_fault(self, job: Job, message: str, at: datetime, *, not_found: bool) -> Job | None:
        found = self.jobs[job.job_id]
        changes = {
            "updated_at": at,
            "not_found_polls": job.not_found_polls + 1 if not_found else 0,
            "last_fault": PollFaultNote(message, at),
            "polls": found.polls + 1,
            "poll_faults": found.poll_faults + 1,
        }
        return self.change("record_poll_fault", job, JobStatus.GENERATING, **changes)

    def resume(self, job: Job, at: datetime) -> Job | None:
        changes = {"status": JobStatus.GENERATING, "watched_since": at, "resumes": job.resumes + 1, "reason": None}
        return self.change_if_told("resume", job, JobStatus.FAILED, not_found_polls=0, updated_at=at, **changes)

    def adopt(self, job: Job, generation_id: str, provider_status: str, at: datetime, event: str) -> Job | None:
        changes = {
            "status": JobStatus.GENERATING,
            "generation_id": generation_id,
            "provider_status": provider_status,
            "submitted_at": job.updated_at,
            "watched_since": at,
            "updated_at": at,
            "money": Money.SPENT,
            "reason": None,
        }
        return self.change_if_told("adopt", job, JobStatus.UNKNOWN, event, **changes)

    def finish(
        self,
        job: Job,
        status: JobStatus,
        at: datetime,
        event: str,
        reason: Reason | None = None,
        money: Money | None = None,
        video: VideoObject | None = None,
        warnings: tuple[str, ...] | None = None,
    ) -> Job | None:
        given = {"money": money, "video": video, "warnings": warnings}
        more: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return self.change("finish", job, job.status, event, status=status, reason=reason, updated_at=at, **more)

    def event_sent(self, job: Job, event: str) -> None:
        found = self.jobs[job.job_id]
        if (found.attempt, found.resumes) == (job.attempt, job.resumes):
            self.write("event_sent", replace(found, pending_events=found.pending_events - {event}))

    def told(self, job_id: str) -> None:
        self.enters("told")

    def leave_to_a_person(self, job_id: str) -> None:
        self.enters("leave_to_a_person")

    def waiting(self, what: str, created_until: datetime) -> Iterator[str]:
        """Oldest first, as the real index; every ended job waits for telling here, since the index lags behind."""
        found = [job for job in self.jobs.values() if _waits_for(job) == what]
        old = [job for job in found if job.created_at <= created_until]
        yield from [job.job_id for job in sorted(old, key=lambda job: job.created_at)]

    def change(self, action: str, job: Job, was: JobStatus, event: str | None = None, **changes: Any) -> Job | None:
        found = self.jobs.get(job.job_id)
        if found is None or (found.status, found.attempt, found.resumes) != (was, job.attempt, job.resumes):
            return None
        return self.write(action, replace(found, **changes), event)

    def change_if_told(
        self, action: str, job: Job, was: JobStatus, event: str | None = None, **changes: Any
    ) -> Job | None:
        return None if self.jobs[job.job_id].pending_events else self.change(action, job, was, event, **changes)

    def write(self, action: str, job: Job, event: str | None = None) -> Job:
        self.enters(action)
        self.jobs[job.job_id] = replace(job, pending_events=job.pending_events | ({event} if event else set()))
        self.leaves(action)
        return self.jobs[job.job_id]


def _waits_for(job: Job) -> str:
    if job.is_dead_letter and not job.pending_events:
        return A_PERSON
    return TELLING if job.is_terminal else job.status.value


@dataclass
class FakeLedger(Outside):
    """Claims jobs of a table and counts what is reserved a day, both or neither."""

    jobs: FakeJobTable = field(default_factory=lambda: FakeJobTable([]))
    limit: SpendLimit = field(default_factory=lambda: SpendLimit(5000))
    reserved: dict[str, int] = field(default_factory=dict)
    claims_elsewhere: bool = False
    pictures: dict[str, str] = field(default_factory=dict)
    copied_at: dict[str, datetime] = field(default_factory=dict)

    def claim(self, job: Job, now: datetime, lease: timedelta, picture: Picture | None = None) -> Job | NotClaimed:
        found = self.jobs.jobs.get(job.job_id)
        free = found is None or (found.status in (JobStatus.DEFERRED, JobStatus.HELD) and found.attempt == job.attempt)
        if self.claims_elsewhere or not free:
            return NotClaimed.TAKEN
        if picture is not None and not self._may_claim(picture, job):
            return NotClaimed.DUPLICATE
        room = self.limit.room_after(self.reserved_cents(day_of(now)))
        if room is not None and job.cost_cents > room:
            return NotClaimed.NO_MONEY
        self.enters("claim")
        day = day_of(now)
        claimed = replace(
            job,
            status=JobStatus.SUBMITTING,
            lease_until=now + lease,
            updated_at=now,
            reserved_day=day,
            sent_at=None,
            sends=0,
        )
        pending = frozenset() if found is None else found.pending_events
        self.jobs.jobs[job.job_id] = replace(claimed, pending_events=pending)
        self._add(day, job.cost_cents)
        if picture is not None:
            self.pictures[picture.item_key] = job.job_id
            if picture.is_copy:
                self.copied_at[picture.item_key] = picture.modified_at
        self.leaves("claim")
        return claimed

    def claimed_by(self, picture: Picture) -> str | None:
        return self.pictures.get(picture.item_key)

    def _may_claim(self, picture: Picture, job: Job) -> bool:
        if self.pictures.get(picture.item_key, job.job_id) == job.job_id:
            return True
        copied_at = self.copied_at.get(picture.item_key)
        return not picture.is_copy and (copied_at is None or copied_at < picture.modified_at)

    def give_back(
        self, job: Job, changes: dict[str, Any], reason: Reason, now: datetime, event: str | None = None
    ) -> bool:
        found = self.jobs.jobs.get(job.job_id)
        if found is None or (found.status, found.attempt) != (JobStatus.SUBMITTING, job.attempt):
            return False
        self.enters("give_back")
        written: dict[str, Any] = {**changes, "reason": reason, "updated_at": now, "reserved_day": None}
        pending = found.pending_events | ({event} if event else set())
        self.jobs.jobs[job.job_id] = replace(found, **written, pending_events=pending)
        self._add(job.reserved_day or day_of(now), -job.cost_cents)
        self.leaves("give_back")
        return True

    def reserved_cents(self, day: str) -> int:
        return self.reserved.get(day, 0)

    def _add(self, day: str, cents: int) -> None:
        self.reserved[day] = self.reserved_cents(day) + cents


@dataclass
class FakeQueue(Outside):
    """Keeps our own messages and how long each is delayed, never longer than SQS can."""

    sent: list[tuple[Again, int]] = field(default_factory=list)

    def send_again(self, job: Job, delay_seconds: int = 0) -> None:
        self.enters("send_again")
        self.sent.append((Again(job.job_id, job.attempt, job.defers), min(max(0, delay_seconds), LONGEST_SECONDS)))
        self.leaves("send_again")


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
        self.provider.enters("send")
        self.provider.sent.append(self.body)
        self.provider.leaves("send")
        assert self.provider.submit_answer is not None
        return self.provider.submit_answer


@dataclass
class FakeStateMachine(Outside):
    """Keeps the executions; a second start under the same name changes nothing."""

    executions: dict[str, str | None] = field(default_factory=dict)

    statuses: dict[str, str] = field(default_factory=dict)

    def status_of(self, job: Job) -> str | None:
        self.enters("status_of")
        name = execution_name(job)
        return self.statuses.get(name, "RUNNING") if name in self.executions else None

    def start(self, job: Job) -> None:
        self.enters("start")
        self.executions.setdefault(execution_name(job), job.generation_id)
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
