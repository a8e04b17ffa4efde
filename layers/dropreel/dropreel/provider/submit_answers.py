"""What the provider's answers to a submission mean: values that the use cases branch on.

Source: the provider's document and, where it is silent, the assumptions written down beside it: only what was surely not
accepted may be sent again. `error_text` is the provider's, on one line and redacted; None if it gave none.
"""

from dataclasses import dataclass

from dropreel.domain.redaction import redact_signed


@dataclass(frozen=True)
class Accepted:
    """The submission was accepted and is paid; the id is the only handle on it."""

    generation_id: str
    provider_status: str


@dataclass(frozen=True)
class _Refusal:
    status_code: int
    error_text: str | None = None


class Refused(_Refusal):
    """A 4xx: the provider did not accept the request and did not charge."""


class KeyRefused(_Refusal):
    """401 or 403: the API key was not accepted; nothing was charged."""


class NoBalance(_Refusal):
    """402, or an error text that says so: the account at the provider has no balance left; nothing was charged."""


@dataclass(frozen=True)
class Busy:
    """429, or 503 with a `Retry-After`: not accepted, not charged. `retry_after` is in seconds, None without one."""

    status_code: int
    retry_after: int | None
    error_text: str | None = None


@dataclass(frozen=True)
class NotSent:
    """The request was never sent: its URL is unusable, or the name resolution, the connection or the TLS handshake failed."""

    message: str


@dataclass(frozen=True)
class Unknown:
    """It is not known whether the submission was accepted: it may have been charged."""

    message: str
    error_text: str | None = None


SubmitAnswer = Accepted | Refused | KeyRefused | NoBalance | Busy | NotSent | Unknown


MAX_ID_CHARACTERS = 200
"""A limit of ours on the provider's generation id."""


def is_usable_id(generation_id: str) -> bool:
    """Return whether a generation id can be stored and put into a URL; one that holds a signature must not be stored."""
    return (
        0 < len(generation_id) <= MAX_ID_CHARACTERS
        and generation_id.isprintable()
        and generation_id.strip(".") != ""
        and redact_signed(generation_id) == generation_id
    )
