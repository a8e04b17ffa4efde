import json
import re

import pytest

from benchmarks.measure import ROOT
from benchmarks.report import RESULTS, block, limit_of, pages, replaced, summary, table, written

TARGET = {"what": "speed", "value": 1.5, "at_least": 1.2, "met": True}
RESULT = {
    "measured": {"date": "2030-01-02", "cores": 2, "python": "3.11.4", "runs": 5},
    "tables": [{"title": "Delivery", "columns": ["video", "side"], "rows": [["1 GB", "`curl | aws`"]]}],
    "targets": [TARGET],
    "summary": [["delivering", "1.50 x", "curl"]],
}


def test_what_is_between_the_markers_is_replaced_and_nothing_else():
    text = "before\n<!-- bench:bill -->\nold\n<!-- /bench:bill -->\nafter\n"

    assert replaced(text, "bill", "new") == "before\n<!-- bench:bill -->\nnew\n<!-- /bench:bill -->\nafter\n"


def test_replacing_twice_is_as_replacing_once():
    once = replaced("<!-- bench:bill --><!-- /bench:bill -->", "bill", "new\n")

    assert replaced(once, "bill", "new\n") == once


def test_a_text_without_the_markers_stays_as_it_is():
    assert (
        replaced("<!-- bench:bill --><!-- /bench:bill -->", "scale", "new") == "<!-- bench:bill --><!-- /bench:bill -->"
    )


def test_a_missing_end_marker_is_told():
    with pytest.raises(ValueError, match="no <!-- /bench:bill -->"):
        replaced("<!-- bench:bill -->", "bill", "new")


def test_bars_in_a_cell_do_not_end_it():
    assert table(["a", "b"], [["x | y", "z"]]) == "| a | b |\n| --- | --- |\n| x \\| y | z |"


def test_a_block_has_tables_targets_and_circumstances():
    assert block(RESULT) == (
        "| video | side |\n| --- | --- |\n| 1 GB | `curl \\| aws` |\n\n"
        "| target | limit | found |  |\n| --- | --- | --- | --- |\n| speed | at least 1.2 | 1.5 | met |\n\n"
        "Measured on 2030-01-02, 5 runs, 2 cores, Python 3.11.4."
    )


def test_several_tables_have_their_titles():
    tables = [{"title": name, "columns": ["n"], "rows": [[1200]]} for name in ("Start", "Layers")]

    assert block({"tables": tables}) == (
        "**Start**\n\n| n |\n| --- |\n| 1,200 |\n\n**Layers**\n\n| n |\n| --- |\n| 1,200 |"
    )


def test_a_result_without_tables_gets_some_of_its_figures():
    result = {
        "method": "not a figure",
        "images": 1200,
        "time": {"median": 1.0, "min": 0.5, "max": 2.0},
        "memory": {"largest_bytes": 10},
        "bursts": [{"images": 1, "seconds": 2.5}, {"images": 8, "seconds": 3.0}],
    }

    assert block(result) == (
        "| what | figure |\n| --- | --- |\n| images | 1,200 |\n| time | 1 (0.5 to 2) |\n| memory: largest bytes | 10 |\n\n"
        "| images | seconds |\n| --- | --- |\n| 1 | 2.5 |\n| 8 | 3 |"
    )


def test_the_summary_has_the_short_lines_of_all():
    assert summary({"one": RESULT, "two": {}}) == table(
        ("what", "figure", "beside"), [["delivering", "1.50 x", "curl"]]
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (TARGET, "at least 1.2"),
        ({"at_least": 1, "at_most": 2}, "at least 1 and at most 2"),
        ({"at_most": 2, "target": "at most 2 s"}, "at most 2 s"),
    ],
)
def test_a_limit_is_put_into_words(target, expected):
    assert limit_of(target) == expected


def test_pages_get_what_they_have_markers_for(tmp_path):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    page.write_text("<!-- bench:summary --><!-- /bench:summary -->\n<!-- bench:two -->old<!-- /bench:two -->\n")
    other.write_text("no markers")

    said = list(written({"one": RESULT}, [page, other]))

    assert said == ["page.md: summary, two"]
    assert "| delivering | 1.50 x | curl |" in page.read_text()
    assert "<!-- bench:two -->\nNot measured yet.\n<!-- /bench:two -->" in page.read_text()
    assert other.read_text() == "no markers"


def test_the_pages_show_every_picture_that_is_drawn_and_none_that_is_not():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    drawn = {f"{plot['name']}.png" for result in results.values() for plot in result.get("plots", ())}
    shown = {page: set(re.findall(r"pictures/(\w+\.png)\)", page.read_text(encoding="utf-8"))) for page in pages()}

    assert set.union(*shown.values()) == drawn == {path.name for path in (ROOT / "docs" / "pictures").glob("*.png")}
    assert shown[ROOT / "docs" / "performance.md"] == drawn
    assert shown[ROOT / "README.md"]
