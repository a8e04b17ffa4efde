"""Links in the pages for contributors lead to files and headings that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", ".github/pull_request_template.md")),
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """Return the links that lead nowhere; those to other hosts are not followed."""
    found = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_what_is_there(page: Path) -> None:
    assert broken(page) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](there.md) [b](there.md#a-heading) [c](#here) [d](https://example.com/x)\n\n## Here", []),
        ("[a](gone.md) [b](there.md#gone) [c](#gone)", ["gone.md", "there.md#gone", "#gone"]),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "there.md").write_text("# A heading\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")

    assert broken(page) == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`(?:[A-Z_]+=\S+ )?make ([a-z0-9-]+)", page.read_text(encoding="utf-8"))

    assert set(named) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_an_address_to_write_to(page: Path) -> None:
    assert re.findall(r"[\w.]+@[\w-]+\.\w+", page.read_text(encoding="utf-8")) == []
