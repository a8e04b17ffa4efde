"""What `make remove` prints and returns for complete, incomplete and missing stacks; it names only what exists."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.questions import Terminal
from cli.remove import remove
from cli.stack import StackMissing
from tests.unit.cli.conftest import ARN, Cloud, described

YES = {"YES": "1"}


def terminal(*answers: str) -> Terminal:
    remaining = iter(answers)

    def ask(question: str, hidden: bool) -> str:
        try:
            return next(remaining)
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
    cloud.add_error("describe_stacks", "ValidationError", "Stack with id aws-sam-cli-managed-default does not exist")


@pytest.mark.parametrize("answers", [("n",), ("",), ("no",), ()])
def test_without_a_yes_the_stack_is_kept(cloud: Cloud, answers: tuple[str, ...]) -> None:
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE"))

    assert remove({}, cloud.console, terminal(*answers)) == 1

    assert "Nothing was removed." in cloud.printed


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_a_stack_that_is_being_changed_is_not_removed(cloud: Cloud, status: str) -> None:
    cloud.add_answer("describe_stacks", described(status))

    assert remove(YES, cloud.console, terminal()) == 1

    assert f"shop in eu-central-1 cannot be removed now: it is {status}. Wait until that has completed" in cloud.printed


@pytest.mark.parametrize(
    "status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS", "DELETE_FAILED", "CREATE_FAILED"]
)
def test_an_incomplete_stack_is_removed_and_nothing_else_is_named(cloud: Cloud, status: str) -> None:
    cloud.add_answer("describe_stacks", described(status))
    cloud.add_answer(
        "list_stack_resources", resources(("UploadsBucket", "AWS::S3::Bucket", ""), ("Q", "AWS::SQS::Queue", "q"))
    )
    cloud.add_answer("delete_stack", {}, {"StackName": ARN})
    for _ in range(2):
        cloud.add_answer("describe_stacks", described("DELETE_COMPLETE"))
    no_artifacts(cloud)

    assert remove(YES, cloud.console, terminal()) == 0

    assert cloud.printed.strip() == "The stack shop in eu-central-1 was removed."


def test_a_failed_removal_prints_the_cause_and_next_step(cloud: Cloud) -> None:
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE"))
    cloud.add_answer("list_stack_resources", resources())
    cloud.add_answer("delete_stack", {}, {"StackName": ARN})
    for _ in range(2):
        cloud.add_answer("describe_stacks", described("DELETE_FAILED"))
    event = {"LogicalResourceId": "Role", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "it is in use"}
    fixed = {"StackId": ARN, "StackName": "shop", "EventId": "1", "Timestamp": "2026-01-01T00:00:00Z"}
    cloud.add_answer("describe_stack_events", {"StackEvents": [{**fixed, **event}]})

    assert remove(YES, cloud.console, terminal()) == 1

    assert "It is DELETE_FAILED. Role failed: it is in use. Fix the cause and run `make remove` again." in cloud.printed


def test_a_protected_stack_prints_how_to_end_the_protection(cloud: Cloud) -> None:
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE"))
    cloud.add_answer("list_stack_resources", resources())
    cloud.add_error(
        "delete_stack", "ValidationError", "Stack [shop] cannot be deleted while TerminationProtection is enabled"
    )

    assert remove(YES, cloud.console, terminal()) == 1

    assert "--no-enable-termination-protection --stack-name shop --region eu-central-1" in cloud.printed


def test_a_missing_stack_is_reported(cloud: Cloud) -> None:
    cloud.add_no_stack()

    with pytest.raises(StackMissing, match="There is no stack shop in eu-central-1"):
        remove(YES, cloud.console, terminal())


def test_an_invalid_name_is_not_reported_as_missing(cloud: Cloud) -> None:
    cloud.add_error(
        "describe_stacks", "ValidationError", "1 validation error detected: Value 'my stack' at 'stackName'"
    )

    with pytest.raises(ClientError, match="1 validation error"):
        remove(YES, cloud.console, terminal())
