import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA, VideoFault
from dropreel.domain.job import ImageRef, JobStatus, job_id_of
from dropreel.domain.messages import (
    EXECUTION_ENDED,
    Drop,
    EndedExecution,
    Generation,
    RetryMessage,
    drop_of,
    ended_execution_of,
    generation_of,
    is_overtaken,
    message_of,
    reason_of,
    truncate_messages,
)
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_events import load_event
from tests.support.sample_jobs import job_with

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
    assert drop_of(UPLOADED) == Drop(ImageRef("uploads", "a+b %41 é.jpg", "v1", "e1", "0055AED6DCD90281E5"), size=5000)


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
def test_only_what_s3_calls_a_copy_is_one(reason, is_copy):
    event = copy.deepcopy(UPLOADED)
    event["detail"]["reason"] = reason

    assert drop_of(event).is_copy is is_copy


def test_a_key_is_taken_as_it_stands():
    assert drop_of(UPLOADED).image.key == "a+b %41 é.jpg"


def test_an_unversioned_bucket_has_no_version():
    assert drop_of(without("version-id")).image.version_id is None


def test_a_bucket_with_suspended_versions_has_no_version():
    event = copy.deepcopy(UPLOADED)
    event["detail"]["object"]["version-id"] = "null"

    assert drop_of(event).image == ImageRef("uploads", "a+b %41 é.jpg", None, "e1", "0055AED6DCD90281E5")


def test_two_uploads_to_one_key_with_suspended_versions_are_two_jobs():
    first, second = copy.deepcopy(UPLOADED), copy.deepcopy(UPLOADED)
    for event, sequencer in ((first, "01"), (second, "02")):
        event["detail"]["object"].update({"version-id": "null", "sequencer": sequencer})

    assert job_id_of(drop_of(first).image) != job_id_of(drop_of(second).image)
    assert job_id_of(drop_of(first).image) == job_id_of(drop_of(copy.deepcopy(first)).image)


def test_an_event_without_a_size_leaves_it_open():
    assert drop_of(without("size")).size is None


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
def test_anything_but_an_upload_or_a_request_is_a_fault(event):
    with pytest.raises(KeyError):
        drop_of(event)


# --- a request -------------------------------------------------------------------------------------------------------

IMAGE = {"bucket": "uploads", "key": "a b+é.jpg"}


def request_with(detail):
    return {"detail-type": "Video Generation Requested", "source": "my.shop", "id": "e-1", "detail": detail}


def fault_of(detail):
    """The one fault of a request."""
    (found,) = drop_of(request_with(detail)).faults
    return found


def test_the_sample_request_is_a_good_one():
    drop = drop_of(load_event("video_generation_requested"))

    assert drop == Drop(
        ImageRef("dropreel-uploads-example", "holiday/on the beach+1.jpg"),
        request_id="order-4711",
        options={"prompt": "slow zoom out", "duration": 10},
    )


def test_the_least_a_request_can_say_is_which_image():
    assert drop_of(request_with({"image": IMAGE})) == Drop(ImageRef("uploads", "a b+é.jpg"), request_id="e-1")


def test_a_request_may_name_one_version():
    image = drop_of(request_with({"image": {**IMAGE, "version_id": "v1"}})).image

    assert image == ImageRef("uploads", "a b+é.jpg", "v1")


def test_a_request_for_the_version_null_names_no_version():
    drop = drop_of(request_with({"image": {**IMAGE, "version_id": "null"}}))

    assert (drop.image.version_id, drop.faults) == (None, ())


@pytest.mark.parametrize("options", [{}, None])
def test_a_request_without_options_has_none(options):
    drop = drop_of(request_with({"image": IMAGE, "options": options}))

    assert (drop.options, drop.faults) == ({}, ())


def test_a_requests_options_are_left_for_the_validator():
    drop = drop_of(request_with({"image": IMAGE, "options": {"mode": "slow", "nonsense": [1]}}))

    assert (drop.options, drop.faults) == ({"mode": "slow", "nonsense": [1]}, ())


def test_the_same_request_id_in_two_events_is_one_job():
    events = [{**request_with({"image": IMAGE, "request_id": "r1"}), "id": name} for name in ("e-1", "e-2")]

    first, second = (job_id_of(drop.image, drop.request_id) for drop in map(drop_of, events))

    assert first == second


def test_without_a_request_id_each_event_is_its_own_job():
    events = [{**request_with({"image": IMAGE}), "id": name} for name in ("e-1", "e-2")]

    first, second = (job_id_of(drop.image, drop.request_id) for drop in map(drop_of, events))

    assert first != second


def test_without_a_request_id_one_event_delivered_twice_is_one_job():
    first, second = (drop_of(request_with({"image": IMAGE})) for _ in range(2))

    assert job_id_of(first.image, first.request_id) == job_id_of(second.image, second.request_id)


@pytest.mark.parametrize(
    "detail", [{}, {"image": None}, {"image": {}}, {"image": "a.jpg"}, {"image": []}, [], "x", None]
)
def test_a_request_without_an_image_says_so(detail):
    faults = drop_of(request_with(detail)).faults

    assert any(fault.startswith("image must be an object") for fault in faults)


@pytest.mark.parametrize("value", [None, "", 5, True, [], {}, ["uploads"]])
@pytest.mark.parametrize("name", ["bucket", "key"])
def test_an_image_needs_its_bucket_and_its_key_as_text(name, value):
    assert fault_of({"image": {**IMAGE, name: value}}).startswith(f"image.{name} must be text")


@pytest.mark.parametrize("name", ["bucket", "key"])
def test_an_image_without_its_bucket_or_key_says_which(name):
    image = {other: value for other, value in IMAGE.items() if other != name}

    assert f"image.{name}" in fault_of({"image": image})


@pytest.mark.parametrize("value", ["", 5, False, [], {}])
def test_a_version_that_is_no_text_is_a_fault(value):
    assert fault_of({"image": {**IMAGE, "version_id": value}}).startswith("image.version_id must be text")


@pytest.mark.parametrize("value", ["", 4711, False, [], {}])
def test_a_request_id_that_is_no_text_is_a_fault(value):
    assert fault_of({"image": IMAGE, "request_id": value}).startswith("request_id must be text")


@pytest.mark.parametrize("value", ["r" * 257, "two\nlines", "half \ud83d", "\x00"])
def test_a_request_id_that_no_event_should_carry_is_a_fault_and_not_kept(value):
    assert fault_of({"image": IMAGE, "request_id": value}).startswith("request_id must be at most 256 printable")
    assert drop_of(request_with({"image": IMAGE, "request_id": value})).request_id == "e-1"


def test_a_request_id_in_any_language_is_taken():
    assert drop_of(request_with({"image": IMAGE, "request_id": "注文 4711/é"})).request_id == "注文 4711/é"


@pytest.mark.parametrize("value", ["prompt", 5, True, [], [{"prompt": "x"}], ""])
def test_options_that_are_no_object_are_a_fault(value):
    assert fault_of({"image": IMAGE, "options": value}).startswith("options must be an object")


def test_an_unknown_name_in_a_request_is_a_fault_that_says_what_is_allowed():
    found = fault_of({"image": IMAGE, "option": {}})

    assert "'option'" in found
    assert "allowed are image, options and request_id" in found


def test_an_unknown_name_in_the_image_is_a_fault_that_says_what_is_allowed():
    found = fault_of({"image": {**IMAGE, "etag": "e1"}})

    assert "'etag'" in found
    assert "allowed are bucket, key and version_id" in found


def test_every_fault_of_a_request_is_told():
    detail = {"image": {"bucket": 5, "keys": "a.jpg"}, "request_id": 7, "options": [], "urgent": True}

    assert len(drop_of(request_with(detail)).faults) == 6


def test_a_faulty_request_still_has_the_id_that_it_is_answered_under():
    drop = drop_of(request_with({"image": {"bucket": 5}, "request_id": "r1"}))

    assert drop.request_id == "r1"


def test_a_long_value_is_cut_in_a_fault():
    assert len(fault_of({"image": IMAGE, "options": "x" * 100_000})) < 200


@pytest.mark.parametrize("key", ["é" * 513, "half \ud83d"])
def test_a_key_that_s3_cannot_have_is_a_fault(key):
    assert "image.key" in fault_of({"image": {**IMAGE, "key": key}})


@pytest.mark.parametrize("bucket", ["b" * 64, "bücket", "half \ud83d", "two\nlines"])
def test_a_bucket_that_s3_cannot_have_is_a_fault(bucket):
    assert "image.bucket" in fault_of({"image": {**IMAGE, "bucket": bucket}})


@pytest.mark.parametrize("version", ["v" * 1025, "é", "v\n", "half \ud83d"])
def test_a_version_that_s3_cannot_have_is_a_fault(version):
    assert "image.version_id" in fault_of({"image": {**IMAGE, "version_id": version}})


def test_the_longest_names_that_s3_can_have_are_taken():
    image = {"bucket": "b" * 63, "key": "é" * 512, "version_id": "v" * 1024}

    drop = drop_of(request_with({"image": image}))

    assert drop.faults == ()
    assert (drop.image.bucket, drop.image.key, drop.image.version_id) == tuple(image.values())


def test_a_name_that_s3_cannot_have_is_not_kept():
    image = drop_of(request_with({"image": {"bucket": "b" * 64, "key": "\ud83d", "version_id": "é"}})).image

    assert image == ImageRef("", "")


def test_thousands_of_faults_are_told_as_a_few_and_their_number():
    faults = drop_of(request_with({"image": IMAGE, **{f"o{number}": 0 for number in range(5000)}})).faults

    assert len(faults) == 21
    assert faults[-1] == "and 4,980 more."


@pytest.mark.parametrize(("number", "told"), [(0, 0), (1, 1), (20, 20), (21, 21), (22, 21)])
def test_up_to_twenty_faults_are_all_told(number, told):
    assert len(truncate_messages(["x"] * number)) == told


def test_a_long_fault_is_cut():
    (short, cut) = truncate_messages(["x" * 500, "y" * 501])

    assert short == "x" * 500
    assert cut == "y" * 499 + "…"


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
    drop = drop_of(request_with(detail))

    assert drop.faults or (drop.image.bucket and drop.image.key)
    assert drop.request_id


# --- our own messages ------------------------------------------------------------------------------------------------


def test_our_own_message_is_a_job_that_comes_again():
    body = {"job_id": "j", "attempt": 2, "requeues": 3}

    assert message_of(body) == RetryMessage("j", 2, 3)
    assert message_of({**body, "generation_id": "g"}) == RetryMessage("j", 2, 3, "g")


@pytest.mark.parametrize(
    ("message", "overtaken"),
    [
        (RetryMessage("j", 2, 3), False),
        (RetryMessage("j", 2, 2), True),
        (RetryMessage("j", 2, 4), True),
        (RetryMessage("j", 1, 3), True),
        (drop_of(UPLOADED), True),
    ],
)
def test_a_message_is_overtaken_by_any_other_of_its_job(message, overtaken):
    assert is_overtaken(message, job_with(attempt=2, requeues=3)) is overtaken


def test_an_event_is_the_first_message_of_the_first_attempt():
    assert not is_overtaken(drop_of(UPLOADED), job_with(attempt=1, requeues=0))
    assert is_overtaken(drop_of(UPLOADED), job_with(attempt=1, requeues=1))


def test_a_message_with_an_event_is_that_event():
    assert message_of(UPLOADED) == drop_of(UPLOADED)


@pytest.mark.parametrize("missing", ["job_id", "attempt", "requeues"])
def test_a_message_that_is_neither_an_event_nor_ours_is_a_fault(missing):
    body = {"job_id": "j", "attempt": 2, "requeues": 3}
    del body[missing]

    with pytest.raises(KeyError):
        message_of(body)


# --- a generation ----------------------------------------------------------------------------------------------------


STATE = {"job_id": "j", "attempt": 2, "generation_id": "g", "pace": {"execution": "j-2"}}


def test_a_generation_is_its_ids_and_its_execution():
    assert generation_of({**STATE, "check": {"outcome": "waiting"}}) == Generation("j", 2, "g", "j-2")


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("execution", ["J-2", "J-2-1", "J-1", "K-2"])
def test_a_generation_is_current_while_its_very_execution_polls(status, execution):
    job = job_with(job_id="J", attempt=2, status=status)

    is_current = Generation("J", 2, "gen_1", execution).is_current(job)

    assert is_current is (status is JobStatus.GENERATING and execution == "J-2")


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("changes", [{}, {"generation_id": "gen_1"}, {"attempt": 3}, {"resumes": 1}])
def test_a_job_lacks_the_id_of_an_execution_only_while_it_has_none(status, changes):
    job = job_with(**{"job_id": "J", "attempt": 2, "status": status, "generation_id": None, **changes})

    is_lost = Generation("J", 2, "gen_1", "J-2").is_lost_by(job)

    assert is_lost is (status in (JobStatus.SUBMITTING, JobStatus.UNKNOWN) and not changes)


@pytest.mark.parametrize("missing", ["job_id", "attempt", "generation_id", "pace"])
def test_a_generation_needs_all_its_ids(missing):
    state = dict(STATE)
    del state[missing]

    with pytest.raises(KeyError):
        generation_of(state)


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
def test_a_checks_own_reason_is_the_reason(outcome):
    reason = reason_of({"check": {"outcome": outcome, "reason": {"code": "timed_out", "message": "m"}}})

    assert (reason.code, reason.message) == ("timed_out", "m")


def fault(cause):
    return {"Error": "Lambda.Unknown", "Cause": cause}


def test_a_step_that_kept_failing_is_told_with_its_last_error():
    cause = json.dumps({"errorType": "RetryLater", "errorMessage": "no job", "stackTrace": ["line 1"]})

    reason = reason_of({"check": {"outcome": "waiting"}, "error": fault(cause)})

    assert reason.code == "check_failed"
    assert reason.message.endswith("RetryLater: no job")


def test_a_failed_delivery_says_that_the_video_is_there():
    reason = reason_of({"check": {"outcome": "completed"}, "error": fault("cut short")})

    assert reason.code == "delivery_failed"
    assert "ready at the provider" in reason.message
    assert "cut short" in reason.message


MOOV_ALONE = VideoFault("the video has no media", VIDEO_WITHOUT_MEDIA)


@pytest.mark.parametrize("error_type", ["VideoFault", "Runtime.HandlerError"])
def test_a_video_that_kept_having_nothing_to_play_is_told_with_its_own_code(error_type):
    cause = json.dumps({"errorType": error_type, "errorMessage": str(MOOV_ALONE), "stackTrace": []})

    reason = reason_of({"check": {"outcome": "completed"}, "error": fault(cause)})

    assert reason.code == "video_without_media"
    assert reason.message == ("What the provider sends as the finished video cannot be played: the video has no media.")


@pytest.mark.parametrize("cause", [str(MOOV_ALONE), repr(MOOV_ALONE), f"Error: {MOOV_ALONE}"])
def test_the_code_of_a_fault_is_found_however_an_engine_writes_it(cause):
    assert reason_of({"check": {"outcome": "completed"}, "error": fault(cause)}).code == "video_without_media"
    assert reason_of({"check": {"outcome": "waiting"}, "error": fault(cause)}).code == "check_failed"


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


# --- an execution that has ended --------------------------------------------------------------------------------------


ENDED = {"name": f"{'a' * 24}-1", "executionArn": "arn:e", "status": "ABORTED"}


def execution_event(**detail):
    return {"detail-type": EXECUTION_ENDED, "detail": {**ENDED, **detail}}


@pytest.mark.parametrize("name", [f"{'a' * 24}-1", f"{'0' * 24}-12", f"{'a' * 24}-2-3"])
def test_an_ended_execution_names_its_job(name):
    assert ended_execution_of(execution_event(name=name)) == EndedExecution(name[:24], name, "arn:e", "ABORTED", "")


@pytest.mark.parametrize("name", ["by-hand", "a" * 24, f"{'A' * 24}-1", f"{'a' * 24}-1-2-3", f"{'a' * 24}-x"])
def test_an_execution_that_we_did_not_name_is_nobodys(name):
    assert ended_execution_of(execution_event(name=name)) is None


@pytest.mark.parametrize(("cause", "told"), [(None, ""), ("stopped", "stopped"), ("x" * 30_000, "x" * 500)])
def test_an_ended_executions_cause_is_cut_to_a_sane_length(cause, told):
    found = ended_execution_of(execution_event(cause=cause))

    assert found is not None
    assert found.cause == told


def test_a_checks_reason_keeps_the_providers_own_words():
    told = {"code": "generation_failed", "message": "m", "messages": ["m"], "provider_error": "no faces"}

    assert reason_of({"check": {"outcome": "failed", "reason": told}}).provider_error == "no faces"


def test_the_state_says_which_execution_carries_it():
    state = {
        "job_id": "j",
        "attempt": 2,
        "generation_id": "g",
        "pace": {"poll_interval_seconds": 5, "execution": "j-2"},
    }

    assert generation_of(state) == Generation("j", 2, "g", "j-2")


SIGNED = (
    f"https://uploads.s3.amazonaws.com/a.jpg?X-Amz-Credential=AKIAQ7XK2MPLR5VN3TBC&X-Amz-Signature={'5ec2e7f0' * 8}"
)


@pytest.mark.parametrize("where", ["image.bucket", "image.key", "image.version_id", "request_id"])
def test_a_request_that_holds_a_signed_address_is_refused_and_does_not_repeat_it(where):
    detail = {"image": {"bucket": "uploads", "key": "a.jpg"}, "request_id": "r"}
    holder = detail["image"] if "." in where else detail
    assert isinstance(holder, dict)
    holder[where.rpartition(".")[2]] = SIGNED[-100:]

    drop = drop_of({**load_event("video_generation_requested"), "detail": detail})

    assert (
        "5ec2e7f0"
        not in repr(replace(drop, faults=())) + Reason(ReasonCode.REQUEST_INVALID, " ".join(drop.faults)).message
    )
    assert any(where in fault for fault in drop.faults)
