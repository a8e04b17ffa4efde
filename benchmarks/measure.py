"""How everything here is measured: commands as processes of their own, sides in turn, medians and ratios pair by pair."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
QUICK = "BENCH_QUICK"
"""The environment variable that asks for tiny sizes and few runs: to see that it works, not for figures."""

_LAUNCH = Path(__file__).with_name("launch.py")
_END_OF_OUTPUT = 2000

T = TypeVar("T")
Say = Callable[[str], None]


class CommandFailed(Exception):
    """A measured command ended badly; the message has its status and the end of what it wrote."""


@dataclass(frozen=True)
class Taken:
    """What one run of a command took.

    `wall_seconds` is from its start to its end. `cpu_seconds` is processor time of it and of what it started and waited
    for. `peak_bytes` is the peak resident memory of the largest of these processes. `output` is what it printed.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str


def is_quick() -> bool:
    """Whether tiny sizes and few runs are asked for."""
    return os.environ.get(QUICK, "") not in ("", "0")


def run_command(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Taken:
    """Run a command in the checkout's root and measure it. `environment` replaces this one's. Raises CommandFailed."""
    with tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder:
        record = Path(folder, "taken.json")
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(_LAUNCH), str(record), *map(str, command)],
            cwd=ROOT,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout)[-_END_OF_OUTPUT:]
            raise CommandFailed(f"{Path(command[0]).name} ended with status {done.returncode}:\n{said}")
        return Taken(**json.loads(record.read_text(encoding="utf-8")), output=done.stdout)


def interleaved(
    sides: Mapping[str, Callable[[], T]], runs: int, said: Callable[[int, str], None] | None = None
) -> dict[str, list[T]]:
    """Let the sides run in turn, A B B A, so that what slows the machine for a while slows each of them.

    What a side leaves behind, freed memory say, then meets each of the others. `said` is told before each run: its number
    from 1, and the side.
    """
    found: dict[str, list[T]] = {side: [] for side in sides}
    for run in range(1, runs + 1):
        for side in sides if run % 2 else reversed(list(sides)):
            if said is not None:
                said(run, side)
            found[side].append(sides[side]())
    return found


def rounded(value: float, digits: int = 4) -> float:
    """Round to so many significant digits: more of them would say nothing."""
    return float(f"{value:.{digits}g}")


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, min and max. Raises statistics.StatisticsError where there is no value."""
    return {
        "median": rounded(statistics.median(values)),
        "min": rounded(min(values)),
        "max": rounded(max(values)),
    }


def ratios(ours: Sequence[float], rival: Sequence[float]) -> dict[str, float]:
    """Return median, min and max of ours / rival, pair by pair: a pair was measured one right after the other.

    Raises ValueError where the lists are not of one length.
    """
    return spread([ours_one / rival_one for ours_one, rival_one in zip(ours, rival, strict=True)])


def target(what: str, value: float, *, at_most: float | None = None, at_least: float | None = None) -> dict[str, Any]:
    """Return a target and whether it is met. Give it one limit, or both."""
    met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    limits = {"at_most": at_most, "at_least": at_least}
    return {
        "what": what,
        "value": rounded(value),
        **{name: limit for name, limit in limits.items() if limit is not None},
        "met": met,
    }
