"""`make deploy`: into one's own AWS account, with the SAM CLI. What the stack has is kept; only what is said is changed.

sam sends each parameter that it is not given as the stack's previous value, and a parameter that is new to the stack gets
its default. So only what was given or answered and differs is sent, and no file keeps a value that could come back later.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, NoRegionError
from rich.console import Console

from cli.parameters import Parameter, overrides_file, read_parameters
from cli.questions import Terminal, ValueNeeded, ask_target, values_to_send
from cli.stack import Stack, StackMissing
from cli.stack_status import CHANGEABLE, NOT_CREATED, cause_of_failure, what_to_do
from cli.target import Target, given_names, is_yes, remember, session_of, target_from

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

SAM = Path(".venvs/sam/bin/sam")


class Mistake(Exception):
    """It cannot be done as it was said, and nothing was done; the message says what is needed."""


def deploy(environment: Mapping[str, str], console: Console, terminal: Terminal | None) -> int:
    """Deploy the built template; `terminal` is None where nobody can be asked.

    Return 0 where it is deployed or up to date, 1 where it was declined or failed. Raises Mistake.
    """
    parameters = read_parameters()
    given = _given(parameters, environment)
    is_guided = is_yes(environment, "GUIDED")
    if is_guided and terminal is None:
        raise Mistake("GUIDED=1 asks for every parameter, and there is no terminal to ask at.")
    target = target_from(environment)
    if target.region is None and terminal is None:
        raise NoRegionError
    stack = _find(target) if target.region else None
    if terminal is not None and (is_guided or stack is None):
        target = ask_target(target, terminal, is_name_given=bool(environment.get("STACK")))
        stack = _find(target)
        remember(target, environment)
    if stack is not None and stack.status not in CHANGEABLE:
        _say(console, f"{target} cannot be changed: it is {stack.status}. {what_to_do(stack)}")
        return 1
    in_stack = None if stack is None else stack.parameters
    given |= _secrets(parameters, given, environment, in_stack, console)
    try:
        values = values_to_send(parameters, given, in_stack, terminal, ask_all=is_guided or stack is None)
    except ValueNeeded as needed:
        raise Mistake(str(needed)) from needed
    is_confirmed = is_yes(environment, "YES")
    return _run_sam(target, values, console, stack, is_confirmed=is_confirmed, is_watched=terminal is not None)


def _given(parameters: Mapping[str, Parameter], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters on make's command line. Raises Mistake for values that the template does not take."""
    names = given_names(environment)
    given = {one.name: environment.get(one.variable, "") for one in parameters.values() if one.variable in names}
    faults = [fault for name, value in given.items() if (fault := parameters[name].fault_of(value))]
    if faults:
        raise Mistake("\n".join(faults))
    return given


def _secrets(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, str],
    environment: Mapping[str, str],
    in_stack: Mapping[str, str] | None,
    console: Console,
) -> dict[str, str]:
    """Return the secrets of the environment for a stack that has none yet, so that no command line holds them."""
    found = {
        one.name: environment[one.variable]
        for one in parameters.values()
        if one.is_secret and one.name not in given and environment.get(one.variable)
    }
    for name in found:
        variable = parameters[name].variable
        if name in (in_stack or {}):
            _say(console, f'{name}: the stack\'s is kept. {variable}="${variable}" behind `make deploy` changes it.')
        else:
            _say(console, f"{name}: taken from the environment's {variable}.")
    return {name: value for name, value in found.items() if name not in (in_stack or {})}


def _run_sam(
    target: Target,
    values: Mapping[str, str],
    console: Console,
    stack: Stack | None,
    *,
    is_confirmed: bool,
    is_watched: bool,
) -> int:
    client: CloudFormationClient = session_of(target).client("cloudformation")
    was_there = _change_sets(client, target.stack)
    with tempfile.TemporaryDirectory() as folder:
        overrides = Path(folder) / "parameters.yaml"
        overrides.write_text(overrides_file(values), encoding="utf-8")
        command = [str(SAM), "deploy", "--stack-name", target.stack, "--s3-prefix", target.stack]
        command += ["--parameter-overrides", f"file://{overrides}", "--no-fail-on-empty-changeset"]
        command += ["--region", target.region] if target.region else []
        command += ["--no-confirm-changeset"] if is_confirmed else []
        done = subprocess.run(command, check=False)
    now = _find(target)
    fresh = _change_sets(client, target.stack).items() - was_there.items()
    if now is None or not _was_changed(stack, now):
        _discard(client, target, [arn for arn, _ in fresh], is_stack_new=stack is None and not was_there)
    if done.returncode == 0 and now is not None and now.status in CHANGEABLE and _was_changed(stack, now):
        _say(console, f"\n{target} is deployed.")
        _show_buckets(console, now)
        return 0
    if any(execution == "AVAILABLE" for _, execution in fresh):
        _say(console, "\nNothing was changed." + ("" if is_watched else " YES=1 deploys without asking."))
        return 1
    if done.returncode == 0 and now is not None:
        _say(console, f"\n{target} is up to date.")
        _show_buckets(console, now)
        return 0
    _say(console, f"\n{_failure(target, stack, now)}")
    return 1


def _failure(target: Target, before: Stack | None, now: Stack | None) -> str:
    if now is None or not _was_changed(before, now):
        return f"sam deploy failed, and says why above. Nothing was changed in {target}."
    if now.status not in CHANGEABLE:
        return f"{target} is {now.status}. {what_to_do(now)}"
    return f"The change failed and was taken back: {target} is as it was. {cause_of_failure(now)}".strip()


def _was_changed(before: Stack | None, now: Stack) -> bool:
    if before is None:
        return now.status != NOT_CREATED
    return (before.arn, before.status, before.updated) != (now.arn, now.status, now.updated)


def _change_sets(client: "CloudFormationClient", stack: str) -> dict[str, str]:
    """Return by its ARN whether each change set of sam's can be executed; nothing where there is no such stack."""
    pages = client.get_paginator("list_change_sets").paginate(StackName=stack)
    try:
        found = [one for page in pages for one in page["Summaries"]]
    except ClientError:
        return {}
    return {
        one["ChangeSetId"]: one.get("ExecutionStatus", "")
        for one in found
        if one["ChangeSetName"].startswith("samcli-deploy")
    }


def _discard(client: "CloudFormationClient", target: Target, change_sets: list[str], *, is_stack_new: bool) -> None:
    """Delete the change sets that were not executed, and the empty stack that the first of all brings."""
    with suppress(ClientError):  # without the permission to delete it, it stays, which does no harm
        if is_stack_new:
            client.delete_stack(StackName=target.stack)
        for name in change_sets if not is_stack_new else []:
            client.delete_change_set(ChangeSetName=name)


def _find(target: Target) -> Stack | None:
    """Return the stack where there is one that was ever created."""
    try:
        stack = Stack.find(target.stack, session_of(target))
    except StackMissing:
        return None
    return None if stack.status == NOT_CREATED else stack


def _show_buckets(console: Console, stack: Stack) -> None:
    uploads, videos = (stack.outputs.get(name) for name in ("UploadsBucketName", "VideosBucketName"))
    if uploads and videos:
        _say(console, f"Drop an image:  aws s3 cp my.jpg s3://{uploads}/ --region {stack.session.region_name}")
        _say(console, f"Videos arrive:  s3://{videos}/")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)
