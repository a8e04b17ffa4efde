"""Validation decides which images are prepared first; options and price are settled before that."""

from dataclasses import replace

import pytest

from dropreel.domain.images import Missing
from dropreel.domain.messages import Drop
from dropreel.domain.options import Options
from dropreel.domain.prices import DOCUMENTED
from dropreel.media.images.preparation import HEAD_BYTES, MAX_ORIGINAL_BYTES
from dropreel.provider.limits import MAX_IMAGE_BYTES
from dropreel.use_cases.validate_image import ImageValidator, ValidatedImage
from tests.support.pictures import jpeg
from tests.support.prepared_images import HEIC
from tests.support.sample_jobs import NOON, PRICE
from tests.support.validation_harness import DROP, KEY, SIDECAR, Harness


@pytest.fixture
def harness() -> Harness:
    return Harness()


def validate(harness: Harness, content: bytes | None, drop: Drop = DROP, *, prepares: bool = True) -> ValidatedImage:
    harness.image.content, harness.image.head = content, (content or jpeg())[:HEAD_BYTES]
    validator = ImageValidator(
        harness.images, frozenset({"uploads"}), harness.parameters, prepares=prepares, prices=DOCUMENTED
    )
    return validator.validate(drop, harness.received(drop))


@pytest.mark.parametrize(
    ("content", "is_prepared_first"),
    [(jpeg(), False), (HEIC, True), (jpeg(orientation=6), True), (None, True)],
    ids=["upright", "HEIC", "rotated by Exif", "over ten megabytes"],
)
def test_only_what_must_be_is_prepared_first(harness: Harness, content, is_prepared_first: bool):
    validated = validate(harness, content)

    assert (validated.reason, validated.is_prepared_first) == (None, is_prepared_first)


def test_before_the_preparation_auto_is_open_and_there_are_no_warnings(harness: Harness):
    job = validate(harness, HEIC).job

    assert job.options == Options("from the stack", "fast", "", "auto", 5, 0.5, True)
    assert (job.warnings, job.cost_cents) == ((), PRICE)


def test_without_a_preparation_auto_is_a_ratio(harness: Harness):
    job = validate(harness, jpeg()).job

    assert job.options is not None
    assert job.options.aspect_ratio == "16:9"
    assert job.warnings != ()


@pytest.mark.parametrize("content", [jpeg(), HEIC])
def test_the_job_keeps_when_the_original_was_written(harness: Harness, content: bytes):
    assert validate(harness, content).job.modified_at == NOON


def test_an_image_that_is_parsed_has_its_size_before_it_is_prepared(harness: Harness):
    image = validate(harness, jpeg(orientation=6)).job.image

    assert (image.format, image.width, image.height) == ("JPEG", 40, 60)


def test_wrong_options_come_before_the_preparation_and_name_all_faults(harness: Harness):
    harness.put_file(SIDECAR, {"mode": "slow", "duration": 7})

    validated = validate(harness, HEIC)

    assert validated.reason is not None
    assert (validated.reason.code, validated.is_prepared_first) == ("options_invalid", False)
    assert len(validated.reason.messages) == 2


@pytest.mark.parametrize(
    ("size", "prepares", "code"),
    [
        (MAX_IMAGE_BYTES, True, "image_archived"),
        (MAX_IMAGE_BYTES + 1, True, "image_archived"),
        (MAX_ORIGINAL_BYTES, True, "image_archived"),
        (MAX_ORIGINAL_BYTES + 1, True, "image_too_large"),
        (MAX_IMAGE_BYTES, False, "image_archived"),
        (MAX_IMAGE_BYTES + 1, False, "image_too_large"),
    ],
)
def test_an_archived_image_too_large_to_prepare_is_refused_for_its_size(harness: Harness, size, prepares, code):
    harness.images.stored = Missing.ARCHIVED

    validated = validate(harness, jpeg(), replace(DROP, size=size), prepares=prepares)

    assert validated.reason is not None
    assert validated.reason.code == code


@pytest.mark.parametrize("content", [HEIC, None])
def test_with_never_nothing_is_prepared(harness: Harness, content):
    validated = validate(harness, content, prepares=False)

    assert (validated.reason is not None, validated.is_prepared_first) == (True, False)


def test_a_rotated_image_is_taken_as_it_is_with_never(harness: Harness):
    validated = validate(harness, jpeg(orientation=6), prepares=False)

    assert (validated.reason, validated.is_prepared_first) == (None, False)
    assert validated.job.image.key == KEY
