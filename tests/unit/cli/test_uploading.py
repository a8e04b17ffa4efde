"""Uploads of planned images: whole or not at all, with their options, and never the same one twice."""

import json
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from dropreel.adapters.image_bucket import decoded_metadata
from dropreel.domain.images import ImageRef
from dropreel.domain.job import job_id_of
from dropreel_cli import uploading
from dropreel_cli.local_images import sha256_of
from dropreel_cli.plan_sources import PlannedFiles
from dropreel_cli.stack import Stack
from dropreel_cli.uploading import FailedUpload, Upload, Uploader, upload_unchecked
from tests.support.drop_stack import UPLOADS, drop_stack, plan_of, verdicts
from tests.support.pictures import jpeg, png
from tests.unit.cli.test_plan_sources import put, write


@pytest.fixture
def stack():
    with drop_stack(DailySpendLimitUsd="unlimited") as found:
        yield found


@dataclass
class Wire:
    """S3's client. Before or after the answer of the first writes, a fault."""

    client: Any
    before: list[Exception] = field(default_factory=list)
    after: list[Exception] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            if self.before:
                raise self.before.pop(0)
            answer = getattr(self.client, name)(**arguments)
            if self.after:
                raise self.after.pop(0)
            return answer

        return call


def uploader(stack: Stack, files: PlannedFiles, single: Any = None, **options: str) -> Uploader:
    s3 = stack.client("s3")
    return Uploader(s3, single or s3, UPLOADS, files.images, files.folders, options, sleep=lambda _: None)


def upload(stack: Stack, files: PlannedFiles, single: Any = None, **options: str) -> list[Upload | FailedUpload]:
    return list(uploader(stack, files, single, **options).upload(files.plan.to_drop))


def versions(stack: Stack, key: str = "") -> int:
    listed = stack.client("s3").list_object_versions(Bucket=UPLOADS, Prefix=key)
    return len(listed.get("Versions", []))


def failed(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


LOST = EndpointConnectionError(endpoint_url="https://s3.invalid")


def test_an_image_is_uploaded_with_its_options_and_its_job_is_known(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg())
    options: dict[str, Any] = {"prompt": "zoom über alles", "negative_prompt": "=?looks encoded?="}

    (done,) = upload(stack, plan_of(stack, tmp_path, **options), **options)

    assert isinstance(done, Upload)
    assert done.job_id == job_id_of(ImageRef(UPLOADS, "a.jpg", done.version_id))
    head = stack.client("s3").head_object(Bucket=UPLOADS, Key="a.jpg")
    assert head["ContentType"] == "image/jpeg"
    assert verdicts(plan_of(stack, tmp_path, **options)) == {"a.jpg": "present"}


def test_option_files_are_uploaded_first_and_not_again(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), a_jpg_json=b'{"mode": "hq"}', other_json=b"[]")
    (tmp_path / "dropreel.json").write_bytes(b'{"duration": 10}')
    order: list[str] = []
    for operation in ("PutObject", "CreateMultipartUpload"):
        stack.session.events.register(
            f"before-parameter-build.s3.{operation}", lambda params, **_: order.append(params["Key"])
        )

    upload(stack, plan_of(stack, tmp_path))
    assert order[-1] == "a.jpg"
    assert sorted(order) == ["a.jpg", "a.jpg.json", "dropreel.json"]

    order.clear()
    upload(stack, plan_of(stack, tmp_path, again=True))
    assert order == ["a.jpg"]


def test_long_options_are_merged_into_the_sidecar(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg())
    put(stack, "a.jpg.json", b'{"mode": "hq", "prompt": "earlier"}')
    prompt = "prompt " * 340

    upload(stack, plan_of(stack, tmp_path, prompt=prompt.strip(), sound="false"), prompt=prompt.strip(), sound="false")

    sidecar = stack.client("s3").get_object(Bucket=UPLOADS, Key="a.jpg.json")["Body"].read()
    assert json.loads(sidecar) == {"mode": "hq", "prompt": prompt.strip(), "sound": False}
    same = plan_of(stack, tmp_path, prompt=prompt.strip(), sound="false")
    assert verdicts(same) == {"a.jpg": "present"}
    assert verdicts(plan_of(stack, tmp_path, prompt=f"{prompt}x", sound="false")) == {"a.jpg": "submitted"}


def test_a_large_file_is_uploaded_in_parts(stack: Stack, tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.write(jpeg())
        file.truncate(20_000_000)
    sent: list[int] = []
    files = plan_of(stack, tmp_path)
    making = uploader(stack, files)
    making.on_bytes = sent.append

    (done,) = making.upload(files.plan.to_drop)

    assert isinstance(done, Upload)
    assert len(sent) == 3
    stored = stack.client("s3").get_object(Bucket=UPLOADS, Key="a.jpg")["Body"].read()
    assert stored == (tmp_path / "a.jpg").read_bytes()
    assert verdicts(plan_of(stack, tmp_path)) == {"a.jpg": "present"}


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize("size", [0, 20_000_000])
@pytest.mark.parametrize(
    ("change", "why"), [(Path.unlink, "it does not exist any more"), (grow, "it was changed after it was checked")]
)
def test_a_file_that_vanishes_or_changes_is_not_uploaded(
    size: int, change: Callable[[Path], Any], why: str, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a_jpg=jpeg(), b_png=png())
    if size:
        with (tmp_path / "a.jpg").open("ab") as file:
            file.truncate(size)
        hashed = sha256_of(str(tmp_path / "a.jpg"))
        monkeypatch.setattr(uploading, "sha256_of", lambda _: hashed)
    files = plan_of(stack, tmp_path)
    change(tmp_path / "a.jpg")

    first, second = upload(stack, files)

    assert isinstance(first, FailedUpload)
    assert first.message.startswith(why)
    assert isinstance(second, Upload)
    assert versions(stack, "a.jpg") == 0
    assert not stack.client("s3").list_multipart_uploads(Bucket=UPLOADS).get("Uploads")


def test_an_option_file_that_vanishes_stops_its_images_only(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), a_jpg_json=b'{"mode": "hq"}', b_png=png())
    files = plan_of(stack, tmp_path)
    (tmp_path / "a.jpg.json").unlink()
    files.images._read.cache_clear()

    first, second = upload(stack, files)

    assert isinstance(first, FailedUpload)
    assert first.message == "a.jpg.json: it does not exist any more"
    assert isinstance(second, Upload)


def test_a_put_whose_answer_is_lost_is_not_sent_twice(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg())

    (done,) = upload(stack, plan_of(stack, tmp_path), Wire(stack.client("s3"), after=[LOST]))

    assert isinstance(done, Upload)
    assert versions(stack) == 1


def test_a_put_that_did_not_arrive_is_sent_again(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg())
    wire = Wire(stack.client("s3"), before=[LOST, failed("InternalError", 500)])

    (done,) = upload(stack, plan_of(stack, tmp_path), wire)

    assert isinstance(done, Upload)
    assert versions(stack) == 1


def test_a_replacing_put_without_an_answer_is_not_sent_again(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg())
    put(stack, "a.jpg", jpeg())

    with pytest.raises(EndpointConnectionError):
        upload(stack, plan_of(stack, tmp_path, again=True), Wire(stack.client("s3"), before=[LOST]))


def test_two_calls_at_once_upload_an_image_once(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg())
    plans = [plan_of(stack, tmp_path), plan_of(stack, tmp_path)]

    first, second = (upload(stack, plan)[0] for plan in plans)

    assert isinstance(first, Upload)
    assert isinstance(second, Upload)
    assert second.job_id == first.job_id
    assert versions(stack) == 1


def test_each_replacing_upload_changes_the_entity_tag(stack: Stack, tmp_path: Path) -> None:
    # given an image in the bucket: the condition of an upload that replaces it is its entity tag
    write(tmp_path, a_jpg=jpeg())
    put(stack, "a.jpg", jpeg())
    tags = [stack.client("s3").head_object(Bucket=UPLOADS, Key="a.jpg")["ETag"]]
    for prompt in ("one", "two", "three"):
        # when the same content is uploaded with another prompt
        (done,) = upload(stack, plan_of(stack, tmp_path, prompt=prompt), prompt=prompt)
        assert isinstance(done, Upload)
        assert done.planned.replaces == tags[-1]
        tags.append(stack.client("s3").head_object(Bucket=UPLOADS, Key="a.jpg")["ETag"])
        # then a second call at the same time cannot replace that upload: the tag is another one
        assert tags[-1] != tags[-2]


def test_another_upload_with_the_key_in_between_is_not_replaced(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg())
    files = plan_of(stack, tmp_path)
    put(stack, "a.jpg", png())

    (done,) = upload(stack, files)

    assert isinstance(done, FailedUpload)
    assert "another upload with this key came first" in done.message
    assert versions(stack) == 1


def test_a_denied_put_ends_the_upload(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, a_jpg=jpeg(), b_png=png())

    with pytest.raises(ClientError):
        upload(stack, plan_of(stack, tmp_path), Wire(stack.client("s3"), before=[failed("AccessDenied", 403)] * 9))


def test_a_stop_ends_what_has_begun_and_begins_nothing_else(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "WORKERS", 1)
    for number in range(20):
        write(tmp_path, **{f"{number:02}_jpg": jpeg(quality=20 + number)})
    files = plan_of(stack, tmp_path)
    making = uploader(stack, files)
    counted: list[str] = []
    making.on_upload = lambda planned: counted.append(planned.key)

    before = threading.active_count()
    with closing(making.upload(files.plan.to_drop)) as results:
        next(results)

    assert threading.active_count() == before
    assert len(counted) == versions(stack) < 20
    continued = plan_of(stack, tmp_path)
    assert len(continued.plan.to_drop) == 20 - len(counted)
    upload(stack, continued)
    assert versions(stack) == 20


def test_an_unchecked_upload_takes_any_file_and_replaces_what_is_there(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path, notes_txt=b"milk, bread, eggs\n")
    put(stack, "notes.txt", png())

    ref = upload_unchecked(stack, tmp_path / "notes.txt", {"negative_prompt": "über"})

    head = stack.client("s3").head_object(Bucket=UPLOADS, Key="notes.txt")
    assert (ref.bucket, ref.key, ref.version_id) == (UPLOADS, "notes.txt", head["VersionId"])
    assert decoded_metadata(head["Metadata"]["negative-prompt"]) == "über"
    assert versions(stack) == 2
