"""What `dropreel plan` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel.domain.option_places import S3_METADATA
from dropreel_cli.command_line import Command
from dropreel_cli.exits import Exit
from dropreel_cli.local_files import find_files
from dropreel_cli.output import Output, printable
from dropreel_cli.plan_output import plan_document, plan_table, shown_images, summary_lines
from dropreel_cli.plan_sources import S3_SCHEME, plan_bucket, plan_files
from dropreel_cli.planning import Plan, Verdict
from dropreel_cli.rehearsals import REHEARSAL_NOTICE, is_rehearsal
from dropreel_cli.status_line import StatusLine
from dropreel_cli.submissions import PAUSED_NOTICE, Submissions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from dropreel_cli.command_line import StackOptions

COMMAND_LINE = "command line"
"""What the plan of a file calls S3 metadata: the command's own options become it."""


def run_plan(
    options: StackOptions,
    output: Output,
    paths: Sequence[str],
    wanted: Mapping[str, str],
    prefix: str,
    *,
    again: bool,
    shows_all: bool,
) -> int:
    """Print the plan; return the exit status."""
    addresses = [path for path in paths if path.startswith(S3_SCHEME)]
    if addresses and (len(paths) > 1 or wanted or prefix or again):
        raise click.UsageError(
            f"{addresses[0]} is planned alone, and with the options that it has in S3: give one address and no other option."
        )
    Command.left_behind = "Nothing was changed."
    notes: tuple[str, ...] = ()
    with StatusLine(output.progress, "checking images") as status:
        found = None if addresses else find_files(paths, prefix, lambda number: status(f"{number:,} images found"))
        stack = options.connect()
        if found is None:
            plan = plan_bucket(stack, addresses[0], on_progress=status)
        else:
            dropped = plan_files(stack, found, wanted, again=again, on_progress=status)
            plan, notes = dropped.plan, dropped.notes
        paused = Submissions.of(stack).is_paused
    if not output.is_json:
        metadata = S3_METADATA if addresses else COMMAND_LINE
        show_plan(output.console, plan, shows_all=shows_all, metadata=metadata)
    for note in notes:
        output.text(printable(note))
    if paused:
        output.note(PAUSED_NOTICE, "bold red")
    if is_rehearsal(stack):
        output.note(REHEARSAL_NOTICE, "bold yellow")
    output.document({"stack": stack.name, "paused": paused, **plan_document(plan), "notes": list(notes)})
    return plan_exit(plan)


def show_plan(console: Console, plan: Plan, *, shows_all: bool, metadata: str = COMMAND_LINE) -> None:
    """Print the table, how many rows it leaves out, and the summary."""
    shown = shown_images(plan, shows_all=shows_all)
    if shown:
        console.print(plan_table(shown, metadata))
    if len(shown) < len(plan.images):
        console.print(f"… and {len(plan.images) - len(shown):,} more; --all shows every image", style="dim")
    for line in summary_lines(plan):
        console.print(line, markup=False, soft_wrap=True)


def plan_exit(plan: Plan) -> Exit:
    """Return 0 where all files fit, 1 where some are refused, 6 where there is nothing to drop and nothing is there already."""
    counts = plan.counts
    if not plan.to_drop and not counts[Verdict.PRESENT]:
        return Exit.REFUSED
    return Exit.FAILED if counts[Verdict.REFUSED] else Exit.DONE
