"""From the upload to the video: the handlers, the real state machine in moto, the provider simulator."""

import hashlib
import io
import json
import time
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pillow_heif
import pytest
from PIL import Image

from dropreel.adapters.image_bucket import ImageBucket, StoredImage
from dropreel.domain.prices import usd
from dropreel.provider.limits import MIN_RETRY_AFTER_SECONDS
from tests.integration.conftest import MotoStack, call
from tests.support.sample_events import from_queue, load_event, object_created
from tests.support.sample_jobs import PRICE


def wait_for_end(stack: MotoStack, seconds: float = 60) -> Mapping[str, Any]:
    """Return the only execution once it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        (execution,) = stack.executions()
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.1)
    raise AssertionError("the execution did not end")


def wait_for_all(stack: MotoStack, seconds: float = 60) -> None:
    """Return when no execution runs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(execution["status"] != "RUNNING" for execution in stack.executions()):
            return
        time.sleep(0.1)
    raise AssertionError("the executions did not end")


def test_an_uploaded_image_becomes_a_video_and_an_event(stack: MotoStack) -> None:
    outcome = call("submit_generation", stack.upload("holiday/on the beach+1.JPG"))
    execution = wait_for_end(stack)

    assert outcome == {"outcome": "generating"}
    assert execution["status"] == "SUCCEEDED"
    job = stack.job()
    assert job["status"] == "completed"
    assert job["video"]["key"] == f"holiday/on the beach+1-{job['generation_id']}.mp4"
    stored = boto3.client("s3").get_object(Bucket=stack.videos, Key=job["video"]["key"])
    assert len(stored["Body"].read()) == job["video"]["size"]
    assert stored["Metadata"]["job-id"] == job["job_id"]
    assert [event["detail-type"] for event in stack.events()] == [
        "Video Generation Submitted",
        "Video Generation Completed",
    ]


def test_the_state_machine_gets_ids_and_never_an_address(stack: MotoStack) -> None:
    call("submit_generation", stack.upload("a.jpg"))
    execution = wait_for_end(stack)

    client = boto3.client("stepfunctions")
    described = client.describe_execution(executionArn=execution["executionArn"])
    job = stack.job()
    assert described["name"] == f"{job['job_id']}-1"
    assert described["input"] == (
        f'{{"job_id": "{job["job_id"]}", "attempt": 1, "generation_id": "{job["generation_id"]}"}}'
    )
    history = str(client.get_execution_history(executionArn=execution["executionArn"])["events"])
    assert "http" not in history.replace("https://states.amazonaws.com", "")


def test_a_failed_generation_is_reported_with_the_providers_text(
    stack: MotoStack, settings: Callable[..., None]
) -> None:
    settings(MAX_ATTEMPTS="1")
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "fail", "error": {"message": "no faces, please"}}}])

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_end(stack)

    job = stack.job()
    assert (job["status"], job["reason"]["code"]) == ("failed", "generation_failed")
    assert "no faces, please" in job["reason"]["message"]
    failed = stack.events()[-1]
    assert failed["detail-type"] == "Video Generation Failed"
    assert failed["detail"]["data"]["charge"] == "charged"


def test_a_generation_past_the_deadline_is_failed_by_the_loop(stack: MotoStack, settings: Callable[..., None]) -> None:
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "stuck"}}])
    settings(GENERATION_TIMEOUT_MINUTES="0")

    call("submit_generation", stack.upload("a.jpg"))
    execution = wait_for_end(stack)

    assert execution["status"] == "SUCCEEDED"
    assert (stack.job()["status"], stack.job()["reason"]["code"]) == ("failed", "timed_out")


def test_polls_that_fail_do_not_fail_the_job(stack: MotoStack) -> None:
    stack.simulator.set_faults([{"on": "poll", "times": 2, "do": {"kind": "status", "status": 500}}])

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_end(stack)

    assert stack.job()["status"] == "completed"


def test_a_failure_of_another_generation_does_not_fail_the_job(stack: MotoStack) -> None:
    other = {"id": "gen_other", "status": "failed", "error": "no faces"}
    stack.simulator.set_faults([{"on": "poll", "times": 1, "do": {"kind": "answer", "body": other}}])

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_end(stack)

    job = stack.job()
    assert (job["status"], job["poll_faults"]) == ("completed", 1)
    assert "another generation" in job["last_fault"]["message"]
    assert stack.simulator.summary()["paid"] == 1


def test_a_video_cut_short_is_not_stored_and_the_next_try_delivers_it(stack: MotoStack) -> None:
    cut = {"kind": "truncate", "bytes": 5000, "content_length": False}
    stack.simulator.set_faults([{"on": "download", "times": 1, "do": cut}])

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_end(stack)

    job = stack.job()
    assert job["status"] == "completed"
    versions = (
        boto3.client("s3").list_object_versions(Bucket=stack.videos, Prefix=job["video"]["key"]).get("Versions", [])
    )
    assert [(one["Key"], one["Size"]) for one in versions] == [(job["video"]["key"], int(job["video"]["size"]))]


def test_a_duplicate_message_is_one_paid_submission(stack: MotoStack) -> None:
    message = stack.upload("a.jpg")

    call("submit_generation", message)
    call("submit_generation", message)
    wait_for_end(stack)
    again = call("submit_generation", message)

    assert again == {"outcome": "completed"}
    assert stack.simulator.summary()["paid"] == 1
    assert len(stack.executions()) == 1


def test_a_new_upload_to_the_same_key_is_a_new_job(stack: MotoStack) -> None:
    call("submit_generation", stack.upload("a.jpg"))
    call("submit_generation", stack.upload("a.jpg"))

    assert len({job["job_id"] for job in stack.jobs()}) == 2
    assert stack.simulator.summary()["paid"] == 2


def test_a_phones_picture_is_prepared_and_becomes_a_video(stack: MotoStack) -> None:
    portrait = Image.new("RGB", (96, 128), "teal")
    original = io.BytesIO()
    pillow_heif.from_pillow(portrait).save(original)
    message = stack.upload("IMG_0001.HEIC", original.getvalue())

    outcomes = [call("submit_generation", message)["outcome"], *stack.deliver_prepare_messages()]
    unpaid = (stack.reserved_cents(), stack.simulator.submissions())
    outcomes += stack.deliver_retry_messages()
    wait_for_end(stack)

    assert (outcomes, unpaid) == (["preparing", "deferred", "generating"], (0, []))
    job = stack.job()
    prepared = job["image"]["prepared"]
    stored = boto3.client("s3").get_object(Bucket=stack.prepared, Key=f"{job['job_id']}.jpg")["Body"].read()
    assert (prepared["reasons"], prepared["sha256"]) == (["format"], hashlib.sha256(stored).hexdigest())
    assert (job["status"], job["image"]["format"], job["image"]["width"], job["image"]["height"]) == (
        "completed",
        "HEIC",
        96,
        128,
    )
    assert job["options"]["aspect_ratio"] == "9:16"
    assert stack.events()[-1]["detail"]["data"]["image"]["prepared"]["sha256"] == prepared["sha256"]


def test_a_heic_that_is_cut_is_rejected_and_costs_nothing(stack: MotoStack) -> None:
    whole = io.BytesIO()
    pillow_heif.from_pillow(Image.effect_noise((96, 128), 80).convert("RGB")).save(whole)
    message = stack.upload("IMG_0001.HEIC", whole.getvalue()[:-400])

    outcomes = [call("submit_generation", message)["outcome"], *stack.deliver_prepare_messages()]

    assert outcomes == ["preparing", "rejected"]
    (event,) = stack.events()
    assert (event["detail-type"], event["detail"]["data"]["charge"]) == ("Video Generation Rejected", "none")
    assert event["detail"]["data"]["reason"]["code"] == "image_truncated"
    assert stack.simulator.submissions() == []


def test_a_file_that_is_no_image_is_rejected_without_a_charge(stack: MotoStack) -> None:
    outcome = call("submit_generation", stack.upload("fake.jpg", b"this is a text file\n"))

    assert outcome == {"outcome": "rejected"}
    assert stack.simulator.submissions() == []
    (event,) = stack.events()
    assert event["detail-type"] == "Video Generation Rejected"
    assert event["detail"]["data"]["charge"] == "none"
    assert event["detail"]["data"]["reason"] == {
        "code": "image_format",
        "message": "The file is text, not a JPG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF image.",
        "messages": ["The file is text, not a JPG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF image."],
        "provider_error": None,
        "next_step": "Correct it and upload the image again; nothing was spent.",
    }


@pytest.mark.parametrize("key", ["a.jpg.json", "folder/dropreel.json", "a.jpg.JSON", "folder/.DS_Store", "._a.jpg"])
def test_option_files_and_desktop_files_leave_no_job_and_no_event(stack: MotoStack, key: str) -> None:
    assert call("submit_generation", stack.upload(key, b"{}")) == {"outcome": "ignored"}
    assert stack.jobs() == []
    assert stack.events() == []


def test_files_from_another_system_count_for_an_image_from_a_mac(stack: MotoStack) -> None:
    image, sidecar = (
        unicodedata.normalize("NFD", "Fête/Büro+1.jpg"),
        unicodedata.normalize("NFC", "Fête/Büro+1.jpg.JSON"),
    )
    stack.upload(sidecar, b'{"prompt": "waves"}')
    stack.upload("dropreel.json", b'{"mode": "hq"}')

    call("submit_generation", stack.upload(image))

    (submission,) = stack.simulator.submissions()
    assert (submission["request"]["prompt"], submission["request"]["mode"]) == ("waves", "hq")
    assert stack.jobs()[0]["option_sources"]["prompt"] == sidecar


def copied(stack: MotoStack, key: str, **changes: Any) -> dict[str, Any]:
    """Copy an object onto itself; return the queue's event about it."""
    s3 = boto3.client("s3")
    source: Any = {"Bucket": stack.uploads, "Key": key}
    version = s3.copy_object(Bucket=stack.uploads, Key=key, CopySource=source, **changes)["VersionId"]
    found = s3.head_object(Bucket=stack.uploads, Key=key)
    event = object_created(stack.uploads, key, found["ContentLength"], found["ETag"], version, "0055AED6DCD90281E6")
    event["detail"]["reason"] = "CopyObject"
    return from_queue(event)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 1, 0, 0, 2)])
def test_a_picture_that_is_copied_onto_itself_is_paid_once_in_any_order(
    stack: MotoStack, order: tuple[int, ...]
) -> None:
    stack.simulator.set_pace(created_seconds=600, processing_seconds=0)  # its end is not of this test
    events = [
        stack.upload("a.jpg", metadata={"prompt": "waves"}),
        copied(stack, "a.jpg", StorageClass="STANDARD_IA"),
        copied(stack, "a.jpg", MetadataDirective="REPLACE", Metadata={"prompt": "waves", "camera": "X100"}),
    ]

    outcomes = [call("submit_generation", events[number])["outcome"] for number in order]

    first = order[0]
    assert [outcome == "generating" for outcome in outcomes] == [number == first for number in order]
    assert {outcome for outcome, number in zip(outcomes, order, strict=True) if number != first} == {"copied"}
    assert (len(stack.jobs()), stack.simulator.summary()["paid"], stack.reserved_cents()) == (1, 1, PRICE)
    assert [event["detail-type"] for event in stack.events()] == ["Video Generation Submitted"]


def test_a_copy_with_other_options_is_a_job_of_its_own(stack: MotoStack) -> None:
    call("submit_generation", stack.upload("a.jpg"))

    changed = copied(stack, "a.jpg", MetadataDirective="REPLACE", Metadata={"prompt": "a storm comes up"})

    assert call("submit_generation", changed) == {"outcome": "generating"}
    assert [one["request"]["prompt"] for one in stack.simulator.submissions()][-1] == "a storm comes up"


def requested(key: str, **more: Any) -> dict[str, Any]:
    """Return the queue's event about a request."""
    event = load_event("video_generation_requested")
    event["detail"] = {"image": {"bucket": "uploads", "key": key}, "request_id": "order-4711", **more}
    return from_queue(event)


def test_a_request_id_is_in_the_job_its_events_and_its_receipt(stack: MotoStack) -> None:
    stack.upload("a.jpg")

    call("submit_generation", requested("a.jpg", options={"sound": False}))
    wait_for_end(stack)

    job = stack.job()
    stored = boto3.client("s3").get_object(Bucket=stack.videos, Key=job["video"]["receipt_key"])
    receipt = json.loads(stored["Body"].read())
    in_events = [event["detail"]["data"]["request_id"] for event in stack.events()]
    assert [job["request_id"], receipt["request_id"], *in_events] == ["order-4711"] * 4


def test_a_request_id_reused_for_another_request_is_rejected(stack: MotoStack) -> None:
    stack.simulator.set_pace(created_seconds=600, processing_seconds=0)  # its end is not of this test
    stack.upload("a.jpg")
    call("submit_generation", requested("a.jpg", options={"sound": False}))
    first = stack.job()

    outcomes = [call("submit_generation", requested("a.jpg", options={"sound": True}))["outcome"] for _ in range(2)]

    (second,) = [job for job in stack.jobs() if job["job_id"] != first["job_id"]]
    assert outcomes == ["rejected", "rejected"]
    assert (second["reason"]["code"], second["request_id"]) == ("request_id_reused", "order-4711")
    assert first["job_id"] in second["reason"]["message"]
    assert stack.simulator.summary()["paid"] == 1
    assert [event["detail-type"] for event in stack.events()] == [
        "Video Generation Submitted",
        "Video Generation Rejected",
    ]


def test_a_submission_whose_answer_is_lost_is_parked_and_never_sent_again(stack: MotoStack) -> None:
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "cut", "paid": True}}])
    message = stack.upload("a.jpg")

    first = call("submit_generation", message)
    again = call("submit_generation", message)

    assert (first, again) == ({"outcome": "unknown"}, {"outcome": "unknown"})
    assert len(stack.simulator.submissions()) == 1
    assert stack.job()["charge"] == "unknown"
    assert stack.attempts() == [("attempt#01#0000", "unknown", "unknown")]
    assert [event["detail-type"] for event in stack.events()] == ["Video Generation Unknown"]


def test_a_job_is_retried_after_a_busy_answer_that_costs_nothing(stack: MotoStack) -> None:
    busy = {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}}
    stack.simulator.set_faults([{"on": "submit", "times": 1, "do": busy}])

    first = call("submit_generation", stack.upload("a.jpg"))
    reserved_meanwhile = stack.reserved_cents()
    at_once = stack.deliver_retry_messages()  # no tight loop, even for `Retry-After: 0`
    time.sleep(MIN_RETRY_AFTER_SECONDS + 0.5)
    second = stack.deliver_retry_messages()

    assert (first, at_once, second) == ({"outcome": "deferred"}, [], ["generating"])
    assert reserved_meanwhile == 0
    assert stack.reserved_cents() == PRICE
    assert stack.attempts() == [("attempt#01#0000", "deferred", "none"), ("attempt#01#0001", "generating", "charged")]
    assert stack.simulator.summary()["paid"] == 1


def test_every_parameter_of_the_provider_can_be_set_by_metadata(stack: MotoStack) -> None:
    metadata = {
        "prompt": "=?utf-8?b?UGFuIGxlZnQsIGJpdHRlIPCfmIA=?=",
        "negative-prompt": "blur",
        "mode": "hq",
        "aspect-ratio": "9:16",
        "duration": "10",
        "cfg-scale": "0.8",
        "sound": "false",
    }

    call("submit_generation", stack.upload("a.jpg", metadata=metadata))

    (submission,) = stack.simulator.submissions()
    sent = {name: value for name, value in submission["request"].items() if name != "image_url"}
    assert sent == {
        "prompt": "Pan left, bitte 😀",
        "negative_prompt": "blur",
        "mode": "hq",
        "aspect_ratio": "9:16",
        "duration": 10,
        "cfg_scale": 0.8,
        "sound": False,
    }


def test_an_image_deleted_before_its_submission_is_rejected(stack: MotoStack) -> None:
    message = stack.upload("a.jpg")
    version = boto3.client("s3").head_object(Bucket=stack.uploads, Key="a.jpg")["VersionId"]
    boto3.client("s3").delete_object(Bucket=stack.uploads, Key="a.jpg", VersionId=version)

    assert call("submit_generation", message) == {"outcome": "rejected"}
    assert stack.job()["reason"]["code"] == "image_missing"


def test_a_failed_generation_is_paid_for_once_more_at_most(stack: MotoStack) -> None:
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "fail", "error": "no"}}])

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_end(stack)
    second = stack.deliver_retry_messages()
    wait_for_all(stack)
    third = stack.deliver_retry_messages()

    assert (second, third) == (["generating"], [])
    job = stack.job()
    assert (job["status"], job["attempt"]) == ("failed", 2)
    assert stack.attempts() == [("attempt#01#0000", "failed", "charged"), ("attempt#02#0000", "failed", "charged")]
    assert stack.simulator.summary()["paid"] == 2
    assert stack.reserved_cents() == 2 * PRICE
    events = [event["detail-type"].removeprefix("Video Generation ") for event in stack.events()]
    assert events == ["Submitted", "Submitted", "Failed"]


def test_a_job_over_the_limit_is_held_once_and_released_by_a_higher_limit(
    stack: MotoStack, settings: Callable[..., None]
) -> None:
    settings(DAILY_SPEND_LIMIT_USD=str(usd(2 * PRICE - 1)))
    message = stack.upload("b.jpg")

    first = call("submit_generation", stack.upload("a.jpg"))
    held = [call("submit_generation", message) for _ in range(2)]
    swept_without_room = call("sweep_jobs", {})
    settings(DAILY_SPEND_LIMIT_USD=str(usd(2 * PRICE)))
    swept = call("sweep_jobs", {})
    released = stack.deliver_retry_messages()

    assert (first["outcome"], held) == ("generating", [{"outcome": "held"}] * 2)
    assert "released" not in swept_without_room
    assert (swept["released"], released) == (1, ["generating"])
    assert stack.reserved_cents() == 2 * PRICE
    published = [event["detail-type"] for event in stack.events()]
    assert published.count("Video Generation Held") == 1


def test_a_zero_limit_pauses_and_a_job_above_the_days_limit_is_rejected(
    stack: MotoStack, settings: Callable[..., None]
) -> None:
    settings(DAILY_SPEND_LIMIT_USD="0")
    paused = call("submit_generation", stack.upload("a.jpg"))
    settings(DAILY_SPEND_LIMIT_USD=str(usd(PRICE - 1)))
    too_expensive = call("submit_generation", stack.upload("b.jpg"))

    assert (paused, too_expensive) == ({"outcome": "held"}, {"outcome": "rejected"})
    assert stack.simulator.submissions() == []
    assert stack.reserved_cents() == 0


@pytest.mark.parametrize(
    ("status", "outcome", "code"), [(400, "rejected", "provider_refused"), (401, "deferred", "key_refused")]
)
def test_what_the_provider_refuses_costs_nothing(stack: MotoStack, status: int, outcome: str, code: str) -> None:
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "status", "status": status}}])

    assert call("submit_generation", stack.upload("a.jpg")) == {"outcome": outcome}
    assert stack.job()["reason"]["code"] == code
    assert stack.reserved_cents() == 0


def test_under_the_resubmit_policy_an_unknown_submission_is_sent_again(
    stack: MotoStack, settings: Callable[..., None]
) -> None:
    settings(AMBIGUOUS_SUBMIT_POLICY="resubmit")
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "cut", "paid": True}}])

    first = call("submit_generation", stack.upload("a.jpg"))
    second = stack.deliver_retry_messages()
    third = stack.deliver_retry_messages()

    assert (first, second, third) == ({"outcome": "deferred"}, ["unknown"], [])
    assert (stack.job()["attempt"], stack.job()["charge"]) == (2, "unknown")
    assert stack.simulator.summary()["paid"] == 2
    assert stack.reserved_cents() == 2 * PRICE


def test_a_dead_letter_is_noted_on_its_job_and_redriven_unpaid(
    stack: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = stack.upload("a.jpg")
    message["Records"][0]["attributes"]["ApproximateReceiveCount"] = "5"
    broken = ImageBucket.find

    def fail(*_: object) -> StoredImage:
        raise OSError("S3 is down")

    monkeypatch.setattr(ImageBucket, "find", fail)
    with pytest.raises(OSError, match="S3 is down"):
        call("submit_generation", message)
    dead = stack.job()
    monkeypatch.setattr(ImageBucket, "find", broken)
    redriven = call("submit_generation", message)

    assert (dead["status"], dead["reason"]["code"]) == ("deferred", "dead_letter")
    assert redriven == {"outcome": "generating"}
    assert stack.simulator.summary()["paid"] == 1
