"""The prepared bucket: copies of images that are submitted in their place. S3 deletes them after seven days."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class PreparedBucket:
    """Writes prepared images, each in one request. Raises botocore's ClientError."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def put(self, key: str, content: bytes, content_type: str) -> None:
        """Write an object. One that is there already is from an earlier try, and is replaced."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content, ContentType=content_type)
