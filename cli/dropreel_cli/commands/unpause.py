"""`dropreel unpause`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option, stack_options

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output


@subcommand("unpause", examples=["dropreel unpause", "dropreel unpause --stack dropreel-shop --yes"])
@click.option("--yes", is_flag=True, help="Do not ask, even where images wait.")
@stack_options
@json_option
def command(yes: bool, options: StackOptions, output: Output) -> None:
    """Let submissions start again after `dropreel pause`.

    What waits in the queue is then submitted and paid, within the day's spend limit. Where something waits, it says how much and
    asks.
    """
    from dropreel_cli.pausing import unpause

    unpause(options, output, yes=yes)
