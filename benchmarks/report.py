"""Writes the tables of README.md and docs/ from results.json, between their markers: `python -m benchmarks.report`.

results.json keeps what was measured, each figure as median and spread. What a benchmark shows of it stands between
`<!-- bench:NAME -->` and `<!-- /bench:NAME -->`, and a short table of all benchmarks between `bench:summary` markers.
"""

import importlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT
from benchmarks.tables import Report, Table, target_table

NAMES = ("delivery", "memory", "startup", "command", "board", "preparation", "bursts", "bill", "scale")
"""The benchmarks, in the order in which they run. Each is a module here with `run(progress)` and `report(figures)`."""
RESULTS = ROOT / "benchmarks" / "results.json"
_MARKER = re.compile(r"<!-- bench:([a-z-]+) -->")
_INNERMOST = re.compile(r"([\[{])\s+([^\[\]{}]*?)\s+([\]}])")
_LINE = 110

Results = dict[str, dict[str, Any]]


def main() -> None:
    """Write every table that has its markers."""
    for path, text in pages(load(RESULTS)):
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def load(path: Path) -> Results:
    """Return the results of a file; none where it is not there."""
    results: Results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return results


def save(path: Path, results: Results) -> None:
    """Write the results as JSON, in the order of NAMES."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = {name: results[name] for name in NAMES if name in results}
    path.write_text(compact_json(ordered) + "\n", encoding="utf-8")


def compact_json(value: Any) -> str:
    """Return indented JSON in which a short list or object of plain values takes one line."""

    def one_line(match: re.Match[str]) -> str:
        line = match[1] + re.sub(r"\n\s*", " ", match[2]) + match[3]
        return line if len(line) <= _LINE else match[0]

    return _INNERMOST.sub(one_line, json.dumps(value, indent=2, ensure_ascii=False))


def report_of(name: str, figures: dict[str, Any]) -> Report:
    """Return what a benchmark shows of its figures."""
    report: Report = importlib.import_module(f"benchmarks.{name}").report(figures)
    return report


def pages(results: Results) -> Iterator[tuple[Path, str]]:
    """Yield each page that has markers, with the tables of the results between them."""
    contents = marked_contents(results)
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        if markers := _MARKER.findall(text):
            for marker in markers:
                text = replaced(text, marker, contents.get(marker, "Not measured yet."))
            yield path, text


def marked_contents(results: Results) -> dict[str, str]:
    """Return what stands between the markers of each name: a table; for a benchmark's own name also targets and date."""
    contents: dict[str, str] = {}
    summary: list[Sequence[str]] = []
    for name, result in results.items():
        report = report_of(name, result["figures"])
        contents |= {marker: table.markdown() for marker, table in report.tables.items()}
        if name in contents:
            parts = (contents[name], target_table(report.targets).markdown(), _measured(result["measured"]))
            contents[name] = "\n\n".join(parts)
        summary += report.summary
    return {**contents, "summary": Table(("what", "figure", "compared with"), summary).markdown()}


def replaced(text: str, marker: str, content: str) -> str:
    """Return the text with this content between the markers. Raises ValueError where one of them is missing."""
    start, end = f"<!-- bench:{marker} -->", f"<!-- /bench:{marker} -->"
    before, _, rest = text.partition(start)
    if end not in rest:
        raise ValueError(f"there is no {end} after {start}")
    return f"{before}{start}\n{content}\n{end}{rest.partition(end)[2]}"


def _measured(measured: dict[str, Any]) -> str:
    return (
        f"Measured on {measured['date']}, {measured['runs']} runs, {measured['cores']} cores, "
        f"Python {measured['python']}."
    )


if __name__ == "__main__":
    main()
