"""Commands that need a checkout of the repository: they find it, make what they need, and run in its own environment."""

from __future__ import annotations

import os
import subprocess  # nosec B404 # the commands of a checkout start make and its interpreter
import sys
from pathlib import Path

from dropreel_cli.command_line import Command
from dropreel_cli.exits import CommandError, Exit

PREPARED_VARIABLE = "DROPREEL_PREPARED"
"""The environment variable with the checkout whose prerequisites are made: set by make, and by `enter_checkout` for itself."""
_PARTS = ("template.yaml", "Makefile", "cli/dropreel_cli/app.py")
_PYTHON = Path(".venvs", "run", "bin", "python")
_OF_MAKE = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKE_VARIABLES", "PYTHONPATH", "PYTHONHOME")
"""What a make around this command, or this command's own interpreter, must not hand over."""


def find_checkout(folder: Path | None = None) -> Path | None:
    """Return the checkout that a folder (default: the current one) is in; None where it is in none."""
    here = folder or Path.cwd()
    return next(
        (place for place in (here, *here.parents) if all((place / part).is_file() for part in _PARTS)),
        None,
    )


def require_checkout() -> Path:
    """Return the checkout around the current folder. Raises CommandError where there is none."""
    found = find_checkout()
    if found is None:
        raise CommandError(
            f"This command needs a checkout of Dropreel's repository, and {Path.cwd()} is not in one. "
            "Clone the repository (git clone), change into its folder, and run the command there.",
            Exit.USAGE,
        )
    return found


def enter_checkout(*prerequisites: str) -> Path:
    """Return the checkout, in a process that runs its code in its own environment.

    Any other process makes the prerequisites, targets of the Makefile, and is replaced by one that does, with the same
    arguments, folder and environment. Raises CommandError where there is no checkout, or make fails.
    """
    root = require_checkout()
    prepared = os.environ.pop(PREPARED_VARIABLE, "")
    if not prepared or Path(prepared).resolve() != root.resolve():
        Command.left_behind = "Nothing was started."
        _make(root, prerequisites)
        _run_there(root)
    return root


def _run_there(root: Path) -> None:
    """Replace this process by the checkout's own command."""
    python = str(root / _PYTHON)
    environment = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(  # noqa: S606  # nosec B606 # the checkout's own interpreter
        python,
        [python, "-P", "-m", "dropreel_cli", *sys.argv[1:]],  # -P: the current folder is the user's
        {**environment, PREPARED_VARIABLE: str(root)},
    )


def _make(root: Path, targets: tuple[str, ...]) -> None:
    """Run make; what it prints goes to standard error."""
    environment = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    environment.setdefault("PYTHON", sys.executable)
    command = ["make", "--silent", "--no-print-directory", *targets]
    try:
        done = subprocess.run(command, cwd=root, env=environment, stdout=sys.stderr, check=False)  # nosec B603 # our own words, no shell
    except FileNotFoundError as error:
        raise CommandError("make is not installed, and this command needs it. Install it and try again.") from error
    if done.returncode:
        raise CommandError(
            f"Nothing was started: `{' '.join(command)}` failed in {root}. Its output is above.", Exit.FAILED
        )
