"""A stack as a long-running command has it."""

from typing import Any

import boto3
import pytest

from dropreel_cli.stack import Stack


def test_a_renewed_stack_has_the_parameters_of_now_and_the_same_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    session = boto3.Session("key", "secret", region_name="us-east-1")
    before = Stack("shop", {"A": "b"}, session, arn="arn:aws:cloudformation:shop", parameters={"MaxAttempts": "1"})
    client = before.client("s3")

    def find(name: str, *where: Any) -> Stack:
        assert (name, *where) == ("arn:aws:cloudformation:shop", session, None)
        return Stack("shop", {"A": "b"}, session, arn=name, parameters={"MaxAttempts": "2"})

    monkeypatch.setattr(Stack, "find", find)

    now = before.renewed()

    assert now.parameters == {"MaxAttempts": "2"}
    assert now.client("s3") is client


def test_a_stack_without_an_arn_stays_as_it_is() -> None:
    stack = Stack("shop", {}, boto3.Session())

    assert stack.renewed() is stack
