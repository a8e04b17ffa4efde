"""Writes the tables of README.md and docs/ from results.json, between their markers: `python -m benchmarks.report`.

A benchmark's tables go between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, and one short table of all benchmarks
between `bench:summary` markers, on whatever page has them. What is between them is replaced.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT

RESULTS = ROOT / "benchmarks" / "results.json"
SUMMARY = "summary"
_ABOUT = frozenset({"measured", "runs", "what", "method", "targets", "tables", "plots", "summary"})
"""What a result says of itself, and what is drawn from its figures: everything else is figures."""
_MARKER = re.compile(r"<!-- bench:([a-z_]+) -->")

Result = dict[str, Any]


def main() -> int:
    """Write every table that has its markers; return 1 where there are no results yet."""
    if not RESULTS.is_file():
        sys.stdout.write("There are no results yet; `make bench` makes them.\n")
        return 1
    for line in written(json.loads(RESULTS.read_text(encoding="utf-8")), pages()):
        sys.stdout.write(f"{line}\n")
    return 0


def pages() -> list[Path]:
    """Return the pages that may have markers."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def written(results: dict[str, Result], pages: Sequence[Path]) -> Iterator[str]:
    """Put the results into the pages; yield a line about each page that has markers."""
    blocks = {SUMMARY: summary(results), **{name: block(result) for name, result in results.items()}}
    for page in pages:
        before = page.read_text(encoding="utf-8")
        wanted = _MARKER.findall(before)
        after = before
        for name in wanted:
            after = replaced(after, name, blocks.get(name, "Not measured yet."))
        if after != before:
            page.write_text(after, encoding="utf-8")
        if wanted:
            yield f"{page.name}: {', '.join(wanted)}"


def replaced(text: str, name: str, content: str) -> str:
    """Return the text with this content between the markers of that name. Raises ValueError where the end marker is missing."""
    start, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    if start not in text:
        return text
    before, _, rest = text.partition(start)
    if end not in rest:
        raise ValueError(f"there is no {end} behind {start}")
    return f"{before}{start}\n{content.strip()}\n{end}{rest.partition(end)[2]}"


def block(result: Result) -> str:
    """Return what stands between a benchmark's markers: its tables, its targets, and when and where it was measured."""
    tables = result.get("tables") or list(_tables_of_figures(result))
    parts = []
    for one in tables:
        if len(tables) > 1 and "title" in one:
            parts.append(f"**{one['title']}**")
        parts.append(table(one["columns"], one["rows"]))
    if result.get("targets"):
        parts.append(table(("target", "limit", "found", ""), [_target_row(one) for one in result["targets"]]))
    parts.append(_measured(result))
    return "\n\n".join(part for part in parts if part)


def summary(results: dict[str, Result]) -> str:
    """Return the short table of what each benchmark says of itself in short."""
    rows = [row for result in results.values() for row in result.get("summary", ())]
    return table(("what", "figure", "beside"), rows) if rows else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table. Bars inside of cells are escaped; GitHub wants that even in code."""
    lines = [columns, ["---"] * len(columns), *([_number(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def limit_of(target: Result) -> str:
    """Return a target's limit in words."""
    if "target" in target:
        return str(target["target"])
    found = [f"{name.replace('_', ' ')} {target[name]:g}" for name in ("at_least", "at_most") if name in target]
    return " and ".join(found)


def _target_row(target: Result) -> list[str]:
    return [str(target["what"]), limit_of(target), _number(target["value"]), "met" if target["met"] else "not met"]


def _measured(result: Result) -> str:
    measured = result.get("measured", {})
    said = [f"Measured on {measured['date']}" if "date" in measured else ""]
    said += [f"{runs} run{'s' if runs > 1 else ''}" if (runs := measured.get("runs")) else ""]
    said += [f"{cores} cores" if (cores := measured.get("cores")) else ""]
    said += [f"Python {python}" if (python := measured.get("python")) else ""]
    line = ", ".join(part for part in said if part)
    return f"{line}." if line else ""


def _tables_of_figures(result: Result) -> Iterator[dict[str, Any]]:
    """Return tables for a result that brings none: one of its single figures, and one for each list of records."""
    figures = {name: value for name, value in result.items() if name not in _ABOUT}
    rows = list(_rows("", figures))
    if rows:
        yield {"columns": ["what", "figure"], "rows": rows}
    for value in figures.values():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            columns = list(value[0])
            yield {
                "columns": [_words(column) for column in columns],
                "rows": [[_number(one.get(column, "")) for column in columns] for one in value],
            }


def _rows(name: str, value: Any) -> Iterator[list[str]]:
    if isinstance(value, dict) and {"median", "min", "max"} <= value.keys():
        yield [name, f"{_number(value['median'])} ({_number(value['min'])} to {_number(value['max'])})"]
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _rows(f"{name}: {_words(key)}" if name else _words(key), inner)
    elif not isinstance(value, list):
        yield [name, _number(value)]
    elif value and not any(isinstance(one, dict | list) for one in value):
        yield [name, ", ".join(_number(one) for one in value)]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: Any) -> str:
    """Return a figure for people; anything else as its text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
