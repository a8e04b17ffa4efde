"""Runs a concurrent writer between two calls of the code under test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.fakes import FakeService, OutageError


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


@contextmanager
def death_before(number: int) -> Iterator[None]:
    """Let the code under test die before its call of that number, counted from 0. Raises AssertionError if it has fewer."""
    begin, calls = FakeService.begin, list[str]()

    def begin_or_die(service: FakeService, action: str) -> None:
        calls.append(action)
        if len(calls) > number:
            raise OutageError(action)
        begin(service, action)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeService, "begin", begin_or_die)
        with pytest.raises(OutageError):
            yield
    assert len(calls) == number + 1
