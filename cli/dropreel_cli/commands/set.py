"""`dropreel set`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option, stack_options

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output


@subcommand(
    "set",
    examples=[
        "dropreel set DailySpendLimitUsd=20",
        "dropreel set DAILY_SPEND_LIMIT_USD=unlimited SubmitConcurrency=10 --yes",
        "dropreel set DefaultNegativePrompt= --dry-run",
    ],
)
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--yes", is_flag=True, help="Change without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@stack_options
@json_option
def command(assignments: tuple[str, ...], yes: bool, dry_run: bool, options: StackOptions, output: Output) -> None:
    """Change parameters of the stack; all others keep their values.

    It shows each value now and then, asks, and waits until CloudFormation has updated the stack. docs/reference.md lists the
    parameters. The API key is never asked for, shown or changed. It needs the deployment policy (docs/deploy-policy.json).
    """
    from dropreel_cli.setting import set_parameters

    set_parameters(assignments, options, output, yes=yes, dry_run=dry_run)
