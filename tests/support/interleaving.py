"""What others do between two steps of the one that is tested."""

from collections.abc import Callable

from tests.support.fakes import Outside


def just_before(outside: Outside, action: str, act: Callable[[], object], *, each_time: bool = False) -> None:
    """Let something happen right before an action of the outside: the first time only, or each time."""
    enters, done = outside.enters, []

    def entered(name: str) -> None:
        if name == action and (each_time or not done):
            done.append(name)
            act()
        enters(name)

    outside.__dict__["enters"] = entered


def just_after(outside: Outside, action: str, act: Callable[[], object], *, each_time: bool = False) -> None:
    """Let something happen right after an action of the outside: the first time only, or each time."""
    leaves, done = outside.leaves, []

    def left(name: str) -> None:
        if name == action and (each_time or not done):
            done.append(name)
            act()
        leaves(name)

    outside.__dict__["leaves"] = left
