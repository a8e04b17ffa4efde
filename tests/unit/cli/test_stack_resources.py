"""The resources of a stack and its nested stacks, and what is shown where they cannot be listed."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel_cli.exits import CommandError
from dropreel_cli.stack import Stack
from dropreel_cli.stack_resources import StackResources

NESTED = "AWS::CloudFormation::Stack"
LISTED = {
    "shop": [
        ("Queue", "AWS::SQS::Queue", "queue", "CREATE_COMPLETE"),
        ("Operations", NESTED, "nested", "CREATE_COMPLETE"),
        ("Gone", "AWS::SQS::Queue", "gone", "DELETE_COMPLETE"),
    ],
    "nested": [("Alarm", "AWS::CloudWatch::Alarm", "alarm", "CREATE_COMPLETE")],
}


class FakeCloudFormation:
    """Lists the resources of two stacks, or refuses."""

    def __init__(self, code: str | None = None) -> None:
        self.code = code

    def get_paginator(self, name: str) -> "FakeCloudFormation":
        assert name == "list_stack_resources"
        return self

    def paginate(self, StackName: str) -> list[dict[str, Any]]:  # noqa: N803 - boto3's name
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "ListStackResources")
        names = ("LogicalResourceId", "ResourceType", "PhysicalResourceId", "ResourceStatus")
        return [{"StackResourceSummaries": [dict(zip(names, one, strict=True)) for one in LISTED[StackName]]}]


def _stack(monkeypatch: pytest.MonkeyPatch, client: FakeCloudFormation) -> Stack:
    monkeypatch.setattr(Stack, "client", lambda _self, _service: client)
    session: Any = None
    return Stack("shop", {}, session, arn="shop")


def test_nested_stacks_are_listed_and_deleted_resources_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    resources = StackResources.of(_stack(monkeypatch, FakeCloudFormation()))

    assert resources.physical_ids == {"Queue": "queue", "Operations": "nested", "Alarm": "alarm"}
    with pytest.raises(CommandError, match=r"no resource Gone.*dropreel deploy"):
        resources["Gone"]


def test_what_may_not_be_listed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert StackResources.if_allowed(_stack(monkeypatch, FakeCloudFormation("AccessDenied"))) is None
    assert StackResources.if_allowed(_stack(monkeypatch, FakeCloudFormation())) is not None
