"""The page of charges: today against the cap, the last 30 days, and by folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from dropreel.domain.job import Charge
from dropreel.domain.prices import usd
from dropreel_cli.spend_report import difference_text, sorted_groups
from dropreel_cli.web.spend_days import SpendDays

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from dropreel.domain.spending import SpendLimit
    from dropreel_cli.spending import Charged, Day
    from dropreel_cli.web.site import Site
    from dropreel_cli.web.spend_days import SpendState

HEIGHT = 160
"""Pixels of the chart's highest bar."""
TOP = 20
"""Pixels above it."""
MAX_LISTED = 50
"""The most folders, and the most submissions without a video, that are listed."""
_FAR_BELOW = 20
"""Where the most expensive day is below this part of the cap, the bars have a scale of their own."""
_READING_SECONDS, _SECONDS = 1, 10
"""After so long a page asks again: while days are missing, and then."""


@dataclass(frozen=True)
class Bar:
    """One day of the chart. Widths are percent, heights and `y` pixels."""

    day: Day
    x: float
    width: float
    charged: float
    unknown: float
    label: str

    @property
    def charged_y(self) -> float:
        """Where the charged part begins."""
        return round(TOP + HEIGHT - self.charged, 1)

    @property
    def unknown_y(self) -> float:
        """Where the part that may have been charged begins: on top of the other."""
        return round(self.charged_y - self.unknown, 1)

    @property
    def middle(self) -> float:
        """Where the label stands."""
        return round(self.x + self.width / 2, 2)


@dataclass(frozen=True)
class Chart:
    """The bars and the cap's line. `is_to_scale`: the line is where the cap is; else it is far above."""

    bars: Sequence[Bar]
    cap_y: float | None
    is_to_scale: bool
    top_cents: int


@dataclass(frozen=True)
class Today:
    """What is reserved today, of how much. `percent` and `left_cents` are None without a cap."""

    reserved_cents: int
    limit: SpendLimit

    @property
    def percent(self) -> int | None:
        """The share of the cap; 100 for a cap of 0."""
        if self.limit.cents is None:
            return None
        return 100 if not self.limit.cents else round(100 * self.reserved_cents / self.limit.cents)

    @property
    def left_cents(self) -> int | None:
        """What can still be reserved."""
        return None if self.limit.cents is None else max(0, self.limit.cents - self.reserved_cents)


class Charges:
    """The routes of the charges."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.spend_days = SpendDays(site)
        self.routes = [Route("/charges", self.charges), Route("/charges/parts", self.parts)]

    def charges(self, request: Request) -> Response:  # noqa: ARG002 - Starlette passes it
        """Today, the last 30 days, and the folders."""
        return self.site.page("charges.html", current="/charges", **self._values())

    def parts(self, request: Request) -> Response:  # noqa: ARG002
        """What the open page replaces."""
        return self.site.page("charges_parts.html", **self._values())

    def _values(self) -> dict[str, Any]:
        state, board = self.spend_days.state(), self.site.snapshot.board
        found = state.spending
        return {
            "state": state,
            "today": None if board.reserved_cents is None else Today(board.reserved_cents, board.limit),
            "chart": chart_of(state, board.limit),
            "total": found.total,
            "groups": [("Folder", sorted_groups(found.folders)), ("Mode", sorted_groups(found.modes))],
            "most_listed": MAX_LISTED,
            "differences": [difference_text(day) for day in found.days if day.difference_cents],
            "without_video": [_without_video(each) for each in reversed(found.without_video[-MAX_LISTED:])],
            "without_video_count": len(found.without_video),
            "seconds": _SECONDS if state.is_whole or state.fault else _READING_SECONDS,
        }


def chart_of(state: SpendState, limit: SpendLimit) -> Chart:
    """Return the chart of some days: a bar for each that was read."""
    highest = max((max(day.sums.cents, day.reserved_cents) for day in state.spending.days), default=0)
    cap = limit.cents or 0
    is_to_scale = not highest or highest * _FAR_BELOW >= cap
    top = max(highest, cap, 1) if is_to_scale else max(highest * 5 // 4, 1)
    cap_y = None
    if limit.cents is not None:
        cap_y = round(TOP + HEIGHT * (1 - cap / top), 1) if is_to_scale else float(TOP - 12)
    return Chart(list(_bars(state, top)), cap_y, is_to_scale, top)


def _bars(state: SpendState, top: int) -> Iterator[Bar]:
    read = {day.day: day for day in state.spending.days}
    width = 100 / max(1, len(state.days))
    for number, name in enumerate(state.days):
        if name not in read:
            continue
        sums = read[name].sums
        charged, unknown = (_height(cents, top) for cents in (sums.charged_cents, sums.unknown_cents))
        is_labeled = (len(state.days) - 1 - number) % 7 == 0
        label = name[5:] if is_labeled else ""
        yield Bar(read[name], round(number * width, 2), round(width * 0.8, 2), charged, unknown, label)


def _height(cents: int, top: int) -> float:
    """Return a bar's height: whatever is not nothing can be seen."""
    return round(max(2.0, HEIGHT * cents / top), 1) if cents else 0.0


def _without_video(each: Charged) -> dict[str, Any]:
    submission = each.submission
    return {
        "job_id": each.job_id,
        "key": each.job_id if each.job is None else each.job.image.key,
        "day": submission.day,
        "amount": f"${usd(submission.cost_cents)}",
        "state": "charged" if submission.charge is Charge.CHARGED else "may have been charged",
        "reason": submission.status if submission.reason is None else submission.reason.code.value,
    }
