"""`dropreel remove`: deletes the stack, and prints what is kept, why, and how to delete that too."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from dropreel_cli.command_line import Command, StackOptions
from dropreel_cli.connection import target_of
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.output import Output
from dropreel_cli.questions import check_stack_name
from dropreel_cli.stack import Stack, StackMissing
from dropreel_cli.stack_status import NOT_CREATED, account_arguments, what_to_do
from dropreel_cli.target import session_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

_WHY = {
    "UploadsBucket": "your images",
    "VideosBucket": "the videos that you paid for",
    "JobsTable": "the record of what was paid",
    "SpendTable": "the record of what was spent each day",
}
_SAM_STACK = "aws-sam-cli-managed-default"
_CHECK_SECONDS = 5
_WAIT_SECONDS = 3600


@dataclass(frozen=True)
class Resource:
    """A resource of the stack that CloudFormation may leave in the account."""

    logical_id: str
    kind: str
    name: str


@dataclass(frozen=True)
class Left:
    """What CloudFormation has left in the account: why, and the commands that delete it."""

    name: str
    what: str
    how: str

    def __str__(self) -> str:
        return f"{self.name}{f': {self.what}' if self.what else ''}. To delete it: {self.how}"

    @property
    def document(self) -> dict[str, str]:
        """It as JSON, as `schemas/remove.json` describes it."""
        return {"name": self.name, "what": self.what, "delete": self.how}


def remove(options: StackOptions, output: Output, *, yes: bool) -> dict[str, Any]:
    """Delete the stack after a confirmation, and return what is left as `schemas/remove.json` describes it.

    Raises StackMissing, and CommandError where it was declined or failed.
    """
    Command.left_behind = "Nothing was removed."
    target = target_of(options)
    check_stack_name(target.stack)
    stack = Stack.find(target.stack, session_of(target))
    if stack.status.endswith("_IN_PROGRESS") and stack.status not in (NOT_CREATED, "DELETE_IN_PROGRESS"):
        raise CommandError(
            f"The stack {target} cannot be removed now: it is {stack.status}. {what_to_do(stack)}", Exit.REFUSED
        )
    output.confirm(f"Delete the stack {target} ({stack.status})? Its images, videos and records are kept.", yes=yes)
    resources = _resources(stack)
    Command.left_behind = (
        "A deletion that CloudFormation has started continues. Run `dropreel remove` again to see how it ended."
    )
    if fault := _delete(stack, output):
        raise CommandError(f"The stack {target} was not removed. {fault}", Exit.FAILED)
    output.text(f"The stack {target} was removed.")
    left = [
        (resource, Left(resource.name, _WHY.get(resource.logical_id, ""), how))
        for resource in resources
        if (how := _how_to_delete(stack, resource))
    ]
    kept = [one for resource, one in left if resource.logical_id in _WHY]
    others = [one for resource, one in left if resource.logical_id not in _WHY] + _artifacts(stack)
    for title, lines in [
        ("Kept, because they cannot be restored:", kept),
        ("Left over, and no longer needed:", others),
    ]:
        if lines:
            output.text("\n  ".join([f"\n{title}", *map(str, lines)]))
    return {
        "stack": target.stack,
        "region": target.region,
        "kept": [one.document for one in kept],
        "left_over": [one.document for one in others],
    }


def _resources(stack: Stack) -> list[Resource]:
    client: CloudFormationClient = stack.session.client("cloudformation", endpoint_url=stack.endpoint_url)
    return [
        Resource(one["LogicalResourceId"], one["ResourceType"], one["PhysicalResourceId"])
        for page in client.get_paginator("list_stack_resources").paginate(StackName=stack.name)
        for one in page["StackResourceSummaries"]
        if one.get("PhysicalResourceId")
    ]


def _delete(stack: Stack, output: Output) -> str | None:
    """Delete the stack and wait for it. Return why it still exists, or None."""
    client: CloudFormationClient = stack.session.client("cloudformation", endpoint_url=stack.endpoint_url)
    try:
        client.delete_stack(StackName=stack.arn)
        with output.progress.status(f"deleting {stack.name}"):
            client.get_waiter("stack_delete_complete").wait(
                StackName=stack.arn,
                WaiterConfig={"Delay": _CHECK_SECONDS, "MaxAttempts": _WAIT_SECONDS // _CHECK_SECONDS},
            )
    except WaiterError:
        pass
    except ClientError as error:
        if "TerminationProtection" not in str(error):
            raise
        return (
            "Its termination protection is on. To turn it off: aws cloudformation update-termination-protection"
            f" --no-enable-termination-protection --stack-name {stack.name}{account_arguments(stack)}"
        )
    try:
        after = Stack.find(stack.arn, stack.session, stack.endpoint_url)
    except StackMissing:
        return None
    if after.status == "DELETE_COMPLETE":
        return None
    return f"It is {after.status}. {what_to_do(after)}"


def _how_to_delete(stack: Stack, resource: Resource) -> str | None:
    """Return the commands that delete a resource; None where none is needed."""
    where = account_arguments(stack)
    if resource.kind == "AWS::S3::Bucket" and _has_bucket(stack, resource.name):
        return f"empty it in the S3 console (all versions), then aws s3 rb s3://{resource.name}{where}"
    if resource.kind == "AWS::DynamoDB::Table" and (table := _table(stack, resource.name)) is not None:
        names = f"--table-name {resource.name}{where}"
        unprotect = f"aws dynamodb update-table --no-deletion-protection-enabled {names}"
        wait = f"aws dynamodb wait table-exists {names}"
        first = f"{unprotect} && {wait} && " if table.get("DeletionProtectionEnabled") else ""
        return f"{first}aws dynamodb delete-table {names}"
    if resource.kind == "AWS::Lambda::LayerVersion" and _has_layer(stack, resource.name):
        layer, version = resource.name.split(":")[-2:]
        return f"aws lambda delete-layer-version --layer-name {layer} --version-number {version}{where}"
    return None


def _has_bucket(stack: Stack, name: str) -> bool:
    client: S3Client = stack.session.client("s3", endpoint_url=stack.endpoint_url)
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        return error.response["Error"]["Code"] not in (
            "404",
            "NoSuchBucket",
        )  # without the permission to look, assume that it exists
    return True


def _table(stack: Stack, name: str) -> "TableDescriptionTypeDef | None":
    client: DynamoDBClient = stack.session.client("dynamodb", endpoint_url=stack.endpoint_url)
    try:
        table = client.describe_table(TableName=name)["Table"]
    except ClientError as error:
        return None if error.response["Error"]["Code"] == "ResourceNotFoundException" else {}
    return None if table.get("TableStatus") == "DELETING" else table


def _has_layer(stack: Stack, arn: str) -> bool:
    client: LambdaClient = stack.session.client("lambda", endpoint_url=stack.endpoint_url)
    try:
        client.get_layer_version_by_arn(Arn=arn)
    except ClientError as error:
        return error.response["Error"]["Code"] not in ("ResourceNotFoundException", "404")
    return True


def _artifacts(stack: Stack) -> list[Left]:
    """Return the code that sam uploaded, if its bucket exists."""
    with suppress(ClientError, StackMissing, KeyError):
        bucket = Stack.find(_SAM_STACK, stack.session, stack.endpoint_url).outputs["SourceBucket"]
        folder = f"s3://{bucket}/{stack.name}/"
        what = "the code that sam uploaded for this stack (your other sam stacks use the same bucket)"
        return [Left(folder, what, f"aws s3 rm --recursive {folder}{account_arguments(stack)}")]
    return []
