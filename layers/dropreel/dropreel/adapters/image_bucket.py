"""Images in S3: one GET of all of it, and a presigned address for the provider."""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

from dropreel.domain.errors import RetryLater
from dropreel.domain.images import ImageRef, Missing
from dropreel.domain.messages import pinned_version
from dropreel.media.images.preparation import HEAD_BYTES
from dropreel.provider.limits import MAX_IMAGE_BYTES

PIECE_BYTES = 1024 * 1024
"""How much of a download is in memory."""
PRESIGN_SECONDS = 3600
"""How long an address is valid, at most: it also expires with the role's credentials."""


@dataclass(frozen=True)
class StoredImage:
    """One version of an object, pinned, and all of its bytes: `size`, `metadata` and `content` belong to each other.

    `content`, and with it `sha256` (hex), is None where the object has more than `MAX_IMAGE_BYTES`: only `head` was read.
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
    head: bytes = field(default=b"", repr=False)
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


class DownloadedImage(NamedTuple):
    """All bytes of an object in a temporary file, their number, and their SHA-256 in hex."""

    path: Path
    size: int
    sha256: str


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


class ImageBucket:
    """Looks images up. Raises botocore's ClientError on faults that are not about the object: an expired token, a denied access."""

    def __init__(self, client: "S3Client") -> None:
        self.client = client

    def find(self, image: ImageRef, size: int | None = None) -> StoredImage | Missing:
        """Return the image with all of its bytes, by one GET, or why there is none. `size`: its size in the event, in bytes.

        Raises RetryLater where S3's response is not the whole object.
        """
        found = self._get(image)
        if isinstance(found, Missing):
            return found
        with closing(found["Body"]) as body:  # bytes that are not read are not fetched
            said = _whole_length(found, pinned_version(image.version_id), size)
            content = _all_of(body, said) if said <= MAX_IMAGE_BYTES else None
            head = _read(body, HEAD_BYTES) if content is None else content[:HEAD_BYTES]
        return self._stored(image, found, said, content, head)

    @contextmanager
    def download(self, image: ImageRef, size: int | None = None) -> Iterator[DownloadedImage | Missing]:
        """Yield the image in a temporary file, which is deleted afterwards, or why there is none.

        Raises RetryLater where S3's response is not the whole object.
        """
        found = self._get(image)
        if isinstance(found, Missing):
            yield found
            return
        with closing(found["Body"]) as body, _temporary_file() as (file, path):
            said = _whole_length(found, pinned_version(image.version_id), size)
            sha256 = _copy(body, said, file)
            file.flush()
            yield DownloadedImage(path, said, sha256)

    def _get(self, image: ImageRef) -> "GetObjectOutputTypeDef | Missing":
        """Return S3's answer to a GET of the image's version, or why there is none."""
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
        if etag and found["ETag"].strip('"') != etag.strip('"'):
            found["Body"].close()
            return Missing.SUPERSEDED  # a store that ignores IfMatch
        return found

    def _stored(
        self, image: ImageRef, found: "GetObjectOutputTypeDef", size: int, content: bytes | None, head: bytes
    ) -> StoredImage:
        return StoredImage(
            client=self.client,
            bucket=image.bucket,
            key=image.key,
            version_id=pinned_version(found.get("VersionId")),
            etag=found["ETag"],
            size=size,
            last_modified=found["LastModified"],
            metadata={name: decoded_metadata(value) for name, value in found["Metadata"].items()},
            encoding=found.get("ContentEncoding"),
            content=content,
            head=head,
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


@contextmanager
def _temporary_file() -> Iterator[tuple[IO[bytes], Path]]:
    """Yield a file and its path. On Linux it has no name, so a process that is killed leaves nothing in Lambda's storage."""
    if Path("/proc/self/fd").is_dir():
        with TemporaryFile() as file:
            yield file, Path(f"/proc/self/fd/{file.fileno()}")
    else:
        with NamedTemporaryFile() as named:
            yield named, Path(named.name)


def _all_of(body: Any, length: int) -> bytes:
    """Read a body to its end. Raises RetryLater where it is cut or has another length."""
    content = _read(body)
    _require_length(len(content), length)
    return content


def _copy(body: Any, length: int, file: IO[bytes]) -> str:
    """Copy a body to a file, and return the SHA-256 of its bytes in hex. Raises RetryLater as `_all_of` does."""
    digest = hashlib.sha256()
    while piece := _read(body, PIECE_BYTES):
        digest.update(piece)
        file.write(piece)
    _require_length(file.tell(), length)
    return digest.hexdigest()


def _read(body: Any, most: int | None = None) -> bytes:
    try:
        content: bytes = body.read(most)
    except BotoCoreError as error:
        raise RetryLater(f"the image could not be read from S3: {type(error).__name__}") from error
    return content


def _require_length(found: int, said: int) -> None:
    if found != said:
        raise RetryLater(f"S3 said {said} bytes and sent {found}")


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


def decoded_metadata(value: str) -> str:
    """Decode RFC 2047 words: S3 metadata is ASCII, and S3 encodes other text so.

    They can spell invalid Unicode; options with it are rejected later.
    """
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError, MessageError):  # not RFC 2047 words: the text as it is
        return value
