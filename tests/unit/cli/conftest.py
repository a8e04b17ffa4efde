"""CloudFormation with scripted answers: botocore's client with its Stubber, which checks each request."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropreel_cli.output import Output
from dropreel_cli.target import Target

ARN = "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/1a2b"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def described(status: str, **more: Any) -> dict[str, Any]:
    """Return CloudFormation's description of the stack `shop`."""
    return {"Stacks": [{"StackName": "shop", "StackId": ARN, "CreationTime": CREATED, "StackStatus": status, **more}]}


@dataclass
class Cloud:
    """The scripted CloudFormation, and what is printed."""

    stubber: Stubber
    output: Output
    session: Any
    capsys: pytest.CaptureFixture[str]
    _printed: str = ""

    def add_answer(self, operation: str, answer: dict[str, Any], expected: dict[str, Any] | None = None) -> None:
        self.stubber.add_response(operation, answer, expected)

    def add_error(self, operation: str, code: str, message: str = "") -> None:
        self.stubber.add_client_error(operation, code, message)

    def add_no_stack(self) -> None:
        self.add_error("describe_stacks", "ValidationError", "Stack with id shop does not exist")

    @property
    def printed(self) -> str:
        """Return all that was printed by now, on both outputs."""
        captured = self.capsys.readouterr()
        self._printed += captured.out + captured.err
        return self._printed


@pytest.fixture(scope="session")
def session() -> Any:
    return boto3.Session("test", "test", region_name="eu-central-1")


@pytest.fixture(scope="session")
def client(session: Any) -> Any:
    return session.client("cloudformation")


@pytest.fixture
def cloud(
    session: Any, client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Cloud]:
    real: Callable[..., Any] = session.client
    monkeypatch.setattr(
        session, "client", lambda name, **more: client if name == "cloudformation" else real(name, **more)
    )
    for module in ("dropreel_cli.deploy", "dropreel_cli.remove"):
        monkeypatch.setattr(f"{module}.session_of", lambda _: session)
    target = Target("shop", "eu-central-1")
    monkeypatch.setattr("dropreel_cli.deploy.target_from", lambda *_, **__: target)
    monkeypatch.setattr("dropreel_cli.remove.target_of", lambda _: target)
    monkeypatch.setattr("dropreel_cli.deploy.report_kept_spend", lambda *_: [])
    for name in ("STACK", "NOHUMAN_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with Stubber(client) as stubber:
        yield Cloud(stubber, Output(), session, capsys)
