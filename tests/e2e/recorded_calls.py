"""The IAM actions that a command asks AWS for, recorded as it runs."""

from pathlib import Path

_SITE = """
import os
from botocore import client

call = client.BaseClient._make_api_call

def recorded(self, operation, arguments):
    version = "Version" if operation in ("GetObject", "DeleteObject") and "VersionId" in arguments else ""
    with open(os.environ["RECORDED_CALLS"], "a") as file:
        file.write(f"{self.meta.service_model.signing_name}:{operation}{version}\\n")
    return call(self, operation, arguments)

client.BaseClient._make_api_call = recorded
"""
_ACTIONS = {
    "dynamodb:TransactWriteItems": "dynamodb:UpdateItem",  # all of them are updates
    "monitoring:DescribeAlarms": "cloudwatch:DescribeAlarms",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:UploadPart": "s3:PutObject",
}
"""The actions of the calls whose names differ from them (Service Authorization Reference)."""
_FREE = {"sts:GetCallerIdentity"}
"""Calls that need no permission."""


class RecordedCalls:
    """Records what the processes of a command call, by a `sitecustomize` module that Python imports at their start."""

    def __init__(self, folder: Path) -> None:
        (folder / "sitecustomize.py").write_text(_SITE, encoding="utf-8")
        self._file = folder / "calls"
        self.environment = {"PYTHONPATH": str(folder), "RECORDED_CALLS": str(self._file)}

    @property
    def actions(self) -> set[str]:
        """Return the IAM actions of all calls."""
        calls = set(self._file.read_text(encoding="utf-8").split()) - _FREE
        return {_ACTIONS.get(call, call.removesuffix("Batch") if call.startswith("sqs:") else call) for call in calls}
