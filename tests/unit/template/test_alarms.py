"""Alarms and dashboard read metrics that exist, alarms say what to do, and neither retries nor pauses raise one."""

import json
import re
from typing import Any

import click
import pytest

from dropreel.adapters.metrics import DIMENSION, NAMESPACE
from dropreel.adapters.queues import HIDDEN_SECONDS
from dropreel.domain.metrics import Metric
from dropreel_cli.app import application
from tests.unit.template.resolved import ACCOUNT, PSEUDO, nested, resources, written

STACK = PSEUDO["AWS::StackName"]
OWN = {DIMENSION: STACK}
FUNCTIONS = [name for name, one in written()["Resources"].items() if one["Type"] == "AWS::Serverless::Function"]
QUEUE_METRICS = {
    *("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"),
    *("NumberOfMessagesReceived", "NumberOfEmptyReceives"),
}
FUNCTION_METRICS = {"Invocations", "Errors", "Throttles", "RecursiveInvocationsDropped"}
EXECUTION_METRICS = {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:GenerateVideoStateMachine.Name"
_Read = tuple[str, str, tuple[tuple[str, str], ...]]


def alarms() -> dict[str, dict[str, Any]]:
    """Return the alarms of a stack with a NotificationEmail, by their logical ids."""
    there = resources(NotificationEmail="operator@example.com")
    return {name: one["Properties"] for name, one in there.items() if one["Type"] == "AWS::CloudWatch::Alarm"}


def queues() -> set[str]:
    """Return the logical ids of all queues."""
    templates = (written(), *nested().values())
    found = (name for one in templates for name in one["Resources"].items())
    return {name for name, one in found if one["Type"] == "AWS::SQS::Queue"}


def read_by(alarm: dict[str, Any]) -> list[_Read]:
    """Return each metric that an alarm reads: its namespace, its name and its dimensions."""
    stats = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", ()) if "MetricStat" in one] or [alarm]
    return [
        (one["Namespace"], one["MetricName"], tuple((of["Name"], of["Value"]) for of in one["Dimensions"]))
        for one in stats
    ]


def dashboard(**given: str) -> list[dict[str, Any]]:
    """Return the widgets of the dashboard."""
    body = resources(**given)["Dashboard"]["Properties"]["DashboardBody"]
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def shown() -> list[_Read]:
    """Return each metric of the dashboard; `.` repeats what the row above has there."""
    found: list[_Read] = []
    for widget in dashboard():
        above: list[str] = []
        for row in widget["properties"].get("metrics", ()):
            names = [name for name in row if isinstance(name, str)]
            above = [above[place] if name == "." else name for place, name in enumerate(names)]
            found.append((above[0], above[1], ((above[2], above[3]),)))
    return found


ALARMS = alarms()
OF_NOTIFICATIONS = {"NotificationDeadLetterAlarm"}
"""In the stack Notifications, which is created after the dashboard, and only where something is sent: it has a fixed name."""


def assert_it_exists(metric: _Read) -> None:
    namespace, name, dimensions = metric
    match namespace:
        case "AWS/SQS":
            ((dimension, queue),) = dimensions
            assert (dimension, queue.removesuffix(".QueueName") in queues(), name in QUEUE_METRICS) == (
                "QueueName",
                True,
                True,
            )
        case "AWS/Lambda":
            ((dimension, function),) = dimensions
            assert (dimension, function in FUNCTIONS, name in FUNCTION_METRICS) == ("FunctionName", True, True)
        case "AWS/States":
            assert dimensions == (("StateMachineArn", MACHINE),)
            assert name in EXECUTION_METRICS
        case _:
            assert (namespace, dict(dimensions)) == (NAMESPACE, OWN)
            assert name in list(Metric)


# --- alarms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_reads_metrics_that_exist_with_exactly_their_dimensions(name: str):
    for metric in read_by(ALARMS[name]):
        assert_it_exists(metric)


def test_every_metric_of_the_functions_is_read_and_none_that_they_do_not_write():
    read = [*shown(), *(metric for alarm in ALARMS.values() for metric in read_by(alarm))]

    assert {name for namespace, name, _ in read if namespace == NAMESPACE} == set(Metric)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_notifies_and_says_which_command_helps(name: str):
    alarm = ALARMS[name]
    calls = re.findall(rf"dropreel (\w+) --stack {STACK}\b", alarm["AlarmDescription"])

    assert alarm["AlarmActions"] == (
        ["Operations.Outputs.AlarmTopicArn"] if name in OF_NOTIFICATIONS else ["AlarmTopic"]
    )
    assert calls
    assert [call for call in calls if call not in _commands()] == []
    assert len(alarm["AlarmDescription"]) <= 1024  # CloudWatch's limit


def _commands() -> set[str]:
    return set(application.list_commands(click.Context(application)))


@pytest.mark.parametrize("name", sorted(ALARMS.keys() - OF_NOTIFICATIONS))
def test_an_alarm_without_an_address_has_no_action(name: str):
    assert resources()[name]["Properties"]["AlarmActions"] == []


@pytest.mark.parametrize("name", ALARMS)
def test_only_the_missing_sweeper_is_an_alarm_without_data(name: str):
    treated = ALARMS[name]["TreatMissingData"]

    assert treated in ("notBreaching", "ignore") or (name, treated) == ("SweepMissingAlarm", "breaching")


@pytest.mark.parametrize("name", [name for name, alarm in ALARMS.items() if "Metrics" in alarm])
def test_an_expression_uses_each_of_its_metrics(name: str):
    alarm = ALARMS[name]
    (expression,) = [one for one in alarm["Metrics"] if "Expression" in one]
    ids = [one["Id"] for one in alarm["Metrics"] if one is not expression]

    assert all(re.fullmatch("[a-z][a-zA-Z0-9_]*", one) for one in ids)  # CloudWatch's rule
    assert "METRICS()" in expression["Expression"] or [one for one in ids if one not in expression["Expression"]] == []
    assert [one["Id"] for one in alarm["Metrics"] if one.get("ReturnData", True)] == [expression["Id"]]


def functions_of(name: str) -> set[str]:
    return {value for _, _, ((_, value),) in read_by(ALARMS[name])}


@pytest.mark.parametrize("name", ["FunctionErrorsAlarm", "FunctionThrottlesAlarm"])
def test_every_function_is_watched(name: str):
    assert functions_of(name) == set(FUNCTIONS)


def test_lambdas_loop_detection_is_watched_where_a_queue_invokes():
    from_a_queue = {
        name
        for name in FUNCTIONS
        for event in written()["Resources"][name]["Properties"].get("Events", {}).values()
        if event["Type"] == "SQS"
    }

    assert functions_of("RecursionDroppedAlarm") == from_a_queue


@pytest.mark.parametrize("name", ["FunctionErrorsAlarm", "FunctionThrottlesAlarm"])
def test_a_fault_that_is_over_after_ten_minutes_is_no_alarm(name: str):
    alarm = ALARMS[name]
    (period,) = {one["MetricStat"]["Period"] for one in alarm["Metrics"] if "MetricStat" in one}

    assert "DatapointsToAlarm" not in alarm  # each period must have one
    assert (alarm["EvaluationPeriods"] - 1) * period == 600


@pytest.mark.parametrize(
    ("name", "queue"), [("SubmissionQueueAgeAlarm", "SubmissionQueue"), ("PrepareQueueAgeAlarm", "PrepareQueue")]
)
def test_a_message_that_is_still_retried_is_not_too_old(name: str, queue: str):
    properties = resources(UploadSettleSeconds="900")[queue]["Properties"]
    longest_delay = 900  # SQS has no longer one: an upload's, or a retry message's
    receives = properties["RedrivePolicy"]["maxReceiveCount"] * properties["VisibilityTimeout"]

    assert longest_delay + receives < ALARMS[name]["Threshold"] < properties["MessageRetentionPeriod"] / 24


def test_a_queue_that_nothing_receives_from_may_be_paused():
    """Lambda's pollers receive all the time, also from an empty queue. A pause stops them."""
    (expression,) = [one["Expression"] for one in ALARMS["SubmissionQueueAgeAlarm"]["Metrics"] if "Expression" in one]
    sums = [one["MetricStat"] for one in ALARMS["SubmissionQueueAgeAlarm"]["Metrics"] if "MetricStat" in one]

    assert expression == "IF(FILL(received, 0) + FILL(empty, 0) > 0, age, age / 24)"
    assert [(one["Metric"]["MetricName"], one["Stat"]) for one in sums] == [
        ("ApproximateAgeOfOldestMessage", "Maximum"),
        ("NumberOfMessagesReceived", "Sum"),
        ("NumberOfEmptyReceives", "Sum"),
    ]


@pytest.mark.parametrize("metric", [Metric.KEY_REFUSED, Metric.NO_BALANCE])
def test_one_refusal_raises_one_alarm_until_no_image_is_refused(metric: Metric):
    (alarm,) = [one for one in ALARMS.values() if one.get("MetricName") == metric]

    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == ("Sum", "GreaterThanThreshold", 0)
    assert alarm["DatapointsToAlarm"] == 1
    assert alarm["Period"] * alarm["EvaluationPeriods"] > 15 * 60  # when a refused image is tried again


def test_a_dead_letter_is_one_alarm_while_the_sweeper_reads_it():
    """SQS samples once a minute. What a receive hides is not visible, and a sample of 0 must not end and repeat the alarm."""
    alarm = ALARMS["DeadLetterAlarm"]

    assert alarm["DatapointsToAlarm"] == 1
    assert alarm["Period"] * (alarm["EvaluationPeriods"] - 1) > HIDDEN_SECONDS


def test_an_unknown_job_is_an_alarm_until_it_is_settled():
    alarm = ALARMS["SubmissionUnknownAlarm"]

    assert (alarm["MetricName"], alarm["Statistic"]) == (Metric.JOBS_UNKNOWN, "Maximum")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert (alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (
        1,
        "ignore",
    )  # a sweep that is late settles nothing


@pytest.mark.parametrize(("name", "percent"), [("SpendNearLimitAlarm", 80), ("SpendLimitReachedAlarm", 100)])
def test_the_days_spend_has_two_alarms(name: str, percent: int):
    alarm = ALARMS[name]

    assert (alarm["MetricName"], alarm["Statistic"]) == (Metric.SPEND_PERCENT, "Maximum")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", percent)


def test_the_sweeper_is_missed_after_half_an_hour_and_not_for_one_late_run():
    alarm = ALARMS["SweepMissingAlarm"]
    schedule = written()["Resources"]["SweepJobsFunction"]["Properties"]["Events"]["Schedule"]["Properties"]["Schedule"]

    assert schedule == "rate(5 minutes)"
    assert read_by(alarm) == [("AWS/Lambda", "Invocations", (("FunctionName", "SweepJobsFunction"),))]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert (alarm["Period"] * alarm["EvaluationPeriods"], "DatapointsToAlarm" in alarm) == (1800, False)


# --- the dashboard ----------------------------------------------------------------------------------------------------


def test_the_dashboard_reads_metrics_that_exist():
    assert shown()
    for metric in shown():
        assert_it_exists(metric)


@pytest.mark.parametrize("given", [{"NotificationEmail": "a@example.com"}, {"WebhookUrl": "https://a.example"}, {}])
def test_the_dashboard_shows_every_alarm(given):
    (widget,) = [one for one in dashboard(**given) if one["type"] == "alarm"]
    there = resources(**given)
    names = [there[one]["Properties"]["AlarmName"] for one in sorted(OF_NOTIFICATIONS & there.keys())]

    assert bool(names) == bool(given)
    assert sorted(widget["properties"]["alarms"]) == sorted(
        [
            *(f"{name}.Arn" for name in sorted(ALARMS.keys() - OF_NOTIFICATIONS)),
            *(f"arn:aws:cloudwatch:{PSEUDO['AWS::Region']}:{ACCOUNT}:alarm:{name}" for name in names),
        ]
    )


def test_the_widgets_fill_the_grid_from_top_to_bottom():
    taken: dict[tuple[int, int], str] = {}
    for place, widget in enumerate(dashboard()):
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert taken.setdefault((x, y), str(place)) == str(place), "two widgets overlap"

    assert {x for x, _ in taken} == set(range(24))
    assert len(taken) == 24 * len({y for _, y in taken})


def test_the_dashboard_answers_in_the_order_of_the_questions():
    asked = [one["properties"]["title"] for one in dashboard() if "?" in one["properties"].get("title", "")]

    words = ("turning into videos", "How long", "cost", "stuck", "reasons fail")
    assert [word in title for word, title in zip(words, asked, strict=True)] == [True] * 5


@pytest.mark.parametrize("limit", ["50", "unlimited"])
def test_the_dashboard_says_which_stack_it_is_and_its_limit(limit: str):
    widgets = dashboard(DailySpendLimitUsd=limit)

    assert widgets[0]["properties"]["markdown"].startswith(f"# Dropreel: {STACK} in eu-central-1\n")
    assert f"Limit: {limit} USD" in json.dumps(widgets)


def test_the_reasons_are_asked_of_every_functions_log():
    (widget,) = [one for one in dashboard() if one["type"] == "log"]
    sources = re.findall(r"SOURCE '(\w+)' \| ", widget["properties"]["query"])

    assert sources == [*(f"{name.removesuffix('Function')}LogGroup" for name in FUNCTIONS), "GenerateVideoLogGroup"]


def test_a_rehearsal_says_so_on_top():
    text = nested()["Operations"]["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][1]["Mode"]

    assert text["Fn::If"][0] == "IsRehearsal"
    assert (text["Fn::If"][1].startswith("**Rehearsal"), text["Fn::If"][2]) == (True, "")
    assert "Rehearsal" not in dashboard()[0]["properties"]["markdown"]
