import json
from datetime import timedelta

import pytest

from dropreel.domain.options import OPTION_NAMES
from dropreel.domain.receipts import receipt_key, receipt_of
from tests.support.sample_jobs import NOON, VIDEO, job_with


@pytest.mark.parametrize(
    ("video", "receipt"),
    [
        ("holiday/beach-gen_1.mp4", "holiday/beach-gen_1.json"),
        ("a.mp4/b-gen_1.mp4", "a.mp4/b-gen_1.json"),
        ("b.mp4-gen_1.mp4", "b.mp4-gen_1.json"),
    ],
)
def test_a_receipt_lies_beside_its_video(video, receipt):
    assert receipt_key(video) == receipt


def test_a_receipt_names_the_source_the_job_and_the_generation():
    job = job_with(attempt=2)

    receipt = receipt_of(job, VIDEO, NOON)

    assert receipt["image"] == job.image.as_json()
    assert (receipt["job_id"], receipt["attempt"], receipt["generation_id"]) == (job.job_id, 2, "gen_1")


def test_a_receipt_has_each_option_and_its_source():
    job = job_with(option_sources={**dict.fromkeys(OPTION_NAMES, "stack parameters"), "prompt": "request"})

    options = receipt_of(job, VIDEO, NOON)["options"]

    assert options["prompt"] == {"value": "a slow push in", "from": "request"}
    assert options["sound"] == {"value": True, "from": "stack parameters"}
    assert set(options) == set(OPTION_NAMES)


@pytest.mark.parametrize(("cents", "dollars"), [(47, 0.47), (94, 0.94), (187, 1.87)])
def test_a_receipt_has_the_price_in_dollars(cents, dollars):
    assert receipt_of(job_with(cost_cents=cents), VIDEO, NOON)["cost_usd"] == dollars


@pytest.mark.parametrize("version", ["documented-2026-11", "custom-1a2b3c4d", None])
def test_a_receipt_has_the_version_of_the_prices(version):
    assert receipt_of(job_with(prices_version=version), VIDEO, NOON)["prices"] == {"version": version}


def test_a_receipt_has_the_times_and_the_length_of_the_generation():
    job = job_with(created_at=NOON - timedelta(seconds=3))

    timings = receipt_of(job, VIDEO, NOON + timedelta(seconds=95, microseconds=1499))["timings"]

    assert timings == {
        "created_at": "2026-05-04T11:59:57+00:00",
        "submitted_at": "2026-05-04T12:00:00+00:00",
        "delivered_at": "2026-05-04T12:01:35.001499+00:00",
        "generation_seconds": 95.001,
    }


def test_a_receipt_has_the_number_of_polls():
    assert receipt_of(job_with(polls=17), VIDEO, NOON)["polls"] == 17


def test_a_receipt_repeats_the_warnings():
    assert receipt_of(job_with(warnings=("It is small.",)), VIDEO, NOON)["warnings"] == ["It is small."]


def test_a_receipt_names_the_video_by_its_bytes():
    assert receipt_of(job_with(), VIDEO._replace(version_id="v9"), NOON)["video"] == {
        "bucket": "videos",
        "key": "holiday/beach-gen_1.mp4",
        "size": 99,
        "sha256": "ab" * 32,
        "duration_seconds": 5.04,
        "width": 640,
        "height": 360,
        "version_id": "v9",
    }


def test_a_receipt_is_json():
    receipt = receipt_of(job_with(warnings=("It is small.",)), VIDEO, NOON)

    assert json.loads(json.dumps(receipt)) == receipt
