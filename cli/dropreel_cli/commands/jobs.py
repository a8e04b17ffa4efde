"""`dropreel jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.time_spans import Since, since_option

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel_cli.output import Output

STATUSES = (
    *("deferred", "preparing", "held", "submitting", "generating"),
    *("completed", "failed", "rejected", "unknown"),
)
"""Every `JobStatus`: a test compares them. `--help` needs them without an import of the package `dropreel`."""


@subcommand(
    "jobs",
    examples=[
        "dropreel jobs",
        "dropreel jobs --status failed --status unknown --since 30d",
        "dropreel jobs --key-prefix shop/ --json | jq -r '.jobs[].job_id'",
    ],
)
@click.option("--status", "statuses", type=click.Choice(STATUSES), multiple=True, metavar="STATUS",
              help=f"Only jobs with this status; several times for several. {', '.join(STATUSES)}.")  # fmt: skip
@since_option()
@click.option("--until", type=Since(), metavar="1d|2026-11-12",
              help="Only jobs that were created until then (UTC); default: now.")  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, metavar="N", help="At most N jobs."
)
@click.option("--key-prefix", default="", metavar="PREFIX", help="Only images whose keys begin with it.")
@stack_options
@json_option
@click.pass_context
def command(
    context: click.Context,
    statuses: tuple[str, ...],
    since: datetime,
    until: datetime | None,
    limit: int,
    key_prefix: str,
    options: StackOptions,
    output: Output,
) -> None:
    """List jobs, the newest first.

    Jobs that still wait (deferred, preparing, held, submitting, generating) are listed by --status whatever their age,
    unless --since is given. CHARGE: `-` nothing, `?` unknown, `≤` at most, where an earlier attempt may have cost nothing.
    """
    from datetime import UTC, datetime

    from dropreel.domain.job import JobStatus
    from dropreel_cli.job_listing import list_jobs
    from dropreel_cli.job_selection import Selection

    list_jobs(
        options,
        output,
        Selection(
            since=since,
            until=until or datetime.now(UTC),
            statuses=frozenset(map(JobStatus, statuses)),
            key_prefix=key_prefix,
            limit=limit,
            has_since=context.get_parameter_source("since") is click.core.ParameterSource.COMMANDLINE,
        ),
    )
