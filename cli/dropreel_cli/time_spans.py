"""`--since`: a span such as `7d`, or a day or a time (UTC)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_SPAN = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Since(click.ParamType):  # type: ignore[type-arg]  # it has a type argument from Click 8.4 on; 8.1 takes none
    """Converts to an aware UTC datetime."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time; ends with a usage error for anything else."""
        if isinstance(value, datetime):
            return value
        if found := _SPAN.fullmatch(value):
            return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a span such as 30m, 12h, 7d or 2w, nor a day or time such as 2026-11-12.", param, ctx
            )
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def since_option(default: str | None = "7d") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option `--since`; the function gets `since: datetime`."""
    return click.option("--since", type=Since(), default=default, show_default=True, metavar="7d|2026-11-12",
                        help="Jobs that were created since then (UTC).")  # fmt: skip
