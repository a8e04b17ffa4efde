"""The plan of files: the verdicts of the stack's own checks, with the option files of this machine and of the bucket."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.images import Image, ImageRef
from dropreel.domain.job import JobStatus, job_id_of
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.plan_sources import plan_bucket
from dropreel_cli.stack import Stack
from tests.support.drop_stack import JOBS, SPEND, UPLOADS, drop_stack, plan_of, verdicts
from tests.support.pictures import encoded, jpeg, picture, png
from tests.support.rows import job_row
from tests.support.sample_jobs import OPTIONS, job_with


@pytest.fixture
def stack():
    with drop_stack() as found:
        yield found


def put(stack: Stack, key: str, content: bytes, **metadata: str) -> str:
    answer = stack.client("s3").put_object(Bucket=UPLOADS, Key=key, Body=content, Metadata=metadata)
    return answer["VersionId"]


def put_job(stack: Stack, key: str, version: str, **changes: Any) -> str:
    job_id = job_id_of(ImageRef(UPLOADS, key, version))
    job = job_with(job_id=job_id, image=Image(UPLOADS, key, version), **changes)
    stack.client("dynamodb").put_item(TableName=JOBS, Item=job_row(job))
    return job_id


def write(folder: Path, **files: bytes) -> None:
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)


def test_each_file_gets_the_verdict_of_the_stack(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), b_jpg=b"milk, eggs", c_tif=encoded(picture(), "TIFF"), d_png=png(), e_jpg=jpeg(6))

    files = plan_of(stack, tmp_path)

    found = {image.key: (image.verdict.value, image.format, image.cents) for image in files.plan.images}
    assert found == {
        "a.jpg": ("submitted", "JPEG", 47),
        "b.jpg": ("refused", None, 0),
        "c.tif": ("prepared", "TIFF", 47),
        "d.png": ("submitted", "PNG", 47),
        "e.jpg": ("prepared", "JPEG", 47),
    }
    refused, prepared = files.plan.images[1], files.plan.images[4]
    assert "text" in refused.detail
    assert prepared.detail == "it is rotated by Exif"


def test_options_come_from_all_places_of_here_and_of_the_bucket(stack: Stack, tmp_path: Path) -> None:
    put(stack, "dropreel.json", b'{"cfg_scale": 0.25, "sound": false}')
    put(stack, "to/a.jpg.json", b'{"negative_prompt": "people"}')
    write(tmp_path, a_jpg=jpeg())
    (tmp_path / "dropreel.json").write_text('{"duration": 10, "mode": "hq", "sound": true}')

    (image,) = plan_of(stack, tmp_path, prefix="to/", mode="fast").plan.images

    assert image.sources == {
        "prompt": "stack parameters",
        "mode": "S3 metadata",
        "negative_prompt": "to/a.jpg.json",
        "aspect_ratio": "stack parameters",
        "duration": "to/dropreel.json",
        "cfg_scale": "dropreel.json",
        "sound": "to/dropreel.json",
    }
    assert image.option_files == ("to/dropreel.json",)
    assert image.cents == 94


def test_an_invalid_option_file_refuses_its_images(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), a_jpg_json=b'{"promt": "zoom"}')

    (image,) = plan_of(stack, tmp_path).plan.images

    assert image.verdict == "refused"
    assert "a.jpg.json: there is no option 'promt' (did you mean prompt?)" in image.detail


def test_the_same_picture_twice_is_a_duplicate_unless_its_options_differ(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), b_jpg=jpeg(), c_jpg=jpeg(), c_jpg_json=b'{"mode": "hq"}')

    assert verdicts(plan_of(stack, tmp_path)) == {"a.jpg": "submitted", "b.jpg": "duplicate", "c.jpg": "submitted"}
    assert set(verdicts(plan_of(stack, tmp_path, again=True)).values()) == {"submitted"}


def test_an_image_that_is_there_is_not_dropped_again(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), b_jpg=jpeg())
    version = put(stack, "b.jpg", jpeg())  # by another tool: nothing says which bytes it has but its entity tag
    job_id = put_job(stack, "b.jpg", version, status=JobStatus.COMPLETED)

    files = plan_of(stack, tmp_path)

    assert verdicts(files) == {"a.jpg": "duplicate", "b.jpg": "present"}
    image = files.plan.images[1]
    assert (image.job_id, image.job_status) == (job_id, "completed")
    assert files.plan.total_cents == 0
    assert verdicts(plan_of(stack, tmp_path, again=True)) == {"a.jpg": "submitted", "b.jpg": "submitted"}


def test_options_that_have_changed_since_are_said_and_not_paid(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), a_jpg_json=b'{"mode": "hq"}')
    put_job(stack, "a.jpg", put(stack, "a.jpg", jpeg()), status=JobStatus.COMPLETED, options=OPTIONS)

    (image,) = plan_of(stack, tmp_path).plan.images

    assert image.verdict == "present"
    assert "it had another prompt, mode" in image.detail


def test_other_content_or_other_options_of_the_call_are_another_video(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), b_jpg=png())
    for key in ("a.jpg", "b.jpg"):
        put(stack, key, jpeg(), mode="hq")

    plan = plan_of(stack, tmp_path, mode="fast").plan

    assert [(image.verdict.value, bool(image.replaces)) for image in plan.images] == [("submitted", True)] * 2
    assert "other options" in plan.images[0].detail
    assert "replaces another image" in plan.images[1].detail


def test_a_rejected_image_may_be_dropped_again(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), b_png=png())
    reason = Reason(ReasonCode.OPTIONS_INVALID, "mode is wrong")
    put_job(stack, "a.jpg", put(stack, "a.jpg", jpeg()), status=JobStatus.REJECTED, reason=reason)
    copied = Reason(ReasonCode.DUPLICATE_COPY, "a copy")
    put_job(stack, "b.png", put(stack, "b.png", png()), status=JobStatus.REJECTED, reason=copied)

    assert verdicts(plan_of(stack, tmp_path)) == {"a.jpg": "submitted", "b.png": "present"}


def test_the_days_under_the_limit_count_what_is_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropreel_cli.plan_sources.day_of", lambda _: "2026-11-27")
    for number in range(5):
        write(tmp_path, **{f"{number}_jpg": jpeg(quality=50 + number)})
    with drop_stack(DailySpendLimitUsd="1") as stack:
        item = {"day": {"S": "2026-11-27"}, "reserved_cents": {"N": "60"}}
        stack.client("dynamodb").put_item(TableName=SPEND, Item=item)

        plan = plan_of(stack, tmp_path).plan

    assert (plan.total_cents, plan.reserved_cents, plan.days) == (235, 60, 4)


def test_a_video_above_the_whole_limit_is_refused(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg())

    (image,) = plan_of(stack, tmp_path, mode="hq", duration="10").plan.images

    assert image.verdict == "refused"
    assert image.detail == "It costs $1.87, more than the whole daily limit of $1.00."


def test_long_options_become_a_part_of_the_sidecar(stack: Stack, tmp_path: Path) -> None:
    prompt = "ズーム " * 600
    write(tmp_path, a_jpg=jpeg(), b_png=png(), b_png_json=b'{"mode": "hq", "prompt": "mine"}')

    files = plan_of(stack, tmp_path, prompt=prompt.strip())

    assert {(image.sources or {})["prompt"] for image in files.plan.images} == {"a.jpg.json", "b.png.json"}
    assert json.loads(files.images.content_of("a.jpg.json")) == {"prompt": prompt.strip()}
    assert json.loads(files.images.content_of("b.png.json")) == {"mode": "hq", "prompt": prompt.strip()}
    assert (files.plan.images[1].options or {})["mode"] == "hq"
    assert any("sidecar" in note for note in files.notes)


def test_a_file_that_vanishes_or_cannot_be_read_is_refused_alone(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a_jpg=jpeg(), b_png=png(), c_jpg=jpeg(quality=50))
    real = Path.open

    def opened(path: Path, *how: Any, **more: Any):
        if path.name == "a.jpg":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        if path.name == "b.png":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *how, **more)

    monkeypatch.setattr(Path, "open", opened)

    files = plan_of(stack, tmp_path)

    assert verdicts(files) == {"a.jpg": "refused", "b.png": "refused", "c.jpg": "submitted"}
    assert [image.detail for image in files.plan.images[:2]] == [
        "it does not exist any more",
        "it cannot be read: Permission denied",
    ]


def test_a_large_file_is_not_held_and_is_hashed_only_for_a_comparison(stack: Stack, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        with (tmp_path / name).open("wb") as file:
            file.write(jpeg())
            file.truncate(60_000_000)
    with (tmp_path / "c.jpg").open("wb") as file:
        file.write(jpeg())
        file.truncate(600_000_000)
    tracemalloc.start()
    files = plan_of(stack, tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert verdicts(files) == {"a.jpg": "prepared", "b.jpg": "duplicate", "c.jpg": "prepared"}
    assert files.plan.images[2].sha256 is None
    assert peak < 60_000_000


def test_thousands_of_images_take_little_memory_and_few_requests(stack: Stack, tmp_path: Path) -> None:
    images = 2_000
    content = jpeg(quality=30) + bytes(10_000)
    for number in range(images):
        (tmp_path / f"{number:05}.jpg").write_bytes(content + number.to_bytes(3, "big"))
    requests: list[str] = []
    stack.session.events.register("before-call.*", lambda model, **_: requests.append(model.name))
    tracemalloc.start()
    files = plan_of(stack, tmp_path)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(files.plan.to_drop) == images
    assert held < images * 2_500
    assert peak < held + images * len(content) // 2  # contents are not collected
    assert len(requests) < 20, requests


def test_images_in_s3_are_planned_with_their_options_and_jobs(stack: Stack) -> None:
    put_job(stack, "shop/a.jpg", put(stack, "shop/a.jpg", jpeg()), status=JobStatus.FAILED)
    put(stack, "shop/b.jpg", png(), mode="hq")
    put(stack, "shop/notes.txt", b"text")
    put(stack, "shop/dropreel.json", b'{"duration": 5}')
    put(stack, "else.jpg", jpeg())

    plan = plan_bucket(stack, f"s3://{UPLOADS}/shop/", on_progress=lambda _: None)

    assert [(image.key, image.verdict.value, image.job_status) for image in plan.images] == [
        ("shop/a.jpg", "present", "failed"),
        ("shop/b.jpg", "submitted", None),
        ("shop/notes.txt", "refused", None),
    ]
    assert plan.total_cents == 94
    assert (plan.images[1].sources or {})["duration"] == "shop/dropreel.json"
