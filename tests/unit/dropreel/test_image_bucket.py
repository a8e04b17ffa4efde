from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
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


def refuses(s3: Stubber, status: int, operation: str = "head_object") -> None:
    s3.add_client_error(operation, str(status), "", http_status_code=status)


def head(**changes: Any) -> dict[str, Any]:
    answer = {"ETag": '"e1"', "ContentLength": 5, "Metadata": {}, "LastModified": datetime(2026, 5, 4, tzinfo=UTC)}
    return {**answer, **changes}


def test_an_image_is_found_with_the_version_that_was_asked_for(s3: Stubber):
    s3.add_response("head_object", head(VersionId="v1"), {"Bucket": "uploads", "Key": "a.jpg", "VersionId": "v1"})

    found = ImageBucket(s3.client).find(IMAGE)

    assert isinstance(found, StoredImage)
    assert (found.version_id, found.etag, found.size) == ("v1", '"e1"', 5)


def test_without_versions_the_image_must_still_be_the_one_that_was_uploaded(s3: Stubber):
    s3.add_response("head_object", head(), {"Bucket": "uploads", "Key": "a.jpg", "IfMatch": "e1"})

    assert isinstance(ImageBucket(s3.client).find(UNVERSIONED), StoredImage)


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
    refuses(s3, status, "get_object")

    assert ImageBucket(s3.client).read_file("uploads", "dropreel.json", 10) == content


def test_encoded_metadata_is_decoded(s3: Stubber):
    s3.add_response("head_object", head(Metadata={"prompt": "=?UTF-8?Q?=C3=A9t=C3=A9?=", "mode": "=?bad?Q?x?="}))

    found = ImageBucket(s3.client).find(IMAGE)

    assert isinstance(found, StoredImage)
    assert found.metadata == {"prompt": "été", "mode": "=?bad?Q?x?="}
