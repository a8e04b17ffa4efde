"""`dropreel redrive`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.decision_options import decision_options, jobs_argument

if TYPE_CHECKING:
    from dropreel_cli.output import Output


@subcommand("redrive", examples=["dropreel redrive --dry-run", "dropreel redrive 3f2a9c417e5b0d8861fa24c7 --yes"])
@jobs_argument
@decision_options
@stack_options
@json_option
def command(names: tuple[str, ...], dry_run: bool, yes: bool, options: StackOptions, output: Output) -> int:
    """Send dead letters back to the submission queue: nothing is paid twice.

    Without JOB all of them. Fix the cause first, or they come back. A job that was never submitted is submitted now, at its
    price. JOB is a job's id or its image's key.
    """
    import shlex

    from dropreel_cli.dead_letters import DeadLetters
    from dropreel_cli.operations import Operations
    from dropreel_cli.redrive import Redrive

    stack = options.connect()
    queue = DeadLetters(stack.client("sqs"), stack.outputs["DeadLetterQueueUrl"], stack.outputs["QueueUrl"])
    again = f"dropreel redrive {shlex.join(names)}".rstrip() + options.arguments
    return Redrive(output, queue, Operations(stack), again).run(names, dry_run=dry_run, yes=yes)
