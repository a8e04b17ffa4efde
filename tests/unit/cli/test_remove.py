"""What `make remove` says and returns for whole stacks, half ones and none, and that what it prints is what exists."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.questions import Terminal
from cli.remove import remove
from cli.stack import StackMissing
from tests.unit.cli.conftest import ARN, Cloud, described

YES = {"YES": "1"}


def terminal(*answers: str) -> Terminal:
    left = iter(answers)

    def ask(question: str, hidden: bool) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    return Terminal(ask, lambda _: None)


def resources(*listed: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": logical_id,
                "ResourceType": kind,
                "ResourceStatus": "CREATE_COMPLETE",
                "LastUpdatedTimestamp": "2026-01-01T00:00:00Z",
                **({"PhysicalResourceId": name} if name else {}),
            }
            for logical_id, kind, name in listed
        ]
    }


def no_artifacts(cloud: Cloud) -> None:
    cloud.fails("describe_stacks", "ValidationError", "Stack with id aws-sam-cli-managed-default does not exist")


@pytest.mark.parametrize("answers", [("n",), ("",), ("no",), ()])
def test_who_does_not_say_yes_keeps_the_stack(cloud: Cloud, answers: tuple[str, ...]) -> None:
    cloud.answers("describe_stacks", described("CREATE_COMPLETE"))

    assert remove({}, cloud.console, terminal(*answers)) == 1

    assert "Nothing was removed." in cloud.said


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_a_stack_that_is_being_changed_is_left_alone(cloud: Cloud, status: str) -> None:
    cloud.answers("describe_stacks", described(status))

    assert remove(YES, cloud.console, terminal()) == 1

    assert f"shop in eu-central-1 cannot be removed now: it is {status}. Wait until that has ended" in cloud.said


@pytest.mark.parametrize(
    "status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS", "DELETE_FAILED", "CREATE_FAILED"]
)
def test_half_a_stack_is_removed_and_nothing_is_named_that_is_not_there(cloud: Cloud, status: str) -> None:
    cloud.answers("describe_stacks", described(status))
    cloud.answers(
        "list_stack_resources", resources(("UploadsBucket", "AWS::S3::Bucket", ""), ("Q", "AWS::SQS::Queue", "q"))
    )
    cloud.answers("delete_stack", {}, {"StackName": ARN})
    for _ in range(2):
        cloud.answers("describe_stacks", described("DELETE_COMPLETE"))
    no_artifacts(cloud)

    assert remove(YES, cloud.console, terminal()) == 0

    assert cloud.said.strip() == "shop in eu-central-1 is gone."


def test_a_removal_that_fails_says_why_and_what_to_do(cloud: Cloud) -> None:
    cloud.answers("describe_stacks", described("CREATE_COMPLETE"))
    cloud.answers("list_stack_resources", resources())
    cloud.answers("delete_stack", {}, {"StackName": ARN})
    for _ in range(2):
        cloud.answers("describe_stacks", described("DELETE_FAILED"))
    event = {"LogicalResourceId": "Role", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "it is in use"}
    fixed = {"StackId": ARN, "StackName": "shop", "EventId": "1", "Timestamp": "2026-01-01T00:00:00Z"}
    cloud.answers("describe_stack_events", {"StackEvents": [{**fixed, **event}]})

    assert remove(YES, cloud.console, terminal()) == 1

    assert (
        "It is DELETE_FAILED. Role failed: it is in use. Correct the cause and run `make remove` again." in cloud.said
    )


def test_a_protected_stack_says_how_to_unprotect_it(cloud: Cloud) -> None:
    cloud.answers("describe_stacks", described("CREATE_COMPLETE"))
    cloud.answers("list_stack_resources", resources())
    cloud.fails(
        "delete_stack", "ValidationError", "Stack [shop] cannot be deleted while TerminationProtection is enabled"
    )

    assert remove(YES, cloud.console, terminal()) == 1

    assert "--no-enable-termination-protection --stack-name shop --region eu-central-1" in cloud.said


def test_no_stack_is_said_to_be_none(cloud: Cloud) -> None:
    cloud.has_no_stack()

    with pytest.raises(StackMissing, match="there is no stack shop in eu-central-1"):
        remove(YES, cloud.console, terminal())


def test_a_name_that_aws_does_not_take_is_not_said_to_be_missing(cloud: Cloud) -> None:
    cloud.fails("describe_stacks", "ValidationError", "1 validation error detected: Value 'my stack' at 'stackName'")

    with pytest.raises(ClientError, match="1 validation error"):
        remove(YES, cloud.console, terminal())
