"""Turns the provider's HTTP responses into values of `submit_answers` and `poll_answers`. Pure.

Source: the provider's document and, where it is silent, the assumptions written down beside it.
"""

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropreel.domain.encodable import is_encodable
from dropreel.domain.redaction import redact
from dropreel.domain.rehearsals import is_rehearsal_id
from dropreel.domain.retry_after import retry_after_seconds
from dropreel.provider.error_texts import NO_REASON_GIVEN, error_text, failure_text, retry_after_in
from dropreel.provider.limits import MAX_RETRY_AFTER_SECONDS
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollAnswer, PollFault
from dropreel.provider.refusals import is_content_refusal, is_no_balance, refuses_for_balance
from dropreel.provider.submit_answers import (
    Accepted,
    Busy,
    KeyRefused,
    NoBalance,
    Refused,
    SubmitAnswer,
    Unknown,
    is_usable_id,
)

MAX_STATUS_CHARACTERS = 60
"""Characters of a status that are kept: a limit of ours."""
MAX_POLL_ERROR_CHARACTERS = 300
"""Characters of the provider's error text that are kept of a failed poll: a limit of ours."""

_UNDECIDED_4XX = (408, 409, 425, 499)
"""4xx that leave open whether the request was accepted: a time-out, a conflict with another request, a lost connection."""
_CHARSETS = r"ascii|utf|iso8859|latin|cp\d|koi8|gb|big5|hz|shift_jis|euc"


@dataclass(frozen=True)
class Reply:
    """An HTTP response as it was received. The names of `headers` are compared without case."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    """None if it did not arrive as a whole; `fault` says why."""
    fault: str = ""
    headers_cut: bool = False
    """Whether the deadline passed while they arrived: the last header may hold half a value."""


def submit_answer(reply: Reply, secrets: tuple[str, ...]) -> SubmitAnswer:
    """Return what a reply to a submission means. `secrets` are removed from the provider's texts."""
    status = reply.status
    if 200 <= status < 300:
        return Unknown(reply.fault) if reply.body is None else _success_answer(reply, secrets)
    if status < 400:
        return Unknown(f"the provider answered {status}")
    content = _content_of(reply)
    text = error_text(content, secrets)
    if status == 429 or (status == 503 and reply.headers.get("Retry-After", "").strip()):
        if status == 429 and is_no_balance(status, text):
            return NoBalance(status, text)
        return Busy(status, None if reply.headers_cut else _retry_after(reply, content), text)
    if status >= 500 or status in _UNDECIDED_4XX:
        return Unknown(f"the provider answered {status}", text)
    if is_no_balance(status, text):
        return NoBalance(status, text)
    if status == 401 or (status == 403 and not is_content_refusal(text or "")):
        return KeyRefused(status, text)
    return Refused(status, text)


def _success_answer(reply: Reply, secrets: tuple[str, ...]) -> SubmitAnswer:
    """Read a 2xx: only an id, or a plain statement that there is no balance, decides what became of the submission."""
    content = _content_of(reply)
    body = content if isinstance(content, dict) else {}
    generation_id = body.get("id")
    if (
        isinstance(generation_id, str)
        and is_usable_id(generation_id)
        and not is_rehearsal_id(generation_id)  # the provider would never be asked about it
        and not any(secret in generation_id for secret in secrets if secret)
    ):
        return Accepted(generation_id, _provider_status(body.get("status") or "created", secrets))
    text = error_text(content, secrets)
    if "id" not in body and refuses_for_balance(content, text):
        return NoBalance(reply.status, text)
    return Unknown(f"the provider answered {reply.status} without an id that can be used", text)


def poll_answer(reply: Reply, generation_id: str, secrets: tuple[str, ...]) -> PollAnswer:
    """Return what a reply to a poll of `generation_id` means. `secrets` are removed from the provider's texts."""
    status_code = reply.status
    if status_code != 200:
        text = error_text(_content_of(reply), secrets) if status_code >= 400 else None
        no_balance = status_code in (402, 403, 429) and is_no_balance(status_code, text)
        return _poll_fault(f"the provider answered {status_code}", status_code, text, no_balance=no_balance)
    if reply.body is None:
        return PollFault(reply.fault)
    body = _content_of(reply)
    if not isinstance(body, dict):
        return _poll_fault("the provider's answer is not a JSON object", 200, error_text(body, secrets))
    if not _is_about(generation_id, body):
        return PollFault("the provider's answer is about another generation", 200)
    status = body.get("status")
    if status in ("created", "processing"):
        return InProgress(status)
    if status == "failed":
        return GenerationFailed(failure_text(body, secrets) or NO_REASON_GIVEN)
    if status == "completed":
        return _completed_answer(body.get("result"))
    name = _provider_status(status, secrets)
    return _poll_fault(f"the provider answered the unknown status {name!r}", 200, failure_text(body, secrets))


def _completed_answer(result: Any) -> Finished | PollFault:
    url = result.get("url") if isinstance(result, dict) else None
    if not isinstance(url, str) or not url:
        return PollFault("the provider says completed and gives no result.url", 200)
    if not is_encodable(url):
        return PollFault("the provider says completed and its result.url is not valid Unicode", 200)
    return Finished(url)


def _is_about(generation_id: str, body: dict[str, Any]) -> bool:
    """Return whether a poll's body is about this generation: its `id` says so, or it has none (the document names none)."""
    its_id = body.get("id")
    return its_id is None or str(its_id) == generation_id


def _provider_status(status: Any, secrets: tuple[str, ...]) -> str:
    if status in ("created", "processing"):
        return str(status)
    return redact(str(status)[:1000], secrets)[:MAX_STATUS_CHARACTERS]


def _poll_fault(message: str, status_code: int, text: str | None, *, no_balance: bool = False) -> PollFault:
    if text is None:
        return PollFault(message, status_code, no_balance=no_balance)
    if len(text) > MAX_POLL_ERROR_CHARACTERS:
        text = text[: MAX_POLL_ERROR_CHARACTERS - 1] + "…"
    return PollFault(f"{message}: {text}", status_code, text, no_balance)


# --- bodies ---------------------------------------------------------------------------------------------------------------


def _content_of(reply: Reply) -> Any:
    """Return the body as JSON, or else as text: empty if it is not readable, None if it is not whole."""
    if reply.body is None:
        return None
    charset = _charset_in(reply.headers)
    for text in (reply.body, _decode(reply.body, charset)):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    text = _decode(reply.body, charset)
    return text if _is_readable(text) else ""


def _charset_in(headers: Mapping[str, str]) -> str | None:
    found = re.search(r"charset=[\"']?([\w.:-]{1,40})", headers.get("Content-Type", ""), re.IGNORECASE)
    return found[1] if found else None


def _decode(content: bytes, charset: str | None) -> str:
    """Decode with the charset of a byte order mark, else with `charset`, else as UTF-8, else as Windows-1252."""
    charsets = [charset] if charset else []
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        charsets.insert(0, "utf-16")
    for name in (*charsets, "utf-8-sig"):
        try:
            if re.match(_CHARSETS, codecs.lookup(name).name.replace("-", "")) or name == "utf-8-sig":
                return content.decode(name)
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def _is_readable(text: str) -> bool:
    """Return whether this is text for people, not an image or a compressed body."""
    start = text[:4096]
    unreadable = sum(not (each.isprintable() or each.isspace()) or each == "\ufffd" for each in start)
    return unreadable <= len(start) / 20


# --- Retry-After ----------------------------------------------------------------------------------------------------------


def _retry_after(reply: Reply, content: Any) -> int | None:
    """Return the seconds that `Retry-After` asks for, or else those that the body asks for; at most MAX_RETRY_AFTER_SECONDS."""
    seconds = retry_after_seconds(reply.headers)
    seconds = retry_after_in(content) if seconds is None else seconds
    return None if seconds is None else max(0, min(seconds, MAX_RETRY_AFTER_SECONDS))
