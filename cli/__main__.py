"""`python -m cli drop|deploy|remove`: what `make drop`, `make deploy` and `make remove` call.

Exit status: 0 done (or nothing to do), 1 not done (declined, failed, no such stack), 2 wrong or missing input,
130 stopped with Ctrl-C.
"""

import argparse
import os
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from cli.aws_errors import explain
from cli.deploy import deploy
from cli.drop import drop, fetch, follow
from cli.options import image_fault, option_faults, options_from
from cli.output import print_error, print_text
from cli.progress import JobProgress, describe_video, explain_end
from cli.questions import STACK_NAME, Terminal, UsageError
from cli.remove import remove
from cli.stack import Stack, StackIncomplete, StackMissing
from cli.target import DEFAULT_STACK, session_of, target_from
from dropreel.domain.job import JobStatus

OUTPUT = Path("output")
WAIT_SECONDS = 3600
_AFTER_CTRL_C = {
    "drop": "An image that was uploaded still becomes a video, and is charged.",
    "deploy": "A change that CloudFormation has started continues. Run `make deploy` again to see how it ended.",
    "remove": "A deletion that CloudFormation has started continues. Run `make remove` again to see how it ended.",
}


def main() -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog="dropreel", description=__doc__)
    parser.add_argument("command", choices=["drop", "deploy", "remove"])
    command = parser.parse_args().command
    console = Console(soft_wrap=True)
    terminal = Terminal(
        lambda question, hidden: console.input(question, markup=False, password=hidden),
        lambda text: print_text(console, text),
    )
    try:
        _check_stack_name(os.environ.get("STACK") or DEFAULT_STACK)
        if command == "deploy":
            return deploy(os.environ, console, terminal if sys.stdin.isatty() else None)
        if command == "remove":
            return remove(os.environ, console, terminal)
        return _drop(console)
    except UsageError as error:
        print_error(console, str(error))
        return 2
    except StackMissing as error:
        print_error(console, f"{error}.{'' if command == 'remove' else ' Run `make deploy` to create it.'}")
    except StackIncomplete as error:
        print_error(console, f"{error}. Run `make deploy` to see what to do.")
    except (BotoCoreError, ClientError) as error:
        print_error(console, explain(error))
    except (EOFError, OSError) as error:
        print_error(console, f"{command} failed: {error or 'the input ended'}")
    except KeyboardInterrupt:
        print_error(console, f"Stopped. {_AFTER_CTRL_C[command]}")
        return 130
    return 1


def _check_stack_name(name: str) -> None:
    if not STACK_NAME.fullmatch(name):
        raise UsageError(
            f"STACK is {name!r}; a stack name has only letters, digits and hyphens, and starts with a letter."
        )


def _drop(console: Console) -> int:
    image, options = Path(os.environ.get("IMAGE") or ""), options_from(os.environ)
    if not os.environ.get("IMAGE"):
        raise UsageError('IMAGE is required: make drop IMAGE=my.jpg PROMPT="slow zoom in"')
    if fault := image_fault(image):
        raise UsageError(fault)
    if faults := option_faults(options):
        raise UsageError("\n".join([*faults, "Nothing was uploaded."]))
    target = target_from(os.environ)
    stack = Stack.find(target.stack, session_of(target))
    stack.require_outputs()
    with JobProgress(console) as progress:
        dropped = drop(stack, image, options)
        try:
            for job in follow(stack, dropped, WAIT_SECONDS, progress.refresh):
                progress.show(job)
        except TimeoutError as error:
            raise TimeoutError(
                f"{error}. It continues in AWS, and its video will be in s3://{stack.outputs['VideosBucketName']}/. "
                "Do not drop the image again: that would be charged again."
            ) from error
    if job.status is not JobStatus.COMPLETED:
        print_error(console, explain_end(job))
        return 1
    path = fetch(stack, job, OUTPUT)
    print_text(console, f"{path}: {describe_video(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
