"""What `make deploy` says and returns for each state that a stack can be in, before and after sam has run."""

import subprocess
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import NoRegionError

from cli.deploy import Mistake, deploy
from cli.stack import Stack
from cli.stack_status import CHANGEABLE, what_to_do
from cli.target import Target
from tests.unit.cli.conftest import ARN, CREATED, Cloud, described

OUTPUTS = [
    {"OutputKey": "UploadsBucketName", "OutputValue": "shop-uploads"},
    {"OutputKey": "VideosBucketName", "OutputValue": "shop-videos"},
]
HAS = [{"ParameterKey": "NohumanApiKey", "ParameterValue": "****"}]
LATER = CREATED + timedelta(days=1)
CREATION_FAILED = [
    {"LogicalResourceId": "shop", "PhysicalResourceId": ARN, "ResourceStatus": "ROLLBACK_COMPLETE"},
    {
        "LogicalResourceId": "Rule",
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": "Event bus mine does not exist.",
    },
    {
        "LogicalResourceId": "Queue",
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": "Resource creation cancelled",
    },
    {"LogicalResourceId": "shop", "PhysicalResourceId": ARN, "ResourceStatus": "CREATE_IN_PROGRESS"},
    {"LogicalResourceId": "Old", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "from the stack before"},
]


def events(listed: list[dict[str, Any]]) -> dict[str, Any]:
    fixed = {"StackId": ARN, "StackName": "shop", "EventId": "1", "Timestamp": CREATED}
    return {"StackEvents": [{**fixed, **event} for event in listed]}


def change_sets(*execution_statuses: str) -> dict[str, Any]:
    return {
        "Summaries": [
            {"ChangeSetId": f"{ARN}-{number}", "ChangeSetName": f"samcli-deploy{number}", "ExecutionStatus": status}
            for number, status in enumerate(execution_statuses)
        ]
    }


@pytest.fixture
def sam(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A sam that only keeps what it was called with, and returns what the test says."""
    ran: dict[str, Any] = {"status": 0, "commands": [], "overrides": []}

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        ran["commands"].append(command)
        path = command[command.index("--parameter-overrides") + 1].removeprefix("file://")
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - one line
            ran["overrides"].append(file.read())
        return subprocess.CompletedProcess(command, ran["status"])

    monkeypatch.setattr("cli.deploy.subprocess.run", run)
    return ran


@pytest.mark.parametrize(
    ("status", "listed", "sentence"),
    [
        (
            "ROLLBACK_COMPLETE",
            CREATION_FAILED,
            "Rule failed: Event bus mine does not exist. What is half made can only be removed: run `make remove`",
        ),
        ("ROLLBACK_FAILED", [], "Its first creation failed. What is half made can only be removed: run `make remove`"),
        ("CREATE_FAILED", [], "can only be removed: run `make remove`"),
        ("DELETE_FAILED", [], "run `make remove` again"),
        (
            "UPDATE_ROLLBACK_FAILED",
            [],
            "aws cloudformation continue-update-rollback --stack-name shop --region eu-central-1",
        ),
        ("UPDATE_FAILED", [], "aws cloudformation rollback-stack --stack-name shop --region eu-central-1"),
        ("UPDATE_IN_PROGRESS", None, "Wait until that has ended, and try again."),
        ("DELETE_IN_PROGRESS", None, "Wait until that has ended, and try again."),
    ],
)
def test_a_stack_that_cannot_be_changed_is_told_and_left_alone(
    cloud: Cloud, sam: dict[str, Any], status: str, listed: list[dict[str, Any]] | None, sentence: str
) -> None:
    cloud.answers("describe_stacks", described(status, Parameters=HAS))
    if listed is not None:
        cloud.answers("describe_stack_events", events(listed))

    assert deploy({}, cloud.console, None) == 1

    assert f"shop in eu-central-1 cannot be changed: it is {status}." in cloud.said
    assert sentence in cloud.said
    assert sam["commands"] == []
    cloud.stubber.assert_no_pending_responses()


def test_every_status_that_cannot_be_changed_has_a_sentence_of_its_own(cloud: Cloud) -> None:
    known = set(cloud.stubber.client.meta.service_model.shape_for("StackStatus").enum)
    assert known > CHANGEABLE

    for status in known - CHANGEABLE - {"DELETE_COMPLETE"}:
        stack = Stack("shop", {}, cloud.session, arn=ARN, status=status)
        if not status.endswith("_IN_PROGRESS") and status != "IMPORT_ROLLBACK_FAILED":
            cloud.answers("describe_stack_events", events([]))
        assert what_to_do(stack).endswith(("again.", "`make deploy`.", "--region eu-central-1", "console.")), status


def test_only_what_was_given_is_sent_and_the_rest_is_left_to_the_stack(cloud: Cloud, sam: dict[str, Any]) -> None:
    cloud.answers("describe_stacks", described("UPDATE_COMPLETE", Parameters=HAS, LastUpdatedTime=CREATED))
    cloud.answers("list_change_sets", change_sets())
    after = described("UPDATE_COMPLETE", Parameters=HAS, LastUpdatedTime=LATER, Outputs=OUTPUTS)
    cloud.answers("describe_stacks", after)
    cloud.answers("list_change_sets", change_sets("EXECUTE_COMPLETE"))
    environment = {"MAKE_VARIABLES": "DEFAULT_MODE YES", "DEFAULT_MODE": "hq", "YES": "1", "DAILY_SPEND_LIMIT_USD": "9"}

    assert deploy(environment, cloud.console, None) == 0

    assert sam["overrides"] == ['{"DefaultMode": "hq"}\n']
    (command,) = sam["commands"]
    assert command[1:4] == ["deploy", "--stack-name", "shop"]
    assert command[command.index("--region") + 1] == "eu-central-1"
    assert "--no-confirm-changeset" in command
    assert "shop in eu-central-1 is deployed." in cloud.said
    assert "aws s3 cp my.jpg s3://shop-uploads/ --region eu-central-1" in cloud.said


def test_nothing_is_sent_where_nothing_was_said(cloud: Cloud, sam: dict[str, Any]) -> None:
    before = described("UPDATE_COMPLETE", Parameters=HAS, LastUpdatedTime=CREATED, Outputs=OUTPUTS)
    cloud.answers("describe_stacks", before)
    cloud.answers("list_change_sets", change_sets())
    cloud.answers("describe_stacks", before)
    cloud.answers("list_change_sets", change_sets("UNAVAILABLE"))
    cloud.answers("delete_change_set", {}, {"ChangeSetName": f"{ARN}-0"})

    assert deploy({}, cloud.console, None) == 0

    assert sam["overrides"] == ["{}\n"]
    assert "--no-fail-on-empty-changeset" in sam["commands"][0]
    assert "--no-confirm-changeset" not in sam["commands"][0]
    assert "shop in eu-central-1 is up to date." in cloud.said
    cloud.stubber.assert_no_pending_responses()


def test_a_declined_change_is_told_returns_1_and_leaves_no_change_set(cloud: Cloud, sam: dict[str, Any]) -> None:
    before = described("CREATE_COMPLETE", Parameters=HAS, Outputs=OUTPUTS)
    cloud.answers("describe_stacks", before)
    cloud.answers("list_change_sets", change_sets("EXECUTE_COMPLETE"))
    cloud.answers("describe_stacks", before)
    cloud.answers("list_change_sets", change_sets("EXECUTE_COMPLETE", "AVAILABLE"))
    cloud.answers("delete_change_set", {}, {"ChangeSetName": f"{ARN}-1"})

    assert deploy({}, cloud.console, None) == 1

    assert "Nothing was changed. YES=1 deploys without asking." in cloud.said
    cloud.stubber.assert_no_pending_responses()


def test_a_declined_first_deployment_leaves_no_empty_stack(cloud: Cloud, sam: dict[str, Any]) -> None:
    cloud.has_no_stack()
    cloud.fails("list_change_sets", "ValidationError", "Stack [shop] does not exist")
    cloud.answers("describe_stacks", described("REVIEW_IN_PROGRESS"))
    cloud.answers("list_change_sets", change_sets("AVAILABLE"))
    cloud.answers("delete_stack", {}, {"StackName": "shop"})

    assert deploy({"NOHUMAN_API_KEY": "s3cret"}, cloud.console, None) == 1

    assert "Nothing was changed." in cloud.said
    assert "s3cret" not in cloud.said
    assert "s3cret" not in str(sam["commands"])
    cloud.stubber.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_a_first_deployment_that_fails_says_why_and_what_to_do(cloud: Cloud, sam: dict[str, Any], status: str) -> None:
    sam["status"] = 1
    cloud.has_no_stack()
    cloud.fails("list_change_sets", "ValidationError")
    cloud.answers("describe_stacks", described(status))
    cloud.answers("list_change_sets", change_sets("EXECUTE_FAILED"))
    cloud.answers("describe_stack_events", events(CREATION_FAILED))

    assert deploy({"NOHUMAN_API_KEY": "k", "YES": "1"}, cloud.console, None) == 1

    assert f"shop in eu-central-1 is {status}. Rule failed: Event bus mine does not exist." in cloud.said
    assert "run `make remove`" in cloud.said


def test_a_change_that_fails_and_is_rolled_back_says_that_all_is_as_before(cloud: Cloud, sam: dict[str, Any]) -> None:
    sam["status"] = 1
    cloud.answers("describe_stacks", described("UPDATE_COMPLETE", Parameters=HAS, LastUpdatedTime=CREATED))
    cloud.answers("list_change_sets", change_sets())
    cloud.answers("describe_stacks", described("UPDATE_ROLLBACK_COMPLETE", Parameters=HAS, LastUpdatedTime=LATER))
    cloud.answers("list_change_sets", change_sets("EXECUTE_FAILED"))
    cloud.answers("describe_stack_events", events([
        {"LogicalResourceId": "Rule", "ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": "no such bus"},
        {"LogicalResourceId": "shop", "PhysicalResourceId": ARN, "ResourceStatus": "UPDATE_IN_PROGRESS"},
    ]))  # fmt: skip

    assert deploy({}, cloud.console, None) == 1

    assert "shop in eu-central-1 is as it was. Rule failed: no such bus." in cloud.said


def test_a_change_set_that_aws_refuses_is_a_failure_and_leaves_nothing(cloud: Cloud, sam: dict[str, Any]) -> None:
    sam["status"] = 1
    cloud.has_no_stack()
    cloud.fails("list_change_sets", "ValidationError")
    cloud.answers("describe_stacks", described("REVIEW_IN_PROGRESS"))
    cloud.answers("list_change_sets", change_sets("UNAVAILABLE"))
    cloud.answers("delete_stack", {}, {"StackName": "shop"})

    assert deploy({"NOHUMAN_API_KEY": "k"}, cloud.console, None) == 1

    assert "sam deploy failed, and says why above. Nothing was changed in shop in eu-central-1." in cloud.said
    cloud.stubber.assert_no_pending_responses()


def test_an_environments_key_does_not_replace_the_stacks_and_that_is_told(cloud: Cloud, sam: dict[str, Any]) -> None:
    before = described("UPDATE_COMPLETE", Parameters=HAS, Outputs=OUTPUTS)
    for answer in (before, before):
        cloud.answers("describe_stacks", answer)
        cloud.answers("list_change_sets", change_sets())

    assert deploy({"NOHUMAN_API_KEY": "old"}, cloud.console, None) == 0

    assert sam["overrides"] == ["{}\n"]
    assert "NohumanApiKey: the stack's is kept." in cloud.said


def test_a_key_on_makes_command_line_replaces_the_stacks(cloud: Cloud, sam: dict[str, Any]) -> None:
    before = described("UPDATE_COMPLETE", Parameters=HAS, Outputs=OUTPUTS)
    for answer in (before, before):
        cloud.answers("describe_stacks", answer)
        cloud.answers("list_change_sets", change_sets())

    deploy({"NOHUMAN_API_KEY": "new", "MAKE_VARIABLES": "NOHUMAN_API_KEY"}, cloud.console, None)

    assert sam["overrides"] == ['{"NohumanApiKey": "new"}\n']
    assert "new" not in str(sam["commands"])


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"GUIDED": "1"}, "there is no terminal to ask at"),
        ({"MAKE_VARIABLES": "DEFAULT_MODE", "DEFAULT_MODE": "hd"}, "DefaultMode is 'hd'; allowed are fast, hq."),
    ],
)
def test_what_cannot_be_done_as_said_is_told_before_aws_is_asked(
    cloud: Cloud, environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(Mistake, match=sentence):
        deploy(environment, cloud.console, None)


def test_without_a_key_and_a_terminal_the_variable_is_named(cloud: Cloud, sam: dict[str, Any]) -> None:
    cloud.has_no_stack()

    with pytest.raises(Mistake, match=r"NohumanApiKey is needed\. Give it as NOHUMAN_API_KEY\."):
        deploy({}, cloud.console, None)
    assert sam["commands"] == []


def test_without_a_region_and_a_terminal_nothing_is_guessed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.deploy.target_from", lambda _: Target("shop", None))

    with pytest.raises(NoRegionError):
        deploy({}, cloud.console, None)
