"""Draws the plots that the results name into docs/pictures/: `python -m benchmarks.plots`, with matplotlib's own environment.

A benchmark's `plots` says what to draw: `name` of the file, `kind` (`bars` or `lines`), `title`, `x` (names of the
groups, or numbers for lines), `y` (what is drawn), `series` (name -> values), and where wanted `ranges` (name -> least
and greatest of each value), `line` (`at`, `name`: a limit or target) and `log` (a logarithmic scale).
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]  # it is in .venvs/bench, not where types are checked

from benchmarks.measure import ROOT

RESULTS = ROOT / "benchmarks" / "results.json"
PICTURES = ROOT / "docs" / "pictures"
INCHES = (8.0, 4.2)
DOTS_PER_INCH = 120
COLOURS = ("#0072b2", "#e69f00", "#8c8c8c", "#009e73", "#cc79a7")
"""Ones that most people can tell apart, after Okabe and Ito."""

_GROUP = 0.8
"""The part of a group's width that its bars take."""


def main() -> int:
    """Draw every plot of every result; return 1 where there are no results yet."""
    if not RESULTS.is_file():
        sys.stdout.write("There are no results yet; `make bench` makes them.\n")
        return 1
    mpl.use("Agg")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for plot in (plot for result in results.values() for plot in result.get("plots", ())):
        path = draw(plot, PICTURES)
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


def draw(plot: dict[str, Any], folder: Path) -> Path:
    """Draw one plot; return its file."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=INCHES, layout="constrained")
    {"bars": _bars, "lines": _lines}[plot["kind"]](axes, plot)
    if plot.get("log"):
        _make_logarithmic(axes, plot)
    if "line" in plot:
        axes.axhline(plot["line"]["at"], color="#d55e00", linestyle="--", linewidth=1.2, label=plot["line"]["name"])
    axes.set_title(plot["title"], fontsize=11)
    axes.set_ylabel(plot["y"])
    axes.spines[["top", "right"]].set_visible(False)
    if len(plot["series"]) > 1 or "line" in plot:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    path = folder / f"{plot['name']}.png"
    # Without its version of matplotlib the file stays the same where the figures do.
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
    pyplot.close(figure)
    return path


def _bars(axes: Any, plot: dict[str, Any]) -> None:
    width = _GROUP / len(plot["series"])
    for place, (name, values) in enumerate(plot["series"].items()):
        at = [group - _GROUP / 2 + width * (place + 0.5) for group in range(len(values))]
        colour = COLOURS[place % len(COLOURS)]
        bars = axes.bar(at, values, width * 0.94, label=name, color=colour, yerr=_errors(plot, name), capsize=3)
        axes.bar_label(bars, [f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in values], fontsize=8)
    axes.set_xticks(range(len(plot["x"])), plot["x"])
    axes.margins(y=0.15)


def _lines(axes: Any, plot: dict[str, Any]) -> None:
    for place, (name, values) in enumerate(plot["series"].items()):
        colour = COLOURS[place % len(COLOURS)]
        axes.errorbar(plot["x"], values, yerr=_errors(plot, name), label=name, color=colour, marker="o", capsize=3)
    axes.set_xlabel(plot.get("x_label", ""))
    axes.set_ylim(bottom=None if plot.get("log") else 0)


def _make_logarithmic(axes: Any, plot: dict[str, Any]) -> None:
    """Let the scale begin at the power of ten below the least value, and write plain numbers."""
    least = min(value for values in plot["series"].values() for value in values)
    axes.set_yscale("log")
    axes.set_ylim(bottom=10 ** math.floor(math.log10(least)))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter("")


def _errors(plot: dict[str, Any], name: str) -> list[list[float]] | None:
    """Return how far the least and the greatest are below and above each value, as matplotlib wants it."""
    ranges = plot.get("ranges", {}).get(name)
    if ranges is None:
        return None
    pairs = list(zip(plot["series"][name], ranges, strict=True))
    return [[value - least for value, (least, _) in pairs], [most - value for value, (_, most) in pairs]]


if __name__ == "__main__":
    sys.exit(main())
