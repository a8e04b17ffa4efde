"""Draws docs/pictures/dashboard.png from a recording: `python -m docs.draw_dashboard FILE`, in matplotlib's own environment.

Each widget is drawn in its place on the dashboard's grid, from the metrics that its own definition names. CloudWatch draws
periods of five minutes; a local run takes a minute or two, so the periods here are shorter.
"""

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]  # it is in .venvs/bench, not where types are checked

from docs.dashboard_points import Points

PICTURE = Path(__file__).resolve().parent / "pictures" / "dashboard.png"
COLORS = ("#0072b2", "#009e73", "#d55e00", "#8c8c8c", "#e69f00")
"""Distinct for most people with colour-blindness, after Okabe and Ito."""
COLUMNS = 24
_INCHES = 0.5
"""Of a cell of the grid."""


def main(file: Path) -> None:
    """Draw the picture."""
    mpl.use("Agg")
    from matplotlib import pyplot

    recording = json.loads(file.read_text(encoding="utf-8"))
    points = Points(recording["points"], recording["started"], recording["ended"])
    widgets = recording["dashboard"]["widgets"]
    rows = max(one["y"] + one["height"] for one in widgets) + 1
    figure = pyplot.figure(figsize=(COLUMNS * _INCHES, rows * _INCHES), facecolor="#f2f3f3")
    for widget in widgets:
        draw_widget(figure, widget, rows, points, recording)
    seconds = round(recording["ended"] - recording["started"])
    said = f"A local run of {seconds} seconds in periods of {points.period:g} seconds; CloudWatch shows periods of 5 minutes."
    figure.text(0.01, 0.3 / rows, said, fontsize=9, color="#5f6b7a")
    figure.savefig(PICTURE, dpi=80, metadata={"Software": None})


def draw_widget(figure: Any, widget: dict[str, Any], rows: int, points: Points, recording: dict[str, Any]) -> None:
    """Draw a widget into its cells."""
    gap = 0.12
    left, width = widget["x"] + gap, widget["width"] - 2 * gap
    bottom, height = rows - widget["y"] - widget["height"] + gap, widget["height"] - 2 * gap
    card = figure.add_axes((left / COLUMNS, bottom / rows, width / COLUMNS, height / rows), facecolor="white")
    card.set(xticks=[], yticks=[], xlim=(0, width), ylim=(0, height))
    for spine in card.spines.values():
        spine.set_color("#d5dbdb")
    properties = widget["properties"]
    title = properties.get("title", "")
    card.text(0.25, height - 0.25, title, fontsize=11, fontweight="bold", va="top", parse_math=False)
    match widget["type"], properties.get("view"):
        case "text", _:
            draw_text(card, properties["markdown"], width, height)
        case "alarm", _:
            draw_alarms(card, [(arn, recording["alarms"][arn]) for arn in properties["alarms"]], width, height)
        case "log", _:
            draw_table(card, ["reason_code", "jobs", "last_job"], recording["reasons"], height)
        case _, "timeSeries":
            inside = ((left + 0.9) / COLUMNS, (bottom + 1.1) / rows, (width - 1.2) / COLUMNS, (height - 2.1) / rows)
            draw_lines(figure.add_axes(inside), properties, points)
        case _, "gauge":
            draw_gauge(card, properties, points, width, height)
        case _:
            draw_values(card, properties, points, width, height)


def draw_text(card: Any, markdown: str, width: float, height: float) -> None:
    """Draw Markdown: a heading, then text."""
    heading, _, text = markdown.partition("\n")
    card.text(0.25, height - 0.3, heading.removeprefix("# "), fontsize=16, fontweight="bold", va="top")
    wrapped = textwrap.fill(text.replace("**", ""), round(width * 6.4))
    card.text(0.25, height - 1.2, wrapped, fontsize=10, va="top", parse_math=False)


def draw_alarms(card: Any, alarms: list[tuple[str, str]], width: float, height: float) -> None:
    """Draw each alarm with its state, seven in a row."""
    colors = {"ALARM": "#d91515", "OK": "#037f0c", "INSUFFICIENT_DATA": "#8c8c8c"}
    for place, (arn, state) in enumerate(alarms):
        x, y = 0.25 + place % 7 * (width - 0.3) / 7, height - 1.2 - place // 7 * 0.8
        name = arn.rpartition(":")[2].rpartition("-")[0].rpartition("-")[2].removesuffix("Alarm")
        card.add_patch(mpl.patches.Circle((x + 0.12, y), 0.12, color=colors[state]))
        card.text(x + 0.35, y, name, fontsize=9, va="center")


def draw_table(card: Any, columns: list[str], rows: list[list[str]], height: float) -> None:
    """Draw a table of text."""
    for row, cells in enumerate([columns, *rows]):
        for x, cell in zip((0.4, 7.0, 10.0), cells, strict=True):
            weight = "bold" if row == 0 else "normal"
            card.text(x, height - 1.3 - 0.6 * row, cell, fontsize=10, va="center", fontweight=weight)


def draw_lines(axes: Any, properties: dict[str, Any], points: Points) -> None:
    """Draw a line for each metric over time."""
    for number, (metric, options) in enumerate(points.rows(properties)):
        times, values = points.series(metric, options.get("stat") or properties["stat"])
        color = COLORS[number % len(COLORS)]
        axes.plot(times, values, label=options["label"], color=color, marker="o", markersize=4, linewidth=1.6)
    axes.set_ylim(0, 1.15 * max(1.0, axes.dataLim.y1))
    axes.set_xlim(0, points.seconds)
    axes.tick_params(labelsize=8, colors="#5f6b7a")
    axes.grid(axis="y", color="#eaeded")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=5, frameon=False, fontsize=9)


def draw_values(card: Any, properties: dict[str, Any], points: Points, width: float, height: float) -> None:
    """Draw the last value of each metric, or its value over the whole time range."""
    rows = points.rows(properties)
    columns = 1 if len(rows) == 1 else 2
    for place, (metric, options) in enumerate(rows):
        stat = options.get("stat") or properties["stat"]
        value = points.whole(metric, stat) if properties.get("setPeriodToTimeRange") else points.last(metric, stat)
        x = 0.4 + place % columns * width / columns
        y = height - 1.7 - place // columns * 1.9
        shown = "--" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")
        card.text(x, y, shown, fontsize=20, va="center", color=COLORS[place % len(COLORS)])
        card.text(x, y - 0.75, options["label"], fontsize=9, va="center", color="#5f6b7a")


def draw_gauge(card: Any, properties: dict[str, Any], points: Points, width: float, height: float) -> None:
    """Draw a gauge from the left (its minimum) to the right (its maximum), with its annotations."""
    ((metric, options),) = points.rows(properties)
    value = points.last(metric, options.get("stat") or properties["stat"])
    low, high = (properties["yAxis"]["left"][end] for end in ("min", "max"))
    part = 0.0 if value is None else min(1.0, max(0.0, (value - low) / (high - low)))
    center, radius = (width / 2, 1.1), min(width / 2.6, height - 2.4)
    for start, end, color in ((0.0, part, COLORS[0]), (part, 1.0, "#eaeded")):
        wedge = mpl.patches.Wedge(center, radius, 180 - 180 * end, 180 - 180 * start, width=radius * 0.3, color=color)
        card.add_patch(wedge)
    for one in properties["annotations"]["horizontal"]:
        angle = 180 - 180 * (one["value"] - low) / (high - low)
        card.add_patch(
            mpl.patches.Wedge(center, radius * 1.05, angle - 0.8, angle + 0.8, width=radius * 0.4, color="#d91515")
        )
    card.text(*center, "--" if value is None else f"{value:g}%", fontsize=20, ha="center", va="bottom")
    card.text(center[0], 0.6, options["label"], fontsize=9, ha="center", va="center", color="#5f6b7a")
    card.set_aspect("equal", adjustable="datalim")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
