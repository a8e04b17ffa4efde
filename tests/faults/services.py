"""Fake AWS services: S3, the queue's messages, and the faults of any call."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ReadTimeoutError, UnseekableStreamError
from botocore.response import StreamingBody

from tests.support.aws_errors import refusal


def with_fault(fault: str, operation: str, act: Callable[[], Any]) -> Any:
    """Make one call with one of `script.FAULTS`; any other word is no fault."""
    if fault == "failed entry" and operation == "PutEvents":
        entry = {"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}
        return {"FailedEntryCount": 1, "Entries": [entry]}
    if fault in ("refused", "failed entry"):
        raise refusal(operation, "ServiceUnavailable", 503)
    answer = act()
    if fault == "lost":
        raise ReadTimeoutError(endpoint_url=f"https://{operation}.example")
    if (
        fault == "repeated" and operation != "TransactWriteItems"
    ):  # the SDK gives a transaction a token, so it is done once
        answer = act()
    return answer


@dataclass(frozen=True)
class StoredObject:
    """One object in a bucket; every write of it is a version."""

    content: bytes
    metadata: dict[str, str]
    version_id: str
    last_modified: datetime = datetime(2026, 11, 12, tzinfo=UTC)

    @property
    def etag(self) -> str:
        """Like S3's."""
        return f'"{hashlib.md5(self.content).hexdigest()}"'


class Buckets:
    """The S3 calls of the code under test, on whole objects by bucket and key."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], StoredObject] = {}
        self.versions: dict[str, StoredObject] = {}
        self.writes = 0
        self.is_suspended = False
        """Whether the uploads bucket's versioning is suspended: each write is the version `null`."""
        self.streams: list[Any] = []
        """Streams that were sent, and cannot be sent again."""

    def put(
        self,
        bucket: str,
        key: str,
        content: bytes,
        metadata: dict[str, str] | None = None,
        at: datetime = datetime(2026, 11, 12, tzinfo=UTC),
    ) -> StoredObject:
        """Write an object, modified at a whole second, as in S3."""
        self.writes += 1
        version = "null" if self.is_suspended and bucket == "uploads" else f"version-{self.writes}"
        stored = StoredObject(content, metadata or {}, version, at.replace(microsecond=0))
        self.objects[bucket, key] = stored
        self.versions[stored.version_id] = stored
        return stored

    def content(self, bucket: str, key: str) -> bytes | None:
        """Return an object's content, or None."""
        stored = self.objects.get((bucket, key))
        return None if stored is None else stored.content

    def of_type(self, ending: str) -> dict[tuple[str, str], StoredObject]:
        """Return the objects whose keys have an ending."""
        return {place: stored for place, stored in self.objects.items() if place[1].endswith(ending)}

    def call(self, client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        """Make one call. Raises what the client would."""
        if operation == "ListObjectsV2":
            return self._listed(arguments)
        assert operation in ("PutObject", "HeadObject", "GetObject"), f"not supported: {operation}"
        place = (arguments["Bucket"], arguments["Key"])
        if operation == "PutObject":
            content = self._sent(arguments["Body"])
            self._check_condition(client, place, arguments)
            written = self.put(*place, content, arguments.get("Metadata"))
            return {"ETag": written.etag, "VersionId": written.version_id}
        stored = self.objects.get(place)
        if stored is not None and "VersionId" in arguments:
            stored = self.versions.get(arguments["VersionId"])
        if stored is None:
            if operation == "HeadObject":
                raise refusal(operation, "404", 404)
            raise refusal(operation, "NoSuchKey", 404, client)
        if arguments.get("IfMatch", stored.etag).strip('"') != stored.etag.strip('"'):
            raise refusal(operation, "PreconditionFailed", 412)
        answer = {
            "VersionId": stored.version_id,
            "ETag": stored.etag,
            "Metadata": dict(stored.metadata),
            "LastModified": stored.last_modified,
        }
        if operation == "HeadObject":
            return {**answer, "ContentLength": len(stored.content)}
        first, _, last = arguments.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = stored.content[int(first) : int(last) + 1 if last else None]
        if "Range" in arguments:
            answer["ContentRange"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(stored.content)}"
        return {**answer, "ContentLength": len(part), "Body": StreamingBody(io.BytesIO(part), len(part))}

    def _check_condition(self, client: Any, place: tuple[str, str], arguments: dict[str, Any]) -> None:
        """Refuse a write whose condition does not hold, as S3 does after the last byte."""
        there = self.objects.get(place)
        wanted = arguments.get("IfMatch")
        if wanted is not None and there is None:
            raise refusal("PutObject", "NoSuchKey", 404, client)
        if there is not None and ("IfNoneMatch" in arguments or wanted not in (None, there.etag)):
            raise refusal("PutObject", "PreconditionFailed", 412)

    def _listed(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """List the first keys of a bucket with a prefix."""
        keys = sorted(key for bucket, key in self.objects if bucket == arguments["Bucket"])
        found = [key for key in keys if key.startswith(arguments["Prefix"]) and key > arguments.get("StartAfter", "")]
        most = arguments["MaxKeys"]
        return {"Contents": [{"Key": key} for key in found[:most]], "IsTruncated": len(found) > most}

    def _sent(self, body: Any) -> bytes:
        """Return the body that the SDK sends. A stream can be sent once."""
        if isinstance(body, bytes):
            return body
        if body in self.streams:
            raise UnseekableStreamError(stream_object=body)
        self.streams.append(body)
        return b"".join(iter(lambda: body.read(1024), b""))


@dataclass
class Message:
    """A message of the queue of a step: `submit_generation` or `prepare_image`."""

    body: str
    visible_at: datetime
    step: str = "submit_generation"
    receives: int = 0
