"""`make up`: runs the local cloud until Ctrl-C."""

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

from cli.output import print_error
from local.cloud import ACCOUNT, ROOT, LocalCloud, LocalCloudFault, running_cloud
from local.event_tail import EventTail, event_tail
from local.logs import display_path, new_log_folder
from local.parameters import parameter_faults, parameters_from

EVENTS_FILE = "events.jsonl"
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Command:
    """One line to paste into a shell that has the exports, and its purpose."""

    purpose: str
    line: str


def main() -> int:
    """Return 0 after Ctrl-C, 1 if the local cloud failed, 2 for a wrong parameter."""
    console = Console(soft_wrap=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    parameters = parameters_from(os.environ)
    if faults := parameter_faults(parameters):
        print_error(console, "\n".join([*faults, "Nothing was started."]))
        return 2
    logs = new_log_folder()
    for name, value in parameters.items():
        console.print(f"  {name} = {escape(value)}", highlight=False)
    try:
        with running_cloud(lambda step: console.print(f"  {step}", highlight=False), parameters, logs=logs) as cloud:
            with event_tail(cloud.stack) as tail:
                events = logs / EVENTS_FILE
                events.touch()
                print(instructions(cloud, events), flush=True)
                while not stop.wait(_POLL_SECONDS):
                    _show_new_events(tail, events, console)
            console.print("Stopping.")
    except LocalCloudFault as error:
        print_error(console, f"make up failed: {error}")
        return 1
    except (BotoCoreError, ClientError) as error:
        print_error(console, f"The local cloud failed: {error}\nIts logs: {display_path(logs)}/")
        return 1
    return 0


def instructions(cloud: LocalCloud, events: Path) -> str:
    """Return the text to print. The lines to paste are indented, all others are not."""
    commands = (f"{command.purpose}\n  {command.line}\n" for command in commands_of(cloud.stack.outputs, events))
    exports = "\n".join(f"  {line}" for line in exports_of(cloud.engine.endpoint_url))
    return (
        f"\nThe local cloud is up. Paste into another terminal:\n\n{exports}\n\n"
        + "\n".join(commands)
        + f"\nThe provider simulator: {cloud.simulator.base_url}/docs\n"
        f"Logs: {display_path(cloud.engine.logs)}/\n"
        "Parameters of the stack are variables: with make up DAILY_SPEND_LIMIT_USD=1, the third image is held.\n\n"
        "Ctrl-C stops it and deletes everything in it. Events, as they arrive:"
    )


def exports_of(endpoint_url: str) -> list[str]:
    """Return the lines that point a shell's AWS clients at the local cloud."""
    region, key, secret = (ACCOUNT[f"AWS_{name}"] for name in ("DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    return [
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
        f"export AWS_ENDPOINT_URL={endpoint_url} AWS_REGION={region} AWS_DEFAULT_REGION={region}",
        f"export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}",
        f'export PATH={shlex.quote(str(ROOT / "local" / "bin"))}:"$PATH"',
    ]


def commands_of(outputs: dict[str, str], events: Path) -> list[Command]:
    """Return commands to drop an image and to see all its results."""
    uploads, videos = outputs["UploadsBucketName"], outputs["VideosBucketName"]
    sample = shlex.quote(str(ROOT / "local" / "sample.jpg"))
    newest = "\"sort_by(Contents[?ends_with(Key, '.json')], &LastModified)[-1].Key\""
    numbers = "--attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible --query Attributes"
    return [
        Command("Drop an image", f'aws s3 cp {sample} s3://{uploads}/ --metadata prompt="slow zoom out"'),
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
            "Reserved each day, in US cents",
            f"aws dynamodb scan --table-name {outputs['SpendTableName']}"
            " --query 'Items[].[day.S, reserved_cents.N]' --output text",
        ),
        Command(
            "Images waiting to be submitted",
            f"aws sqs get-queue-attributes --queue-url {outputs['QueueUrl']} {numbers}",
        ),
        Command(
            "Messages in the dead-letter queue",
            f"aws sqs get-queue-attributes --queue-url {outputs['DeadLetterQueueUrl']} {numbers}",
        ),
        Command(
            "The executions of the state machine",
            f"aws stepfunctions list-executions --state-machine-arn {outputs['StateMachineArn']}"
            " --query 'executions[].[name, status]' --output text",
        ),
        Command("The events, one per line", f"cat {shlex.quote(str(events))}"),
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
