"""Every line that any function writes is JSON and has the ids of its job, as soon as they are known."""

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import boto3
import pillow_heif
import pytest
from PIL import Image

import dropreel.wiring
from dropreel.domain.metrics import Metric
from tests.integration.conftest import MotoStack, call
from tests.integration.test_whole_way import wait_for_all
from tests.support.sample_events import load_event

REPEATED = "403 Forbidden for url: {image_url}"


@pytest.fixture(autouse=True)
def quiet_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's server runs in this process, too."""
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was written since the last call, decoded. Nothing else may be written."""
    captured = capsys.readouterr()
    assert captured.err == ""
    return [json.loads(line) for line in captured.out.splitlines()]


def assert_has_ids(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert {"job_id", "generation_id"} <= line.keys(), line


def ids_of(lines: list[dict[str, Any]]) -> set[tuple[str | None, str | None]]:
    return {(line["job_id"], line["generation_id"]) for line in lines}


def test_the_whole_way_of_a_prepared_picture(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    original = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (96, 128), "teal")).save(original)

    call("submit_generation", stack.upload("IMG_0001.HEIC", original.getvalue()))
    stack.deliver_prepare_messages()
    before = lines_of(capsys)
    stack.deliver_retry_messages()
    wait_for_all(stack)
    after = lines_of(capsys)

    job = stack.job()
    assert job["status"] == "completed"
    assert_has_ids([*before, *after])
    assert ids_of(before) == {(job["job_id"], None)}
    assert ids_of(after) == {(job["job_id"], job["generation_id"])}
    assert {"generating", "waiting", "delivered"} & {line.get("outcome") for line in after} >= {
        "generating",
        "delivered",
    }


def test_a_failed_generation_and_the_next_attempt(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "fail", "error": "no faces"}}])

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_all(stack)

    lines = lines_of(capsys)
    assert_has_ids(lines)
    (job,) = stack.jobs()
    assert [line["outcome"] for line in lines if line.get("location", "").startswith("handler")][-1] == "deferred"
    assert {job_id for job_id, _ in ids_of(lines)} == {job["job_id"]}
    assert None not in {generation_id for _, generation_id in ids_of(lines)}


def test_an_unknown_submission_and_its_metric(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "status", "status": 502, "body": REPEATED}}])

    call("submit_generation", stack.upload("a.jpg"))

    lines = lines_of(capsys)
    assert_has_ids(lines)
    assert ids_of(lines) == {(stack.job()["job_id"], None)}
    assert len([line for line in lines if Metric.SUBMISSION_UNKNOWN.value in line]) == 1


def test_a_step_that_raises(
    stack: MotoStack, capsys: pytest.CaptureFixture[str], settings: Callable[..., None]
) -> None:
    stack.simulator.set_pace(created_seconds=600, processing_seconds=600)
    message = stack.upload("a.jpg")
    call("submit_generation", message)
    job = stack.job()
    settings(VIDEOS_BUCKET_NAME="gone")
    lines_of(capsys)
    event = load_event("deliver_video") | {"job_id": job["job_id"], "generation_id": job["generation_id"]}
    event["pace"]["execution"] = f"{job['job_id']}-1"

    with pytest.raises(Exception, match=r"NoSuchBucket|no address"):
        call("deliver_video", event)

    lines = [line for line in lines_of(capsys) if "exception" in line]
    assert_has_ids(lines)
    assert ids_of(lines) == {(job["job_id"], job["generation_id"])}


def test_a_sweep_names_each_job_that_it_works_on(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("a.jpg", "b.jpg"):
        stack.simulator.set_faults([{"on": "submit", "do": {"kind": "cut"}}])
        call("submit_generation", stack.upload(key))
    table = boto3.resource("dynamodb").Table(stack.table)
    for job in stack.jobs():  # as a publish that has failed long ago would have left them
        table.update_item(
            Key={"job_id": job["job_id"], "row": "job"},
            UpdateExpression="SET waiting = :publishing, pending_events = :unknown, updated_at = :old, created_at = :old",
            ExpressionAttributeValues={
                ":publishing": "publishing",
                ":unknown": ["Video Generation Unknown"],
                ":old": "2026-01-01T00:00:00+00:00",
            },
        )
    lines_of(capsys)

    swept = call("sweep_jobs", {})

    lines = lines_of(capsys)
    assert_has_ids(lines)
    assert swept["published"] == 2
    assert {job_id for job_id, _ in ids_of(lines)} == {None, *(job["job_id"] for job in stack.jobs())}
    assert {line["message"]: line["job_id"] for line in lines if "message" in line}["done"] is None


def test_a_message_that_cannot_be_read(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> None:
    event = stack.upload("a.jpg")
    event["Records"][0]["body"] = "{}"

    with pytest.raises(Exception):  # noqa: B017, PT011  # any: the message comes again, and becomes a dead letter
        call("submit_generation", event)

    lines = lines_of(capsys)
    assert_has_ids(lines)
    assert [line["message"] for line in lines] == ["failed"]
    assert dropreel.wiring.submit_generation() is not None
