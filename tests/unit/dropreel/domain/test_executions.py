"""The state machine's state, why it reports a failure, and its ended executions."""

import json

import pytest

from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA, VideoFault
from dropreel.domain.executions import (
    EXECUTION_ENDED,
    EndedExecution,
    Generation,
    decode_ended_execution,
    decode_generation,
    failure_reason,
)
from dropreel.domain.job import JobStatus, execution_name
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import job_with

STATE = {"job_id": "j", "attempt": 2, "generation_id": "g", "pace": {"execution": "j-2"}}


def test_a_generation_is_its_ids_and_its_execution():
    assert decode_generation({**STATE, "check": {"outcome": "waiting"}}) == Generation("j", 2, "g", "j-2")


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("execution", ["J-2", "J-2-1", "J-1", "K-2"])
def test_a_generation_is_current_while_its_own_execution_polls(status, execution):
    job = job_with(job_id="J", attempt=2, status=status)

    is_current = Generation("J", 2, "gen_1", execution).is_current(job)

    assert is_current is (status is JobStatus.GENERATING and execution == "J-2")


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("changes", [{}, {"generation_id": "gen_1"}, {"attempt": 3}, {"resumes": 1}])
def test_a_job_lacks_the_id_of_an_execution_only_while_it_has_none(status, changes):
    job = job_with(**{"job_id": "J", "attempt": 2, "status": status, "generation_id": None, **changes})

    is_lost = Generation("J", 2, "gen_1", "J-2").is_missing_from(job)

    assert is_lost is (status in (JobStatus.SUBMITTING, JobStatus.UNKNOWN) and not changes)


@pytest.mark.parametrize("missing", ["job_id", "attempt", "generation_id", "pace"])
def test_a_generation_needs_all_its_ids(missing):
    state = dict(STATE)
    del state[missing]

    with pytest.raises(KeyError):
        decode_generation(state)


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
def test_a_checks_own_reason_is_the_reason(outcome):
    reason = failure_reason({"check": {"outcome": outcome, "reason": {"code": "timed_out", "message": "m"}}})

    assert (reason.code, reason.message) == ("timed_out", "m")


def fault(cause):
    return {"Error": "Lambda.Unknown", "Cause": cause}


def test_a_failed_step_is_reported_with_its_last_error():
    cause = json.dumps({"errorType": "RetryLater", "errorMessage": "no job", "stackTrace": ["line 1"]})

    reason = failure_reason({"check": {"outcome": "waiting"}, "error": fault(cause)})

    assert reason.code == "check_failed"
    assert reason.message.endswith("RetryLater: no job")


def test_a_failed_delivery_is_reported_with_the_video_ready():
    reason = failure_reason({"check": {"outcome": "completed"}, "error": fault("cut short")})

    assert reason.code == "delivery_failed"
    assert "ready at the provider" in reason.message
    assert "cut short" in reason.message


MOOV_ALONE = VideoFault("the video has no media", VIDEO_WITHOUT_MEDIA)


@pytest.mark.parametrize("error_type", ["VideoFault", "Runtime.HandlerError"])
def test_an_unplayable_video_has_its_own_code(error_type):
    cause = json.dumps({"errorType": error_type, "errorMessage": str(MOOV_ALONE), "stackTrace": []})

    reason = failure_reason({"check": {"outcome": "completed"}, "error": fault(cause)})

    assert reason.code == "video_without_media"
    assert reason.message == ("The video from the provider cannot be played: the video has no media.")


@pytest.mark.parametrize("cause", [str(MOOV_ALONE), repr(MOOV_ALONE), f"Error: {MOOV_ALONE}"])
def test_the_code_of_a_fault_is_found_in_any_engines_format(cause):
    assert failure_reason({"check": {"outcome": "completed"}, "error": fault(cause)}).code == "video_without_media"
    assert failure_reason({"check": {"outcome": "waiting"}, "error": fault(cause)}).code == "check_failed"


def test_an_error_has_priority_over_an_older_reason():
    reason = failure_reason(
        {"check": {"outcome": "waiting", "reason": {"code": "c", "message": "m"}}, "error": fault("x")}
    )

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
def test_any_error_gives_a_reason(state):
    assert failure_reason(state).code == "check_failed"


def test_a_long_cause_is_cut():
    assert len(failure_reason({"error": fault("x" * 30_000)}).message) < 1000


# --- an execution that has ended --------------------------------------------------------------------------------------


ENDED = {"name": f"{'a' * 24}-1", "executionArn": "arn:e", "status": "ABORTED"}


def execution_event(**detail):
    return {"detail-type": EXECUTION_ENDED, "detail": {**ENDED, **detail}}


@pytest.mark.parametrize("name", [f"{'a' * 24}-1", f"{'0' * 24}-12", f"{'a' * 24}-2-3"])
def test_an_ended_execution_names_its_job(name):
    assert decode_ended_execution(execution_event(name=name)) == EndedExecution(name[:24], name, "arn:e", "ABORTED", "")


@pytest.mark.parametrize("name", ["by-hand", "a" * 24, f"{'A' * 24}-1", f"{'a' * 24}-1-2-3", f"{'a' * 24}-x"])
def test_an_execution_with_another_name_has_no_job(name):
    assert decode_ended_execution(execution_event(name=name)) is None


@pytest.mark.parametrize(("cause", "kept"), [(None, ""), ("stopped", "stopped"), ("x" * 30_000, "x" * 500)])
def test_an_ended_executions_cause_is_cut_to_500_characters(cause, kept):
    found = decode_ended_execution(execution_event(cause=cause))

    assert found is not None
    assert found.cause == kept


def test_a_checks_reason_keeps_the_providers_error():
    reason = {"code": "generation_failed", "message": "m", "messages": ["m"], "provider_error": "no faces"}

    assert failure_reason({"check": {"outcome": "failed", "reason": reason}}).provider_error == "no faces"


def test_the_state_has_the_name_of_its_execution():
    state = {
        "job_id": "j",
        "attempt": 2,
        "generation_id": "g",
        "pace": {"poll_interval_seconds": 5, "execution": "j-2"},
    }

    assert decode_generation(state) == Generation("j", 2, "g", "j-2")


@pytest.mark.parametrize("generation_id", ["", None])
@pytest.mark.parametrize("status", [JobStatus.SUBMITTING, JobStatus.UNKNOWN])
def test_an_execution_without_an_id_gives_none_to_the_job(status, generation_id):
    job = job_with(status=status, generation_id=None)

    assert not Generation(job.job_id, job.attempt, generation_id, execution_name(job)).is_missing_from(job)
    assert Generation(job.job_id, job.attempt, "gen_1", execution_name(job)).is_missing_from(job)


@pytest.mark.parametrize(
    ("outcome", "code", "before"),
    [
        ("waiting", ReasonCode.CHECK_FAILED, "The generation could not be polled any longer: "),
        (
            "completed",
            ReasonCode.DELIVERY_FAILED,
            "The video is ready at the provider but could not be copied: ",
        ),
    ],
)
def test_a_failed_step_is_reported_with_500_characters_of_its_cause(outcome, code, before):
    def reported(cause: str | None) -> Reason:
        return failure_reason({"check": {"outcome": outcome}, "error": {"Error": "Any", "Cause": cause}})

    assert reported("x" * 501) == Reason(code, before + "x" * 500)
    assert reported(None) == Reason(code, before + "no cause was given")


def test_an_unplayable_video_is_reported_with_500_characters():
    cause = f"VideoFault: {ReasonCode.VIDEO_WITHOUT_MEDIA.value}: {'x' * 501}"

    reason = failure_reason({"check": {"outcome": "completed"}, "error": {"Error": "Any", "Cause": cause}})

    assert reason.message == f"The video from the provider cannot be played: {'x' * 500}."
