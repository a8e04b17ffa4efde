"""What `dropreel deploy` says about the spend tables that removed stacks of the same name have left."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropreel.domain.days import day_of
from dropreel_cli.kept_spend import KeptSpend, kept_spend, report_kept_spend
from dropreel_cli.output import Output
from tests.support.moto_account import moto_account

TODAY = day_of(datetime.now(UTC))
YESTERDAY = day_of(datetime.now(UTC) - timedelta(days=1))
Keep = Callable[..., Any]


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Return a function that makes a spend table with the cents of some days, and returns DynamoDB's client."""
    with moto_account():
        client = boto3.client("dynamodb")

        def make(table: str, **days: int) -> Any:
            client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "day", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "day", "KeyType": "HASH"}],
            )
            for day, cents in days.items():
                client.put_item(TableName=table, Item={"day": {"S": day}, "reserved_cents": {"N": str(cents)}})
            return client

        yield make


def test_only_todays_items_of_tables_of_the_same_name_count(keep: Keep) -> None:
    keep("shop-SpendTable-A1", **{TODAY: 470, YESTERDAY: 9000})
    keep("shop-SpendTable-B2", **{YESTERDAY: 5})
    keep("shop-SpendTable-C3", **{TODAY: 94})
    for other in ("shop-2-SpendTable-A1", "a-shop-SpendTable-A1", "shop-SpendTable-A1-copy", "shop-JobsTable-A1"):
        client = keep(other, **{TODAY: 1})

    assert kept_spend(client, "shop", TODAY) == [
        KeptSpend("shop-SpendTable-A1", 470),
        KeptSpend("shop-SpendTable-C3", 94),
    ]


@pytest.mark.parametrize(("limit", "left"), [("50", "44.36"), ("5.65", "0.01"), ("5", "0.00")])
def test_the_limit_that_counts_the_earlier_stack_is_named(
    keep: Keep, capsys: pytest.CaptureFixture[str], limit: str, left: str
) -> None:
    client = keep("shop-SpendTable-A1", **{TODAY: 564})

    report_kept_spend(client, "shop", limit, Output())

    printed = capsys.readouterr().err
    assert f"An earlier stack shop reserved $5.64 today ({TODAY} UTC), in shop-SpendTable-A1." in printed
    assert f"DailySpendLimitUsd={left}, and tomorrow with DailySpendLimitUsd={limit}." in printed


def test_without_a_limit_only_the_amount_is_named(keep: Keep, capsys: pytest.CaptureFixture[str]) -> None:
    client = keep("shop-SpendTable-A1", **{TODAY: 564})

    report_kept_spend(client, "shop", "unlimited", Output())

    printed = capsys.readouterr().err
    assert "reserved $5.64 today" in printed
    assert "DailySpendLimitUsd" not in printed


def test_where_nothing_was_spent_today_nothing_is_said(keep: Keep, capsys: pytest.CaptureFixture[str]) -> None:
    client = keep("shop-SpendTable-A1", **{YESTERDAY: 564})

    assert report_kept_spend(client, "shop", "50", Output()) == []
    assert capsys.readouterr().err == ""


def test_without_the_permission_to_look_it_says_that_it_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    client = boto3.client("dynamodb", "eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        stubber.add_client_error("list_tables", "AccessDeniedException")

        assert report_kept_spend(client, "shop", "50", Output()) == []

    assert "has spent anything today is not known (AccessDeniedException)" in capsys.readouterr().err
