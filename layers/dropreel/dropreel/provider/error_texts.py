"""Finds the provider's error text, and how long it asks to wait, in a body of any form: no error body is documented."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from dropreel.domain.redaction import redact

MAX_ERROR_TEXT = 1000
"""Characters of an error text that we keep and show: a limit of ours."""
NO_REASON_GIVEN = "the provider gave no reason"
"""What is shown where there is no error text."""

_MAX_RAW = 8000
"""Characters of a body that are read: a limit of ours on the time that one can take."""
_MAX_DEPTH = 6
_MAX_PARTS = 20
_MAX_FIELDS = 200
_CODE_NAMES = ("code", "errorcode", "errcode", "statuscode", "errorno", "errno")
_TEXT_NAMES = (
    *("error", "errors", "message", "msg", "detail", "details", "errormessage", "errormsg", "errmsg", "statusmsg"),
    *("statusmessage", "errordescription", "description", "reason", "failurereason", "failreason", "title", "fault"),
    *("faultstring", "exception", "hint", "info", "text"),
)
_ENVELOPE_NAMES = ("data", "result", "response", "output", "task", "failure", "baseresp")
"""Objects that servers put their error into."""
_NO_ERROR_NAMES = frozenset(
    {"id", "object", "model", "status", "state", "created", "createdat", "updatedat", "pollurl", "progress"}
    | {"requestid", "traceid", "timestamp", "path", "method", "type", "documentationurl", "success", "ok"}
)
"""Names whose values are never shown: they are in any body."""
_RETRY_AFTER_NAMES = ("retryafter", "retryafterseconds", "retryaftersec", "retryafters", "retryin", "retryafterms")


def error_text(content: Any, secrets: Iterable[str] = ()) -> str | None:
    """Return what a body says went wrong, on one line of at most `MAX_ERROR_TEXT` characters, redacted. None: it says nothing.

    `content` is a body's JSON, of any form, or its text, which may be HTML.
    """
    text = redact("; ".join(_distinct(_parts(content, 0)))[:_MAX_RAW], secrets)
    if not any(each.isalnum() for each in text):
        return None
    return text if len(text) <= MAX_ERROR_TEXT else text[: MAX_ERROR_TEXT - 1] + "…"


def failure_text(content: Any, secrets: Iterable[str] = ()) -> str | None:
    """Return the error text of a failed generation, like `error_text`.

    Only fields that are named for errors are read: the others may repeat the request, its prompt included.
    """
    return error_text(_failure_fields(content, 0), secrets)


def retry_after_in(content: Any) -> int | None:
    """Return the seconds that a body's JSON asks to wait (`retry_after` on any level), rounded up, or None."""
    return next((seconds for seconds in _retry_after_values(content, 0) if seconds is not None), None)


def _failure_fields(content: Any, depth: int) -> Any:
    if not isinstance(content, dict) or depth > _MAX_DEPTH:
        return None
    fields = _fields_of(content)
    found = {name: value for name, value in fields.items() if value and name in (*_TEXT_NAMES, *_CODE_NAMES)}
    return found or [_failure_fields(fields.get(name), depth + 1) for name in _ENVELOPE_NAMES]


def _fields_of(content: dict[str, Any]) -> dict[str, Any]:
    """Return an object's first fields, their names in lower case without punctuation."""
    return {re.sub(r"[^a-z0-9]", "", str(name).lower()): value for name, value in list(content.items())[:_MAX_FIELDS]}


# --- the parts of an error text ------------------------------------------------------------------------------------------


def _parts(content: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    match content:
        case str():
            yield from _parts_of_text(content, depth)
        case dict():
            yield from _parts_of_object(content, depth)
        case list():
            for one in content[:_MAX_PARTS]:
                yield from _parts(one, depth + 1)
        case bool() | None:
            return
        case int() | float() if content:
            yield str(content)[:40]


def _parts_of_text(content: str, depth: int) -> Iterator[str]:
    text = content.strip()[:_MAX_RAW]
    if text[:1] in "{[" and text[-1:] in "}]":
        try:
            inside = json.loads(text)
        except (ValueError, RecursionError):
            inside = None
        if inside:
            yield from _parts(inside, depth + 1)
            return
    if re.match(r"<(?:[a-zA-Z!?])", text):
        text = _text_of_html(text)
    if text:
        yield text


def _text_of_html(text: str) -> str:
    """Return the text of an HTML or XML page, without its tags, scripts and styles."""
    from html import unescape  # only a page needs it

    text = re.sub(r"(?is)<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[!?][^>]*>", " ", text)
    lines = [" ".join(unescape(part).split()) for part in re.sub(r"<[^<>]*(?:>|\Z)", "\n", text).splitlines()]
    return " ".join(_distinct(line for line in lines if line))


def _parts_of_object(content: dict[str, Any], depth: int) -> Iterator[str]:
    fields = _fields_of(content)
    codes = [_scalar(fields.get(name)) for name in _CODE_NAMES]
    code = next((each for each in codes if each), None)
    if "loc" in fields and isinstance(fields["loc"], list):  # FastAPI: the place in the request
        code = ".".join(str(each)[:60] for each in fields["loc"][:_MAX_PARTS])
    if code is None and any(isinstance(fields.get(name), str) for name in ("message", "msg")):
        code = _scalar(fields.get("type"))
    parts = [part for name in _TEXT_NAMES for part in _parts(fields.get(name), depth + 1)]
    if not parts and code is None:
        parts = [f"{name[:60]}: {part}" for name, value in _other_fields(content) for part in _parts(value, depth + 1)]
    parts = list(_distinct(parts))
    if parts and code and code.lower() not in parts[0].lower():
        parts[0] = f"{code}: {parts[0]}"
    yield from parts or ([code] if code else [])


def _other_fields(content: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the fields that may hold an error under a name of their own."""
    fields = [(name, value) for name, value in content.items() if isinstance(value, str | dict | list)][:_MAX_PARTS]
    return [(name, value) for name, value in fields if re.sub(r"[^a-z]", "", name.lower()) not in _NO_ERROR_NAMES]


def _scalar(value: Any) -> str | None:
    if isinstance(value, str) and value.strip():
        return value.strip()[:100]
    return str(value)[:40] if isinstance(value, int) and value and not isinstance(value, bool) else None


def _distinct(parts: Iterable[str]) -> Iterator[str]:
    """Yield at most `_MAX_PARTS` parts, none that another one contains."""
    seen: list[str] = []
    for part in parts:
        lower = part.lower()
        if any(lower in each for each in seen):
            continue
        seen.append(lower)
        yield part
        if len(seen) >= _MAX_PARTS:
            return


def _retry_after_values(content: Any, depth: int) -> Iterator[int | None]:
    if depth > _MAX_DEPTH or not isinstance(content, dict | list):
        return
    if isinstance(content, list):
        for one in content[:_MAX_PARTS]:
            yield from _retry_after_values(one, depth + 1)
        return
    for name, value in list(content.items())[:_MAX_FIELDS]:
        bare_name = re.sub(r"[^a-z]", "", str(name).lower())
        if bare_name in _RETRY_AFTER_NAMES:
            yield _seconds(value, 1000 if bare_name.endswith("ms") else 1)
    for value in list(content.values())[:_MAX_FIELDS]:
        yield from _retry_after_values(value, depth + 1)


def _seconds(value: Any, per_second: int) -> int | None:
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(?:s|sec|secs|seconds?)?\s*", value, re.ASCII)
        value = float(found[1]) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= 10**12:  # NaN too fails this
        return None
    return math.ceil(value / per_second)
