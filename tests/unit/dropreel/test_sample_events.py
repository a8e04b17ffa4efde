"""The sample events are what the functions accept, so that one can be invoked by hand with its file."""

import hashlib
import json

import pytest

from dropreel.domain.executions import decode_generation, failure_reason
from dropreel.domain.job import JobStatus
from dropreel.domain.messages import decode_drop, decode_message, decode_retry_message, retry_message_of
from dropreel.domain.reasons import ReasonCode
from tests.support.sample_events import EVENTS, load_event
from tests.support.sample_jobs import job_with


@pytest.mark.parametrize("step", ["check_status", "deliver_video", "report_failure"])
def test_a_steps_sample_is_current_for_its_job(step):
    generation = decode_generation(load_event(step))

    assert generation.is_current(
        job_with(job_id=generation.job_id, status=JobStatus.GENERATING, generation_id=generation.generation_id)
    )


def test_the_sample_of_a_failure_says_why():
    assert failure_reason(load_event("report_failure")).code is ReasonCode.GENERATION_FAILED


@pytest.mark.parametrize("name", ["object_created", "video_generation_requested"])
def test_an_events_sample_is_a_drop_without_faults(name):
    assert decode_drop(load_event(name)).faults == ()


def test_the_queues_sample_holds_the_sample_of_an_upload():
    (record,) = load_event("submit_generation")["Records"]

    assert (
        decode_message(json.loads(record["body"])).image.bucket
        == decode_drop(load_event("object_created")).image.bucket
    )


def test_the_sample_of_prepare_image_is_current_for_its_job():
    (record,) = load_event("prepare_image")["Records"]
    message = decode_retry_message(json.loads(record["body"]))

    job = job_with(job_id=message.job_id, status=JobStatus.PREPARING, requeues=1)

    assert message == retry_message_of(job)
    assert record["eventSourceARN"].endswith("PrepareQueue")


@pytest.mark.parametrize("step", ["submit_generation", "prepare_image", "send_mail", "send_webhook"])
def test_a_queues_sample_has_the_digest_of_its_body(step):
    (record,) = load_event(step)["Records"]

    assert hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest() == record["md5OfBody"]


def test_every_step_but_the_scheduled_one_has_a_sample():
    steps = {path.parent.name for path in (EVENTS.parent / "functions").glob("*/handler.py")}

    assert steps - {path.stem for path in EVENTS.glob("*.json")} == {"sweep_jobs"}
