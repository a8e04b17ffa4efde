"""A DynamoDB client on the in-memory tables: the real JobTable and Ledger run on it."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import boto3

from tests.support.tables import Tables

Around = Callable[[str, dict[str, Any], Callable[[], Any]], Any]


class MemoryDynamoDB:
    """The operations of a client that the code under test calls. `around` gets each call, and may make it or fail."""

    def __init__(self, tables: Tables | None = None, around: Around | None = None) -> None:
        self.tables = tables or Tables()
        self.around = around or (lambda _operation, _arguments, act: act())
        self.exceptions = _real_client().exceptions

    def get_item(self, **arguments: Any) -> Any:
        return self._call("GetItem", arguments)

    def update_item(self, **arguments: Any) -> Any:
        return self._call("UpdateItem", arguments)

    def delete_item(self, **arguments: Any) -> Any:
        return self._call("DeleteItem", arguments)

    def transact_write_items(self, **arguments: Any) -> Any:
        return self._call("TransactWriteItems", arguments)

    def get_paginator(self, operation: str) -> "_Paginator":
        assert operation == "query", operation
        return _Paginator(self)

    def _call(self, operation: str, arguments: dict[str, Any]) -> Any:
        return self.around(operation, arguments, lambda: self.tables.call(_real_client(), operation, arguments))


class _Paginator:
    """All items on one page."""

    def __init__(self, client: MemoryDynamoDB) -> None:
        self.client = client

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        yield self.client._call("Query", arguments)


@cache
def _real_client() -> Any:
    """Return a client that calls nothing: it has the classes of the errors."""
    return boto3.session.Session("test", "test", region_name="us-east-1").client("dynamodb")
