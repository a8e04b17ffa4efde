"""A deployed stack: its outputs, parameters and status, and the session for its clients."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from datetime import datetime

    from boto3.session import Session

HIDDEN = "****"
"""What CloudFormation shows of a parameter with NoEcho, even if it is empty."""


class StackMissing(Exception):
    """There is no such stack in this account and region."""


class StackIncomplete(Exception):
    """The stack has no outputs: its creation failed or has not completed."""


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it."""

    name: str
    outputs: dict[str, str]
    session: "Session"
    endpoint_url: str | None = None
    arn: str = ""
    status: str = ""
    updated: "datetime | None" = None
    parameters: dict[str, str] = field(default_factory=dict)
    """The current values; a NoEcho parameter reads `HIDDEN`."""
    _clients: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    @classmethod
    def find(cls, name: str, session: "Session | None" = None, endpoint_url: str | None = None) -> "Stack":
        """Look the stack up, by name or ARN. Raises StackMissing where it is not deployed."""
        session = session or boto3.Session()
        client = session.client("cloudformation", endpoint_url=endpoint_url)
        try:
            answer = client.describe_stacks(StackName=name)
        except ClientError as error:
            # An invalid name is a ValidationError, too.
            if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
                raise StackMissing(f"There is no stack {name} in {session.region_name}") from error
            raise
        described = answer["Stacks"][0]
        stack = cls(
            described["StackName"],
            {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])},
            session,
            endpoint_url,
            described.get("StackId", ""),
            described["StackStatus"],
            described.get("LastUpdatedTime"),
            {one["ParameterKey"]: one.get("ParameterValue", "") for one in described.get("Parameters", [])},
        )
        stack._clients["cloudformation"] = client
        return stack

    def client(self, service: str) -> Any:
        """Return the client of a service in the stack's account and region: one a service, which keeps its connections."""
        if service not in self._clients:
            create: Any = self.session.client  # boto3's stubs have no overload for a service's name in a variable
            self._clients[service] = create(service, endpoint_url=self.endpoint_url)
        return self._clients[service]

    def renewed(self) -> "Stack":
        """Return the stack with the parameters that it has now, and the same clients. Raises botocore's errors."""
        if not self.arn:
            return self
        found = Stack.find(self.arn, self.session, self.endpoint_url)
        found._clients.update(self._clients)
        return found

    def require_outputs(self) -> None:
        """Raise StackIncomplete if the stack has no outputs."""
        if not self.outputs:
            raise StackIncomplete(f"The stack {self.name} is {self.status}: its creation did not complete")
