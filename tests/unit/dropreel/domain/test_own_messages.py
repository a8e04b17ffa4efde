"""What we send to ourselves: a retry through the queue, and what the state machine carries and reports."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.job import ImageRef, JobStatus, execution_name
from dropreel.domain.messages import Drop, Generation, RetryMessage, message_of, reason_of
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import job_with


@given(st.text(min_size=1), st.integers(1, 99), st.integers(0, 9999), st.none() | st.text(min_size=1))
def test_a_retry_message_is_read_back_as_it_was_sent(job_id, attempt, requeues, generation_id):
    message = RetryMessage(job_id, attempt, requeues, generation_id)

    assert message_of(json.loads(json.dumps(message.as_json()))) == message


def test_a_retry_message_names_a_generation_only_where_it_carries_one():
    assert RetryMessage("j", 2, 3).as_json() == {"job_id": "j", "attempt": 2, "requeues": 3}
    assert RetryMessage("j", 2, 3, "g").as_json() == {
        "job_id": "j",
        "attempt": 2,
        "requeues": 3,
        "generation_id": "g",
    }


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
def test_an_upload_of_anything_but_an_image_has_no_job_and_a_request_always_has(key, size, request_id, expected):
    assert Drop(ImageRef("uploads", key), size, request_id).is_about_an_image is expected


@pytest.mark.parametrize("generation_id", ["", None])
@pytest.mark.parametrize("status", [JobStatus.SUBMITTING, JobStatus.UNKNOWN])
def test_an_execution_that_carries_no_id_has_none_to_give(status, generation_id):
    job = job_with(status=status, generation_id=None)

    assert not Generation(job.job_id, job.attempt, generation_id, execution_name(job)).is_lost_by(job)
    assert Generation(job.job_id, job.attempt, "gen_1", execution_name(job)).is_lost_by(job)


@pytest.mark.parametrize(
    ("outcome", "code", "before"),
    [
        ("waiting", ReasonCode.CHECK_FAILED, "The generation could not be watched any longer: "),
        (
            "completed",
            ReasonCode.DELIVERY_FAILED,
            "The video is ready at the provider and could not be copied: ",
        ),
    ],
)
def test_a_step_that_kept_failing_is_reported_with_500_characters_of_its_cause(outcome, code, before):
    def reported(cause: str | None) -> Reason:
        return reason_of({"check": {"outcome": outcome}, "error": {"Error": "Any", "Cause": cause}})

    assert reported("x" * 501) == Reason(code, before + "x" * 500)
    assert reported(None) == Reason(code, before + "no cause was given")


def test_what_cannot_be_played_is_reported_with_500_characters():
    cause = f"VideoFault: {ReasonCode.VIDEO_WITHOUT_MEDIA.value}: {'x' * 501}"

    reason = reason_of({"check": {"outcome": "completed"}, "error": {"Error": "Any", "Cause": cause}})

    assert reason.message == f"What the provider sends as the finished video cannot be played: {'x' * 500}."
