"""`dropreel drop`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option, stack_options
from dropreel_cli.dollars import ASK_ABOVE_USD, Dollars
from dropreel_cli.image_options import upload_options

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output


@subcommand(
    "drop",
    examples=[
        'dropreel drop my.jpg --prompt "slow zoom in" --download videos/',
        "dropreel drop holiday/ --to 2026/holiday --mode hq --yes-below 20",
        "dropreel drop *.jpg --wait",
        "dropreel drop holiday/ --yes --json --wait | jq -r '.jobs[].video.key'",
    ],
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
@upload_options
@click.option("--wait", "waits", is_flag=True, help="Follow every job to its end.")
@click.option("--download", metavar="DIR", type=click.Path(file_okay=False), help="Wait, and download the videos.")
@click.option("--yes-below", type=Dollars(), default=str(ASK_ABOVE_USD), show_default=True, metavar="USD",
              help="Ask only if the videos cost more than this in all.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Check and price, and upload nothing; the same as dropreel plan.")
@click.option("--all", "shows_all", is_flag=True, help="A row for every image; else those to look at and the first 20.")
@stack_options
@json_option
def command(paths: tuple[str, ...], options: StackOptions, output: Output, **choices: Any) -> int:
    """Upload images, which become videos and are charged.

    PATH is an image or a folder; of a folder, keys are the paths below it. Each image is checked here first, by the code of
    the stack. Option files (my.jpg.json, dropreel.json) are uploaded before the images.

    What is in the bucket already, with the same content and options, is not uploaded again. So a run that was stopped is
    continued by the same command. Of the same picture twice in one call, the first is uploaded. --again uploads all.

    Exit status: 0 done, 1 some failed or were refused, 4 jobs are held, 5 a charge is unknown, 6 nothing to drop, or not
    confirmed.
    """
    from dropreel_cli.drop_command import DropCommand

    return DropCommand(options, output, **choices).run(paths)
