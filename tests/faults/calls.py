"""Every outside call of the code under test: where a function can die, and where somebody else can work first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DEATHS = ("before", "after")
"""The function dies before the call, or after it took effect."""
OTHERS = ("duplicate", "sweep", "abort", "abort, told at once", "redrive", "notice", "resume", "slow")
"""Somebody else works before the call; several words with a `+` between them one after the other.

The same step runs a second time with the same event; the sweeper comes; somebody stops the running executions by hand,
and the rule tells of it later or at once; Step Functions takes up again the executions that were stopped or have failed;
the rule tells once more of all of them; the owner resumes what can be resumed; the function is so slow that the simulation
goes on for as long as the function may take.
"""
READS = ("GetItem", "Query", "HeadObject", "GetObject", "ListObjectsV2", "DescribeExecution", "clock")
"""Calls without an effect: to die after one of them is to die after the call before it."""
UNCHANGING = ("clock", "HeadObject", "ListObjectsV2", "GetObject of an image")
"""Calls that answer the same whatever anybody else does: he can as well work before the next call."""


class Crash(BaseException):
    """The function's process is gone: nothing in it runs any more, not even an `except Exception`."""


@dataclass(frozen=True)
class Call:
    """One outside call: in which step, and what it was."""

    step: str
    name: str
    is_first: bool

    def __str__(self) -> str:
        return f"{self.step}: {self.name}"


@dataclass
class Calls:
    """Counts outside calls and does what is planned for each: one of `DEATHS`, of `OTHERS` or of `script.FAULTS`."""

    plan: dict[int, str]
    step: Callable[[], str]
    somebody_else: Callable[[str], None]
    trace: list[Call] = field(default_factory=list)
    begins: bool = True

    @property
    def count(self) -> int:
        """How many calls there were."""
        return len(self.trace)

    def around(self, name: str, act: Callable[[str], Any]) -> Any:
        """Do one outside call, or die before or after it. `act` takes the planned fault, or nothing."""
        number = self.count
        self.trace.append(Call(self.step(), name, self.begins))
        self.begins = False
        planned = self.plan.get(number, "")
        if planned == "before":
            raise Crash(f"before {name} (call {number})")
        for word in planned.split(" + "):
            if word in OTHERS:
                self.somebody_else(word)
        result = act(planned)
        if planned == "after":
            raise Crash(f"after {name} (call {number})")
        return result

    def deaths(self) -> list[tuple[int, str]]:
        """Return every single death that makes a difference, in a simulation like this one.

        To die before a call is to die after the one before it, so only a step's first call has a "before" of its own.
        """
        after = [(number, "after") for number, call in enumerate(self.trace) if not call.name.startswith(READS)]
        before = [(number, "before") for number, call in enumerate(self.trace) if call.is_first]
        return sorted(after + before)

    def points(self) -> list[int]:
        """Return every call before which it makes a difference that somebody else works."""
        return [number for number, call in enumerate(self.trace) if call.is_first or call.name not in UNCHANGING]

    def of_aws(self) -> list[int]:
        """Return every call of an AWS service that can go wrong with a difference: one that changes something."""
        ours = ("UpdateItem", "TransactWriteItems", "PutObject", "PutEvents", "SendMessage", "StartExecution")
        return [number for number, call in enumerate(self.trace) if call.name.startswith(ours)]
