"""The start of each function: time and memory to import its handler and build its use case, compared with boto3 alone.

Each start is a process of ministack's interpreter, as in the local cloud: the function's folder and its layers, as they
were built, are on its path, boto3 is the environment's own. No start uses the network. A process ends as soon as it is
ready: the interpreter's own cleaning up is not part of a start.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.functions import functions
from benchmarks.measure import (
    MEBIBYTE,
    ROOT,
    CommandFailed,
    Progress,
    Usage,
    interleaved,
    is_quick,
    ratios,
    run_command,
    spread,
)
from benchmarks.tables import Report, Table, Target, range_text

RUNS = 21
"""How many times each start is measured."""
QUICK_RUNS = 2
POLLED = "check_status"
"""The function that runs most often, once a poll."""
POLLED_TARGET = 1.30
"""The most that its start may take, in times that of boto3 and one client."""
TARGET = 1.55
"""The most that any function's start may take."""
LAYERS_TARGET_MB = 15
"""The unzipped size of the layers that every function has, at most. Lambda's limit is 250 MB."""
BOTO3 = "boto3 and one client"
LAYERS = ("DropreelLayer", "DependenciesLayer")
_BUILD = ROOT / ".aws-sam" / "local" / "build"
_PYTHON = ROOT / ".venvs" / "ministack" / "bin" / "python"


@dataclass(frozen=True)
class Start:
    """One thing to start: the code, what is on its path, and its environment."""

    code: str
    paths: tuple[Path, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, cache: Path, *, writes_cache: bool = False) -> Usage:
        """Start it once. Compiled files are in `cache`; new ones are written only with `writes_cache`."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        environment = {
            **inherited,
            **self.environment,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPYCACHEPREFIX": str(cache),
            "PYTHONPATH": os.pathsep.join(map(str, self.paths)),
        }
        if not writes_cache:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return run_command([_PYTHON, "-c", f"{self.code}\nimport os; os._exit(0)"], environment)


def run(progress: Progress) -> dict[str, Any]:
    """Start every function, and boto3 alone, again and again; return times, memory and the layers' sizes.

    Raises CommandFailed where something cannot be started, for example because it was not built.
    """
    if not (_BUILD / "template.yaml").is_file():
        raise CommandFailed("there is no local build; `make build-local` makes it")
    steps = functions()
    starts = {BOTO3: Start("import boto3; boto3.client('dynamodb')")} | {
        step: Start(
            f"import handler; from dropreel.wiring import {step}; {step}()",
            (function.folder, *(_BUILD / layer / "python" for layer in function.layers)),
            function.environment,
        )
        for step, function in steps.items()
    }
    runs = QUICK_RUNS if is_quick() else RUNS
    with tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder:
        cache, without_layers = Path(folder, "all"), Path(folder, "without-layers")
        progress("one start each that is not counted: it compiles")
        for start in starts.values():
            start.run(cache, writes_cache=True)
        _copy_without_ours(cache, without_layers)
        compiled = interleaved(_runs(starts, cache), runs, progress)
        progress("the same with layers that are not compiled")
        fresh = interleaved(_runs(starts, without_layers), max(2, runs // 3), progress)
    return {
        "runs": runs,
        "functions": {
            step: {
                "times_boto3": _times_boto3(step, compiled),
                "times_boto3_layers_not_compiled": _times_boto3(step, fresh),
                "peak_bytes": spread([one.peak_bytes for one in compiled[step]]),
            }
            for step in steps
        },
        "layer_bytes": {layer: _size_of(_BUILD / layer) for layer in LAYERS},
    }


def _runs(starts: dict[str, Start], cache: Path) -> dict[str, Callable[[], Usage]]:
    return {name: partial(start.run, cache) for name, start in starts.items()}


def _copy_without_ours(cache: Path, copy: Path) -> None:
    """Copy the compiled files without those of the functions and layers: Lambda has the runtime's own compiled, not ours."""
    shutil.copytree(cache, copy)
    for place in (_BUILD, ROOT / "functions"):
        shutil.rmtree(copy / place.relative_to(place.anchor), ignore_errors=True)


def _times_boto3(step: str, found: dict[str, list[Usage]]) -> dict[str, float]:
    return ratios(*([one.wall_seconds for one in found[side]] for side in (step, BOTO3)))


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def report(figures: dict[str, Any]) -> Report:
    """Return the table of functions, and what their starts and the layers are held to."""
    steps = figures["functions"]
    columns = ("function", f"start, times {BOTO3}", "with layers not compiled", "peak memory")
    rows = [
        [
            f"`{step}`",
            range_text(found["times_boto3"]),
            range_text(found["times_boto3_layers_not_compiled"]),
            f"{found['peak_bytes']['max'] / MEBIBYTE:.0f} MiB",
        ]
        for step, found in steps.items()
    ]
    medians = {step: found["times_boto3"]["median"] for step, found in steps.items()}
    slowest = max(medians, key=lambda step: float(medians[step]))
    megabytes = sum(figures["layer_bytes"].values()) / 1e6
    targets = [
        Target(f"start of {POLLED}, times {BOTO3}", medians[POLLED], at_most=POLLED_TARGET),
        Target(f"start of the slowest ({slowest}), times {BOTO3}", medians[slowest], at_most=TARGET),
        Target("both layers, unzipped", megabytes, at_most=LAYERS_TARGET_MB, unit="MB"),
    ]
    summary = [
        [f"start of `{POLLED}`", f"{medians[POLLED]:.2f} x", "`import boto3` and one client"],
        ["both layers, unzipped", f"{megabytes:.1f} MB", "Lambda's limit of 250 MB"],
    ]
    return Report({"startup": Table(columns, rows)}, targets, summary)
