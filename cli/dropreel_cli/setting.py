"""What `dropreel set` shows, asks and does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dropreel_cli.command_line import Command
from dropreel_cli.parameter_changes import Change, changes_of, deployed_parameters, update, wanted_values
from dropreel_cli.rehearsals import with_key_of_change
from dropreel_cli.stack_resources import StackResources
from dropreel_cli.submissions import PAUSED_NOTICE, Submissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output
    from dropreel_cli.stack import Stack

_HOW_TO_CHANGE_IT = (
    "A value on a command line stays in the shell's history and is seen in the list of processes. Run"
    " dropreel deploy --guided, which asks for it hidden, or write it to a file and run"
    " aws secretsmanager put-secret-value --secret-id {secret} --secret-string file://key.txt --region {region}."
)


def set_parameters(
    assignments: Sequence[str], options: StackOptions, output: Output, *, yes: bool, dry_run: bool
) -> None:
    """Show what changes, ask, update the stack and wait for it."""
    stack = options.connect()
    wanted = wanted_values(assignments, deployed_parameters(stack), lambda: _secret_help(stack))
    wanted = with_key_of_change(wanted, stack, options.arguments)
    changes = changes_of(stack, wanted)
    if not changes:
        output.text("Nothing to change: the stack has these values.")
    else:
        output.show(_diff(changes))
        if wanted.get("NohumanApiKey"):
            output.note("The stack's API key is replaced. Keep it elsewhere: the way back needs it.", "bold yellow")
    is_applied = bool(changes) and not dry_run
    if is_applied:
        output.confirm(_question(stack, changes), yes=yes)
        stack = _apply(stack, changes, options, output)
        output.text(f"Done: the stack {stack.name} is {stack.status}. All other parameters are as before.", "green")
    output.document({"changes": [one.document for one in changes], "applied": is_applied, "stack_status": stack.status})


def _apply(stack: Stack, changes: Sequence[Change], options: StackOptions, output: Output) -> Stack:
    submissions = Submissions.of(stack)
    was_paused = submissions.is_paused
    Command.left_behind = (
        "A change that CloudFormation has started continues, or is rolled back. To see how it ends:"
        f" dropreel doctor{options.arguments}"
    )
    with output.progress.status(f"updating {stack.name}") as status:
        after = update(stack, changes, lambda text: status.update(f"updating {stack.name}: {text}"))
    if was_paused:
        submissions.switch(enabled=False)  # does nothing unless the update has switched it on
        output.note(PAUSED_NOTICE, "bold yellow")
    return after


def _secret_help(stack: Stack) -> str:
    secret = StackResources.of(stack)["ApiKeySecret"]
    return _HOW_TO_CHANGE_IT.format(secret=secret, region=stack.session.region_name)


def _question(stack: Stack, changes: Sequence[Change]) -> str:
    what = "this parameter" if len(changes) == 1 else f"these {len(changes)} parameters"
    return f"Change {what} of {stack.name}, and keep all others?"


def _diff(changes: Sequence[Change]) -> Table:
    table = Table("Parameter", "Now", "Then", box=None, pad_edge=False)
    for change in changes:
        before, after = (Text(value or "(empty)") for value in (change.before, change.shown))
        table.add_row(Text(change.name), before, after)
    return table
