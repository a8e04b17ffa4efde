"""`make up`: the local cloud, kept running until Ctrl-C."""

import json
import os
import shlex
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from local.cloud import ACCOUNT, ROOT, LocalCloud, LocalCloudFault, running_cloud
from local.event_tail import EventTail, event_tail
from local.logs import new_log_folder, shown
from local.parameters import parameter_faults, parameters_from

EVENTS_FILE = "events.jsonl"
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Command:
    """One line to paste into a shell that has the exports, and what it is for."""

    purpose: str
    line: str


def main() -> int:
    """Return 0 after Ctrl-C, 1 where the local cloud could not be started or has ended by itself, 2 for a wrong parameter."""
    console = Console(soft_wrap=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    parameters = parameters_from(os.environ)
    if faults := parameter_faults(parameters):
        console.print(escape("\n".join(faults)), style="red")
        return 2
    logs = new_log_folder()
    for name, value in parameters.items():
        console.print(f"  {name} = {escape(value)}", highlight=False)
    try:
        with running_cloud(lambda step: console.print(f"  {step}", highlight=False), parameters, logs=logs) as cloud:
            with event_tail(cloud.stack) as tail:
                events = logs / EVENTS_FILE
                events.touch()
                print(paste(cloud, events), flush=True)
                while not stop.wait(_LOOK_SECONDS):
                    _show_new_events(tail, events, console)
            console.print("Stopping.")
    except LocalCloudFault as fault:
        console.print(escape(str(fault)), style="red")
        return 1
    except (BotoCoreError, ClientError) as fault:
        console.print(f"The local cloud failed: {escape(str(fault))}\nLook into {shown(logs)}/.", style="red")
        return 1
    return 0


def paste(cloud: LocalCloud, events: Path) -> str:
    """Return what is printed: what is to be pasted is indented, everything else is not."""
    commands = (f"{command.purpose}\n  {command.line}\n" for command in commands_of(cloud.stack.outputs, events))
    exports = "\n".join(f"  {line}" for line in exports_of(cloud.engine.endpoint_url))
    return (
        f"\nThe local cloud is up. Paste into another terminal:\n\n{exports}\n\n"
        + "\n".join(commands)
        + f"\nThe provider simulator: {cloud.simulator.base_url}/docs\n"
        f"Logs: {shown(cloud.engine.logs)}/\n"
        "Another start may have other parameters: make up DAILY_SPEND_LIMIT_USD=1 shows what is held.\n\n"
        "Ctrl-C stops it; everything in it is then gone. Events, as they come:"
    )


def exports_of(endpoint_url: str) -> list[str]:
    """Return the lines after which the stock clients talk to the local cloud, whatever the shell had before."""
    region, key, secret = (ACCOUNT[f"AWS_{name}"] for name in ("DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    return [
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
        f"export AWS_ENDPOINT_URL={endpoint_url} AWS_REGION={region} AWS_DEFAULT_REGION={region}",
        f"export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}",
        f'export PATH={shlex.quote(str(ROOT / "local" / "bin"))}:"$PATH"',
    ]


def commands_of(outputs: dict[str, str], events: Path) -> list[Command]:
    """Return the commands of a first hour: drop, and see all that comes of it."""
    uploads, videos = outputs["UploadsBucketName"], outputs["VideosBucketName"]
    sample = shlex.quote(str(ROOT / "local" / "sample.jpg"))
    newest = "\"sort_by(Contents[?ends_with(Key, '.json')], &LastModified)[-1].Key\""
    numbers = "--attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible --query Attributes"
    return [
        Command("Drop a picture", f'aws s3 cp {sample} s3://{uploads}/ --metadata prompt="slow zoom out"'),
        Command("The videos", f"aws s3 ls --recursive s3://{videos}/"),
        Command(
            "The newest receipt",
            f"key=$(aws s3api list-objects-v2 --bucket {videos} --query {newest} --output text)"
            f' && aws s3 cp "s3://{videos}/$key" -',
        ),
        Command(
            "The jobs",
            f"aws dynamodb scan --table-name {outputs['JobsTableName']}"
            " --query \"Items[?row.S=='job'].[job_id.S, status.S, image.M.key.S, reason.M.message.S]\" --output text",
        ),
        Command(
            "What was reserved a day, in US cents",
            f"aws dynamodb scan --table-name {outputs['SpendTableName']}"
            " --query 'Items[].[day.S, reserved_cents.N]' --output text",
        ),
        Command(
            "Images that wait to be submitted",
            f"aws sqs get-queue-attributes --queue-url {outputs['QueueUrl']} {numbers}",
        ),
        Command(
            "Messages that could not be worked on",
            f"aws sqs get-queue-attributes --queue-url {outputs['DeadLetterQueueUrl']} {numbers}",
        ),
        Command(
            "The executions of the state machine",
            f"aws stepfunctions list-executions --state-machine-arn {outputs['StateMachineArn']}"
            " --query 'executions[].[name, status]' --output text",
        ),
        Command("The events, one a line", f"cat {shlex.quote(str(events))}"),
    ]


def _show_new_events(tail: EventTail, events: Path, console: Console) -> None:
    new = tail.new_events()
    with events.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in new)
    for event in new:
        data = event["detail"]["data"]
        reason = f": {data['reason']['message']}" if data.get("reason") else ""
        console.print(f"  {event['detail-type']}  {escape(data['image']['key'] + reason)}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
