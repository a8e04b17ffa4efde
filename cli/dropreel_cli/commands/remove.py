"""`dropreel remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, account_options, json_option
from dropreel_cli.command_line import command as subcommand

if TYPE_CHECKING:
    from dropreel_cli.output import Output


@subcommand("remove", examples=["dropreel remove", "dropreel remove --stack trial --region eu-west-1 --yes"])
@click.option("--yes", is_flag=True, help="Remove without asking.")
@account_options
@json_option
def command(yes: bool, options: StackOptions, output: Output) -> None:
    """Remove the stack from your AWS account.

    From a checkout. It keeps both buckets and both tables (your images, the videos that you paid for, the record of what was
    paid), and prints how to delete them. A stack whose creation failed is removed, too.
    """
    from dropreel_cli.checkout import require_checkout
    from dropreel_cli.remove import remove

    require_checkout()
    output.document(remove(options, output, yes=yes))
