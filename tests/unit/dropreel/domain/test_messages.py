"""Upload events and our own retry messages, as they come from the queue."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.images import ImageRef
from dropreel.domain.job import job_id_of
from dropreel.domain.messages import (
    Drop,
    RetryMessage,
    decode_drop,
    decode_message,
    decode_retry_message,
    is_overtaken,
    is_previous,
    retry_message_of,
    truncate_messages,
)
from tests.support.sample_jobs import job_with

UPLOADED: dict[str, Any] = {
    "detail-type": "Object Created",
    "source": "aws.s3",
    "detail": {
        "bucket": {"name": "uploads"},
        "object": {
            "key": "a+b %41 é.jpg",
            "size": 5000,
            "etag": "e1",
            "version-id": "v1",
            "sequencer": "0055AED6DCD90281E5",
        },
        "reason": "PutObject",
    },
}


def without(name):
    event = copy.deepcopy(UPLOADED)
    del event["detail"]["object"][name]
    return event


def test_an_upload_is_one_object_version():
    assert decode_drop(UPLOADED) == Drop(
        ImageRef("uploads", "a+b %41 é.jpg", "v1", "e1", "0055AED6DCD90281E5"), size=5000
    )


@pytest.mark.parametrize(
    ("reason", "is_copy"),
    [
        ("PutObject", False),
        ("CopyObject", True),
        ("CompleteMultipartUpload", False),
        ("POST Object", False),
        (None, False),
    ],
)
def test_only_the_reason_copy_object_is_a_copy(reason, is_copy):
    event = copy.deepcopy(UPLOADED)
    event["detail"]["reason"] = reason

    assert decode_drop(event).is_copy is is_copy


def test_a_key_is_not_decoded():
    assert decode_drop(UPLOADED).image.key == "a+b %41 é.jpg"


def test_an_unversioned_bucket_has_no_version():
    assert decode_drop(without("version-id")).image.version_id is None


def test_a_bucket_with_suspended_versions_has_no_version():
    event = copy.deepcopy(UPLOADED)
    event["detail"]["object"]["version-id"] = "null"

    assert decode_drop(event).image == ImageRef("uploads", "a+b %41 é.jpg", None, "e1", "0055AED6DCD90281E5")


def test_two_uploads_to_one_key_with_suspended_versions_are_two_jobs():
    first, second = copy.deepcopy(UPLOADED), copy.deepcopy(UPLOADED)
    for event, sequencer in ((first, "01"), (second, "02")):
        event["detail"]["object"].update({"version-id": "null", "sequencer": sequencer})

    assert job_id_of(decode_drop(first).image) != job_id_of(decode_drop(second).image)
    assert job_id_of(decode_drop(first).image) == job_id_of(decode_drop(copy.deepcopy(first)).image)


def test_an_event_without_a_size_has_none():
    assert decode_drop(without("size")).size is None


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"detail-type": "Object Created"},
        {"detail-type": "Object Created", "detail": {}},
        {"detail-type": "Object Created", "detail": {"bucket": {"name": "b"}}},
        {"detail": UPLOADED["detail"]},
        {"detail-type": "Object Deleted", "detail": {"bucket": {"name": "b"}}},
        without("key"),
    ],
)
def test_any_other_event_raises_an_error(event):
    with pytest.raises(KeyError):
        decode_drop(event)


@pytest.mark.parametrize(
    ("key", "size", "request_id", "expected"),
    [
        ("beach.jpg", 5000, None, True),
        ("beach.jpg.json", 120, None, False),
        ("holiday/", 0, None, False),
        ("holiday/", 5000, None, True),
        ("beach.jpg.json", None, "r1", True),
        ("holiday/", None, "", True),
    ],
)
def test_only_an_upload_of_an_image_creates_a_job_and_every_request(key, size, request_id, expected):
    assert Drop(ImageRef("uploads", key), size, request_id).creates_job is expected


@pytest.mark.parametrize(("number", "kept"), [(0, 0), (1, 1), (20, 20), (21, 21), (22, 21)])
def test_up_to_20_faults_are_all_kept(number, kept):
    assert len(truncate_messages(["x"] * number)) == kept


def test_a_long_fault_is_cut():
    (short, cut) = truncate_messages(["x" * 500, "y" * 501])

    assert short == "x" * 500
    assert cut == "y" * 499 + "…"


# --- our own messages ---


def test_our_own_message_is_decoded():
    body = {"job_id": "j", "attempt": 2, "requeues": 3}

    assert decode_message(body) == RetryMessage("j", 2, 3)
    assert decode_message({**body, "generation_id": "g"}) == RetryMessage("j", 2, 3, "g")


@pytest.mark.parametrize(
    ("message", "overtaken"),
    [
        (RetryMessage("j", 2, 3), False),
        (RetryMessage("j", 2, 2), True),
        (RetryMessage("j", 2, 4), True),
        (RetryMessage("j", 1, 3), True),
        (decode_drop(UPLOADED), True),
    ],
)
def test_a_message_is_overtaken_by_any_other_of_its_job(message, overtaken):
    assert is_overtaken(message, job_with(attempt=2, requeues=3)) is overtaken


def test_an_event_is_the_first_message_of_the_first_attempt():
    assert not is_overtaken(decode_drop(UPLOADED), job_with(attempt=1, requeues=0))
    assert is_overtaken(decode_drop(UPLOADED), job_with(attempt=1, requeues=1))


def test_a_message_with_an_event_is_that_event():
    assert decode_message(UPLOADED) == decode_drop(UPLOADED)


@pytest.mark.parametrize("missing", ["job_id", "attempt", "requeues"])
def test_any_other_message_raises_an_error(missing):
    body = {"job_id": "j", "attempt": 2, "requeues": 3}
    del body[missing]

    with pytest.raises(KeyError):
        decode_message(body)


@given(st.text(min_size=1), st.integers(1, 99), st.integers(0, 9999), st.none() | st.text(min_size=1))
def test_a_retry_message_is_read_back_as_it_was_sent(job_id, attempt, requeues, generation_id):
    message = RetryMessage(job_id, attempt, requeues, generation_id)

    assert decode_message(json.loads(json.dumps(message.as_json()))) == message


def test_a_retry_message_has_a_generation_id_only_where_it_is_set():
    assert RetryMessage("j", 2, 3).as_json() == {"job_id": "j", "attempt": 2, "requeues": 3}
    assert RetryMessage("j", 2, 3, "g").as_json() == {
        "job_id": "j",
        "attempt": 2,
        "requeues": 3,
        "generation_id": "g",
    }


# --- our own message, and the one before it ---------------------------------------------------------------------------

JOB_ID = "0123456789abcdef01234567"
EVENT = decode_drop(UPLOADED)


@pytest.mark.parametrize("generation_id", [None, "gen_1"])
def test_our_own_message_is_read_back_from_its_body(generation_id):
    message = RetryMessage(JOB_ID, 2, 3, generation_id)

    assert decode_retry_message(json.loads(json.dumps(message.as_json()))) == message
    assert decode_message(message.as_json()) == message


@pytest.mark.parametrize("body", [UPLOADED, {}, {"job_id": JOB_ID}, {"job_id": JOB_ID, "attempt": 1}])
def test_an_event_is_not_our_own_message(body):
    with pytest.raises(KeyError):
        decode_retry_message(body)


def test_a_jobs_message_has_its_attempt_and_number():
    job = job_with(attempt=2, requeues=3)

    message = retry_message_of(job)

    assert message == RetryMessage(job.job_id, 2, 3)
    assert not is_overtaken(message, job)
    assert not is_previous(message, job)


@pytest.mark.parametrize(
    ("attempt", "requeues", "expected"), [(1, 3, True), (1, 2, False), (1, 4, False), (1, 5, False), (2, 3, False)]
)
def test_only_the_number_before_the_jobs_own_is_the_previous_message(attempt, requeues, expected):
    job = job_with(attempt=1, requeues=4)

    assert is_previous(RetryMessage(job.job_id, attempt, requeues), job) is expected


@pytest.mark.parametrize(
    ("attempt", "requeues", "expected"), [(1, 1, True), (1, 0, False), (1, 2, False), (2, 1, False)]
)
def test_an_event_is_the_message_before_the_first_of_attempt_one(attempt, requeues, expected):
    assert is_previous(EVENT, job_with(attempt=attempt, requeues=requeues)) is expected


@given(st.integers(1, 3), st.integers(0, 5), st.integers(1, 3), st.integers(0, 5))
def test_a_message_is_never_both_current_and_previous(attempt, requeues, job_attempt, job_requeues):
    job = job_with(attempt=job_attempt, requeues=job_requeues)
    message = RetryMessage(job.job_id, attempt, requeues)

    assert is_overtaken(message, job) or not is_previous(message, job)
