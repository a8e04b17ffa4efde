"""Images in a bucket that was there before the stack: `ExistingUploadsBucketName`."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.job import JobStatus
from local.cloud import ROOT
from tests.e2e.conftest import EXISTING_BUCKET, SAMPLE, Account


@pytest.fixture(scope="module")
def existing(account: Account) -> Callable[..., dict[str, Any]]:
    """Create the bucket, unversioned and with EventBridge notifications; return a function that uploads into it."""
    s3 = account.client("s3")
    s3.create_bucket(Bucket=EXISTING_BUCKET)
    s3.put_bucket_notification_configuration(
        Bucket=EXISTING_BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )

    def upload(key: str, body: bytes | None = None, **arguments: Any) -> dict[str, Any]:
        content = SAMPLE.read_bytes() if body is None else body
        answer: dict[str, Any] = s3.put_object(Bucket=EXISTING_BUCKET, Key=key, Body=content, **arguments)
        return answer

    return upload


def request(account: Account, bucket: str, key: str, **options: Any) -> None:
    """Request a video of an image."""
    detail = {"image": {"bucket": bucket, "key": key}, "options": options, "request_id": key}
    entry = {"Source": "a.shop", "DetailType": "Video Generation Requested", "Detail": json.dumps(detail)}
    answer = account.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0


def test_an_upload_into_the_existing_bucket_becomes_a_video(
    account: Account, existing: Callable[..., dict[str, Any]]
) -> None:
    key = account.new_key()
    existing(key.rpartition("/")[0] + "/dropreel.json", json.dumps({"mode": "hq"}).encode())
    existing(key, Metadata={"duration": "10"})

    job = account.ended(key)

    assert job.status is JobStatus.COMPLETED, job
    assert (job.image.bucket, job.image.version_id) == (EXISTING_BUCKET, None)
    (submission,) = account.submitted(key)
    assert f"/{EXISTING_BUCKET}/" in submission["request"]["image_url"]
    assert (submission["request"]["mode"], submission["request"]["duration"]) == ("hq", 10)
    assert job.video is not None
    account.client("s3").head_object(Bucket=account.videos, Key=job.video.key)
    data = account.tail.wait_for(key, "Video Generation Completed")["detail"]["data"]
    assert data["image"]["bucket"] == EXISTING_BUCKET


def test_a_request_for_an_existing_bucket_becomes_a_second_video(
    account: Account, existing: Callable[..., dict[str, Any]]
) -> None:
    key = account.new_key()
    existing(key)
    by_upload = account.ended(key)

    request(account, EXISTING_BUCKET, key, prompt="a storm comes up")

    by_request = account.job_when(key, lambda job: job.job_id != by_upload.job_id and job.is_terminal)
    assert by_request.status is JobStatus.COMPLETED, by_request
    assert by_request.image.bucket == EXISTING_BUCKET
    assert by_upload.options is not None
    assert [one["request"]["prompt"] for one in account.submitted(key)] == [
        by_upload.options.prompt,
        "a storm comes up",
    ]


def test_only_keys_under_the_prefix_of_the_existing_bucket_are_taken(
    account: Account, existing: Callable[..., dict[str, Any]]
) -> None:
    outside, inside = f"other/{account.new_key()}", account.new_key()
    existing(outside)
    existing("dropreel.json", json.dumps({"duration": 10}).encode())  # above the prefix: the stack may not read it

    existing(inside)

    job = account.ended(inside)
    assert job.status is JobStatus.COMPLETED, job
    assert job.options is not None
    assert job.options.duration == 5
    assert account.jobs_of(outside) == []


def test_a_request_outside_the_prefix_is_rejected_with_the_prefix(
    account: Account, existing: Callable[..., dict[str, Any]]
) -> None:
    outside = f"other/{account.new_key()}"
    existing(outside)

    request(account, EXISTING_BUCKET, outside)

    job = account.ended(outside)
    assert (job.status, job.charge) == (JobStatus.REJECTED, "none")
    assert job.reason is not None
    assert job.reason.code == "bucket_not_allowed"
    assert f"Images in {EXISTING_BUCKET} are taken from test- only" in job.reason.message
    assert account.submitted(outside) == []


@pytest.mark.exhaustive
def test_the_pages_commands_turn_on_events_and_keep_other_notifications(account: Account, tmp_path: Path) -> None:
    s3, sqs = account.client("s3"), account.client("sqs")
    s3.create_bucket(Bucket="my-pictures")
    queue = "arn:aws:sqs:us-east-1:000000000000:of-another-team"
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.create_queue(QueueName="of-another-team", Attributes={"Policy": policy})
    page = (ROOT / "docs" / "existing-account.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^ *```sh\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **account.cloud.engine.environment,
        "PATH": f"{ROOT / '.venvs' / 'aws' / 'bin'}:{os.environ['PATH']}",
    }

    def paste() -> dict[str, Any]:
        subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, env=environment, check=True)
        found: dict[str, Any] = s3.get_bucket_notification_configuration(Bucket="my-pictures")
        return found

    assert "EventBridgeConfiguration" in paste()
    s3.put_bucket_notification_configuration(
        Bucket="my-pictures",
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": queue, "Events": ["s3:ObjectRemoved:*"]}]},
    )
    both = paste()
    assert "EventBridgeConfiguration" in both
    assert [one["QueueArn"] for one in both["QueueConfigurations"]] == [queue]


def test_a_request_for_a_bucket_of_no_stack_is_ignored(account: Account) -> None:
    """Another stack may have a rule for that bucket: only one of them may answer."""
    key, ours = account.new_key(), account.new_key()
    account.client("s3").create_bucket(Bucket="bucket-of-no-stack")
    account.client("s3").put_object(Bucket="bucket-of-no-stack", Key=key, Body=SAMPLE.read_bytes())

    request(account, "bucket-of-no-stack", key)
    request(account, account.uploads, ours)

    assert account.ended(ours).status is JobStatus.REJECTED  # requested later and answered: there is no such image
    assert account.jobs_of(key) == []
    assert account.submitted(key) == []
