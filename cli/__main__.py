"""`python -m cli drop|deploy|remove`: what `make drop`, `make deploy` and `make remove` call."""

import argparse
import os
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape

from cli.account import deploy, remove
from cli.drop import drop, fetch, follow
from cli.options import options_from
from cli.progress import JobProgress, describe_video, explain_end
from cli.stack import DEFAULT_STACK, Stack, StackMissing
from dropreel.jobs import JobStatus

OUTPUT = Path("output")


def main() -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog="dropreel", description=__doc__)
    parser.add_argument("command", choices=["drop", "deploy", "remove"])
    parser.add_argument("--guided", action="store_true", help="deploy: ask for every parameter again")
    parser.add_argument("--stack", default=os.environ.get("STACK") or DEFAULT_STACK)
    arguments = parser.parse_args()
    console = Console(soft_wrap=True)
    try:
        if arguments.command == "deploy":
            return deploy(arguments.stack, guided=arguments.guided, console=console)
        if arguments.command == "remove":
            return remove(arguments.stack, console=console)
        return _drop(arguments.stack, console)
    except StackMissing as missing:
        console.print(f"{escape(str(missing))}; `make deploy` puts it there.", style="red")
    except (BotoCoreError, ClientError, OSError) as error:
        console.print(f"{arguments.command} failed: {escape(str(error))}", style="red")
    return 1


def _drop(stack_name: str, console: Console) -> int:
    image = os.environ.get("IMAGE")
    if not image:
        console.print('Which image? make drop IMAGE=my.jpg PROMPT="slow zoom in"', style="red")
        return 2
    stack = Stack.find(stack_name)
    with JobProgress(console) as progress:
        dropped = drop(stack, Path(image), options_from(os.environ))
        for job in follow(stack, dropped, 3600, progress.waiting):
            progress.saw(job)
    if job.status is not JobStatus.COMPLETED:
        console.print(escape(explain_end(job)), style="red")
        return 1
    path = fetch(stack, job, OUTPUT)
    console.print(f"{path}: {describe_video(path)}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
