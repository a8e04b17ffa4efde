"""What the provider's answers mean: values that the use cases branch on.

Source: the provider's document and, where it is silent, the assumptions written down beside it: only what surely was
not accepted may be sent again.
"""

from dataclasses import dataclass

from dropreel.domain.redaction import redact_signed
from dropreel.provider.words import NO_WORDS


@dataclass(frozen=True)
class Accepted:
    """The submission was accepted and is paid; the id is the only handle on it."""

    generation_id: str
    provider_status: str


@dataclass(frozen=True)
class Refused:
    """A 4xx: the provider did not take the request and did not charge. `words` are its own, where it said something."""

    status_code: int
    words: str | None = None


@dataclass(frozen=True)
class KeyRefused:
    """401 or 403: the API key was not accepted; nothing was charged. `words` are the provider's own."""

    status_code: int
    words: str | None = None


@dataclass(frozen=True)
class NoBalance:
    """402, or words that say so: the account at the provider has no money left; nothing was charged."""

    status_code: int
    words: str | None = None


@dataclass(frozen=True)
class Busy:
    """429, or 503 with a `Retry-After`: not accepted, not charged. `retry_after` in seconds where the provider said so."""

    status_code: int
    retry_after: int | None
    words: str | None = None


@dataclass(frozen=True)
class NotSent:
    """The request never left: the name was not found, the connection or the TLS handshake failed."""

    message: str


@dataclass(frozen=True)
class Unknown:
    """Nobody can tell whether the submission was accepted: it may have been paid. `words` are the provider's own."""

    message: str
    words: str | None = None


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
    """`failed`, with the provider's own words, cut to a sane length; `NO_WORDS` where it said nothing."""

    error: str

    @property
    def words(self) -> str | None:
        """The provider's own words, or None."""
        return None if self.error == NO_WORDS else self.error


@dataclass(frozen=True)
class PollFault:
    """The poll told nothing about the generation: a time-out, a 4xx or 5xx, a body that cannot be read.

    `words` are the provider's own; they stand in `message` too. `no_balance`: they, or a 402, say that no money is left.
    """

    message: str
    status_code: int | None = None
    words: str | None = None
    no_balance: bool = False


PollAnswer = InProgress | Finished | GenerationFailed | PollFault

MAX_STATUS_CHARACTERS = 60
MAX_ID_CHARACTERS = 200
"""A limit of ours on the provider's generation id."""


def is_usable_id(generation_id: str) -> bool:
    """Tell whether a generation id can be stored and put into an address; one that holds a signature must not be stored."""
    return (
        0 < len(generation_id) <= MAX_ID_CHARACTERS
        and generation_id.isprintable()
        and generation_id.strip(".") != ""
        and redact_signed(generation_id) == generation_id
    )
