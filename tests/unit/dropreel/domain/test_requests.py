"""Request events, in which any field can be invalid."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.images import ImageRef
from dropreel.domain.job import job_id_of
from dropreel.domain.messages import Drop, decode_drop
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_events import load_event

IMAGE = {"bucket": "uploads", "key": "a b+é.jpg"}


def request_with(detail):
    return {"detail-type": "Video Generation Requested", "source": "my.shop", "id": "e-1", "detail": detail}


def fault_of(detail):
    """The one fault of a request."""
    (found,) = decode_drop(request_with(detail)).faults
    return found


def test_the_sample_request_is_valid():
    drop = decode_drop(load_event("video_generation_requested"))

    assert drop == Drop(
        ImageRef("dropreel-uploads-example", "holiday/on the beach+1.jpg"),
        request_id="order-4711",
        options={"prompt": "slow zoom out", "duration": 10},
    )


def test_a_request_needs_only_its_image():
    assert decode_drop(request_with({"image": IMAGE})) == Drop(ImageRef("uploads", "a b+é.jpg"), request_id="e-1")


def test_a_request_may_name_one_version():
    image = decode_drop(request_with({"image": {**IMAGE, "version_id": "v1"}})).image

    assert image == ImageRef("uploads", "a b+é.jpg", "v1")


def test_a_request_for_the_version_null_names_no_version():
    drop = decode_drop(request_with({"image": {**IMAGE, "version_id": "null"}}))

    assert (drop.image.version_id, drop.faults) == (None, ())


@pytest.mark.parametrize("options", [{}, None])
def test_a_request_without_options_has_none(options):
    drop = decode_drop(request_with({"image": IMAGE, "options": options}))

    assert (drop.options, drop.faults) == ({}, ())


def test_a_requests_options_are_not_validated_here():
    drop = decode_drop(request_with({"image": IMAGE, "options": {"mode": "slow", "nonsense": [1]}}))

    assert (drop.options, drop.faults) == ({"mode": "slow", "nonsense": [1]}, ())


def test_the_same_request_id_in_two_events_is_one_job():
    events = [{**request_with({"image": IMAGE, "request_id": "r1"}), "id": name} for name in ("e-1", "e-2")]

    first, second = (job_id_of(drop.image, drop.request_id) for drop in map(decode_drop, events))

    assert first == second


def test_without_a_request_id_each_event_is_its_own_job():
    events = [{**request_with({"image": IMAGE}), "id": name} for name in ("e-1", "e-2")]

    first, second = (job_id_of(drop.image, drop.request_id) for drop in map(decode_drop, events))

    assert first != second


def test_without_a_request_id_one_event_delivered_twice_is_one_job():
    first, second = (decode_drop(request_with({"image": IMAGE})) for _ in range(2))

    assert job_id_of(first.image, first.request_id) == job_id_of(second.image, second.request_id)


@pytest.mark.parametrize(
    "detail", [{}, {"image": None}, {"image": {}}, {"image": "a.jpg"}, {"image": []}, [], "x", None]
)
def test_a_request_without_an_image_is_a_fault(detail):
    faults = decode_drop(request_with(detail)).faults

    assert any(fault.startswith("image must be an object") for fault in faults)


@pytest.mark.parametrize("value", [None, "", 5, True, [], {}, ["uploads"]])
@pytest.mark.parametrize("name", ["bucket", "key"])
def test_an_image_needs_its_bucket_and_its_key_as_text(name, value):
    assert fault_of({"image": {**IMAGE, name: value}}).startswith(f"image.{name} must be text")


@pytest.mark.parametrize("name", ["bucket", "key"])
def test_an_image_without_a_bucket_or_key_is_a_fault_with_its_name(name):
    image = {other: value for other, value in IMAGE.items() if other != name}

    assert f"image.{name}" in fault_of({"image": image})


@pytest.mark.parametrize("value", ["", 5, False, [], {}])
def test_a_version_that_is_no_text_is_a_fault(value):
    assert fault_of({"image": {**IMAGE, "version_id": value}}).startswith("image.version_id must be text")


@pytest.mark.parametrize("value", ["", 4711, False, [], {}])
def test_a_request_id_that_is_no_text_is_a_fault(value):
    assert fault_of({"image": IMAGE, "request_id": value}).startswith("request_id must be text")


@pytest.mark.parametrize("value", ["r" * 257, "two\nlines", "half \ud83d", "\x00"])
def test_an_invalid_request_id_is_a_fault_and_not_kept(value):
    assert fault_of({"image": IMAGE, "request_id": value}).startswith("request_id must be at most 256 printable")
    assert decode_drop(request_with({"image": IMAGE, "request_id": value})).request_id == "e-1"


def test_a_request_id_in_any_language_is_valid():
    assert decode_drop(request_with({"image": IMAGE, "request_id": "注文 4711/é"})).request_id == "注文 4711/é"


@pytest.mark.parametrize("value", ["prompt", 5, True, [], [{"prompt": "x"}], ""])
def test_options_that_are_no_object_are_a_fault(value):
    assert fault_of({"image": IMAGE, "options": value}).startswith("options must be an object")


def test_an_unknown_field_of_a_request_is_a_fault_with_the_allowed_ones():
    found = fault_of({"image": IMAGE, "option": {}})

    assert "'option'" in found
    assert "allowed are image, options and request_id" in found


def test_an_unknown_field_of_the_image_is_a_fault_with_the_allowed_ones():
    found = fault_of({"image": {**IMAGE, "etag": "e1"}})

    assert "'etag'" in found
    assert "allowed are bucket, key and version_id" in found


def test_every_fault_of_a_request_is_reported():
    detail = {"image": {"bucket": 5, "keys": "a.jpg"}, "request_id": 7, "options": [], "urgent": True}

    assert len(decode_drop(request_with(detail)).faults) == 6


def test_an_invalid_request_keeps_its_id():
    drop = decode_drop(request_with({"image": {"bucket": 5}, "request_id": "r1"}))

    assert drop.request_id == "r1"


def test_a_long_value_is_cut_in_a_fault():
    assert len(fault_of({"image": IMAGE, "options": "x" * 100_000})) < 200


@pytest.mark.parametrize("key", ["é" * 513, "half \ud83d"])
def test_a_key_that_is_invalid_in_s3_is_a_fault(key):
    assert "image.key" in fault_of({"image": {**IMAGE, "key": key}})


@pytest.mark.parametrize("bucket", ["b" * 64, "bücket", "half \ud83d", "two\nlines"])
def test_a_bucket_that_is_invalid_in_s3_is_a_fault(bucket):
    assert "image.bucket" in fault_of({"image": {**IMAGE, "bucket": bucket}})


@pytest.mark.parametrize("version", ["v" * 1025, "é", "v\n", "half \ud83d"])
def test_a_version_that_is_invalid_in_s3_is_a_fault(version):
    assert "image.version_id" in fault_of({"image": {**IMAGE, "version_id": version}})


def test_the_longest_names_of_s3_are_valid():
    image = {"bucket": "b" * 63, "key": "é" * 512, "version_id": "v" * 1024}

    drop = decode_drop(request_with({"image": image}))

    assert drop.faults == ()
    assert (drop.image.bucket, drop.image.key, drop.image.version_id) == tuple(image.values())


def test_an_invalid_name_is_not_kept():
    image = decode_drop(request_with({"image": {"bucket": "b" * 64, "key": "\ud83d", "version_id": "é"}})).image

    assert image == ImageRef("", "")


def test_of_thousands_of_faults_20_and_the_number_are_kept():
    faults = decode_drop(request_with({"image": IMAGE, **{f"o{number}": 0 for number in range(5000)}})).faults

    assert len(faults) == 21
    assert faults[-1] == "and 4,980 more."


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["image", "options", "request_id", "bucket", "key", "version_id"])
                | st.text(max_size=5),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_a_request_of_any_form_is_decoded_and_names_an_image_or_a_fault(detail):
    drop = decode_drop(request_with(detail))

    assert drop.faults or (drop.image.bucket and drop.image.key)
    assert drop.request_id


SIGNED = (
    f"https://uploads.s3.amazonaws.com/a.jpg?X-Amz-Credential=AKIAQ7XK2MPLR5VN3TBC&X-Amz-Signature={'5ec2e7f0' * 8}"
)


@pytest.mark.parametrize("where", ["image.bucket", "image.key", "image.version_id", "request_id"])
def test_a_signed_url_in_a_request_is_a_fault_that_does_not_repeat_it(where):
    detail = {"image": {"bucket": "uploads", "key": "a.jpg"}, "request_id": "r"}
    holder = detail["image"] if "." in where else detail
    assert isinstance(holder, dict)
    holder[where.rpartition(".")[2]] = SIGNED[-100:]

    drop = decode_drop({**load_event("video_generation_requested"), "detail": detail})

    assert (
        "5ec2e7f0"
        not in repr(replace(drop, faults=())) + Reason(ReasonCode.REQUEST_INVALID, " ".join(drop.faults)).message
    )
    assert any(where in fault for fault in drop.faults)
