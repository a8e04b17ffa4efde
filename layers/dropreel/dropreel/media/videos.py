"""A job's video in the bucket: its key, its user metadata, and the warnings about its duration."""

import re
from urllib.parse import quote

from dropreel.domain.job import Job
from dropreel.media.mp4 import VideoFacts

MAX_KEY_BYTES = 1024
"""S3's limit on an object key, in bytes of UTF-8."""
MAX_METADATA_BYTES = 2048
"""S3's limit on an object's user metadata: the bytes of all names and values."""
DURATION_TOLERANCE_SECONDS = 0.5
"""How far a video's duration may be from the requested one before a warning: a limit of ours."""

_LONGEST_ID = 1024


def video_key(job: Job) -> str:
    """Return `<image key without its ending>-<generation id>.mp4`, cut where needed to S3's 1,024 bytes."""
    folder, slash, name = job.image.key.rpartition("/")
    stem, dot, _ending = name.rpartition(".")
    stem = folder + slash + (stem if dot and stem else name)
    tail = f"-{re.sub(r'[^0-9A-Za-z_.-]', '_', job.generation_id or '')}.mp4"
    return stem.encode()[: MAX_KEY_BYTES - len(tail)].decode(errors="ignore") + tail


def video_metadata(job: Job) -> dict[str, str]:
    """Return a video's user metadata: source, job and generation id, and `rehearsal` where it is one.

    S3 takes ASCII, so other letters are percent-encoded; an id that is too long is cut, a source that is too long left out.
    """
    ids = {"job-id": job.job_id, "generation-id": quote(job.generation_id or "", safe=":/")[:_LONGEST_ID]}
    if job.rehearsal:
        ids["rehearsal"] = "true"
    whole = {"source": quote(f"s3://{job.image.bucket}/{job.image.key}", safe=":/"), **ids}
    return whole if sum(map(len, (*whole, *whole.values()))) <= MAX_METADATA_BYTES else ids


def video_warnings(duration: int, facts: VideoFacts) -> tuple[str, ...]:
    """Return a warning where a video's duration is unknown or is not the requested one, `duration` in seconds."""
    if facts.duration_seconds is None:
        return ("The video does not say how long it is.",)
    if abs(facts.duration_seconds - duration) > DURATION_TOLERANCE_SECONDS:
        return (f"The video is {facts.duration_seconds:g} s long; {duration} s were asked for.",)
    return ()
