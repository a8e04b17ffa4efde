"""What `dropreel deploy` prints and returns for each status of a stack, before and after sam has run."""

import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoRegionError

from dropreel_cli.command_line import StackOptions
from dropreel_cli.deploy import Deployment, deploy
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.kept_spend import KeptSpend
from dropreel_cli.questions import Terminal, UsageError
from dropreel_cli.stack import Stack
from dropreel_cli.stack_status import CHANGEABLE, what_to_do
from dropreel_cli.target import Target
from tests.support.command_documents import validate_document
from tests.unit.cli.conftest import ARN, CREATED, Cloud, described

OUTPUTS = [
    {"OutputKey": "UploadsBucketName", "OutputValue": "shop-uploads"},
    {"OutputKey": "VideosBucketName", "OutputValue": "shop-videos"},
]
HAS = [{"ParameterKey": "NohumanApiKey", "ParameterValue": "****"}]
LATER = CREATED + timedelta(days=1)
CHECKOUT = Path("checkout")
PLAIN = Deployment(CHECKOUT)
SHOP = "--stack shop --region eu-central-1"
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
    """A fake sam that records its calls and returns the test's status."""
    ran: dict[str, Any] = {"status": 0, "commands": [], "overrides": []}

    def run(command: list[str], cwd: Path, **_: object) -> "subprocess.CompletedProcess[str]":
        assert cwd == CHECKOUT
        ran["commands"].append(command)
        path = command[command.index("--parameter-overrides") + 1].removeprefix("file://")
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - one line
            ran["overrides"].append(file.read())
        return subprocess.CompletedProcess(command, ran["status"])

    monkeypatch.setattr("dropreel_cli.deploy.subprocess.run", run)
    return ran


def refusal(cloud: Cloud, wanted: Deployment, exit_status: Exit) -> str:
    """Deploy what is refused or fails with this exit status; return the message."""
    with pytest.raises(CommandError) as raised:
        deploy(wanted, cloud.output, None)
    assert raised.value.exit_status is exit_status
    return str(raised.value)


@pytest.mark.parametrize(
    ("status", "listed", "sentence"),
    [
        (
            "ROLLBACK_COMPLETE",
            CREATION_FAILED,
            f"Rule failed: Event bus mine does not exist. Such a stack can only be deleted: run `dropreel remove {SHOP}`",
        ),
        (
            "ROLLBACK_FAILED",
            [],
            f"Its first creation failed. Such a stack can only be deleted: run `dropreel remove {SHOP}`",
        ),
        ("CREATE_FAILED", [], f"can only be deleted: run `dropreel remove {SHOP}`"),
        ("DELETE_FAILED", [], f"run `dropreel remove {SHOP}` again"),
        (
            "UPDATE_ROLLBACK_FAILED",
            [],
            "aws cloudformation continue-update-rollback --stack-name shop --region eu-central-1",
        ),
        ("UPDATE_FAILED", [], "aws cloudformation rollback-stack --stack-name shop --region eu-central-1"),
        ("UPDATE_IN_PROGRESS", None, "Wait until that has completed, and try again."),
        ("DELETE_IN_PROGRESS", None, "Wait until that has completed, and try again."),
    ],
)
def test_a_stack_that_cannot_be_changed_is_reported_and_not_touched(
    cloud: Cloud, sam: dict[str, Any], status: str, listed: list[dict[str, Any]] | None, sentence: str
) -> None:
    cloud.add_answer("describe_stacks", described(status, Parameters=HAS))
    if listed is not None:
        cloud.add_answer("describe_stack_events", events(listed))

    error = refusal(cloud, PLAIN, Exit.REFUSED)

    assert f"The stack shop in eu-central-1 cannot be changed: it is {status}." in error
    assert sentence in error
    assert sam["commands"] == []
    cloud.stubber.assert_no_pending_responses()


def test_every_status_that_cannot_be_changed_has_a_next_step(cloud: Cloud) -> None:
    shape: Any = cloud.stubber.client.meta.service_model.shape_for("StackStatus")
    known = set(shape.enum)
    assert known > CHANGEABLE

    for status in known - CHANGEABLE - {"DELETE_COMPLETE"}:
        stack = Stack("shop", {}, cloud.session, arn=ARN, status=status)
        if not status.endswith("_IN_PROGRESS") and status != "IMPORT_ROLLBACK_FAILED":
            cloud.add_answer("describe_stack_events", events([]))
        assert what_to_do(stack).endswith(
            ("again.", f"`dropreel deploy {SHOP}`.", "--region eu-central-1", "console.")
        ), status


def test_only_given_values_are_sent_and_the_stack_keeps_the_others(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_answer("describe_stacks", described("UPDATE_COMPLETE", Parameters=HAS, LastUpdatedTime=CREATED))
    cloud.add_answer("list_change_sets", change_sets())
    after = described("UPDATE_COMPLETE", Parameters=HAS, LastUpdatedTime=LATER, Outputs=OUTPUTS)
    cloud.add_answer("describe_stacks", after)
    cloud.add_answer("list_change_sets", change_sets("EXECUTE_COMPLETE"))
    monkeypatch.setenv("DAILY_SPEND_LIMIT_USD", "9")
    wanted = Deployment(CHECKOUT, given={"DefaultMode": "hq"}, is_confirmed=True)

    document = deploy(wanted, cloud.output, None)

    outputs = {"UploadsBucketName": "shop-uploads", "VideosBucketName": "shop-videos"}
    assert document == {"stack": "shop", "region": "eu-central-1", "result": "deployed", "status": "UPDATE_COMPLETE",
                        "outputs": outputs}  # fmt: skip
    validate_document({"version": 1, **document}, "deploy")

    assert sam["overrides"] == ['{"DefaultMode": "hq"}\n']
    (command,) = sam["commands"]
    assert command[1:4] == ["deploy", "--stack-name", "shop"]
    assert command[command.index("--region") + 1] == "eu-central-1"
    assert "--no-confirm-changeset" in command
    assert "The stack shop in eu-central-1 is deployed." in cloud.printed
    assert "aws s3 cp my.jpg s3://shop-uploads/ --region eu-central-1" in cloud.printed


def test_values_that_do_not_go_together_are_refused_before_sam_runs(cloud: Cloud, sam: dict[str, Any]) -> None:
    cloud.add_answer("describe_stacks", described("UPDATE_COMPLETE", Parameters=HAS))
    wanted = Deployment(CHECKOUT, given={"UploadsPrefix": "shop/"})

    with pytest.raises(UsageError, match=r"needs an ExistingUploadsBucketName(.|\n)*Nothing was changed") as raised:
        deploy(wanted, cloud.output, None)

    assert (raised.value.exit_status, sam["commands"]) == (Exit.USAGE, [])


def test_without_given_values_nothing_is_sent(cloud: Cloud, sam: dict[str, Any]) -> None:
    before = described("UPDATE_COMPLETE", Parameters=HAS, LastUpdatedTime=CREATED, Outputs=OUTPUTS)
    cloud.add_answer("describe_stacks", before)
    cloud.add_answer("list_change_sets", change_sets())
    cloud.add_answer("describe_stacks", before)
    cloud.add_answer("list_change_sets", change_sets("UNAVAILABLE"))
    cloud.add_answer("delete_change_set", {}, {"ChangeSetName": f"{ARN}-0"})

    assert deploy(PLAIN, cloud.output, None)["result"] == "up_to_date"

    assert sam["overrides"] == ["{}\n"]
    assert "--no-fail-on-empty-changeset" in sam["commands"][0]
    assert "--no-confirm-changeset" not in sam["commands"][0]
    assert "The stack shop in eu-central-1 is up to date." in cloud.printed
    cloud.stubber.assert_no_pending_responses()


def test_a_declined_change_is_refused_and_leaves_no_change_set(cloud: Cloud, sam: dict[str, Any]) -> None:
    before = described("CREATE_COMPLETE", Parameters=HAS, Outputs=OUTPUTS)
    cloud.add_answer("describe_stacks", before)
    cloud.add_answer("list_change_sets", change_sets("EXECUTE_COMPLETE"))
    cloud.add_answer("describe_stacks", before)
    cloud.add_answer("list_change_sets", change_sets("EXECUTE_COMPLETE", "AVAILABLE"))
    cloud.add_answer("delete_change_set", {}, {"ChangeSetName": f"{ARN}-1"})

    error = refusal(cloud, PLAIN, Exit.REFUSED)

    assert error == "Nothing was changed. To deploy without a confirmation: dropreel deploy --yes"
    cloud.stubber.assert_no_pending_responses()


def test_a_declined_first_deployment_leaves_no_empty_stack(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_no_stack()
    cloud.add_error("list_change_sets", "ValidationError", "Stack [shop] does not exist")
    cloud.add_answer("describe_stacks", described("REVIEW_IN_PROGRESS"))
    cloud.add_answer("list_change_sets", change_sets("AVAILABLE"))
    cloud.add_answer("delete_stack", {}, {"StackName": "shop"})

    monkeypatch.setenv("NOHUMAN_API_KEY", "s3cret")

    error = refusal(cloud, PLAIN, Exit.REFUSED)

    assert "Nothing was changed." in error
    assert "s3cret" not in cloud.printed + error
    assert "s3cret" not in str(sam["commands"])
    cloud.stubber.assert_no_pending_responses()


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_a_failed_first_deployment_prints_the_cause_and_next_step(
    cloud: Cloud, sam: dict[str, Any], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam["status"] = 1
    cloud.add_no_stack()
    cloud.add_error("list_change_sets", "ValidationError")
    cloud.add_answer("describe_stacks", described(status))
    cloud.add_answer("list_change_sets", change_sets("EXECUTE_FAILED"))
    cloud.add_answer("describe_stack_events", events(CREATION_FAILED))

    monkeypatch.setenv("NOHUMAN_API_KEY", "k")

    error = refusal(cloud, Deployment(CHECKOUT, is_confirmed=True), Exit.FAILED)

    assert f"The stack shop in eu-central-1 is {status}. Rule failed: Event bus mine does not exist." in error
    assert f"run `dropreel remove {SHOP}`" in error


def test_a_failed_change_prints_that_it_was_rolled_back_and_why(cloud: Cloud, sam: dict[str, Any]) -> None:
    sam["status"] = 1
    cloud.add_answer("describe_stacks", described("UPDATE_COMPLETE", Parameters=HAS, LastUpdatedTime=CREATED))
    cloud.add_answer("list_change_sets", change_sets())
    cloud.add_answer("describe_stacks", described("UPDATE_ROLLBACK_COMPLETE", Parameters=HAS, LastUpdatedTime=LATER))
    cloud.add_answer("list_change_sets", change_sets("EXECUTE_FAILED"))
    cloud.add_answer("describe_stack_events", events([
        {"LogicalResourceId": "Rule", "ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": "no such bus"},
        {"LogicalResourceId": "shop", "PhysicalResourceId": ARN, "ResourceStatus": "UPDATE_IN_PROGRESS"},
    ]))  # fmt: skip

    error = refusal(cloud, PLAIN, Exit.FAILED)

    assert "rolled back: the stack shop in eu-central-1 is as before. Rule failed: no such bus." in error


def test_a_change_set_that_aws_refuses_fails_and_leaves_nothing(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sam["status"] = 1
    cloud.add_no_stack()
    cloud.add_error("list_change_sets", "ValidationError")
    cloud.add_answer("describe_stacks", described("REVIEW_IN_PROGRESS"))
    cloud.add_answer("list_change_sets", change_sets("UNAVAILABLE"))
    cloud.add_answer("delete_stack", {}, {"StackName": "shop"})

    monkeypatch.setenv("NOHUMAN_API_KEY", "k")

    error = refusal(cloud, PLAIN, Exit.FAILED)

    assert error == "sam deploy failed; its output is above. Nothing was changed."
    cloud.stubber.assert_no_pending_responses()


def test_an_environments_key_does_not_replace_the_stacks_key(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = described("UPDATE_COMPLETE", Parameters=HAS, Outputs=OUTPUTS)
    for answer in (before, before):
        cloud.add_answer("describe_stacks", answer)
        cloud.add_answer("list_change_sets", change_sets())

    monkeypatch.setenv("NOHUMAN_API_KEY", "old")

    assert deploy(PLAIN, cloud.output, None)["result"] == "up_to_date"

    assert sam["overrides"] == ["{}\n"]
    assert "NohumanApiKey: the stack keeps its value." in cloud.printed


def test_a_key_on_the_command_line_replaces_the_stacks_key(cloud: Cloud, sam: dict[str, Any]) -> None:
    before = described("UPDATE_COMPLETE", Parameters=HAS, Outputs=OUTPUTS)
    for answer in (before, before):
        cloud.add_answer("describe_stacks", answer)
        cloud.add_answer("list_change_sets", change_sets())

    deploy(Deployment(CHECKOUT, given={"NohumanApiKey": "new"}), cloud.output, None)

    assert sam["overrides"] == ['{"NohumanApiKey": "new"}\n']
    assert "new" not in str(sam["commands"])


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (Deployment(CHECKOUT, is_guided=True), "which needs a terminal"),
        (Deployment(CHECKOUT, given={"DefaultMode": "hd"}), "DefaultMode is 'hd'; allowed are fast, hq."),
        (Deployment(CHECKOUT, StackOptions(stack="my stack")), "The stack name is 'my stack'; a stack name has only"),
    ],
)
def test_a_usage_error_is_found_before_any_call_to_aws(cloud: Cloud, wanted: Deployment, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        deploy(wanted, cloud.output, None)


def test_without_a_key_and_a_terminal_the_variable_is_named(cloud: Cloud, sam: dict[str, Any]) -> None:
    cloud.add_no_stack()

    with pytest.raises(UsageError, match=r"NohumanApiKey is required\. Set it with .* variable NOHUMAN_API_KEY\."):
        deploy(PLAIN, cloud.output, None)
    assert sam["commands"] == []


def prepare_deployment(cloud: Cloud, before: dict[str, Any] | None) -> None:
    """Answer one deployment that succeeds; `before` describes the stack, None for none."""
    if before is None:
        cloud.add_no_stack()
        cloud.add_error("list_change_sets", "ValidationError")
    else:
        cloud.add_answer("describe_stacks", before)
        cloud.add_answer("list_change_sets", change_sets())
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE", LastUpdatedTime=LATER, Outputs=OUTPUTS))
    cloud.add_answer("list_change_sets", change_sets("EXECUTE_COMPLETE"))


def rehearsing() -> dict[str, Any]:
    rehearsal = {"ParameterKey": "Rehearsal", "ParameterValue": "true"}
    return described("UPDATE_COMPLETE", Parameters=[*HAS, rehearsal], LastUpdatedTime=CREATED)


def test_a_first_rehearsal_needs_no_key_and_no_terminal(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOHUMAN_API_KEY", "s3cret")
    prepare_deployment(cloud, None)

    deploy(Deployment(CHECKOUT, given={"Rehearsal": "true"}), cloud.output, None)

    assert sam["overrides"] == ['{"Rehearsal": "true", "NohumanApiKey": "rehearsal"}\n']


def test_who_chooses_a_rehearsal_is_not_asked_for_a_key(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropreel_cli.deploy.save_answers", lambda *_: None)
    asked: list[str] = []

    def answer(question: str, _hidden: bool) -> str:
        asked.append(question.partition(" ")[0].rstrip(":"))
        return "true" if question.startswith("Rehearsal") else ""

    cloud.add_no_stack()
    prepare_deployment(cloud, None)

    deploy(PLAIN, cloud.output, Terminal(answer, lambda _: None))

    assert sam["overrides"] == ['{"Rehearsal": "true", "NohumanApiKey": "rehearsal"}\n']
    assert asked.count("Rehearsal") == 1
    assert "NohumanApiKey" not in asked


def test_the_way_back_from_a_rehearsal_takes_the_key_from_the_environment(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOHUMAN_API_KEY", "s3cret")
    prepare_deployment(cloud, rehearsing())

    deploy(Deployment(CHECKOUT, given={"Rehearsal": "false"}), cloud.output, None)

    assert sam["overrides"] == ['{"Rehearsal": "false", "NohumanApiKey": "s3cret"}\n']


def test_the_way_back_from_a_rehearsal_without_a_key_is_refused(cloud: Cloud, sam: dict[str, Any]) -> None:
    cloud.add_answer("describe_stacks", rehearsing())

    with pytest.raises(UsageError, match=r"NohumanApiKey is required\. Set it with .* variable NOHUMAN_API_KEY\."):
        deploy(Deployment(CHECKOUT, given={"Rehearsal": "false"}), cloud.output, None)
    assert sam["commands"] == []


def test_the_word_as_the_answer_for_a_key_is_refused(cloud: Cloud, sam: dict[str, Any]) -> None:
    cloud.add_answer("describe_stacks", rehearsing())

    with pytest.raises(CommandError, match="goes with Rehearsal=true alone"):
        deploy(
            Deployment(CHECKOUT, given={"Rehearsal": "false"}), cloud.output, Terminal(lambda *_: "rehearsal", print)
        )
    assert sam["commands"] == []


def test_sam_gets_the_profile_of_the_command(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target("shop", "eu-central-1", "work")
    monkeypatch.setattr("dropreel_cli.deploy.target_from", lambda *_, **__: target)
    before = described("UPDATE_COMPLETE", Parameters=HAS, Outputs=OUTPUTS)
    for answer in (before, before):
        cloud.add_answer("describe_stacks", answer)
        cloud.add_answer("list_change_sets", change_sets())

    deploy(PLAIN, cloud.output, None)

    (command,) = sam["commands"]
    assert command[command.index("--profile") + 1] == "work"


def test_without_a_region_and_a_terminal_it_fails(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropreel_cli.deploy.target_from", lambda *_, **__: Target("shop", None))

    with pytest.raises(NoRegionError):
        deploy(PLAIN, cloud.output, None)


def test_a_new_stack_says_what_an_earlier_one_has_reserved_today(
    cloud: Cloud, sam: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def report(_: Any, *arguments: Any) -> list[KeptSpend]:
        asked.append(arguments[:2])
        return [KeptSpend("shop-SpendTable-A1", 564)]

    monkeypatch.setattr("dropreel_cli.deploy.report_kept_spend", report)
    monkeypatch.setenv("NOHUMAN_API_KEY", "k")
    cloud.add_no_stack()
    cloud.add_error("list_change_sets", "ValidationError")
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE", Outputs=OUTPUTS))
    cloud.add_answer("list_change_sets", change_sets("EXECUTE_COMPLETE"))
    wanted = Deployment(CHECKOUT, StackOptions(), {"DailySpendLimitUsd": "12"}, is_confirmed=True)

    document = deploy(wanted, cloud.output, None)

    assert asked == [("shop", "12")]
    assert document["earlier_spend"] == [{"table": "shop-SpendTable-A1", "reserved_usd": 5.64}]
    validate_document({"version": 1, **document}, "deploy")
