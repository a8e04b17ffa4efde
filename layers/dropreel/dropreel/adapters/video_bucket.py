"""Where videos go: a stream into S3 in bounded memory."""

import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError

from dropreel.adapters.video_source import PIECE_BYTES, VideoStream
from dropreel.errors import TryAgain

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PUT_BYTES = 5 * 1024**3
"""The most bytes that S3 takes in one PutObject."""
SENT_BYTES = 128 * 1024
"""How much botocore sends at a time: it would copy the rest of a longer chunk each time.

S3 refuses a chunk of less than 8 KiB unless it is the last.
"""
PART_BYTES = 5 * 1024 * 1024
"""The size of the parts of a video that does not go up in one request, the least that S3 takes."""


@dataclass(frozen=True)
class VideoBucket:
    """Puts videos into the bucket. A stream that raises leaves no object behind, nor parts of one."""

    client: "S3Client"
    bucket: str

    def put(self, key: str, video: VideoStream, metadata: dict[str, str]) -> None:
        """Copy the stream to `key`, as it comes. `metadata` must be ASCII.

        Raises VideoFault for what is no whole video, TryAgain if S3 broke off, and botocore's ClientError if it refused.
        """
        said = {"ContentType": "video/mp4", "Metadata": metadata}
        if video.length is not None and video.length <= PUT_BYTES:
            self._put_whole(key, video, video.length, said)
        else:
            self._put_in_parts(key, video, said)

    def _put_whole(self, key: str, video: VideoStream, length: int, said: dict[str, Any]) -> None:
        """Send all of it in one request. S3 stores nothing unless the end comes, and with it the right checksum."""
        self.client.meta.events.register("before-call.s3.PutObject", _checksum_at_the_end, unique_id="at-the-end")
        body = cast("IO[Any]", _Body(video, length))
        try:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ChecksumAlgorithm="CRC32", **said)
        except BotoCoreError as error:  # botocore hides what the stream raised, and cannot send a stream again
            raise video.fault or TryAgain(f"S3 broke off the upload of {key}: {error}") from error

    def _put_in_parts(self, key: str, video: VideoStream, said: dict[str, Any]) -> None:
        from s3transfer.manager import TransferConfig, TransferManager  # few videos need it

        config = TransferConfig(
            multipart_threshold=PART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_request_concurrency=1,
            max_submission_concurrency=1,
            max_in_memory_upload_chunks=1,
        )
        with TransferManager(self.client, config) as transfers:
            transfers.upload(cast("IO[Any]", video), self.bucket, key, said).result()

    def find(self, key: str, metadata: dict[str, str]) -> VideoStream | None:
        """Return the video at `key` as a stream if an earlier try put it there with this very metadata, else None."""
        try:
            stored = self.client.get_object(Bucket=self.bucket, Key=key)
        except self.client.exceptions.NoSuchKey:
            return None
        if stored["Metadata"] != metadata:
            stored["Body"].close()
            return None
        size = stored["ContentLength"]
        return VideoStream(stored["Body"].iter_chunks(PIECE_BYTES), size, size)

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
