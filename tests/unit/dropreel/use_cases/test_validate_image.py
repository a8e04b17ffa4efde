"""ImageValidator: which images and requests are rejected, and the job that it returns."""

import hashlib
from dataclasses import replace

import pytest

from dropreel.domain.images import Image, ImageRef, Missing
from dropreel.domain.job import Charge, JobStatus
from dropreel.domain.messages import Drop
from dropreel.domain.next_steps import next_step
from dropreel.domain.prices import PRICE_CENTS
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.limits import MAX_IMAGE_BYTES
from tests.support.pictures import encoded, jpeg, picture
from tests.support.validation_harness import DROP, KEY, REQUEST, SIDECAR, Harness


@pytest.fixture
def harness() -> Harness:
    return Harness()


# --- unusable images -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "image_empty"),
        (b"notes", "image_format"),
        (jpeg()[:-9], "image_truncated"),
        (bytes(MAX_IMAGE_BYTES + 1), "image_too_large"),
    ],
)
def test_an_unusable_image_is_refused_with_its_code(harness: Harness, content, code):
    harness.image.content = content

    found, (message,) = harness.refused()

    assert found == code
    assert message.startswith("The ")


@pytest.mark.parametrize("key", ["beach.png", "beach.txt", "beach"])
def test_the_format_of_an_image_does_not_depend_on_its_name(harness: Harness, key):
    harness.image.key = key

    assert harness.accepted(replace(DROP, image=ImageRef("uploads", key, "v1"))).image.format == "JPEG"


@pytest.mark.parametrize(
    ("missing", "code", "step"),
    [
        (Missing.GONE, "image_missing", "Upload the image again; nothing was spent on this attempt."),
        (Missing.SUPERSEDED, "image_superseded", "Nothing: the newer upload has a job of its own."),
        (
            Missing.ARCHIVED,
            "image_archived",
            "Restore the object first, then upload the image again, or request its video by an event; nothing was spent.",
        ),
        (
            Missing.ENCRYPTED,
            "image_encrypted",
            "Upload the image again with SSE-S3 or SSE-KMS instead of SSE-C; nothing was spent.",
        ),
        (
            Missing.KMS_KEY,
            "image_kms_key",
            "Enable the KMS key, then upload the image again, or request its video by an event; nothing was spent.",
        ),
    ],
)
def test_an_image_that_cannot_be_read_is_refused_with_the_cause(harness: Harness, missing, code, step):
    harness.images.stored = missing

    job = harness.rejected()

    assert job.reason is not None
    assert (job.status, job.reason.code, next_step(job)) == (JobStatus.REJECTED, code, step)
    assert job.image.sha256 is None


def test_an_archived_image_that_is_too_large_is_refused_for_its_size(harness: Harness):
    harness.images.stored = Missing.ARCHIVED

    code, _messages = harness.refused(replace(DROP, size=MAX_IMAGE_BYTES + 1))

    assert code == "image_too_large"


def test_an_image_of_over_ten_million_bytes_is_refused_by_its_size_unread(harness: Harness):
    harness.image.content = None
    harness.put_file(SIDECAR, {"mode": "slow"})

    code, messages = harness.refused()

    assert code == "image_too_large"
    assert "10,000,001" in messages[0]
    assert "mode" in messages[1]
    assert harness.validate().job.image == Image("uploads", KEY, "v1", '"e1"', 10_000_001)


@pytest.mark.parametrize("key", ["./photo.jpg", "a/../b.jpg", "a/./b.jpg", "../a.jpg", "a/..", "a/.", "..", "/./a.jpg"])
def test_a_key_that_clients_change_is_rejected_without_asking_s3(harness: Harness, key):
    job = harness.rejected(Drop(ImageRef("uploads", key, "v1"), size=9))

    assert job.reason == Reason(
        ReasonCode.IMAGE_KEY,
        f"The key {key!r} has a . or .. between its slashes. HTTP clients remove it from an address, so the provider "
        "could not fetch the image.",
    )
    assert next_step(job) == "Upload the image again under a key without . or .. as a folder; nothing was spent."
    assert harness.journal == []


@pytest.mark.parametrize(
    "key",
    [
        ".hidden.jpg",
        "...",
        "a/.../b.jpg",
        "a..b/c.jpg",
        "a//b.jpg",
        "/a.jpg",
        "a/",
        "%2e%2e/b.jpg",
        "a\\..\\b.jpg",
        ". /a",
    ],
)
def test_a_key_with_dots_in_a_name_is_accepted(harness: Harness, key):
    harness.accepted(Drop(ImageRef("uploads", key, "v1")))


def test_a_bucket_of_another_stack_is_refused_unread(harness: Harness):
    code, (message,) = harness.refused(Drop(ImageRef("secrets", KEY), request_id="r1"))

    assert code == "bucket_not_allowed"
    assert message == "Images are taken from pictures, uploads, not from secrets."
    assert harness.journal == []


@pytest.mark.parametrize("length", [1019, 1020, 1024])
@pytest.mark.parametrize("key", ["a", "a/"])
def test_no_file_is_read_under_a_key_that_s3_does_not_allow(harness: Harness, key, length):
    harness.image.key = (key * length)[: length - 1] + "b"

    harness.accepted(replace(DROP, image=ImageRef("uploads", harness.image.key, "v1")))

    assert max(len(f"{name.removeprefix('uploads/')}json".encode()) for name in harness.images.listed) <= 1024


# --- invalid requests ----------------------------------------------------------------------------------------------


def test_a_faulty_request_is_rejected_with_every_fault_without_asking_s3(harness: Harness):
    code, messages = harness.refused(replace(REQUEST, faults=("image.key must be text.", "There is no 'x'.")))

    assert code == "request_invalid"
    assert messages == ("image.key must be text.", "There is no 'x'.")
    assert harness.journal == []


def test_a_faulty_request_leaves_its_job_as_it_was_received(harness: Harness):
    drop = replace(REQUEST, faults=("image.key must be text.",))

    assert harness.validate(drop).job == harness.received(drop)


# --- the validated job -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "duration"), list(PRICE_CENTS))
def test_a_job_costs_what_its_options_cost(harness: Harness, mode, duration):
    harness.put_file(SIDECAR, {"mode": mode, "duration": duration})

    assert harness.accepted().cost_cents == PRICE_CENTS[mode, duration]


def test_a_refused_job_costs_nothing(harness: Harness):
    harness.put_file(SIDECAR, {"mode": "slow"})

    job = harness.rejected()

    assert (job.cost_cents, job.charge) == (0, Charge.NONE)


def test_a_job_holds_exactly_the_version_that_was_validated(harness: Harness):
    image = harness.accepted(Drop(ImageRef("uploads", KEY), request_id="r1")).image

    assert image == Image(
        bucket="uploads",
        key=KEY,
        version_id="v1",
        etag='"e1"',
        size=len(jpeg()),
        sha256=hashlib.sha256(jpeg()).hexdigest(),
        format="JPEG",
        width=60,
        height=40,
    )


def test_validation_does_not_change_the_jobs_status(harness: Harness):
    job = harness.accepted()

    found = {"image", "modified_at", "options", "option_sources", "warnings", "cost_cents", "prices_version"}
    assert {name for name, value in vars(job).items() if value != getattr(harness.received(DROP), name)} == found


def test_a_small_picture_gets_a_warning_on_the_job(harness: Harness):
    (warning,) = harness.accepted().warnings

    assert "60 x 40" in warning


def test_a_large_picture_of_the_right_shape_gets_no_warning(harness: Harness):
    harness.image.content = encoded(picture(1920, 1080), "JPEG")

    assert harness.accepted().warnings == ()


@pytest.mark.parametrize(("orientation", "ratio"), [(1, "16:9"), (3, "16:9"), (6, "9:16"), (8, "9:16")])
def test_auto_is_the_ratio_of_the_picture_as_it_is_shown(harness: Harness, orientation, ratio):
    harness.image.content = jpeg(orientation=orientation)

    assert harness.accepted().options.aspect_ratio == ratio


@pytest.mark.parametrize(("orientation", "warnings"), [(1, 1), (6, 2)])
def test_a_shape_far_from_the_asked_ratio_is_validated_as_it_is_shown(harness: Harness, orientation, warnings):
    harness.image.content = jpeg(orientation=orientation)
    harness.put_file(SIDECAR, {"aspect_ratio": "16:9"})

    assert len(harness.accepted().warnings) == warnings


def test_a_job_measures_the_picture_as_it_is_shown(harness: Harness):
    harness.image.content = jpeg(orientation=6)

    image = harness.accepted().image

    assert (image.width, image.height) == (40, 60)


def test_an_auto_ratio_keeps_its_source_when_it_is_resolved(harness: Harness):
    harness.put_file(SIDECAR, {"aspect_ratio": "auto"})

    job = harness.accepted()

    assert (job.options.aspect_ratio, job.option_sources["aspect_ratio"]) == ("16:9", SIDECAR)
