"""Images in S3: one GET of all of it, and a presigned address for the provider."""

import hashlib
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

from dropreel.domain.errors import RetryLater
from dropreel.domain.job import ImageRef
from dropreel.domain.messages import pinned_version
from dropreel.media.images.reader import MAX_IMAGE_BYTES

PRESIGN_SECONDS = 3600
"""An hour at most: the address dies with the role's credentials anyway."""


@dataclass(frozen=True)
class StoredImage:
    """One version of an object, pinned, and all of its bytes: `size`, `metadata` and `content` belong to each other.

    `content`, and with it `sha256` (hex), is None where the object has more than `MAX_IMAGE_BYTES`: it was not read.
    `encoding` is the Content-Encoding that it is stored with.
    """

    client: "S3Client"
    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    last_modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    encoding: str | None = None
    content: bytes | None = field(default=None, repr=False)
    sha256: str | None = None

    def presigned_url(self, content_type: str) -> str:
        """Return an address that anyone can read this version from for `PRESIGN_SECONDS`. It is a secret: never log or store it.

        Its answer says `content_type`, whatever the object was stored with: many upload tools guess it from the name. An
        encoding that the bytes do not have would make clients decode them, or fail; `identity` is what each of them knows.
        """
        answer = {"ResponseContentType": content_type}
        if self.encoding:
            answer["ResponseContentEncoding"] = "identity"
        return self.client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket, "Key": self.key, **_version(self.version_id), **answer},
            ExpiresIn=PRESIGN_SECONDS,
        )


class Missing(Enum):
    """Why an image cannot be had, and will not be until somebody does something about it."""

    GONE = "gone"
    """Deleted, or never there."""
    SUPERSEDED = "superseded"
    """Replaced by a newer upload, which has an event of its own."""
    ARCHIVED = "archived"
    """In a storage class that has to be restored before anyone can read it."""
    ENCRYPTED = "encrypted"
    """Encrypted with a key that only its owner has (SSE-C): neither we nor the provider can send that key along."""
    KMS_KEY = "kms key"
    """Encrypted with a KMS key that is disabled, being deleted, or gone."""


_BY_ERROR_CODE = {
    "NoSuchKey": Missing.GONE,
    "NoSuchVersion": Missing.GONE,
    "NoSuchBucket": Missing.GONE,
    "MethodNotAllowed": Missing.GONE,  # the version is a delete marker
    "PreconditionFailed": Missing.SUPERSEDED,
    "InvalidObjectState": Missing.ARCHIVED,
    "KMS.DisabledException": Missing.KMS_KEY,
    "KMS.KMSInvalidStateException": Missing.KMS_KEY,
    "KMS.NotFoundException": Missing.KMS_KEY,
}
"""S3's error codes that tell of the object itself (Amazon S3 API Reference, "Error responses"; KMS's come through it)."""


@dataclass(frozen=True)
class ImageBucket:
    """Looks images up. Raises botocore's ClientError on what says nothing of the object: an expired token, a denied access."""

    client: "S3Client"

    def find(self, image: ImageRef, size: int | None = None) -> StoredImage | Missing:
        """Return the image with all of its bytes, by one GET, or why there is none. `size`: what its event says, in bytes.

        Raises RetryLater where S3 answers with anything but the whole object that was asked for.
        """
        asked: dict[str, Any] = {"Bucket": image.bucket, "Key": image.key, **_version(image.version_id)}
        etag = None if "VersionId" in asked else image.etag
        if etag:
            asked["IfMatch"] = etag
        try:
            found = self.client.get_object(**asked)
        except ClientError as error:
            missing = _missing(error)
            if missing is None:
                raise
            return missing
        with closing(found["Body"]) as body:  # what is not read of it is not fetched either
            if etag and found["ETag"].strip('"') != etag.strip('"'):
                return Missing.SUPERSEDED  # a store that knows no conditions
            said = _whole_length(found, asked.get("VersionId"), size)
            content = _all_of(body, said) if said <= MAX_IMAGE_BYTES else None
        return StoredImage(
            client=self.client,
            bucket=image.bucket,
            key=image.key,
            version_id=pinned_version(found.get("VersionId")),
            etag=found["ETag"],
            size=said,
            last_modified=found["LastModified"],
            metadata={name: _decoded(value) for name, value in found["Metadata"].items()},
            encoding=found.get("ContentEncoding"),
            content=content,
            sha256=None if content is None else hashlib.sha256(content).hexdigest(),
        )

    def list_keys(self, bucket: str, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        """Return at most `most` (1000 at most) keys that begin so and come after another, and whether there are more."""
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        found = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most, **start)
        return [one["Key"] for one in found.get("Contents", [])], bool(found.get("IsTruncated"))

    def read_file(self, bucket: str, key: str, most: int) -> bytes | Missing:
        """Return a small object's first `most` bytes, or why it cannot be had."""
        try:
            found = self.client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{most - 1}")
        except ClientError as error:
            if _status(error) == 416:
                return b""
            missing = _missing(error)
            if missing is None:
                raise
            return missing
        with closing(found["Body"]) as body:
            if not found.get("ContentRange", "bytes 0-").startswith("bytes 0-"):
                raise RetryLater(f"S3 answered with another range of {key} than was asked for")
            return body.read(most)  # a store that knows no ranges sends all of it


def _whole_length(found: Any, version_id: str | None, size: int | None) -> int:
    """Return how many bytes the answer has by what it says of itself. Raises RetryLater where that is not the whole object."""
    length = found.get("ContentLength")
    if found.get("ContentRange") or length is None or (size is not None and length != size):
        raise RetryLater(f"S3 answered with {length} bytes ({found.get('ContentRange')}) for an image of {size}")
    if version_id and found.get("VersionId") != version_id:
        raise RetryLater("S3 answered with another version than was asked for")
    return int(length)


def _all_of(body: Any, length: int) -> bytes:
    """Read a body to its end. Raises RetryLater where it is cut, or is not of the length that was said."""
    try:
        content: bytes = body.read()
    except BotoCoreError as error:
        raise RetryLater(f"the image could not be read from S3: {type(error).__name__}") from error
    if len(content) != length:
        raise RetryLater(f"S3 said {length} bytes and sent {len(content)}")
    return content


def _missing(error: ClientError) -> Missing | None:
    """Return what S3's error says of the image, None where it says nothing of it.

    The status alone does not tell: 400 and 403 are as well what an expired token or a missing permission gets.
    """
    code, message = error.response["Error"].get("Code"), error.response["Error"].get("Message", "")
    if code == "InvalidArgument" and "version id" in message.lower():
        return Missing.GONE  # no version that S3 ever gave has such an id
    if code == "InvalidRequest" and "Server Side Encryption" in message:
        return Missing.ENCRYPTED
    return _BY_ERROR_CODE.get(code or "")


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _version(version_id: str | None) -> dict[str, Any]:
    pinned = pinned_version(version_id)
    return {"VersionId": pinned} if pinned else {}


def _decoded(value: str) -> str:
    """Decode RFC 2047 words: S3 metadata is ASCII, and S3 itself answers so where other text was sent.

    They can spell what is not valid Unicode; an option that is refuses the image.
    """
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError, MessageError):  # not such words after all: the text as it stands
        return value
