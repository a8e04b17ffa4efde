"""A stack's settings on this machine: what its functions read from their environment, from the stack's own parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dropreel.domain.prices import DOCUMENTED, PriceTable
from dropreel.settings import Settings
from dropreel_cli.exits import CommandError

if TYPE_CHECKING:
    from dropreel_cli.stack import Stack


def settings_of(stack: Stack) -> Settings:
    """Return the settings that a stack's parameters and outputs give: the same values, by the same rules, as in its functions."""
    environment = {"REHEARSAL": "false", "PRICES_USD": DOCUMENTED.text}  # not in a stack of an earlier release
    environment |= {_variable(name): value for name, value in stack.parameters.items()}
    buckets = [stack.outputs["UploadsBucketName"], stack.parameters.get("ExistingUploadsBucketName", "")]
    environment["IMAGE_BUCKET_NAMES"] = ",".join(filter(None, buckets))
    return Settings(environment)


def prices_of(stack: Stack) -> PriceTable:
    """Return a stack's prices; those of a stack of an earlier release are the documented ones.

    Raises CommandError (FAILED) for prices that the functions do not take.
    """
    try:
        return PriceTable.parse(stack.parameters.get("PricesUsd", DOCUMENTED.text))
    except ValueError as error:
        correct = f"dropreel set 'PricesUsd={DOCUMENTED.text}'"
        raise CommandError(f"The stack's PricesUsd submits nothing: {error}. Correct it, such as: {correct}") from error


def _variable(parameter: str) -> str:
    """Return the environment variable of a parameter: `DEFAULT_CFG_SCALE` for `DefaultCfgScale`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter).upper()
