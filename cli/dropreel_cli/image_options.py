"""The options of an image on a command line: `--prompt`, `--mode` and the others, under the provider's names."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FLAGS = ("prompt", "mode", "negative_prompt", "aspect_ratio", "duration", "cfg_scale", "sound")
"""The names of the options."""


def _offer(*values: str) -> Callable[..., list[str]]:
    """Return what the shell completes to. The stack's own code says which values are valid."""
    return lambda _context, _parameter, incomplete: [value for value in values if value.startswith(incomplete)]


def image_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add a flag for each option of an image; the function gets those that were given as `wanted: dict[str, str]`, all valid."""

    @click.option("--prompt", metavar="TEXT", help="Motion and camera movement; one line, at most 2,500 characters.")
    @click.option(
        "--mode", metavar="fast|hq", shell_complete=_offer("fast", "hq"), help="hq is better and more expensive."
    )
    @click.option("--negative-prompt", metavar="TEXT", help="What must not appear in the video.")
    @click.option("--aspect-ratio", metavar="RATIO", shell_complete=_offer("16:9", "9:16", "1:1", "auto"),
                  help="16:9, 9:16, 1:1, or auto: the one nearest to the image's own.")  # fmt: skip
    @click.option("--duration", metavar="5|10", shell_complete=_offer("5", "10"), help="Seconds.")
    @click.option("--cfg-scale", metavar="0..1", help="How closely to follow the prompt.")
    @click.option("--sound/--no-sound", default=None, help="Whether the video has a sound track.")
    @functools.wraps(function)
    def with_options(*args: Any, sound: bool | None, **kwargs: Any) -> Any:
        values = {name: kwargs.pop(name) for name in FLAGS if name != "sound"}
        values["sound"] = None if sound is None else str(sound).lower()
        given = {name: value for name, value in values.items() if value is not None}
        return function(*args, wanted=checked_options(given), **kwargs)

    return with_options


def upload_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags of an image, `--to` and `--again`; the function also gets `prefix: str`, valid, and `again: bool`."""

    @image_flags
    @click.option("--to", "folder", metavar="FOLDER", default="", help="Folder in the bucket, in front of every key.")
    @click.option(
        "--again", is_flag=True, help="Also what is in the bucket already, and duplicates: it is charged again."
    )
    @functools.wraps(function)
    def with_options(*args: Any, folder: str, **kwargs: Any) -> Any:
        return function(*args, prefix=folder_prefix(folder), **kwargs)

    return with_options


def checked_options(wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the options. Raises UsageError with every fault at once."""
    if not wanted:
        return {}
    from dropreel_cli.option_metadata import typed_options
    from dropreel_cli.output import printable

    found = typed_options(wanted)
    if isinstance(found, list):
        faults = "\n".join(f"--{fault.option.replace('_', '-')}: {printable(fault.message)}" for fault in found)
        raise click.UsageError(f"{faults}\nNothing was done.")
    return {name: value.strip() for name, value in wanted.items()}


def folder_prefix(folder: str, name: str = "--to") -> str:
    """Return the beginning of the keys in a folder of the bucket: empty, or with a slash at its end.

    Raises UsageError, which says what the folder has as its `name`.
    """
    if folder.startswith("s3://"):
        raise click.UsageError(
            f"{name} takes a folder in the stack's uploads bucket, such as shop/summer, not an address."
        )
    prefix = folder.strip("/")
    if {".", ".."} & set(prefix.split("/")):
        raise click.UsageError(f"{name} is {folder!r}; a folder in S3 has no . or .. between its slashes.")
    return f"{prefix}/" if prefix else ""
