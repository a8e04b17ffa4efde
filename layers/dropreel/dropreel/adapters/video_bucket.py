"""Where videos go: a stream into S3 in bounded memory."""

import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from dropreel.adapters.video_source import VideoStream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SINGLE_BYTES = 16 * 1024 * 1024
"""A video of fewer bytes goes up in one request, and is held in memory for it: most are."""
PART_BYTES = 5 * 1024 * 1024
"""The size of a larger video's parts, the least that S3 takes. Three are on their way to S3 while the next is read."""
_PIECE = 256 * 1024


@dataclass(frozen=True)
class VideoBucket:
    """Puts videos into the bucket. A stream that raises leaves no object behind: the upload is aborted."""

    client: "S3Client"
    bucket: str

    def put(self, key: str, video: VideoStream, metadata: dict[str, str]) -> None:
        """Copy the stream to `key`. `metadata` must be ASCII."""
        start = video.peek(SINGLE_BYTES)
        if len(start) < SINGLE_BYTES:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=start, ContentType="video/mp4", Metadata=metadata)
        else:
            del start
            self._put_in_parts(key, video, {"ContentType": "video/mp4", "Metadata": metadata})

    def _put_in_parts(self, key: str, video: VideoStream, said: dict[str, Any]) -> None:
        from s3transfer.manager import TransferConfig, TransferManager  # only large videos need it

        config = TransferConfig(
            multipart_threshold=PART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_request_concurrency=3,
            max_submission_concurrency=1,
            max_in_memory_upload_chunks=3,
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
        return VideoStream(stored["Body"].iter_chunks(_PIECE), stored["ContentLength"])

    def put_receipt(self, key: str, receipt: dict[str, Any]) -> None:
        """Write the receipt beside its video."""
        body = json.dumps(receipt, ensure_ascii=False, indent=2).encode()
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")
