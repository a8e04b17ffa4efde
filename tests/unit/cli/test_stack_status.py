"""Why a change failed, also where the cause is in the nested stack, whose events are its own."""

from typing import Any

import pytest

from dropreel_cli.stack import Stack
from dropreel_cli.stack_status import cause_of_failure
from tests.unit.cli.conftest import ARN, CREATED, Cloud

NESTED = "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-Operations-1A2B3C4D5E6F/3c4d"
TYPE = "AWS::CloudFormation::Stack"


def event(stack: str, resource: str, status: str, reason: str = "", *, physical: str = "", kind: str = "") -> Any:
    return {
        "StackId": stack, "EventId": "1", "StackName": "shop", "Timestamp": CREATED, "LogicalResourceId": resource,
        "PhysicalResourceId": physical, "ResourceType": kind or "AWS::SNS::Topic", "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }  # fmt: skip


def of_itself(stack: str, status: str, reason: str = "") -> Any:
    return event(stack, "itself", status, reason, physical=stack, kind=TYPE)


def operations(status: str, reason: str, physical: str = NESTED) -> Any:
    return event(ARN, "Operations", status, reason, physical=physical, kind=TYPE)


def cause(cloud: Cloud, *stacks: "tuple[str, list[Any]]") -> str:
    """Return the cause with these events of each stack that is asked for, the newest first."""
    for arn, events in stacks:
        cloud.add_answer("describe_stack_events", {"StackEvents": events}, {"StackName": arn})
    found = cause_of_failure(Stack("shop", {}, cloud.session, arn=ARN))
    cloud.stubber.assert_no_pending_responses()
    return found


EMBEDDED = (
    f"Embedded stack {NESTED} was not successfully created: The following resource(s) failed to create: [Topic]. "
)
CREATION = [
    of_itself(ARN, "ROLLBACK_COMPLETE"),
    operations("CREATE_FAILED", EMBEDDED),
    of_itself(ARN, "CREATE_IN_PROGRESS"),
]


def test_a_failed_creation_in_the_nested_stack_says_what_failed_there(cloud: Cloud) -> None:
    inner = [
        of_itself(NESTED, "DELETE_COMPLETE"),
        of_itself(NESTED, "DELETE_IN_PROGRESS"),
        of_itself(NESTED, "CREATE_FAILED", "The following resource(s) failed to create: [Topic]. "),
        event(NESTED, "Other", "CREATE_FAILED", "Resource creation cancelled"),
        event(NESTED, "Topic", "CREATE_FAILED", "Invalid parameter: Email address"),
        of_itself(NESTED, "CREATE_IN_PROGRESS"),
    ]

    found = cause(cloud, (ARN, CREATION), (NESTED, inner))

    assert found == "Topic in Operations failed: Invalid parameter: Email address."


def test_a_failed_update_in_the_nested_stack_says_what_failed_there(cloud: Cloud) -> None:
    outer = [operations("UPDATE_FAILED", "Embedded stack was not updated"), of_itself(ARN, "UPDATE_IN_PROGRESS")]
    inner = [
        of_itself(NESTED, "UPDATE_ROLLBACK_COMPLETE"),
        of_itself(NESTED, "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [Topic]. "),
        event(NESTED, "Topic", "UPDATE_FAILED", "Denied."),
        of_itself(NESTED, "UPDATE_IN_PROGRESS"),
        event(NESTED, "Topic", "CREATE_FAILED", "of an earlier change"),
    ]

    assert cause(cloud, (ARN, outer), (NESTED, inner)) == "Topic in Operations failed: Denied."


def test_a_failed_deletion_is_not_taken_for_an_earlier_failure(cloud: Cloud) -> None:
    outer = [operations("DELETE_FAILED", "The nested stack was not deleted."), of_itself(ARN, "DELETE_IN_PROGRESS")]
    inner = [
        event(NESTED, "Topic", "DELETE_FAILED", "Denied"),
        of_itself(NESTED, "DELETE_IN_PROGRESS"),
        event(NESTED, "Topic", "UPDATE_FAILED", "of an earlier change"),
        of_itself(NESTED, "UPDATE_IN_PROGRESS"),
    ]

    assert cause(cloud, (ARN, outer), (NESTED, inner)) == "Topic in Operations failed: Denied."


def test_without_the_nested_stacks_events_its_own_reason_is_shown(cloud: Cloud) -> None:
    cloud.add_answer("describe_stack_events", {"StackEvents": CREATION}, {"StackName": ARN})
    cloud.add_error("describe_stack_events", "AccessDenied")

    found = cause_of_failure(Stack("shop", {}, cloud.session, arn=ARN))

    assert found == f"Operations failed: {EMBEDDED.strip()}"


@pytest.mark.parametrize("physical", ["", ARN])
def test_a_nested_stack_that_was_never_created_has_no_events_of_its_own(cloud: Cloud, physical: str) -> None:
    outer = [operations("CREATE_FAILED", "S3 error: Access Denied", physical), of_itself(ARN, "CREATE_IN_PROGRESS")]

    assert cause(cloud, (ARN, outer)) == "Operations failed: S3 error: Access Denied."
