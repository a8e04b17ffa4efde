"""In a bucket with a prefix, only keys under the prefix are read and accepted."""

import json
from typing import Any

import pytest

from dropreel.domain.images import Image, ImageRef
from dropreel.domain.job import job_id_of, receive
from dropreel.domain.messages import Drop
from dropreel.domain.prices import DOCUMENTED
from dropreel.domain.reasons import ReasonCode
from dropreel.use_cases.validate_image import ImageValidator, ValidatedImage
from tests.support.fake_stack import STACK
from tests.support.fakes import FakeImageBucket, FakeStoredImage
from tests.support.pictures import jpeg
from tests.support.sample_jobs import NOON


def validated(
    key: str, prefix: str, bucket: str = "pictures", files: dict[str, dict[str, Any]] | None = None
) -> tuple[ValidatedImage, list[str]]:
    """Return the validated image, and the prefixes that were listed for its option files."""
    journal: list[str] = []
    image = FakeStoredImage(journal, content=jpeg(), bucket=bucket, key=key)
    images = FakeImageBucket(journal, stored=image)
    images.files = {name: json.dumps(options).encode() for name, options in (files or {}).items()}
    validator = ImageValidator(
        images, frozenset({"uploads", "pictures"}), STACK, {"pictures": prefix}, prices=DOCUMENTED
    )
    drop = Drop(ImageRef(bucket, key, "v1", "e1", "s1"), size=len(jpeg()), request_id="r1")
    job = receive(job_id_of(drop.image, "r1"), Image(bucket, key, "v1", "e1"), NOON, request_id="r1")
    return validator.validate(drop, job), images.listed


def test_an_image_under_the_prefix_is_taken():
    found, _ = validated("shop/a.jpg", "shop/")

    assert found.reason is None


@pytest.mark.parametrize("key", ["other/a.jpg", "shop.jpg", "Shop/a.jpg", "a/shop/a.jpg"])
def test_an_image_outside_of_the_prefix_is_rejected_unread_with_a_reason(key):
    found, asked = validated(key, "shop/")

    assert found.reason is not None
    assert found.reason.code is ReasonCode.BUCKET_NOT_ALLOWED
    assert found.reason.message == f"Images in pictures are taken from shop/ only; '{key}' is outside of it."
    assert asked == []


def test_the_stacks_own_bucket_has_no_prefix():
    found, asked = validated("anywhere/a.jpg", "shop/", bucket="uploads")

    assert found.reason is None
    assert "uploads/dropreel." in asked


def test_option_files_above_the_prefix_are_not_read():
    """The role may not read them: S3 would answer 403, and every image would be rejected."""
    _, asked = validated("shop/summer/a.jpg", "shop/")

    assert asked == ["pictures/shop/dropreel.", "pictures/shop/summer/dropreel.", "pictures/shop/summer/a.jpg."]


def test_a_folder_default_under_the_prefix_counts_and_one_above_does_not():
    files: dict[str, dict[str, Any]] = {"shop/dropreel.json": {"mode": "hq"}, "dropreel.json": {"duration": 10}}

    options = validated("shop/a.jpg", "shop/", files=files)[0].job.options

    assert options is not None
    assert (options.mode, options.duration) == ("hq", 5)


def test_a_prefix_may_end_within_a_name():
    inside, asked = validated("shop/in-1.jpg", "shop/in-")
    outside, _ = validated("shop/out-1.jpg", "shop/in-")

    assert inside.reason is None
    assert outside.reason is not None
    assert asked == ["pictures/shop/in-1.jpg."]


def test_an_image_of_another_bucket_is_rejected_for_its_bucket():
    found, _ = validated("shop/a.jpg", "shop/", bucket="another-bucket")

    assert found.reason is not None
    assert "not from another-bucket" in found.reason.message
