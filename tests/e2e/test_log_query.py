"""The saved query of CloudWatch Logs Insights tells a job's whole story."""

import json
import time
from typing import Any

from tests.e2e.conftest import Account
from tests.unit.template.resolved import nested

STEPS = (
    "SubmitGeneration",
    "PrepareImage",
    "CheckStatus",
    "DeliverVideo",
    "ReportFailure",
    "SweepJobs",
    "GenerateVideo",
)


def story(account: Account, job_id: str) -> list[dict[str, Any]]:
    """Run the saved query as it is deployed, for one job; return the messages of its rows, in their order."""
    query = nested()["Operations"]["Resources"]["JobQuery"]["Properties"]["QueryString"].replace("JOB_ID", job_id)
    logs = account.client("logs")
    started = logs.start_query(
        logGroupNames=[account.physical(f"{step}LogGroup") for step in STEPS],
        startTime=int(time.time()) - 3600,
        endTime=int(time.time()) + 60,
        queryString=query,
    )
    end = time.monotonic() + 20
    while (found := logs.get_query_results(queryId=started["queryId"]))["status"] != "Complete":
        assert time.monotonic() < end, found["status"]
        time.sleep(0.2)
    rows = [{one["field"]: one["value"] for one in row} for row in found["results"]]
    return [json.loads(row["@message"]) for row in rows]


def test_the_saved_query_tells_a_jobs_whole_story(account: Account) -> None:
    key, other = account.new_key(), account.new_key()
    account.put(key)
    account.put(other)
    job = account.ended(key)
    account.ended(other)

    rows = story(account, job.job_id)

    states = [row for row in rows if "execution_arn" in row]
    lines = [row for row in rows if "execution_arn" not in row]
    assert {line["job_id"] for line in lines} == {job.job_id}
    steps = [(line["message"], line.get("outcome")) for line in lines if "message" in line]  # not of its metrics
    assert steps[:2] == [("accepted", None), ("done", "generating")]
    assert steps[-1] == ("done", "delivered")
    assert ("done", "completed") in steps
    assert {line["generation_id"] for line in lines} == {job.generation_id}
    assert {line["execution_arn"].rpartition(":")[2] for line in states} == {f"{job.job_id}-1"}
    assert [int(line["id"]) for line in states] == list(range(1, len(states) + 1))
    assert [states[0]["type"], states[-1]["type"]] == ["ExecutionStarted", "ExecutionSucceeded"]
    assert not [line for line in states if {"input", "output"} & line["details"].keys()]
