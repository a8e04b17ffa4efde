"""DynamoDB transactions, with retries on conflicts."""

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dropreel.domain.errors import RetryLater

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_TRIES = 16
"""Tries of a transaction that conflicts with another one: hundreds of jobs share the one item of a day."""
MAX_PAUSE_SECONDS = 1.0
"""The longest pause between two tries. More tries help more than longer pauses."""


def transact(
    client: "DynamoDBClient",
    updates: Sequence[Any],
    sleep: Callable[[float], None],
    max_tries: int = MAX_TRIES,
) -> int | None:
    """Make all updates or none. Return None, or the index of the first whose condition did not hold.

    Raises RetryLater where every try conflicted with another transaction, and botocore's ClientError on a fault.
    """
    for tries in range(max_tries):
        try:
            client.transact_write_items(TransactItems=[{"Update": update} for update in updates])
        except client.exceptions.TransactionCanceledException as error:
            codes = [reason.get("Code") for reason in error.response["CancellationReasons"]]
            if "ConditionalCheckFailed" in codes:
                return codes.index("ConditionalCheckFailed")
            if tries + 1 < max_tries:
                pause = min(MAX_PAUSE_SECONDS, 0.05 * 2 ** min(tries, 10))
                sleep(random.uniform(0, pause))  # noqa: S311  # nosec B311 # jitter, not a secret
        else:
            return None
    raise RetryLater("the table is busy: too many transactions at once")
