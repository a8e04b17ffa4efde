"""An empty AWS account in moto, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto import mock_aws


@contextmanager
def moto_account() -> Iterator[None]:
    """Send the AWS calls of a block to an account of its own in us-east-1, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        with mock_aws():
            yield
