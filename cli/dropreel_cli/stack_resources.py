"""The physical ids of a stack's resources, those of its nested stacks included."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel_cli.exits import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dropreel_cli.stack import Stack

_NESTED = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class StackResources:
    """A stack's resources by their logical ids in the template."""

    stack: Stack
    physical_ids: dict[str, str]
    kinds: dict[str, str] = field(default_factory=dict)
    """The resource types by logical id, such as `AWS::SQS::Queue`."""

    @classmethod
    def of(cls, stack: Stack) -> StackResources:
        """List the stack's resources. Raises botocore's ClientError."""
        listed = list(_listed(stack.client("cloudformation"), stack.arn))
        return cls(
            stack,
            {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed},
            {one["LogicalResourceId"]: one["ResourceType"] for one in listed},
        )

    @classmethod
    def if_allowed(cls, stack: Stack) -> StackResources | None:
        """List the stack's resources; None where they cannot be listed, for what is shown with or without them."""
        try:
            return cls.of(stack)
        except (BotoCoreError, ClientError):
            return None

    def __getitem__(self, logical_id: str) -> str:
        """Return a resource's physical id. Raises CommandError where the stack does not have it."""
        if logical_id not in self.physical_ids:
            raise CommandError(
                f"The stack {self.stack.name} has no resource {logical_id}: it is of another release than this command,"
                " or its creation did not complete. Deploy it again: dropreel deploy."
            )
        return self.physical_ids[logical_id]

    def __contains__(self, logical_id: str) -> bool:
        return logical_id in self.physical_ids

    def of_kind(self, kind: str) -> dict[str, str]:
        """Return the physical ids of the resources of a type, by logical id."""
        return {name: self.physical_ids[name] for name, its in self.kinds.items() if its == kind}


def _listed(client: Any, stack: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
        for one in page["StackResourceSummaries"]:
            if not one.get("PhysicalResourceId") or one["ResourceStatus"] == "DELETE_COMPLETE":
                continue
            yield one
            if one["ResourceType"] == _NESTED:
                yield from _listed(client, one["PhysicalResourceId"])
