"""The video behind `result.url`, as a stream that checks itself while it is read."""

import hashlib
import re
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3
from requests.cookies import RequestsCookieJar

from dropreel.adapters.http import TimedSession, TimeLimit
from dropreel.adapters.public_internet import mount_guard
from dropreel.domain.errors import VideoFault
from dropreel.media.content_encodings import decoded
from dropreel.media.mp4 import VideoFacts
from dropreel.media.videos import BoxWalker, starts_as_video

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
_BLANKS = " \t\r\n"
"""What may stand around an address. Not what Python calls blank: a header's UTF-8 is read as latin-1 at first."""


@dataclass
class VideoStream:
    """A readable stream of one video. The last `read` raises VideoFault unless what came was one whole video."""

    pieces: Iterator[bytes]
    max_bytes: int
    length: int | None = None
    """How many bytes it said that it has, if it did. Another number of them is a fault."""
    measured: bool = False
    """Whether it cannot have been cut, because its length is known, or was before it was unpacked: see BoxWalker."""
    size: int = 0
    fault: VideoFault | None = None
    """What was raised, for whom it reaches only wrapped into something else."""
    _digest: "_Hash" = field(default_factory=hashlib.sha256)
    _walker: BoxWalker = field(init=False)
    _rest: bytes | memoryview = b""

    def __post_init__(self) -> None:
        self._walker = BoxWalker(self.measured or self.length is not None)

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

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the video and no fault, once it was read to its end."""
        return self._walker.warnings

    def _next(self) -> bytes:
        try:
            return self._checked()
        except VideoFault as fault:
            self.fault = fault
            raise

    def _checked(self) -> bytes:
        piece = next(self.pieces, b"")
        if not piece:
            if self.length is not None and self.size != self.length:
                raise VideoFault(f"the video ended after {self.size:,} of {self.length:,} bytes")
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
            length: int | None = response.raw.length_remaining
            if length is not None and length > self.max_bytes:
                raise _too_large(self.max_bytes)
            encodings = response.headers.get("Content-Encoding", "")
            pieces, is_unpacked = decoded(_pieces(response, limit), encodings, starts_as_video)
            yield VideoStream(pieces, self.max_bytes, None if is_unpacked else length, measured=length is not None)

    def _response(self, result_url: str, limit: TimeLimit) -> requests.Response:
        url, cookies = result_url, RequestsCookieJar()
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._get(url, cookies, limit)
                if limit.expired:  # its headers may be cut, in the middle of an address even
                    response.close()
                    raise _too_slow(0)
                if response.status_code in _REDIRECTS:
                    response.close()
                    url = _target(response)
                    continue
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
                if limit.expired:
                    raise _too_slow(0) from error
                raise VideoFault(f"the video could not be fetched: {type(error).__name__}") from error
            if not _has_all(response):
                response.close()
                part = " with a part of the video" if "Content-Range" in response.headers else ""
                raise VideoFault(f"the video's address answered {response.status_code}{part}")
            return response
        raise VideoFault(f"the video's address redirects more than {MAX_REDIRECTS} times")

    def _get(self, url: str, cookies: RequestsCookieJar, limit: TimeLimit) -> requests.Response:
        """Ask one address. What is checked is the address as it will be asked: requests corrects what is odd about it."""
        with TimedSession(limit) as session:  # its answer can be read when it is closed
            session.cookies = cookies  # of this download's own redirects: each goes to the host that set it
            request = session.prepare_request(
                requests.Request("GET", url.strip(_BLANKS), headers={"Accept-Encoding": "identity"})
            )
            address = request.url or ""
            if _origin(address) != _origin(self.api_base_url):
                _refuse_odd(address)
                mount_guard(session)
            return session.send(request, timeout=DOWNLOAD_TIMEOUT, allow_redirects=False, stream=True)


def _target(response: requests.Response) -> str:
    """Return where a redirect leads, corrected as browsers and requests do. Raises VideoFault where it does not say it."""
    location = next(iter(response.raw.headers.getlist("Location")), "").strip(_BLANKS)
    if not location:
        raise VideoFault(f"the video's address answered {response.status_code} and not where the video is")
    sent: bytes = location.encode("latin-1")  # which http.client reads every header as, and most servers mean UTF-8
    try:
        location = sent.decode()
    except UnicodeDecodeError:
        location = quote(sent, safe=string.punctuation)
    return urljoin(response.url, location)


def _has_all(response: requests.Response) -> bool:
    """Tell whether an answer holds the video from its first byte to its last.

    203 is the 200 of a proxy that changed something (RFC 9110, 15.3.4); some caches answer 206 to who asked for no part.
    """
    told = response.headers.get("Content-Range")
    if told is None:
        return response.status_code in (200, 203)
    part = re.fullmatch(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})", told.strip())
    if part is None or response.status_code not in (200, 203, 206):
        return False
    last, size = int(part[1]), int(part[2])
    return last + 1 == size and response.raw.length_remaining in (None, size)


def _pieces(response: requests.Response, limit: TimeLimit) -> Iterator[bytes]:
    """Give the body's pieces as they were sent, larger ones as long as they come fast: S3 ends an upload that waits long.

    Once the time is up, the body's end is a fault too: it may be where the limit has cut it.
    """
    size, wanted = 0, _FIRST_BYTES
    length = response.raw.length_remaining
    try:
        while not limit.expired:
            began = monotonic()
            # No more than the length is waited for: http.client does not know one that is written twice ("9, 9").
            most = wanted if length is None else min(wanted, length - size)
            piece = response.raw.read(most, decode_content=False)
            is_slow = monotonic() - began > _SLOW_SECONDS
            wanted = _FIRST_BYTES if is_slow else min(2 * wanted, PIECE_BYTES)
            if not piece or limit.expired:
                break
            size += len(piece)
            yield piece
    except urllib3.exceptions.HTTPError as error:
        if limit.expired:
            raise _too_slow(size) from error
        raise VideoFault(f"the download broke off after {size:,} bytes: {type(error).__name__}") from error
    if limit.expired:
        raise _too_slow(size)


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


def _origin(url: str) -> tuple[str, str | None, int | None, str | None, str | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port, parts.username, parts.password
