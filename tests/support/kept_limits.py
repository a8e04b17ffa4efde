"""Time limits at hand: ended when a test says so, and nothing left of them."""

import os
import threading
import time
from dataclasses import dataclass, field
from types import ModuleType

import pytest

from dropreel.adapters.http import TimeLimit

SOON = 0.05


class KeptLimit(TimeLimit):
    """A limit that a test can end before its time."""

    def expire(self) -> None:
        self._expire()

    def expire_soon(self) -> None:
        threading.Timer(SOON, self._expire).start()


@dataclass
class KeptLimits:
    """All limits that an adapter has made; the newest can be ended."""

    made: list[KeptLimit] = field(default_factory=list)

    def make(self, seconds: float) -> KeptLimit:
        self.made.append(KeptLimit(seconds))
        return self.made[-1]

    def expire(self) -> None:
        self.made[-1].expire()

    def expire_soon(self) -> None:
        self.made[-1].expire_soon()


def kept_limits(monkeypatch: pytest.MonkeyPatch, adapter: ModuleType) -> KeptLimits:
    """Keep the limits that this adapter makes from now on."""
    limits = KeptLimits()
    monkeypatch.setattr(adapter, "TimeLimit", limits.make)
    return limits


def limit_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "time-limit"]


def open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208  # a Path cannot list what is gone when it looks


def open_files_settle_at(number: int) -> bool:
    """Wait until no more files than this are open: a server of a test closes its end a little later."""
    for _ in range(500):
        if open_files() <= number:
            return True
        time.sleep(0.01)
    return False
