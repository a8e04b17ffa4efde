"""`dropreel run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import command as subcommand
from dropreel_cli.command_line import json_option
from dropreel_cli.image_options import image_flags

if TYPE_CHECKING:
    from dropreel_cli.output import Output


@subcommand(
    "run",
    examples=[
        "dropreel run",
        'dropreel run my.jpg --prompt "slow pan left" --duration 10',
        "dropreel run holidays/ --mode hq --download videos/",
    ],
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@image_flags
@click.option(
    "--download", type=click.Path(file_okay=False, path_type=Path), help="Folder of the videos (default: output/)."
)
@json_option
def command(path: Path | None, wanted: dict[str, str], download: Path | None, output: Output) -> int:
    """Try the whole stack locally: make a video of an image, at no cost.

    From a checkout. It starts a local cloud, drops the image, or each image of a folder and its subfolders, into it, downloads
    the videos, and stops the cloud. Without PATH it takes a sample photograph. The provider is simulated.
    """
    from dropreel_cli.checkout import enter_checkout

    enter_checkout(".venvs/run/installed", ".venvs/ministack/installed", "build-local")
    from local.run import DOWNLOADS, SAMPLE, run

    return run(SAMPLE if path is None else path.expanduser(), wanted, download or DOWNLOADS, output)
