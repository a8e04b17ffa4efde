"""`dropreel down`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropreel_cli.command_line import Command, json_option
from dropreel_cli.command_line import command as subcommand

if TYPE_CHECKING:
    from dropreel_cli.output import Output


@subcommand("down", examples=["dropreel down"])
@json_option
def command(output: Output) -> None:
    """Stop the local cloud of `dropreel up`.

    From a checkout. Everything in the local cloud is deleted with it.
    """
    from dropreel_cli.checkout import require_checkout
    from dropreel_cli.local_cloud import CloudFiles

    Command.left_behind = "The local cloud may still be stopping. Run `dropreel down` again to wait for it."
    was_running = CloudFiles.of_checkout(require_checkout()).stop()
    output.text("The local cloud is down." if was_running else "No local cloud was running.")
    output.document({"was_running": was_running})
