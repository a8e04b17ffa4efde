"""The start of each function: time and memory to import its handler and wire its use case, beside the least that boto3 takes.

Each start is a process of ministack's interpreter, as in the local cloud: the function's folder and the two layers, as
they were built, are on its path, boto3 is the environment's own. No start uses the network. A process ends as soon as it is
ready: the interpreter's tidying up at the end is no part of a start.
"""

import os
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load as load_template  # type: ignore[import-untyped]  # cfn-lint has no types

from benchmarks.measure import (
    ROOT,
    CommandFailed,
    Say,
    Taken,
    interleaved,
    is_quick,
    ratios,
    run_command,
    spread,
    target,
)

RUNS = 21
"""How many times each start is measured."""
QUICK_RUNS = 2
MEBIBYTE = 1024 * 1024
LEAST = "check_status"
"""The function that runs most often, once a poll, and so may cost the least."""
LEAST_TARGET = 1.15
"""Its start, in times that of the floor, at most."""
TARGET = 1.35
"""Any function's start, in times that of the floor, at most."""
LAYERS_TARGET_BYTES = 15_000_000
"""The unzipped size of both layers, at most. Lambda's limit is 250 MB."""
FLOOR = "boto3 and one client"
BARE = "the interpreter alone"
_FLOOR_CODE = "import boto3; boto3.client('dynamodb')"
_MODULES = 15
_BUILD = ROOT / ".aws-sam" / "build"
_PYTHON = ROOT / ".venvs" / "ministack" / "bin" / "python"
_LAYERS = ("DropreelLayer", "DependenciesLayer")
_IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")
_ARN = "arn:aws:service:us-east-1:000000000000:something"


@dataclass(frozen=True)
class Start:
    """One thing to start: the code, what is on its path, and its environment."""

    code: str
    paths: tuple[Path, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    def measured(self, cache: Path, *options: str, writes_cache: bool = False) -> Taken:
        """Start it once. Compiled files are kept in `cache`, and new ones only where `writes_cache` says so."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        environment = {
            **inherited,
            **dict(self.environment),
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPYCACHEPREFIX": str(cache),
            "PYTHONPATH": os.pathsep.join(map(str, self.paths)),
        }
        if not writes_cache:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return run_command([_PYTHON, *options, "-c", f"{self.code}\nimport os; os._exit(0)"], environment)


def run(say: Say) -> dict[str, Any]:
    """Start every function and both floors again and again; return times, memory, imports and the layers' sizes.

    Raises CommandFailed where something cannot be started, for one because it was not built.
    """
    if not (_BUILD / "template.yaml").is_file():
        raise CommandFailed("there is nothing in .aws-sam/build; `make build` puts it there")
    functions = built_functions()
    starts = {BARE: Start("pass"), FLOOR: Start(_FLOOR_CODE), **functions}
    runs = QUICK_RUNS if is_quick() else RUNS
    with tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder:
        cache, without_ours = Path(folder, "all"), Path(folder, "without-ours")
        say("one start each that is not counted: it compiles")
        for start in starts.values():
            start.measured(cache, writes_cache=True)
        _copy_without_artifacts(cache, without_ours)
        taken = _measured(starts, cache, runs, lambda run, name: say(f"run {run} of {runs}: {name}"))
        say("what is imported, and for how long")
        imports = {name: _imports(start, cache) for name, start in functions.items()}
        fresh = _measured(
            {FLOOR: starts[FLOOR], **functions},
            without_ours,
            max(2, runs // 3),
            lambda run, name: say(f"layers not compiled, run {run}: {name}"),
        )
    functions_found = {name: _figures(name, taken, fresh) for name in functions}
    layers = {name: _size_of(_BUILD / name) for name in _LAYERS}
    figures = {
        "floor": {**_seconds_and_bytes(taken[FLOOR]), "what": f"`{_FLOOR_CODE}`"},
        "bare": _seconds_and_bytes(taken[BARE]),
        "functions": functions_found,
        "imports": imports,
        "layer_bytes": layers,
    }
    return {
        "what": "From the start of a process, in ministack's interpreter, until a function's handler is imported and its use"
        " case wired.",
        "runs": runs,
        "figures": figures,
        "targets": _targets(functions_found, layers),
        "tables": _tables(figures),
        "plots": _plots(figures),
        "summary": _summary(functions_found, layers),
    }


def _measured(
    starts: dict[str, Start], cache: Path, runs: int, said: Callable[[int, str], None]
) -> dict[str, list[Taken]]:
    def of(start: Start) -> Callable[[], Taken]:
        return lambda: start.measured(cache)

    return interleaved({name: of(start) for name, start in starts.items()}, runs, said)


def built_functions() -> dict[str, Start]:
    """Return a start for each function of the built template, by the name of its step."""
    template = load_template(str(_BUILD / "template.yaml"))
    defaults = {name: str(one["Default"]) for name, one in template["Parameters"].items() if "Default" in one}
    common = template["Globals"]["Function"]["Environment"]["Variables"]
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        folder = (_BUILD / resource["Properties"]["CodeUri"]).resolve()
        variables = {**common, **resource["Properties"].get("Environment", {}).get("Variables", {})}
        step = folder.name
        found[step] = Start(
            f"import handler; from dropreel.wiring import {step}; {step}()",
            (folder, *(_BUILD / layer / "python" for layer in _LAYERS)),
            tuple((name, _made_up(value, defaults)) for name, value in variables.items()),
        )
    return found


def _made_up(value: Any, defaults: dict[str, str]) -> str:
    """Return what an environment variable may be at run time: a parameter's default, or a made-up ARN."""
    if isinstance(value, dict):
        return defaults.get(str(value.get("Ref")), _ARN)
    return str(value)


def _copy_without_artifacts(cache: Path, copy: Path) -> None:
    """Copy the compiled files without those of the functions and layers: Lambda has the runtime's own compiled, not ours."""
    shutil.copytree(cache, copy)
    for place in (_BUILD, ROOT / "functions"):
        shutil.rmtree(copy / place.relative_to(place.anchor), ignore_errors=True)


def _seconds_and_bytes(taken: list[Taken]) -> dict[str, Any]:
    return {
        "wall_seconds": spread([one.wall_seconds for one in taken]),
        "cpu_seconds": spread([one.cpu_seconds for one in taken]),
        "peak_bytes": spread([one.peak_bytes for one in taken]),
    }


def _figures(name: str, taken: dict[str, list[Taken]], fresh: dict[str, list[Taken]]) -> dict[str, Any]:
    return {
        **_seconds_and_bytes(taken[name]),
        "times_the_floor": ratios(*([one.wall_seconds for one in taken[side]] for side in (name, FLOOR))),
        "cpu_times_the_floor": ratios(*([one.cpu_seconds for one in taken[side]] for side in (name, FLOOR))),
        "memory_times_the_floor": ratios(*([one.peak_bytes for one in taken[side]] for side in (name, FLOOR))),
        "times_the_floor_layers_not_compiled": ratios(
            *([one.wall_seconds for one in fresh[side]] for side in (name, FLOOR))
        ),
    }


def _imports(start: Start, cache: Path) -> dict[str, Any]:
    """Return what `-X importtime` tells of one start, in milliseconds: the slowest modules, and packages by their own time."""
    with tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder:
        log = Path(folder, "imports.log")
        redirected = f"import os; os.dup2(os.open({str(log)!r}, os.O_CREAT | os.O_WRONLY), 2); {start.code}"
        Start(redirected, start.paths, start.environment).measured(cache, "-X", "importtime")
        return imports_from(log.read_text(encoding="utf-8"))


def imports_from(log: str) -> dict[str, Any]:
    """Read what `-X importtime` writes; return milliseconds, the slowest modules and all packages, the slowest first.

    A module's time has that of what it imports first, as `cumulative`; a package's is that of its own modules alone.
    """
    modules: dict[str, float] = {}
    packages: defaultdict[str, float] = defaultdict(float)
    for own, cumulative, _indent, name in _IMPORTED.findall(log):
        modules[name] = int(cumulative) / 1000
        packages[_package(name)] += int(own) / 1000
    slowest = sorted(modules.items(), key=lambda found: -found[1])[:_MODULES]
    return {
        "modules": len(modules),
        "slowest_cumulative": [{"module": name, "whose": whose(name), "milliseconds": time} for name, time in slowest],
        "packages_own": {
            name: round(time, 2) for name, time in sorted(packages.items(), key=lambda found: -found[1])[:_MODULES]
        },
    }


def whose(module: str) -> str:
    """Return whose a module is: `ours`, `python` or `third party`."""
    root = module.partition(".")[0]
    if root in ("dropreel", "handler"):
        return "ours"
    return "python" if root in sys.stdlib_module_names else "third party"


def _package(module: str) -> str:
    return "python" if whose(module) == "python" else module.partition(".")[0]


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _targets(functions: dict[str, Any], layers: dict[str, int]) -> list[dict[str, Any]]:
    slowest = max(functions, key=lambda name: float(functions[name]["times_the_floor"]["median"]))
    return [
        target(f"start of {LEAST}, times {FLOOR}", functions[LEAST]["times_the_floor"]["median"], at_most=LEAST_TARGET),
        target(
            f"start of the slowest ({slowest}), times {FLOOR}",
            functions[slowest]["times_the_floor"]["median"],
            at_most=TARGET,
        ),
        target("both layers unzipped, MB", sum(layers.values()) / 1e6, at_most=LAYERS_TARGET_BYTES / 1e6),
    ]


def _tables(figures: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        [
            f"`{name}`",
            _range(found["times_the_floor"]),
            _range(found["times_the_floor_layers_not_compiled"]),
            f"{found['memory_times_the_floor']['median']:.2f}",
            f"{found['peak_bytes']['max'] / MEBIBYTE:.0f} MiB",
            str(figures["imports"][name]["modules"]),
        ]
        for name, found in figures["functions"].items()
    ]
    columns = [
        "function",
        f"start, times {FLOOR}",
        "with layers not compiled",
        "memory, times it",
        "peak memory",
        "modules",
    ]
    layers = [[name, f"{size / 1e6:.2f} MB"] for name, size in figures["layer_bytes"].items()]
    return [
        {"title": "Start", "columns": columns, "rows": rows},
        {"title": "Layers", "columns": ["layer", "unzipped"], "rows": layers},
    ]


def _plots(figures: dict[str, Any]) -> list[dict[str, Any]]:
    functions = figures["functions"]
    series = {"all compiled": "times_the_floor", "layers not compiled": "times_the_floor_layers_not_compiled"}
    return [
        {
            "name": "startup",
            "kind": "bars",
            "title": f"Start of each function, as times that of {FLOOR}",
            "y": "times the floor",
            "x": list(functions),
            "series": {
                name: [found[figure]["median"] for found in functions.values()] for name, figure in series.items()
            },
            "ranges": {
                name: [[found[figure][end] for end in ("min", "max")] for found in functions.values()]
                for name, figure in series.items()
            },
            "line": {"at": TARGET, "name": f"target {TARGET:g}"},
        }
    ]


def _summary(functions: dict[str, Any], layers: dict[str, int]) -> list[list[str]]:
    return [
        [
            f"start of `{LEAST}`",
            f"{functions[LEAST]['times_the_floor']['median']:.2f} x",
            "`import boto3` and one client",
        ],
        ["both layers, unzipped", f"{sum(layers.values()) / 1e6:.1f} MB", "Lambda's limit of 250 MB"],
    ]


def _range(found: dict[str, float]) -> str:
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"
