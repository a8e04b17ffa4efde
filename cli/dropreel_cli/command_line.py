"""What every subcommand's command line shares: help with examples, the stack's options, `--json`."""

from __future__ import annotations

import functools
import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from dropreel_cli.exits import Exit
    from dropreel_cli.stack import Stack


class Command(click.Command):
    """A subcommand whose help ends with examples."""

    left_behind: ClassVar[str] = ""
    """What Ctrl-C leaves at this moment, and how to continue. The running command keeps it up to date."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write_text(example)
        super().format_epilog(context, formatter)


def command(name: str, *, examples: Sequence[str], **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declare a subcommand with its examples, each a line to paste."""
    context = {"help_option_names": ["-h", "--help"]}
    return click.command(name, cls=Command, examples=examples, context_settings=context, **settings)


@dataclass(frozen=True)
class StackOptions:
    """Which stack a command works on. An option that is not given is None, and the environment decides."""

    profile: str | None = None
    region: str | None = None
    stack: str | None = None
    local: bool = False

    def connect(self) -> Stack:
        """Return the stack, found in CloudFormation. Raises StackMissing, StackIncomplete, CommandError, and botocore's errors."""
        from dropreel_cli.connection import connect

        return connect(self)

    @property
    def arguments(self) -> str:
        """The options as they were given, with a space in front, for commands to paste."""
        given = {"--profile": self.profile, "--region": self.region, "--stack": self.stack}
        words = [f" {name} {value}" for name, value in given.items() if value]
        return "".join([*words, " --local" if self.local else ""])


def account_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--profile`, `--region` and `--stack`: a stack in AWS. The function gets them as `options: StackOptions`."""

    @_account_options
    @functools.wraps(function)
    def with_options(*args: Any, profile: str | None, region: str | None, stack: str | None, **kwargs: Any) -> Any:
        return function(*args, options=StackOptions(profile, region, stack), **kwargs)

    return with_options


def stack_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--profile`, `--region`, `--stack` and `--local`; the function gets them as `options: StackOptions`."""

    @_account_options
    @click.option("--local", is_flag=True, help="Use the local cloud that `dropreel up` has started.")
    @functools.wraps(function)
    def with_options(
        *args: Any, profile: str | None, region: str | None, stack: str | None, local: bool, **kwargs: Any
    ) -> Any:
        if local and (profile or region or stack):
            raise click.UsageError(
                "--local is the local cloud's one stack: it takes no --profile, --region or --stack."
            )
        return function(*args, options=StackOptions(profile, region, stack, local), **kwargs)

    return with_options


def _account_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--stack", metavar="NAME", help="Name of the stack (default: dropreel, or the last one deployed here)."
        ),
        click.option("--region", metavar="REGION", help="AWS region of the stack."),
        click.option("--profile", metavar="NAME", help="Profile of the AWS configuration."),
    ):
        function = option(function)
    return function


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`; the function gets `output: Output`, which knows it."""

    @click.option("--json", "is_json", is_flag=True, help="Print one JSON document (docs/cli.md describes it).")
    @functools.wraps(function)
    def with_output(*args: Any, is_json: bool, **kwargs: Any) -> Any:
        from dropreel_cli.output import Output

        return function(*args, output=Output(is_json=is_json), **kwargs)

    return with_output


def print_document(document: Mapping[str, Any]) -> None:
    """Print a JSON document on standard output. What its encoding lacks is escaped, as JSON escapes it."""
    text = json.dumps({"version": 1, **document}, indent=2, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps({"version": 1, **document}, indent=2)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise BrokenPipeError from None  # without its number, for which Click would end the command with 1


def print_failure(message: str, exit_status: Exit, is_json: bool) -> int:
    """Print why a command ended on standard error, and for `--json` as a document too; return the exit status."""
    from dropreel_cli.output import printable

    if is_json:
        with _or_nowhere(sys.stdout):  # standard error has the message, too
            print_document({"error": {"exit_status": int(exit_status), "message": message}})
    message = "\n".join(printable(line.expandtabs(2)) for line in message.split("\n"))
    has_color = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    with _or_nowhere(sys.stderr):
        click.echo(click.style(message, fg="red") if has_color else message, err=True)
        sys.stderr.flush()
    return int(exit_status)


@contextmanager
def _or_nowhere(stream: TextIO) -> Iterator[None]:
    """Write to a stream whose reader may have ended, or whose disk may be full: what is left of it is then discarded.

    Else Python would fail at its end to write it, and change the exit status to 120.
    """
    try:
        yield
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
