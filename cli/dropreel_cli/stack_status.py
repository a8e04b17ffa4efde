"""What a stack's status allows, and what to do where it does not allow a change."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from dropreel_cli.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

CHANGEABLE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
NOT_CREATED = "REVIEW_IN_PROGRESS"
"""The first change set was created and not executed: the stack has a name and no resources."""
_STARTS = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", NOT_CREATED}
_NESTED = "AWS::CloudFormation::Stack"
_ONLY_DELETABLE = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}


def what_to_do(stack: Stack) -> str:
    """Return why the stack has its status, where that is known, and what to do before it can be changed."""
    where = f"--stack-name {stack.name}{account_arguments(stack)}"
    ours = f"--stack {stack.name}{account_arguments(stack)}"
    if stack.status.endswith("_IN_PROGRESS"):
        return "Wait until that has completed, and try again."
    if stack.status in _ONLY_DELETABLE:
        cause = cause_of_failure(stack) or "Its first creation failed."
        return (
            f"{cause} Such a stack can only be deleted: run `dropreel remove {ours}`, fix the cause,"
            f" and run `dropreel deploy {ours}`."
        )
    if stack.status == "DELETE_FAILED":
        return f"{cause_of_failure(stack)} Fix the cause and run `dropreel remove {ours}` again.".strip()
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        return f"{cause_of_failure(stack)} Finish the rollback first: aws cloudformation continue-update-rollback {where}".strip()
    if stack.status == "UPDATE_FAILED":
        return f"{cause_of_failure(stack)} Roll it back first: aws cloudformation rollback-stack {where}".strip()
    return "See its events in the CloudFormation console."


def account_arguments(stack: Stack) -> str:
    """Return the options of the aws and dropreel commands for the stack's region and, unless it is `default`, its profile."""
    profile = stack.session.profile_name
    named = "" if profile in (None, "default") else f" --profile {profile}"
    return f" --region {stack.session.region_name}{named}"


def cause_of_failure(stack: Stack) -> str:
    """Return the first thing that failed in the stack's last change, as a sentence; empty where none is known.

    Where that is a nested stack, it is the first thing that failed there: the nested stack's own reason only names it.
    """
    client: CloudFormationClient = stack.session.client("cloudformation", endpoint_url=stack.endpoint_url)
    name, starts, where = stack.arn or stack.name, _STARTS, ""
    cause = ""
    while (failed := _first_failure(client, name, starts)) is not None:
        resource = failed.get("LogicalResourceId", "")
        cause = f"{resource}{where} failed: {failed.get('ResourceStatusReason', '').rstrip('. ')}."
        name, parent = failed.get("PhysicalResourceId", ""), name
        if failed.get("ResourceType") != _NESTED or name in ("", parent, failed["StackId"]):
            break
        # CloudFormation deletes a nested stack whose creation failed: that is part of the same change.
        starts = _STARTS if failed.get("ResourceStatus") == "DELETE_FAILED" else _STARTS - {"DELETE_IN_PROGRESS"}
        where = f" in {resource}"
    return cause


def _first_failure(client: "CloudFormationClient", name: str, starts: Collection[str]) -> "StackEventTypeDef | None":
    """Return the first failure in a stack's last change, which begins with one of these statuses of the stack itself."""
    first: StackEventTypeDef | None = None
    try:
        for page in client.get_paginator("describe_stack_events").paginate(StackName=name):
            for event in page["StackEvents"]:  # the newest first
                status = event.get("ResourceStatus", "")
                if event.get("PhysicalResourceId") == event["StackId"] and status in starts:
                    return first
                reason = event.get("ResourceStatusReason", "")
                if status.endswith("_FAILED") and reason and "cancelled" not in reason:
                    first = event
    except ClientError:
        pass
    return first
