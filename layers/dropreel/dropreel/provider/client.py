"""The provider's API over HTTPS: the two calls. Source: the provider's document."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from dropreel.adapters.http import Deadline, open_session, read_body
from dropreel.domain.errors import SettingsError
from dropreel.domain.options import Options
from dropreel.provider.limits import POLL_SECONDS, POLL_TIMEOUT, SUBMIT_SECONDS, SUBMIT_TIMEOUT
from dropreel.provider.poll_answers import PollAnswer, PollFault
from dropreel.provider.reading import Reply, poll_answer, submit_answer
from dropreel.provider.submit_answers import NotSent, SubmitAnswer, Unknown

MAX_ANSWER_BYTES = 1_000_000
"""How much of a body is read. What is cut there is not valid JSON any more."""
_FAULTS = {
    "NameResolutionError": "its name could not be resolved",
    "ConnectTimeoutError": "no connection was made in time",
    "ConnectTimeout": "no connection was made in time",
    "NewConnectionError": "no connection could be made",
    "SSLError": "the TLS handshake failed",
    "ReadTimeout": "no answer came in time",
    "ChunkedEncodingError": "the connection was cut within the answer",
    "ContentDecodingError": "the answer could not be decoded",
    "InvalidURL": "its address cannot be used",
    "MissingSchema": "its address cannot be used",
    "InvalidSchema": "its address cannot be used",
    "ConnectionError": "the connection was cut before an answer came",
}
"""Plain words for what requests and urllib3 raise, by the class's name."""


@dataclass(frozen=True)
class ProviderClient:
    """The provider's two calls. `api_key` is read at each call, so that a changed secret is used at once."""

    base_url: str
    api_key: Callable[[], str]

    def prepare(self, options: Options, image_url: str) -> "PreparedSubmission":
        """Do all that can fail on our side, such as reading the key, so that `send` is nothing but the POST."""
        key = self.api_key()
        return PreparedSubmission(
            f"{self.base_url}/v1/videos/generate",
            _headers(key),
            json.dumps(_request_body(options, image_url)).encode(),
            secrets=(key, image_url),
        )

    def poll(self, generation_id: str) -> PollAnswer:
        """GET the state of one generation, in at most POLL_SECONDS."""
        url = f"{self.base_url}/v1/videos/generations/{quote(generation_id, safe='')}"
        key = self.api_key()
        headers = _headers(key)
        with Deadline(POLL_SECONDS) as deadline, open_session(deadline) as session:
            try:
                response = session.get(url, headers=headers, timeout=POLL_TIMEOUT, allow_redirects=False, stream=True)
            except requests.RequestException as error:
                return PollFault(_fault_text(error, deadline))
            return poll_answer(_receive(response, deadline), generation_id, (key,))


@dataclass(frozen=True, repr=False)
class PreparedSubmission:
    """One submission, ready to be sent. It holds the key and the image's presigned address: never log it.

    `secrets` are these two; they are removed from the provider's texts.
    """

    url: str
    headers: dict[str, str]
    body: bytes
    secrets: tuple[str, ...] = ()

    def send(self) -> SubmitAnswer:
        """POST once, in at most SUBMIT_SECONDS: no retries, no redirects, no reused connection.

        The server may have closed a reused connection in the meantime, which would look like a lost answer.
        """
        headers = {**self.headers, "Content-Type": "application/json", "Connection": "close"}
        with Deadline(SUBMIT_SECONDS) as deadline, open_session(deadline) as session:
            try:
                response = session.post(
                    self.url,
                    data=self.body,
                    headers=headers,
                    timeout=SUBMIT_TIMEOUT,
                    allow_redirects=False,
                    stream=True,
                )
            except requests.RequestException as error:
                if session.was_never_sent(error):
                    return NotSent(_error_text(error))
                return Unknown(_fault_text(error, deadline))
            return submit_answer(_receive(response, deadline), self.secrets)


def _request_body(options: Options, image_url: str) -> dict[str, Any]:
    """Return every field that the provider documents, `negative_prompt` only if it is not empty."""
    body = {**options._asdict(), "image_url": image_url}
    if not body["negative_prompt"]:
        del body["negative_prompt"]
    return body


def _headers(key: str) -> dict[str, str]:
    if not key.isascii() or not key.isprintable():
        raise SettingsError("the API key in the secret holds characters that no HTTP header can carry")
    return {"Authorization": f"Bearer {key}", "Accept": "application/json"}


def _receive(response: requests.Response, deadline: Deadline) -> Reply:
    """Read a response, a redirect without its body."""
    headers_cut = deadline.expired
    body: bytes | None = b""
    fault = ""
    if not 300 <= response.status_code < 400:
        try:
            body = read_body(response, deadline, MAX_ANSWER_BYTES)
        except requests.RequestException as error:
            body, fault = None, _fault_text(error, deadline)
    return Reply(response.status_code, response.headers, body, fault, headers_cut)


def _fault_text(error: requests.RequestException, deadline: Deadline) -> str:
    if deadline.expired:
        return f"the provider's answer took longer than {deadline.seconds} seconds"
    return _error_text(error)


def _error_text(error: requests.RequestException) -> str:
    """Return plain words for an error, by its class and its reason's: the messages hold the request's address."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    classes = [each.__name__ for fault in (reason, error) if fault is not None for each in type(fault).__mro__]
    return next((_FAULTS[name] for name in classes if name in _FAULTS), type(error).__name__)
