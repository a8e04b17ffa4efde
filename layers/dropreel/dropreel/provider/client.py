"""The provider's API over HTTPS. Source: the provider's document; every answer becomes one of `dropreel.provider.answers`."""

import codecs
import json
import re
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

from dropreel.adapters.http import TimedSession, TimeLimit
from dropreel.domain.encodable import is_encodable
from dropreel.domain.errors import SettingsError
from dropreel.domain.redaction import redact
from dropreel.provider.answers import (
    MAX_STATUS_CHARACTERS,
    Accepted,
    Busy,
    Finished,
    GenerationFailed,
    InProgress,
    KeyRefused,
    NoBalance,
    NotSent,
    PollAnswer,
    PollFault,
    Refused,
    SubmitAnswer,
    Unknown,
    is_usable_id,
)
from dropreel.provider.words import (
    NO_WORDS,
    failure_words,
    is_content_refusal,
    is_no_balance,
    provider_words,
    refuses_for_balance,
    retry_after_in,
)

SUBMIT_TIMEOUT = (5, 30)
"""Seconds to connect, and between two pieces of the answer."""
SUBMIT_SECONDS = 45
"""Seconds for a whole submission, its answer read: it ends well before the function does, which has 100."""
POLL_TIMEOUT = (3, 10)
POLL_SECONDS = 20
"""Seconds for a whole poll. The function has 30."""
MAX_ANSWER_BYTES = 1_000_000
MAX_RETRY_AFTER_SECONDS = 86_400
"""A limit of ours: a provider that is busy for longer is asked again."""
MAX_POLL_WORDS = 300
"""Characters of the provider's words that are kept of a poll that told nothing: a limit of ours."""

_NOT_TOLD = (408, 409, 425, 499)
"""4xx that do not say whether the request was taken: a time-out, a conflict with another one, a connection that was lost."""
_CHARSETS = r"ascii|utf|iso8859|latin|cp\d|koi8|gb|big5|hz|shift_jis|euc"


@dataclass(frozen=True)
class ProviderClient:
    """The two calls of the provider. `api_key` is asked at each call, so that a changed secret is picked up."""

    base_url: str
    api_key: Callable[[], str]

    def prepare(self, body: dict[str, Any]) -> "PreparedSubmission":
        """Do all that can fail on our side, such as reading the key, so that `send` holds nothing but the POST."""
        key = self.api_key()
        return PreparedSubmission(
            f"{self.base_url}/v1/videos/generate",
            _headers(key),
            json.dumps(body).encode(),
            secrets=(key, str(body.get("image_url", ""))),
        )

    def poll(self, generation_id: str) -> PollAnswer:
        """GET the state of one generation, in at most POLL_SECONDS."""
        url = f"{self.base_url}/v1/videos/generations/{quote(generation_id, safe='')}"
        key = self.api_key()
        headers = _headers(key)
        with TimeLimit(POLL_SECONDS) as limit:
            try:
                with _session(limit) as session:
                    response = session.get(
                        url, headers=headers, timeout=POLL_TIMEOUT, allow_redirects=False, stream=True
                    )
                    return _poll_answer(response, limit, generation_id, (key,))
            except requests.RequestException as error:
                return PollFault(_told(error, limit))


@dataclass(frozen=True, repr=False)
class PreparedSubmission:
    """One submission, ready to be sent. It holds the key and the image's presigned address: never log it.

    `secrets` are both of them, so that the provider's words can be told without them.
    """

    url: str
    headers: dict[str, str]
    body: bytes
    secrets: tuple[str, ...] = ()

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
                    return _submit_answer(response, limit, self.secrets)
            except requests.RequestException as error:
                if _never_sent(error):
                    return NotSent(_short(error))
                return Unknown(_told(error, limit))


def _headers(key: str) -> dict[str, str]:
    if not key.isascii() or not key.isprintable():
        raise SettingsError("the API key in the secret holds characters that no HTTP header can carry")
    return {"Authorization": f"Bearer {key}", "Accept": "application/json"}


def _submit_answer(response: requests.Response, limit: TimeLimit, secrets: tuple[str, ...]) -> SubmitAnswer:
    status = response.status_code
    if 200 <= status < 300:
        return _taken(status, _said(response, limit), secrets)
    if status < 400:
        return Unknown(f"the provider answered {status}")
    headers_cut = limit.expired  # a cut header may hold half a number
    said = _said_if_whole(response, limit)
    words = provider_words(said, secrets)
    if status == 429 or (status == 503 and response.headers.get("Retry-After", "").strip()):
        if status == 429 and is_no_balance(status, words):
            return NoBalance(status, words)
        return Busy(status, None if headers_cut else _retry_after(response, said), words)
    if status >= 500 or status in _NOT_TOLD:
        return Unknown(f"the provider answered {status}", words)
    if is_no_balance(status, words):
        return NoBalance(status, words)
    if status == 401 or (status == 403 and not is_content_refusal(words or "")):
        return KeyRefused(status, words)
    return Refused(status, words)


def _taken(status: int, said: Any, secrets: tuple[str, ...]) -> SubmitAnswer:
    """Read a 2xx: only an id, or a plain statement that there is no money left, tells what became of the submission."""
    body = said if isinstance(said, dict) else {}
    generation_id = body.get("id")
    if (
        isinstance(generation_id, str)
        and is_usable_id(generation_id)
        and not any(secret in generation_id for secret in secrets if secret)
    ):
        return Accepted(generation_id, _status_of(body.get("status") or "created", secrets))
    words = provider_words(said, secrets)
    if "id" not in body and refuses_for_balance(said, words):
        return NoBalance(status, words)
    return Unknown(f"the provider answered {status} without an id that can be used", words)


def _poll_answer(
    response: requests.Response, limit: TimeLimit, generation_id: str, secrets: tuple[str, ...]
) -> PollAnswer:
    status_code = response.status_code
    if status_code != 200:
        words = provider_words(_said_if_whole(response, limit), secrets) if status_code >= 400 else None
        no_balance = status_code in (402, 403, 429) and is_no_balance(status_code, words)
        return _fault(f"the provider answered {status_code}", status_code, words, no_balance=no_balance)
    body = _said(response, limit)
    if not isinstance(body, dict):
        return _fault("the provider's answer is not a JSON object", 200, provider_words(body, secrets))
    if not _is_about(generation_id, body):
        return PollFault("the provider's answer is about another generation", 200)
    status = body.get("status")
    if status in ("created", "processing"):
        return InProgress(status)
    if status == "failed":
        return GenerationFailed(failure_words(body, secrets) or NO_WORDS)
    if status == "completed":
        result = body.get("result")
        url = result.get("url") if isinstance(result, dict) else None
        if isinstance(url, str) and url:
            odd = PollFault("the provider says completed and its result.url is not valid Unicode", 200)
            return Finished(url) if is_encodable(url) else odd
        return PollFault("the provider says completed and gives no result.url", 200)
    shown = _status_of(status, secrets)
    return _fault(f"the provider answered the unknown status {shown!r}", 200, failure_words(body, secrets))


def _is_about(generation_id: str, body: dict[str, Any]) -> bool:
    """Tell whether an answer is about the generation that was asked for: its `id` says so, or it has none.

    The document names no `id` among the fields of such an answer.
    """
    told = body.get("id")
    return told is None or str(told) == generation_id


def _status_of(status: Any, secrets: tuple[str, ...]) -> str:
    if status in ("created", "processing"):
        return str(status)
    return redact(str(status)[:1000], secrets)[:MAX_STATUS_CHARACTERS]


def _fault(message: str, status_code: int, words: str | None, *, no_balance: bool = False) -> PollFault:
    if words is None:
        return PollFault(message, status_code, no_balance=no_balance)
    words = words if len(words) <= MAX_POLL_WORDS else words[: MAX_POLL_WORDS - 1] + "…"
    return PollFault(f"{message}: {words}", status_code, words, no_balance)


def _said_if_whole(response: requests.Response, limit: TimeLimit) -> Any:
    """Return what an answer's body says, or None where it does not come: its status alone tells enough."""
    try:
        return _said(response, limit)
    except requests.RequestException:
        return None


def _said(response: requests.Response, limit: TimeLimit) -> Any:
    """Return an answer's body as JSON, or else as text. Raises RequestException for one that was cut."""
    content = _read(response, limit)
    for decode in (bytes, lambda raw: _decoded(raw, response)):
        try:
            return json.loads(decode(content))
        except (ValueError, RecursionError):
            continue
    return _readable(_decoded(content, response))


def _decoded(content: bytes, response: requests.Response) -> str:
    """Decode a body: as its header says where that names a charset, else as UTF-8, else byte by byte."""
    named = re.search(r"charset=[\"']?([\w.:-]{1,40})", response.headers.get("Content-Type", ""), re.IGNORECASE)
    charsets = [named[1]] if named else []
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        charsets.insert(0, "utf-16")
    for charset in (*charsets, "utf-8-sig"):
        try:
            if re.match(_CHARSETS, codecs.lookup(charset).name.replace("-", "")) or charset == "utf-8-sig":
                return content.decode(charset)
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def _readable(text: str) -> str:
    """Return a text for people, or nothing where it is none: a picture, a packed body."""
    start = text[:4096]
    strange = sum(not (each.isprintable() or each.isspace()) or each == "\ufffd" for each in start)
    return "" if strange > len(start) / 20 else text


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


def _retry_after(response: requests.Response, said: Any) -> int | None:
    """Return the seconds that `Retry-After` asks for, at most a day, or else those that the body asks for; None without either.

    The header may be seconds or a date (RFC 9110); a date counts from the answer's own `Date`, so that no two clocks are
    compared.
    """
    seconds = _retry_after_header(response)
    seconds = retry_after_in(said) if seconds is None else seconds
    return None if seconds is None else max(0, min(seconds, MAX_RETRY_AFTER_SECONDS))


def _retry_after_header(response: requests.Response) -> int | None:
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return int(value[:9])
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(response.headers.get("Date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return round(wait.total_seconds())


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
