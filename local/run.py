"""`make run`: a photograph's whole way through the local cloud, with its video in output/ at the end; or a folder's."""

import json
import os
import sys
import time
from pathlib import Path

import requests
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from cli.drop import drop, fetch, follow
from cli.options import image_fault, option_faults, options_from
from cli.progress import JobProgress, describe_video, explain_end
from dropreel.domain.job import EventType, Job, JobStatus
from dropreel.domain.prices import usd
from local.cloud import ROOT, LocalCloud, LocalCloudFault, running_cloud
from local.event_tail import event_tail
from local.folder import read_folder, run_folder
from local.logs import new_log_folder, shown

SAMPLE = ROOT / "local" / "sample.jpg"
OUTPUT = ROOT / "output"
WAIT_SECONDS = 180


def main() -> int:
    """Return 0 once every video is there, 1 where one failed, 2 where there is no such image."""
    console = Console(soft_wrap=True)
    if faults := option_faults(options_from(os.environ)):
        console.print(escape("\n".join(faults)), style="red")
        return 2
    image = Path(os.environ.get("IMAGE") or SAMPLE).expanduser()
    folder = read_folder(image) if image.is_dir() else None
    mistake = image_fault(image) if folder is None else folder.fault
    if mistake:
        console.print(escape(mistake), style="red")
        return 2
    started, logs = time.monotonic(), new_log_folder()

    def say(step: str) -> None:
        console.print(f"  {time.monotonic() - started:5.1f} s  {step}", highlight=False)

    # A folder may cost more than a day's limit, and nothing is paid here.
    parameters = {"DailySpendLimitUsd": "unlimited"} if folder else None
    try:
        with running_cloud(say, parameters, logs=logs) as cloud:
            if folder is None:
                return _drop_and_show(cloud, image, console)
            return 0 if run_folder(cloud.stack, folder, options_from(os.environ), OUTPUT, console) else 1
    except (LocalCloudFault, TimeoutError, BotoCoreError, ClientError, OSError, requests.RequestException) as fault:
        console.print(f"The run failed: {escape(str(fault))}\nLook into {shown(logs)}/.", style="red")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130


def _drop_and_show(cloud: LocalCloud, image: Path, console: Console) -> int:
    console.print(
        f"Dropping {escape(image.name)} into s3://{cloud.stack.outputs['UploadsBucketName']}/", highlight=False
    )
    with event_tail(cloud.stack) as tail:
        with JobProgress(console) as progress:
            dropped = drop(cloud.stack, image, options_from(os.environ))
            for job in follow(cloud.stack, dropped, WAIT_SECONDS, progress.waiting):
                progress.saw(job)
        if job.status is not JobStatus.COMPLETED:
            # What is rejected is for its owner to correct; anything else that ends like this has its cause in here.
            where = "" if job.status is JobStatus.REJECTED else f"\nLook into {shown(cloud.engine.logs)}/."
            console.print(f"{escape(explain_end(job))}{where}", style="red")
            return 1
        event = tail.wait_for(dropped.key, EventType.COMPLETED)
    _show(console, fetch(cloud.stack, job, OUTPUT), job, event)
    return 0


def _show(console: Console, video: Path, job: Job, event: dict[str, object]) -> None:
    console.print(f"\n[bold]Video[/]  {escape(shown(video))}", highlight=False)
    console.print(f"       {describe_video(video)}", highlight=False)
    console.print(f"[bold]Event[/]  {event['detail-type']} from {event['source']}", highlight=False)
    console.print_json(json.dumps(event["detail"]), indent=2)
    console.print(
        f"[bold]Price[/]  ${usd(job.cost_cents)} at the provider; this run was simulated and cost nothing.",
        highlight=False,
    )
    for warning in job.warnings:
        console.print(f"[bold]Note[/]   {escape(warning)}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
