"""A rehearsal on moto: the real wiring, handlers and state machine, and no provider."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from jsonschema import Draft202012Validator

from dropreel.provider import rehearsal
from dropreel.provider.client import ProviderClient
from tests.integration.conftest import MotoStack, call
from tests.integration.test_whole_way import wait_for_end

Settings = Callable[..., None]
SCHEMAS = Path(__file__).resolve().parents[2] / "events" / "schemas"


@pytest.fixture(autouse=True)
def _rehearsal(stack: MotoStack, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rehearse, quickly; whatever makes a client of the provider fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("a client of the provider was made in a rehearsal")

    monkeypatch.setattr(ProviderClient, "__init__", refuse)
    monkeypatch.setattr(rehearsal, "CREATED_SECONDS", 1)
    monkeypatch.setattr(rehearsal, "PROCESSING_UNTIL_SECONDS", 2)
    settings(REHEARSAL="true")


def schema_of(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")))


def test_an_image_becomes_a_video_that_says_rehearsal(stack: MotoStack) -> None:
    outcome = call("submit_generation", stack.upload("holiday/a.jpg", metadata={"duration": "10", "sound": "false"}))
    execution = wait_for_end(stack)

    assert outcome == {"outcome": "generating"}
    assert execution["status"] == "SUCCEEDED"
    job = stack.job()
    assert (job["status"], job["rehearsal"]) == ("completed", True)
    assert job["video"]["key"] == f"holiday/a-{job['generation_id']}.mp4"
    assert job["generation_id"].startswith("rehearsal_")
    assert job["reserved_day"].startswith("rehearsal-")
    stored = boto3.client("s3").get_object(Bucket=stack.videos, Key=job["video"]["key"])
    assert stored["Metadata"]["rehearsal"] == "true"
    assert len(stored["Body"].read()) == job["video"]["size"]
    assert float(job["video"]["duration_seconds"]) == 10
    receipt = json.loads(
        boto3.client("s3").get_object(Bucket=stack.videos, Key=job["video"]["receipt_key"])["Body"].read()
    )
    assert receipt["rehearsal"] is True
    schema_of("receipt").validate(receipt)
    events = stack.events()
    assert [event["detail"]["metadata"]["rehearsal"] for event in events] == [True, True]
    for event in events:
        schema_of("event").validate(event["detail"])
    assert stack.simulator.submissions() == []


def test_a_rehearsed_failure_is_tried_as_often_as_a_real_one(stack: MotoStack) -> None:
    call("submit_generation", stack.upload("a.jpg", metadata={"prompt": rehearsal.FAILURE_PHRASE}))
    end = time.monotonic() + 60
    while stack.job()["status"] != "failed":
        assert time.monotonic() < end
        stack.deliver_retry_messages()
        time.sleep(0.2)

    assert [(status, charge) for _, status, charge in stack.attempts()] == [("failed", "charged")] * 2
    assert rehearsal.FAILURE_PHRASE in stack.job()["reason"]["message"]


def test_an_image_that_cannot_be_read_from_outside_fails(stack: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a rehearsal is to show: that the presigned address works. Here the signature is for another key."""
    original = rehearsal.Rehearsal.prepare
    monkeypatch.setattr(
        rehearsal.Rehearsal,
        "prepare",
        lambda self, options, url: original(self, options, url.replace("/a.jpg", "/no.jpg")),
    )

    call("submit_generation", stack.upload("a.jpg"))

    assert "_unreadable-403_" in stack.job()["generation_id"]
