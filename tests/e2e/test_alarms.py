"""Each alarm of the stack fires for what it is there for, and notifies the owner's topic; a quiet stack raises none.

The local engine evaluates alarms and does not read metrics from log lines. So the line that the function really wrote is
compared with the deployed alarm, and its metric is given to CloudWatch in the log's place.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from dropreel.domain.job import EventType, JobStatus
from tests.e2e.conftest import Account, InstalledCommand


@pytest.fixture(scope="module")
def notices(account: Account) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Return a function that waits for an alarm's notice, as a subscriber of the topic receives it."""
    sqs, sns = account.client("sqs"), account.client("sns")
    url = sqs.create_queue(QueueName="alarm-notices")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=account.physical("AlarmTopic"), Protocol="sqs", Endpoint=arn)

    def wait_for(alarm: str) -> dict[str, Any]:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                text = json.loads(message["Body"])["Message"]
                if text.startswith("Dropreel"):  # a mail about jobs, on the same topic
                    continue
                notice: dict[str, Any] = json.loads(text)
                if notice["AlarmName"] == alarm:
                    return notice
            time.sleep(0.2)
        raise AssertionError(f"no notice of {alarm}")

    yield wait_for
    sqs.delete_queue(QueueUrl=url)


def alarm_of(account: Account, name: str) -> dict[str, Any]:
    """Return a deployed alarm."""
    (found,) = account.client("cloudwatch").describe_alarms(AlarmNames=[account.physical(name)])["MetricAlarms"]
    deployed: dict[str, Any] = found
    return deployed


def metrics_in(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what CloudWatch reads from a log line in the Embedded Metric Format: one datum a metric and dimension set."""
    for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
        for names, metric in product(directive["Dimensions"], directive["Metrics"]):
            yield {
                "Namespace": directive["Namespace"],
                "MetricName": metric["Name"],
                "Dimensions": [{"Name": name, "Value": line[name]} for name in names],
                "Unit": metric["Unit"],
                "Values": line[metric["Name"]],
                "Timestamp": datetime.fromtimestamp(line["_aws"]["Timestamp"] / 1000, UTC),
            }


def counted(account: Account, log_group: str, job_id: str) -> list[dict[str, Any]]:
    """Return the metrics that a function has written about a job."""
    found: list[dict[str, Any]] = []
    for event in account.client("logs").filter_log_events(logGroupName=account.physical(log_group))["events"]:
        try:
            line = json.loads(event["message"])
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("job_id") == job_id:
            found += metrics_in(line)
    return found


def wait_until_counted(
    account: Account, log_group: str, job_id: str, name: str | None = None, seconds: float = 30
) -> dict[str, Any]:
    """Wait for the one metric (of this name) that a function writes about a job: its lines come when it has ended."""
    end = time.monotonic() + seconds
    while not (found := [one for one in counted(account, log_group, job_id) if name in (None, one["MetricName"])]):
        assert time.monotonic() < end, f"{log_group} has no metric {name} about {job_id}"
        time.sleep(0.2)
    (metric,) = found
    return metric


def sweep(account: Account) -> dict[str, dict[str, Any]]:
    """Run the sweeper; return the gauges that it has written to its log, by their names."""
    started = int(time.time() * 1000)
    answer = account.client("lambda").invoke(FunctionName=account.physical("SweepJobsFunction"), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    end, found = time.monotonic() + 20, dict[str, dict[str, Any]]()
    while "SpendReservedUsd" not in found and time.monotonic() < end:
        for line in _lines_since(account, "SweepJobsLogGroup", started):
            found.update({one["MetricName"]: one for one in metrics_in(json.loads(line))})
    return found


def _lines_since(account: Account, group: str, milliseconds: int) -> Iterator[str]:
    """Yield the lines of a log group that are JSON. The log in the answer of an invocation is cut to 4 KB."""
    pages = account.client("logs").get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=account.physical(group), startTime=milliseconds):
        yield from (event["message"] for event in page["events"] if event["message"].startswith("{"))


def give(account: Account, metric: dict[str, Any]) -> None:
    """Give a written metric to CloudWatch, which evaluates its alarms."""
    data = {name: value for name, value in metric.items() if name != "Namespace"}
    account.client("cloudwatch").put_metric_data(Namespace=metric["Namespace"], MetricData=[data])


def give_to(account: Account, metric: dict[str, Any], value: float) -> None:
    """Give CloudWatch a value of a metric that AWS writes, as an alarm names it."""
    point = {"MetricName": metric["MetricName"], "Dimensions": metric["Dimensions"], "Value": value}
    account.client("cloudwatch").put_metric_data(Namespace=metric["Namespace"], MetricData=[point])


def assert_it_raises(account: Account, metric: dict[str, Any], name: str) -> None:
    """Assert that a written metric is the one that an alarm watches, give it to CloudWatch, and assert that the alarm fires."""
    alarm = alarm_of(account, name)
    for watched in ("Namespace", "MetricName", "Dimensions"):
        assert metric[watched] == alarm[watched]
    assert (metric["Unit"], metric["Values"]) == ("Count", [1.0])
    assert abs(metric["Timestamp"] - datetime.now(UTC)) < timedelta(minutes=5)
    give(account, metric)

    assert state_of(account, alarm["AlarmName"]) == "ALARM"


def state_of(account: Account, alarm: str) -> str:
    (found,) = account.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    state: str = found["StateValue"]
    return state


def test_a_quiet_stack_raises_no_alarm(account: Account, dropreel: InstalledCommand) -> None:
    dropreel.json("abandon", "--status", "unknown", "--since", "1d", "--yes")  # of other tests
    key = account.new_key()
    account.put(key)
    job = account.ended(key)
    assert job.status is JobStatus.COMPLETED
    for metric in (
        wait_until_counted(account, "SubmitGenerationLogGroup", job.job_id, "ImagesSubmitted"),
        wait_until_counted(account, "DeliverVideoLogGroup", job.job_id, "VideosDelivered"),
        wait_until_counted(account, "DeliverVideoLogGroup", job.job_id, "GenerationSeconds"),
        *sweep(account).values(),
    ):
        give(account, metric)

    described = account.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{account.stack.name}-")
    assert [one["AlarmName"] for one in described["MetricAlarms"] if one["StateValue"] == "ALARM"] == []


def test_an_unknown_submission_raises_its_alarm(account: Account, notices: Callable[[str], dict[str, Any]]) -> None:
    alarm = account.physical("SubmissionUnknownAlarm")
    assert state_of(account, alarm) != "ALARM"
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 500}}])
    key = account.new_key()
    account.put(key)
    job = account.ended(key)
    assert job.status is JobStatus.UNKNOWN

    metric = wait_until_counted(account, "SubmitGenerationLogGroup", job.job_id, "JobsUnknown")

    assert metric["Dimensions"] == [{"Name": "stack", "Value": account.stack.name}]
    assert_it_raises(account, metric, "SubmissionUnknownAlarm")
    assert notices(alarm)["NewStateValue"] == "ALARM"
    assert wait_until_counted(account, "SubmitGenerationLogGroup", job.job_id, "SubmissionUnknown")["Values"] == [1.0]


def test_an_unknown_job_stays_in_the_gauge_until_it_is_settled(account: Account, dropreel: InstalledCommand) -> None:
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 500}}])
    key = account.new_key()
    account.put(key)
    job = account.ended(key)

    before = sweep(account)["JobsUnknown"]
    dropreel.json("abandon", job.job_id, "--yes")
    after = sweep(account)["JobsUnknown"]

    assert before["Dimensions"] == alarm_of(account, "SubmissionUnknownAlarm")["Dimensions"]
    assert after["Values"] == [before["Values"][0] - 1]


def test_a_refused_key_raises_its_alarm(account: Account, notices: Callable[[str], dict[str, Any]]) -> None:
    alarm = account.physical("KeyRefusedAlarm")
    assert state_of(account, alarm) != "ALARM"
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 401}}])
    key = account.new_key()
    account.put(key)
    job = account.job_when(key, lambda one: one.status is JobStatus.DEFERRED and one.requeues == 1)

    metric = wait_until_counted(account, "SubmitGenerationLogGroup", job.job_id)

    assert metric["Dimensions"] == [{"Name": "stack", "Value": account.stack.name}]
    assert_it_raises(account, metric, "KeyRefusedAlarm")
    assert notices(alarm)["NewStateValue"] == "ALARM"


def test_no_balance_raises_its_alarm_and_publishes_the_providers_text(
    account: Account, notices: Callable[[str], dict[str, Any]]
) -> None:
    alarm = account.physical("NoBalanceAlarm")
    assert state_of(account, alarm) != "ALARM"
    body = {"error": {"code": "insufficient_quota", "message": "Insufficient balance for {image_url}"}}
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 429, "body": body}}])
    key = account.new_key()
    account.put(key)
    job = account.job_when(key, lambda one: one.status is JobStatus.DEFERRED and one.requeues == 1)

    metric = wait_until_counted(account, "SubmitGenerationLogGroup", job.job_id)

    assert metric["Dimensions"] == [{"Name": "stack", "Value": account.stack.name}]
    assert_it_raises(account, metric, "NoBalanceAlarm")
    assert notices(alarm)["NewStateValue"] == "ALARM"
    detail = account.tail.wait_for(key, EventType.DEFERRED)["detail"]
    assert isinstance(detail, dict)
    assert detail["data"]["reason"]["provider_error"] == "insufficient_quota: Insufficient balance for [removed]"


@pytest.mark.parametrize(("status", "name"), [(401, "KeyRefusedAlarm"), (402, "NoBalanceAlarm")])
def test_a_refused_poll_raises_the_same_alarm(account: Account, status: int, name: str) -> None:
    account.simulator.set_faults([{"on": "poll", "times": 1, "do": {"kind": "status", "status": status}}])
    key = account.new_key()
    account.put(key)
    job = account.ended(key)
    assert job.status is JobStatus.COMPLETED

    metric = wait_until_counted(account, "CheckStatusLogGroup", job.job_id)

    assert_it_raises(account, metric, name)


def test_alarms_may_publish_to_the_topic(account: Account) -> None:
    """CloudWatch alarms cannot use AWS's own key for SNS, which no local engine checks."""
    topic = account.client("sns").get_topic_attributes(TopicArn=account.physical("AlarmTopic"))

    assert not topic["Attributes"].get("KmsMasterKeyId")


@pytest.mark.exhaustive
def test_an_alarm_needs_the_topics_policy(account: Account, notices: Callable[[str], dict[str, Any]]) -> None:
    sns, topic = account.client("sns"), account.physical("AlarmTopic")
    before = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    policy = json.loads(before)
    policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] != "AllowAlarms"]
    assert [one["Sid"] for one in policy["Statement"]] == ["DenyPlainHttp"]
    alarm = account.physical("DeadLetterAlarm")

    def raise_alarm(reason: str) -> None:
        for state in ("OK", "ALARM"):
            account.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue=state, StateReason=reason)

    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))
    try:
        raise_alarm("not received")
    finally:
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=before)
    raise_alarm("received")

    assert notices(alarm)["NewStateReason"] == "received"
    account.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="ended")


@pytest.mark.parametrize(
    ("name", "queue"), [("DeadLetterAlarm", "DeadLetterQueue"), ("FailedInvocationsAlarm", "FailedInvocationsQueue")]
)
def test_a_message_in_a_queue_of_failures_raises_its_alarm(
    account: Account, notices: Callable[[str], dict[str, Any]], name: str, queue: str
) -> None:
    alarm = account.physical(name)
    (found,) = account.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    dead = account.physical(queue)
    sqs = account.client("sqs")
    sqs.send_message(QueueUrl=dead, MessageBody="not for us")
    named = {"QueueName": dead.rpartition("/")[2]}
    try:
        waiting = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        count = float(waiting["Attributes"]["ApproximateNumberOfMessages"])
        assert {one["Name"]: one["Value"] for one in found["Dimensions"]} == named
        account.client("cloudwatch").put_metric_data(
            Namespace=found["Namespace"],
            MetricData=[
                {"MetricName": found["MetricName"], "Dimensions": found["Dimensions"], "Value": count},
            ],
        )

        assert state_of(account, alarm) == "ALARM"
        assert notices(alarm)["NewStateValue"] == "ALARM"
    finally:
        sqs.purge_queue(QueueUrl=dead)


@pytest.fixture
def low_limit(account: Account) -> Iterator[None]:
    """Give the sweeper a limit of 50 cents a day, in place of the stack's `unlimited`."""
    client, name = account.client("lambda"), account.physical("SweepJobsFunction")
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    lowered = {**variables, "DAILY_SPEND_LIMIT_USD": "0.50"}
    client.update_function_configuration(FunctionName=name, Environment={"Variables": lowered})
    yield
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


@pytest.mark.usefixtures("low_limit")
def test_the_days_spend_raises_both_of_its_alarms(account: Account) -> None:
    key = account.new_key()
    account.put(key)
    account.ended(key)

    metric = sweep(account)["SpendPercent"]
    give(account, metric)

    assert metric["Unit"] == "Percent"
    assert metric["Values"][0] >= 100
    for name in ("SpendNearLimitAlarm", "SpendLimitReachedAlarm"):
        assert metric["Dimensions"] == alarm_of(account, name)["Dimensions"]
        assert state_of(account, account.physical(name)) == "ALARM"


def stats_of(account: Account, name: str) -> dict[str, dict[str, Any]]:
    """Return the metrics of an alarm on metric math by their ids."""
    return {one["Id"]: one["MetricStat"]["Metric"] for one in alarm_of(account, name)["Metrics"] if "MetricStat" in one}


@pytest.mark.parametrize("name", ["RecursionDroppedAlarm", "ExecutionsFailedAlarm"])
def test_one_of_several_metrics_raises_their_alarm(
    account: Account, notices: Callable[[str], dict[str, Any]], name: str
) -> None:
    for metric in stats_of(account, name).values():
        give_to(account, metric, 0)
    assert state_of(account, account.physical(name)) != "ALARM"

    give_to(account, list(stats_of(account, name).values())[-1], 1)

    assert notices(account.physical(name))["NewStateValue"] == "ALARM"


@pytest.mark.parametrize("name", ["FunctionErrorsAlarm", "FunctionThrottlesAlarm"])
def test_a_fault_that_is_retried_raises_no_alarm(account: Account, name: str) -> None:
    """The engine writes the errors of functions itself; those of three periods in turn it cannot be given."""
    give_to(account, stats_of(account, name)["deliver"], 3)

    assert state_of(account, account.physical(name)) != "ALARM"


def test_an_old_image_raises_its_alarm_unless_the_stack_is_paused(
    account: Account, notices: Callable[[str], dict[str, Any]]
) -> None:
    alarm, stats = account.physical("SubmissionQueueAgeAlarm"), stats_of(account, "SubmissionQueueAgeAlarm")
    queue = account.physical("SubmissionQueue").rpartition("/")[2]
    assert [one["Dimensions"] for one in stats.values()] == [[{"Name": "QueueName", "Value": queue}]] * 3

    give_to(account, stats["age"], 8_000)
    paused = state_of(account, alarm)
    give_to(account, stats["empty"], 1)

    assert paused != "ALARM"
    assert notices(alarm)["NewStateValue"] == "ALARM"


def test_the_dashboard_is_deployed_with_the_stacks_own_alarms(account: Account) -> None:
    name = account.stack.outputs["DashboardName"]
    body = json.loads(account.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    (shown,) = [one["properties"]["alarms"] for one in body["widgets"] if one["type"] == "alarm"]
    described = account.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{account.stack.name}-")["MetricAlarms"]

    # That of Notifications is created after the dashboard, and only where something is sent.
    operations = [one["AlarmArn"] for one in described if "-Notifications-" not in one["AlarmName"]]
    assert sorted(shown) == sorted(operations)
    assert name == f"{account.stack.name}-us-east-1"
