"""The provider's API over HTTPS. Source: the provider's document; every answer becomes one of `dropreel.answers`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import quote

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from dropreel.adapters.time_limit import TimedSession, TimeLimit
from dropreel.answers import (
    MAX_STATUS_CHARACTERS,
    Accepted,
    Ambiguous,
    Busy,
    Finished,
    GenerationFailed,
    InProgress,
    KeyRefused,
    NotSent,
    PollAnswer,
    PollFault,
    Refused,
    SubmitAnswer,
    is_usable_id,
    words_of,
)
from dropreel.errors import SettingsError

SUBMIT_TIMEOUT = (5, 30)
"""Seconds to connect, and between two pieces of the answer."""
SUBMIT_SECONDS = 45
"""Seconds for a whole submission, its answer read: it ends well before the function does, which has 60."""
POLL_TIMEOUT = (3, 10)
POLL_SECONDS = 20
"""Seconds for a whole poll. The function has 30."""
MAX_ANSWER_BYTES = 1_000_000
MAX_RETRY_AFTER_SECONDS = 86_400
"""A limit of ours: a provider that is busy for longer is asked again."""


@dataclass(frozen=True)
class ProviderApi:
    """The two calls of the provider. `api_key` is asked at each call, so that a changed secret is picked up."""

    base_url: str
    api_key: Callable[[], str]

    def prepare(self, body: dict[str, Any]) -> "PreparedSubmission":
        """Do all that can fail on our side, such as reading the key, so that `send` holds nothing but the POST."""
        return PreparedSubmission(f"{self.base_url}/v1/videos/generate", self._headers(), json.dumps(body).encode())

    def poll(self, generation_id: str) -> PollAnswer:
        """GET the state of one generation, in at most POLL_SECONDS."""
        url = f"{self.base_url}/v1/videos/generations/{quote(generation_id, safe='')}"
        headers = self._headers()
        with TimeLimit(POLL_SECONDS) as limit:
            try:
                with _session(limit) as session:
                    response = session.get(
                        url, headers=headers, timeout=POLL_TIMEOUT, allow_redirects=False, stream=True
                    )
                    return _poll_answer(response, limit)
            except requests.RequestException as error:
                return PollFault(_told(error, limit))

    def _headers(self) -> dict[str, str]:
        key = self.api_key()
        if not key.isascii() or not key.isprintable():
            raise SettingsError("the API key in the secret holds characters that no HTTP header can carry")
        return {"Authorization": f"Bearer {key}", "Accept": "application/json"}


@dataclass(frozen=True, repr=False)
class PreparedSubmission:
    """One submission, ready to be sent. It holds the key and the image's presigned address: never log it."""

    url: str
    headers: dict[str, str]
    body: bytes

    def send(self) -> SubmitAnswer:
        """POST once, in at most SUBMIT_SECONDS: no retries, no redirects, no reused connection.

        A reused connection could have been closed by the other side meanwhile, which would look like a lost answer.
        """
        headers = {**self.headers, "Content-Type": "application/json", "Connection": "close"}
        with TimeLimit(SUBMIT_SECONDS) as limit:
            try:
                with _session(limit) as session:
                    response = session.post(
                        self.url,
                        data=self.body,
                        headers=headers,
                        timeout=SUBMIT_TIMEOUT,
                        allow_redirects=False,
                        stream=True,
                    )
                    return _submit_answer(response, limit)
            except requests.RequestException as error:
                if _never_sent(error):
                    return NotSent(_short(error))
                return Ambiguous(_told(error, limit))


def _submit_answer(response: requests.Response, limit: TimeLimit) -> SubmitAnswer:
    status = response.status_code
    if status in (429, 503):
        return Busy(status, None if limit.expired else _retry_after(response))  # a cut header may hold half a number
    if status in (401, 403):
        return KeyRefused(status)  # without the provider's words: they may repeat the key
    if 400 <= status < 500:
        try:
            message = _error_text(response, limit)
        except requests.RequestException as error:  # the status alone says that nothing was charged
            message = _told(error, limit)
        return Refused(status, message)
    if not 200 <= status < 300:
        return Ambiguous(f"the provider answered {status}")
    body = _json_object(response, limit)
    generation_id = None if body is None else body.get("id")
    if not isinstance(generation_id, str) or not is_usable_id(generation_id):
        return Ambiguous(f"the provider answered {status} without an id that can be used")
    return Accepted(generation_id, str((body or {}).get("status") or "created")[:MAX_STATUS_CHARACTERS])


def _poll_answer(response: requests.Response, limit: TimeLimit) -> PollAnswer:
    if response.status_code != 200:
        return PollFault(f"the provider answered {response.status_code}", response.status_code)
    body = _json_object(response, limit)
    if body is None:
        return PollFault("the provider's answer is not a JSON object", 200)
    status = body.get("status")
    if status in ("created", "processing"):
        return InProgress(status)
    if status == "failed":
        return GenerationFailed(words_of(body.get("error")))
    if status == "completed":
        result = body.get("result")
        url = result.get("url") if isinstance(result, dict) else None
        if isinstance(url, str) and url:
            return Finished(url)
        return PollFault("the provider says completed and gives no result.url", 200)
    return PollFault(f"the provider answered the unknown status {str(status)[:MAX_STATUS_CHARACTERS]!r}", 200)


def _json_object(response: requests.Response, limit: TimeLimit) -> dict[str, Any] | None:
    response._content = _read(response, limit)
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _error_text(response: requests.Response, limit: TimeLimit) -> str:
    body = _json_object(response, limit)
    if body is not None:
        return words_of(body.get("error") or body.get("detail") or body.get("message"))
    return words_of(response.text)


def _read(response: requests.Response, limit: TimeLimit) -> bytes:
    """Read the body, as far as an answer may go. Raises RequestException for one that broke off or that the limit has cut."""
    found = bytearray()
    for chunk in response.iter_content(64 * 1024):
        found += chunk
        if len(found) > MAX_ANSWER_BYTES:
            break
    if limit.expired:
        raise requests.Timeout
    return bytes(found)


def _retry_after(response: requests.Response) -> int | None:
    """Return the seconds that `Retry-After` asks for, at most a day; None where it says nothing that can be used.

    It may be seconds or a date (RFC 9110); a date counts from the answer's own `Date`, so that no two clocks are compared.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return min(int(value[:9]), MAX_RETRY_AFTER_SECONDS)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(response.headers.get("Date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0, min(round(wait.total_seconds()), MAX_RETRY_AFTER_SECONDS))


def _told(error: Exception, limit: TimeLimit) -> str:
    return f"the provider's answer took longer than {limit.seconds} seconds" if limit.expired else _short(error)


def _short(error: Exception) -> str:
    """Name the fault without the request's address."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return f"{type(error).__name__}: {type(reason or error).__name__}"


# --- telling "never sent" from "perhaps sent" ---------------------------------------------------------------------


_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)


def _never_sent(error: requests.RequestException) -> bool:
    if isinstance(error, _UNUSABLE):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _failed_to_connect(connection: HTTPConnection, error: Exception) -> NoReturn:
    raise NewConnectionError(connection, f"the connection could not be made: {type(error).__name__}") from error


class _Connection(HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, urllib3.exceptions.HTTPError) as error:
            _failed_to_connect(self, error)


class _TlsConnection(HTTPSConnection):
    """Whatever fails before the handshake is done was never sent, whatever name the fault has."""

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, urllib3.exceptions.HTTPError) as error:
            _failed_to_connect(self, error)


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        plain = type("_Pool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": _Connection})
        tls = type("_TlsPool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": _TlsConnection})
        self.poolmanager.pool_classes_by_scheme = {"http": plain, "https": tls}


def _session(limit: TimeLimit) -> requests.Session:
    session = TimedSession(limit)  # no proxy and no .netrc of the machine may see or change the key
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=0))
    return session
