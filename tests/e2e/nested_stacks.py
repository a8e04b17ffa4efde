"""A small stack with a nested one, and what the parent shows where the nested stack fails."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.cloud import Engine
from tests.e2e.engine_clients import client_of, versioned_bucket

GOOD = {"Type": "AWS::SQS::Queue"}
BAD = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "Sting", "Value": "x"}}
REASON = "The following resource(s) failed to"


class NestedStacks:
    """A parent stack with one nested stack, whose template is kept in a bucket."""

    def __init__(self, engine: Engine, s3: Any, bucket: str) -> None:
        self.engine, self.s3, self.bucket = engine, s3, bucket
        self.formation = client_of(engine, "cloudformation")
        self.parent = f"parent-{bucket}"

    def request(self, template: dict[str, Any], **parameters: str) -> dict[str, Any]:
        """Return the request that gives the nested stack this template."""
        text = json.dumps(template)
        key = hashlib.sha256(text.encode()).hexdigest()
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text)
        address = f"https://s3.us-east-1.amazonaws.com/{self.bucket}/{key}"
        nested = {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {"TemplateURL": address, "Parameters": parameters},
        }
        outputs = {"Name": {"Value": {"Fn::GetAtt": ["Nested", "Outputs.Name"]}}, "Id": {"Value": {"Ref": "Nested"}}}
        body = {"Resources": {"Nested": nested}, "Outputs": outputs if "Outputs" in template else {}}
        return {"StackName": self.parent, "TemplateBody": json.dumps(body)}

    def ended(self) -> dict[str, Any]:
        """Return the parent stack once nothing is in progress."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            (found,) = self.formation.describe_stacks(StackName=self.parent)["Stacks"]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                described: dict[str, Any] = found
                return described
            time.sleep(0.1)
        raise AssertionError(f"{self.parent} does not end")

    def failure(self) -> dict[str, Any]:
        """Return the parent's event of the nested stack's failure."""
        events = self.formation.describe_stack_events(StackName=self.parent)["StackEvents"]
        found: dict[str, Any] = next(
            one for one in events if one["LogicalResourceId"] == "Nested" and one["ResourceStatus"].endswith("_FAILED")
        )
        return found

    def statuses(self, stack: str) -> list[str]:
        """Return a stack's own statuses in their order."""
        events = self.formation.describe_stack_events(StackName=stack)["StackEvents"]
        return [one["ResourceStatus"] for one in reversed(events) if one["PhysicalResourceId"] == one["StackId"]]

    def queues(self) -> list[str]:
        """Return the addresses of the queues that the nested stack has made."""
        found = client_of(self.engine, "sqs").list_queues(QueueNamePrefix=self.parent)
        return list(found.get("QueueUrls", []))


@contextmanager
def nested_stacks(engine: Engine, bucket: str) -> Iterator[NestedStacks]:
    with versioned_bucket(engine, bucket) as s3:
        stacks = NestedStacks(engine, s3, bucket)
        try:
            yield stacks
        finally:
            stacks.formation.delete_stack(StackName=stacks.parent)


def failed_creation(engine: Engine) -> bool:
    """Whether the parent names the nested stack, whose events say more, and nothing of it stays."""
    with nested_stacks(engine, "creations") as stacks:
        stacks.formation.create_stack(
            **stacks.request({"Resources": {"Good": GOOD, "Bad": {**BAD, "DependsOn": "Good"}}})
        )
        assert stacks.ended()["StackStatus"] == "ROLLBACK_COMPLETE"
        failure = stacks.failure()
        nested = failure.get("PhysicalResourceId", "")
        reason = f"Embedded stack {nested} was not successfully created: {REASON} create: [Bad]."
        return (
            failure["ResourceStatusReason"].strip() == reason
            and stacks.statuses(nested)[:2] == ["CREATE_IN_PROGRESS", "CREATE_FAILED"]
            and stacks.queues() == []
        )


def failed_update(engine: Engine) -> bool:
    """Whether the parent names the nested stack, which is rolled back."""
    with nested_stacks(engine, "updates") as stacks:
        stacks.formation.create_stack(**stacks.request({"Resources": {"Good": GOOD}}))
        assert stacks.ended()["StackStatus"] == "CREATE_COMPLETE"
        before = stacks.queues()
        stacks.formation.update_stack(**stacks.request({"Resources": {"Good": GOOD, "Bad": BAD}}))
        assert stacks.ended()["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        failure = stacks.failure()
        nested = failure.get("PhysicalResourceId", "")
        assert stacks.queues() == before
        return (
            failure["ResourceStatusReason"].startswith(f"Embedded stack {nested} was not successfully updated.")
            and f"{REASON} update: [Bad]" in failure["ResourceStatusReason"]
            and stacks.statuses(nested)[-2:] == ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]
        )


def unchanged_attributes(engine: Engine) -> bool:
    """Whether an update can use an attribute of a resource that it leaves as it is."""

    def template(description: str) -> dict[str, Any]:
        named = {"Name": "of-good", "Type": "String", "Value": {"Fn::GetAtt": ["Good", "Arn"]}}
        changed = {"Type": "AWS::SSM::Parameter", "Properties": {**named, "Description": description}}
        return {"Resources": {"Good": GOOD, "Changed": changed}}

    with nested_stacks(engine, "attributes") as stacks:
        stacks.formation.create_stack(**stacks.request(template("first")))
        assert stacks.ended()["StackStatus"] == "CREATE_COMPLETE"
        stacks.formation.update_stack(**stacks.request(template("second")))
        return bool(stacks.ended()["StackStatus"] == "UPDATE_COMPLETE")
