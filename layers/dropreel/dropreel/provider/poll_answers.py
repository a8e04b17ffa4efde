"""What the provider's answers to a poll mean: values that the use cases branch on.

`error_text` is the provider's, on one line and redacted; None if it gave none.
"""

from dataclasses import dataclass

from dropreel.provider.error_texts import NO_REASON_GIVEN


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
