"""The start of the `dropreel` command: processor time of what answers at once, as it is installed from its wheel."""

import os
from functools import partial
from typing import Any

from benchmarks.measure import ROOT, CommandFailed, Progress, interleaved, is_quick, run_command, spread
from benchmarks.tables import Report, Table, Target, range_text

RUNS = 21
"""How many times each answer is measured."""
QUICK_RUNS = 2
TARGET_SECONDS = 0.2
"""The most processor time that an answer may take."""
_COMMAND = ROOT / ".venvs" / "command" / "bin" / "dropreel"
_ANSWERS = {
    "`dropreel --help`": ("--help",),
    "`dropreel run --help`": ("run", "--help"),
    "`dropreel deploy --help`": ("deploy", "--help"),
    "the completion of `dropreel de`": (),
}
_COMPLETION = {"_DROPREEL_COMPLETE": "bash_complete", "COMP_WORDS": "dropreel de", "COMP_CWORD": "1"}


def run(progress: Progress) -> dict[str, Any]:
    """Measure each answer; return processor time in seconds. Raises CommandFailed where the command is not installed."""
    if not _COMMAND.is_file():
        raise CommandFailed("the command is not installed; `make .venvs/command/dropreel` installs it")
    runs = QUICK_RUNS if is_quick() else RUNS
    sides = {
        answer: partial(run_command, [_COMMAND, *arguments], {**os.environ, **({} if arguments else _COMPLETION)})
        for answer, arguments in _ANSWERS.items()
    }
    for side in sides.values():  # not counted: it compiles
        side()
    found = interleaved(sides, runs, progress)
    return {
        "runs": runs,
        "cpu_seconds": {answer: spread([one.cpu_seconds for one in usages]) for answer, usages in found.items()},
    }


def report(figures: dict[str, Any]) -> Report:
    """Return the table of the answers, and the target for the slowest."""
    seconds = figures["cpu_seconds"]
    rows = [[answer, f"{range_text(found)} s"] for answer, found in seconds.items()]
    slowest = max(found["median"] for found in seconds.values())
    target = Target("slowest answer at once, processor time", slowest, at_most=TARGET_SECONDS, unit="s")
    summary = [
        ["processor time of `dropreel --help`", f"{seconds['`dropreel --help`']['median']:.2f} s", "a target of 0.2 s"]
    ]
    return Report({"command": Table(("answer", "processor time"), rows)}, [target], summary)
