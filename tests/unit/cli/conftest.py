"""CloudFormation with scripted answers: botocore's client with its Stubber, which checks each request."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from rich.console import Console

from cli.target import Target

ARN = "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/1a2b"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def described(status: str, **more: Any) -> dict[str, Any]:
    """Return CloudFormation's description of the stack `shop`."""
    return {"Stacks": [{"StackName": "shop", "StackId": ARN, "CreationTime": CREATED, "StackStatus": status, **more}]}


@dataclass
class Cloud:
    """The scripted CloudFormation, and a console that records what is printed."""

    stubber: Stubber
    console: Console
    session: Any

    def add_answer(self, operation: str, answer: dict[str, Any], expected: dict[str, Any] | None = None) -> None:
        self.stubber.add_response(operation, answer, expected)

    def add_error(self, operation: str, code: str, message: str = "") -> None:
        self.stubber.add_client_error(operation, code, message)

    def add_no_stack(self) -> None:
        self.add_error("describe_stacks", "ValidationError", "Stack with id shop does not exist")

    @property
    def printed(self) -> str:
        return self.console.export_text(clear=False)


@pytest.fixture(scope="session")
def session() -> Any:
    return boto3.Session("test", "test", region_name="eu-central-1")


@pytest.fixture(scope="session")
def client(session: Any) -> Any:
    return session.client("cloudformation")


@pytest.fixture
def cloud(session: Any, client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    real: Callable[..., Any] = session.client
    monkeypatch.setattr(
        session, "client", lambda name, **more: client if name == "cloudformation" else real(name, **more)
    )
    for module in ("cli.deploy", "cli.remove"):
        monkeypatch.setattr(f"{module}.session_of", lambda _: session)
        monkeypatch.setattr(f"{module}.target_from", lambda _: Target("shop", "eu-central-1"))
    with Stubber(client) as stubber:
        yield Cloud(stubber, Console(record=True, width=1000, file=io.StringIO()), session)
