"""What `dropreel up` prints: lines to paste into another terminal."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropreel_cli.local_cloud import LOCAL_CLOUD_VARIABLE
from local.cloud import ROOT
from local.logs import display_path

EVENTS_FILE = "events.jsonl"


@dataclass(frozen=True)
class Line:
    """One line to paste into a shell that has the exports, and its purpose."""

    purpose: str
    line: str


def instructions(described: Mapping[str, Any], outputs: Mapping[str, str], file: Path) -> str:
    """Return the text to print. The lines to paste are indented, all others are not.

    `described` is the content of the local cloud's file, `outputs` are the stack's.
    """
    logs = Path(described["logs"])
    commands = (f"{command.purpose}\n  {command.line}\n" for command in commands_of(outputs, logs / EVENTS_FILE))
    exports = "\n".join(f"  {line}" for line in exports_of(described, file))
    return (
        "\nThe local cloud is up. In this folder, every command takes --local:\n\n"
        "  dropreel drop my.jpg --local --wait\n  dropreel jobs --local\n\n"
        f"{board_line(described)}\n\n"
        f"For the aws command, and for dropreel elsewhere, paste into another terminal:\n\n{exports}\n\n"
        + "\n".join(commands)
        + f"\nThe provider simulator: {described['simulator']}/docs\n"
        f"Logs: {display_path(logs)}/\n"
        "The stack's parameters are arguments: with dropreel up DailySpendLimitUsd=1, the third image is held.\n"
    )


def board_line(described: Mapping[str, Any]) -> str:
    """Return where the board is, or how to get it."""
    if described.get("board"):
        return f"The board shows it all in a browser: {described['board']}"
    return "The board needs packages that .venvs/run does not have: make .venvs/run/installed."


def exports_of(described: Mapping[str, Any], file: Path) -> list[str]:
    """Return the lines that point a shell's AWS clients, and `dropreel --local`, at the local cloud."""
    region = described["region"]
    return [
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
        f"export AWS_ENDPOINT_URL={described['endpoint_url']} AWS_REGION={region} AWS_DEFAULT_REGION={region}",
        f"export AWS_ACCESS_KEY_ID={described['access_key_id']} AWS_SECRET_ACCESS_KEY={described['secret_access_key']}",
        f"export {LOCAL_CLOUD_VARIABLE}={shlex.quote(str(file))}",
        f'export PATH={shlex.quote(str(ROOT / "local" / "bin"))}:"$PATH"',
    ]


def commands_of(outputs: Mapping[str, str], events: Path) -> list[Line]:
    """Return commands to drop an image and to see all its results."""
    uploads, videos = outputs["UploadsBucketName"], outputs["VideosBucketName"]
    sample = shlex.quote(str(ROOT / "local" / "sample.jpg"))
    newest = "\"sort_by(Contents[?ends_with(Key, '.json')], &LastModified)[-1].Key\""
    numbers = "--attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible --query Attributes"
    return [
        Line("Drop an image", f'aws s3 cp {sample} s3://{uploads}/ --metadata prompt="slow zoom out"'),
        Line("The videos", f"aws s3 ls --recursive s3://{videos}/"),
        Line(
            "The newest receipt",
            f"key=$(aws s3api list-objects-v2 --bucket {videos} --query {newest} --output text)"
            f' && aws s3 cp "s3://{videos}/$key" -',
        ),
        Line(
            "The jobs",
            f"aws dynamodb scan --table-name {outputs['JobsTableName']}"
            " --query \"Items[?row.S=='job'].[job_id.S, status.S, image.M.key.S, reason.M.message.S]\" --output text",
        ),
        Line(
            "Reserved each day, in US cents",
            f"aws dynamodb scan --table-name {outputs['SpendTableName']}"
            " --query 'Items[].[day.S, reserved_cents.N]' --output text",
        ),
        Line(
            "Images waiting to be submitted",
            f"aws sqs get-queue-attributes --queue-url {outputs['QueueUrl']} {numbers}",
        ),
        Line(
            "Messages in the dead-letter queue",
            f"aws sqs get-queue-attributes --queue-url {outputs['DeadLetterQueueUrl']} {numbers}",
        ),
        Line(
            "The executions of the state machine",
            f"aws stepfunctions list-executions --state-machine-arn {outputs['StateMachineArn']}"
            " --query 'executions[].[name, status]' --output text",
        ),
        Line("The events, one per line", f"cat {shlex.quote(str(events))}"),
    ]
