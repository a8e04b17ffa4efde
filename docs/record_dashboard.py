"""Records what docs/draw_dashboard.py draws, from a local run: `python -m docs.record_dashboard FILE`, see `make dashboard`.

Images are submitted, one is rejected, one fails, one is unknown, and the last ones are held by the day's limit. Kept are the deployed
dashboard, every metric that the functions wrote to their logs, the alarms' states and the reasons.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.cloud import ROOT, LocalCloud, running_cloud

PARAMETERS = {
    "PollIntervalSeconds": "1",
    "UploadSettleSeconds": "0",
    "GenerationTimeoutMinutes": "30",
    "DailySpendLimitUsd": "5",
    "MaxAttempts": "1",
}
SAMPLE = ROOT / "local" / "sample.jpg"
ROUNDS: tuple[tuple[str, ...], ...] = (
    ("good",), ("good", "good"), ("good", "text"), ("good", "fail"), ("good", "good"), ("unknown", "text"), ("good",),
    ("good", "good"), ("good", "good", "good"), (),
)  # fmt: skip
"""The images of each round. The limit is reached in the last but one."""
FAULTS = {
    "fail": [{"on": "submit", "times": 1, "do": {"kind": "fail", "error": "the picture is too dark"}}],
    "unknown": [{"on": "submit", "times": 1, "do": {"kind": "cut", "paid": True}}],
}
ROUND_SECONDS = 6.0


def main(file: Path) -> None:
    """Run the scene and write the recording."""
    with running_cloud(print, PARAMETERS, created_seconds=0.5, processing_seconds=2, frames_per_second=4) as cloud:
        started = time.time()
        points = [point for number, images in enumerate(ROUNDS) for point in play(cloud, number, images)]
        points += list(written_metrics(cloud))
        recording = {
            "started": started,
            "ended": time.time(),
            "points": points,
            "dashboard": body_of(cloud),
            "alarms": states_of(cloud, points),
            "reasons": reasons_of(cloud),
        }
    file.write_text(json.dumps(recording, indent=1), encoding="utf-8")


def client_of(cloud: LocalCloud, service: str) -> Any:
    """Return a client of the local account."""
    session: Any = cloud.engine.session()
    return session.client(service, endpoint_url=cloud.engine.endpoint_url)


def play(cloud: LocalCloud, number: int, images: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Upload the images of a round, let it pass and sweep; yield what SQS would measure then."""
    end = time.monotonic() + ROUND_SECONDS
    for place, kind in enumerate(images):
        cloud.simulator.client.set_faults(FAULTS.get(kind, []))
        body = b"not a picture" if kind == "text" else SAMPLE.read_bytes() + str((number, place)).encode()
        key = f"round-{number}/{place}-{kind}.jpg"
        client_of(cloud, "s3").put_object(Bucket=cloud.stack.outputs["UploadsBucketName"], Key=key, Body=body)
        if kind in FAULTS:
            time.sleep(2)  # until this one is submitted
    time.sleep(max(0.0, end - time.monotonic()))
    functions = client_of(cloud, "lambda")
    (sweeper,) = [
        one["FunctionName"]
        for one in functions.list_functions()["Functions"]
        if "SweepJobsFunction" in one["FunctionName"]
    ]
    functions.invoke(FunctionName=sweeper, Payload=b"{}")
    url = cloud.stack.outputs["DeadLetterQueueUrl"]
    name = "ApproximateNumberOfMessages"
    counted = client_of(cloud, "sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
    yield {
        "metric": ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", url.rpartition("/")[2]],
        "unit": "Count",
        "value": float(counted),
        "at": time.time(),
    }


def lines_of(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    """Yield every line of the functions' logs that is JSON. The local account has this stack alone."""
    logs = client_of(cloud, "logs")
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            for event in page["events"]:
                if event["message"].startswith("{"):
                    yield json.loads(event["message"])


def written_metrics(cloud: LocalCloud) -> Iterator[dict[str, Any]]:
    """Yield each value of a metric in the logs, as CloudWatch reads it."""
    for line in lines_of(cloud):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            ((dimension,),) = directive["Dimensions"]
            for metric in directive["Metrics"]:
                yield {
                    "metric": [directive["Namespace"], metric["Name"], dimension, line[dimension]],
                    "unit": metric["Unit"],
                    "value": line[metric["Name"]][0],
                    "at": line["_aws"]["Timestamp"] / 1000,
                }


def body_of(cloud: LocalCloud) -> Any:
    """Return the deployed dashboard."""
    name = cloud.stack.outputs["DashboardName"]
    return json.loads(client_of(cloud, "cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])


def states_of(cloud: LocalCloud, points: list[dict[str, Any]]) -> dict[str, str]:
    """Return the state of each alarm by its ARN, once CloudWatch has been given all points in their order."""
    watch = client_of(cloud, "cloudwatch")
    for point in sorted(points, key=lambda one: one["at"]):
        namespace, name, dimension, value = point["metric"]
        datum = {
            "MetricName": name,
            "Dimensions": [{"Name": dimension, "Value": value}],
            "Value": point["value"],
            "Unit": point["unit"],
            "Timestamp": point["at"],
        }
        watch.put_metric_data(Namespace=namespace, MetricData=[datum])
    found = watch.describe_alarms(AlarmNamePrefix=cloud.stack.name, MaxRecords=100)["MetricAlarms"]
    return {one["AlarmArn"]: one["StateValue"] for one in found}


def reasons_of(cloud: LocalCloud) -> list[list[str]]:
    """Return what the log widget's query counts: the jobs of each reason, and the last of them."""
    counts: Counter[str] = Counter()
    last: dict[str, str] = {}
    for line in lines_of(cloud):
        if "reason_code" in line and ("GenerationsFailed" in line or "ImagesRejected" in line):
            counts[line["reason_code"]] += 1
            last[line["reason_code"]] = line["job_id"]
    return [[code, str(count), last[code]] for code, count in counts.most_common()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
