"""The video behind `result.url`, as a stream that is checked while it is read."""

import re
import string
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3
from requests.cookies import RequestsCookieJar
from requests.utils import default_headers

from dropreel.adapters.http import Deadline, open_session
from dropreel.domain.errors import VideoFault
from dropreel.media.content_encodings import decoded
from dropreel.media.mp4 import starts_as_video
from dropreel.media.video_stream import PIECE_BYTES, VideoStream, too_large

DOWNLOAD_TIMEOUT = (5, 20)
"""Seconds to connect, and for each read."""
DOWNLOAD_SECONDS = 800
"""Seconds for one whole download, its redirects and the upload of its bytes included.

DeliverVideo's function has 890: what is too slow fails while there is time to abort the upload.
"""
MAX_REDIRECTS = 3
_FIRST_BYTES = 64 * 1024
_SLOW_SECONDS = 1.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BLANKS = " \t\r\n"
"""What is stripped from a URL. Not all that `str.strip` takes: a header's UTF-8 is read as latin-1 at first."""


class VideoSource:
    """Opens `result.url`, which is not trusted.

    Only https on port 443 of public addresses is allowed, and each redirect is checked again. The origin of `api_base_url`
    is allowed as it is. The API key is never sent: nothing here knows it.
    """

    def __init__(self, api_base_url: str, max_bytes: int) -> None:
        self.api_base_url = api_base_url
        self.max_bytes = max_bytes

    @contextmanager
    def open(self, result_url: str) -> Iterator[VideoStream]:
        """Yield the video as a stream, for at most DOWNLOAD_SECONDS.

        Raises VideoFault for a URL that is not allowed and a response that is no video; so does the stream at its deadline.
        """
        with Deadline(DOWNLOAD_SECONDS) as deadline, self._find(result_url, deadline) as response:
            length: int | None = response.raw.length_remaining
            if length is not None and length > self.max_bytes:
                raise too_large(self.max_bytes)
            encodings = response.headers.get("Content-Encoding", "")
            pieces, is_decoded = decoded(_pieces(response, deadline), encodings, starts_as_video)
            yield VideoStream(pieces, self.max_bytes, None if is_decoded else length, measured=length is not None)

    def _find(self, result_url: str, deadline: Deadline) -> requests.Response:
        """Return the response with the video, at most MAX_REDIRECTS redirects away."""
        url, cookies = result_url, RequestsCookieJar()
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._get(url, cookies, deadline)
                if deadline.expired:  # its headers may be cut, even within a URL
                    response.close()
                    raise _too_slow(0)
                if response.status_code in _REDIRECTS:
                    response.close()
                    url = _redirect_target(response)
                    continue
            except (requests.RequestException, ValueError) as error:
                if deadline.expired:
                    raise _too_slow(0) from error
                raise VideoFault(f"the video could not be fetched: {type(error).__name__}") from error
            if not _is_whole(response):
                response.close()
                part = " with a part of the video" if "Content-Range" in response.headers else ""
                raise VideoFault(f"the video's address answered {response.status_code}{part}")
            return response
        raise VideoFault(f"the video's address redirects more than {MAX_REDIRECTS} times")

    def _get(self, url: str, cookies: RequestsCookieJar, deadline: Deadline) -> requests.Response:
        """Request one URL. It is checked as it will be requested: preparing a request corrects the URL."""
        headers = {**default_headers(), "Accept-Encoding": "identity"}
        request = requests.Request("GET", url.strip(_BLANKS), headers, cookies=cookies).prepare()
        checked_url = request.url or ""
        is_own = _origin(checked_url) == _origin(self.api_base_url)
        if not is_own:
            _check_allowed(checked_url)
        with open_session(deadline, public_only=not is_own) as session:  # the response can be read after it is closed
            session.cookies = cookies  # takes the cookies of redirects; each goes back to the host that set it
            return session.send(request, timeout=DOWNLOAD_TIMEOUT, allow_redirects=False, stream=True)


def _redirect_target(response: requests.Response) -> str:
    """Return the URL that a redirect leads to, corrected as browsers do. Raises VideoFault if it has none."""
    location = next(iter(response.raw.headers.getlist("Location")), "").strip(_BLANKS)
    if not location:
        raise VideoFault(f"the video's address answered {response.status_code} and not where the video is")
    sent: bytes = location.encode("latin-1")  # http.client decodes all headers so, but most servers send UTF-8
    try:
        location = sent.decode()
    except UnicodeDecodeError:
        location = quote(sent, safe=string.punctuation)
    return urljoin(response.url, location)


def _is_whole(response: requests.Response) -> bool:
    """Return whether a response has the video from its first byte to its last.

    203 is the 200 of a proxy that changed something (RFC 9110, 15.3.4). Some caches answer 206 to a request without a range.
    """
    content_range = response.headers.get("Content-Range")
    if content_range is None:
        return response.status_code in (200, 203)
    part = re.fullmatch(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})", content_range.strip())
    if part is None or response.status_code not in (200, 203, 206):
        return False
    last, size = int(part[1]), int(part[2])
    return last + 1 == size and response.raw.length_remaining in (None, size)


def _pieces(response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
    """Yield the body's pieces as they were sent. They grow while they arrive fast: S3 ends an upload that pauses for long.

    Once the deadline has passed, the end of the body is a fault too: the body may be cut there.
    """
    size, wanted = 0, _FIRST_BYTES
    length = response.raw.length_remaining
    try:
        while not deadline.expired:
            began = monotonic()
            # No more than the rest of the length is read: http.client does not know a length that is sent twice ("9, 9").
            most = wanted if length is None else min(wanted, length - size)
            piece = response.raw.read(most, decode_content=False)
            is_slow = monotonic() - began > _SLOW_SECONDS
            wanted = _FIRST_BYTES if is_slow else min(2 * wanted, PIECE_BYTES)
            if not piece or deadline.expired:
                break
            size += len(piece)
            yield piece
    except urllib3.exceptions.HTTPError as error:
        if deadline.expired:
            raise _too_slow(size) from error
        raise VideoFault(f"the download broke off after {size:,} bytes: {type(error).__name__}") from error
    if deadline.expired:
        raise _too_slow(size)


def _too_slow(size: int) -> VideoFault:
    return VideoFault(f"the download took longer than {DOWNLOAD_SECONDS} seconds and was given up after {size:,} bytes")


def _check_allowed(url: str) -> None:
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
