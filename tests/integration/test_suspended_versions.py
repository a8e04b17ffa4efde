"""A bucket with suspended versioning: every upload to a key is the version `null` and replaces the one before."""

from typing import Any

import boto3
import pytest

from tests.integration.conftest import SAMPLE, MotoStack, call
from tests.integration.test_whole_way import wait_for_end
from tests.support.sample_events import from_queue, object_created

FIRST, SECOND = (SAMPLE.read_bytes() + tail for tail in (b"\0", b"\0\0"))


@pytest.fixture(autouse=True)
def _suspended(stack: MotoStack) -> None:
    boto3.client("s3").put_bucket_versioning(Bucket=stack.uploads, VersioningConfiguration={"Status": "Suspended"})


def upload(stack: MotoStack, body: bytes, sequencer: str) -> dict[str, Any]:
    """Put a picture under the one key; return its event as S3 sends it for such a bucket, in the queue's message."""
    put = boto3.client("s3").put_object(Bucket=stack.uploads, Key="a.jpg", Body=body)
    return from_queue(object_created(stack.uploads, "a.jpg", len(body), put["ETag"], "null", sequencer))


def request(stack: MotoStack, **image: str) -> dict[str, Any]:
    detail = {"image": {"bucket": stack.uploads, "key": "a.jpg", **image}, "request_id": "r1"}
    return from_queue({"detail-type": "Video Generation Requested", "id": "e1", "detail": detail})


def submit(event: dict[str, Any]) -> str:
    outcome: str = call("submit_generation", event)["outcome"]
    return outcome


def test_two_uploads_to_one_key_are_two_jobs(stack: MotoStack) -> None:
    first = submit(upload(stack, FIRST, "01"))
    second = submit(upload(stack, SECOND, "02"))

    assert (first, second) == ("generating", "generating")
    assert len(stack.jobs()) == 2
    assert stack.simulator.summary()["paid"] == 2


def test_a_duplicate_upload_event_is_one_job(stack: MotoStack) -> None:
    event = upload(stack, FIRST, "01")

    submit(event)
    submit(event)

    assert len(stack.jobs()) == 1
    assert stack.simulator.summary()["paid"] == 1


def test_a_picture_replaced_before_its_event_is_not_paid(stack: MotoStack) -> None:
    replaced, there = upload(stack, FIRST, "01"), upload(stack, SECOND, "02")

    assert submit(replaced) == "rejected"
    assert submit(there) == "generating"
    wait_for_end(stack)

    ended = {job["status"]: job for job in stack.jobs()}
    assert ended["rejected"]["reason"]["code"] == "image_superseded"
    assert (ended["completed"]["image"]["version_id"], int(ended["completed"]["image"]["size"])) == (None, len(SECOND))
    assert stack.simulator.summary()["paid"] == 1


def test_a_picture_replaced_while_its_job_waited_is_not_paid(stack: MotoStack) -> None:
    busy = {"kind": "status", "status": 429, "headers": {"Retry-After": "5"}, "paid": False}
    stack.simulator.set_faults([{"on": "submit", "times": 1, "do": busy}])
    assert submit(upload(stack, FIRST, "01")) == "deferred"
    (waiting,) = stack.jobs()

    assert submit(upload(stack, SECOND, "02")) == "generating"
    _make_due(stack, waiting)
    again = {"job_id": waiting["job_id"], "attempt": 1, "requeues": 1}

    assert submit(from_queue(again)) == "rejected"
    ended = {job["job_id"]: job for job in stack.jobs()}[waiting["job_id"]]
    assert ended["reason"]["code"] == "image_superseded"
    assert stack.simulator.summary()["paid"] == 1


@pytest.mark.parametrize("image", [{}, {"version_id": "null"}], ids=["no version", "null"])
def test_a_request_uses_the_current_picture(stack: MotoStack, image: dict[str, str]) -> None:
    upload(stack, FIRST, "01")
    upload(stack, SECOND, "02")

    assert submit(request(stack, **image)) == "generating"

    job = stack.job()
    assert (job["image"]["version_id"], int(job["image"]["size"])) == (None, len(SECOND))


def _make_due(stack: MotoStack, job: dict[str, Any]) -> None:
    boto3.resource("dynamodb").Table(stack.table).update_item(
        Key={"job_id": job["job_id"], "row": "job"},
        UpdateExpression="SET retry_at = :then",
        ExpressionAttributeValues={":then": job["created_at"]},
    )
