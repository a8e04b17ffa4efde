"""The video behind `result.url`, as a stream that checks itself while it is read."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from dropreel.adapters.public_internet import mount_guard
from dropreel.adapters.time_limit import TimedSession, TimeLimit
from dropreel.errors import VideoFault
from dropreel.mp4_facts import VideoFacts
from dropreel.videos import BoxWalker

if TYPE_CHECKING:
    from hashlib import _Hash

DOWNLOAD_TIMEOUT = (5, 20)
"""Seconds to connect, and between two pieces of the body."""
DOWNLOAD_SECONDS = 800
"""Seconds for one whole download, its redirects and what is done with its bytes meanwhile counted.

DeliverVideo's function has 890: what is too slow fails while there is time to abort the upload.
"""
MAX_REDIRECTS = 3
PIECE_BYTES = 1024 * 1024
"""How much of a video is read at a time, at most."""
_FIRST_BYTES = 64 * 1024
_SLOW_SECONDS = 1.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass
class VideoStream:
    """A readable stream of one video. The last `read` raises VideoFault unless what came was one whole video."""

    pieces: Iterator[bytes]
    max_bytes: int
    length: int | None = None
    """How many bytes it said that it has, if it did."""
    size: int = 0
    fault: VideoFault | None = None
    """What was raised, for whom it reaches only wrapped into something else."""
    _digest: "_Hash" = field(default_factory=hashlib.sha256)
    _walker: BoxWalker = field(default_factory=BoxWalker)
    _rest: bytes | memoryview = b""

    def read(self, length: int = -1) -> bytes:
        """Return `length` bytes, fewer only at the end: who asks takes a short answer for the end."""
        found = BytesIO()
        while length < 0 or found.tell() < length:
            piece = self.read1(length - found.tell() if length >= 0 else -1)
            if not piece:
                break
            found.write(piece)
        return found.getvalue()

    def read1(self, length: int = -1) -> bytes | memoryview:
        """Return what comes next, at most `length` bytes and none only at the end: for who sends it on at once."""
        piece = self._rest or memoryview(self._next())
        room = len(piece) if length < 0 else length
        self._rest = piece[room:]
        return piece[:room]

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in hex."""
        return self._digest.hexdigest()

    @property
    def facts(self) -> VideoFacts:
        """What the video says of itself, once it was read to its end."""
        return self._walker.facts

    def _next(self) -> bytes:
        try:
            return self._checked()
        except VideoFault as fault:
            self.fault = fault
            raise

    def _checked(self) -> bytes:
        try:
            piece = next(self.pieces, b"")
        except urllib3.exceptions.HTTPError as error:
            raise VideoFault(f"the download broke off after {self.size:,} bytes: {type(error).__name__}") from error
        if not piece:
            self._walker.finish()
            return b""
        self.size += len(piece)
        if self.size > self.max_bytes:
            raise _too_large(self.max_bytes)
        self._digest.update(piece)
        self._walker.feed(piece)
        return piece


@dataclass(frozen=True)
class VideoSource:
    """Opens `result.url`, an address that is not to be trusted.

    Only https on port 443 of public addresses is taken, and each redirect is checked anew. The configured API base is
    taken as it is. The API key is never sent: nothing here knows it.
    """

    api_base_url: str
    max_bytes: int

    @contextmanager
    def open(self, result_url: str) -> Iterator[VideoStream]:
        """Yield the video as a stream, for at most DOWNLOAD_SECONDS.

        Raises VideoFault for an address or an answer that is not a video's, and so does the stream when it is too slow.
        """
        with TimeLimit(DOWNLOAD_SECONDS) as limit, self._response(result_url, limit) as response:
            length = _length(response)
            if length is not None and length > self.max_bytes:
                raise _too_large(self.max_bytes)
            yield VideoStream(_pieces(response, limit), self.max_bytes, length)

    def _response(self, result_url: str, limit: TimeLimit) -> requests.Response:
        url = result_url
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._get(url, limit)
                if limit.expired:  # its headers may be cut, in the middle of an address even
                    response.close()
                    raise _too_slow(0)
                if response.status_code in _REDIRECTS:
                    url = urljoin(url, response.headers.get("Location", ""))
                    response.close()
                    continue
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
                if limit.expired:
                    raise _too_slow(0) from error
                raise VideoFault(f"the video could not be fetched: {type(error).__name__}") from error
            if response.status_code != 200:
                response.close()
                raise VideoFault(f"the video's address answered {response.status_code}")
            return response
        raise VideoFault(f"the video's address redirects more than {MAX_REDIRECTS} times")

    def _get(self, url: str, limit: TimeLimit) -> requests.Response:
        with TimedSession(limit) as session:  # its answer can be read when it is closed
            if _origin(url) != _origin(self.api_base_url):
                _refuse_odd(url)
                mount_guard(session)
            return session.get(
                url,
                headers={"Accept-Encoding": "identity"},
                timeout=DOWNLOAD_TIMEOUT,
                allow_redirects=False,
                stream=True,
            )


def _pieces(response: requests.Response, limit: TimeLimit) -> Iterator[bytes]:
    """Give the body's pieces, larger ones as long as they come fast: S3 ends an upload that waits long for the next.

    Once the time is up, the body's end is a fault too: it may be where the limit has cut it.
    """
    size, wanted = 0, _FIRST_BYTES
    try:
        while not limit.expired:
            began = monotonic()
            piece = response.raw.read(wanted, decode_content=True)
            is_slow = monotonic() - began > _SLOW_SECONDS
            wanted = _FIRST_BYTES if is_slow else min(2 * wanted, PIECE_BYTES)
            if not piece or limit.expired:
                break
            size += len(piece)
            yield piece
    except urllib3.exceptions.HTTPError as error:
        if limit.expired:
            raise _too_slow(size) from error
        raise
    if limit.expired:
        raise _too_slow(size)


def _length(response: requests.Response) -> int | None:
    """Return how many bytes the body has, where its headers tell."""
    packed = response.headers.get("Content-Encoding", "identity") != "identity"
    return None if packed else response.raw.length_remaining


def _too_large(max_bytes: int) -> VideoFault:
    return VideoFault(f"the video is larger than {max_bytes:,} bytes (MaxVideoBytes)")


def _too_slow(size: int) -> VideoFault:
    return VideoFault(f"the download took longer than {DOWNLOAD_SECONDS} seconds and was given up after {size:,} bytes")


def _refuse_odd(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https":
        raise VideoFault("result.url is not an https address")
    if parts.port not in (None, 443):
        raise VideoFault(f"result.url names port {parts.port}; only 443 is allowed")
    if parts.username is not None or parts.password is not None:
        raise VideoFault("result.url holds a user name or a password")
    if not parts.hostname:
        raise VideoFault("result.url names no host")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
