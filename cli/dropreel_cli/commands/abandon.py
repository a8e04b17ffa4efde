"""`dropreel abandon`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.decision_options import decision_options, jobs_argument, require_one, unknown_option
from dropreel_cli.time_spans import since_option

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel_cli.output import Output


@subcommand(
    "abandon", examples=["dropreel abandon 3f2a9c417e5b0d8861fa24c7", "dropreel abandon --status unknown --since 1d"]
)
@jobs_argument
@unknown_option
@since_option()
@decision_options
@stack_options
@json_option
def command(
    names: tuple[str, ...],
    status: str | None,
    since: datetime,
    dry_run: bool,
    yes: bool,
    options: StackOptions,
    output: Output,
) -> int:
    """End unknown jobs as failed: nothing more is paid, and no video comes.

    What may have been charged stays counted. JOB is a job's id or its image's key.
    """
    require_one(names, status, instead="--status unknown")

    from dropreel.domain.job import JobStatus
    from dropreel_cli.decisions import Batch, named_or_since, number_of_jobs, plan_abandon
    from dropreel_cli.operations import Operations

    operations = Operations(options.connect())
    jobs = named_or_since(operations, names, since, lambda job: job.status is JobStatus.UNKNOWN)
    planned = [plan_abandon(job) for job in jobs]
    selection = "" if names else f"--status unknown --since {since:%Y-%m-%dT%H:%M:%SZ}"
    batch = Batch(output, "abandon", planned, options.arguments, selection)
    question = f"Abandon {number_of_jobs(planned)}? Nothing more is paid; what may have been charged stays counted."
    return batch.run(lambda job: operations.settle_unknown.abandon(job.job_id), question, dry_run=dry_run, yes=yes)
