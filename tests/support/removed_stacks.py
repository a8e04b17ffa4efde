"""Remove a CloudFormation stack; where it stays, say which resource stayed and why."""

from typing import Any

from botocore.exceptions import WaiterError


def remove_stack(formation: Any, name: str) -> None:
    """Delete a stack, if it is there, and wait for its end.

    Raises:
        AssertionError: with the reason of each resource that could not be deleted.
    """
    formation.delete_stack(StackName=name)
    try:
        formation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    except WaiterError as error:
        events = formation.describe_stack_events(StackName=name)["StackEvents"]
        failed = [one for one in events if one["ResourceStatus"] == "DELETE_FAILED"]
        reasons = [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}" for one in failed]
        raise AssertionError(f"{name} was not removed: {reasons}") from error
