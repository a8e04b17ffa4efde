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
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
QUICK = "BENCH_QUICK"
"""The environment variable that asks for tiny sizes and few runs: to see that it works, not for figures."""
MEBIBYTE = 1024 * 1024

_LAUNCH = Path(__file__).with_name("launch.py")
_OUTPUT_SHOWN = 2000

T = TypeVar("T")
Spread = dict[str, float]
"""The median, min and max of several values."""
Progress = Callable[[str], None]
"""What a benchmark reports its progress to."""


class CommandFailed(Exception):
    """A measured command failed; the message has its status and the end of its output."""


@dataclass(frozen=True)
class Usage:
    """What one run of a command used.

    `wall_seconds` is from its start to its end. `cpu_seconds` is processor time of it and of the processes that it waited
    for. `peak_bytes` is the peak resident memory of the largest of these processes. `output` is what it printed.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str


def is_quick() -> bool:
    """Whether tiny sizes and few runs are asked for."""
    return os.environ.get(QUICK, "") not in ("", "0")


def run_command(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command in the repository's root and measure it. `environment` replaces this process's. Raises CommandFailed."""
    with tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder:
        record = Path(folder, "usage.json")
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
            end = (done.stderr or done.stdout)[-_OUTPUT_SHOWN:]
            raise CommandFailed(f"{Path(command[0]).name} ended with status {done.returncode}:\n{end}")
        return Usage(**json.loads(record.read_text(encoding="utf-8")), output=done.stdout)


def interleaved(
    sides: Mapping[str, Callable[[], T]], runs: int, progress: Progress = lambda _: None
) -> dict[str, list[T]]:
    """Run the sides in turn, A B B A, so that a slow minute of the machine slows each of them; return what each gave.

    What a side leaves behind, such as freed memory, then meets each of the others.
    """
    found: dict[str, list[T]] = {side: [] for side in sides}
    for run in range(1, runs + 1):
        for side in sides if run % 2 else reversed(list(sides)):
            progress(f"{side}, run {run} of {runs}")
            found[side].append(sides[side]())
    return found


def rounded(value: float, digits: int = 4) -> float:
    """Round to so many significant digits."""
    return float(f"{value:.{digits}g}")


def spread(values: Sequence[float]) -> Spread:
    """Return median, min and max. Raises statistics.StatisticsError where there is no value."""
    return {"median": rounded(statistics.median(values)), "min": rounded(min(values)), "max": rounded(max(values))}


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return median, min and max of ours / theirs, pair by pair: a pair was measured one right after the other.

    Raises ValueError where the lists are not of one length.
    """
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])
