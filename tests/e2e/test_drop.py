"""An upload and its outcome, through the whole local cloud."""

import hashlib
import json
import time
from pathlib import Path

import av
import pytest

from dropreel.adapters.queues import HIDDEN_SECONDS
from dropreel.domain.job import JobStatus
from tests.e2e.conftest import SAMPLE, Account
from tests.support.photographs import small_jpeg
from tests.support.sample_events import object_created

AWKWARD_KEYS = [
    "with space.jpg",
    "plus+and%percent.jpg",
    "100%25.jpg",
    "quotes'\"“”.jpg",
    "emoji-😀.jpg",
    "日本語/фото/صورة.jpeg",
    "a/very/deep/folder/of/folders/image.jpg",
    "UPPER.JPG",
    "no-ending",
    "dots.in.name.v2.jpg",
    "tilde~!*()&$@=;:,?.jpg",
]


def test_images_with_awkward_names_become_videos_named_after_them(account: Account) -> None:
    for key in AWKWARD_KEYS:
        account.put(key)

    for key in AWKWARD_KEYS:
        job = account.ended(key)
        assert job.status is JobStatus.COMPLETED, job
        assert job.video is not None
        folder, _, name = key.rpartition("/")
        stem = name.rpartition(".")[0] or name
        assert job.video.key == (f"{folder}/" if folder else "") + f"{stem}-{job.generation_id}.mp4"
        stored = account.client("s3").get_object(Bucket=account.videos, Key=job.video.key)
        assert stored["ContentLength"] == job.video.size
        assert account.tail.wait_for(key, "Video Generation Completed")["detail"]["data"]["job_id"] == job.job_id


@pytest.mark.parametrize(
    ("metadata", "seconds", "shape", "sound"),
    [
        ({}, 5, (640, 360), True),
        ({"duration": "10", "aspect-ratio": "9:16", "mode": "hq", "sound": "false"}, 10, (720, 1280), False),
    ],
)
def test_the_video_has_the_requested_duration_shape_and_sound(
    account: Account, tmp_path: Path, metadata: dict[str, str], seconds: int, shape: tuple[int, int], sound: bool
) -> None:
    key = account.new_key()
    account.put(key, metadata=metadata)
    job = account.ended(key)

    assert job.video is not None
    path = tmp_path / "video.mp4"
    account.aws("s3", "cp", "--quiet", f"s3://{account.videos}/{job.video.key}", str(path))
    with av.open(str(path)) as video:
        assert abs(float(video.duration or 0) / 1_000_000 - seconds) < 0.1
        assert (video.streams.video[0].width, video.streams.video[0].height) == shape
        assert bool(video.streams.audio) is sound


def test_each_option_reaches_the_provider(account: Account) -> None:
    key = account.new_key()
    options = (
        "prompt=pan left and wait,negative-prompt=blur,mode=hq,aspect-ratio=1:1,duration=10,cfg-scale=0.25,sound=false"
    )

    account.aws("s3", "cp", "--quiet", str(SAMPLE), f"s3://{account.uploads}/{key}", "--metadata", options)
    account.ended(key)

    (submission,) = account.submitted(key)
    sent = {name: value for name, value in submission["request"].items() if name != "image_url"}
    assert sent == {
        "prompt": "pan left and wait",
        "negative_prompt": "blur",
        "mode": "hq",
        "aspect_ratio": "1:1",
        "duration": 10,
        "cfg_scale": 0.25,
        "sound": False,
    }


def test_the_provider_fetches_exactly_the_uploaded_image(account: Account) -> None:
    key = account.new_key()
    account.put(key)
    account.ended(key)

    (submission,) = account.submitted(key)
    assert submission["image"]["sha256"] == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    assert submission["paid"] is True


def test_the_sample_photograph_has_no_warning_and_a_small_one_has(account: Account) -> None:
    key, small = account.new_key(), account.new_key("small.jpg")
    account.put(key)
    account.put(small, small_jpeg())

    assert account.ended(key).warnings == ()
    (warning,) = account.ended(small).warnings
    assert "1024 x 1024" in warning
    video = account.ended(small).video
    assert video is not None
    stored = account.client("s3").get_object(Bucket=account.videos, Key=video.receipt_key)
    assert json.loads(stored["Body"].read())["warnings"] == [warning]


def test_a_text_file_named_jpg_is_rejected_with_an_event(account: Account) -> None:
    key = account.new_key("notes.jpg")
    account.put(key, b"milk, bread, eggs\n")

    event = account.tail.wait_for(key, "Video Generation Rejected")

    data = event["detail"]["data"]
    assert (data["status"], data["charge"], data["reason"]["code"]) == ("rejected", "none", "image_format")
    assert "text" in data["reason"]["message"]
    assert account.submitted(key) == []


def test_sidecars_and_folder_markers_have_no_job(account: Account) -> None:
    folder = account.new_key("").rstrip("/")
    account.put(f"{folder}/", b"")
    account.put(f"{folder}/a.jpg.json", b'{"prompt": "zoom out"}')
    account.put(f"{folder}/dropreel.json", b"{}")
    account.put(f"{folder}/last.jpg")

    account.ended(f"{folder}/last.jpg")

    for name in ("", "a.jpg.json", "dropreel.json"):
        assert account.jobs_of(f"{folder}/{name}") == []


def test_redriven_dead_letters_are_processed_and_not_paid_again(account: Account) -> None:
    key = account.new_key()
    put = account.put(key)
    job = account.ended(key)
    sqs, outputs = account.client("sqs"), account.stack.outputs
    unseen = object_created(account.uploads, account.new_key("gone.jpg"), 1, put["ETag"], None, "seq")
    again = {"job_id": job.job_id, "attempt": job.attempt, "requeues": job.requeues}
    for body in (again, unseen):
        sqs.send_message(QueueUrl=outputs["DeadLetterQueueUrl"], MessageBody=json.dumps(body))

    # What start-message-move-task does on AWS; the local engine has no such call.
    moved: set[str] = set()
    end = time.monotonic() + 2 * HIDDEN_SECONDS  # the sweeper may just have received them
    while not moved >= {json.dumps(again), json.dumps(unseen)} and time.monotonic() < end:
        found = sqs.receive_message(QueueUrl=outputs["DeadLetterQueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in found.get("Messages", []):
            sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=outputs["DeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"])
            moved.add(message["Body"])

    gone = account.ended(unseen["detail"]["object"]["key"])
    assert (gone.status, gone.reason.code if gone.reason else None) == (JobStatus.REJECTED, "image_missing")
    assert len(account.submitted(key)) == 1
    assert account.ended(key).status is JobStatus.COMPLETED


def test_a_failed_generation_is_published_with_the_providers_text(account: Account) -> None:
    account.simulator.set_faults([{"on": "submit", "do": {"kind": "fail", "error": "the picture is too dark"}}])
    key = account.new_key()
    account.put(key)

    event = account.tail.wait_for(key, "Video Generation Failed")

    data = event["detail"]["data"]
    assert (data["status"], data["charge"], data["reason"]["code"]) == ("failed", "charged", "generation_failed")
    assert "the picture is too dark" in data["reason"]["message"]
