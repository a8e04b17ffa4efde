"""`dropreel board`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.time_spans import since_option

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel_cli.output import Output


@subcommand("board", examples=["dropreel board", "dropreel board --local", "dropreel board --port 8300 --no-open"])
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port; default: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
              help="Address to listen on. With another one, other machines can use the printed address.")  # fmt: skip
@click.option(
    "--open/--no-open", "opens", default=None, help="Open it in the browser; default: from a terminal on a screen."
)
@since_option("30d")
@stack_options
@json_option
def command(port: int, host: str, opens: bool | None, since: datetime, options: StackOptions, output: Output) -> int:
    """Serve a page that shows pictures turning into videos.

    Drop pictures onto it, watch each job, play the videos, decide about jobs, and see the charges. It uses your own AWS
    credentials, runs on this machine until Ctrl-C, and needs the extra: pipx install '.[board]' in a checkout.
    """
    from dropreel_cli.serving import serve

    return serve(options, output, since, host=host, port=port, opens=opens)
