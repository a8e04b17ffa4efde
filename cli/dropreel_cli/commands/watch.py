"""`dropreel watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.time_spans import since_option

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel_cli.output import Output


@subcommand(
    "watch",
    examples=[
        "dropreel watch",
        "dropreel watch --once",
        "dropreel watch --json | jq -r 'select(.type == \"job\") | .job.status'",
    ],
)
@click.option("--interval", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, metavar="SECONDS",
              help="Seconds from one look at the stack to the next.")  # fmt: skip
@since_option("1d")
@click.option("--once", is_flag=True, help="Print the board once, and end.")
@stack_options
@json_option
def command(interval: float, since: datetime, once: bool, options: StackOptions, output: Output) -> int:
    """Watch the stack live.

    It shows the jobs in work and those that ended last, today's charges against the cap, and the queues.
    Ctrl-C ends it with status 0. Without a terminal it prints a line for each change of a job, with --json a JSON document
    a line. Jobs that ended before --since are left out; of each status, the newest 1,000 jobs are counted.
    """
    from dropreel_cli.board import BoardReader
    from dropreel_cli.watching import watch

    return watch(BoardReader(options.connect(), since), output, interval, once=once)
