"""`python -m benchmarks [name ...]`: run all benchmarks or the named ones, and keep what they find in results.json."""

import argparse
import datetime
import importlib
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from benchmarks import report
from benchmarks.measure import QUICK, ROOT
from benchmarks.tables import target_table

QUICK_RESULTS = ROOT / ".local" / "bench" / "results.json"


def main() -> int:
    """Run, keep and show; return 1 where a benchmark failed. A target that is missed is a finding, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(report.NAMES)} (default: all)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"tiny sizes, to see that it works; kept in {QUICK_RESULTS.relative_to(ROOT)}",
    )
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in report.NAMES]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(report.NAMES)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each side finds what it has compiled before
    if arguments.quick:
        os.environ[QUICK] = "1"
    console = Console()
    failed = False
    for name in arguments.names or report.NAMES:
        try:
            measure(name, QUICK_RESULTS if arguments.quick else report.RESULTS, console)
        except KeyboardInterrupt:
            console.print("Stopped. What was measured is kept.")
            return 130
        except Exception:  # the other benchmarks still run
            console.print_exception()
            failed = True
    if not arguments.quick:
        report.main()
    return int(failed)


def measure(name: str, results: Path, console: Console) -> None:
    """Run one benchmark, keep its figures beside the others', and show them."""
    started = time.monotonic()

    def progress(line: str) -> None:
        console.print(f"{time.monotonic() - started:6.1f} s  {name}: {line}", markup=False, highlight=False)

    figures: dict[str, Any] = importlib.import_module(f"benchmarks.{name}").run(progress)
    measured = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "runs": figures.pop("runs", 1),
    }
    report.save(results, {**report.load(results), name: {"measured": measured, "figures": figures}})
    shown = report.report_of(name, figures)
    for table in (*shown.tables.values(), *([target_table(shown.targets)] if shown.targets else [])):
        console.print(Markdown(table.markdown()))


if __name__ == "__main__":
    sys.exit(main())
