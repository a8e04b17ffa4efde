"""Real photographs of 0.6 to 10 MB in every format and encoding, under names of real files."""

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from dropreel.domain.images import ImageRef, PrepareReason
from dropreel.domain.job import Job, JobStatus, job_id_of
from dropreel_cli.following import Following
from tests.e2e.conftest import Account
from tests.support.photographs import MAKERS, Photograph, photographs

ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
NAMES = [
    "IMG 0001 (1).JPG",
    unicodedata.normalize("NFD", "Frühstück in Málaga.jpg"),
    unicodedata.normalize("NFC", "Frühstück in Málaga.jpg"),
    "50% + 50%25.jpg",
    "Oma's “Garten” & 'Hof'.jpg",
    "😀 — ファイル.jpg",
    "Bildschirmfoto 2024-05-01 um 12.34.56.jpg",
    "ohne Endung",
    "Urlaub 2024/Tag 1/Straße+Haus.jpg",
    "Urlaub 2024//doppelt.jpg",
    "#1?=final;v2.jpg",
]
PLACE = "photographs"
PREPARED = {
    "CMYK": PrepareReason.CMYK,
    **{f"orientation {number}": PrepareReason.ORIENTATION for number in range(2, 9)},
    "PNG of grey in 16 bits": PrepareReason.BIT_DEPTH,
    "PNG of colours in 16 bits": PrepareReason.BIT_DEPTH,
}
"""Why a photograph is prepared. Every other one reaches the provider as it is."""


@dataclass(frozen=True)
class Dropping:
    """Everything that was dropped, with the job of each key once it has ended."""

    photographs: dict[str, tuple[str, Photograph]]
    jobs: dict[str, Job]


@pytest.fixture(scope="module")
def dropping(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Dropping:
    """Upload all of them in one burst, as a recursive copy of a folder does, so that none waits for another.

    The provider fetches and decodes each, and renders one video for all: rendering says nothing of the photographs.
    """
    account.simulator.share_videos()
    tree = tmp_path_factory.mktemp("tree")
    made: dict[str, tuple[str, Photograph]] = {}
    for name, photograph in photographs():
        key = f"{PLACE}/{name}.{ENDINGS[photograph.format]}"
        path = tree / key
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photograph.content)
        made[name] = key, photograph
    account.aws("s3", "cp", "--recursive", "--quiet", str(tree), f"s3://{account.uploads}")
    plain = made["baseline"][1].content
    s3 = account.client("s3")
    for name in NAMES:
        s3.put_object(Bucket=account.uploads, Key=f"{PLACE}/named/{name}", Body=plain)
    listed = s3.get_paginator("list_object_versions").paginate(Bucket=account.uploads, Prefix=f"{PLACE}/")
    dropped = [ImageRef(account.uploads, one["Key"], one["VersionId"]) for page in listed for one in page["Versions"]]
    assert len(dropped) == len(MAKERS) + len(NAMES)
    following = Following.of(account.stack, [job_id_of(image) for image in dropped], quiet_seconds=180)
    list(following.changes())
    assert following.ended_early == ""
    jobs = {job.image.key: job for job in following.found}
    account.simulator.share_videos(one_for_all=False)
    return Dropping(made, jobs)


def _fetched(account: Account, key: str) -> list[str]:
    """Return the SHA-256 of the image that the provider fetched, for each paid submission."""
    return [one["image"]["sha256"] for one in account.submitted(key) if one["paid"]]


def _facts(photograph: Photograph) -> dict[str, object]:
    return {
        "size": len(photograph.content),
        "format": {"WEBP": "WebP"}.get(photograph.format, photograph.format),
        "width": photograph.width,
        "height": photograph.height,
        "sha256": hashlib.sha256(photograph.content).hexdigest(),
    }


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in PREPARED])
def test_a_photograph_reaches_the_provider_unchanged_and_becomes_a_video(
    account: Account, dropping: Dropping, name: str
) -> None:
    key, photograph = dropping.photographs[name]
    job = dropping.jobs[key]

    assert (job.status, job.warnings, job.image.prepared) == (JobStatus.COMPLETED, (), None), job.reason
    assert _fetched(account, key) == [hashlib.sha256(photograph.content).hexdigest()]
    assert {part: getattr(job.image, part) for part in _facts(photograph)} == _facts(photograph)


@pytest.mark.parametrize("name", PREPARED)
def test_a_photograph_that_may_be_shown_wrongly_is_prepared_in_its_full_size(
    account: Account, dropping: Dropping, name: str
) -> None:
    key, photograph = dropping.photographs[name]
    job = dropping.jobs[key]

    assert (job.status, job.warnings) == (JobStatus.COMPLETED, ()), job.reason
    assert job.image.prepared is not None
    assert job.image.prepared.reasons == (PREPARED[name],)
    assert (job.image.prepared.width, job.image.prepared.height) == (photograph.width, photograph.height)
    assert _fetched(account, job.image.prepared.key) == [job.image.prepared.sha256]
    assert account.submitted(key) == []
    assert {part: getattr(job.image, part) for part in _facts(photograph)} == _facts(photograph)


@pytest.mark.parametrize("name", NAMES)
def test_a_photograph_of_any_name_becomes_a_video(account: Account, dropping: Dropping, name: str) -> None:
    key = f"{PLACE}/named/{name}"
    job = dropping.jobs[key]

    assert (job.status, job.warnings) == (JobStatus.COMPLETED, ()), job.reason
    assert _fetched(account, key) == [hashlib.sha256(dropping.photographs["baseline"][1].content).hexdigest()]
    assert job.video is not None
    stem = Path(key).stem if "." in Path(key).name else Path(key).name
    assert job.video.key == f"{key.rpartition('/')[0]}/{stem}-{job.generation_id}.mp4"


def test_a_multipart_upload_becomes_a_video(account: Account, dropping: Dropping, tmp_path: Path) -> None:
    """Its ETag is no MD5 of the photograph, and has a dash."""
    _, photograph = dropping.photographs["exactly 10 MB"]
    path, key = tmp_path / "large.jpg", account.new_key("large.jpg")
    path.write_bytes(photograph.content)
    parts = TransferConfig(multipart_threshold=1, multipart_chunksize=5 << 20)

    account.client("s3").upload_file(str(path), account.uploads, key, Config=parts)
    job = account.ended(key)

    assert account.client("s3").head_object(Bucket=account.uploads, Key=key)["ETag"].endswith('-2"')
    assert job.status is JobStatus.COMPLETED, job.reason
    assert _fetched(account, key) == [hashlib.sha256(photograph.content).hexdigest()]


def test_a_photograph_with_false_content_headers_becomes_a_video(account: Account, dropping: Dropping) -> None:
    content, key = dropping.photographs["baseline"][1].content, account.new_key()
    false_headers = {"ContentType": "text/html; charset=utf-8", "ContentEncoding": "gzip"}
    account.client("s3").put_object(Bucket=account.uploads, Key=key, Body=content, **false_headers)

    job = account.ended(key)

    assert job.status is JobStatus.COMPLETED, job.reason
    assert _fetched(account, key) == [hashlib.sha256(content).hexdigest()]


def test_a_photograph_of_one_byte_too_many_is_prepared(account: Account, dropping: Dropping) -> None:
    key, content = account.new_key("large.jpg"), dropping.photographs["exactly 10 MB"][1].content + b"\0"
    account.put(key, content)

    job = account.ended(key)

    assert job.status is JobStatus.COMPLETED, job.reason
    assert job.image.prepared is not None
    assert job.image.prepared.reasons == (PrepareReason.SIZE,)
    assert job.image.sha256 == hashlib.sha256(content).hexdigest()
    assert _fetched(account, job.image.prepared.key) == [job.image.prepared.sha256]
    assert account.submitted(key) == []
