"""Half a surrogate pair, through the real adapters: the image is rejected, with an event that says why."""

from typing import Any

import boto3
import pytest

from tests.integration.conftest import MotoStack, call
from tests.support.sample_events import from_queue, object_created


def assert_is_rejected(stack: MotoStack, event: dict[str, Any], code: str, message: str) -> None:
    assert call("submit_generation", event) == {"outcome": "rejected"}

    job, (published,) = stack.job(), stack.events()
    assert job["reason"]["code"] == code
    assert message in job["reason"]["message"]
    assert published["detail-type"] == "Video Generation Rejected"
    assert published["detail"]["data"]["reason"]["message"] == job["reason"]["message"]
    assert stack.simulator.summary()["paid"] == 0


@pytest.mark.parametrize("name", ["key", "etag", "sequencer"])
def test_an_upload_whose_event_is_no_unicode(stack: MotoStack, name: str) -> None:
    event = object_created(stack.uploads, "a.jpg", 9, "e1", "v1", "01")
    event["detail"]["object"][name] = "a\ud800"

    assert_is_rejected(stack, from_queue(event), "request_invalid", f"{name} is not valid Unicode")


def test_a_sidecar_whose_prompt_is_no_unicode(stack: MotoStack) -> None:
    boto3.client("s3").put_object(Bucket=stack.uploads, Key="a.jpg.json", Body=rb'{"prompt": "a \ud800 face"}')

    message = r"a.jpg.json: prompt is 'a \ud800 face'; it is not valid Unicode"
    assert_is_rejected(stack, stack.upload("a.jpg"), "options_invalid", message)


def test_metadata_whose_prompt_is_no_unicode(stack: MotoStack) -> None:
    event = stack.upload("a.jpg", metadata={"prompt": "=?utf-7?Q?a+2AA-?="})

    message = r"S3 metadata: prompt is 'a\ud800'; it is not valid Unicode"
    assert_is_rejected(stack, event, "options_invalid", message)


def test_a_request_with_an_option_whose_name_is_no_unicode(stack: MotoStack) -> None:
    stack.upload("a.jpg")
    detail = {"image": {"bucket": stack.uploads, "key": "a.jpg"}, "options": {"a\ud800": 1}, "request_id": "r1"}
    event = from_queue({"detail-type": "Video Generation Requested", "id": "e1", "detail": detail})

    assert_is_rejected(stack, event, "options_invalid", r"request: there is no option 'a\ud800'")
