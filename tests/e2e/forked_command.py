"""Runs calls of the installed command, each in a process of its own that is forked with all modules imported.

It runs in the command's own Python. Standard input has a call a line, as JSON: `arguments`, `environment`, `cwd`, and the
three files that are the standard streams. Each is answered with a line: the process's exit status, or less the signal.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import site
import sys
from pathlib import Path
from typing import Any

import boto3

import dropreel_cli
from dropreel_cli.app import main

_SECONDS = 120
_SERVICES = (
    "cloudformation",
    "dynamodb",
    "events",
    "iam",
    "lambda",
    "s3",
    "secretsmanager",
    "sqs",
    "stepfunctions",
    "sts",
)


def _import_all() -> None:
    for module in pkgutil.walk_packages(dropreel_cli.__path__, "dropreel_cli."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # of a checkout's package `local`
                importlib.import_module(module.name)
    runpy.run_path(str(Path(__file__).parents[1] / "support" / "shared_loader.py"))["share_loader"]()
    for service in _SERVICES:
        client: Any = boto3.Session("none", "none", region_name="us-east-1").client
        client(service)


def _become(call: dict[str, Any]) -> None:
    """Make a new process what the executable is at its start."""
    signal.alarm(_SECONDS)
    for descriptor, file in enumerate(call["streams"]):
        opened = os.open(file, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(call["cwd"])
    os.environ.clear()
    os.environ.update(call["environment"])
    sys.argv = ["dropreel", *call["arguments"]]
    if path := os.environ.get("PYTHONPATH"):
        sys.path[:0] = path.split(os.pathsep)
        sys.modules.pop("sitecustomize", None)
        site.execsitecustomize()


def _answer_calls() -> dict[str, Any] | None:
    """Fork for each call; return it in the new process, and None at the end."""
    calls, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    for line in calls:
        if (child := os.fork()) == 0:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)
    return None


if __name__ == "__main__":
    _import_all()
    gc.freeze()  # a new process then copies no memory to search it for garbage
    if (mine := _answer_calls()) is not None:
        _become(mine)
        sys.exit(main())
