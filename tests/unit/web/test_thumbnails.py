"""Small pictures: of every format that the stack takes, upright, made once, and gone with the job."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from PIL import Image

from dropreel.domain.forgetting import forgotten
from dropreel.domain.job import Job
from dropreel_cli.web.thumbnails import SIDE, Thumbnails, cache_folder, make_thumbnail
from tests.support.moto_account import moto_account
from tests.support.sample_jobs import IMAGE, job_with


def saved(format_name: str, size: tuple[int, int] = (1200, 800), **settings: Any) -> bytes:
    image = Image.new("RGB", size, "teal")
    written = io.BytesIO()
    image.save(written, format_name, **settings)
    return written.getvalue()


def heic() -> bytes:
    import pillow_heif

    written = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (1200, 800), "teal")).save(written, quality=50)
    return written.getvalue()


def opened(content: bytes | None) -> Image.Image:
    assert content is not None
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("make", [
    lambda: saved("JPEG"), lambda: saved("PNG"), lambda: saved("WEBP"), lambda: saved("GIF"),
    lambda: saved("TIFF"), lambda: saved("BMP"), lambda: saved("AVIF"), heic,
], ids=["jpeg", "png", "webp", "gif", "tiff", "bmp", "avif", "heic"])  # fmt: skip
def test_every_format_that_the_stack_takes_has_a_small_picture(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "picture"
    path.write_bytes(make())

    small = opened(make_thumbnail(path))

    assert (small.format, small.size) == ("WEBP", (SIDE, round(SIDE * 800 / 1200)))


def test_a_picture_that_exif_turns_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "phone.jpg"
    path.write_bytes(saved("JPEG", exif=exif))

    assert opened(make_thumbnail(path)).size == (round(SIDE * 800 / 1200), SIDE)


def test_a_small_picture_is_not_enlarged(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    path.write_bytes(saved("PNG", (40, 30)))

    assert opened(make_thumbnail(path)).size == (40, 30)


@pytest.mark.parametrize(
    "content", [b"", b"no picture", saved("JPEG")[:300], b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_is_no_picture_has_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert make_thumbnail(path) is None


class Bucket:
    """A bucket in moto with one picture, and a count of what is read."""

    def __init__(self, body: bytes) -> None:
        client = boto3.client("s3")
        client.create_bucket(Bucket="uploads")
        client.put_object(Bucket="uploads", Key=IMAGE.key, Body=body)
        self._client = client
        self.reads = 0

    def get_object(self, **arguments: Any) -> Any:
        self.reads += 1
        return self._client.get_object(**arguments)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with moto_account():
        yield Bucket(saved("JPEG"))


def a_job(**changes: Any) -> Job:
    return job_with(image=IMAGE._replace(version_id=None), **changes)


def test_a_thumbnail_is_made_once_and_kept_for_this_user_only(bucket: Bucket, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "thumbnails"

    first = Thumbnails(bucket, folder).of_job(a_job())
    second = Thumbnails(bucket, folder).of_job(a_job())

    assert first == second is not None
    assert bucket.reads == 1
    assert folder.stat().st_mode & 0o077 == 0


def test_an_image_that_is_not_there_is_looked_for_again(bucket: Bucket, tmp_path: Path) -> None:
    thumbnails = Thumbnails(bucket, tmp_path / "thumbnails")
    missing = job_with(image=IMAGE._replace(key="gone.jpg", version_id=None))

    assert thumbnails.of_job(missing) is None
    assert thumbnails.of_job(missing) is None

    assert bucket.reads == 2


def test_the_thumbnail_of_a_forgotten_job_is_deleted(bucket: Bucket, tmp_path: Path) -> None:
    thumbnails = Thumbnails(bucket, tmp_path / "thumbnails")
    job = a_job()
    thumbnails.of_job(job)

    assert thumbnails.of_job(forgotten(job)) is None

    assert list((tmp_path / "thumbnails").iterdir()) == []


def test_without_a_place_to_keep_it_the_thumbnail_is_made_all_the_same(bucket: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    assert Thumbnails(bucket, file / "thumbnails").of_job(a_job()) is not None


def test_each_stack_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    folders = {cache_folder(f"arn:aws:cloudformation:{region}:1:stack/shop/x") for region in ("eu-west-1", "us-east-1")}

    assert len(folders) == 2
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


def test_a_cache_that_has_grown_too_large_loses_its_oldest_thumbnails(tmp_path: Path) -> None:
    for age in range(5):
        file = tmp_path / f"{age}.webp"
        file.write_bytes(b"0" * 100)
        os.utime(file, (10_000 - age, 10_000 - age))
    (tmp_path / "killed.1.2.new").write_bytes(b"0")
    os.utime(tmp_path / "killed.1.2.new", (0, 0))
    (tmp_path / "written.1.2.new").write_bytes(b"0")

    Thumbnails(None, tmp_path).trim(most=250)

    assert {file.name for file in tmp_path.iterdir()} == {"0.webp", "1.webp", "written.1.2.new"}
    Thumbnails(None, tmp_path / "missing").trim()
