"""`python -m cli drop|deploy|remove`: what `make drop`, `make deploy` and `make remove` call.

Exit status: 0 done (or nothing to do), 1 not done (declined, failed, no such stack), 2 cannot be done as it was said,
130 stopped with Ctrl-C.
"""

import argparse
import os
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from cli.aws_errors import explain
from cli.deploy import Mistake, deploy
from cli.drop import drop, fetch, follow
from cli.options import image_fault, option_faults, options_from
from cli.progress import JobProgress, describe_video, explain_end
from cli.questions import STACK_NAME, Terminal
from cli.remove import remove
from cli.stack import Stack, StackMissing, StackUnfinished
from cli.target import DEFAULT_STACK, session_of, target_from
from dropreel.domain.job import JobStatus

OUTPUT = Path("output")


def main() -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog="dropreel", description=__doc__)
    parser.add_argument("command", choices=["drop", "deploy", "remove"])
    command = parser.parse_args().command
    console = Console(soft_wrap=True)
    terminal = Terminal(
        lambda question, hidden: console.input(question, markup=False, password=hidden),
        lambda text: console.print(text, markup=False, highlight=False),
    )
    try:
        _check_stack_name(os.environ.get("STACK") or DEFAULT_STACK)
        if command == "deploy":
            return deploy(os.environ, console, terminal if sys.stdin.isatty() else None)
        if command == "remove":
            return remove(os.environ, console, terminal)
        return _drop(console)
    except Mistake as mistake:
        _complain(console, str(mistake))
        return 2
    except StackMissing as missing:
        _complain(console, f"{missing}{'.' if command == 'remove' else '; `make deploy` puts it there.'}")
    except StackUnfinished as unfinished:
        _complain(console, f"{unfinished}; `make deploy` says what to do.")
    except (BotoCoreError, ClientError) as error:
        _complain(console, explain(error))
    except (EOFError, OSError) as error:
        _complain(console, f"{command} failed: {error or 'the input ended'}")
    except KeyboardInterrupt:
        _complain(console, "Stopped. What AWS has begun already goes on.")
        return 130
    return 1


def _check_stack_name(name: str) -> None:
    if not STACK_NAME.fullmatch(name):
        raise Mistake(f"STACK is {name!r}; a stack's name has letters, digits and hyphens, and starts with a letter.")


def _drop(console: Console) -> int:
    image, options = Path(os.environ.get("IMAGE") or ""), options_from(os.environ)
    if not os.environ.get("IMAGE"):
        raise Mistake('Which image? make drop IMAGE=my.jpg PROMPT="slow zoom in"')
    if fault := image_fault(image):
        raise Mistake(fault)
    if faults := option_faults(options):
        raise Mistake("\n".join(faults) + "\nNothing was uploaded.")
    target = target_from(os.environ)
    stack = Stack.find(target.stack, session_of(target))
    stack.require_outputs()
    with JobProgress(console) as progress:
        dropped = drop(stack, image, options)
        for job in follow(stack, dropped, 3600, progress.waiting):
            progress.saw(job)
    if job.status is not JobStatus.COMPLETED:
        _complain(console, explain_end(job))
        return 1
    path = fetch(stack, job, OUTPUT)
    console.print(f"{path}: {describe_video(path)}", highlight=False)
    return 0


def _complain(console: Console, text: str) -> None:
    console.print(text, style="red", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
