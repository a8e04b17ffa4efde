"""Prices. Amounts are whole US cents everywhere; decimal dollars are only for events and people."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

PRICE_CENTS: dict[tuple[str, int], int] = {
    ("fast", 5): 47,
    ("fast", 10): 94,
    ("hq", 5): 94,
    ("hq", 10): 187,
}
"""(mode, duration in seconds) -> US cents a video: the price table of the provider's document."""
DOCUMENTED_VERSION = "documented-2026-11"
MOST_TIMES = 10
"""How far a price may be from the documented one, up or down, unless it is forced: a slip of the comma is farther."""
FORCED = "forced"

_NAMES = {f"{mode}-{duration}": (mode, duration) for mode, duration in PRICE_CENTS}
_AMOUNT = r"[0-9]{1,4}(\.[0-9]{1,2})?"


class PriceTable(NamedTuple):
    """The provider's four prices. `version` names them in jobs and receipts."""

    cents: Mapping[tuple[str, int], int]
    version: str

    @classmethod
    def parse(cls, text: str) -> "PriceTable":
        """Parse `PricesUsd`, such as `fast-5=0.47 fast-10=0.94 hq-5=0.94 hq-10=1.87`, with ` forced` after it for any price.

        Raises ValueError for another form, and for a price more than `MOST_TIMES` from the documented one that is not forced.
        """
        prices, is_forced = text.removesuffix(f" {FORCED}"), text.endswith(f" {FORCED}")
        if not re.fullmatch(" ".join(f"{name}={_AMOUNT}" for name in _NAMES), prices):
            raise ValueError(f"{text!r} is not four prices in US dollars, such as {DOCUMENTED.text!r}")
        amounts = dict(each.split("=") for each in prices.split(" "))
        cents = {_NAMES[name]: int(Decimal(amount) * 100) for name, amount in amounts.items()}
        for name, key in _NAMES.items():
            documented, price = PRICE_CENTS[key], cents[key]
            if price == 0:
                raise ValueError(f"{name} is {amounts[name]}; a price is at least 0.01")
            if not is_forced and not documented <= MOST_TIMES * price <= MOST_TIMES**2 * documented:
                raise ValueError(
                    f"{name} is {amounts[name]}, more than {MOST_TIMES} times apart from the documented {usd(documented)};"
                    f" if it is right, put {FORCED} behind the four prices"
                )
        return cls.of(cents)

    @classmethod
    def of(cls, cents: Mapping[tuple[str, int], int]) -> "PriceTable":
        """Return the table of these prices: `documented-…`, or `custom-` with a digest of them."""
        if cents == PRICE_CENTS:
            return DOCUMENTED
        from hashlib import sha256

        return cls(cents, f"custom-{sha256(cls(cents, '').text.encode()).hexdigest()[:8]}")

    @property
    def text(self) -> str:
        """The prices as `PricesUsd` has them."""
        return " ".join(f"{name}={usd(self.cents[key])}" for name, key in _NAMES.items())

    def cents_of(self, mode: str, duration: int) -> int:
        """Return the price of one video in US cents. Raises KeyError for an unknown mode or duration (seconds)."""
        return self.cents[mode, duration]

    @property
    def lowest(self) -> int:
        """The lowest price in US cents."""
        return min(self.cents.values())

    @property
    def highest(self) -> int:
        """The highest price in US cents."""
        return max(self.cents.values())


DOCUMENTED = PriceTable(PRICE_CENTS, DOCUMENTED_VERSION)
"""The default of `PricesUsd`."""


def usd(cents: int) -> Decimal:
    """Return whole cents as US dollars with two decimals."""
    return Decimal(cents).scaleb(-2)
