"""`dropreel set`: values are checked by the deployed template, and all parameters that are not named are kept."""

import pytest

from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.parameter_changes import Change, changes_of, deployed_parameters, update, wanted_values
from dropreel_cli.parameters import Parameter, parameters_of
from dropreel_cli.stack import HIDDEN, Stack
from tests.unit.cli.conftest import ARN, Cloud, described

TEMPLATE = """
Parameters:
  NohumanApiKey: { Type: String, NoEcho: true, MinLength: 1 }
  DailySpendLimitUsd: { Type: String, Default: "50", AllowedPattern: "^[0-9]+$", ConstraintDescription: must be dollars }
  DefaultMode: { Type: String, Default: fast, AllowedValues: [fast, hq], Description: hq is better. }
  DefaultNegativePrompt: { Type: String, Default: "" }
  WebhookUrl: { Type: String, Default: "", NoEcho: true, AllowedPattern: "^(https://.+)?$" }
Resources: { Table: { Type: AWS::DynamoDB::Table, Properties: { TableName: !Sub "${AWS::StackName}" } } }
"""
VALUES = {"NohumanApiKey": "****", "DailySpendLimitUsd": "50", "DefaultMode": "fast", "DefaultNegativePrompt": "blur"}


@pytest.fixture(scope="module")
def parameters() -> dict[str, Parameter]:
    return parameters_of(TEMPLATE)


def _stack(cloud: Cloud, status: str = "UPDATE_COMPLETE") -> Stack:
    return Stack("shop", {}, cloud.session, None, ARN, status, None, VALUES)


def _wanted(parameters: dict[str, Parameter], *assignments: str) -> dict[str, str]:
    return wanted_values(assignments, parameters, lambda: "Change it elsewhere.")


def _refusal(parameters: dict[str, Parameter], *assignments: str) -> str:
    with pytest.raises(CommandError) as refused:
        _wanted(parameters, *assignments)
    assert refused.value.exit_status is Exit.USAGE
    return str(refused.value)


def test_a_default_option_that_the_stack_would_reject_is_refused(parameters: dict[str, Parameter]) -> None:
    assert "DefaultNegativePrompt: negative_prompt is 'a\\nb'" in _refusal(parameters, "DefaultNegativePrompt=a\nb")


def test_a_parameter_is_named_as_in_the_template_or_as_for_make(parameters: dict[str, Parameter]) -> None:
    found = _wanted(parameters, "DAILY_SPEND_LIMIT_USD=20", "DefaultMode=hq", "DefaultNegativePrompt=")

    assert found == {"DailySpendLimitUsd": "20", "DefaultMode": "hq", "DefaultNegativePrompt": ""}


def test_a_value_may_hold_an_equals_sign(parameters: dict[str, Parameter]) -> None:
    assert _wanted(parameters, "DefaultNegativePrompt=a=b") == {"DefaultNegativePrompt": "a=b"}


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("DailySpendLimit=1", "There is no parameter DailySpendLimit; did you mean DailySpendLimitUsd?"),
        ("dailyspendlimitusd=1", "did you mean DailySpendLimitUsd?"),
        ("Xyz=1", "There is no parameter Xyz. The stack has: NohumanApiKey, DailySpendLimitUsd, "),
        ("DailySpendLimitUsd=much", "DailySpendLimitUsd is 'much'; must be dollars."),
        ("DefaultMode=hd", "DefaultMode is 'hd'; allowed are fast, hq. hq is better."),
        ("DefaultMode", "'DefaultMode' has no value. Write NAME=VALUE, or NAME= for an empty value."),
        ("NohumanApiKey=sk-1", "NohumanApiKey is a secret. Change it elsewhere."),
        ("NOHUMAN_API_KEY=sk-1", "NohumanApiKey is a secret. Change it elsewhere."),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(
    parameters: dict[str, Parameter], assignment: str, sentence: str
) -> None:
    said = _refusal(parameters, assignment)

    assert sentence in said
    assert said.endswith("\nNothing was changed.")
    assert "sk-1" not in said


def test_every_wrong_argument_has_a_line(parameters: dict[str, Parameter]) -> None:
    said = _refusal(parameters, "DefaultMode=hq", "DefaultMode=fast", "Xyz=1", "DailySpendLimitUsd=")

    assert len(said.splitlines()) == 4
    assert said.startswith("DefaultMode is given twice.")


def test_an_address_with_a_token_may_be_set_and_is_not_shown(parameters: dict[str, Parameter]) -> None:
    wanted = _wanted(parameters, "WebhookUrl=https://hooks.example.com/token")

    assert wanted == {"WebhookUrl": "https://hooks.example.com/token"}
    assert "token" not in _refusal(parameters, "WebhookUrl=http://hooks.example.com/token")
    assert "token" not in str(Change("WebhookUrl", HIDDEN, wanted["WebhookUrl"]).document)
    assert Change("WebhookUrl", HIDDEN, "").document == {"name": "WebhookUrl", "before": "****", "after": ""}


def test_only_what_differs_is_a_change(cloud: Cloud) -> None:
    changes = changes_of(_stack(cloud), {"DefaultMode": "fast", "DailySpendLimitUsd": "20"})

    assert changes == [Change("DailySpendLimitUsd", "50", "20")]


def test_a_stack_that_is_being_updated_is_refused(cloud: Cloud) -> None:
    with pytest.raises(CommandError, match=r"it is UPDATE_IN_PROGRESS\. Wait until that") as refused:
        changes_of(_stack(cloud, "UPDATE_IN_PROGRESS"), {"DefaultMode": "hq"})

    assert refused.value.exit_status is Exit.REFUSED


@pytest.mark.parametrize("body", [TEMPLATE, '{"Parameters": {"DefaultMode": {"Type": "String", "Default": "fast"}}}'])
def test_the_parameters_are_those_of_the_deployed_template(cloud: Cloud, body: str) -> None:
    cloud.add_answer("get_template", {"TemplateBody": body}, {"StackName": ARN, "TemplateStage": "Original"})

    assert deployed_parameters(_stack(cloud))["DefaultMode"].default == "fast"


CHANGES = [Change("DailySpendLimitUsd", "50", "20")]
EXPECTED = {
    "StackName": ARN,
    "UsePreviousTemplate": True,
    "Parameters": [
        {"ParameterKey": "NohumanApiKey", "UsePreviousValue": True},
        {"ParameterKey": "DailySpendLimitUsd", "ParameterValue": "20"},
        {"ParameterKey": "DefaultMode", "UsePreviousValue": True},
        {"ParameterKey": "DefaultNegativePrompt", "UsePreviousValue": True},
    ],
    "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
}


def test_an_update_keeps_the_template_and_all_other_values_and_waits(cloud: Cloud) -> None:
    cloud.add_answer("update_stack", {"StackId": ARN}, EXPECTED)
    for status in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"):
        cloud.add_answer("describe_stacks", described(status))
    seen: list[str] = []

    after = update(_stack(cloud), CHANGES, seen.append, sleep=lambda _: None)

    assert after.status == "UPDATE_COMPLETE"
    assert seen == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"]


def test_an_update_that_changes_nothing_is_done(cloud: Cloud) -> None:
    cloud.add_error("update_stack", "ValidationError", "No updates are to be performed.")

    assert update(_stack(cloud), CHANGES).status == "UPDATE_COMPLETE"


def test_cloudformations_refusal_is_passed_on(cloud: Cloud) -> None:
    cloud.add_error("update_stack", "ValidationError", "UploadsPrefix needs an ExistingUploadsBucketName.")

    with pytest.raises(CommandError, match=r"UploadsPrefix needs an .* Nothing was changed") as refused:
        update(_stack(cloud), CHANGES)

    assert refused.value.exit_status is Exit.USAGE


def test_a_change_that_was_rolled_back_says_why(cloud: Cloud) -> None:
    failed = {
        "StackId": ARN,
        "EventId": "1",
        "StackName": "shop",
        "Timestamp": described("X")["Stacks"][0]["CreationTime"],
        "LogicalResourceId": "SubmitGenerationFunctionQueue",
        "ResourceStatus": "UPDATE_FAILED",
        "ResourceStatusReason": "Maximum concurrency is too high.",
    }
    cloud.add_answer("update_stack", {"StackId": ARN}, EXPECTED)
    cloud.add_answer("describe_stacks", described("UPDATE_ROLLBACK_COMPLETE"))
    cloud.add_answer("describe_stack_events", {"StackEvents": [failed]})

    with pytest.raises(CommandError) as ended:
        update(_stack(cloud), CHANGES, sleep=lambda _: None)

    assert "was rolled back: all parameters have the values that they had." in str(ended.value)
    assert "SubmitGenerationFunctionQueue failed: Maximum concurrency is too high." in str(ended.value)
    assert ended.value.exit_status is Exit.FAILED


def test_a_rollback_that_failed_says_what_to_do(cloud: Cloud) -> None:
    cloud.add_answer("update_stack", {"StackId": ARN}, EXPECTED)
    cloud.add_answer("describe_stacks", described("UPDATE_ROLLBACK_FAILED"))
    cloud.add_answer("describe_stack_events", {"StackEvents": []})

    with pytest.raises(CommandError, match="aws cloudformation continue-update-rollback --stack-name shop"):
        update(_stack(cloud), CHANGES, sleep=lambda _: None)
