"""The exit statuses of every command, and the error that ends a command with one of them."""

from enum import IntEnum


class Exit(IntEnum):
    """What the exit status says. Where several hold, the highest number of 1, 4 and 5 counts."""

    DONE = 0
    """Done, or nothing to do."""
    FAILED = 1
    """Some or all of it did not work."""
    USAGE = 2
    """The call is wrong; nothing was done."""
    UNREACHABLE = 3
    """AWS, the stack, or the local cloud is not there, or the credentials do not allow it."""
    HELD = 4
    """Jobs wait for the spend limit or for the operator."""
    UNKNOWN = 5
    """It is unknown whether a submission was charged."""
    REFUSED = 6
    """A check refused it, or it was not confirmed; nothing was spent."""
    STOPPED = 130
    """Stopped with Ctrl-C."""


class CommandError(Exception):
    """Ends a command. The message is for people: what happened, and what to do next."""

    def __init__(self, message: str, exit_status: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_status = exit_status
