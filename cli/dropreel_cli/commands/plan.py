"""`dropreel plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option, stack_options
from dropreel_cli.image_options import upload_options

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output


@subcommand(
    "plan",
    examples=[
        "dropreel plan my.jpg --mode hq",
        "dropreel plan holiday/ --to 2026/holiday",
        "dropreel plan s3://my-pictures/shop/",
        "dropreel plan holiday/ --json | jq .total_usd",
    ],
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...|s3://BUCKET/PREFIX")
@upload_options
@click.option("--all", "shows_all", is_flag=True, help="A row for every image; else the refused ones and the first 20.")
@stack_options
@json_option
def command(
    paths: tuple[str, ...],
    wanted: dict[str, str],
    prefix: str,
    again: bool,
    shows_all: bool,
    options: StackOptions,
    output: Output,
) -> int:
    """Price images, and check them as the stack would, before anything is uploaded or charged.

    PATH is an image or a folder. For images in S3 give one address; what is under it is read, nothing is changed. Each image
    is submitted as it is, prepared for the provider first, refused with the reason, or left out: not an image, the same
    picture twice, or already there.

    Exit status: 0 all fit, 1 some are refused, 6 none can be dropped.
    """
    from dropreel_cli.plan_command import run_plan

    return run_plan(options, output, paths, wanted, prefix, again=again, shows_all=shows_all)
