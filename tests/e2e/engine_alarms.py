"""Checks of the engine's alarms that are true on AWS, for test_engine.py."""

import json
import time
from typing import Any

from local.cloud import Engine
from tests.e2e.engine_clients import client_of


def of_dimensions(engine: Engine) -> bool:
    """Whether an alarm ignores a metric of its name with other dimensions."""
    client = client_of(engine, "cloudwatch")
    dimensions = {queue: [{"Name": "QueueName", "Value": queue}] for queue in ("full", "empty")}
    metric = {"Namespace": "Ours", "MetricName": "Waiting"}
    for queue, mine in dimensions.items():
        client.put_metric_alarm(
            AlarmName=f"of-{queue}", **metric, Dimensions=mine, Statistic="Maximum", Period=60, EvaluationPeriods=1,
            Threshold=0, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    point = {"MetricName": "Waiting", "Dimensions": dimensions["full"], "Value": 1.0}
    client.put_metric_data(Namespace="Ours", MetricData=[point])
    found = client.describe_alarms(AlarmNames=["of-full", "of-empty"])["MetricAlarms"]
    states = {one["AlarmName"]: one["StateValue"] for one in found}
    client.delete_alarms(AlarmNames=list(states))
    assert states["of-full"] == "ALARM"
    return bool(states["of-empty"] != "ALARM")


def on_metric_math(engine: Engine) -> bool:
    """Whether a template can have an alarm on a sum of metrics, which fires for the sum."""
    formation, watch = client_of(engine, "cloudformation"), client_of(engine, "cloudwatch")
    metrics: list[Any] = [
        {"Id": one, "ReturnData": False, "MetricStat": {
            "Period": 300, "Stat": "Sum", "Metric": {"Namespace": "Ours", "MetricName": one, "Dimensions": []}}}
        for one in ("first", "second")
    ]  # fmt: skip
    properties = {
        "Metrics": [{"Id": "result", "Expression": "SUM(METRICS())"}, *metrics],
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    body = {"Resources": {"Math": {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}}}
    formation.create_stack(StackName="math", TemplateBody=json.dumps(body))
    end = time.monotonic() + 20
    while (status := formation.describe_stacks(StackName="math")["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS"):
        assert time.monotonic() < end
        time.sleep(0.1)
    if status != "CREATE_COMPLETE":
        return False
    name = formation.describe_stack_resources(StackName="math")["StackResources"][0]["PhysicalResourceId"]
    states = []
    for metric in ("first", "second"):
        watch.put_metric_data(Namespace="Ours", MetricData=[{"MetricName": metric, "Value": 1.0}])
        (alarm,) = watch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        states.append(alarm["StateValue"])
    formation.delete_stack(StackName="math")
    return states == ["OK", "ALARM"] and len(alarm["Metrics"]) == 3
