"""What a stack's status allows, and what to do where it does not allow a change."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cli.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

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
_ONLY_DELETABLE = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}


def what_to_do(stack: Stack) -> str:
    """Return why the stack has its status, where that is known, and what to do before it can be changed."""
    where = f"--stack-name {stack.name} --region {stack.session.region_name}"
    if stack.status.endswith("_IN_PROGRESS"):
        return "Wait until that has completed, and try again."
    if stack.status in _ONLY_DELETABLE:
        cause = cause_of_failure(stack) or "Its first creation failed."
        return f"{cause} Such a stack can only be deleted: run `make remove`, fix the cause, and run `make deploy`."
    if stack.status == "DELETE_FAILED":
        return f"{cause_of_failure(stack)} Fix the cause and run `make remove` again.".strip()
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        return f"{cause_of_failure(stack)} Finish the rollback first: aws cloudformation continue-update-rollback {where}".strip()
    if stack.status == "UPDATE_FAILED":
        return f"{cause_of_failure(stack)} Roll it back first: aws cloudformation rollback-stack {where}".strip()
    return "See its events in the CloudFormation console."


def cause_of_failure(stack: Stack) -> str:
    """Return the first thing that failed in the stack's last change, as a sentence; empty where none is known."""
    client: CloudFormationClient = stack.session.client("cloudformation", endpoint_url=stack.endpoint_url)
    first = ""
    try:
        for page in client.get_paginator("describe_stack_events").paginate(StackName=stack.arn or stack.name):
            for event in page["StackEvents"]:  # the newest first
                status = event.get("ResourceStatus", "")
                if event.get("PhysicalResourceId") == event["StackId"] and status in _STARTS:
                    return first
                reason = event.get("ResourceStatusReason", "")
                if status.endswith("_FAILED") and reason and "cancelled" not in reason:
                    first = f"{event.get('LogicalResourceId', '')} failed: {reason.rstrip('.')}."
    except ClientError:
        pass
    return first
