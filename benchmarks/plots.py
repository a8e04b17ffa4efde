"""Draws docs/pictures/ from results.json: `python -m benchmarks.plots`, in matplotlib's own environment."""

import json
from collections.abc import Iterable
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]  # it is in .venvs/bench, not where types are checked

from benchmarks.measure import ROOT

BLUE, ORANGE, GREY = "#0072b2", "#e69f00", "#8c8c8c"
"""Distinct for most people with colour-blindness, after Okabe and Ito."""


def main() -> None:
    """Draw every picture; a file stays the same where the figures do."""
    mpl.use("Agg")
    from matplotlib import pyplot

    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    for draw, name in ((draw_speed, "delivery"), (draw_bursts, "bursts")):
        figure, axes = pyplot.subplots(figsize=(8.0, 4.2), layout="constrained")
        file = draw(axes, results[name]["figures"])
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
        figure.savefig(ROOT / "docs" / "pictures" / file, dpi=120, metadata={"Software": None})


def draw_speed(axes: Any, figures: dict[str, Any]) -> str:
    """Draw how many times as fast as the other sides the delivery is; return the file's name."""
    sizes = figures["bytes"]
    sides = (("pipe", "curl | aws s3 cp", ORANGE, -0.2), ("whole", "get().content + put_object", GREY, 0.2))
    for side, label, colour, shift in sides:
        ratios = [found[side]["speed_of_ours"] for found in sizes.values()]
        at = [place + shift for place in range(len(ratios))]
        bars = axes.bar(at, _medians(ratios), 0.38, yerr=_errors(ratios), label=label, color=colour, capsize=3)
        axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(sizes)), [f"{int(size) / 1e6:,g} MB" for size in sizes])
    axes.set_title("Delivering a video: Dropreel's speed, times that of the other", fontsize=11)
    return "delivery_speed.png"


def draw_bursts(axes: Any, figures: dict[str, Any]) -> str:
    """Draw the times, and the straight line through those of the two smaller sizes; return the file's name."""
    spreads = figures["seconds"].values()
    sizes, medians = [int(number) for number in figures["seconds"]], _medians(spreads)
    axes.axline((sizes[0], medians[0]), (sizes[1], medians[1]), color=GREY, linestyle="--", label="linear")
    axes.errorbar(sizes, medians, yerr=_errors(spreads), color=BLUE, marker="o", capsize=3, label="measured")
    axes.set_xlabel("images at once")
    axes.set_ylim(bottom=0)
    axes.set_title("Many images at once on the local cloud: seconds until the last is completed", fontsize=11)
    return "bursts.png"


def _medians(spreads: Iterable[dict[str, float]]) -> list[float]:
    return [one["median"] for one in spreads]


def _errors(spreads: Iterable[dict[str, float]]) -> list[list[float]]:
    """Return how far the least and the greatest value are below and above each median."""
    return [[one["median"] - one["min"] for one in spreads], [one["max"] - one["median"] for one in spreads]]


if __name__ == "__main__":
    main()
