"""The sample events are what the functions accept, so that one can be invoked by hand with its file."""

import json

import pytest

from dropreel.domain.job import JobStatus
from dropreel.domain.messages import decode_drop, decode_generation, decode_message, failure_reason
from dropreel.domain.reasons import ReasonCode
from tests.support.sample_events import load_event
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
