"""`dropreel run FOLDER`: all images of a folder with their option files, as `aws s3 cp --recursive` uploads them."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from dropreel.domain.images import ImageRef, is_image_key
from dropreel.domain.job import Charge, Job, job_id_of
from dropreel.domain.prices import usd
from dropreel_cli.downloading import download_video
from dropreel_cli.following import Following
from dropreel_cli.output import Output
from dropreel_cli.progress import describe_preparation
from dropreel_cli.stack import Stack
from dropreel_cli.uploading import upload_unchecked
from local.cloud import SIMULATED
from local.logs import display_path

QUIET_SECONDS = 180
"""The run fails once no job has changed for so long."""
_POLL_SECONDS = 0.5
_MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True)
class Folder:
    """A folder's content as S3 keys: paths below it, with `/` between their parts."""

    root: Path
    images: tuple[str, ...]
    option_files: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def fault(self) -> str | None:
        """Why it cannot be dropped, or None."""
        return None if self.images else f"There is no image in {self.root}/."


def read_folder(root: Path) -> Folder:
    """Sort all files of a folder and its subfolders into images, option files, and what the stack ignores."""
    images, option_files, skipped = [], [], []
    for path in sorted(root.rglob("*")):
        if path.is_file():
            key = path.relative_to(root).as_posix()
            if is_image_key(key, path.stat().st_size):
                images.append(key)
            elif key.lower().endswith(".json"):
                option_files.append(key)
            else:
                skipped.append(key)
    return Folder(root, tuple(images), tuple(option_files), tuple(skipped))


def drop_folder(stack: Stack, folder: Folder, options: dict[str, str]) -> list[ImageRef]:
    """Upload the option files first, so that they are there before their images."""
    client = stack.session.client("s3", endpoint_url=stack.endpoint_url)
    for key in folder.option_files:
        content = (folder.root / key).read_bytes()
        client.put_object(Bucket=stack.outputs["UploadsBucketName"], Key=key, Body=content)
    return [upload_unchecked(stack, folder.root / key, options, key) for key in folder.images]


def run_folder(
    stack: Stack, folder: Folder, options: dict[str, str], download: Path, output: Output
) -> list[tuple[Job, Path | None]]:
    """Drop a folder, print each job's end, and download the videos. Return each job with its video, by key."""
    for key in folder.skipped:
        output.note(f"  skipped  {key}: not an image")
    output.note(
        f"Dropping {_count(len(folder.images), 'image')} and {_count(len(folder.option_files), 'option file')} "
        f"from {folder.root} into s3://{stack.outputs['UploadsBucketName']}/"
    )
    started, rows = time.monotonic(), list[tuple[Job, Path | None]]()
    with output.progress.status("waiting for the uploads' events") as status:
        job_ids = [job_id_of(image) for image in drop_folder(stack, folder, options)]
        settings: dict[str, Any] = {"interval": lambda _: _POLL_SECONDS, "quiet_seconds": QUIET_SECONDS}
        following = Following.of(stack, job_ids, **settings)
        following.on_poll = lambda: status.update(
            ", ".join(f"{number} {name}" for name, number in sorted(following.counts.items()))
        )
        for job in following.changes():
            if not job.is_terminal:
                continue
            rows.append((job, video_file(stack, job, download)))
            prepared = f" ({describe_preparation(job.image)})" if job.image.prepared else ""
            output.progress.print(
                f"  {time.monotonic() - started:5.1f} s  {len(rows)}/{len(folder.images)}  "
                f"[bold]{job.status.value}[/]  {escape(f'{job.image.key}{prepared}')}",
                highlight=False,
                soft_wrap=True,
            )
    if following.ended_early:
        raise TimeoutError(following.ended_early)
    videos = {job.job_id: video for job, video in rows}
    rows = [(job, videos[job.job_id]) for job in sorted(following.found, key=lambda job: job.image.key)]
    output.show(_table(rows))
    return rows


def video_file(stack: Stack, job: Job, download: Path) -> Path | None:
    """Download a job's video, under the folders of its key; None where it has no video. Raises OSError."""
    if job.video is None:
        return None
    downloaded = download_video(stack.client("s3"), job, download)
    if downloaded.path is None:
        raise OSError(f"the video {job.video.key} was not downloaded: {downloaded.message}")
    return downloaded.path


def _table(rows: list[tuple[Job, Path | None]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("image", "status", "cost", "video or reason"):
        table.add_column(heading, overflow="fold")
    for job, video in rows:
        cost = "" if job.charge is Charge.NONE else f"${usd(job.cost_cents)}"
        reason = (job.reason.message if job.reason else "")[:_MAX_REASON_CHARACTERS]
        result = display_path(video) if video else reason
        table.add_row(escape(job.image.key), job.status.value, cost, escape(result))
    total = sum(job.cost_cents for job, _ in rows if job.charge is not Charge.NONE)
    table.caption = f"${usd(total)} at the provider; {SIMULATED}"
    table.caption_justify = "left"
    return table


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
