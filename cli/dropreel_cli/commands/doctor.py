"""`dropreel doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option, stack_options

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output


@subcommand(
    "doctor",
    examples=[
        "dropreel doctor",
        "dropreel doctor --json | jq '.checks[] | select(.status != \"ok\")'",
        "dropreel doctor --local --end-to-end",
    ],
)
@click.option(
    "--end-to-end",
    is_flag=True,
    help="Also drop a small picture and follow it to its video. Only where nothing is paid.",
)
@stack_options
@json_option
def command(end_to_end: bool, options: StackOptions, output: Output) -> int:
    """Check the stack, and say for each check that failed what to do.

    It looks at your credentials and permissions, the stack and its wiring, the API key (without paying), a presigned address,
    quotas, alarms, and the jobs that wait. It changes nothing. Exit status 1 if a check failed.
    """
    from dropreel_cli.diagnosis.report import diagnose

    return diagnose(options, output, end_to_end=end_to_end)
