"""`dropreel run`: drops an image, or a folder of images, into a local cloud of its own and downloads the videos."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape

from dropreel.domain.images import ImageRef
from dropreel.domain.job import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.domain.prices import usd
from dropreel_cli.command_line import Command
from dropreel_cli.documents import job_document
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.following import Following
from dropreel_cli.output import Output
from dropreel_cli.progress import JobProgress, describe_video, explain_end
from dropreel_cli.questions import UsageError
from dropreel_cli.uploading import upload_unchecked
from local.cloud import ROOT, SIMULATED, LocalCloud, LocalCloudFault, running_cloud
from local.event_tail import event_tail
from local.folder import read_folder, run_folder, video_file
from local.logs import display_path, new_log_folder

SAMPLE = ROOT / "local" / "sample.jpg"
DOWNLOADS = ROOT / "output"
WAIT_SECONDS = 180
_POLL_SECONDS = 0.25


def run(image: Path, options: Mapping[str, str], download: Path, output: Output) -> Exit:
    """Run one image or folder; print, or with `--json` as `schemas/run.json`, what became of it.

    Raises UsageError for a wrong image, before anything is started, and CommandError where the local cloud fails.
    """
    folder = read_folder(image) if image.is_dir() else None
    if fault := image_fault(image) if folder is None else folder.fault:
        raise UsageError(fault)
    started, logs = time.monotonic(), new_log_folder()

    def show_step(step: str) -> None:
        output.note(f"  {time.monotonic() - started:5.1f} s  {step}")

    Command.left_behind = "The local cloud of this run was stopped; nothing was charged."
    # A folder may reach the default spend limit, and nothing is charged here.
    parameters = {"DailySpendLimitUsd": "unlimited"} if folder else None
    try:
        with running_cloud(show_step, parameters, logs=logs) as cloud:
            if folder is None:
                rows = [_run_image(cloud, image, dict(options), download, output)]
            else:
                rows = run_folder(cloud.stack, folder, dict(options), download, output)
    except (LocalCloudFault, BotoCoreError, ClientError, OSError) as error:
        raise CommandError(f"The run failed: {error}\nIts logs: {display_path(logs)}/", Exit.FAILED) from error
    output.document({"jobs": [_document(job, video) for job, video in rows]})
    return exit_of(job for job, _ in rows)


def exit_of(jobs: Any) -> Exit:
    """Return the exit status for these jobs at their end: the highest number counts."""
    meanings = {JobStatus.COMPLETED: Exit.DONE, JobStatus.HELD: Exit.HELD, JobStatus.UNKNOWN: Exit.UNKNOWN}
    return max((meanings.get(job.status, Exit.FAILED) for job in jobs), default=Exit.DONE)


def _document(job: Job, video: Path | None) -> dict[str, Any]:
    return {"job": job_document(job), "file": str(video.absolute()) if video else None}


def _run_image(
    cloud: LocalCloud, image: Path, options: dict[str, str], download: Path, output: Output
) -> tuple[Job, Path | None]:
    output.note(f"Dropping {image.name} into s3://{cloud.stack.outputs['UploadsBucketName']}/")
    with event_tail(cloud.stack) as tail:
        with JobProgress(output.progress) as progress:
            dropped = upload_unchecked(cloud.stack, image, options)
            job = _follow(cloud, dropped, progress)
        if job.status is not JobStatus.COMPLETED:
            simulated = "" if job.charge is Charge.NONE else f"\nAbout the cost: {SIMULATED}"
            # A rejection says what to fix in the image; the cause of any other end may be in the logs.
            logs = "" if job.status is JobStatus.REJECTED else f"\nIts logs: {display_path(cloud.engine.logs)}/"
            output.note(f"{explain_end(job)}{simulated}{logs}", style="red")
            return job, None
        event = tail.wait_for(dropped.key, EventType.COMPLETED)
    video = video_file(cloud.stack, job, download)
    if video is not None and not output.is_json:
        _show(output, video, job, event)
    return job, video


def _follow(cloud: LocalCloud, dropped: ImageRef, progress: JobProgress) -> Job:
    """Return the image's job at its end. Raises TimeoutError where it does not end."""
    settings: dict[str, Any] = {"interval": lambda _: _POLL_SECONDS, "max_seconds": WAIT_SECONDS}
    following = Following.of(cloud.stack, [job_id_of(dropped)], **settings)
    following.on_poll = lambda: progress.refresh(following.found)
    for job in following.changes():
        progress.show(job)
    if following.ended_early:
        raise TimeoutError(f"{dropped.key}: {following.ended_early}")
    return following.found[0]


def image_fault(image: Path) -> str | None:
    """Return why a file cannot be dropped, or None. The stack validates its content."""
    if not image.is_file():
        return f"There is no image {image}."
    return None if os.access(image, os.R_OK) else f"{image} cannot be read. Check its permissions."


def _show(output: Output, video: Path, job: Job, event: dict[str, object]) -> None:
    def line(name: str, text: str) -> None:
        output.console.print(f"[bold]{name:5}[/]  {escape(text)}", highlight=False, soft_wrap=True)

    output.text()
    line("Video", display_path(video))
    line("", describe_video(job))
    line("Event", f"{event['detail-type']} from {event['source']}")
    output.console.print_json(json.dumps(event["detail"]), indent=2)
    line("Price", f"${usd(job.cost_cents)} at the provider; {SIMULATED}")
    for warning in job.warnings:
        line("Note", warning)
