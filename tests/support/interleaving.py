"""Runs a concurrent writer between two calls of the code under test."""

from collections.abc import Callable

from tests.support.fakes import FakeService


def just_before(service: FakeService, action: str, act: Callable[[], object], *, each_time: bool = False) -> None:
    """Call `act` right before an action of a fake: the first time only, or each time."""
    begin, done = service.begin, list[str]()

    def begin_with_act(name: str) -> None:
        if name == action and (each_time or not done):
            done.append(name)
            act()
        begin(name)

    service.__dict__["begin"] = begin_with_act


def just_after(service: FakeService, action: str, act: Callable[[], object], *, each_time: bool = False) -> None:
    """Call `act` right after an action of a fake: the first time only, or each time."""
    end, done = service.end, list[str]()

    def end_with_act(name: str) -> None:
        if name == action and (each_time or not done):
            done.append(name)
            act()
        end(name)

    service.__dict__["end"] = end_with_act
