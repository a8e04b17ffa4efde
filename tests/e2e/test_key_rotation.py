"""A key that was changed in Secrets Manager stays through later deployments by the real SAM CLI."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.cloud import API_KEY, deploy
from tests.e2e.conftest import Account

ROTATED = f"{API_KEY}\n"
"""Another value that the provider takes, too: the functions remove white space."""


@pytest.fixture
def secret(account: Account) -> Iterator[Any]:
    """The secret's id; its value is restored at the end."""
    yield account.physical("ApiKeySecret")
    account.client("secretsmanager").put_secret_value(SecretId=account.physical("ApiKeySecret"), SecretString=API_KEY)


def current(account: Account, secret: str) -> dict[str, Any]:
    found: dict[str, Any] = account.client("secretsmanager").get_secret_value(SecretId=secret)
    return found


def values(account: Account) -> dict[str, str]:
    (stack,) = account.client("cloudformation").describe_stacks(StackName=account.stack.name)["Stacks"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}


def test_a_later_deployment_does_not_write_the_old_key_back(account: Account, secret: str) -> None:
    account.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=ROTATED)
    rotated = current(account, secret)
    days = "14" if values(account)["LogRetentionDays"] != "14" else "7"

    deploy(account.cloud.engine, {"LogRetentionDays": days})

    assert values(account)["LogRetentionDays"] == days
    found = current(account, secret)
    assert found["SecretString"] == ROTATED
    assert found["VersionId"] == rotated["VersionId"]


@pytest.mark.exhaustive
def test_a_deployment_with_another_key_writes_it_and_one_with_the_same_key_does_not(
    account: Account, secret: str
) -> None:
    deploy(account.cloud.engine, {"NohumanApiKey": "another-key"})
    assert current(account, secret)["SecretString"] == "another-key"

    account.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=ROTATED)
    deploy(account.cloud.engine, {"NohumanApiKey": "another-key"})

    assert current(account, secret)["SecretString"] == ROTATED
