"""The days (UTC) that spending is counted by."""

from datetime import UTC, datetime, timedelta


def day_of(now: datetime) -> str:
    """Return the day (UTC) on which a price is reserved, such as `2026-11-12`."""
    return now.date().isoformat()


def next_day(now: datetime) -> datetime:
    """Return the start of the next day (UTC)."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
