"""`dropreel pause`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option, stack_options

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output


@subcommand("pause", examples=["dropreel pause", "dropreel pause --stack dropreel-shop"])
@stack_options
@json_option
def command(options: StackOptions, output: Output) -> None:
    """Stop all new submissions within seconds, without a question.

    It switches off the trigger of the submission queue, and returns when Lambda says so. What was submitted is polled and
    delivered. Uploads wait in the queue, 10 days at most. `dropreel unpause` continues. Pausing twice does no harm.
    """
    from dropreel_cli.pausing import pause

    pause(options, output)
