"""Clients of a running engine, and a bucket in it, for the tests of the engine itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config

from local.cloud import Engine


def client_of(engine: Engine, service: str) -> Any:
    config = Config(signature_version="s3v4") if service == "s3" else None
    session: Any = engine.session()  # boto3's stubs have no overload for a service's name in a variable
    return session.client(service, endpoint_url=engine.endpoint_url, config=config)


@contextmanager
def versioned_bucket(engine: Engine, name: str) -> Iterator[Any]:
    """A versioned bucket with EventBridge notifications; deleted with its objects at the end."""
    s3 = client_of(engine, "s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    try:
        yield s3
    finally:
        listed = s3.list_object_versions(Bucket=name)
        for one in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
        s3.delete_bucket(Bucket=name)
