"""Half a surrogate pair on the whole way, through the real adapters: the image is rejected, and its owner is told."""

from typing import Any

import boto3
import pytest

from tests.integration.conftest import World, call
from tests.sample_events import from_queue, object_created


def assert_is_rejected_and_told(world: World, event: dict[str, Any], code: str, told: str) -> None:
    assert call("submit_generation", event) == {"outcome": "rejected"}

    job, (published,) = world.job(), world.events()
    assert job["reason"]["code"] == code
    assert told in job["reason"]["message"]
    assert published["detail-type"] == "Video Generation Rejected"
    assert published["detail"]["data"]["reason"]["message"] == job["reason"]["message"]
    assert world.simulator.summary()["paid"] == 0


@pytest.mark.parametrize("name", ["key", "etag", "sequencer"])
def test_an_upload_whose_event_is_no_unicode(world: World, name: str) -> None:
    event = object_created(world.uploads, "a.jpg", 9, "e1", "v1", "01")
    event["detail"]["object"][name] = "a\ud800"

    assert_is_rejected_and_told(world, from_queue(event), "request_invalid", f"{name} is not valid Unicode")


def test_a_sidecar_whose_prompt_is_no_unicode(world: World) -> None:
    boto3.client("s3").put_object(Bucket=world.uploads, Key="a.jpg.json", Body=rb'{"prompt": "a \ud800 face"}')

    told = r"a.jpg.json: prompt is 'a \ud800 face'; it is not valid Unicode"
    assert_is_rejected_and_told(world, world.upload("a.jpg"), "options_invalid", told)


def test_metadata_whose_prompt_is_no_unicode(world: World) -> None:
    event = world.upload("a.jpg", metadata={"prompt": "=?utf-7?Q?a+2AA-?="})

    told = r"S3 metadata: prompt is 'a\ud800'; it is not valid Unicode"
    assert_is_rejected_and_told(world, event, "options_invalid", told)


def test_a_request_with_an_option_whose_name_is_no_unicode(world: World) -> None:
    world.upload("a.jpg")
    detail = {"image": {"bucket": world.uploads, "key": "a.jpg"}, "options": {"a\ud800": 1}, "request_id": "r1"}
    event = from_queue({"detail-type": "Video Generation Requested", "id": "e1", "detail": detail})

    assert_is_rejected_and_told(world, event, "options_invalid", r"request: there is no option 'a\ud800'")
