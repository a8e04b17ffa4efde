"""README.md and the pages of docs/, as the tests of this folder read them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def rows_of(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of every table of the page that has this heading in its first cell, without the marks of code."""
    rows, is_inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("| ").split(" | ")]
        if not line.startswith("|"):
            is_inside = False
        elif line.startswith(f"| {heading} |"):
            is_inside = True
        elif is_inside and not line.startswith(("| ---", "|---")):
            rows.append(cells)
    return rows
