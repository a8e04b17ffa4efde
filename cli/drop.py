"""Drop an image into the bucket and follow its job to the end."""

import time
from collections.abc import Callable, Iterator
from email.header import Header
from pathlib import Path
from typing import TYPE_CHECKING

from cli.stack import Stack
from dropreel.adapters.job_table import JobTable
from dropreel.domain.images import ImageRef
from dropreel.domain.job import Job, job_id_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

POLL_SECONDS = 0.25
"""Seconds between two reads of the job table."""


def drop(stack: Stack, image: Path, options: dict[str, str], key: str | None = None) -> ImageRef:
    """Upload the image, with its options as S3 user metadata."""
    client: S3Client = stack.session.client("s3", endpoint_url=stack.endpoint_url)
    metadata = {name.replace("_", "-"): ascii_text(value) for name, value in options.items()}
    bucket, key = stack.outputs["UploadsBucketName"], key or image.name
    with image.open("rb") as content:  # not read into memory: a scan that is prepared may have a gigabyte
        answer = client.put_object(Bucket=bucket, Key=key, Body=content, Metadata=metadata)
    return ImageRef(bucket, key, answer["VersionId"])


def ascii_text(text: str) -> str:
    """Return text as ASCII, which S3 metadata is limited to; other text is encoded by RFC 2047."""
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=10_000).encode()


def follow(
    stack: Stack, dropped: ImageRef, seconds: float, on_poll: Callable[[], None] = lambda: None
) -> Iterator[Job]:
    """Yield the job after each change, until it has ended and published its events. Raises TimeoutError after `seconds`."""
    client = stack.session.client("dynamodb", endpoint_url=stack.endpoint_url)
    table = JobTable(client, stack.outputs["JobsTableName"])
    job_id, seen = job_id_of(dropped), None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = table.get(job_id)
        if job is not None and job != seen:
            seen = job
            yield job
            if job.is_terminal and not job.pending_events:
                return
        on_poll()
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"{dropped.key}: its job has not ended within {seconds:.0f} seconds")


def fetch(stack: Stack, job: Job, folder: Path) -> Path:
    """Download the job's video into the folder and return its path."""
    if job.video is None:
        raise ValueError(f"job {job.job_id} has no video")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(job.video.key).name
    stack.session.client("s3", endpoint_url=stack.endpoint_url).download_file(
        job.video.bucket, job.video.key, str(path)
    )
    return path
