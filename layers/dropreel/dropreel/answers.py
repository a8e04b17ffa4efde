"""What the provider's answers mean: values that the use cases branch on.

Source: the provider's document and, where it is silent, the assumptions written down beside it: only what surely was
not accepted may be sent again.
"""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Accepted:
    """The submission was accepted and is paid; the id is the only handle on it."""

    generation_id: str
    provider_status: str


@dataclass(frozen=True)
class Refused:
    """A 4xx: the provider did not take the request and did not charge."""

    status_code: int
    message: str


@dataclass(frozen=True)
class KeyRefused:
    """401 or 403: the API key was not accepted; nothing was charged."""

    status_code: int


@dataclass(frozen=True)
class Busy:
    """429 or 503: not accepted, not charged. `retry_after` in seconds where the provider said so."""

    status_code: int
    retry_after: int | None


@dataclass(frozen=True)
class NotSent:
    """The request never left: the name was not found, the connection or the TLS handshake failed."""

    message: str


@dataclass(frozen=True)
class Ambiguous:
    """Nobody can tell whether the submission was accepted: it may have been paid."""

    message: str


SubmitAnswer = Accepted | Refused | KeyRefused | Busy | NotSent | Ambiguous


@dataclass(frozen=True)
class InProgress:
    """`created` or `processing`."""

    provider_status: str


@dataclass(frozen=True)
class Finished:
    """`completed`, with a fresh address of the video. The address may expire and is a secret: never store it."""

    result_url: str


@dataclass(frozen=True)
class GenerationFailed:
    """`failed`, with the provider's own words, cut to a sane length."""

    error: str


@dataclass(frozen=True)
class PollFault:
    """The poll told nothing about the generation: a time-out, a 4xx or 5xx, a body that cannot be read."""

    message: str
    status_code: int | None = None


PollAnswer = InProgress | Finished | GenerationFailed | PollFault

MAX_STATUS_CHARACTERS = 60
MAX_ID_CHARACTERS = 200
"""A limit of ours on the provider's generation id."""
MAX_PROVIDER_WORDS = 1000
"""Characters of the provider's `error` that we keep and show: a limit of ours."""


def is_usable_id(generation_id: str) -> bool:
    """Tell whether a generation id can be stored and put into an address."""
    return (
        0 < len(generation_id) <= MAX_ID_CHARACTERS and generation_id.isprintable() and generation_id.strip(".") != ""
    )


def words_of(error: Any) -> str:
    """Return the provider's `error` (a string, an object or nothing) as one line of at most `MAX_PROVIDER_WORDS` characters."""
    if isinstance(error, dict):
        parts = [str(error[name]) for name in ("code", "message") if error.get(name)]
        text = ": ".join(parts) or (str(error) if error else "")
    else:
        text = str(error) if error else ""
    # What follows a question mark may be the signature of our image's address.
    text = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1?…", " ".join(text.split())) or "the provider gave no reason"
    return text if len(text) <= MAX_PROVIDER_WORDS else text[: MAX_PROVIDER_WORDS - 1] + "…"
