"""Images in S3: what is there, ranges of it, and a presigned address for the provider."""

from dataclasses import dataclass, field
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

from dropreel.images import first_block
from dropreel.jobs import ImageRef

PRESIGN_SECONDS = 3600
"""An hour at most: the address dies with the role's credentials anyway."""


@dataclass(frozen=True)
class StoredImage:
    """One version of an object, pinned: `read` gives ranges of exactly the bytes that `size` and `metadata` belong to.

    `start` holds its first bytes, where they have been read already.
    """

    client: "S3Client"
    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    last_modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    start: bytes = field(default=b"", repr=False)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, at most `length`."""
        if min(offset + length, self.size) <= len(self.start):
            return self.start[offset : offset + length]
        answer = self.client.get_object(
            Bucket=self.bucket,
            Key=self.key,
            Range=f"bytes={offset}-{offset + length - 1}",
            IfMatch=self.etag,
            **_version(self.version_id),
        )
        return answer["Body"].read()

    def presigned_url(self) -> str:
        """Return an address that anyone can read this version from for `PRESIGN_SECONDS`. It is a secret: never log or store it."""
        return self.client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket, "Key": self.key, **_version(self.version_id)},
            ExpiresIn=PRESIGN_SECONDS,
        )


class Missing(Enum):
    """Why an event's image is not there: deleted, or replaced by a newer upload (which has an event of its own)."""

    GONE = "gone"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class ImageBucket:
    """Looks images up. Raises botocore's ClientError on anything but "it is not there"."""

    client: "S3Client"

    def find(self, image: ImageRef, size: int | None = None) -> StoredImage | Missing:
        """Return the image with its first bytes, or why there is none. `size`: what its event says of it, in bytes."""
        which = {"Bucket": image.bucket, "Key": image.key, **_version(image.version_id)}
        if image.etag and not image.version_id:
            which["IfMatch"] = image.etag
        try:
            found, start = self._looked_at(which, first_block(size))
        except ClientError as error:
            status = _status(error)
            if status == 412:
                return Missing.SUPERSEDED
            if status in (404, 405):  # 405: the version is a delete marker
                return Missing.GONE
            if status == 400 and _version(image.version_id):  # the version id is none that S3 ever gave
                return Missing.GONE
            raise
        return StoredImage(
            client=self.client,
            bucket=image.bucket,
            key=image.key,
            version_id=found.get("VersionId"),
            etag=found["ETag"],
            size=_whole_size(found),
            last_modified=found["LastModified"],
            metadata={name: _decoded(value) for name, value in found["Metadata"].items()},
            start=start,
        )

    def _looked_at(self, which: dict[str, Any], length: int) -> tuple[Any, bytes]:
        """Return what S3 says of an object, and its first bytes: one request for both, unless it is empty."""
        try:
            found = self.client.get_object(**which, Range=f"bytes=0-{length - 1}")
        except ClientError as error:
            if _status(error) != 416:  # there is no range in an empty object
                raise
            return self.client.head_object(**which), b""
        return found, found["Body"].read()

    def list_keys(self, bucket: str, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        """Return at most `most` (1000 at most) keys that begin so and come after another, and whether there are more."""
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        found = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most, **start)
        return [one["Key"] for one in found.get("Contents", [])], bool(found.get("IsTruncated"))

    def read_file(self, bucket: str, key: str, most: int) -> bytes | None:
        """Return a small object's first `most` bytes, or None where there is none."""
        try:
            return self.client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{most - 1}")["Body"].read()
        except ClientError as error:
            status = _status(error)
            if status == 404:
                return None
            if status == 416:
                return b""
            raise


def _whole_size(found: Any) -> int:
    """Return an object's size. A store that knows no ranges sends all of it, and says nothing of a range."""
    return int(found["ContentRange"].rpartition("/")[2]) if found.get("ContentRange") else int(found["ContentLength"])


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _version(version_id: str | None) -> dict[str, Any]:
    return {"VersionId": version_id} if version_id and version_id != "null" else {}


def _decoded(value: str) -> str:
    """Decode RFC 2047 words: S3 metadata is ASCII, and S3 itself answers so where other text was sent."""
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError, HeaderParseError):  # not such words after all: the text as it stands
        return value
