"""A stack with jobs in every status and names that try to break a page, on a moto server: S3 answers over HTTP as for a browser."""

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import requests
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from PIL import Image

from dropreel.adapters.rehearsal_videos import FOLDER
from dropreel.domain.days import day_of
from dropreel.domain.job import Charge, Job, JobStatus, VideoObject
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.stack import Stack
from tests.support.command_stack import CommandStack, create_outputs, create_tables
from tests.support.sample_jobs import IMAGE, OPTIONS, job_with

HOSTILE = (
    "<img src=x onerror=document.title='broken'>.jpg",
    "\"'><script>document.title='broken'</script>.jpg",
    "javascript:document.title='broken'//.jpg",
    "{{ 7 * 7 }}{% raw %}.jpg",
    "right\u202eto left.jpg",
    "line\nbreak\tand \x1b[31mcolor.jpg",
    "Cafe\u0301 & 50% + ünïcode 🎬.jpg",
    "long-" * 150 + "name.jpg",
    "deep/" * 40 + "image.jpg",
    " spaces .jpg",
)
"""Keys of images: each is a name that some page has broken with."""
_REASONS = {
    JobStatus.DEFERRED: Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy (429)."),
    JobStatus.HELD: Reason(ReasonCode.DAILY_LIMIT, "The daily limit of $50.00 would be passed."),
    JobStatus.FAILED: Reason(ReasonCode.TIMED_OUT, "The generation has not ended within 60 minutes."),
    JobStatus.REJECTED: Reason(ReasonCode.IMAGE_FORMAT, "The image is a text file; JPG, PNG and WebP are taken."),
    JobStatus.UNKNOWN: Reason(ReasonCode.SUBMISSION_UNKNOWN, "It is unknown whether the submission was charged."),
}
_CHARGES = {
    JobStatus.GENERATING: Charge.CHARGED,
    JobStatus.COMPLETED: Charge.CHARGED,
    JobStatus.FAILED: Charge.CHARGED,
    JobStatus.UNKNOWN: Charge.UNKNOWN,
}
_PARAMETERS = {"DailySpendLimitUsd": "50", "MaxAttempts": "2", "NohumanApiBaseUrl": "https://api.example"}


@contextmanager
def crowded_stack(jobs: tuple[Job, ...] | None = None) -> Iterator[CommandStack]:
    """Yield the stack `shop` with these jobs; without them, one of every status and one of every hostile name."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    made = None
    try:
        host, port = server.get_host_and_port()
        stack = _stack(f"http://{host}:{port}")
        made = CommandStack(stack)
        _fill(made, every_kind(datetime.now(UTC)) if jobs is None else list(jobs))
        yield made
    finally:
        if made is not None:
            requests.post(
                f"{made.stack.endpoint_url}/moto-api/reset", timeout=30
            )  # the server keeps its state in this process
        server.stop()


def _fill(made: CommandStack, jobs: list[Job]) -> None:
    """Put the jobs with their submissions, and reserve what these cost."""
    made.put(*jobs)
    reserved: Counter[str] = Counter()
    for job in jobs:
        if job.charge is not Charge.NONE:
            at = job.submitted_at or job.created_at
            made.put_submission(job, at, job.charge, status=job.status, generation_id=job.generation_id)
            reserved[day_of(at)] += job.cost_cents
    for day, cents in reserved.items():
        made.reserve(day, cents)


def every_kind(now: datetime) -> list[Job]:
    """Return one job of every status, and a completed one for every hostile name."""
    plain = [_job(number, status, f"shop/{status}.jpg", now) for number, status in enumerate(JobStatus)]
    odd = [_job(100 + n, JobStatus.COMPLETED, key, now, prompt=key[:300]) for n, key in enumerate(HOSTILE)]
    return [*plain, *odd]


def _job(number: int, status: JobStatus, key: str, now: datetime, prompt: str = "a slow push in") -> Job:
    created = now - timedelta(minutes=number + 1)
    submitted = created + timedelta(seconds=12) if status in _CHARGES else None
    generation = f"gen_{number}"
    video = VideoObject("videos", f"{generation}.mp4", 6_000, "ab" * 32, f"{generation}.json", 5.0, 640, 360)
    fields: dict[str, Any] = {
        "job_id": f"{number:024x}",
        "status": status,
        "image": IMAGE._replace(key=key, version_id=None),
        "created_at": created,
        "updated_at": now if status is JobStatus.GENERATING else created + timedelta(seconds=40),
        "submitted_at": submitted,
        "options": OPTIONS._replace(prompt=prompt),
        "charge": _CHARGES.get(status, Charge.NONE),
        "polls": 5 if submitted else 0,
        "generation_id": generation if submitted and status is not JobStatus.UNKNOWN else None,
        "reason": _REASONS.get(status),
        "video": video if status is JobStatus.COMPLETED else None,
    }
    return job_with(**fields)


def _stack(endpoint_url: str) -> Stack:
    session = boto3.Session("test", "test", region_name="us-east-1")
    s3: Any = session.client("s3", endpoint_url=endpoint_url)
    create_tables(session.client("dynamodb", endpoint_url=endpoint_url))
    for bucket in ("uploads", "videos"):
        s3.create_bucket(Bucket=bucket)
    picture = io.BytesIO()
    Image.linear_gradient("L").resize((960, 540)).convert("RGB").save(picture, "JPEG")
    video = (FOLDER / "16x9-5-sound.mp4").read_bytes()
    for number in (*range(len(JobStatus)), *range(100, 100 + len(HOSTILE))):
        s3.put_object(Bucket="videos", Key=f"gen_{number}.mp4", Body=video, ContentType="video/mp4")
        s3.put_object(Bucket="videos", Key=f"gen_{number}.json", Body=b'{"receipt": 1}', ContentType="application/json")
    for key in (*(f"shop/{status}.jpg" for status in JobStatus), *HOSTILE):
        with suppress(ClientError):  # the server takes no line break in a path; that card has no picture
            s3.put_object(Bucket="uploads", Key=key, Body=picture.getvalue())
    outputs = {**create_outputs(session.client("sqs", endpoint_url=endpoint_url)), "EventBusName": "default"}
    return Stack("shop", outputs, session, endpoint_url, parameters=dict(_PARAMETERS))
