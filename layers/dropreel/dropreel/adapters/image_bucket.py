"""Images in S3: one GET of all of it, and a presigned address for the provider."""

import hashlib
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

from dropreel.domain.errors import RetryLater
from dropreel.domain.images import ImageRef, Missing
from dropreel.domain.messages import pinned_version
from dropreel.provider.limits import MAX_IMAGE_BYTES

PRESIGN_SECONDS = 3600
"""How long an address is valid, at most: it also expires with the role's credentials."""


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

        The response has `content_type`, whatever the object was stored with: many upload tools guess it from the name. A
        stored Content-Encoding that the bytes do not have would make clients fail; it is replaced by `identity`.
        """
        answer = {"ResponseContentType": content_type}
        if self.encoding:
            answer["ResponseContentEncoding"] = "identity"
        return self.client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket, "Key": self.key, **_version(self.version_id), **answer},
            ExpiresIn=PRESIGN_SECONDS,
        )


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
"""S3's error codes about the object itself (Amazon S3 API Reference, "Error responses"; KMS's are passed on by S3)."""


@dataclass(frozen=True)
class ImageBucket:
    """Looks images up. Raises botocore's ClientError on faults that are not about the object: an expired token, a denied access."""

    client: "S3Client"

    def find(self, image: ImageRef, size: int | None = None) -> StoredImage | Missing:
        """Return the image with all of its bytes, by one GET, or why there is none. `size`: its size in the event, in bytes.

        Raises RetryLater where S3's response is not the whole object.
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
        with closing(found["Body"]) as body:  # bytes that are not read are not fetched
            if etag and found["ETag"].strip('"') != etag.strip('"'):
                return Missing.SUPERSEDED  # a store that ignores IfMatch
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
        """Return keys with a prefix that sort after `after`, `most` (at most 1000) of them, and whether there are more."""
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        found = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most, **start)
        return [one["Key"] for one in found.get("Contents", [])], bool(found.get("IsTruncated"))

    def read_file(self, bucket: str, key: str, most: int) -> bytes | Missing:
        """Return a small object's first `most` bytes, or why it cannot be read."""
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
            return body.read(most)  # a store that ignores Range sends the whole object


def _whole_length(found: Any, version_id: str | None, size: int | None) -> int:
    """Return the response's Content-Length. Raises RetryLater where the response is not the whole object."""
    length = found.get("ContentLength")
    if found.get("ContentRange") or length is None or (size is not None and length != size):
        raise RetryLater(f"S3 answered with {length} bytes ({found.get('ContentRange')}) for an image of {size}")
    if version_id and found.get("VersionId") != version_id:
        raise RetryLater("S3 answered with another version than was asked for")
    return int(length)


def _all_of(body: Any, length: int) -> bytes:
    """Read a body to its end. Raises RetryLater where it is cut or has another length."""
    try:
        content: bytes = body.read()
    except BotoCoreError as error:
        raise RetryLater(f"the image could not be read from S3: {type(error).__name__}") from error
    if len(content) != length:
        raise RetryLater(f"S3 said {length} bytes and sent {len(content)}")
    return content


def _missing(error: ClientError) -> Missing | None:
    """Return what S3's error says about the image, None where it is about something else.

    The HTTP status is not enough: an expired token and a missing permission get 400 and 403 as well.
    """
    code, message = error.response["Error"].get("Code"), error.response["Error"].get("Message", "")
    if code == "InvalidArgument" and "version id" in message.lower():
        return Missing.GONE  # S3 never gave out such a version id
    if code == "InvalidRequest" and "Server Side Encryption" in message:
        return Missing.ENCRYPTED
    return _BY_ERROR_CODE.get(code or "")


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _version(version_id: str | None) -> dict[str, Any]:
    pinned = pinned_version(version_id)
    return {"VersionId": pinned} if pinned else {}


def _decoded(value: str) -> str:
    """Decode RFC 2047 words: S3 metadata is ASCII, and S3 encodes other text so.

    They can spell invalid Unicode; options with it are rejected later.
    """
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError, MessageError):  # not RFC 2047 words: the text as it is
        return value
