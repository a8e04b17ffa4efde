"""The template and the state machine hold to what an execution can hold, and outlast what they must outlast."""

import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load as load_template

from dropreel.domain.backoff import LONGEST_SECONDS
from tests.unit.template.resolved import refused

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


def test_every_time_out_that_is_taken_fits_into_an_executions_history_and_all_others_are_refused() -> None:
    for interval in range(1, 61):
        for minutes in range(1, 181):
            taken = not refused(PollIntervalSeconds=str(interval), GenerationTimeoutMinutes=str(minutes))
            assert taken is (minutes <= 36 * interval), (interval, minutes)
            if taken:
                assert minutes * 60 / interval * EVENTS_A_POLL < 0.8 * MAX_EVENTS


@pytest.mark.parametrize("state", ["Check Status", "Deliver Video", "Report Failure"])
def test_a_steps_retries_outlast_ten_minutes(states: dict[str, Any], state: str) -> None:
    (retry,) = states[state]["Retry"]
    assert "JitterStrategy" not in retry  # jitter would make the sum below a matter of luck
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


def test_every_end_but_success_is_told_to_report_failure(template: dict[str, Any]) -> None:
    rule = template["Resources"]["ExecutionEndedRule"]["Properties"]

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


@pytest.mark.parametrize("line", ["key refused", "no balance"])
def test_a_refusal_is_counted_wherever_it_is_logged_and_raises_an_alarm(template: dict[str, Any], line: str) -> None:
    resources = template["Resources"].values()
    filters = [one["Properties"] for one in resources if one["Type"] == "AWS::Logs::MetricFilter"]
    counting = [one for one in filters if one["FilterPattern"] == f'{{ $.message = "{line}" }}']
    ((metric,),) = {tuple(each["MetricName"] for each in one["MetricTransformations"]) for one in counting}
    alarms = [one["Properties"] for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
    sources = ("submit_generation", "check_status")
    package = ROOT / "layers" / "dropreel" / "dropreel" / "use_cases"

    assert all(f'logger.error("{line}"' in (package / f"{name}.py").read_text(encoding="utf-8") for name in sources)
    assert {one["LogGroupName"]["Ref"] for one in counting} == {"SubmitGenerationLogGroup", "CheckStatusLogGroup"}
    assert [one["AlarmActions"] for one in alarms if one.get("MetricName") == metric]


def test_content_refusals_are_not_paid_for_twice_unless_the_owner_says_so(template: dict[str, Any]) -> None:
    parameter = template["Parameters"]["RetryContentRefusals"]

    assert (parameter["Default"], sorted(parameter["AllowedValues"])) == ("false", ["false", "true"])
    for function in ("ReportFailureFunction", "SweepJobsFunction"):  # the sweeper reports what nobody reported
        variables = template["Resources"][function]["Properties"]["Environment"]["Variables"]
        assert variables["RETRY_CONTENT_REFUSALS"] == {"Ref": "RetryContentRefusals"}
