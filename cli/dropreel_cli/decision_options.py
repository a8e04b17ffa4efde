"""The options of the subcommands that decide about jobs."""

from collections.abc import Callable
from typing import Any

import click


def decision_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--dry-run` and `--yes`."""
    function = click.option("--yes", is_flag=True, help="Do not ask.")(function)
    return click.option("--dry-run", is_flag=True, help="Show what would happen; change nothing.")(function)


def jobs_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the jobs that are named: `names`, any number."""
    return click.argument("names", metavar="[JOB]...", nargs=-1)(function)


def unknown_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--status unknown`, which takes all unknown jobs; the function gets `status`."""
    return click.option("--status", type=click.Choice(["unknown"]), help="All unknown jobs, instead of naming some.")(
        function
    )


def require_one(names: tuple[str, ...], *selections: object, instead: str) -> None:
    """Raise UsageError unless jobs are named or one selection is given. `instead` names the selections."""
    given = sum(bool(one) for one in (names, *selections))
    if given == 0:
        raise click.UsageError(f"Which jobs? Name them (by id, generation id or image key), or give {instead}.")
    if given > 1:
        raise click.UsageError(f"Name jobs, or give {instead}; not both.")
