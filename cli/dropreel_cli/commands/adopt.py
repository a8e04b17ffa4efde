"""`dropreel adopt`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.decision_options import decision_options

if TYPE_CHECKING:
    from dropreel_cli.output import Output


@subcommand("adopt", examples=["dropreel adopt 3f2a9c417e5b0d8861fa24c7 gen_img2v_x7y8z9"])
@click.argument("name", metavar="JOB")
@click.argument("generation_id")
@decision_options
@stack_options
@json_option
def command(name: str, generation_id: str, dry_run: bool, yes: bool, options: StackOptions, output: Output) -> int:
    """Give an unknown job the generation that you found at the provider: nothing is paid.

    The provider must know the generation, and no other job may have it. That it was made from this image only you know.
    JOB is a job's id or its image's key.
    """
    import shlex

    from dropreel_cli.decisions import Batch, plan_checked_adoption
    from dropreel_cli.jobs_named import jobs_named
    from dropreel_cli.operations import Operations
    from dropreel_cli.output import printable

    operations = Operations(options.connect())
    (job,) = jobs_named([name], operations.jobs, operations.lists)
    planned = plan_checked_adoption(operations.settle_unknown, job, generation_id)
    batch = Batch(output, "adopt", [planned], f" {shlex.quote(generation_id)}{options.arguments}")
    question = (
        f"Adopt generation {printable(generation_id)} for this job? Nothing is paid. Make sure that it was made from "
        f"{printable(job.image.key)}."
    )
    adopt = operations.settle_unknown.adopt
    return batch.run(lambda job: adopt(job.job_id, generation_id), question, dry_run=dry_run, yes=yes)
