"""`make run IMAGE=folder/`: all images of a folder with their option files, as `aws s3 cp --recursive` uploads them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.drop import drop, fetch
from cli.progress import describe_preparation
from cli.stack import Stack
from dropreel.adapters.job_table import JOB_ROW, JobTable, key_of
from dropreel.domain.images import ImageRef, is_image_key
from dropreel.domain.job import TERMINAL, Charge, Job, JobStatus, job_id_of
from dropreel.domain.prices import usd
from local.cloud import SIMULATED
from local.logs import display_path

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

QUIET_SECONDS = 180
"""The run fails once no job has changed for so long."""
_POLL_SECONDS = 0.5
_BATCH = 100
"""The most items that one BatchGetItem of DynamoDB returns."""
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
    return [drop(stack, folder.root / key, options, key) for key in folder.images]


def follow_all(
    stack: Stack,
    dropped: Iterable[ImageRef],
    on_poll: Callable[[Counter[str]], None] = lambda _: None,
    quiet_seconds: float = QUIET_SECONDS,
) -> Iterator[Job]:
    """Yield each image's job once it has ended. Raises TimeoutError if no job changes for `quiet_seconds`.

    `on_poll` gets the number of jobs in each status after each read of the table.
    """
    client = stack.session.client("dynamodb", endpoint_url=stack.endpoint_url)
    table = JobTable(client, stack.outputs["JobsTableName"])
    open_ids = {job_id_of(image) for image in dropped}
    seen: dict[str, dict[str, Any]] = {}
    changed_at = time.monotonic()
    while open_ids:
        states = {state["job_id"]["S"]: state for state in _states(client, table.table, open_ids)}
        if not states.items() <= seen.items():
            seen, changed_at = {**seen, **states}, time.monotonic()
        for job_id, state in states.items():
            if state["status"]["S"] in TERMINAL and "pending_events" not in state and (job := table.get(job_id)):
                open_ids.remove(job_id)
                yield job
        on_poll(Counter(state["status"]["S"] for state in seen.values()))
        if time.monotonic() - changed_at > quiet_seconds:
            raise TimeoutError(f"{len(open_ids)} jobs have not changed for {quiet_seconds:.0f} seconds")
        if open_ids:
            time.sleep(_POLL_SECONDS)


def _states(client: "DynamoDBClient", table: str, job_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the attributes of each job that show a change, 100 jobs a call."""
    keys = [key_of(job_id, JOB_ROW) for job_id in sorted(job_ids)]
    for start in range(0, len(keys), _BATCH):
        wanted: Any = {
            "Keys": keys[start : start + _BATCH],
            "ProjectionExpression": "job_id, #status, polls, updated_at, pending_events",
            "ExpressionAttributeNames": {"#status": "status"},
            "ConsistentRead": True,
        }
        yield from client.batch_get_item(RequestItems={table: wanted})["Responses"].get(table, [])


def run_folder(stack: Stack, folder: Folder, options: dict[str, str], output: Path, console: Console) -> bool:
    """Drop a folder, print each job's end, and download the videos. Return whether every image has one."""
    for key in folder.skipped:
        console.print(f"  skipped  {escape(key)}: not an image", highlight=False)
    console.print(
        f"Dropping {_count(len(folder.images), 'image')} and {_count(len(folder.option_files), 'option file')} "
        f"from {escape(str(folder.root))} into s3://{stack.outputs['UploadsBucketName']}/",
        highlight=False,
    )
    started, rows = time.monotonic(), []
    with console.status("waiting for the uploads' events") as status:

        def show_counts(counts: Counter[str]) -> None:
            status.update(", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "waiting")

        for job in follow_all(stack, drop_folder(stack, folder, options), show_counts):
            video = _fetch_video(stack, job, output)
            rows.append((job, video))
            prepared = f" ({describe_preparation(job.image)})" if job.image.prepared else ""
            console.print(
                f"  {time.monotonic() - started:5.1f} s  {len(rows)}/{len(folder.images)}  "
                f"[bold]{job.status.value}[/]  {escape(f'{job.image.key}{prepared}')}",
                highlight=False,
            )
    console.print(_table(rows))
    return all(job.status is JobStatus.COMPLETED for job, _ in rows)


def _fetch_video(stack: Stack, job: Job, output: Path) -> Path | None:
    """Download a job's video into `output`, under the folders of its key; None where it has no video."""
    return None if job.video is None else fetch(stack, job, output / PurePosixPath(job.video.key).parent)


def _table(rows: list[tuple[Job, Path | None]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("image", "status", "cost", "video or reason"):
        table.add_column(heading, overflow="fold")
    for job, video in sorted(rows, key=lambda row: row[0].image.key):
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
