"""`dropreel deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, account_options, json_option
from dropreel_cli.command_line import command as subcommand

if TYPE_CHECKING:
    from dropreel_cli.output import Output


@subcommand(
    "deploy",
    examples=[
        "dropreel deploy",
        "dropreel deploy DailySpendLimitUsd=80 DefaultMode=hq",
        "dropreel deploy --stack trial --region eu-west-1 --profile work",
        "NOHUMAN_API_KEY=... dropreel deploy --yes",
    ],
)
@click.argument("parameters", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--guided", is_flag=True, help="Ask for every parameter; Enter keeps its value.")
@click.option("--yes", is_flag=True, help="Deploy without asking.")
@account_options
@json_option
def command(parameters: tuple[str, ...], guided: bool, yes: bool, options: StackOptions, output: Output) -> None:
    """Deploy the stack into your AWS account.

    From a checkout. It builds the code, shows what changes, and asks. It changes only the parameters that you give, and keeps
    all others as the stack has them, also those that were changed in the console. The first time, it asks for each.

    The provider's API key is asked for without showing it, or taken from the environment variable NOHUMAN_API_KEY where the
    stack has none yet.

    The spend table of a removed stack is kept, and a new stack counts from 0: deploying a stack of the same name on the same day
    prints what was reserved, and the limit that counts it.
    """
    from dropreel_cli.checkout import enter_checkout

    checkout = enter_checkout(".venvs/run/installed", "build")
    from dropreel_cli.assignments import given_parameters
    from dropreel_cli.deploy import Deployment, deploy
    from dropreel_cli.questions import Terminal

    wanted = Deployment(checkout, options, given_parameters(parameters), is_guided=guided, is_confirmed=yes)
    output.document(deploy(wanted, output, Terminal.of(output)))
