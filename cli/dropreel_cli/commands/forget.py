"""`dropreel forget`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.decision_options import decision_options

if TYPE_CHECKING:
    from dropreel_cli.output import Output


@subcommand(
    "forget",
    examples=[
        "dropreel forget team/anna.jpg --dry-run",
        "dropreel forget team/anna.jpg",
        "dropreel forget s3://my-uploads/team/anna.jpg --yes --json",
    ],
)
@click.argument("names", metavar="KEY...", nargs=-1, required=True)
@decision_options
@stack_options
@json_option
def command(names: tuple[str, ...], dry_run: bool, yes: bool, options: StackOptions, output: Output) -> int:
    """Delete all that is stored of an image, and redact its prompt.

    KEY is an image's key or s3:// address. Deleted are all versions of the image, its sidecar and prepared copies, and of the
    videos and receipts of all its jobs. In the job table, prompts and messages are replaced by (forgotten); keys, amounts,
    days and ids stay. A dropreel.json stays, since it counts for other images, too.

    An image with a job that has not ended is refused: its video may be paid already. A run that was stopped can be repeated.
    It needs the policy that `dropreel policy forget` prints. docs/privacy.md says what is stored where else.
    """
    from dropreel.domain.encodable import is_encodable
    from dropreel.domain.messages import MAX_KEY_BYTES
    from dropreel.domain.option_files import is_folder_file
    from dropreel_cli.forgetting import Forgetter, forget_images
    from dropreel_cli.operations import Operations
    from dropreel_cli.output import printable

    for name in names:
        key = name.removeprefix("s3://").partition("/")[2] if name.startswith("s3://") else name
        if not is_encodable(key) or not 0 < len(key.encode()) <= MAX_KEY_BYTES:
            raise click.UsageError(
                f"A key has 1 to {MAX_KEY_BYTES:,} bytes of UTF-8; {printable(name[:100])!r} has not."
            )
        if is_folder_file(key):
            raise click.UsageError(
                f"{printable(name)} holds the options of a folder, not of one image. Delete it in its bucket."
            )
    forgetter = Forgetter(Operations(options.connect()))
    return forget_images(forgetter, names, output, options.arguments, dry_run=dry_run, yes=yes)
