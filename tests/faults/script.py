"""What the outside does in one schedule, as words in the order in which they are used up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FOR_EVER = " for ever"
"""A word that ends so holds until the simulation is mended, three hours after its start."""

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
"""The provider's answers to a submission. `fail` is accepted and comes to nothing; `lost` is paid and its answer is lost.

A number is what a gateway answers that has lost the server after that took the request: paid.
"""
POLLS = ("processing", "time-out", "500", "401", "404", "no address", "failed, wrongly", "500 in broken text")
"""The provider's answers to a poll, in place of the true one."""
DOWNLOADS = (
    "good",
    "rendered again",
    "bytes behind",
    "403",
    "breaks off",
    "cut short",
    "no video",
    "bytes behind, no length",
    "no media",
)
"""What is behind the video's address. The first three are delivered; the second has other bytes."""
FAULTS = ("refused", "lost", "repeated", "untaken")
"""What an AWS call comes to.

It has no effect; it has, and its answer is lost; the SDK makes it twice because the first answer was lost; `PutEvents`
answers 200 and has not taken the event. Any other word means that nothing happens to it.
"""
NOTICES = ("once", "twice", "late", "dropped")
"""How the rule's event about an ended execution reaches ReportFailure: EventBridge and Lambda allow all of them."""
OWNER = ("resume", "adopt", "adopt nobody's", "abandon", "resubmit")
"""What the owner decides when all jobs have ended."""


@dataclass(frozen=True)
class Script:
    """One word a POST, a poll, a download, an AWS call (by its operation), an ended execution and a decision of the owner.

    Where words run out, all goes well. `limit` is the day's, in US dollars.
    """

    posts: tuple[str, ...] = ("accept",)
    polls: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    limit: str = "50"
    timeout_minutes: int = 60


class Words:
    """Words that are used up one by one; one that holds for ever stays until the simulation is mended."""

    def __init__(self, words: tuple[str, ...], usual: str) -> None:
        self.left = list(words)
        self.usual = usual

    def next(self) -> str:
        """Return the next word, without its `for ever`."""
        if not self.left:
            return self.usual
        return self.left[0].removesuffix(FOR_EVER) if self.is_for_ever else self.left.pop(0)

    @property
    def is_for_ever(self) -> bool:
        """Whether the next word and all after it are the same."""
        return bool(self.left) and self.left[0].endswith(FOR_EVER)

    def mend(self) -> None:
        """Forget a word that holds for ever."""
        if self.is_for_ever:
            self.left.pop(0)
