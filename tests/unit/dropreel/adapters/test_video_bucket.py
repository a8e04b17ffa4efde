"""How videos get into the bucket: in moto's S3, and on the wire."""

import base64
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from dropreel.adapters import video_bucket
from dropreel.adapters.video_bucket import PART_BYTES, SENT_BYTES, VideoBucket
from dropreel.domain.errors import RetryLater, VideoFault
from dropreel.media.video_stream import PIECE_BYTES, VideoStream
from tests.support.fakes import sha256
from tests.support.moto_account import moto_account
from tests.support.tiny_video import boundaries, box, tiny_video
from tests.support.wire_s3 import WireS3, unchunked, wire_s3

METADATA = {"job-id": "j", "generation-id": "g"}


@pytest.fixture
def bucket() -> Iterator[VideoBucket]:
    with moto_account():
        client = boto3.client("s3")
        client.create_bucket(Bucket="videos")
        client.put_bucket_versioning(Bucket="videos", VersioningConfiguration={"Status": "Enabled"})
        yield VideoBucket(client, "videos")


def stream(content: bytes, length: int | None = None) -> VideoStream:
    pieces = [content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)]
    return VideoStream(iter(pieces), 10**9, length)


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
    "a piece": PIECE_BYTES,
    "the last of one part": PART_BYTES - 1,
    "a part": PART_BYTES,
    "a byte more": PART_BYTES + 1,
    "whole parts": 3 * PART_BYTES,
    "many parts": 4 * PART_BYTES + 7,
}


@pytest.mark.parametrize("tells_its_length", [True, False])
@pytest.mark.parametrize("name", SIZES)
def test_a_video_is_stored_as_it_came_and_found_again(bucket: VideoBucket, name: str, tells_its_length: bool):
    content = of_size(SIZES[name]) if name != "tiny" else tiny_video()
    video = stream(content, len(content) if tells_its_length else None)

    version_id = bucket.put("a.mp4", video, METADATA)

    assert (video.size, video.sha256) == (len(content), sha256(content))
    found = bucket.find("a.mp4", METADATA)

    assert found is not None
    assert found.stream is not None
    assert read(found.stream) == content
    assert (found.stream.size, found.stream.facts.duration_seconds) == (len(content), 1.0)
    stored = bucket.client.head_object(Bucket="videos", Key="a.mp4")
    assert (stored["ContentType"], stored["Metadata"]) == ("video/mp4", METADATA)
    assert version_id is not None
    assert (stored["VersionId"], stored["ETag"]) == (version_id, found.etag)
    assert found.version_id == version_id


@pytest.mark.parametrize("size", [PIECE_BYTES, PART_BYTES + 1])
def test_an_odd_video_is_stored_as_it_came_and_found_as_odd(bucket: VideoBucket, size: int):
    content = of_size(size)[:-3] + b"\n"
    video = stream(content, len(content))

    bucket.put("a.mp4", video, METADATA)

    found = bucket.find("a.mp4", METADATA)
    assert found is not None
    assert found.stream is not None
    assert read(found.stream) == content
    assert len(video.warnings) == 1
    assert (found.stream.warnings, found.stream.sha256) == (video.warnings, video.sha256)


def test_what_is_not_there_is_not_found(bucket: VideoBucket):
    assert bucket.find("a.mp4", METADATA) is None


@pytest.mark.parametrize("other", [{}, {"job-id": "j"}, {**METADATA, "job-id": "k"}])
def test_what_another_job_has_put_there_is_found_without_its_bytes(bucket: VideoBucket, other: dict[str, str]):
    version_id = bucket.put("a.mp4", stream(tiny_video()), other)

    found = bucket.find("a.mp4", METADATA)

    assert found is not None
    assert (found.stream, found.version_id) == (None, version_id)


def test_a_bucket_without_versions_gives_no_version_id(bucket: VideoBucket):
    bucket.client.create_bucket(Bucket="plain")
    plain = VideoBucket(bucket.client, "plain")

    assert plain.put("a.mp4", stream(tiny_video(), len(tiny_video())), METADATA) is None

    found = plain.find("a.mp4", METADATA)
    assert found is not None
    assert found.version_id is None


# --- of two uploads that overlap, one is stored ----------------------------------------------------------------------


def current(bucket: VideoBucket) -> tuple[bytes, str]:
    stored = bucket.client.get_object(Bucket="videos", Key="a.mp4")
    return stored["Body"].read(), stored["VersionId"]


@pytest.mark.parametrize("tells_its_length", [True, False])
def test_what_lies_at_the_key_is_not_overwritten(bucket: VideoBucket, tells_its_length: bool):
    first, second = of_size(PART_BYTES + 1), of_size(PART_BYTES + 2)
    version_id = bucket.put("a.mp4", stream(first), METADATA)

    with pytest.raises(RetryLater, match=r"another upload to a\.mp4 was first"):
        bucket.put("a.mp4", stream(second, len(second) if tells_its_length else None), METADATA)

    assert current(bucket) == (first, version_id)
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket="videos")


@pytest.mark.parametrize("tells_its_length", [True, False])
def test_what_is_not_the_video_is_replaced(bucket: VideoBucket, tells_its_length: bool):
    other = bucket.client.put_object(Bucket="videos", Key="a.mp4", Body=b"no video")
    content = of_size(PART_BYTES + 1)

    version_id = bucket.put(
        "a.mp4", stream(content, len(content) if tells_its_length else None), METADATA, replaces=other["ETag"]
    )

    assert current(bucket) == (content, version_id)


def test_what_has_been_replaced_meanwhile_is_not_overwritten(bucket: VideoBucket):
    other = bucket.client.put_object(Bucket="videos", Key="a.mp4", Body=b"no video")
    first, second = of_size(2000), of_size(3000)
    version_id = bucket.put("a.mp4", stream(first, len(first)), METADATA, replaces=other["ETag"])

    with pytest.raises(RetryLater):
        bucket.put("a.mp4", stream(second, len(second)), METADATA, replaces=other["ETag"])

    assert current(bucket) == (first, version_id)


def test_what_has_been_deleted_meanwhile_is_no_refusal(bucket: VideoBucket):
    other = bucket.client.put_object(Bucket="videos", Key="a.mp4", Body=b"no video")
    bucket.client.delete_object(Bucket="videos", Key="a.mp4")

    with pytest.raises(RetryLater):
        bucket.put("a.mp4", stream(tiny_video(), len(tiny_video())), METADATA, replaces=other["ETag"])


@pytest.mark.parametrize("tells_its_length", [True, False])
@pytest.mark.parametrize("replaces", [None, '"e1"'])
def test_the_request_that_stores_a_video_has_a_condition(
    bucket: VideoBucket, tells_its_length: bool, replaces: str | None
):
    conditions: dict[str, tuple[str | None, str | None]] = {}

    def note(model: Any, params: dict[str, Any], **_: object) -> None:
        conditions[model.name] = (params["headers"].get("If-None-Match"), params["headers"].get("If-Match"))

    bucket.client.meta.events.register("before-call.s3", note)
    content = of_size(PART_BYTES)
    with suppress(RetryLater):  # moto looks at If-Match of a PutObject alone
        bucket.put("a.mp4", stream(content, len(content) if tells_its_length else None), METADATA, replaces)

    stores = "PutObject" if tells_its_length else "CompleteMultipartUpload"
    assert conditions[stores] == (("*", None) if replaces is None else (None, replaces))


def test_a_short_video_takes_one_request_with_or_without_a_length(bucket: VideoBucket):
    made: list[str] = []
    bucket.client.meta.events.register("before-call.s3", lambda model, **_: made.append(model.name))

    bucket.put("a.mp4", stream(of_size(PART_BYTES - 1)), METADATA)

    assert made == ["PutObject"]


@pytest.mark.parametrize("parts", [0, 1, 4])
def test_a_video_of_known_length_takes_one_request_up_to_s3s_limit(
    bucket: VideoBucket, monkeypatch: pytest.MonkeyPatch, parts: int
):
    content = of_size(3 * PART_BYTES + 1)
    monkeypatch.setattr(video_bucket, "PUT_BYTES", len(content) - (parts == 1))
    made: list[str] = []
    bucket.client.meta.events.register("before-call.s3", lambda model, **_: made.append(model.name))

    bucket.put("a.mp4", stream(content, None if parts == 4 else len(content)), METADATA)

    in_parts = ["CreateMultipartUpload", *["UploadPart"] * 4, "CompleteMultipartUpload"]
    assert made == (in_parts if parts else ["PutObject"])


def test_a_receipt_is_stored_where_botocore_adds_no_checksum(bucket: VideoBucket):
    bucket = VideoBucket(boto3.client("s3", config=Config(request_checksum_calculation="when_required")), "videos")

    bucket.put("a.mp4", stream(tiny_video(), len(tiny_video())), METADATA)
    bucket.put_receipt("a.json", {"job_id": "j"})

    assert b'"job_id"' in bucket.client.get_object(Bucket="videos", Key="a.json")["Body"].read()


FTYP_AND_MOOV = tiny_video()[: boundaries(tiny_video())[0]] + tiny_video()[boundaries(tiny_video())[-2] :]
BROKEN = {
    "empty": lambda: b"",
    "no video": lambda: b"<html>gone</html>",
    "cut in its only piece": lambda: tiny_video()[:-1],
    "cut in its third part": lambda: of_size(13_000_000)[:-1],
    "cut at the end of a piece": lambda: of_size(3_000_000)[: 2 * PIECE_BYTES],
    "cut at the end of a part": lambda: of_size(20_000_000)[: 3 * PART_BYTES],
    "without media": lambda: FTYP_AND_MOOV,
    "without media, a part long": lambda: FTYP_AND_MOOV + box(b"free", bytes(PART_BYTES)),
}


@pytest.mark.parametrize("tells_its_length", [True, False])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_video_leaves_neither_an_object_nor_parts(
    bucket: VideoBucket, name: str, tells_its_length: bool
):
    content = BROKEN[name]()
    # What was cut on its way is shorter than it said.
    length = len(content) + ("cut" in name) if tells_its_length else None

    with pytest.raises(VideoFault):
        bucket.put("a.mp4", stream(content, length), METADATA)

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
        bucket.put("a.mp4", stream(of_size(3 * PART_BYTES)), METADATA)

    assert "Contents" not in bucket.client.list_objects_v2(Bucket="videos")
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket="videos")


# --- on the wire -----------------------------------------------------------------------------------------------------


@pytest.fixture
def s3() -> Iterator[WireS3]:
    with wire_s3() as running:
        yield running


def bucket_of(s3: WireS3) -> VideoBucket:
    client = boto3.client(
        "s3",
        endpoint_url=s3.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 5}, read_timeout=0.5),
    )
    return VideoBucket(client, "videos")


def test_a_video_goes_as_it_comes_and_its_checksum_behind_it(s3: WireS3):
    content = of_size(3_000_000)

    bucket_of(s3).put("a.mp4", stream(content, len(content)), METADATA)

    (head,), (body,) = s3.heads, s3.bodies
    assert head["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert head["x-amz-decoded-content-length"] == str(len(content))
    pieces, rest = unchunked(body)
    assert rest == b"\r\n"
    chunks, trailer = unchunked(b"".join(pieces))
    assert b"".join(chunks) == content
    assert {len(chunk) for chunk in chunks[:-1]} == {SENT_BYTES}
    assert SENT_BYTES >= 8192, "S3 refuses shorter chunks before the last"
    checksum = base64.b64encode(zlib.crc32(content).to_bytes(4, "big"))
    assert trailer == b"x-amz-checksum-crc32:" + checksum + b"\r\n\r\n"


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_video_never_comes_to_its_end_and_says_why(s3: WireS3, name: str):
    content = BROKEN[name]()

    with pytest.raises(VideoFault):
        bucket_of(s3).put("a.mp4", stream(content, len(content) + ("cut" in name)), METADATA)

    assert not any(body.endswith(b"0\r\n\r\n") for body in s3.bodies)


@pytest.mark.parametrize("ends", ["breaks off", "is busy", "says nothing"])
def test_a_video_whose_upload_s3_breaks_off_is_to_be_tried_again(s3: WireS3, ends: str):
    content = of_size(20_000_000)
    if ends == "breaks off":
        s3.breaks_off_after = 1_000_000
    elif ends == "is busy":
        s3.refuses_with = (503, b"SlowDown")
    else:
        s3.is_silent = True

    with pytest.raises(RetryLater, match=r"S3 broke off the upload of a\.mp4"):
        bucket_of(s3).put("a.mp4", stream(content, len(content)), METADATA)

    assert len(s3.heads) == 1, "a stream cannot be sent twice"


@pytest.mark.parametrize("answer", [(412, b"PreconditionFailed"), (409, b"ConditionalRequestConflict")])
def test_a_video_that_another_upload_was_faster_with_is_to_be_tried_again(s3: WireS3, answer: tuple[int, bytes]):
    s3.refuses_with = answer

    with pytest.raises(RetryLater, match=r"another upload to a\.mp4 was first"):
        bucket_of(s3).put("a.mp4", stream(tiny_video(), len(tiny_video())), METADATA)

    assert [head["if-none-match"] for head in s3.heads] == ["*"]


def test_what_s3_refuses_is_told_as_s3_says_it(s3: WireS3):
    s3.refuses_with = (403, b"AccessDenied")

    with pytest.raises(ClientError, match="AccessDenied"):
        bucket_of(s3).put("a.mp4", stream(tiny_video(), len(tiny_video())), METADATA)
