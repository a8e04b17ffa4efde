import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.jobs import ImageRef, JobStatus, Reason, execution_name, is_image_key, job_id_of
from tests.unit.dropreel.sample_jobs import job_with

VERSIONED = ImageRef("uploads", "holiday/beach.jpg", version_id="v1", etag='"e1"', sequencer="0055AED6DCD90281E5")
UNVERSIONED = replace(VERSIONED, version_id=None)


def test_duplicate_deliveries_meet_the_same_job():
    duplicate = ImageRef("uploads", "holiday/beach.jpg", version_id="v1", etag='"e1"', sequencer="0055AED6DCD90281E5")

    assert job_id_of(duplicate) == job_id_of(VERSIONED)


@pytest.mark.parametrize("field", ["etag", "sequencer"])
def test_only_the_version_counts_where_there_is_one(field):
    other_source_of_the_event = replace(VERSIONED, **{field: None})

    assert job_id_of(other_source_of_the_event) == job_id_of(VERSIONED)


@pytest.mark.parametrize("change", [{"bucket": "other"}, {"key": "holiday/beach2.jpg"}, {"version_id": "v2"}])
def test_another_object_is_another_job(change):
    assert job_id_of(replace(VERSIONED, **change)) != job_id_of(VERSIONED)


def test_a_new_write_of_an_unversioned_key_is_a_new_job():
    written_again = replace(UNVERSIONED, sequencer="0055AED6DCD90281E6")

    assert job_id_of(written_again) != job_id_of(UNVERSIONED)


def test_duplicates_of_one_write_of_an_unversioned_key_are_one_job():
    without_etag = replace(UNVERSIONED, etag=None)

    assert job_id_of(without_etag) == job_id_of(UNVERSIONED)


def test_a_request_for_an_image_is_another_job_than_its_upload():
    assert job_id_of(VERSIONED, request_id="r1") != job_id_of(VERSIONED)


def test_each_request_is_its_own_job():
    assert job_id_of(VERSIONED, request_id="r1") != job_id_of(VERSIONED, request_id="r2")


def test_the_same_request_delivered_twice_is_one_job():
    assert job_id_of(VERSIONED, request_id="r1") == job_id_of(replace(VERSIONED), request_id="r1")


def test_an_empty_request_id_is_a_request_all_the_same():
    assert job_id_of(VERSIONED, request_id="") != job_id_of(VERSIONED)


def test_where_bucket_ends_and_key_starts_is_part_of_the_id():
    assert job_id_of(ImageRef("a", "b/c", "v")) != job_id_of(ImageRef("a/b", "c", "v"))


@given(bucket=st.text(), key=st.text(), version=st.none() | st.text(), request=st.none() | st.text())
def test_a_job_id_is_24_hex_digits_whatever_the_key(bucket, key, version, request):
    assert re.fullmatch("[0-9a-f]{24}", job_id_of(ImageRef(bucket, key, version), request))


@given(
    st.lists(
        st.tuples(st.text(), st.text(), st.text(min_size=1), st.none() | st.text()), min_size=2, max_size=2
    ).filter(lambda pair: json.dumps(pair[0]) != json.dumps(pair[1]))
)
def test_different_uploads_have_different_ids(pair):
    first, second = (job_id_of(ImageRef(bucket, key, version), request) for bucket, key, version, request in pair)

    assert first != second


@pytest.mark.parametrize("attempt", [1, 2, 99])
def test_an_execution_name_is_one_that_step_functions_takes(attempt):
    name = execution_name(job_with(job_id=job_id_of(VERSIONED), attempt=attempt))

    assert re.fullmatch("[0-9A-Za-z_-]{1,80}", name)


def test_each_attempt_has_its_own_execution():
    names = {execution_name(job_with(attempt=attempt, resumes=resumes)) for attempt in (1, 2) for resumes in (0, 1, 2)}

    assert len(names) == 6


@pytest.mark.parametrize(
    "key", ["beach.jpg.json", "dropreel.json", "holiday/dropreel.json", "holiday/beach.png.json", ".json"]
)
def test_sidecars_and_folder_defaults_are_no_images(key):
    assert not is_image_key(key, 120)


@pytest.mark.parametrize("key", ["beach.jpg.JSON", "dropreel.Json", "a/DROPREEL.JSON"])
def test_a_sidecars_ending_is_known_in_any_case(key):
    assert not is_image_key(key, 120)


@pytest.mark.parametrize("folder", ["", "holiday/", "a.b/c d/"])
@pytest.mark.parametrize(
    "name", [".DS_Store", "._beach.jpg", "._.DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini"]
)
def test_what_desktops_leave_beside_images_is_no_image(folder, name):
    assert not is_image_key(folder + name, 4096)


@pytest.mark.parametrize("size", [0, None])
def test_a_folder_marker_is_no_image(size):
    assert not is_image_key("holiday/", size)


@pytest.mark.parametrize(
    ("key", "size"),
    [
        ("beach.jpg", 5000),
        ("beach.jpg", None),
        ("no ending", 5000),
        ("notes.txt", 10),
        ("my.json.png", 5000),
        ("json", 5000),
        ("holiday/", 5000),
        (".DS_Store/beach.jpg", 5000),
        ("._folder/beach.jpg", 5000),
        ("my Thumbs.db", 5000),
        ("Thumbs.db.jpg", 5000),
        (".beach.jpg", 5000),
        ("_beach.jpg", 5000),
    ],
)
def test_everything_else_is_judged_as_an_image(key, size):
    assert is_image_key(key, size)


def test_an_empty_file_is_judged_and_not_passed_over_in_silence():
    assert is_image_key("beach.jpg", 0)


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown"])
def test_an_outcome_ends_a_job(status):
    assert job_with(status=JobStatus(status)).is_terminal


@pytest.mark.parametrize("status", ["submitting", "generating", "held", "deferred"])
def test_a_waiting_status_does_not_end_a_job(status):
    assert not job_with(status=JobStatus(status)).is_terminal


def test_every_status_is_either_an_outcome_or_waiting():
    assert {status.value for status in JobStatus} == {
        *("submitting", "generating", "held", "deferred"),
        *("completed", "failed", "rejected", "unknown"),
    }


def test_a_reason_with_one_fault_lists_that_one():
    assert Reason("timed_out", "Too late.").as_json()["messages"] == ["Too late."]


def test_a_reason_with_several_faults_lists_each():
    assert Reason("options_invalid", "One. Two.", ("One.", "Two.")).as_json()["messages"] == ["One.", "Two."]
