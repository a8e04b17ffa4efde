"""The next step for a job as commands to paste."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from dropreel.domain.forgetting import is_forgotten
from dropreel.domain.job import Job, JobStatus
from dropreel.domain.next_steps import can_resume, next_step
from dropreel.domain.reasons import ReasonCode as Code
from dropreel_cli.output import printable

_UPLOADED_AGAIN = frozenset({
    Code.IMAGE_EMPTY, Code.IMAGE_TOO_LARGE, Code.IMAGE_TOO_MANY_PIXELS, Code.IMAGE_FORMAT, Code.IMAGE_TRUNCATED,
    Code.IMAGE_DAMAGED, Code.IMAGE_POLYGLOT, Code.OPTIONS_INVALID, Code.PROVIDER_REFUSED, Code.GENERATION_FAILED,
    Code.CONTENT_REFUSED,
})  # fmt: skip
"""Reasons for which the image, corrected, is dropped again."""


@dataclass(frozen=True)
class NextCommand:
    """A command, and what it does or costs."""

    command: str
    effect: str


def next_commands(job: Job, arguments: str, endpoint_url: str | None = None) -> list[NextCommand]:
    """Return the commands that can follow, the best one first. `arguments` says which stack, as it was given."""
    job_id = job.job_id
    if is_forgotten(job):
        return []
    if can_resume(job):
        return [NextCommand(f"dropreel resume {job_id}{arguments}", "polls the paid generation again; costs nothing")]
    if job.status is JobStatus.UNKNOWN:
        return [
            NextCommand(
                f"dropreel adopt {job_id} GENERATION_ID{arguments}",
                "if the provider has the generation (look there first); costs nothing",
            ),
            NextCommand(f"dropreel resubmit {job_id}{arguments}", "if it has not; may pay a second time"),
            NextCommand(f"dropreel abandon {job_id}{arguments}", "ends the job without a video; costs nothing more"),
        ]
    if job.is_dead_letter:
        return [NextCommand(f"dropreel redrive {job_id}{arguments}", "sends its message back, once the cause is fixed")]
    if job.status is JobStatus.HELD:
        return [NextCommand(f"dropreel set DailySpendLimitUsd=USD{arguments}", "if it shall not wait for the next day")]
    if job.status is JobStatus.COMPLETED and job.video is not None:
        address = shlex.quote(f"s3://{job.video.bucket}/{job.video.key}")
        local = f" --endpoint-url {endpoint_url}" if endpoint_url else ""
        return [NextCommand(f"aws{local} s3 cp {address} .", "downloads the video")]
    if job.has_reason(*_UPLOADED_AGAIN) and job.is_terminal and job.request_id is None:
        return _drop_again(job.image.key, arguments)
    return []


def step_text(job: Job, arguments: str) -> str:
    """Return the next step for people; its commands name the stack as it was given. Empty for a job without a reason."""
    return re.sub(r"`(dropreel [^`]+)`", lambda found: f"`{found[1]}{arguments}`", next_step(job) or "")


def _drop_again(key: str, arguments: str) -> list[NextCommand]:
    """Return the command that uploads an image again under its key; none for a key that cannot be pasted."""
    folder, _, name = key.rpartition("/")
    if not name or printable(key) != key:
        return []
    path = shlex.quote(f"./{name}" if name.startswith(("-", "~")) else name)
    to = f" --to {shlex.quote(folder)}" if folder else ""
    return [NextCommand(f"dropreel drop {path}{to}{arguments}", "once it is corrected; a new job, at its price")]
