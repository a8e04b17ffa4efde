"""The download of an original: all of its bytes in a temporary file, a piece at a time."""

import hashlib
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from dropreel.adapters.image_bucket import PIECE_BYTES, DownloadedImage, ImageBucket
from dropreel.domain.errors import RetryLater
from dropreel.domain.images import ImageRef, Missing
from dropreel.provider.limits import MAX_IMAGE_BYTES
from tests.support.moto_account import moto_account
from tests.support.scripted_server import scripted_server
from tests.support.stubbed_s3 import CONTENT, IMAGE, UNVERSIONED, client, client_of, has, head_of, refuses

MEBIBYTE = 1024 * 1024


@pytest.fixture
def s3() -> Iterator[Any]:
    with Stubber(client()) as stubber:
        yield stubber


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, empty at the start."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def bytes_of(found: DownloadedImage | Missing) -> bytes:
    assert isinstance(found, DownloadedImage), found
    return found.path.read_bytes()


# --- all bytes, once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, len(CONTENT)])
def test_the_file_has_all_bytes_and_their_digest(s3: Any, size: int):
    has(s3, {"VersionId": "v1"}, CONTENT[:size], VersionId="v1")

    with ImageBucket(s3.client).download(IMAGE, size) as found:
        assert bytes_of(found) == CONTENT[:size]
        assert isinstance(found, DownloadedImage)
        assert (found.size, found.sha256) == (size, hashlib.sha256(CONTENT[:size]).hexdigest())
    s3.assert_no_pending_responses()


def test_more_bytes_than_the_provider_takes_are_downloaded(s3: Any):
    content = bytes(MAX_IMAGE_BYTES + 1)
    has(s3, {"VersionId": "v1"}, content, VersionId="v1")

    with ImageBucket(s3.client).download(IMAGE) as found:
        assert bytes_of(found) == content


@pytest.mark.parametrize("version_id", [None, "null"], ids=["never versioned", "versions suspended"])
def test_without_versions_the_original_must_be_the_validated_one(s3: Any, version_id):
    has(s3, {"IfMatch": "e1"})

    with ImageBucket(s3.client).download(ImageRef("uploads", "a.jpg", version_id, "e1")) as found:
        assert bytes_of(found) == CONTENT


def test_the_version_that_was_validated_is_downloaded_not_a_newer_one():
    with moto_account():
        stored = boto3.client("s3")
        stored.create_bucket(Bucket="uploads")
        stored.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
        first = stored.put_object(Bucket="uploads", Key="a.heic", Body=b"first")["VersionId"]
        stored.put_object(Bucket="uploads", Key="a.heic", Body=b"second")

        with ImageBucket(stored).download(ImageRef("uploads", "a.heic", first)) as found:
            assert bytes_of(found) == b"first"


def test_an_original_that_was_replaced_is_superseded_in_a_plain_bucket():
    with moto_account():
        stored = boto3.client("s3")
        stored.create_bucket(Bucket="uploads")
        etag = stored.put_object(Bucket="uploads", Key="a.heic", Body=b"first")["ETag"]
        stored.put_object(Bucket="uploads", Key="a.heic", Body=b"second")

        with ImageBucket(stored).download(ImageRef("uploads", "a.heic", None, etag)) as found:
            assert found is Missing.SUPERSEDED


def test_a_store_without_conditions_does_not_pass_another_original_off(s3: Any):
    body = has(s3, {"IfMatch": "e1"}, ETag='"e2"')

    with ImageBucket(s3.client).download(UNVERSIONED) as found:
        assert found is Missing.SUPERSEDED
    assert (body.was_read, body.closed) == (False, True)


# --- memory and disk --------------------------------------------------------------------------------------------------


def test_only_a_piece_of_the_original_is_in_memory(s3: Any):
    content = bytes(20 * MEBIBYTE)
    body = has(s3, {"VersionId": "v1"}, content, VersionId="v1")

    tracemalloc.start()
    try:
        with ImageBucket(s3.client).download(IMAGE):
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert body.most_at_once == PIECE_BYTES
    assert peak < 4 * PIECE_BYTES


def test_a_killed_process_leaves_no_file(s3: Any, folder: Path):
    has(s3, {"VersionId": "v1"}, VersionId="v1")

    with ImageBucket(s3.client).download(IMAGE) as found:
        assert bytes_of(found) == CONTENT
        assert list(folder.iterdir()) == []  # it has no name even while it is used


def test_a_system_without_nameless_files_deletes_it(s3: Any, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "is_dir", lambda _path: False)
    has(s3, {"VersionId": "v1"}, VersionId="v1")

    with ImageBucket(s3.client).download(IMAGE) as found:
        assert bytes_of(found) == CONTENT
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []


def test_no_file_is_left_by_a_preparation_that_fails(s3: Any, folder: Path):
    body = has(s3, {"VersionId": "v1"}, VersionId="v1")

    with pytest.raises(MemoryError), ImageBucket(s3.client).download(IMAGE):
        raise MemoryError

    assert list(folder.iterdir()) == []
    assert body.closed


def test_no_file_is_made_for_an_original_that_is_missing(s3: Any, folder: Path):
    refuses(s3, 404, "NoSuchKey")

    with ImageBucket(s3.client).download(IMAGE) as found:
        assert found is Missing.GONE
        assert list(folder.iterdir()) == []


# --- answers that are not the original --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "given", "size"),
    [
        (CONTENT[:500], {"ContentRange": f"bytes 0-499/{len(CONTENT)}"}, None),
        (CONTENT[:-1], {"ContentLength": len(CONTENT)}, None),
        (CONTENT, {"ContentLength": len(CONTENT) - 1}, None),
        (CONTENT[:-1], {}, len(CONTENT)),
        (CONTENT, {"VersionId": "v2"}, None),
        (CONTENT, {"VersionId": None}, None),
    ],
    ids=["a range", "cut", "more than was said", "less than was validated", "another version", "no version"],
)
def test_an_answer_that_is_not_the_original_is_asked_for_again(s3: Any, folder: Path, content, given, size):
    fields = {name: value for name, value in {"VersionId": "v1", **given}.items() if value is not None}
    has(s3, {"VersionId": "v1"}, content, **fields)

    with pytest.raises(RetryLater), ImageBucket(s3.client).download(IMAGE, size):
        pytest.fail("the block must not begin")

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("sent", [CONTENT[:70_000], b""])
def test_an_original_that_is_cut_on_its_way_is_asked_for_again(folder: Path, sent: bytes):
    with scripted_server() as server:
        server.plays(head_of(len(CONTENT)) + sent)
        bucket = ImageBucket(client_of(endpoint_url=server.base_url, style="path"))

        with pytest.raises(RetryLater), bucket.download(IMAGE):
            pytest.fail("the block must not begin")

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "code", "missing"),
    [
        (404, "NoSuchVersion", Missing.GONE),
        (412, "PreconditionFailed", Missing.SUPERSEDED),
        (403, "InvalidObjectState", Missing.ARCHIVED),
        (400, "KMS.DisabledException", Missing.KMS_KEY),
    ],
)
def test_an_error_about_the_original_is_an_answer(s3: Any, status: int, code: str, missing: Missing):
    refuses(s3, status, code)

    with ImageBucket(s3.client).download(IMAGE) as found:
        assert found is missing


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "ExpiredToken"), (503, "SlowDown")])
def test_an_error_that_is_not_about_the_original_is_a_fault(s3: Any, status: int, code: str):
    refuses(s3, status, code)

    with pytest.raises(ClientError), ImageBucket(s3.client).download(IMAGE):
        pytest.fail("the block must not begin")
