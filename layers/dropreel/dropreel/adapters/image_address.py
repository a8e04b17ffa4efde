"""Reads the first bytes behind a presigned address, as the provider would."""

import requests

from dropreel.adapters.http import Deadline, open_session

_SECONDS = 20
_TIMEOUT = (5, 10)  # seconds to connect, and for each read
_FIRST_BYTES = 32
UNREACHABLE = "unreachable"
"""The answer where there is no HTTP status, or no byte."""


def read_first_bytes(url: str) -> str | None:
    """Read an image's first bytes without credentials. Return None, or why not: an HTTP status, or UNREACHABLE."""
    headers = {"Range": f"bytes=0-{_FIRST_BYTES - 1}", "Accept-Encoding": "identity"}
    with Deadline(_SECONDS) as deadline, open_session(deadline) as session:
        try:
            response = session.get(url, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True)
            with response:
                if response.status_code not in (200, 206):
                    return str(response.status_code)
                return None if next(response.iter_content(_FIRST_BYTES), b"") else UNREACHABLE
        except (requests.RequestException, ValueError):
            return UNREACHABLE
