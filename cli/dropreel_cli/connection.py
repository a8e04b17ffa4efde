"""Finds the stack that a command works on: in AWS, or in the local cloud."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import boto3

from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.local_cloud import LOCAL_CLOUD_VARIABLE, is_alive, local_cloud_file
from dropreel_cli.questions import check_stack_name
from dropreel_cli.stack import Stack
from dropreel_cli.target import Target, session_of, target_from

__all__ = ["LOCAL_CLOUD_VARIABLE", "connect", "connect_local", "environment_of", "local_cloud_file", "target_of"]

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropreel_cli.command_line import StackOptions


def connect(options: StackOptions) -> Stack:
    """Return the stack with its outputs and parameters. Raises StackMissing, StackIncomplete, CommandError, botocore's errors."""
    if options.local:
        stack = _local_stack()
    else:
        target = target_of(options)
        if not target.stack.startswith("arn:"):
            check_stack_name(target.stack)
        stack = Stack.find(target.stack, session_of(target))
    stack.require_outputs()
    return stack


def target_of(options: StackOptions) -> Target:
    """Return the stack's name, region and profile: as given, else by the environment and the answers of the last deployment."""
    return target_from(environment_of(options), region=options.region, profile=options.profile)


def environment_of(options: StackOptions) -> Mapping[str, str]:
    """Return the environment with the stack that `--stack` names."""
    return {**os.environ, **({"STACK": options.stack} if options.stack else {})}


def _local_stack() -> Stack:
    file = local_cloud_file()
    if file is None:
        raise CommandError(
            "No local cloud is running here. Start it from a checkout: dropreel up. If one runs already, set "
            f"{LOCAL_CLOUD_VARIABLE} to its file, which dropreel up printed.",
            Exit.UNREACHABLE,
        )
    try:
        described: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        is_running = is_alive(described["pid"])
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{file} is damaged. Remove it and start another: dropreel up.", Exit.UNREACHABLE) from error
    if not is_running:
        raise CommandError(f"The local cloud of {file} has ended. Start another: dropreel up.", Exit.UNREACHABLE)
    return connect_local(described)


def connect_local(described: Mapping[str, Any]) -> Stack:
    """Return the stack of a running local cloud, as its file describes it."""
    session = boto3.Session(described["access_key_id"], described["secret_access_key"], region_name=described["region"])
    return Stack.find(described["stack"], session, described["endpoint_url"])
