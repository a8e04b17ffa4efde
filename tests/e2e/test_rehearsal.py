"""A second stack with `Rehearsal` = `true` in the same account, from the unchanged template."""

import json
from dataclasses import replace

import pytest

from dropreel.adapters.rehearsal_videos import FOLDER
from dropreel.domain.days import date_of
from dropreel.domain.job import JobStatus
from dropreel_cli.stack import Stack
from local.cloud import deploy
from local.parameters import local_parameters
from tests.e2e.conftest import Account

STACK = "rehearsing"


@pytest.fixture(scope="module")
def rehearsing(account: Account) -> Account:
    """Deploy the second stack. Its provider's address leads to the simulator, so that a call would be seen."""
    given = {"Rehearsal": "true", "PollIntervalSeconds": "1", "GenerationTimeoutMinutes": "30", "MaxAttempts": "1"}
    engine = account.cloud.engine
    deploy(engine, {**local_parameters(account.cloud.simulator.base_url, "key", given), **given}, STACK)
    stack = Stack.find(STACK, engine.session(), engine.endpoint_url)
    return Account(
        replace(account.cloud, stack=stack), account.tail, account.webhooks
    )  # both stacks publish on one bus


def test_a_rehearsal_makes_videos_and_never_calls_the_provider(
    rehearsing: Account,
) -> None:
    key = rehearsing.new_key()
    rehearsing.put(key)
    failing = rehearsing.new_key()
    rehearsing.put(failing, metadata={"prompt": "Rehearse a failure"})

    job = rehearsing.ended(key, seconds=90)
    failed = rehearsing.ended(failing, seconds=120)

    assert (job.status, job.rehearsal) == (JobStatus.COMPLETED, True), job
    assert job.generation_id is not None
    assert job.generation_id.startswith("rehearsal_")
    assert job.video is not None
    assert job.video.key == key.replace(".jpg", f"-{job.generation_id}.mp4")
    s3 = rehearsing.client("s3")
    stored = s3.get_object(Bucket=rehearsing.videos, Key=job.video.key)
    assert stored["Metadata"]["rehearsal"] == "true"
    assert stored["Body"].read() in [path.read_bytes() for path in FOLDER.glob("*.mp4")]
    assert json.loads(s3.get_object(Bucket=rehearsing.videos, Key=job.video.receipt_key)["Body"].read())["rehearsal"]
    event = rehearsing.tail.wait_for(key, "Video Generation Completed")
    assert event["detail"]["metadata"]["rehearsal"] is True
    assert failed.status is JobStatus.FAILED
    assert failed.reason is not None
    assert "rehearse a failure" in failed.reason.message
    assert rehearsing.submitted(key) == rehearsing.submitted(failing) == []
    spend = rehearsing.client("dynamodb").scan(TableName=rehearsing.stack.outputs["SpendTableName"])["Items"]
    assert {item["day"]["S"] for item in spend} == {f"rehearsal-{date_of(item['day']['S'])}" for item in spend}
