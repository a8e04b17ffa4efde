"""Where videos go: a stream into S3 in bounded memory."""

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.adapters.video_source import PIECE_BYTES, VideoStream
from dropreel.domain.errors import RetryLater

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PUT_BYTES = 5 * 1024**3
"""The most bytes that S3 takes in one PutObject."""
SENT_BYTES = 128 * 1024
"""How much botocore sends at a time: it would copy the rest of a longer chunk each time.

S3 refuses a chunk of less than 8 KiB unless it is the last.
"""
PART_BYTES = 5 * 1024 * 1024
"""The size of the parts of a video that does not go up in one request, the least that S3 takes."""
_CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""S3's codes for a write whose condition does not hold: the object is there or is another one (412), it is being written
or deleted at this moment (409), or what was to be replaced is gone (404)."""


@dataclass(frozen=True)
class StoredVideo:
    """The object at a video's key: S3's `ETag` and `VersionId` of it (None in a bucket without versions), and its bytes.

    `stream` is None where the object's metadata is not that of the video looked for.
    """

    etag: str
    version_id: str | None
    stream: VideoStream | None


@dataclass(frozen=True)
class VideoBucket:
    """Puts videos into the bucket. A stream that raises leaves no object behind, nor parts of one."""

    client: "S3Client"
    bucket: str

    def put(self, key: str, video: VideoStream, metadata: dict[str, str], replaces: str | None = None) -> str | None:
        """Copy the stream to `key`, as it comes, and return S3's `VersionId` of it. `metadata` must be ASCII.

        It is written only where no object is at `key`, or the one whose `ETag` is `replaces`: of two uploads that overlap,
        one is stored. Raises RetryLater for the other one and where S3 broke off, VideoFault for what is no whole video, and
        botocore's ClientError if S3 refused.
        """
        to = {"Bucket": self.bucket, "Key": key}
        described = {"ContentType": "video/mp4", "Metadata": metadata, "ChecksumAlgorithm": "CRC32"}
        condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        try:
            if video.length is not None and video.length <= PUT_BYTES:
                return self._put_whole(video, video.length, {**to, **described, **condition})
            return self._put_in_parts(video, to, described, condition)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _CONDITION_FAILED:
                raise
            raise RetryLater(f"another upload to {key} was first") from error

    def _put_whole(self, video: VideoStream, length: int, request: dict[str, Any]) -> str | None:
        """Send all of it in one request. S3 stores nothing unless the end comes, and with it the right checksum."""
        self.client.meta.events.register("before-call.s3.PutObject", _checksum_at_the_end, unique_id="at-the-end")
        body = cast("IO[Any]", _Body(video, length))
        try:
            return self.client.put_object(Body=body, **request).get("VersionId")
        except BotoCoreError as error:  # botocore hides what the stream raised, and cannot send a stream again
            raise video.fault or RetryLater(f"S3 broke off the upload of {request['Key']}: {error}") from error

    def _put_in_parts(
        self, video: VideoStream, to: dict[str, Any], described: dict[str, Any], condition: dict[str, Any]
    ) -> str | None:
        """Send one part after the other; what is no longer than one goes in one request.

        s3transfer does this too, and takes no condition.
        """
        first = video.read(PART_BYTES)
        if len(first) < PART_BYTES:
            return self.client.put_object(Body=first, **to, **described, **condition).get("VersionId")
        upload = {**to, "UploadId": self.client.create_multipart_upload(**to, **described)["UploadId"]}
        try:
            pieces = chain([first], iter(lambda: video.read(PART_BYTES), b""))
            parts = [self._put_part(upload, number, piece) for number, piece in enumerate(pieces, 1)]
            completed = self.client.complete_multipart_upload(**upload, **condition, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(BotoCoreError, ClientError):  # what went wrong first is what is told
                self.client.abort_multipart_upload(**upload)
            raise
        return completed.get("VersionId")

    def _put_part(self, upload: dict[str, Any], number: int, piece: bytes) -> "CompletedPartTypeDef":
        stored = self.client.upload_part(**upload, PartNumber=number, Body=piece, ChecksumAlgorithm="CRC32")
        return {"PartNumber": number, "ETag": stored["ETag"], "ChecksumCRC32": stored["ChecksumCRC32"]}

    def find(self, key: str, metadata: dict[str, str]) -> StoredVideo | None:
        """Return the object at `key`, its bytes only if it was put there with this very metadata; None if none is there."""
        try:
            stored = self.client.get_object(Bucket=self.bucket, Key=key)
        except self.client.exceptions.NoSuchKey:
            return None
        stream = None
        if stored["Metadata"] == metadata:
            size = stored["ContentLength"]
            stream = VideoStream(stored["Body"].iter_chunks(PIECE_BYTES), size, size)
        else:
            stored["Body"].close()
        return StoredVideo(stored["ETag"], stored.get("VersionId"), stream)

    def put_receipt(self, key: str, receipt: dict[str, Any]) -> None:
        """Write the receipt beside its video."""
        body = json.dumps(receipt, ensure_ascii=False, indent=2).encode()
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")


@dataclass(frozen=True)
class _Body:
    """A video as botocore sends it: whatever comes next, and its length known from the start.

    Lambda chooses botocore's version, and older ones take a stream's length from `len` alone.
    """

    video: VideoStream
    length: int

    def __len__(self) -> int:
        return self.length

    def read(self, length: int) -> bytes | memoryview:
        return self.video.read1(min(length, SENT_BYTES))


def _checksum_at_the_end(params: dict[str, Any], **_others: object) -> None:
    """Over plain http, as to the local cloud, send a video's checksum behind it too, as botocore does over https.

    By itself it would read the whole body for it first.
    """
    if isinstance(params["body"], _Body):
        params["context"]["checksum"]["request_algorithm"]["in"] = "trailer"
