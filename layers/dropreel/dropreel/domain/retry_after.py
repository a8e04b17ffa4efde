"""The `Retry-After` header of an HTTP response (RFC 9110)."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after_seconds(headers: Mapping[str, str]) -> int | None:
    """Return the seconds that `Retry-After` asks to wait, negative for a date in the past; None without a readable one.

    A date counts from the response's own `Date`, so that no two clocks are compared.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return int(value[:9])
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return round(wait.total_seconds())
