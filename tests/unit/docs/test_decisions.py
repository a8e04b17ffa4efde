"""docs/decisions/: numbered pages of one form, all of them in the index."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "decisions"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
INDEX = re.findall(
    r"^\| \[(\d{4})\]\((\S+)\) \| (.*) \|$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)
REPOSITORY = Path(__file__).parents[3]


def test_there_are_decisions() -> None:
    assert len(PAGES) >= 16


def test_every_page_is_in_the_index_in_its_order_by_its_title() -> None:
    titles = [path.read_text(encoding="utf-8").partition("\n")[0] for path in PAGES]

    assert [name for _, name, _ in INDEX] == [path.name for path in PAGES]
    assert [f"# {int(number)}. {title}" for number, _, title in INDEX] == titles


def test_the_numbers_have_no_gap() -> None:
    assert [path.name[:5] for path in PAGES] == [f"{number:04}-" for number in range(1, len(PAGES) + 1)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name[:4])
def test_a_page_says_context_decision_and_consequences_shortly(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert 20 <= len(text.splitlines()) <= 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name[:4])
def test_a_page_names_what_holds_its_decision(page: Path) -> None:
    last = page.read_text(encoding="utf-8").rpartition("\n\n")[2]

    assert re.search(r"`(tests/[\w/]+|make \w+)`", last)
    assert all((REPOSITORY / one.split("/")[0]).is_dir() for one in re.findall(r"`(tests/[\w/]+)`", last))
