"""What the provider's answers mean: values that the use cases branch on.

Source: the provider's document and, where it is silent, the assumptions written down beside it: only what was surely not
accepted may be sent again. `error_text` is the provider's, on one line and redacted; None if it gave none.
"""

from dataclasses import dataclass

from dropreel.domain.redaction import redact_signed
from dropreel.provider.error_texts import NO_REASON_GIVEN


@dataclass(frozen=True)
class Accepted:
    """The submission was accepted and is paid; the id is the only handle on it."""

    generation_id: str
    provider_status: str


@dataclass(frozen=True)
class Refused:
    """A 4xx: the provider did not accept the request and did not charge."""

    status_code: int
    error_text: str | None = None


@dataclass(frozen=True)
class KeyRefused:
    """401 or 403: the API key was not accepted; nothing was charged."""

    status_code: int
    error_text: str | None = None


@dataclass(frozen=True)
class NoBalance:
    """402, or an error text that says so: the account at the provider has no balance left; nothing was charged."""

    status_code: int
    error_text: str | None = None


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
    """`failed`. `error` is the provider's error text, or `NO_REASON_GIVEN`."""

    error: str

    @property
    def error_text(self) -> str | None:
        """The provider's error text, or None."""
        return None if self.error == NO_REASON_GIVEN else self.error


@dataclass(frozen=True)
class PollFault:
    """The poll gave no status of the generation: a time-out, a 4xx or 5xx, a body that cannot be read.

    `message` contains the error text. `no_balance`: the text, or a 402, says that the account has no balance left.
    """

    message: str
    status_code: int | None = None
    error_text: str | None = None
    no_balance: bool = False


PollAnswer = InProgress | Finished | GenerationFailed | PollFault

MAX_STATUS_CHARACTERS = 60
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
