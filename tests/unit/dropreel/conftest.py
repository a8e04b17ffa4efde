from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.support.fake_stack import FakeStack
from tests.support.ledger_books import Books
from tests.support.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def stack() -> FakeStack:
    return FakeStack()


@pytest.fixture(scope="module")
def moto_dynamodb() -> Iterator[Any]:
    """A client of moto with the stack's tables, made once a file."""
    from tests.integration.conftest import make_table
    from tests.support.moto_account import moto_account

    with moto_account():
        for table in ("jobs", "spend"):
            make_table(table)
        yield boto3.client("dynamodb")


@pytest.fixture(params=["moto", "memory"])
def dynamodb(request: pytest.FixtureRequest) -> Any:
    """A client with the stack's two tables, empty: moto's, and the in-memory ones that the other tests run on."""
    from moto.dynamodb.models import dynamodb_backends

    from tests.support.aws_errors import ACCOUNT, REGION
    from tests.support.memory_dynamodb import MemoryDynamoDB

    if request.param == "memory":
        return MemoryDynamoDB()
    client = request.getfixturevalue("moto_dynamodb")
    for table in dynamodb_backends[ACCOUNT][REGION].tables.values():
        table.items.clear()
    return client


@pytest.fixture
def books(dynamodb: Any) -> Books:
    return Books(dynamodb)
