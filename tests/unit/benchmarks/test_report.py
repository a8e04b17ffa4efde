"""The pages have the tables of results.json, and results.json has what the tables need."""

import json
import re

import pytest

from benchmarks.measure import ROOT
from benchmarks.report import NAMES, RESULTS, compact_json, load, marked_contents, pages, replaced

DOCS = ROOT / "docs"


def test_what_is_between_the_markers_is_replaced_and_nothing_else():
    text = "before\n<!-- bench:bill -->\nold\n<!-- /bench:bill -->\nafter\n"

    assert replaced(text, "bill", "new") == "before\n<!-- bench:bill -->\nnew\n<!-- /bench:bill -->\nafter\n"
    with pytest.raises(ValueError, match="no <!-- /bench:bill -->"):
        replaced("<!-- bench:bill -->", "bill", "new")


def test_short_lists_and_objects_take_one_line():
    value = {"a": {"median": 1.0, "min": 0.5}, "b": [1, 2], "long": list(range(100))}

    assert json.loads(compact_json(value)) == value
    assert compact_json(value).startswith('{\n  "a": {"median": 1.0, "min": 0.5},\n  "b": [1, 2],\n  "long": [\n')


def test_every_benchmark_has_its_results():
    assert tuple(load(RESULTS)) == NAMES
    assert RESULTS.read_text(encoding="utf-8") == compact_json(load(RESULTS)) + "\n"


def test_the_pages_have_the_tables_of_the_results():
    for path, text in pages(load(RESULTS)):
        assert path.read_text(encoding="utf-8") == text, "write them again: .venvs/dev/bin/python -m benchmarks.report"


def test_every_table_is_on_a_page():
    text = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "performance.md", DOCS / "scale.md"))

    assert sorted(re.findall(r"<!-- bench:([a-z-]+) -->", text)) == sorted(marked_contents(load(RESULTS)))


def test_the_page_shows_every_picture_that_is_drawn():
    page = (DOCS / "performance.md").read_text(encoding="utf-8")

    assert set(re.findall(r"pictures/(\w+\.png)\)", page)) == {
        path.name
        for path in (DOCS / "pictures").glob("*.png")
        if not path.name.startswith(("dashboard", "board-"))  # of docs/draw_dashboard.py and docs/record_board.py
    }


def test_the_benchmarks_have_at_most_3000_lines():
    files = (ROOT / "benchmarks").rglob("*.py")

    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) <= 3_000
