"""An S3 client whose answers to GetObject a test gives."""

import io
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.response import StreamingBody
from botocore.session import Session

from dropreel.domain.images import ImageRef

IMAGE = ImageRef("uploads", "a.jpg", "v1", "e1")
UNVERSIONED = ImageRef("uploads", "a.jpg", None, "e1")
CONTENT = bytes(range(250)) * 8000


def client_of(**options: Any) -> Any:
    session = Session()
    session.set_credentials("AKIAEXAMPLE", "secret", "session-token")
    config = Config(
        signature_version="s3v4",
        retries={"total_max_attempts": 1},
        s3={"us_east_1_regional_endpoint": "regional", "addressing_style": options.pop("style", "virtual")},
    )
    return session.create_client("s3", region_name="us-east-1", config=config, **options)


@cache
def client() -> Any:
    return client_of()


def refuses(s3: Any, status: int, code: str, message: str = "") -> None:
    s3.add_client_error("get_object", code, message, http_status_code=status)


class Body(io.BytesIO):
    """Bytes that know how many of them were asked for, and the most that were asked for at once."""

    number_read = most_at_once = 0

    @property
    def was_read(self) -> bool:
        return bool(self.number_read)

    def read(self, *amount: Any) -> bytes:
        piece = super().read(*amount)
        self.number_read += len(piece)
        self.most_at_once = max(self.most_at_once, len(piece))
        return piece


def has(s3: Any, asked: dict[str, Any], content: bytes = CONTENT, **given: Any) -> Body:
    """Let S3 be asked so, and answer with these bytes."""
    body = Body(content)
    answer = {
        "Body": StreamingBody(body, given.get("ContentLength", len(content))),
        "ContentLength": len(content),
        "ETag": '"e1"',
        "Metadata": {},
        "LastModified": datetime(2026, 5, 4, tzinfo=UTC),
        **given,
    }
    s3.add_response("get_object", answer, {"Bucket": "uploads", "Key": "a.jpg", **asked})
    return body


def head_of(length: int, *more: str) -> bytes:
    """How S3's answer begins."""
    date = "Last-Modified: Mon, 04 May 2026 00:00:00 GMT"
    lines = ["HTTP/1.1 200 OK", 'ETag: "e1"', date, "x-amz-version-id: v1", f"Content-Length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()
