import copy
import json

import pytest

from dropreel.jobs import ImageRef
from dropreel.messages import Generation, Upload, generation_of, reason_of, upload_of

UPLOADED = {
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
    assert upload_of(UPLOADED) == Upload(
        ImageRef("uploads", "a+b %41 é.jpg", "v1", "e1", "0055AED6DCD90281E5"), size=5000
    )


def test_a_key_is_taken_as_it_stands():
    assert upload_of(UPLOADED).image.key == "a+b %41 é.jpg"


def test_an_unversioned_bucket_has_no_version():
    assert upload_of(without("version-id")).image.version_id is None


def test_an_event_without_a_size_leaves_it_open():
    assert upload_of(without("size")).size is None


@pytest.mark.parametrize("event", [{}, {"detail": {}}, {"detail": {"bucket": {"name": "b"}}}, without("key")])
def test_anything_but_an_upload_is_a_fault(event):
    with pytest.raises(KeyError):
        upload_of(event)


def test_a_generation_is_three_ids_and_nothing_else_of_the_state():
    state = {"job_id": "j", "attempt": 2, "generation_id": "g", "pace": {}, "check": {"outcome": "waiting"}}

    assert generation_of(state) == Generation("j", 2, "g")


@pytest.mark.parametrize("missing", ["job_id", "attempt", "generation_id"])
def test_a_generation_needs_all_its_ids(missing):
    state = {"job_id": "j", "attempt": 2, "generation_id": "g"}
    del state[missing]

    with pytest.raises(KeyError):
        generation_of(state)


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
def test_a_checks_own_reason_is_the_reason(outcome):
    reason = reason_of({"check": {"outcome": outcome, "reason": {"code": "c", "message": "m"}}})

    assert (reason.code, reason.message) == ("c", "m")


def fault(cause):
    return {"Error": "Lambda.Unknown", "Cause": cause}


def test_a_step_that_kept_failing_is_told_with_its_last_error():
    cause = json.dumps({"errorType": "TryAgain", "errorMessage": "no job", "stackTrace": ["line 1"]})

    reason = reason_of({"check": {"outcome": "waiting"}, "error": fault(cause)})

    assert reason.code == "check_failed"
    assert reason.message.endswith("TryAgain: no job")


def test_a_failed_delivery_says_that_the_video_is_there():
    reason = reason_of({"check": {"outcome": "completed"}, "error": fault("cut short")})

    assert reason.code == "delivery_failed"
    assert "ready at the provider" in reason.message
    assert "cut short" in reason.message


def test_a_fault_is_told_before_an_older_reason():
    reason = reason_of({"check": {"outcome": "waiting", "reason": {"code": "c", "message": "m"}}, "error": fault("x")})

    assert reason.code == "check_failed"


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"error": {}},
        {"error": None, "check": None},
        {"error": fault(None)},
        {"error": fault("")},
        {"error": fault("[1, 2]")},
        {"error": fault('"text"')},
        {"error": fault("17")},
        {"error": fault("{}")},
        {"error": fault('{"errorType": "X"}')},
        {"error": fault("{cut off")},
    ],
)
def test_a_fault_of_any_form_gives_a_reason(state):
    assert reason_of(state).code == "check_failed"


def test_a_long_cause_is_cut():
    assert len(reason_of({"error": fault("x" * 30_000)}).message) < 1000
