"""Turns errors of AWS, the network and the file system into the error that ends a command."""

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel_cli.aws_errors import explain
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.stack import StackIncomplete, StackMissing


def failure_of(error: Exception) -> CommandError | None:
    """Return what to print and the exit status; None for an error of ours, which is shown with its traceback."""
    match error:
        case StackMissing():
            return CommandError(
                f"{error}. Name another one with --stack, or create it: dropreel deploy.", Exit.UNREACHABLE
            )
        case StackIncomplete():
            return CommandError(f"{error}. Run dropreel deploy to see what to do.", Exit.UNREACHABLE)
        case BotoCoreError() | ClientError():
            return CommandError(explain(error), Exit.UNREACHABLE)
        case ActionNotAllowed():
            return CommandError(str(error), Exit.REFUSED)
        case RetryLater():
            return CommandError(f"{error}.", Exit.FAILED)
        case OSError():
            return CommandError(str(error), Exit.FAILED)
    return None
