"""The video behind `result.url`, as a stream that checks itself while it is read."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from dropreel.errors import VideoFault
from dropreel.videos import BoxWalker

if TYPE_CHECKING:
    from hashlib import _Hash

DOWNLOAD_TIMEOUT = (5, 20)
"""Seconds to connect, and between two pieces of the body."""
_PIECE = 256 * 1024


@dataclass
class VideoStream:
    """A readable stream of one video. The last `read` raises VideoFault unless what came was one whole video."""

    pieces: Iterator[bytes]
    max_bytes: int
    size: int = 0
    _digest: "_Hash" = field(default_factory=hashlib.sha256)
    _walker: BoxWalker = field(default_factory=BoxWalker)
    _rest: bytes = b""

    def read(self, length: int = -1) -> bytes:
        """Return `length` bytes, fewer only at the end: who asks takes a short answer for the end."""
        found = [self._rest]
        have = len(self._rest)
        while length < 0 or have < length:
            piece = self._next()
            if not piece:
                break
            found.append(piece)
            have += len(piece)
        joined = b"".join(found)
        if length < 0:
            length = len(joined)
        self._rest = joined[length:]
        return joined[:length]

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in hex."""
        return self._digest.hexdigest()

    def _next(self) -> bytes:
        try:
            piece = next(self.pieces, b"")
        except requests.RequestException as error:
            raise VideoFault(f"the download broke off after {self.size:,} bytes: {type(error).__name__}") from error
        if not piece:
            self._walker.finish()
            return b""
        self.size += len(piece)
        if self.size > self.max_bytes:
            raise VideoFault(f"the video is larger than {self.max_bytes:,} bytes (MaxVideoBytes)")
        self._digest.update(piece)
        self._walker.feed(piece)
        return piece


@dataclass(frozen=True)
class VideoSource:
    """Opens `result.url`. The address is untrusted: https only, except where the configured API base itself is not."""

    api_base_url: str
    max_bytes: int

    @contextmanager
    def open(self, result_url: str) -> Iterator[VideoStream]:
        """Yield the video as a stream. Raises VideoFault for an address or an answer that is not a video's."""
        if urlsplit(result_url).scheme != "https" and _origin(result_url) != _origin(self.api_base_url):
            raise VideoFault("result.url is not an https address")
        try:
            with requests.Session() as session:
                session.trust_env = False
                with session.get(
                    result_url,
                    headers={"Accept-Encoding": "identity"},
                    timeout=DOWNLOAD_TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    if response.status_code != 200:
                        raise VideoFault(f"the video's address answered {response.status_code}")
                    yield VideoStream(response.iter_content(_PIECE), self.max_bytes)
        except requests.RequestException as error:
            raise VideoFault(f"the video could not be fetched: {type(error).__name__}") from error


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
