"""The table of what a command is about to do to jobs, and what that may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table
from rich.text import Text

from dropreel.domain.prices import usd
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class Effect(NamedTuple):
    """What happens to one job. `refused`: why nothing does; `may_cost_cents`: US cents at most."""

    job_id: str
    image_key: str
    status: str
    effect: str
    may_cost_cents: int
    refused: str | None = None


def effect_table(effects: Iterable[Effect]) -> Table:
    """Return the table, a row a job."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("JOB", no_wrap=True)
    table.add_column("IMAGE", overflow="fold")
    table.add_column("STATUS", no_wrap=True)
    table.add_column("WHAT HAPPENS", overflow="fold")
    table.add_column("MAY COST", justify="right", no_wrap=True)
    for one in effects:
        effect = Text(printable(f"refused: {one.refused}"), "red") if one.refused else Text(printable(one.effect))
        cost = "" if one.refused else f"${usd(one.may_cost_cents)}" if one.may_cost_cents else "nothing"
        table.add_row(Text(one.job_id), Text(printable(one.image_key)), Text(one.status), effect, Text(cost))
    return table
