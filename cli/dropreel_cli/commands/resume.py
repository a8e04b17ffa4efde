"""`dropreel resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.decision_options import decision_options, jobs_argument, require_one
from dropreel_cli.time_spans import since_option

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel_cli.output import Output


@subcommand(
    "resume",
    examples=[
        "dropreel resume 3f2a9c417e5b0d8861fa24c7",
        "dropreel resume --all --since 2d --dry-run",
        "dropreel resume --reason timed_out --reason delivery_failed --yes",
    ],
)
@jobs_argument
@click.option("--reason", "reasons", metavar="CODE", multiple=True, help="All that failed with this reason code.")
@click.option("--all", "is_all", is_flag=True, help="All failed jobs whose video can still come.")
@since_option()
@decision_options
@stack_options
@json_option
def command(
    names: tuple[str, ...],
    reasons: tuple[str, ...],
    is_all: bool,
    since: datetime,
    dry_run: bool,
    yes: bool,
    options: StackOptions,
    output: Output,
) -> int:
    """Poll the paid generation of failed jobs again: nothing is paid again.

    JOB is a job's id, its generation's id, or its image's key.
    """
    require_one(names, reasons, is_all, instead="one of --all and --reason CODE")

    from dropreel_cli.decisions import (
        Batch,
        is_resumable,
        named_or_since,
        number_of_jobs,
        plan_resume,
        require_resumable,
    )
    from dropreel_cli.operations import Operations

    require_resumable(reasons)
    operations = Operations(options.connect())
    jobs = named_or_since(operations, names, since, lambda job: is_resumable(job, reasons))
    planned = [plan_resume(job) for job in jobs]
    chosen = "" if names else " ".join([*(f"--reason {code}" for code in reasons), *["--all"] * is_all])
    selection = chosen and f"{chosen} --since {since:%Y-%m-%dT%H:%M:%SZ}"
    batch = Batch(output, "resume", planned, options.arguments, selection)
    question = f"Resume {number_of_jobs(planned)}? Nothing is paid again."
    return batch.run(lambda job: operations.resume_job.run(job.job_id), question, dry_run=dry_run, yes=yes)
