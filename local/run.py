"""`make run`: drops an image, or a folder of images, into a local cloud and downloads the videos to output/."""

import json
import os
import sys
import time
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from cli.drop import drop, fetch, follow
from cli.options import image_fault, option_faults, options_from
from cli.output import print_error
from cli.progress import JobProgress, describe_video, explain_end
from dropreel.domain.job import Charge, EventType, Job, JobStatus
from dropreel.domain.prices import usd
from local.cloud import ROOT, SIMULATED, LocalCloud, LocalCloudFault, running_cloud
from local.event_tail import event_tail
from local.folder import read_folder, run_folder
from local.logs import display_path, new_log_folder

SAMPLE = ROOT / "local" / "sample.jpg"
OUTPUT = ROOT / "output"
WAIT_SECONDS = 180


def main() -> int:
    """Return 0 if there is a video of every image, 1 if not, 2 for a wrong option or image."""
    console = Console(soft_wrap=True)
    if faults := option_faults(options_from(os.environ)):
        print_error(console, "\n".join([*faults, "Nothing was started."]))
        return 2
    image = Path(os.environ.get("IMAGE") or SAMPLE).expanduser()
    folder = read_folder(image) if image.is_dir() else None
    if fault := image_fault(image) if folder is None else folder.fault:
        print_error(console, fault)
        return 2
    started, logs = time.monotonic(), new_log_folder()

    def show_step(step: str) -> None:
        console.print(f"  {time.monotonic() - started:5.1f} s  {step}", highlight=False)

    # A folder may reach the default spend limit, and nothing is charged here.
    parameters = {"DailySpendLimitUsd": "unlimited"} if folder else None
    try:
        with running_cloud(show_step, parameters, logs=logs) as cloud:
            if folder is None:
                return _run_image(cloud, image, console)
            return 0 if run_folder(cloud.stack, folder, options_from(os.environ), OUTPUT, console) else 1
    except (LocalCloudFault, BotoCoreError, ClientError, OSError) as error:
        print_error(console, f"The run failed: {error}\nIts logs: {display_path(logs)}/")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130


def _run_image(cloud: LocalCloud, image: Path, console: Console) -> int:
    console.print(
        f"Dropping {escape(image.name)} into s3://{cloud.stack.outputs['UploadsBucketName']}/", highlight=False
    )
    with event_tail(cloud.stack) as tail:
        with JobProgress(console) as progress:
            dropped = drop(cloud.stack, image, options_from(os.environ))
            for job in follow(cloud.stack, dropped, WAIT_SECONDS, progress.refresh):
                progress.show(job)
        if job.status is not JobStatus.COMPLETED:
            simulated = "" if job.charge is Charge.NONE else f"\nAbout the cost: {SIMULATED}"
            # A rejection says what to fix in the image; the cause of any other end may be in the logs.
            logs = "" if job.status is JobStatus.REJECTED else f"\nIts logs: {display_path(cloud.engine.logs)}/"
            print_error(console, f"{explain_end(job)}{simulated}{logs}")
            return 1
        event = tail.wait_for(dropped.key, EventType.COMPLETED)
    _show(console, fetch(cloud.stack, job, OUTPUT), job, event)
    return 0


def _show(console: Console, video: Path, job: Job, event: dict[str, object]) -> None:
    console.print(f"\n[bold]Video[/]  {escape(display_path(video))}", highlight=False)
    console.print(f"       {describe_video(video)}", highlight=False)
    console.print(f"[bold]Event[/]  {event['detail-type']} from {event['source']}", highlight=False)
    console.print_json(json.dumps(event["detail"]), indent=2)
    console.print(f"[bold]Price[/]  ${usd(job.cost_cents)} at the provider; {SIMULATED}", highlight=False)
    for warning in job.warnings:
        console.print(f"[bold]Note[/]   {escape(warning)}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
