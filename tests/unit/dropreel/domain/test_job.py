import json
import re
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.images import Image, ImageRef, is_image_key
from dropreel.domain.job import OPERATOR, PUBLISHING, EventType, JobStatus, execution_name, job_id_of
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import NOON, job_with

VERSIONED = ImageRef("uploads", "holiday/beach.jpg", version_id="v1", etag='"e1"', sequencer="0055AED6DCD90281E5")
UNVERSIONED = VERSIONED._replace(version_id=None)


def test_duplicate_deliveries_have_the_same_job():
    duplicate = ImageRef("uploads", "holiday/beach.jpg", version_id="v1", etag='"e1"', sequencer="0055AED6DCD90281E5")

    assert job_id_of(duplicate) == job_id_of(VERSIONED)


@pytest.mark.parametrize("change", [{"etag": None}, {"sequencer": None}])
def test_only_the_version_counts_where_there_is_one(change: dict[str, Any]):
    other_source_of_the_event = VERSIONED._replace(**change)

    assert job_id_of(other_source_of_the_event) == job_id_of(VERSIONED)


@pytest.mark.parametrize("change", [{"bucket": "other"}, {"key": "holiday/beach2.jpg"}, {"version_id": "v2"}])
def test_another_object_is_another_job(change):
    assert job_id_of(VERSIONED._replace(**change)) != job_id_of(VERSIONED)


def test_a_new_write_of_an_unversioned_key_is_a_new_job():
    written_again = UNVERSIONED._replace(sequencer="0055AED6DCD90281E6")

    assert job_id_of(written_again) != job_id_of(UNVERSIONED)


def test_duplicates_of_one_write_of_an_unversioned_key_are_one_job():
    without_etag = UNVERSIONED._replace(etag=None)

    assert job_id_of(without_etag) == job_id_of(UNVERSIONED)


def test_without_version_and_sequencer_the_etag_identifies_the_write():
    first, second = (ImageRef("uploads", "holiday/beach.jpg", etag=etag) for etag in ('"e1"', '"e2"'))

    assert job_id_of(first) != job_id_of(second)


def test_a_request_for_an_image_is_another_job_than_its_upload():
    assert job_id_of(VERSIONED, request_id="r1") != job_id_of(VERSIONED)


def test_each_request_is_its_own_job():
    assert job_id_of(VERSIONED, request_id="r1") != job_id_of(VERSIONED, request_id="r2")


def test_the_same_request_delivered_twice_is_one_job():
    assert job_id_of(VERSIONED, request_id="r1") == job_id_of(VERSIONED._replace(), request_id="r1")


def test_an_empty_request_id_is_still_a_request():
    assert job_id_of(VERSIONED, request_id="") != job_id_of(VERSIONED)


def test_a_reused_request_id_with_other_content_has_its_own_job():
    ids = {job_id_of(VERSIONED, "r1", fingerprint) for fingerprint in (None, "f1", "f2")}

    assert len(ids) == 3


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


def test_an_execution_is_named_by_the_job_the_attempt_and_the_resume():
    assert execution_name(job_with(job_id="a" * 24, attempt=2)) == f"{'a' * 24}-2"
    assert execution_name(job_with(job_id="a" * 24, attempt=2, resumes=1)) == f"{'a' * 24}-2-1"


@pytest.mark.parametrize(
    "key", ["beach.jpg.json", "dropreel.json", "holiday/dropreel.json", "holiday/beach.png.json", ".json"]
)
def test_sidecars_and_folder_defaults_are_no_images(key):
    assert not is_image_key(key, 120)


@pytest.mark.parametrize("key", ["beach.jpg.JSON", "dropreel.Json", "a/DROPREEL.JSON"])
def test_a_sidecars_ending_is_recognized_in_any_case(key):
    assert not is_image_key(key, 120)


@pytest.mark.parametrize("folder", ["", "holiday/", "a.b/c d/"])
@pytest.mark.parametrize(
    "name", [".DS_Store", "._beach.jpg", "._.DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini"]
)
def test_the_files_of_desktops_are_no_images(folder, name):
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
def test_every_other_key_is_validated_as_an_image(key, size):
    assert is_image_key(key, size)


def test_an_empty_file_is_validated_and_not_ignored():
    assert is_image_key("beach.jpg", 0)


# --- the status, and what a job waits for -------------------------------------------------------------------------------

OUTCOMES = ("completed", "failed", "rejected", "unknown")
WAITING = ("submitting", "generating", "held", "preparing", "deferred")
DEAD_LETTER = Reason(ReasonCode.DEAD_LETTER, "It could not be processed.")
BUSY = Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy.")


@pytest.mark.parametrize("status", OUTCOMES)
def test_an_outcome_ends_a_job(status):
    assert job_with(status=JobStatus(status)).is_terminal


@pytest.mark.parametrize("status", WAITING)
def test_a_waiting_status_does_not_end_a_job(status):
    assert not job_with(status=JobStatus(status)).is_terminal


def test_every_status_is_either_an_outcome_or_waiting():
    assert {status.value for status in JobStatus} == {*OUTCOMES, *WAITING}


@pytest.mark.parametrize("events", [set(), {EventType.HELD}])
@pytest.mark.parametrize("status", WAITING)
def test_a_job_that_has_not_ended_waits_for_its_status(status, events):
    job = job_with(status=JobStatus(status), reason=BUSY, pending_events=frozenset(events))

    assert job.waits_for == status


@pytest.mark.parametrize("status", OUTCOMES)
def test_an_ended_job_waits_for_its_event_and_an_unknown_one_for_the_operator(status):
    owing = job_with(status=JobStatus(status), pending_events=frozenset({EventType.FAILED}))

    assert owing.waits_for == PUBLISHING
    assert job_with(status=JobStatus(status)).waits_for == ("unknown" if status == "unknown" else None)


@pytest.mark.parametrize("status", [JobStatus.DEFERRED, JobStatus.PREPARING])
def test_a_dead_letter_waits_for_the_operator_once_it_was_published(status):
    owing = job_with(status=status, reason=DEAD_LETTER, pending_events=frozenset({EventType.DEFERRED}))

    assert owing.waits_for == status
    assert replace(owing, pending_events=frozenset()).waits_for == OPERATOR


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("reason", [DEAD_LETTER, BUSY, None])
def test_only_a_job_that_waits_for_its_message_is_a_dead_letter(status, reason):
    expected = status in (JobStatus.DEFERRED, JobStatus.PREPARING) and reason == DEAD_LETTER

    assert job_with(status=status, reason=reason).is_dead_letter is expected


def test_a_job_has_one_of_the_reasons_asked_for_or_none():
    job = job_with(reason=BUSY)

    assert job.has_reason(ReasonCode.DEAD_LETTER, ReasonCode.PROVIDER_BUSY)
    assert not job.has_reason(ReasonCode.DEAD_LETTER)
    assert not job.has_reason()
    assert not job_with(reason=None).has_reason(ReasonCode.PROVIDER_BUSY)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 9},
        {"polls": 9, "poll_faults": 2, "provider_status": "processing", "updated_at": NOON + timedelta(minutes=1)},
        {"not_found_since": NOON},
        {"pending_events": frozenset({EventType.SUBMITTED})},
    ],
)
def test_published_events_and_polls_leave_a_job_at_the_same_step(change):
    assert job_with().is_at_same_step(job_with(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"status": JobStatus.FAILED},
        {"attempt": 2},
        {"requeues": 1},
        {"resumes": 1},
        {"lease_until": NOON},
        {"reason": BUSY},
    ],
)
def test_any_other_change_is_another_step(change):
    assert not job_with().is_at_same_step(job_with(**change))


def test_a_job_is_not_changed_in_place():
    job = job_with()

    with pytest.raises(FrozenInstanceError):
        job.status = JobStatus.COMPLETED  # type: ignore[misc]


# --- the image and the reason ---------------------------------------------------------------------------------------------


def test_an_images_reference_names_the_object_version():
    image = Image("uploads", "a.jpg", "v1", '"e1"', size=5, sha256="ab", format="JPEG", width=4, height=3)

    assert image.ref == ImageRef("uploads", "a.jpg", "v1", '"e1"')


def test_an_images_shape_is_in_its_json_only_where_it_is_known():
    image = Image("uploads", "a.jpg")
    common = {"bucket": "uploads", "key": "a.jpg", "version_id": None, "etag": None, "size": None, "sha256": None}

    assert image.as_json() == common
    assert image._replace(format="PNG", width=4, height=3).as_json() == {
        **common,
        "format": "PNG",
        "width": 4,
        "height": 3,
    }


def test_a_reason_with_one_fault_lists_that_one():
    assert Reason(ReasonCode.TIMED_OUT, "Too late.").as_json()["messages"] == ["Too late."]


def test_a_reason_with_several_faults_lists_each():
    assert Reason(ReasonCode.OPTIONS_INVALID, "One. Two.", ("One.", "Two.")).as_json()["messages"] == ["One.", "Two."]


@pytest.mark.parametrize("messages", [(), ("Too late.",), ("One.", "Two.")])
@pytest.mark.parametrize("provider_error", [None, "no faces"])
def test_a_reason_is_read_back_as_it_was_written(messages, provider_error):
    reason = Reason(ReasonCode.TIMED_OUT, "Too late.", messages, provider_error)

    assert Reason.from_json(reason.as_json()) == reason
