"""A stack in moto whose buckets and tables the commands `plan` and `drop` use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from dropreel_cli.local_files import find_files
from dropreel_cli.plan_sources import PlannedFiles, plan_files
from dropreel_cli.stack import Stack
from tests.support.moto_account import moto_account
from tests.support.validation_harness import STACK

UPLOADS, VIDEOS, JOBS, SPEND = "uploads", "videos", "jobs", "spend"
PARAMETERS = {
    **{"Default" + "".join(part.title() for part in name.split("_")): value for name, value in STACK.items()},
    "PrepareImages": "when-needed",
    "MaxAttempts": "2",
    "DailySpendLimitUsd": "1",
    "ExistingUploadsBucketName": "",
    "UploadsPrefix": "",
}


@contextmanager
def drop_stack(**parameters: str) -> Iterator[Stack]:
    """Yield a stack with empty buckets and tables."""
    with moto_account():
        session = boto3.Session(region_name="us-east-1")
        s3, dynamodb = session.client("s3"), session.client("dynamodb")
        for bucket in (UPLOADS, VIDEOS):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for table, keys in ((JOBS, ["job_id", "row"]), (SPEND, ["day"])):
            dynamodb.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                KeySchema=[
                    {"AttributeName": key, "KeyType": kind}  # type: ignore[typeddict-item]
                    for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
                ],
            )
        outputs = {
            "UploadsBucketName": UPLOADS,
            "VideosBucketName": VIDEOS,
            "JobsTableName": JOBS,
            "SpendTableName": SPEND,
        }
        yield Stack("shop", outputs, session, parameters={**PARAMETERS, **parameters})


def plan_of(stack: Stack, *paths: Any, prefix: str = "", again: bool = False, **options: Any) -> PlannedFiles:
    """Return the plan of files with these options of the command line."""
    found = find_files(map(str, paths), prefix)
    return plan_files(stack, found, options, again=again, on_progress=lambda _: None)


def verdicts(files: PlannedFiles) -> dict[str, str]:
    """Return the verdict of each key."""
    return {image.key: image.verdict.value for image in files.plan.images}
