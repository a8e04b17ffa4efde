"""Prices. Amounts are whole US cents everywhere; decimal dollars are only for events and people."""

from decimal import Decimal

PRICE_CENTS: dict[tuple[str, int], int] = {
    ("fast", 5): 47,
    ("fast", 10): 94,
    ("hq", 5): 94,
    ("hq", 10): 187,
}
"""(mode, duration in seconds) -> US cents a video: the provider's price table."""


def price_cents(mode: str, duration: int) -> int:
    """Return the price of one video in US cents. Raises KeyError for an unknown mode or duration (seconds)."""
    return PRICE_CENTS[mode, duration]


def usd(cents: int) -> Decimal:
    """Return whole cents as US dollars with two decimals."""
    return Decimal(cents).scaleb(-2)
