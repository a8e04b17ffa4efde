"""The image of a job: what is submitted, and how it is written as JSON."""

import json

import pytest

from dropreel.domain.events import detail_of
from dropreel.domain.images import Image, ImageRef
from dropreel.domain.job import EventType, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.receipts import receipt_of
from tests.support.sample_jobs import IMAGE, NOON, PREPARED, VIDEO, job_with

HEIC = IMAGE._replace(format="HEIC", prepared=PREPARED)
WRITTEN = {**PREPARED._asdict(), "reasons": ["format", "color_profile"]}


def over_the_wire(document: object) -> object:
    return json.loads(json.dumps(document))


def test_an_image_is_submitted_as_it_is_where_nothing_was_prepared():
    assert IMAGE.submitted_ref == IMAGE.ref == ImageRef("uploads", "holiday/beach.jpg", "v1", '"e1"')
    assert (IMAGE.submitted_sha256, IMAGE.submitted_format) == (IMAGE.sha256, "JPEG")


def test_a_prepared_copy_is_submitted_in_the_images_place():
    assert HEIC.submitted_ref == ImageRef("prepared", PREPARED.key)
    assert (HEIC.submitted_sha256, HEIC.submitted_format) == (PREPARED.sha256, "JPEG")
    assert HEIC.ref == IMAGE.ref


def test_before_its_validation_an_image_has_no_format():
    assert Image("uploads", "a.jpg").submitted_format == ""


@pytest.mark.parametrize("image", [IMAGE, HEIC, Image("uploads", "a.jpg")])
def test_an_image_is_read_back_from_its_json(image: Image):
    assert Image.from_json(json.loads(json.dumps(image.as_json()))) == image


def test_an_image_without_a_prepared_copy_has_no_such_field():
    assert "prepared" not in IMAGE.as_json()
    assert over_the_wire(HEIC.as_json()["prepared"]) == WRITTEN


@pytest.mark.parametrize("event", EventType)
def test_every_event_says_what_was_prepared(event: EventType):
    job = job_with(status=JobStatus.FAILED, image=HEIC, reason=Reason(ReasonCode.TIMED_OUT, "x"))

    assert over_the_wire(detail_of(job, event)["data"]["image"]["prepared"]) == WRITTEN


def test_a_receipt_says_what_was_prepared_and_both_digests():
    image = receipt_of(job_with(image=HEIC), VIDEO, NOON)["image"]

    assert over_the_wire(image["prepared"]) == WRITTEN
    assert (image["sha256"], image["format"]) == (IMAGE.sha256, "HEIC")


@pytest.mark.parametrize("reason", [None, Reason(ReasonCode.DEAD_LETTER, "It could not be processed.")])
def test_an_event_never_has_the_status_preparing(reason: Reason | None):
    job = job_with(status=JobStatus.PREPARING, generation_id=None, reason=reason)

    assert detail_of(job, EventType.DEFERRED)["data"]["status"] == "deferred"
