"""Images in S3: what is there, ranges of it, and a presigned address for the provider."""

from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

from dropreel.jobs import ImageRef

PRESIGN_SECONDS = 3600
"""An hour at most: the address dies with the role's credentials anyway."""


@dataclass(frozen=True)
class StoredImage:
    """One version of an object, pinned: `read` gives ranges of exactly the bytes that `size` and `metadata` belong to."""

    client: "S3Client"
    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    metadata: dict[str, str] = field(default_factory=dict)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, at most `length`."""
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

    def find(self, image: ImageRef) -> StoredImage | Missing:
        """Return the image, or why there is none."""
        condition: dict[str, Any] = {} if image.version_id or not image.etag else {"IfMatch": image.etag}
        try:
            head = self.client.head_object(
                Bucket=image.bucket, Key=image.key, **_version(image.version_id), **condition
            )
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
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
            version_id=head.get("VersionId"),
            etag=head["ETag"],
            size=head["ContentLength"],
            metadata={name: _decoded(value) for name, value in head["Metadata"].items()},
        )

    def read_file(self, bucket: str, key: str, most: int) -> bytes | None:
        """Return a small object's first `most` bytes, or None where there is none."""
        try:
            return self.client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{most - 1}")["Body"].read()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404:
                return None
            if status == 416:  # there is no range in an empty object
                return b""
            raise


def _version(version_id: str | None) -> dict[str, Any]:
    return {"VersionId": version_id} if version_id and version_id != "null" else {}


def _decoded(value: str) -> str:
    """Decode RFC 2047 words: S3 metadata is ASCII, and S3 itself answers so where other text was sent."""
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError, HeaderParseError):  # not such words after all: the text as it stands
        return value
