"""Amounts of US dollars on the command line, in cents."""

import re
from decimal import Decimal
from typing import Any

import click

ASK_ABOVE_USD = 5
"""What costs more in all is confirmed before it is dropped."""
_AMOUNT = re.compile(r"\$?([0-9]{1,7}(\.[0-9]{1,2})?)")


class Dollars(click.ParamType):  # type: ignore[type-arg]  # it has a type argument from Click 8.4 on; 8.1 takes none
    """Converts dollars with up to two decimals to whole cents."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the cents; ends with a usage error for anything else."""
        if isinstance(value, int):
            return value
        found = _AMOUNT.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not an amount of dollars such as 5 or 12.50.", param, ctx)
        return int(Decimal(found[1]) * 100)
