"""The template and the state machine keep within AWS's limits and outlast short faults."""

import json
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.backoff import LONGEST_SECONDS
from tests.support.templates import load_template
from tests.unit.template.resolved import refused, translated

ROOT = Path(__file__).resolve().parents[3]
MAX_EVENTS = 25_000  # Step Functions' limit on the history of a Standard execution
EVENTS_A_POLL = 9  # a Wait, a Task and a Choice
MUST_OUTLAST_SECONDS = 10 * 60  # of the provider, S3 or EventBridge


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = load_template(str(ROOT / "template.yaml"))
    return loaded


@pytest.fixture(scope="module")
def states() -> dict[str, Any]:
    text = (ROOT / "statemachine" / "generate_video.asl.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)["States"]
    return loaded


def test_only_time_outs_that_fit_into_an_executions_history_are_allowed() -> None:
    for interval in range(1, 61):
        for minutes in range(1, 181):
            taken = not refused(PollIntervalSeconds=str(interval), GenerationTimeoutMinutes=str(minutes))
            assert taken is (interval >= 5 or minutes <= 36), (interval, minutes)
            if taken:
                assert minutes * 60 / interval * EVENTS_A_POLL < 0.8 * MAX_EVENTS


@pytest.mark.parametrize("state", ["Check Status", "Deliver Video", "Report Failure"])
def test_a_steps_retries_outlast_ten_minutes(states: dict[str, Any], state: str) -> None:
    (retry,) = states[state]["Retry"]
    assert "JitterStrategy" not in retry  # with jitter, the sum below would be random
    waits = [
        min(retry["IntervalSeconds"] * retry["BackoffRate"] ** number, retry["MaxDelaySeconds"])
        for number in range(retry["MaxAttempts"])
    ]

    assert retry["ErrorEquals"] == ["States.ALL"]
    assert sum(waits) > MUST_OUTLAST_SECONDS


@pytest.mark.parametrize("state", ["Check Status", "Deliver Video"])
def test_a_step_that_keeps_failing_is_reported(states: dict[str, Any], state: str) -> None:
    (caught,) = states[state]["Catch"]

    assert (caught["ErrorEquals"], caught["Next"]) == (["States.ALL"], "Report Failure")


def test_every_end_but_success_reaches_report_failure(template: dict[str, Any]) -> None:
    event = template["Resources"]["ReportFailureFunction"]["Properties"]["Events"]["ExecutionEnded"]
    rule = translated()["Resources"]["ReportFailureFunctionExecutionEnded"]["Properties"]

    assert event["Type"] == "EventBridgeRule"
    assert sorted(rule["EventPattern"]["detail"]["status"]) == ["ABORTED", "FAILED", "TIMED_OUT"]
    assert rule["EventPattern"]["detail"]["stateMachineArn"] == [{"Ref": "GenerateVideoStateMachine"}]
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["ReportFailureFunction", "Arn"]}
    assert target["DeadLetterConfig"]


def test_an_uploads_event_waits_until_its_options_have_settled(template: dict[str, Any]) -> None:
    queue = template["Resources"]["SubmissionQueue"]["Properties"]

    assert queue["DelaySeconds"] == {"Ref": "UploadSettleSeconds"}
    assert template["Parameters"]["UploadSettleSeconds"]["Default"] == "10"
    assert [one for one in range(LONGEST_SECONDS + 2) if refused(UploadSettleSeconds=str(one))] == [LONGEST_SECONDS + 1]


def test_the_submitting_function_knows_its_queues_receive_count(template: dict[str, Any]) -> None:
    queue = template["Resources"]["SubmissionQueue"]["Properties"]
    handler = (ROOT / "functions" / "submit_generation" / "handler.py").read_text(encoding="utf-8")

    assert f"\nMAX_RECEIVES = {queue['RedrivePolicy']['maxReceiveCount']}  #" in handler


def test_every_function_counts_for_its_own_stack(template: dict[str, Any]) -> None:
    common = template["Globals"]["Function"]["Environment"]["Variables"]
    functions = [one for one in template["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]
    own = [one["Properties"].get("Environment", {}).get("Variables", {}) for one in functions]

    assert common["STACK_NAME"] == {"Ref": "AWS::StackName"}
    assert [variables for variables in own if "STACK_NAME" in variables] == []


def test_content_refusals_are_paid_twice_only_with_the_parameter(template: dict[str, Any]) -> None:
    parameter = template["Parameters"]["RetryContentRefusals"]

    assert (parameter["Default"], sorted(parameter["AllowedValues"])) == ("false", ["false", "true"])
    for function in ("ReportFailureFunction", "SweepJobsFunction"):  # the sweeper reports what was not reported
        variables = template["Resources"][function]["Properties"]["Environment"]["Variables"]
        assert variables["RETRY_CONTENT_REFUSALS"] == {"Ref": "RetryContentRefusals"}
