"""Each alarm of the stack fires for what it is there for, and says so to the owner's topic.

The local engine evaluates alarms and does not turn log lines into metrics. So the deployed filter's pattern is held against
the line that the function really wrote, and the metric that the filter would write is written in its place.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dropreel.domain.job import EventType, JobStatus
from tests.e2e.conftest import Account


@pytest.fixture(scope="module")
def notices(account: Account) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Return what waits for the notice of an alarm, as whoever subscribed to the topic gets it."""
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
                notice: dict[str, Any] = json.loads(json.loads(message["Body"])["Message"])
                if notice["AlarmName"] == alarm:
                    return notice
            time.sleep(0.2)
        raise AssertionError(f"nobody was told of {alarm}")

    yield wait_for
    sqs.delete_queue(QueueUrl=url)


def filter_of(account: Account, name: str) -> dict[str, Any]:
    """Return a deployed metric filter."""
    filters = account.client("logs").describe_metric_filters()["metricFilters"]
    (found,) = [one for one in filters if one["filterName"] == account.physical(name)]
    deployed: dict[str, Any] = found
    return deployed


def matching_lines(account: Account, name: str) -> list[dict[str, Any]]:
    """Return the log lines that the deployed metric filter counts."""
    logs, found = account.client("logs"), filter_of(account, name)
    asked = re.fullmatch(r'\{ \$\.(\w+) = "([^"]+)" \}', found["filterPattern"])
    assert asked is not None, found["filterPattern"]
    lines = []
    for event in logs.filter_log_events(logGroupName=found["logGroupName"])["events"]:
        try:
            line = json.loads(event["message"])
        except ValueError:
            continue
        if isinstance(line, dict) and line.get(asked[1]) == asked[2]:
            lines.append(line)
    return lines


def wait_for_line(account: Account, name: str, job_id: str, seconds: float = 30) -> None:
    """Wait until the log has a line about this job that the filter counts: a function's lines come when it has ended."""
    end = time.monotonic() + seconds
    while job_id not in [line["job_id"] for line in matching_lines(account, name)]:
        assert time.monotonic() < end, f"{name} counts no line about {job_id}"
        time.sleep(0.2)


def write_metric_of(account: Account, name: str) -> None:
    """Write what the deployed filter writes for one line."""
    (metric,) = filter_of(account, name)["metricTransformations"]
    account.client("cloudwatch").put_metric_data(
        Namespace=metric["metricNamespace"],
        MetricData=[{"MetricName": metric["metricName"], "Value": float(metric["metricValue"])}],
    )


def state_of(account: Account, alarm: str) -> str:
    (found,) = account.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    state: str = found["StateValue"]
    return state


def test_a_submission_that_cannot_be_told_raises_its_alarm(
    account: Account, notices: Callable[[str], dict[str, Any]]
) -> None:
    alarm = account.physical("SubmissionUnknownAlarm")
    assert state_of(account, alarm) != "ALARM"
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 500}}])
    key = account.new_key()
    account.put(key)
    job = account.ended(key)
    assert job.status is JobStatus.UNKNOWN

    wait_for_line(account, "SubmissionUnknownFilter", job.job_id)
    write_metric_of(account, "SubmissionUnknownFilter")

    assert state_of(account, alarm) == "ALARM"
    assert notices(alarm)["NewStateValue"] == "ALARM"


def test_a_refused_key_raises_its_alarm(account: Account, notices: Callable[[str], dict[str, Any]]) -> None:
    alarm = account.physical("KeyRefusedAlarm")
    assert state_of(account, alarm) != "ALARM"
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 401}}])
    key = account.new_key()
    account.put(key)
    job = account.job_when(key, lambda one: one.status is JobStatus.DEFERRED and one.requeues == 1)

    wait_for_line(account, "KeyRefusedFilter", job.job_id)
    write_metric_of(account, "KeyRefusedFilter")

    assert state_of(account, alarm) == "ALARM"
    assert notices(alarm)["NewStateValue"] == "ALARM"


def test_no_money_at_the_provider_raises_its_alarm_and_is_told_in_its_words(
    account: Account, notices: Callable[[str], dict[str, Any]]
) -> None:
    alarm = account.physical("NoBalanceAlarm")
    assert state_of(account, alarm) != "ALARM"
    body = {"error": {"code": "insufficient_quota", "message": "Insufficient balance for {image_url}"}}
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 429, "body": body}}])
    key = account.new_key()
    account.put(key)
    job = account.job_when(key, lambda one: one.status is JobStatus.DEFERRED and one.requeues == 1)

    wait_for_line(account, "NoBalanceFilter", job.job_id)
    write_metric_of(account, "NoBalanceFilter")

    assert state_of(account, alarm) == "ALARM"
    assert notices(alarm)["NewStateValue"] == "ALARM"
    detail = account.tail.wait_for(key, EventType.DEFERRED)["detail"]
    assert isinstance(detail, dict)
    assert detail["data"]["reason"]["provider_error"] == "insufficient_quota: Insufficient balance for [removed]"


@pytest.mark.parametrize("name", ["NoBalance", "KeyRefused"])
def test_polls_are_counted_by_the_same_alarm(account: Account, name: str) -> None:
    submitted, polled = filter_of(account, f"{name}Filter"), filter_of(account, f"Poll{name}Filter")

    assert polled["logGroupName"] == account.physical("CheckStatusLogGroup")
    for what in ("filterPattern", "metricTransformations"):
        assert polled[what] == submitted[what]


def test_what_the_sweeper_parks_is_counted_by_the_same_alarm(account: Account) -> None:
    submitted, swept = filter_of(account, "SubmissionUnknownFilter"), filter_of(account, "SweptUnknownFilter")

    assert swept["logGroupName"] == account.physical("SweepJobsLogGroup")
    for what in ("filterPattern", "metricTransformations"):
        assert swept[what] == submitted[what]


def test_alarms_may_publish_to_the_topic(account: Account) -> None:
    """CloudWatch alarms cannot use AWS's own key for SNS, which no local engine checks."""
    topic = account.client("sns").get_topic_attributes(TopicArn=account.physical("AlarmTopic"))

    assert not topic["Attributes"].get("KmsMasterKeyId")


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
