"""`dropreel up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option

if TYPE_CHECKING:
    from dropreel_cli.output import Output


@subcommand("up", examples=["dropreel up", "dropreel up DailySpendLimitUsd=1", "dropreel jobs --local"])
@click.argument("parameters", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--foreground", is_flag=True, help="Run until Ctrl-C, and print the events as they arrive.")
@click.option("--open/--no-open", "opens", default=None,
              help="Open the board in the browser; default: from a terminal on a screen.")  # fmt: skip
@json_option
def command(parameters: tuple[str, ...], foreground: bool, opens: bool | None, output: Output) -> None:
    """Start a local cloud and keep it running until `dropreel down`.

    From a checkout. The real template runs in a local AWS engine, with a simulator of the provider; nothing costs anything.
    Every command works with it with --local, and its board is served with it. It listens on 127.0.0.1 only, needs no AWS
    account, and stops after 24 hours. NAME=VALUE sets a parameter of the stack.
    """
    from dropreel_cli.checkout import enter_checkout

    root = enter_checkout(".venvs/run/installed", ".venvs/ministack/installed", ".venvs/aws/installed", "build-local")
    from dropreel_cli.assignments import given_parameters
    from dropreel_cli.local_cloud import CloudFiles
    from dropreel_cli.parameters import rule_faults
    from dropreel_cli.questions import UsageError
    from dropreel_cli.variables import NOT_IN_THE_LOCAL_CLOUD
    from local.up import up_in_background, up_in_foreground

    given = given_parameters(parameters, refused=NOT_IN_THE_LOCAL_CLOUD)
    if faults := rule_faults(given):
        raise UsageError("\n".join([*faults, "Nothing was started."]))
    up = up_in_foreground if foreground else up_in_background
    up(CloudFiles.of_checkout(root), given, output, opens=opens)
