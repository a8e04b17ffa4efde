"""`python -m benchmarks [name ...]`: run all benchmarks or the named ones, and keep what they find in results.json."""

import argparse
import datetime
import importlib
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import report
from benchmarks.measure import QUICK, ROOT, Say

NAMES = ("delivery", "memory", "startup", "headers", "admission", "bursts", "bill", "scale")
"""The benchmarks, in the order in which they run. Each is a module here with `run(say)`."""
QUICK_RESULTS = ROOT / ".local" / "bench" / "results.json"


def main() -> int:
    """Run, keep and report; return 1 where a benchmark raised. A target that is missed is a fact, and no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which of them: {', '.join(NAMES)} (default: all)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"tiny sizes, to see that it works; kept in {QUICK_RESULTS.relative_to(ROOT)}",
    )
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in NAMES]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each side finds what it has compiled before
    if arguments.quick:
        os.environ[QUICK] = "1"
    results = QUICK_RESULTS if arguments.quick else report.RESULTS
    console = Console(soft_wrap=True)
    failed = False
    try:
        for name in arguments.names or NAMES:
            failed |= not _measured(name, results, console)
    except KeyboardInterrupt:
        console.print("Stopped. What was measured is kept.")
        return 130
    if not arguments.quick:
        for line in report.written(_kept(results), report.pages()):
            console.print(escape(line), highlight=False)
    return int(failed)


def _measured(name: str, results: Path, console: Console) -> bool:
    """Run one benchmark, keep its result and show it; return whether it could be run."""
    started = time.monotonic()
    try:
        with _teller(name, console) as say:
            result: dict[str, Any] = importlib.import_module(f"benchmarks.{name}").run(say)
    except Exception as error:  # whatever one benchmark meets, the others go on
        console.print(f"{name} failed: {escape(str(error) or type(error).__name__)}", style="red", highlight=False)
        console.print(escape(traceback.format_exc()), style="dim", highlight=False)
        return False
    _keep(results, name, result)
    console.print(f"{name}: {time.monotonic() - started:.0f} s", style="bold", highlight=False)
    _show(result, console)
    return True


@contextmanager
def _teller(name: str, console: Console) -> Iterator[Say]:
    """Give what a benchmark tells its progress to: one line that changes on a terminal, a line each otherwise."""
    started = time.monotonic()

    def line(said: str) -> str:
        return f"{time.monotonic() - started:6.1f} s  {name}: {escape(said)}"

    if not console.is_terminal:
        yield lambda said: console.print(line(said), highlight=False)
        return
    with console.status(name) as status:
        yield lambda said: status.update(line(said))


def _keep(results: Path, name: str, result: dict[str, Any]) -> None:
    """Put one result beside the others, in their order."""
    kept = _kept(results) | {name: {"measured": _circumstances(result), **result}}
    ordered = sorted(kept.items(), key=lambda found: NAMES.index(found[0]) if found[0] in NAMES else len(NAMES))
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(dict(ordered), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _kept(results: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    return kept


def _circumstances(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "runs": result.get("runs"),
    }


def _show(result: dict[str, Any], console: Console) -> None:
    for one in result.get("tables", ()):
        console.print(_table(one) if console.is_terminal else escape(report.table(one["columns"], one["rows"])))
    for target in result.get("targets", ()):
        met, style = ("met    ", "green") if target["met"] else ("not met", "yellow")
        said = f"{target['what']}: {target['value']:g} ({report.limit_of(target)})"
        console.print(f"  [{style}]{met}[/] {escape(said)}", highlight=False)


def _table(one: dict[str, Any]) -> Table:
    found = Table(title=one.get("title"), title_justify="left")
    for column in one["columns"]:
        found.add_column(column)
    for row in one["rows"]:
        found.add_row(*(escape(str(cell)) for cell in row))
    return found


if __name__ == "__main__":
    sys.exit(main())
