"""The ARNs of a stack's resources, as IAM policies name them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropreel_cli.stack_resources import StackResources

NOTIFICATIONS = "Notifications"
"""The nested stack of mails and webhooks."""


@dataclass(frozen=True)
class StackArns:
    """The ARNs of one stack's resources, by their logical ids."""

    resources: StackResources

    @cached_property
    def _of_stack(self) -> list[str]:
        return self.resources.stack.arn.split(":")

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN in the stack's partition, region and account."""
        _, partition, _, region, account, *_ = self._of_stack
        return f"arn:{partition}:{service}:{region}:{account}:{resource}"

    @property
    def stacks(self) -> list[str]:
        """The stack, and its nested stacks. That of notifications is created when a parameter asks for it: any of its ids."""
        name = self.resources.stack.name
        nested = self.resources.of_kind("AWS::CloudFormation::Stack")
        names = [name, *sorted(arn.split("/")[1] for one, arn in nested.items() if one != NOTIFICATIONS)]
        notifications = self.arn("cloudformation", f"stack/{name}-{NOTIFICATIONS}-*")
        return [*(self.arn("cloudformation", f"stack/{name}/*") for name in names), notifications]

    def account_wide(self, service: str, resource: str) -> str:
        """Return an ARN of a service without regions."""
        _, partition, _, _, account, *_ = self._of_stack
        return f"arn:{partition}:{service}::{account}:{resource}"

    def bucket(self, name: str, objects: str = "") -> str:
        """Return the ARN of a bucket, or of objects in it such as `/*`."""
        return f"arn:{self._of_stack[1]}:s3:::{name}{objects}"

    def table(self, logical_id: str, index: str | None = None) -> str:
        """Return the ARN of a table, or of an index of it."""
        suffix = f"/index/{index}" if index else ""
        return self.arn("dynamodb", f"table/{self.resources[logical_id]}{suffix}")

    def queues(self, *logical_ids: str) -> list[str]:
        """Return the ARNs of queues. Their physical ids are URLs, which end with the account and the name."""
        return [self.arn("sqs", self.resources[one].rsplit("/", 1)[1]) for one in logical_ids]

    def rules(self, logical_ids: Iterable[str]) -> list[str]:
        """Return the ARNs of the rules that there are. The physical id of a rule on a bus of its own is `bus|rule`."""
        there = (self.resources[one] for one in logical_ids if one in self.resources)
        return [self.arn("events", f"rule/{name.replace('|', '/')}") for name in there]

    def functions(self, logical_ids: Iterable[str]) -> list[str]:
        """Return the ARNs of functions."""
        return [self.arn("lambda", f"function:{self.resources[one]}") for one in logical_ids]

    def mapping(self, logical_id: str) -> str:
        """Return the ARN of an event source mapping."""
        return self.arn("lambda", f"event-source-mapping:{self.resources[logical_id]}")

    def executions(self, logical_id: str) -> str:
        """Return the ARN of every execution of a state machine, whose physical id is its ARN."""
        return self.resources[logical_id].replace(":stateMachine:", ":execution:") + ":*"
