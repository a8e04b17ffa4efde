"""Overlapping deliveries of one generation, on moto's S3: object, receipt and job have the same bytes in the end."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from threading import Event
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from dropreel.adapters.video_bucket import PART_BYTES, VideoBucket
from dropreel.domain.errors import RetryLater
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.media.video_stream import PIECE_BYTES, VideoStream
from dropreel.media.videos import video_metadata
from dropreel.provider.poll_answers import Finished
from dropreel.use_cases.deliver_video import DeliverVideo
from tests.support.fake_stack import GENERATION, FakeStack
from tests.support.fakes import sha256
from tests.support.moto_account import moto_account
from tests.support.tiny_video import boundaries, box, tiny_video

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VIDEO_KEY, RECEIPT_KEY = "holiday/beach-gen_1.mp4", "holiday/beach-gen_1.json"
FTYP_END = boundaries(tiny_video())[0]


def video_with(padding: bytes) -> bytes:
    """A video whose moov is its last box."""
    return tiny_video()[:FTYP_END] + box(b"free", padding) + tiny_video()[FTYP_END:]


@dataclass
class Downloads:
    """Sends other bytes each time. The first download stops in its middle until `resume` is set."""

    sends_length: bool = True
    padding: int = 1000
    begun: int = 0
    has_begun: Event = field(default_factory=Event)
    resume: Event = field(default_factory=Event)

    @contextmanager
    def open(self, result_url: str) -> Iterator[VideoStream]:
        content = video_with(bytes([self.begun]) * self.padding)
        self.begun += 1
        pieces = self._stopping(content) if self.begun == 1 else iter([content])
        yield VideoStream(pieces, 20_000_000, len(content) if self.sends_length else None)

    def _stopping(self, content: bytes) -> Iterator[bytes]:
        yield content[:500]
        self.has_begun.set()
        assert self.resume.wait(30)
        yield content[500:]


@pytest.fixture
def s3() -> Iterator["S3Client"]:
    with moto_account():
        client = boto3.client("s3")
        client.create_bucket(Bucket="videos")
        client.put_bucket_versioning(Bucket="videos", VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def ready(stack: FakeStack) -> FakeStack:
    """The provider has the video."""
    stack.put_job(charge=Charge.CHARGED)
    stack.provider.poll_answer = Finished("https://cdn.example/v.mp4?sig=5ec2e7")
    return stack


def delivery(stack: FakeStack, client: "S3Client", source: Downloads) -> DeliverVideo:
    return replace(stack.deliver, videos=VideoBucket(client, "videos"), source=source)


def tried_until_delivered(deliver: DeliverVideo) -> None:
    """As the state machine does."""
    for _ in range(3):
        try:
            assert deliver.run(GENERATION) == {"outcome": "delivered"}
        except RetryLater:
            continue
        return
    pytest.fail("it was never delivered")


def versions(s3: "S3Client") -> list[str]:
    """The versions of the video, the newest first."""
    return [one["VersionId"] for one in s3.list_object_versions(Bucket="videos", Prefix=VIDEO_KEY)["Versions"]]


def assert_all_describe_the_current_object(stack: FakeStack, s3: "S3Client") -> None:
    stored = s3.get_object(Bucket="videos", Key=VIDEO_KEY)
    content = stored["Body"].read()
    is_there = (len(content), sha256(content), stored["VersionId"])
    receipt = json.loads(s3.get_object(Bucket="videos", Key=RECEIPT_KEY)["Body"].read())["video"]
    (event,) = (detail["data"]["video"] for kind, detail in stack.bus.published if kind == EventType.COMPLETED)

    assert stack.job.video is not None
    assert (stack.job.video.size, stack.job.video.sha256, stack.job.video.version_id) == is_there
    for described in (receipt, event):
        assert (described["size"], described["sha256"], described["version_id"]) == is_there


# --- two at once -----------------------------------------------------------------------------------------------------

STORES_VIDEO = {("PutObject", VIDEO_KEY), ("CompleteMultipartUpload", VIDEO_KEY)}
MOMENTS: dict[str, set[tuple[str, str]]] = {
    "before the other has stored its video": STORES_VIDEO,
    "before the other has written its receipt": {("PutObject", RECEIPT_KEY)},
    "when the other has ended": set(),
}
OTHER = {"job-id": "another"}


def put_other_object(s3: "S3Client", stack: FakeStack, what: str) -> int:
    """Put another object at the video's key; return the number of versions."""
    if what == "of another job":
        s3.put_object(Bucket="videos", Key=VIDEO_KEY, Body=video_with(b"9"), Metadata=OTHER)
    elif what == "no whole video":
        s3.put_object(Bucket="videos", Key=VIDEO_KEY, Body=video_with(b"9")[:-1], Metadata=video_metadata(stack.job))
    return int(what != "nothing")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("way", "there"),
    # moto ignores the If-Match of a CompleteMultipartUpload: test_video_bucket.py tests that it is sent
    [*product(["as a stream", "at once"], ["nothing", "of another job", "no whole video"]), ("in parts", "nothing")],
)
def test_of_two_deliveries_with_different_bytes_one_is_kept(
    ready: FakeStack, s3: "S3Client", moment: str, way: str, there: str
):
    before = put_other_object(s3, ready, there)
    source = Downloads(sends_length=way == "as a stream", padding=PART_BYTES if way == "in parts" else 1000)
    one, watched = delivery(ready, s3, source), boto3.client("s3")
    other = delivery(ready, watched, source)

    reached = not MOMENTS[moment]

    with ThreadPoolExecutor(1) as lambda_of_one:
        first_try = lambda_of_one.submit(one.run, GENERATION)
        assert source.has_begun.wait(30)

        def one_resume(**_: Any) -> None:
            source.resume.set()
            first_try.exception(30)

        def call_begins(model: Any, params: dict[str, Any], **_: Any) -> None:
            nonlocal reached
            key = params["url_path"].partition("?")[0].removeprefix("/")
            if (model.name, key) in MOMENTS[moment]:
                reached = True
                one_resume()

        watched.meta.events.register("before-call.s3", call_begins)
        tried_until_delivered(other)
        one_resume()

    assert reached
    tried_until_delivered(one)
    assert ready.job.status is JobStatus.COMPLETED
    assert_all_describe_the_current_object(ready, s3)
    assert len(versions(s3)) == before + 1
    assert source.begun == 2, "the stored video was downloaded again"


# --- one after the other ---------------------------------------------------------------------------------------------

LARGE = video_with(bytes(3 * PIECE_BYTES))


def test_a_stored_video_is_read_to_its_end(ready: FakeStack, s3: "S3Client"):
    s3.put_object(Bucket="videos", Key=VIDEO_KEY, Body=LARGE, Metadata=video_metadata(ready.job))
    source = Downloads()

    delivery(ready, s3, source).run(GENERATION)

    assert_all_describe_the_current_object(ready, s3)
    assert (source.begun, len(versions(s3))) == (0, 1)


def test_a_stored_video_damaged_after_its_first_piece_is_replaced(ready: FakeStack, s3: "S3Client"):
    damaged = s3.put_object(Bucket="videos", Key=VIDEO_KEY, Body=LARGE[:-1], Metadata=video_metadata(ready.job))
    source = Downloads()
    source.resume.set()

    delivery(ready, s3, source).run(GENERATION)

    assert_all_describe_the_current_object(ready, s3)
    assert source.begun == 1
    assert damaged["VersionId"] in versions(s3)[1:]
