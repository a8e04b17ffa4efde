"""Tables and targets, and how they are written in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measure import Spread, rounded


@dataclass(frozen=True)
class Table:
    """Rows of text under column headings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return it in Markdown. A bar inside a cell is escaped; GitHub needs that even in code."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


@dataclass(frozen=True)
class Target:
    """A figure and the limit that it is held to: one of the two."""

    what: str
    value: float
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure keeps the limit."""
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def row(self) -> list[str]:
        """The target as a row of a table."""
        limit = f"at least {self.at_least:,g}" if self.at_most is None else f"at most {self.at_most:,g}"
        return [
            self.what,
            f"{limit} {self.unit}".strip(),
            f"{rounded(self.value):,g}",
            "met" if self.met else "not met",
        ]


@dataclass(frozen=True)
class Report:
    """What a benchmark shows of its figures: a table for each marker on a page, its targets, and rows of the short table."""

    tables: dict[str, Table]
    targets: Sequence[Target] = ()
    summary: Sequence[Sequence[str]] = ()


def target_table(targets: Sequence[Target]) -> Table:
    """Return the table of these targets."""
    return Table(("target", "limit", "found", ""), [target.row for target in targets])


def range_text(found: Spread) -> str:
    """Return a median with its least and greatest value."""
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def size_text(size: int) -> str:
    """Return a size in decimal megabytes or gigabytes."""
    return f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"
