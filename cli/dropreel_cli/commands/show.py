"""`dropreel show`."""

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
    "show",
    examples=[
        "dropreel show 0123abcd",
        "dropreel show holiday/beach.jpg",
        "dropreel show s3://my-uploads/holiday/beach.jpg --json | jq .submissions",
    ],
)
@click.argument("named", metavar="JOB|GENERATION_ID|KEY|S3_ADDRESS")
@since_option()
@stack_options
@json_option
def command(named: str, since: datetime, options: StackOptions, output: Output) -> None:
    """Show one job's whole story, and what to do next.

    Named by the job's id, the first 8 or more digits of it (then --since says how far back it is searched), the id of its
    generation, or the key or s3:// address of its image or video. Of a key with several jobs, the newest is shown in full.
    """
    from dropreel_cli.job_details import show_job

    if not named.strip():
        raise click.UsageError("Name a job, a generation or an image.")
    show_job(options, output, named, since)
