"""Every outside call of the code under test: where a function can crash, and where a concurrent worker can run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

CRASHES = ("before", "after")
"""The function crashes before the call, or after the call took effect."""
CONCURRENT = ("duplicate", "sweep", "abort", "abort, notified at once", "redrive", "notice", "resume", "expire", "slow")
"""What runs before the call; `a + b` is one after the other.

duplicate: the same step with the same event; sweep: SweepJobs; abort: the running executions are stopped, and the rule's event is
delivered later, or at once; redrive: Step Functions continues the executions that ended badly; notice: the rule's event
about each of them is delivered again; resume: the operator resumes each failed job; expire: S3 deletes every prepared
image; slow: the call takes the function's whole time-out, and the services work meanwhile.
"""
READS = ("GetItem", "Query", "HeadObject", "GetObject", "ListObjectsV2", "DescribeExecution", "clock")
"""Calls without an effect: a crash after one of them is a crash after the call before it."""
UNCHANGING = ("clock", "HeadObject", "ListObjectsV2", "GetObject of an image")
"""Calls whose answer no concurrent worker changes: it can as well run before the next call."""


class Crash(BaseException):
    """The function's process ends: none of its code runs any more, not even an `except Exception`."""


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
    """Counts outside calls and applies what is planned for each: one of `CRASHES`, `CONCURRENT` or `script.FAULTS`."""

    plan: dict[int, str]
    step: Callable[[], str]
    run_concurrently: Callable[[str], None]
    trace: list[Call] = field(default_factory=list)
    begins: bool = True

    @property
    def count(self) -> int:
        """The number of calls so far."""
        return len(self.trace)

    def around(self, name: str, act: Callable[[str], Any]) -> Any:
        """Make one outside call, or crash before or after it. `act` takes the planned fault, or an empty text."""
        number = self.count
        self.trace.append(Call(self.step(), name, self.begins))
        self.begins = False
        planned = self.plan.get(number, "")
        if planned == "before":
            raise Crash(f"before {name} (call {number})")
        for word in planned.split(" + "):
            if word in CONCURRENT:
                self.run_concurrently(word)
        result = act(planned)
        if planned == "after":
            raise Crash(f"after {name} (call {number})")
        return result

    def crashes(self) -> list[tuple[int, str]]:
        """Return every single crash that makes a difference in a simulation like this one.

        A crash before a call is a crash after the one before it, so only a step's first call has a "before" of its own.
        """
        after = [(number, "after") for number, call in enumerate(self.trace) if not call.name.startswith(READS)]
        before = [(number, "before") for number, call in enumerate(self.trace) if call.is_first]
        return sorted(after + before)

    def points(self) -> list[int]:
        """Return every call before which a concurrent worker makes a difference."""
        return [number for number, call in enumerate(self.trace) if call.is_first or call.name not in UNCHANGING]

    def of_aws(self) -> list[int]:
        """Return every AWS call whose fault makes a difference: one that changes something."""
        ours = ("UpdateItem", "TransactWriteItems", "PutObject", "PutEvents", "SendMessage", "StartExecution")
        return [number for number, call in enumerate(self.trace) if call.name.startswith(ours)]
