"""Sends the AWS calls of the code under test to a simulation."""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import boto3
import botocore.client
import pytest

import dropreel.wiring
from tests.faults.simulation import Simulation
from tests.support.aws_errors import REGION


def _client(service: str, **_timeouts: int) -> Any:
    """Replace the wiring's client factory. No call opens a connection, so time-outs have no effect."""
    return _cached_client(service)


@cache
def _cached_client(service: str) -> Any:
    """Return a client that all simulations share, so that a schedule takes milliseconds."""
    session = boto3.session.Session("test", "test", region_name=REGION)
    client = cast("Any", session).client(service)
    client.get_paginator = cache(client.get_paginator)  # it makes a class at each call, and keeps nothing of a query
    return client


def patch_clients(monkeypatch: pytest.MonkeyPatch, current: Callable[[], Simulation]) -> None:
    """Send every AWS call of the code under test to the current simulation."""
    base: Any = botocore.client.BaseClient
    real = base._make_api_call

    def make_api_call(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if client is not _client(client.meta.service_model.service_name):
            return real(client, operation, arguments)
        return current().api_call(client, operation, arguments)

    monkeypatch.setattr(base, "_make_api_call", make_api_call)
    monkeypatch.setattr(dropreel.wiring, "_client", _client)
