import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from dropreel.adapters.image_bucket import ImageBucket, Missing, StoredImage
from dropreel.jobs import ImageRef

IMAGE = ImageRef("uploads", "a.jpg", "v1", "e1")
UNVERSIONED = ImageRef("uploads", "a.jpg", None, "e1")


@pytest.fixture
def s3() -> Iterator[Stubber]:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        yield stubber


CONTENT = bytes(range(250)) * 2500  # more than what is read at once


def refuses(s3: Stubber, status: int) -> None:
    s3.add_client_error("get_object", str(status), "", http_status_code=status)


def has(s3: Stubber, first: int, last: int, asked: dict[str, Any], size: int = len(CONTENT), **told: Any) -> None:
    """Let S3 be asked for these bytes and answer with them, as far as there are so many."""
    part = CONTENT[:size][first : last + 1]
    answer = {
        "Body": StreamingBody(io.BytesIO(part), len(part)),
        "ContentLength": len(part),
        "ContentRange": f"bytes {first}-{first + len(part) - 1}/{size}",
        "ETag": '"e1"',
        "Metadata": {},
        "LastModified": datetime(2026, 5, 4, tzinfo=UTC),
        **told,
    }
    s3.add_response(
        "get_object", answer, {"Bucket": "uploads", "Key": "a.jpg", "Range": f"bytes={first}-{last}", **asked}
    )


def test_an_image_is_found_with_the_version_that_was_asked_for(s3: Stubber):
    has(s3, 0, 16_383, {"VersionId": "v1"}, VersionId="v1")

    found = ImageBucket(s3.client).find(IMAGE)

    assert isinstance(found, StoredImage)
    assert (found.version_id, found.etag, found.size) == ("v1", '"e1"', len(CONTENT))


def test_without_versions_the_image_must_still_be_the_one_that_was_uploaded(s3: Stubber):
    has(s3, 0, 16_383, {"IfMatch": "e1"})

    assert isinstance(ImageBucket(s3.client).find(UNVERSIONED), StoredImage)


@pytest.mark.parametrize("size", [1, 20_000, 524_288])
def test_a_small_image_takes_one_request(s3: Stubber, size: int):
    has(s3, 0, 524_287, {"VersionId": "v1"}, size, VersionId="v1")

    found = ImageBucket(s3.client).find(IMAGE, size)

    assert isinstance(found, StoredImage)
    assert found.read(0, size) == CONTENT[:size]
    assert found.read(size // 2, size) == CONTENT[size // 2 : size]
    assert found.read(size - 1, 1) == CONTENT[size - 1 : size]


@pytest.mark.parametrize(("size", "told"), [(600_000, 600_000), (524_289, 524_289), (200_000, None)])
def test_what_was_not_read_with_the_start_is_asked_for_of_the_same_object(s3: Stubber, size: int, told: int | None):
    has(s3, 0, 16_383, {"VersionId": "v1"}, size, VersionId="v1")
    pinned = {"VersionId": "v1", "IfMatch": '"e1"'}
    has(s3, 16_000, 16_384, pinned, size)
    has(s3, size - 500, size + 11, pinned, size)

    found = ImageBucket(s3.client).find(IMAGE, told)

    assert isinstance(found, StoredImage)
    assert found.read(16_000, 384) == CONTENT[16_000:16_384]
    assert found.read(16_000, 385) == CONTENT[16_000:16_385]
    assert found.read(size - 500, 512) == CONTENT[size - 500 : size]


def test_a_store_that_knows_no_ranges_sends_all_of_it_at_once(s3: Stubber):
    answer = {"Body": StreamingBody(io.BytesIO(CONTENT), len(CONTENT)), "ContentLength": len(CONTENT)}
    told = {"ETag": '"e1"', "Metadata": {}, "VersionId": "v1", "LastModified": datetime(2026, 5, 4, tzinfo=UTC)}
    s3.add_response("get_object", {**answer, **told})

    found = ImageBucket(s3.client).find(IMAGE)

    assert isinstance(found, StoredImage)
    assert found.size == len(CONTENT)
    assert found.read(len(CONTENT) - 5, 100) == CONTENT[-5:]


def test_an_empty_image_is_there(s3: Stubber):
    refuses(s3, 416)
    told = {"ETag": '"e1"', "ContentLength": 0, "Metadata": {"mode": "fast"}, "VersionId": "v1"}
    told["LastModified"] = datetime(2026, 5, 4, tzinfo=UTC)
    s3.add_response("head_object", told, {"Bucket": "uploads", "Key": "a.jpg", "VersionId": "v1"})

    found = ImageBucket(s3.client).find(IMAGE)

    assert isinstance(found, StoredImage)
    assert (found.size, found.version_id, found.metadata) == (0, "v1", {"mode": "fast"})


@pytest.mark.parametrize(
    ("image", "status", "missing"),
    [
        (IMAGE, 404, Missing.GONE),
        (IMAGE, 405, Missing.GONE),
        (IMAGE, 400, Missing.GONE),
        (UNVERSIONED, 404, Missing.GONE),
        (UNVERSIONED, 412, Missing.SUPERSEDED),
    ],
)
def test_an_image_that_is_not_there_is_an_answer(s3: Stubber, image, status, missing):
    refuses(s3, status)

    assert ImageBucket(s3.client).find(image) is missing


@pytest.mark.parametrize(
    ("image", "status"), [(IMAGE, 403), (IMAGE, 500), (UNVERSIONED, 400), (ImageRef("uploads", "a.jpg", "null"), 400)]
)
def test_any_other_answer_is_a_fault(s3: Stubber, image, status):
    refuses(s3, status)

    with pytest.raises(ClientError):
        ImageBucket(s3.client).find(image)


@pytest.mark.parametrize(("status", "content"), [(404, None), (416, b"")])
def test_a_file_that_is_not_there_is_nothing_and_an_empty_one_is_empty(s3: Stubber, status, content):
    refuses(s3, status)

    assert ImageBucket(s3.client).read_file("uploads", "dropreel.json", 10) == content


@pytest.mark.parametrize(("after", "start"), [("", {}), ("a.jpg.jsom~", {"StartAfter": "a.jpg.jsom~"})])
def test_keys_are_listed_a_page_at_a_time(s3: Stubber, after, start):
    told = {"Contents": [{"Key": "a.jpg.JSON"}, {"Key": "a.jpg.json"}], "IsTruncated": True}
    asked = {"Bucket": "uploads", "Prefix": "a.jpg.", "MaxKeys": 2, **start}
    s3.add_response("list_objects_v2", told, asked)
    s3.add_response("list_objects_v2", {}, asked)

    found = [ImageBucket(s3.client).list_keys("uploads", "a.jpg.", after, 2) for _ in range(2)]

    assert found == [(["a.jpg.JSON", "a.jpg.json"], True), ([], False)]


def test_encoded_metadata_is_decoded(s3: Stubber):
    metadata = {"prompt": "=?UTF-8?Q?=C3=A9t=C3=A9?=", "mode": "=?bad?Q?x?="}
    has(s3, 0, 16_383, {"VersionId": "v1"}, Metadata=metadata)

    found = ImageBucket(s3.client).find(IMAGE)

    assert isinstance(found, StoredImage)
    assert found.metadata == {"prompt": "été", "mode": "=?bad?Q?x?="}
