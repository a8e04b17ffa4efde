"""Reads the spend table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropreel.adapters.ledger import Ledger
from dropreel.domain.spending import SpendLimit
from dropreel_cli.rehearsals import spend_day_of

if TYPE_CHECKING:
    from dropreel_cli.stack import Stack


def charged_cents(stack: Stack, day: str) -> int:
    """Return what was or may have been charged on a day (UTC, `2026-11-12`), in US cents."""
    outputs = stack.outputs
    ledger = Ledger(stack.client("dynamodb"), outputs["JobsTableName"], outputs["SpendTableName"], SpendLimit(None))
    return ledger.reserved_cents(spend_day_of(stack, day))
