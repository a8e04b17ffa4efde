"""Where videos go: a stream into S3 in bounded memory."""

import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from boto3.s3.transfer import TransferConfig

from dropreel.adapters.video_source import VideoStream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024
"""Bytes held at a time, and the size of an upload's parts."""
_PIECE = 256 * 1024


@dataclass(frozen=True)
class VideoBucket:
    """Puts videos into the bucket. A stream that raises leaves no object behind: the upload is aborted."""

    client: "S3Client"
    bucket: str

    def put(self, key: str, video: VideoStream, metadata: dict[str, str]) -> None:
        """Copy the stream to `key`. `metadata` must be ASCII."""
        self.client.upload_fileobj(
            cast("IO[Any]", video),
            self.bucket,
            key,
            ExtraArgs={"ContentType": "video/mp4", "Metadata": metadata},
            Config=TransferConfig(
                multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=2, use_threads=False
            ),
        )

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
