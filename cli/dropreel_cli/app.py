"""The `dropreel` command: finds the subcommand, and turns every error into a sentence and an exit status.

A subcommand's module imports Click only; boto3, Rich and the package `dropreel` are imported inside its function, so that
`--help` and completion answer at once.
"""

import atexit
import difflib
import gc
import importlib
import os
import sys
from collections.abc import Sequence

import click

from dropreel_cli.command_line import Command, print_failure
from dropreel_cli.exits import CommandError, Exit

GROUPS: dict[str, tuple[str, ...]] = {
    "Make videos": ("drop", "plan"),
    "See what happens": ("board", "jobs", "show", "watch", "spend"),
    "Decide about jobs": ("resume", "adopt", "resubmit", "abandon", "redrive"),
    "Operate the stack": ("pause", "unpause", "set", "doctor", "policy", "forget"),
    "From a checkout": ("run", "up", "down", "deploy", "remove"),
    "This command": ("completion",),
}
"""The subcommands, in the order of the help. Each is the function `command` of the module with its name in `commands/`."""


class Application(click.Group):
    """Imports a subcommand's module when it is called, or listed."""

    def list_commands(self, context: click.Context) -> list[str]:  # noqa: ARG002 - Click passes it
        """Return the names of all subcommands."""
        return [name for names in GROUPS.values() for name in names]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a subcommand, or None where there is none of that name."""
        if name not in self.list_commands(context):
            return None
        command: click.Command = importlib.import_module(f"dropreel_cli.commands.{name}").command
        return command

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Print the help where nothing is asked for; newer versions of Click call that a wrong call."""
        if not args and not context.resilient_parsing:
            click.echo(context.get_help())
            context.exit()
        return super().parse_args(context, args)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand of a command line. Raises UsageError, with similar names, where there is none."""
        name = args[0]
        if not context.resilient_parsing and self.get_command(context, name) is None:
            near = difflib.get_close_matches(name, self.list_commands(context), n=3)
            meant = f" Did you mean {' or '.join(near)}?" if near else " `dropreel --help` lists them."
            context.fail(f"There is no command {name!r}.{meant}")
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands with a line each, under the headings of `GROUPS`."""
        for heading, names in GROUPS.items():
            lines = [
                (name, found.get_short_help_str(90)) for name in names if (found := self.get_command(context, name))
            ]
            if lines:
                with formatter.section(heading):
                    formatter.write_dl(lines)


@click.group(cls=Application, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="dropreel", prog_name="dropreel")
def application() -> None:
    """Drop an image into an S3 bucket, get a video back.

    Every command works against AWS (your usual credentials; --profile, --region, --stack) and against the local cloud of
    `dropreel up` (--local). With --json it prints one JSON document for machines.

    Exit status: 0 done, 1 some failed, 2 wrong call, 3 not reachable or not permitted, 4 held, 5 unknown, 6 refused by a
    check, 130 stopped with Ctrl-C.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    if arguments is None:
        atexit.register(gc.freeze)  # else Python searches all modules for garbage before it ends, for 0.1 seconds
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    is_json = "--json" in arguments
    _open_closed_streams()
    try:
        status = application.main(arguments, prog_name="dropreel", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return int(ended.exit_code)
    except CommandError as error:
        return print_failure(str(error), error.exit_status, is_json)
    except click.ClickException as error:
        usage = error.ctx.get_usage() + "\n" if isinstance(error, click.UsageError) and error.ctx else ""
        return print_failure(usage + error.format_message(), Exit.USAGE, is_json)
    except (click.Abort, KeyboardInterrupt):
        return print_failure(f"Stopped. {Command.left_behind}".strip(), Exit.STOPPED, is_json)
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        return Exit.DONE
    except Exception as error:
        from dropreel_cli.failures import failure_of

        if (failure := failure_of(error)) is None:
            if is_json:
                print_failure(f"{type(error).__name__}: {error}", Exit.FAILED, is_json)
            raise
        return print_failure(str(failure), failure.exit_status, is_json)
    return int(status or 0)


def _open_closed_streams() -> None:
    """Give the process a standard stream where it was started with a closed one (`>&-`): Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
