"""`make remove`: deletes the stack, and prints what is kept, why, and how to delete that too."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, WaiterError
from rich.console import Console

from cli.output import print_text
from cli.questions import Terminal
from cli.stack import Stack, StackMissing
from cli.stack_status import NOT_CREATED, what_to_do
from cli.target import Target, is_yes, session_of, target_from

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


def remove(environment: Mapping[str, str], console: Console, terminal: Terminal) -> int:
    """Delete the stack after a confirmation. Return 0 if it was deleted, 1 if that was declined or failed."""
    target = target_from(environment)
    stack = Stack.find(target.stack, session_of(target))
    if stack.status.endswith("_IN_PROGRESS") and stack.status not in (NOT_CREATED, "DELETE_IN_PROGRESS"):
        print_text(console, f"The stack {target} cannot be removed now: it is {stack.status}. {what_to_do(stack)}")
        return 1
    if not is_yes(environment, "YES") and not _is_confirmed(target, stack, terminal):
        print_text(console, "Nothing was removed.")
        return 1
    resources = _resources(stack)
    fault = _delete(stack, console)
    if fault:
        print_text(console, f"The stack {target} was not removed. {fault}")
        return 1
    print_text(console, f"The stack {target} was removed.")
    left = [(resource, how) for resource in resources if (how := _how_to_delete(stack, resource))]
    kept = [f"{one.name}: {_WHY[one.logical_id]}. To delete it: {how}" for one, how in left if one.logical_id in _WHY]
    others = [f"{one.name}. To delete it: {how}" for one, how in left if one.logical_id not in _WHY]
    for title, lines in [
        ("Kept, because they cannot be restored:", kept),
        ("Left over, and no longer needed:", others + _artifacts(stack)),
    ]:
        if lines:
            print_text(console, "\n  ".join([f"\n{title}", *lines]))
    return 0


def _is_confirmed(target: Target, stack: Stack, terminal: Terminal) -> bool:
    try:
        answer = terminal.ask(
            f"Delete the stack {target} ({stack.status})? Its images, videos and records are kept. [y/N]: ", False
        )
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _resources(stack: Stack) -> list[Resource]:
    client: CloudFormationClient = stack.session.client("cloudformation", endpoint_url=stack.endpoint_url)
    return [
        Resource(one["LogicalResourceId"], one["ResourceType"], one["PhysicalResourceId"])
        for page in client.get_paginator("list_stack_resources").paginate(StackName=stack.name)
        for one in page["StackResourceSummaries"]
        if one.get("PhysicalResourceId")
    ]


def _delete(stack: Stack, console: Console) -> str | None:
    """Delete the stack and wait for it. Return why it still exists, or None."""
    client: CloudFormationClient = stack.session.client("cloudformation", endpoint_url=stack.endpoint_url)
    try:
        client.delete_stack(StackName=stack.arn)
        with console.status(f"deleting {stack.name}"):
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
            f" --no-enable-termination-protection --stack-name {stack.name} --region {stack.session.region_name}"
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
    region = stack.session.region_name
    if resource.kind == "AWS::S3::Bucket" and _has_bucket(stack, resource.name):
        return f"empty it in the S3 console (all versions), then aws s3 rb s3://{resource.name} --region {region}"
    if resource.kind == "AWS::DynamoDB::Table" and (table := _table(stack, resource.name)) is not None:
        names = f"--table-name {resource.name} --region {region}"
        unprotect = f"aws dynamodb update-table --no-deletion-protection-enabled {names}"
        wait = f"aws dynamodb wait table-exists {names}"
        first = f"{unprotect} && {wait} && " if table.get("DeletionProtectionEnabled") else ""
        return f"{first}aws dynamodb delete-table {names}"
    if resource.kind == "AWS::Lambda::LayerVersion" and _has_layer(stack, resource.name):
        layer, version = resource.name.split(":")[-2:]
        return f"aws lambda delete-layer-version --layer-name {layer} --version-number {version} --region {region}"
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


def _artifacts(stack: Stack) -> list[str]:
    """Return a line about the code that sam uploaded, if its bucket exists."""
    with suppress(ClientError, StackMissing, KeyError):
        bucket = Stack.find(_SAM_STACK, stack.session, stack.endpoint_url).outputs["SourceBucket"]
        folder = f"s3://{bucket}/{stack.name}/"
        what = "the code that sam uploaded for this stack (your other sam stacks use the same bucket)"
        how = f"aws s3 rm --recursive {folder} --region {stack.session.region_name}"
        return [f"{folder}: {what}. To delete it: {how}"]
    return []
