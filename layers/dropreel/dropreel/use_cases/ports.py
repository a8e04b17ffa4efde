"""What the use cases need of the outside, as protocols. The adapters implement them; tests pass fakes.

A method raises what its adapter raises (botocore's ClientError, requests' exceptions, or a DropreelError): a fault to retry.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from dropreel.domain.fingerprints import Picture
from dropreel.domain.images import ImageRef, Missing, PrepareReason
from dropreel.domain.job import EventType, Job
from dropreel.domain.messages import Drop, RetryMessage
from dropreel.domain.options import Options
from dropreel.domain.reasons import Reason
from dropreel.domain.spending import NotReserved, SpendLimit
from dropreel.domain.webhooks import WebhookAnswer
from dropreel.media.video_stream import StoredVideo, VideoStream
from dropreel.provider.poll_answers import PollAnswer
from dropreel.provider.submit_answers import SubmitAnswer


class Jobs(Protocol):
    """The job table."""

    def get(self, job_id: str) -> Job | None:
        """Return the job as it is now (a consistent read), or None."""

    def save(self, before: Job | None, after: Job) -> Job | None:
        """Save a transition if the job is still at `before.version`; None: it was changed, or its generation is another job's."""

    def redact(self, before: Job, after: Job, redacted: Callable[[Reason], Reason]) -> Job | None:
        """Save other texts of a job and of its submissions' reasons. None: it was changed."""

    def discard(self, job: Job) -> bool:
        """Delete a job that was never claimed or published. False: it was changed."""

    def count_poll(
        self, job: Job, at: datetime, *, provider_status: str | None = None, fault: str | None = None, **since: Any
    ) -> None:
        """Count one poll and keep its status or fault."""

    def holder_of(self, generation_id: str) -> str | None:
        """Return the id of the job that holds a generation, or None."""

    def waiting(self, what: str, created_until: datetime) -> Iterator[str]:
        """Yield the ids of jobs that wait for `what` (`Job.waits_for`), oldest first, created at `created_until` or before."""

    def count_waiting(self, what: str) -> tuple[int, datetime | None]:
        """Return how many jobs wait for `what`, and when the oldest of them was created."""


class Ledger(Protocol):
    """The spend table, in one transaction with the job table."""

    @property
    def limit(self) -> SpendLimit:
        """The day's limit."""

    def reserve(self, before: Job, claimed: Job, picture: Picture | None = None) -> Job | NotReserved:
        """Save a claim and reserve its price on its day, both or neither."""

    def release(self, before: Job, after: Job) -> Job | None:
        """Save a transition and release its reservation, both or neither. None: the job was changed."""

    def reserved_cents(self, day: str) -> int:
        """Return what is reserved on a day, in US cents."""

    def claimed_by(self, picture: Picture) -> str | None:
        """Return the id of the job that has claimed a picture, or None."""


class StoredImage(Protocol):
    """One version of an object in an uploads bucket, with its bytes if it is not larger than an image may be."""

    @property
    def bucket(self) -> str:
        """Its bucket."""

    @property
    def key(self) -> str:
        """Its key."""

    @property
    def version_id(self) -> str | None:
        """S3's version id; None in a bucket without versions."""

    @property
    def etag(self) -> str:
        """S3's entity tag."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    @property
    def last_modified(self) -> datetime:
        """When it was written."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Its user metadata, RFC 2047 words decoded."""

    @property
    def content(self) -> bytes | None:
        """Its bytes; None where it is too large to be read."""

    @property
    def sha256(self) -> str | None:
        """SHA-256 of its bytes in hex; None where they were not read."""

    @property
    def head(self) -> bytes:
        """Its first bytes, whatever its size."""

    def presigned_url(self, content_type: str) -> str:
        """Return an address that anyone can read it from. It is a secret: never log or store it."""


class DownloadedImage(Protocol):
    """All bytes of an object in a temporary file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    @property
    def sha256(self) -> str:
        """SHA-256 of its bytes in hex."""


class Images(Protocol):
    """The uploads buckets."""

    def find(self, image: ImageRef, size: int | None = None) -> StoredImage | Missing:
        """Return the image with its bytes, or why it cannot be read. `size`: what its event says, in bytes."""

    def list_keys(self, bucket: str, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        """Return at most `most` keys with a prefix that sort after `after`, and whether there are more."""

    def read_file(self, bucket: str, key: str, most: int) -> bytes | Missing:
        """Return an object's first `most` bytes, or why it cannot be read."""


class Originals(Protocol):
    """The uploads buckets, as Prepare Image reads them."""

    def download(self, image: ImageRef, size: int | None = None) -> AbstractContextManager[DownloadedImage | Missing]:
        """Yield the image in a temporary file, or why it cannot be read."""


class PreparedPicture(Protocol):
    """What is made of a picture: a JPEG or PNG that the provider takes, and why."""

    @property
    def content(self) -> bytes:
        """Its bytes."""

    @property
    def reasons(self) -> tuple[PrepareReason, ...]:
        """Why it was prepared."""

    @property
    def original_format(self) -> str:
        """The original's format, such as `HEIC`."""

    @property
    def original_width(self) -> int:
        """The original's width as displayed, in pixels."""

    @property
    def original_height(self) -> int:
        """The original's height as displayed, in pixels."""


class PreparedImages(Protocol):
    """The prepared bucket."""

    @property
    def bucket(self) -> str:
        """Its name."""

    def put(self, key: str, content: bytes, content_type: str) -> None:
        """Write an object, or replace it."""


class Submission(Protocol):
    """One prepared submission."""

    def send(self) -> SubmitAnswer:
        """POST it once: this may be charged."""


class PolledProvider(Protocol):
    """The part of the provider's API that pays nothing."""

    def poll(self, generation_id: str) -> PollAnswer:
        """Ask for the state of a generation. It costs nothing."""


class Provider(PolledProvider, Protocol):
    """The provider's API."""

    def prepare(self, options: Options, image_url: str) -> Submission:
        """Do all that can fail before the POST."""


class Queue(Protocol):
    """The submission queue, or the one of images to prepare."""

    def send(self, message: RetryMessage, delay_seconds: float = 0) -> None:
        """Send a message that becomes visible after a delay."""


class DeadLetters(Protocol):
    """The dead-letter queue."""

    def messages(self) -> Iterator[Drop | RetryMessage]:
        """Yield the messages that are visible. None is deleted."""


class StateMachine(Protocol):
    """The state machine that polls a generation."""

    def start(self, job: Job, generation_id: str | None = None) -> None:
        """Start the execution of a job's attempt; do nothing if it was started before."""

    def status_of(self, job: Job) -> str | None:
        """Return the status of that execution, or None if it was never started."""


class Bus(Protocol):
    """The event bus."""

    @property
    def stack(self) -> str:
        """The name of the stack that publishes."""

    def publish(self, event_type: EventType, detail: dict[str, Any]) -> None:
        """Publish one event. Raises PublishFault if the bus does not take it."""


class VideoSource(Protocol):
    """Where finished videos are downloaded from."""

    def open(self, result_url: str) -> AbstractContextManager[VideoStream]:
        """Yield the video behind `result.url` as a stream. Raises VideoFault."""


class Videos(Protocol):
    """The videos bucket."""

    @property
    def bucket(self) -> str:
        """Its name."""

    def put(self, key: str, video: VideoStream, metadata: dict[str, str], replaces: str | None = None) -> str | None:
        """Copy the stream to a key that is free, or whose object has the entity tag `replaces`; return S3's version id."""

    def find(self, key: str, metadata: dict[str, str]) -> StoredVideo | None:
        """Return the object at a key, its bytes only if it has this metadata; None if there is none."""

    def put_receipt(self, key: str, receipt: dict[str, Any]) -> None:
        """Write a receipt."""


class MailTopic(Protocol):
    """The topic whose subscribers get mails."""

    def publish(self, subject: str, text: str) -> None:
        """Send one mail."""


class WebhookEndpoint(Protocol):
    """The owner's endpoint for webhooks."""

    def post(self, body: bytes, headers: Mapping[str, str]) -> WebhookAnswer:
        """Post once and return the answer. Raises WebhookFault where there is no answer."""


class WebhookQueue(Protocol):
    """The queue of webhooks."""

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message visible again after `seconds`."""
