"""How videos get into the bucket, in moto's S3."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from dropreel.adapters.video_bucket import PART_BYTES, SINGLE_BYTES, VideoBucket
from dropreel.adapters.video_source import VideoStream
from dropreel.errors import VideoFault
from tests.moto_account import moto_account
from tests.unit.dropreel.fakes import sha256
from tests.unit.dropreel.tiny_video import box, tiny_video

METADATA = {"job-id": "j", "generation-id": "g"}


@pytest.fixture
def bucket() -> Iterator[VideoBucket]:
    with moto_account():
        client = boto3.client("s3")
        client.create_bucket(Bucket="videos")
        yield VideoBucket(client, "videos")


def stream(content: bytes) -> VideoStream:
    pieces = [content[at : at + 256 * 1024] for at in range(0, len(content), 256 * 1024)]
    return VideoStream(iter(pieces), max_bytes=10**9)


def read(video: VideoStream) -> bytes:
    found = bytearray()
    while piece := video.read(PART_BYTES):
        found += piece
    return bytes(found)


def of_size(size: int) -> bytes:
    """A video of exactly so many bytes."""
    return tiny_video() + box(b"free", bytes(size - len(tiny_video()) - 8))


SIZES = {
    "tiny": len(tiny_video()),
    "the last of one request": SINGLE_BYTES - 1,
    "the first of two parts": SINGLE_BYTES,
    "a byte more": SINGLE_BYTES + 1,
    "whole parts": 5 * PART_BYTES,
    "many parts": 6 * PART_BYTES + 7,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_video_is_stored_as_it_came_and_found_again(bucket: VideoBucket, name: str):
    content = of_size(SIZES[name]) if name != "tiny" else tiny_video()
    video = stream(content)

    bucket.put("a.mp4", video, METADATA)

    assert (video.size, video.sha256) == (len(content), sha256(content))
    found = bucket.find("a.mp4", METADATA)

    assert found is not None
    assert read(found) == content
    assert (found.size, found.facts.duration_seconds) == (len(content), 1.0)
    stored = bucket.client.head_object(Bucket="videos", Key="a.mp4")
    assert (stored["ContentType"], stored["Metadata"]) == ("video/mp4", METADATA)


def test_what_is_not_there_is_not_found(bucket: VideoBucket):
    assert bucket.find("a.mp4", METADATA) is None


@pytest.mark.parametrize("other", [{}, {"job-id": "j"}, {**METADATA, "job-id": "k"}])
def test_what_another_job_has_put_there_is_not_found(bucket: VideoBucket, other: dict[str, str]):
    bucket.put("a.mp4", stream(tiny_video()), other)

    assert bucket.find("a.mp4", METADATA) is None


@pytest.mark.parametrize(("size", "parts"), [(10_000_000, 0), (SINGLE_BYTES - 1, 0), (SINGLE_BYTES + 1, 4)])
def test_most_videos_take_one_request(bucket: VideoBucket, size: int, parts: int):
    made: list[str] = []
    bucket.client.meta.events.register("before-call.s3", lambda model, **_: made.append(model.name))

    bucket.put("a.mp4", stream(of_size(size)), METADATA)

    in_parts = ["CreateMultipartUpload", *["UploadPart"] * parts, "CompleteMultipartUpload"]
    assert made == (in_parts if parts else ["PutObject"])


BROKEN = {
    "empty": lambda: b"",
    "no video": lambda: b"<html>gone</html>",
    "cut in its only part": lambda: tiny_video()[:-1],
    "cut in its third part": lambda: of_size(20_000_000)[:-1],
    "cut at the end of what is held": lambda: of_size(SINGLE_BYTES + 1)[:SINGLE_BYTES],
    "cut at the end of a part": lambda: of_size(30_000_000)[: 3 * PART_BYTES],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_video_leaves_neither_an_object_nor_parts(bucket: VideoBucket, name: str):
    with pytest.raises(VideoFault):
        bucket.put("a.mp4", stream(BROKEN[name]()), METADATA)

    assert "Contents" not in bucket.client.list_objects_v2(Bucket="videos")
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket="videos")


def test_a_refusal_of_s3_in_the_middle_leaves_no_parts(bucket: VideoBucket, monkeypatch: pytest.MonkeyPatch):
    upload_part: Callable[..., Any] = bucket.client.upload_part
    numbers = iter(range(1, 100))

    def refuses_the_second(**arguments: Any) -> Any:
        if next(numbers) == 2:
            raise ConnectionError("S3 is out of order")
        return upload_part(**arguments)

    monkeypatch.setattr(bucket.client, "upload_part", refuses_the_second)

    with pytest.raises(ConnectionError):
        bucket.put("a.mp4", stream(of_size(30_000_000)), METADATA)

    assert "Contents" not in bucket.client.list_objects_v2(Bucket="videos")
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket="videos")
