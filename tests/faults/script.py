"""What the services do in one schedule: words, used up in their order."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ALWAYS = " always"
"""A word with this ending applies until the repair, three hours after the simulation's start."""

POSTS = (
    *("accept", "fail", "busy", "busy for hours", "unreachable", "lost", "lost and fails", "lost unpaid", "refuse"),
    *(
        "bad key",
        "no balance",
        "408",
        "409",
        "425",
        "499",
        "500",
        "502",
        "503",
        "504",
        "503 and Retry-After",
        "400 in broken text",
    ),
)
"""The provider's answers to a submission. `fail` is accepted and its generation fails; `lost` is paid and its answer is lost.

A number is a gateway's answer after the server took the request and the connection to it was lost: paid.
"""
POLLS = ("processing", "time-out", "500", "401", "404", "no address", "failed, wrongly", "500 in broken text")
"""The provider's answers to a poll, in place of the true one."""
DOWNLOADS = (
    "good",
    "rendered again",
    "trailing bytes",
    "403",
    "connection reset",
    "cut short",
    "no video",
    "trailing bytes, no length",
    "no media",
)
"""The answers to a download. The first three are delivered; the second has other bytes."""
FAULTS = ("refused", "lost", "repeated", "failed entry")
"""Faults of an AWS call.

It has no effect; it has, and its answer is lost; the SDK makes it twice because the first answer was lost; `PutEvents`
answers 200 with a failed entry. Any other word is no fault.
"""
PICTURES = ("", "prepared", "undecodable")
"""What is uploaded: a JPEG that is submitted as it is, a HEIC that is prepared, or one that cannot be decoded."""
NOTICES = ("once", "twice", "late", "dropped")
"""How the rule's event about an ended execution is delivered to ReportFailure. EventBridge and Lambda allow all four."""
DECISIONS = ("resume", "adopt", "adopt another id", "abandon", "resubmit")
"""The operator's decisions when all jobs have ended."""


@dataclass(frozen=True)
class Script:
    """One word a POST, a poll, a download, an AWS call (by its operation), an ended execution and a decision of the operator.

    Without words left, nothing fails. `limit` is the day's, in US dollars. `pictures` is one of `PICTURES`.
    With `rehearsal` the words are those of the rehearsal, and any use of the provider is a violation.
    """

    posts: tuple[str, ...] = ("accept",)
    polls: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()
    limit: str = "50"
    timeout_minutes: int = 60
    pictures: str = ""
    rehearsal: bool = False


class Words:
    """Words that are used up one by one. A permanent one stays until the repair."""

    def __init__(self, words: tuple[str, ...], usual: str) -> None:
        self.left = list(words)
        self.usual = usual

    def next(self) -> str:
        """Return the next word, without its ` always`."""
        if not self.left:
            return self.usual
        return self.left[0].removesuffix(ALWAYS) if self.is_permanent else self.left.pop(0)

    @property
    def is_permanent(self) -> bool:
        """Whether the next word stays until the repair."""
        return bool(self.left) and self.left[0].endswith(ALWAYS)

    def repair(self) -> None:
        """Remove a permanent word."""
        if self.is_permanent:
            self.left.pop(0)
