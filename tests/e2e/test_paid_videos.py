"""After an accepted submission, through the whole local cloud: the video is delivered, or a failure is published."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from dropreel.adapters.event_bus import EventBus
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.state_machine import StateMachine
from dropreel.domain.job import Job, JobStatus, execution_name
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.resume_job import ResumeJob
from dropreel.wiring import _now
from local.cloud import API_KEY, LocalCloudFault, deploy
from tests.e2e.conftest import Account
from tests.e2e.roles import without

STUCK = {"on": "submit", "times": 1, "do": {"kind": "stuck"}}


def execution_of(account: Account, job: Job) -> str:
    machine = account.stack.outputs["StateMachineArn"]
    return machine.replace(":stateMachine:", ":execution:") + ":" + execution_name(job)


def generating(account: Account) -> Job:
    """Upload an image and return its job once it is paid and has been polled."""
    key = account.new_key()
    account.put(key)
    return account.job_when(key, lambda one: one.status is JobStatus.GENERATING and one.polls > 0)


def key_of(job: Job) -> str:
    return job.image.key


def operator_resumes(account: Account, job: Job) -> Job:
    """Resume a job with the operator's credentials."""
    jobs = JobTable(account.client("dynamodb"), account.stack.outputs["JobsTableName"])
    bus = EventBus(account.client("events"), account.stack.outputs["EventBusName"], account.stack.name)
    machine = StateMachine(account.client("stepfunctions"), account.stack.outputs["StateMachineArn"])
    return ResumeJob(jobs, machine, Publisher(jobs, bus), _now).run(job.job_id)


def published_types(account: Account, key: str) -> list[str]:
    """Return the types of the distinct events about an image."""
    mine = [event for event in account.tail.events() if event["detail"]["data"]["image"]["key"] == key]
    return list(dict.fromkeys(event["detail-type"].removeprefix("Video Generation ") for event in mine))


def test_a_stopped_execution_is_reported_and_resumed_without_payment(account: Account) -> None:
    account.simulator.set_faults([STUCK])
    job = generating(account)

    account.client("stepfunctions").stop_execution(executionArn=execution_of(account, job))

    data = account.tail.wait_for(key_of(job), "Video Generation Failed")["detail"]["data"]
    assert (data["charge"], data["reason"]["code"]) == ("charged", "watch_ended")
    assert "ABORTED" in data["reason"]["message"]
    assert f"`dropreel resume {job.job_id}`" in data["reason"]["next_step"]

    account.simulator.clear_faults()
    resumed = operator_resumes(account, account.ended(key_of(job)))
    assert execution_name(resumed) == f"{job.job_id}-1-1"
    watched = account.job_when(key_of(job), lambda one: one.polls > job.polls + 1)
    assert watched.status is JobStatus.GENERATING
    assert len(account.submitted(key_of(job))) == 1
    account.client("stepfunctions").stop_execution(executionArn=execution_of(account, watched))
    assert account.ended(key_of(job)).resumes == 1


def test_a_job_that_lost_its_execution_is_resumed_and_delivered(account: Account) -> None:
    account.simulator.set_pace(created_seconds=0, processing_seconds=6)
    job = generating(account)
    account.client("stepfunctions").stop_execution(executionArn=execution_of(account, job))
    account.tail.wait_for(key_of(job), "Video Generation Failed")

    operator_resumes(account, account.ended(key_of(job)))

    delivered = account.job_when(key_of(job), lambda one: one.status is JobStatus.COMPLETED and not one.pending_events)
    assert (delivered.resumes, delivered.generation_id) == (1, job.generation_id)
    assert len(account.submitted(key_of(job))) == 1
    account.tail.wait_for(key_of(job), "Video Generation Completed")
    assert published_types(account, key_of(job)) == ["Submitted", "Failed", "Completed"]


def test_polls_without_a_status_are_counted_and_the_video_arrives(account: Account) -> None:
    answers = [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 404},
        {"kind": "answer", "body": "<html>down</html>"},
        {"kind": "answer", "body": "{}"},
    ]
    account.simulator.set_faults([{"on": "poll", "times": 1, "do": answer} for answer in answers])
    key = account.new_key()
    account.put(key)

    job = account.ended(key)

    assert job.status is JobStatus.COMPLETED, job
    assert job.poll_faults == len(answers)
    assert job.last_fault is not None
    assert "status" in job.last_fault.message


@pytest.mark.parametrize(("action", "what"), [("s3:PutObject", "write"), ("events:PutEvents", "publish")])
def test_a_refused_write_or_event_is_retried_and_published_once(account: Account, action: str, what: str) -> None:
    account.simulator.set_pace(created_seconds=0, processing_seconds=4)
    key = account.new_key()
    account.put(key)
    with without(account, "DeliverVideo", action, 0):
        if what == "publish":
            refused = account.job_when(key, lambda one: one.status is JobStatus.COMPLETED)
            assert refused.pending_events
        else:
            refused = account.job_when(key, lambda one: one.provider_status == "completed")
            time.sleep(1)  # a first try to write
            assert account.jobs_of(key)[0].status is JobStatus.GENERATING

    job = account.ended(key)
    assert job.status is JobStatus.COMPLETED, job
    account.tail.wait_for(key, "Video Generation Completed")
    assert published_types(account, key) == ["Submitted", "Completed"]
    assert len(account.submitted(key)) == 1


def test_a_function_killed_in_the_middle_of_the_copy_copies_again(account: Account) -> None:
    drip = {"on": "download", "times": 1, "do": {"kind": "drip", "bytes_per_second": 2_000}}
    account.simulator.set_faults([drip])
    key = account.new_key()
    account.put(key)
    # Wait until the copy has begun: a process that waits for its first call would be killed, too.
    account.job_when(key, lambda one: account.simulator.summary()["downloads"].get(one.generation_id, 0) > 0)

    kill_function(account, "DeliverVideoFunction")

    job = account.ended(key)
    assert job.status is JobStatus.COMPLETED, job
    assert job.video is not None
    stored = account.client("s3").head_object(Bucket=account.videos, Key=job.video.key)
    assert (stored["ContentLength"], stored["VersionId"]) == (job.video.size, job.video.version_id)
    assert published_types(account, key) == ["Submitted", "Completed"]


def kill_function(account: Account, name: str) -> None:
    """End the processes of a function, as Lambda may at any instruction. They are children of the engine."""
    end = time.monotonic() + 20
    physical = account.physical(name)
    killed = 0
    while not killed and time.monotonic() < end:
        for pid in [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]:
            with suppress(OSError):
                ours = os.getpgid(pid) == account.cloud.engine.process.pid
                if ours and physical in Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        time.sleep(0.1)
    assert killed, f"{name} does not run"


def test_expired_addresses_and_cut_bodies_only_delay_the_video(account: Account) -> None:
    faults: list[dict[str, Any]] = [
        {"on": "poll", "times": 2, "do": {"kind": "expired_url"}},  # of the check and of the first delivery
        {"on": "download", "times": 1, "do": {"kind": "truncate", "bytes": 1000}},
    ]
    account.simulator.set_faults(faults)
    key = account.new_key()
    account.put(key)

    job = account.ended(key, seconds=90)

    assert job.status is JobStatus.COMPLETED, job
    assert job.video is not None
    assert (job.video.duration_seconds, job.video.width, job.video.height) == (5.0, 640, 360)


def test_an_odd_video_that_players_open_is_delivered_with_a_warning(account: Account) -> None:
    faults: list[dict[str, Any]] = [
        {"on": "download", "times": 1, "do": {"kind": "extend", "bytes": 9, "content_length": False}},
        {"on": "download", "times": 1, "do": {"kind": "extend", "bytes": 9, "content_length": True}},
    ]
    account.simulator.set_faults(faults)
    key = account.new_key()
    account.put(key)

    data = account.tail.wait_for(key, "Video Generation Completed")["detail"]["data"]

    stored = account.client("s3").get_object(Bucket=account.videos, Key=data["video"]["key"])["Body"].read()
    assert (data["video"]["size"], stored[-9:]) == (len(stored), b"\0junk\0jun")
    (warning,) = [warning for warning in data["warnings"] if "behind its last box" in warning]
    assert warning.startswith(f"The video has 9 bytes behind its last box, from byte {len(stored) - 9:,} on")
    receipt = account.client("s3").get_object(Bucket=account.videos, Key=data["video"]["receipt_key"])["Body"]
    assert json.loads(receipt.read())["warnings"] == data["warnings"]


def test_a_video_without_media_is_retried_then_fails_and_can_be_resumed(account: Account) -> None:
    account.simulator.set_faults([{"on": "download", "do": {"kind": "odd", "oddity": "no media"}}])
    key = account.new_key()
    with deliveries(account, tries=2):
        account.put(key)
        data = account.tail.wait_for(key, "Video Generation Failed")["detail"]["data"]

    assert (data["charge"], data["reason"]["code"], data["video"]) == ("charged", "video_without_media", None)
    assert "dropreel resume" in data["reason"]["next_step"]
    job = account.ended(key)
    assert job.generation_id is not None
    assert account.simulator.summary()["downloads"][job.generation_id] == 2
    assert "Contents" not in account.client("s3").list_objects_v2(Bucket=account.videos, Prefix=key.rpartition("/")[0])

    account.simulator.clear_faults()
    operator_resumes(account, job)
    delivered = account.job_when(key, lambda one: one.status is JobStatus.COMPLETED)
    assert delivered.generation_id == job.generation_id
    assert len(account.submitted(key)) == 1


@contextmanager
def deliveries(account: Account, tries: int) -> Iterator[None]:
    """Limit the tries of a delivery, one second apart, in executions that start inside the block."""
    client, machine = account.client("stepfunctions"), account.stack.outputs["StateMachineArn"]
    deployed = client.describe_state_machine(stateMachineArn=machine)["definition"]
    changed = json.loads(deployed)
    (retry,) = changed["States"]["Deliver Video"]["Retry"]
    retry.update(MaxAttempts=tries - 1, IntervalSeconds=1)
    client.update_state_machine(stateMachineArn=machine, definition=json.dumps(changed))
    try:
        yield
    finally:
        client.update_state_machine(stateMachineArn=machine, definition=deployed)


def test_a_time_out_beyond_an_executions_history_is_refused(account: Account) -> None:
    parameters = {"NohumanApiKey": API_KEY, "PollIntervalSeconds": "1", "GenerationTimeoutMinutes": "37"}

    with pytest.raises(LocalCloudFault, match="needs a PollIntervalSeconds of 5 or more"):
        deploy(account.cloud.engine, parameters, "dropreel-refused")
