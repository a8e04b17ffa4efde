"""The days (UTC) that spending is counted by."""

from datetime import UTC, datetime, timedelta

_REHEARSAL = "rehearsal-"


def day_of(now: datetime) -> str:
    """Return the day (UTC), such as `2026-11-12`."""
    return now.date().isoformat()


def spend_day(day: str, *, is_rehearsal: bool) -> str:
    """Return the key of the spend table's item that a price is reserved on: the day, or `rehearsal-2026-11-12`."""
    return _REHEARSAL + day if is_rehearsal else day


def date_of(spend_day: str) -> str:
    """Return the day (UTC) of a spend table's item."""
    return spend_day.removeprefix(_REHEARSAL)


def next_day(now: datetime) -> datetime:
    """Return the start of the next day (UTC)."""
    return (now.astimezone(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
