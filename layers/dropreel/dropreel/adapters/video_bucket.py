"""The videos bucket: uploads of a stream in bounded memory, and receipts."""

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.domain.errors import RetryLater
from dropreel.media.video_stream import PIECE_BYTES, StoredVideo, VideoStream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PUT_BYTES = 5 * 1024**3
"""The most bytes of one PutObject: a limit of S3."""
SENT_BYTES = 128 * 1024
"""The size of the chunks that botocore sends. It would copy the rest of a longer one for each write to the socket.

S3 refuses a chunk of less than 8 KiB unless it is the last.
"""
PART_BYTES = 5 * 1024 * 1024
"""The size of the parts of a multipart upload: the smallest that S3 takes."""
_CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""S3's error codes for a conditional write: the object exists or has another ETag (412), it is being written or deleted at
this moment (409), or the object to replace is gone (404)."""


class VideoBucket:
    """Puts videos into the bucket. Where a stream raises, neither an object nor parts of one remain.

    The multipart upload is ours because boto3's upload_fileobj (s3transfer) takes neither `IfNoneMatch` nor `IfMatch`.
    """

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def put(self, key: str, video: VideoStream, metadata: dict[str, str], replaces: str | None = None) -> str | None:
        """Upload the stream to `key` and return the object's `VersionId`. `metadata` must be ASCII.

        It is written only where no object is at `key`, or the one whose `ETag` is `replaces`: of two uploads that overlap,
        one is stored. Raises RetryLater for the other one and where the connection to S3 failed, VideoFault for an
        incomplete or invalid video, and botocore's ClientError where S3 refused.
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
        """Upload it in one PutObject. S3 stores nothing unless the whole body arrives and its checksum matches."""
        self.client.meta.events.register("before-call.s3.PutObject", _send_checksum_as_trailer, unique_id="trailer")
        body = cast("IO[Any]", _Body(video, length))
        try:
            return self.client.put_object(Body=body, **request).get("VersionId")
        except BotoCoreError as error:  # botocore wraps what the stream raised, and cannot resend a stream
            raise video.fault or RetryLater(f"S3 broke off the upload of {request['Key']}: {error}") from error

    def _put_in_parts(
        self, video: VideoStream, to: dict[str, Any], described: dict[str, Any], condition: dict[str, Any]
    ) -> str | None:
        """Upload part after part; a video shorter than one part goes in one PutObject."""
        first = video.read(PART_BYTES)
        if len(first) < PART_BYTES:
            return self.client.put_object(Body=first, **to, **described, **condition).get("VersionId")
        upload = {**to, "UploadId": self.client.create_multipart_upload(**to, **described)["UploadId"]}
        try:
            pieces = chain([first], iter(lambda: video.read(PART_BYTES), b""))
            parts = [self._put_part(upload, number, piece) for number, piece in enumerate(pieces, 1)]
            completed = self.client.complete_multipart_upload(**upload, **condition, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(BotoCoreError, ClientError):  # the first error is the one to raise
                self.client.abort_multipart_upload(**upload)
            raise
        return completed.get("VersionId")

    def _put_part(self, upload: dict[str, Any], number: int, piece: bytes) -> "CompletedPartTypeDef":
        stored = self.client.upload_part(**upload, PartNumber=number, Body=piece, ChecksumAlgorithm="CRC32")
        return {"PartNumber": number, "ETag": stored["ETag"], "ChecksumCRC32": stored["ChecksumCRC32"]}

    def find(self, key: str, metadata: dict[str, str]) -> StoredVideo | None:
        """Return the object at `key`, with its bytes only where its metadata is `metadata`; None where there is no object."""
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
    """The body of a PutObject: a stream whose length is known.

    Older versions of botocore, which Lambda may bring, take a stream's length from `len` alone.
    """

    video: VideoStream
    length: int

    def __len__(self) -> int:
        return self.length

    def read(self, length: int) -> bytes | memoryview:
        return self.video.read1(min(length, SENT_BYTES))


def _send_checksum_as_trailer(params: dict[str, Any], **_others: object) -> None:
    """Send a video's checksum as a trailer over plain http too, as botocore does over https.

    Over http botocore would read the whole body first, for the checksum header and for the signature, and a stream cannot be
    read twice. Only the local cloud and the tests use http; no setting of botocore changes this.
    """
    if isinstance(params["body"], _Body):
        params["context"]["checksum"]["request_algorithm"]["in"] = "trailer"
