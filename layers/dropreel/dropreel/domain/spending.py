"""The day's spend limit, in whole US cents."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

UNLIMITED = "unlimited"
_LIMIT = re.compile(r"[0-9]{1,7}(\.[0-9]{1,2})?")


@dataclass(frozen=True)
class SpendLimit:
    """At most so many cents a day (UTC); None is no limit, 0 pauses all spending."""

    cents: int | None

    @classmethod
    def parse(cls, text: str) -> "SpendLimit":
        """Read `DailySpendLimitUsd`: dollars with up to two decimals, or `unlimited`. Raises ValueError for anything else."""
        if text == UNLIMITED:
            return cls(None)
        if not _LIMIT.fullmatch(text):
            raise ValueError(f"{text!r} is not an amount of dollars with up to two decimals, or {UNLIMITED}")
        return cls(int(Decimal(text) * 100))

    def can_never_hold(self, price_cents: int) -> bool:
        """Whether one job costs more than a whole day may. A limit of 0 is a pause, no reason to reject."""
        return self.cents is not None and 0 < self.cents < price_cents

    def room_after(self, reserved_cents: int) -> int | None:
        """Return how many cents are left of the day, None for no limit."""
        return None if self.cents is None else max(0, self.cents - reserved_cents)


def day_of(now: datetime) -> str:
    """Return the day (UTC) that money spent now counts for: `2026-11-12`."""
    return now.date().isoformat()


def next_day(now: datetime) -> datetime:
    """Return when the next day (UTC) begins."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
