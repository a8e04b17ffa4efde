"""What earlier stacks of the same name reserved today. Their spend tables are kept, and a new stack counts from 0."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dropreel.adapters.ledger import Ledger
from dropreel.domain.days import day_of
from dropreel.domain.prices import usd
from dropreel.domain.spending import SpendLimit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from dropreel_cli.output import Output


@dataclass(frozen=True)
class KeptSpend:
    """A kept spend table, and what it has for today (UTC), in US cents."""

    table: str
    cents: int

    @property
    def document(self) -> dict[str, Any]:
        """It as JSON, as `schemas/deploy.json` describes it."""
        return {"table": self.table, "reserved_usd": float(usd(self.cents))}


def kept_spend(client: "DynamoDBClient", stack: str, day: str) -> list[KeptSpend]:
    """Return the spend tables that removed stacks of this name have left and that have something for the day."""
    name = re.compile(rf"{re.escape(stack)}-SpendTable-[0-9A-Za-z]+")
    pages = client.get_paginator("list_tables").paginate()
    tables = [table for page in pages for table in page["TableNames"] if name.fullmatch(table)]
    found = [KeptSpend(table, Ledger(client, "", table, SpendLimit(None)).reserved_cents(day)) for table in tables]
    return [one for one in found if one.cents]


def report_kept_spend(client: "DynamoDBClient", stack: str, limit: str, output: "Output") -> list[KeptSpend]:
    """Print what was reserved today under the name of a new stack, and the limit that counts it. Return the tables.

    `limit` is the DailySpendLimitUsd of the new stack.
    """
    day = day_of(datetime.now(UTC))
    try:
        kept = kept_spend(client, stack, day)
    except ClientError as error:
        output.note(
            f"Whether an earlier stack {stack} has spent anything today is not known "
            f"({error.response['Error']['Code']}): the new stack's limit counts from 0."
        )
        return []
    if kept:
        cents = sum(one.cents for one in kept)
        tables = ", ".join(one.table for one in kept)
        output.note(f"An earlier stack {stack} reserved ${usd(cents)} today ({day} UTC), in {tables}.")
        if limit != "unlimited":
            left = max(Decimal(0), Decimal(limit) - usd(cents))
            output.note(
                f"The new stack's limit counts from 0: it could spend ${Decimal(limit):.2f} more today. To spend that in all, "
                f"deploy it with DailySpendLimitUsd={left:.2f}, and tomorrow with DailySpendLimitUsd={limit}.",
                style="yellow",
            )
    return kept
