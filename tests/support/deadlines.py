"""Deadlines that a test can end, and checks that they leave no thread and no open file."""

import os
import threading
import time
from dataclasses import dataclass, field
from types import ModuleType

import pytest

from dropreel.adapters.http import Deadline

SOON = 0.05


class EarlyDeadline(Deadline):
    """A deadline that a test can end before its time."""

    def expire_soon(self) -> None:
        threading.Timer(SOON, self.expire).start()


@dataclass
class RecordedDeadlines:
    """All deadlines that a module has made; the newest can be ended."""

    made: list[EarlyDeadline] = field(default_factory=list)

    def make(self, seconds: float) -> EarlyDeadline:
        self.made.append(EarlyDeadline(seconds))
        return self.made[-1]

    def expire(self) -> None:
        self.made[-1].expire()

    def expire_soon(self) -> None:
        self.made[-1].expire_soon()


def record_deadlines(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> RecordedDeadlines:
    """Record the deadlines that this module makes from now on."""
    deadlines = RecordedDeadlines()
    monkeypatch.setattr(module, "Deadline", deadlines.make)
    return deadlines


def deadline_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "deadline"]


def open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208  # a Path cannot list a file that is closed meanwhile


def open_files_fall_to(number: int) -> bool:
    """Wait until no more files than this are open: a test's server closes its end a little later."""
    for _ in range(500):
        if open_files() <= number:
            return True
        time.sleep(0.01)
    return False
