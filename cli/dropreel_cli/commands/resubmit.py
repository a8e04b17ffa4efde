"""`dropreel resubmit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.decision_options import decision_options, jobs_argument, require_one, unknown_option
from dropreel_cli.time_spans import since_option

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel_cli.output import Output


@subcommand(
    "resubmit",
    examples=[
        "dropreel resubmit 3f2a9c417e5b0d8861fa24c7 --dry-run",
        "dropreel resubmit 3f2a9c417e5b0d8861fa24c7 --may-pay-twice",
    ],
)
@jobs_argument
@unknown_option
@since_option()
@click.option("--may-pay-twice", is_flag=True, help="You know that the first submission may have been charged.")
@decision_options
@stack_options
@json_option
def command(
    names: tuple[str, ...],
    status: str | None,
    since: datetime,
    may_pay_twice: bool,
    dry_run: bool,
    yes: bool,
    options: StackOptions,
    output: Output,
) -> int:
    """Submit unknown jobs once more: IT MAY BE PAID TWICE.

    Look for the generation at the provider first: if it is there, adopt it instead. What exceeds the daily limit is held.
    JOB is a job's id or its image's key.
    """
    require_one(names, status, instead="--status unknown")

    from dropreel.domain.days import day_of
    from dropreel.domain.job import JobStatus
    from dropreel.domain.prices import usd
    from dropreel.use_cases.settle_unknown import attempt_of_resubmit
    from dropreel_cli.decisions import Batch, day_note, named_or_since, number_of_jobs, plan_resubmit, total_cents
    from dropreel_cli.operations import Operations, now
    from dropreel_cli.rehearsals import spend_day_of
    from dropreel_cli.stack_settings import prices_of

    operations = Operations(options.connect())
    ledger = operations.ledger
    jobs = named_or_since(operations, names, since, lambda job: job.status is JobStatus.UNKNOWN)
    prices = prices_of(operations.stack)
    planned = [plan_resubmit(job, ledger.limit, prices) for job in jobs]
    today = spend_day_of(operations.stack, day_of(now()))
    notes = [day_note(ledger.reserved_cents(today), ledger.limit, planned)] if planned else []
    what, cost = number_of_jobs(planned), usd(total_cents(planned))
    blocked = (
        f"Nothing was submitted: {what} for up to ${cost} may be paid twice, because the first submission may have been "
        "charged. Look for the generation at the provider and adopt it; if it is not there, add --may-pay-twice."
    )
    selection = "" if names else f"--status unknown --since {since:%Y-%m-%dT%H:%M:%SZ}"
    again = f" --may-pay-twice{options.arguments}"
    batch = Batch(output, "resubmit", planned, again, selection, notes, None if may_pay_twice else blocked)
    question = f"Submit {what} again, for up to ${cost}? It may be paid twice."
    resubmit = operations.settle_unknown.resubmit
    return batch.run(lambda job: resubmit(job.job_id, attempt_of_resubmit(job)), question, dry_run=dry_run, yes=yes)
