"""`make deploy`: deploys into your own AWS account with the SAM CLI. A parameter that is not given keeps its value.

sam sends UsePreviousValue for each parameter that it does not get, and a parameter that is new to the stack takes its
default. So only values that differ are sent, and no file stores one that a later deployment would send again.
"""

import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, NoRegionError
from rich.console import Console

from cli.output import print_text
from cli.parameters import Parameter, overrides_file, read_parameters
from cli.questions import Terminal, UsageError, ask_target, values_to_send
from cli.stack import Stack, StackMissing
from cli.stack_status import CHANGEABLE, NOT_CREATED, cause_of_failure, what_to_do
from cli.target import Target, given_names, is_yes, save_answers, session_of, target_from

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

SAM = Path(".venvs/run/bin/sam")


def deploy(environment: Mapping[str, str], console: Console, terminal: Terminal | None) -> int:
    """Deploy the built template; `terminal` is None without a TTY.

    Return 0 where it is deployed or up to date, 1 where it was declined or failed. Raises UsageError before any change.
    """
    parameters = read_parameters()
    given = _given_parameters(parameters, environment)
    is_guided = is_yes(environment, "GUIDED")
    if is_guided and terminal is None:
        raise UsageError("GUIDED=1 asks for every parameter, which needs a terminal.")
    target = target_from(environment)
    if target.region is None and terminal is None:
        raise NoRegionError
    stack = _find_created(target) if target.region else None
    if terminal is not None and (is_guided or stack is None):
        target = ask_target(target, terminal, is_name_given=bool(environment.get("STACK")))
        stack = _find_created(target)
        save_answers(target, environment)
    if stack is not None and stack.status not in CHANGEABLE:
        print_text(console, f"The stack {target} cannot be changed: it is {stack.status}. {what_to_do(stack)}")
        return 1
    in_stack = None if stack is None else stack.parameters
    given |= _secrets_from_environment(parameters, given, environment, in_stack, console)
    values = values_to_send(parameters, given, in_stack, terminal, ask_all=is_guided or stack is None)
    is_confirmed = is_yes(environment, "YES")
    return _run_sam(target, values, console, stack, is_confirmed=is_confirmed, is_interactive=terminal is not None)


def _given_parameters(parameters: Mapping[str, Parameter], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters on make's command line. Raises UsageError for values that the template does not allow."""
    names = given_names(environment)
    given = {one.name: environment.get(one.variable, "") for one in parameters.values() if one.variable in names}
    faults = [fault for name, value in given.items() if (fault := parameters[name].fault_of(value))]
    if faults:
        raise UsageError("\n".join(faults))
    return given


def _secrets_from_environment(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, str],
    environment: Mapping[str, str],
    in_stack: Mapping[str, str] | None,
    console: Console,
) -> dict[str, str]:
    """Return the environment's secrets that the stack does not have yet; so no secret has to be on a command line."""
    found = {
        one.name: environment[one.variable]
        for one in parameters.values()
        if one.is_secret and one.name not in given and environment.get(one.variable)
    }
    for name in found:
        variable = parameters[name].variable
        if name in (in_stack or {}):
            print_text(
                console, f'{name}: the stack keeps its value. To change it: make deploy {variable}="${variable}"'
            )
        else:
            print_text(console, f"{name}: taken from the environment variable {variable}.")
    return {name: value for name, value in found.items() if name not in (in_stack or {})}


def _run_sam(
    target: Target,
    values: Mapping[str, str],
    console: Console,
    stack: Stack | None,
    *,
    is_confirmed: bool,
    is_interactive: bool,
) -> int:
    client: CloudFormationClient = session_of(target).client("cloudformation")
    earlier = _change_sets(client, target.stack)
    with tempfile.TemporaryDirectory() as folder:
        overrides = Path(folder) / "parameters.yaml"
        overrides.write_text(overrides_file(values), encoding="utf-8")
        command = [str(SAM), "deploy", "--stack-name", target.stack, "--s3-prefix", target.stack]
        command += ["--parameter-overrides", f"file://{overrides}", "--no-fail-on-empty-changeset"]
        command += ["--region", target.region] if target.region else []
        command += ["--no-confirm-changeset"] if is_confirmed else []
        done = subprocess.run(command, check=False)
    after = _find_created(target)
    is_changed = after is not None and _was_changed(stack, after)
    new = _change_sets(client, target.stack).items() - earlier.items()
    if not is_changed:
        _delete_unused(client, target, [arn for arn, _ in new], is_stack_new=stack is None and not earlier)
    if done.returncode == 0 and after is not None and is_changed and after.status in CHANGEABLE:
        print_text(console, f"\nThe stack {target} is deployed.")
        _show_buckets(console, after)
        return 0
    if any(execution == "AVAILABLE" for _, execution in new):
        how = "" if is_interactive else " To deploy without a confirmation: make deploy YES=1"
        print_text(console, f"\nNothing was changed.{how}")
        return 1
    if done.returncode == 0 and after is not None:
        print_text(console, f"\nThe stack {target} is up to date.")
        _show_buckets(console, after)
        return 0
    print_text(console, f"\n{_failure(target, stack, after)}")
    return 1


def _failure(target: Target, before: Stack | None, after: Stack | None) -> str:
    if after is None or not _was_changed(before, after):
        return "sam deploy failed; its output is above. Nothing was changed."
    if after.status not in CHANGEABLE:
        return f"The stack {target} is {after.status}. {what_to_do(after)}"
    return f"The change failed and was rolled back: the stack {target} is as before. {cause_of_failure(after)}".strip()


def _was_changed(before: Stack | None, after: Stack) -> bool:
    if before is None:
        return after.status != NOT_CREATED
    return (before.arn, before.status, before.updated) != (after.arn, after.status, after.updated)


def _change_sets(client: "CloudFormationClient", stack: str) -> dict[str, str]:
    """Return the execution status of each of sam's change sets by ARN; empty where there is no such stack."""
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


def _delete_unused(
    client: "CloudFormationClient", target: Target, change_sets: list[str], *, is_stack_new: bool
) -> None:
    """Delete the change sets that were not executed, and the empty stack that a first change set creates."""
    with suppress(ClientError):  # without the permission to delete them they stay, which is harmless
        if is_stack_new:
            client.delete_stack(StackName=target.stack)
        for name in change_sets if not is_stack_new else []:
            client.delete_change_set(ChangeSetName=name)


def _find_created(target: Target) -> Stack | None:
    """Return the stack; None where it does not exist or was never created."""
    try:
        stack = Stack.find(target.stack, session_of(target))
    except StackMissing:
        return None
    return None if stack.status == NOT_CREATED else stack


def _show_buckets(console: Console, stack: Stack) -> None:
    uploads, videos = (stack.outputs.get(name) for name in ("UploadsBucketName", "VideosBucketName"))
    if uploads and videos:
        print_text(console, f"Drop an image:  aws s3 cp my.jpg s3://{uploads}/ --region {stack.session.region_name}")
        print_text(console, f"Its video:      s3://{videos}/")
