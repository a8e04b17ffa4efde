"""What `dropreel remove` prints and returns for complete, incomplete and missing stacks; it names only what exists."""

import io
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel_cli.command_line import StackOptions
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.remove import remove
from dropreel_cli.stack import StackMissing
from tests.unit.cli.conftest import ARN, Cloud, described

OPTIONS = StackOptions()


def refusal(cloud: Cloud, exit_status: Exit, *, yes: bool = True) -> str:
    """Remove a stack that stays, with this exit status; return the message."""
    with pytest.raises(CommandError) as raised:
        remove(OPTIONS, cloud.output, yes=yes)
    assert raised.value.exit_status is exit_status
    return str(raised.value)


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


@pytest.mark.parametrize("answer", ["n\n", "\n", "no\n"])
def test_without_a_yes_the_stack_is_kept(cloud: Cloud, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.StringIO(answer)
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE"))

    assert refusal(cloud, Exit.REFUSED, yes=False) == "Nothing was done."

    assert (
        "Delete the stack shop in eu-central-1 (CREATE_COMPLETE)? Its images, videos and records are" in cloud.printed
    )


def test_without_a_terminal_the_stack_is_kept(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE"))

    assert "Confirm with --yes." in refusal(cloud, Exit.REFUSED, yes=False)


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_a_stack_that_is_being_changed_is_not_removed(cloud: Cloud, status: str) -> None:
    cloud.add_answer("describe_stacks", described(status))

    error = refusal(cloud, Exit.REFUSED)

    assert f"shop in eu-central-1 cannot be removed now: it is {status}. Wait until that has completed" in error


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

    document = remove(OPTIONS, cloud.output, yes=True)

    assert document == {"stack": "shop", "region": "eu-central-1", "kept": [], "left_over": []}
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

    error = refusal(cloud, Exit.FAILED)

    again = "`dropreel remove --stack shop --region eu-central-1` again."
    assert f"It is DELETE_FAILED. Role failed: it is in use. Fix the cause and run {again}" in error


def test_a_protected_stack_prints_how_to_end_the_protection(cloud: Cloud) -> None:
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE"))
    cloud.add_answer("list_stack_resources", resources())
    cloud.add_error(
        "delete_stack", "ValidationError", "Stack [shop] cannot be deleted while TerminationProtection is enabled"
    )

    error = refusal(cloud, Exit.FAILED)

    assert "--no-enable-termination-protection --stack-name shop --region eu-central-1" in error


def test_a_missing_stack_is_reported(cloud: Cloud) -> None:
    cloud.add_no_stack()

    with pytest.raises(StackMissing, match="There is no stack shop in eu-central-1"):
        remove(OPTIONS, cloud.output, yes=True)


def test_an_invalid_name_is_not_reported_as_missing(cloud: Cloud) -> None:
    cloud.add_error(
        "describe_stacks", "ValidationError", "1 validation error detected: Value 'my stack' at 'stackName'"
    )

    with pytest.raises(ClientError, match="1 validation error"):
        remove(OPTIONS, cloud.output, yes=True)
