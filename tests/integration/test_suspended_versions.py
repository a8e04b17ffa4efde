"""A bucket whose versioning is suspended: every upload to a key is the version `null`, and only the last one is there."""

from typing import Any

import boto3
import pytest

from tests.integration.conftest import SAMPLE, World, call
from tests.integration.test_whole_way import wait_for_end
from tests.sample_events import from_queue, object_created

FIRST, SECOND = (SAMPLE.read_bytes() + tail for tail in (b"\0", b"\0\0"))


@pytest.fixture(autouse=True)
def _suspended(world: World) -> None:
    boto3.client("s3").put_bucket_versioning(Bucket=world.uploads, VersioningConfiguration={"Status": "Suspended"})


def upload(world: World, body: bytes, sequencer: str) -> dict[str, Any]:
    """Put a picture under the one key; return the queue's event about it, as S3 words it for such a bucket."""
    put = boto3.client("s3").put_object(Bucket=world.uploads, Key="a.jpg", Body=body)
    return from_queue(object_created(world.uploads, "a.jpg", len(body), put["ETag"], "null", sequencer))


def request(world: World, **image: str) -> dict[str, Any]:
    detail = {"image": {"bucket": world.uploads, "key": "a.jpg", **image}, "request_id": "r1"}
    return from_queue({"detail-type": "Video Generation Requested", "id": "e1", "detail": detail})


def submit(event: dict[str, Any]) -> str:
    outcome: str = call("submit_generation", event)["outcome"]
    return outcome


def test_two_uploads_to_one_key_are_two_jobs(world: World) -> None:
    first = submit(upload(world, FIRST, "01"))
    second = submit(upload(world, SECOND, "02"))

    assert (first, second) == ("generating", "generating")
    assert len(world.jobs()) == 2
    assert world.simulator.summary()["paid"] == 2


def test_an_upload_that_comes_twice_is_one_job(world: World) -> None:
    event = upload(world, FIRST, "01")

    submit(event)
    submit(event)

    assert len(world.jobs()) == 1
    assert world.simulator.summary()["paid"] == 1


def test_a_picture_replaced_before_its_event_came_is_not_paid(world: World) -> None:
    replaced, there = upload(world, FIRST, "01"), upload(world, SECOND, "02")

    assert submit(replaced) == "rejected"
    assert submit(there) == "generating"
    wait_for_end(world)

    ended = {job["status"]: job for job in world.jobs()}
    assert ended["rejected"]["reason"]["code"] == "image_superseded"
    assert (ended["completed"]["image"]["version_id"], int(ended["completed"]["image"]["size"])) == (None, len(SECOND))
    assert world.simulator.summary()["paid"] == 1


def test_a_picture_replaced_while_its_job_waited_is_not_paid(world: World) -> None:
    busy = {"kind": "status", "status": 429, "headers": {"Retry-After": "5"}, "paid": False}
    world.simulator.set_faults([{"on": "submit", "times": 1, "do": busy}])
    assert submit(upload(world, FIRST, "01")) == "deferred"
    (waiting,) = world.jobs()

    assert submit(upload(world, SECOND, "02")) == "generating"
    _let_it_be_due(world, waiting)
    again = {"job_id": waiting["job_id"], "attempt": 1, "requeues": 1}

    assert submit(from_queue(again)) == "rejected"
    ended = {job["job_id"]: job for job in world.jobs()}[waiting["job_id"]]
    assert ended["reason"]["code"] == "image_superseded"
    assert world.simulator.summary()["paid"] == 1


@pytest.mark.parametrize("image", [{}, {"version_id": "null"}], ids=["no version", "null"])
def test_a_request_takes_the_picture_that_is_there(world: World, image: dict[str, str]) -> None:
    upload(world, FIRST, "01")
    upload(world, SECOND, "02")

    assert submit(request(world, **image)) == "generating"

    job = world.job()
    assert (job["image"]["version_id"], int(job["image"]["size"])) == (None, len(SECOND))


def _let_it_be_due(world: World, job: dict[str, Any]) -> None:
    boto3.resource("dynamodb").Table(world.table).update_item(
        Key={"job_id": job["job_id"], "row": "job"},
        UpdateExpression="SET retry_at = :then",
        ExpressionAttributeValues={":then": job["created_at"]},
    )
