"""The prepared bucket: one request, and a second write of the same image replaces the first."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dropreel.adapters.image_bucket import ImageBucket, StoredImage
from dropreel.adapters.prepared_bucket import PreparedBucket
from dropreel.domain.images import ImageRef
from tests.support.moto_account import moto_account

KEY = "0123456789abcdef01234567.jpg"


def bucket_with(client: Any) -> PreparedBucket:
    client.create_bucket(Bucket="prepared")
    client.put_bucket_versioning(Bucket="prepared", VersioningConfiguration={"Status": "Enabled"})
    return PreparedBucket(client, "prepared")


def found(client: Any) -> StoredImage:
    image = ImageBucket(client).find(ImageRef("prepared", KEY))
    assert isinstance(image, StoredImage)
    return image


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png"])
def test_a_prepared_image_has_its_bytes_and_content_type(content_type):
    with moto_account():
        client = boto3.client("s3")

        bucket_with(client).put(KEY, b"the picture", content_type)

        assert found(client).content == b"the picture"
        assert client.head_object(Bucket="prepared", Key=KEY)["ContentType"] == content_type


def test_no_metadata_is_stored_with_a_prepared_image():
    with moto_account():
        client = boto3.client("s3")

        bucket_with(client).put(KEY, b"the picture", "image/jpeg")

        assert found(client).metadata == {}


def test_an_image_that_is_prepared_again_replaces_the_first():
    with moto_account():
        client = boto3.client("s3")
        prepared = bucket_with(client)
        prepared.put(KEY, b"first", "image/jpeg")
        first = found(client).version_id

        prepared.put(KEY, b"second", "image/jpeg")

        assert found(client).content == b"second"
        assert found(client).version_id != first


def test_a_refusal_of_s3_is_a_fault():
    with moto_account(), pytest.raises(ClientError):
        PreparedBucket(boto3.client("s3"), "no-such-bucket").put(KEY, b"x", "image/jpeg")
