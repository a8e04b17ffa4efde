"""A deployed stack and the AWS clients to talk to it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from boto3.session import Session

DEFAULT_STACK = "dropreel"


class StackMissing(Exception):
    """There is no such stack in this account and region."""


@dataclass(frozen=True)
class Stack:
    """The names that the template's outputs give."""

    name: str
    outputs: dict[str, str]
    session: "Session"
    endpoint_url: str | None = None

    @classmethod
    def find(cls, name: str, session: "Session | None" = None, endpoint_url: str | None = None) -> "Stack":
        """Look the stack up. Raises StackMissing where it is not deployed."""
        session = session or boto3.Session()
        try:
            answer = session.client("cloudformation", endpoint_url=endpoint_url).describe_stacks(StackName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                raise StackMissing(f"there is no stack {name} in {session.region_name}") from error
            raise
        described = answer["Stacks"][0]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])}
        return cls(name, outputs, session, endpoint_url)
