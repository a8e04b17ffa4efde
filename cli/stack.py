"""A deployed stack and the AWS clients to talk to it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from datetime import datetime

    from boto3.session import Session


class StackMissing(Exception):
    """There is no such stack in this account and region."""


class StackUnfinished(Exception):
    """The stack has no outputs: its creation has not ended well, or not yet."""


@dataclass(frozen=True)
class Stack:
    """The names that the template's outputs give, and the stack's status in CloudFormation."""

    name: str
    outputs: dict[str, str]
    session: "Session"
    endpoint_url: str | None = None
    arn: str = ""
    status: str = ""
    updated: "datetime | None" = None
    parameters: dict[str, str] = field(default_factory=dict)
    """What the stack has now; a NoEcho parameter reads `****`."""

    @classmethod
    def find(cls, name: str, session: "Session | None" = None, endpoint_url: str | None = None) -> "Stack":
        """Look the stack up, by name or ARN. Raises StackMissing where it is not deployed."""
        session = session or boto3.Session()
        try:
            answer = session.client("cloudformation", endpoint_url=endpoint_url).describe_stacks(StackName=name)
        except ClientError as error:
            # A name that AWS does not take is a ValidationError, too.
            if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
                raise StackMissing(f"there is no stack {name} in {session.region_name}") from error
            raise
        described = answer["Stacks"][0]
        return cls(
            described["StackName"],
            {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])},
            session,
            endpoint_url,
            described.get("StackId", ""),
            described["StackStatus"],
            described.get("LastUpdatedTime"),
            {one["ParameterKey"]: one.get("ParameterValue", "") for one in described.get("Parameters", [])},
        )

    def require_outputs(self) -> None:
        """Raise StackUnfinished where the stack's creation has not ended well."""
        if not self.outputs:
            raise StackUnfinished(f"the stack {self.name} is {self.status}: it was not created to its end")
