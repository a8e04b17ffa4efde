"""The daily spend limit, in whole US cents."""

import re
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

UNLIMITED = "unlimited"
_LIMIT = r"[0-9]{1,7}(\.[0-9]{1,2})?"


class SpendLimit(NamedTuple):
    """The limit of one day (UTC) in US cents. None is no limit, 0 pauses all submissions."""

    cents: int | None

    @classmethod
    def parse(cls, text: str) -> "SpendLimit":
        """Parse `DailySpendLimitUsd`: dollars with up to two decimals, or `unlimited`. Raises ValueError for anything else."""
        if text == UNLIMITED:
            return cls(None)
        if not re.fullmatch(_LIMIT, text):
            raise ValueError(f"{text!r} is not an amount of dollars with up to two decimals, or {UNLIMITED}")
        return cls(int(Decimal(text) * 100))

    def rejects(self, price_cents: int) -> bool:
        """Return whether a price exceeds the whole limit, so that the job is rejected. A limit of 0 holds jobs instead."""
        return self.cents is not None and 0 < self.cents < price_cents

    def room_after(self, reserved_cents: int) -> int | None:
        """Return how many cents are left of the limit; None for no limit."""
        return None if self.cents is None else max(0, self.cents - reserved_cents)

    def percent_used(self, reserved_cents: int, cheapest_cents: int) -> float | None:
        """Return how much of the limit is reserved, in percent, rounded down; None for no limit, and for 0, which pauses on purpose.

        At least 100 as soon as not even the cheapest video fits: the day then has no room, whatever cents are left.
        """
        if not self.cents:
            return None
        percent = 1000 * reserved_cents // self.cents / 10
        return max(percent, 100.0) if reserved_cents and self.cents - reserved_cents < cheapest_cents else percent


class NotReserved(Enum):
    """Why nothing was reserved: the optimistic lock failed or the submission is claimed, a copy, or the limit is reached."""

    CHANGED = "changed"
    DUPLICATE = "duplicate"
    NO_ROOM = "no_room"
