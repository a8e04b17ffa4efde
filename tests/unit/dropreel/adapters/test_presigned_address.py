"""The address that the provider fetches an image from: really signed, and asked for."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from dropreel import wiring
from dropreel.adapters.image_bucket import ImageBucket, StoredImage
from dropreel.domain.images import ImageRef
from tests.support.moto_account import moto_account

VALIDATED, NEWER = b"the picture that was validated", b"a newer picture"


@pytest.fixture
def s3() -> Iterator[Any]:
    """The client of the functions, in an account with one versioned bucket."""
    with moto_account():
        wiring._session.cache_clear()
        wiring._client.cache_clear()
        client = wiring._client("s3")
        client.create_bucket(Bucket="uploads")
        client.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
        yield client
    wiring._session.cache_clear()
    wiring._client.cache_clear()


def put(s3: Any, body: bytes) -> ImageRef:
    stored = s3.put_object(Bucket="uploads", Key="a.jpg", Body=body)
    return ImageRef("uploads", "a.jpg", stored["VersionId"], stored["ETag"])


def address_of(s3: Any, image: ImageRef) -> str:
    found = ImageBucket(s3).find(image)
    assert isinstance(found, StoredImage)
    return found.presigned_url("image/jpeg")


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


@pytest.mark.parametrize("has_version", [True, False], ids=["version in the event", "no version in the event"])
def test_the_address_leads_to_the_validated_picture_after_a_newer_upload(s3: Any, has_version: bool):
    image = put(s3, VALIDATED)
    url = address_of(s3, image if has_version else ImageRef("uploads", "a.jpg", None, image.etag))

    put(s3, NEWER)

    assert query_of(url)["versionId"] == [image.version_id]
    assert requests.get(url, timeout=10).content == VALIDATED


def test_the_address_lives_an_hour(s3: Any):
    url = address_of(s3, put(s3, VALIDATED))

    assert query_of(url)["X-Amz-Expires"] == ["3600"]
