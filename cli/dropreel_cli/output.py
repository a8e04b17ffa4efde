"""What a command prints: results on standard output, progress and questions on standard error."""

import io
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import click
from rich.console import Console, RenderableType

from dropreel_cli.command_line import print_document
from dropreel_cli.exits import CommandError, Exit

_PLAIN_WIDTH = 10_000
"""Columns of what is not a terminal: a table in a pipe or a file is never wrapped."""
_JOINERS = "\u200c\u200d"
"""Invisible characters that emoji and some scripts need inside a word."""


class _Console(Console):
    """A console whose reader may end early, such as `head`: the command then ends, too, as `app.main` does it."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


@dataclass(frozen=True)
class Output:
    """The output of one command. Without a terminal, or with NO_COLOR, it has no color and no movement (Rich's rule)."""

    is_json: bool = False

    @cached_property
    def console(self) -> Console:
        """Standard output."""
        # A terminal or a file whose encoding lacks a character gets an escape in its place, not a traceback.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        return _Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)

    @cached_property
    def progress(self) -> Console:
        """Standard error, for what moves and for what is not the result."""
        return Console(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else _PLAIN_WIDTH)

    def document(self, document: Mapping[str, Any]) -> None:
        """Print the JSON document, if `--json` asks for it."""
        if self.is_json:
            print_document(document)

    def text(self, text: str = "", style: str | None = None) -> None:
        """Print text as it is; with `--json` nothing."""
        if not self.is_json:
            self.console.print(text, markup=False, style=style, soft_wrap=True)

    def show(self, renderable: RenderableType) -> None:
        """Print a table or another renderable; with `--json` nothing."""
        if not self.is_json:
            self.console.print(renderable)

    def note(self, text: str, style: str | None = None) -> None:
        """Print a line on standard error, with `--json` too."""
        self.progress.print(text, markup=False, style=style, soft_wrap=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is spent or changed. Raises CommandError (REFUSED) unless the answer is yes."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise CommandError(
                f"{question} Nothing was done: there is no terminal to ask on. Confirm with --yes.", Exit.REFUSED
            )
        if not click.confirm(question, err=True):
            raise CommandError("Nothing was done.", Exit.REFUSED)


def printable(text: str) -> str:
    """Return a text from outside on one line, safe for a terminal: control and direction characters become visible escapes."""
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and character not in _JOINERS):
        return character.encode("unicode_escape").decode()
    return character


def print_text(console: Console, text: str) -> None:
    """Print text as it is: square brackets in it are not read as Rich's markup."""
    console.print(text, markup=False, highlight=False)


def print_error(console: Console, text: str) -> None:
    """Print text as it is, in red."""
    console.print(text, style="red", markup=False, highlight=False)
