"""`dropreel deploy`: deploys into your own AWS account with the SAM CLI. A parameter that is not given keeps its value.

sam sends UsePreviousValue for each parameter that it does not get, and a parameter that is new to the stack takes its
default. So only values that differ are sent, and no file stores one that a later deployment would send again.
"""

import os
import subprocess  # nosec B404 # sam is a program of its own
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, NoRegionError

from dropreel_cli.command_line import Command, StackOptions
from dropreel_cli.connection import environment_of
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.kept_spend import report_kept_spend
from dropreel_cli.output import Output
from dropreel_cli.parameters import Parameter, overrides_file, read_parameters, rule_faults
from dropreel_cli.questions import Terminal, UsageError, ask_target, check_stack_name, values_to_send
from dropreel_cli.rehearsals import with_key
from dropreel_cli.stack import Stack, StackMissing
from dropreel_cli.stack_status import CHANGEABLE, NOT_CREATED, account_arguments, cause_of_failure, what_to_do
from dropreel_cli.target import ANSWERS, Target, save_answers, session_of, target_from

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

SAM = Path(".venvs", "run", "bin", "sam")


@dataclass(frozen=True)
class Deployment:
    """What to deploy: from which checkout, into which stack, and the parameters that were given, by their names."""

    checkout: Path
    options: StackOptions = field(default_factory=StackOptions)
    given: Mapping[str, str] = field(default_factory=dict)
    is_guided: bool = False
    is_confirmed: bool = False


def deploy(wanted: Deployment, output: Output, terminal: Terminal | None) -> dict[str, Any]:
    """Deploy the built template, and return the stack as `schemas/deploy.json` describes it; `terminal` is None without a TTY.

    Raises UsageError before any change, and CommandError where it was declined or failed.
    """
    Command.left_behind = "Nothing was changed."
    environment = environment_of(wanted.options)
    check_stack_name(environment.get("STACK"))
    parameters = read_parameters()
    given = dict(wanted.given)
    if faults := [fault for name, value in given.items() if (fault := parameters[name].fault_of(value))]:
        raise UsageError("\n".join(faults))
    if wanted.is_guided and terminal is None:
        raise UsageError("--guided asks for every parameter, which needs a terminal.")
    answers = wanted.checkout / ANSWERS
    target = target_from(environment, answers, region=wanted.options.region, profile=wanted.options.profile)
    if target.region is None and terminal is None:
        raise NoRegionError
    stack = _find_created(target) if target.region else None
    if terminal is not None and (wanted.is_guided or stack is None):
        target = ask_target(target, terminal, is_name_given=bool(environment.get("STACK")))
        stack = _find_created(target)
        save_answers(target, environment, answers)
    if stack is not None and stack.status not in CHANGEABLE:
        raise CommandError(
            f"The stack {target} cannot be changed: it is {stack.status}. {what_to_do(stack)}", Exit.REFUSED
        )
    earlier: dict[str, Any] = {}
    if stack is None:
        limit = given.get("DailySpendLimitUsd") or parameters["DailySpendLimitUsd"].default or ""
        kept = report_kept_spend(session_of(target).client("dynamodb"), target.stack, limit, output)
        earlier = {"earlier_spend": [one.document for one in kept]}
    in_stack = None if stack is None else stack.parameters
    asks_all = wanted.is_guided or stack is None
    first, rest = _split(parameters, "Rehearsal")  # its answer decides whether a key is asked for
    given |= values_to_send(first, _given_of(first, given), in_stack, terminal, ask_all=asks_all)
    given, in_stack = with_key(given, in_stack)
    given |= _secrets_from_environment(parameters, given, environment, in_stack, output)
    values = values_to_send(rest, given, in_stack, terminal, ask_all=asks_all)
    with_key(values, None if stack is None else stack.parameters)
    if faults := rule_faults(values, in_stack):
        raise UsageError("\n".join([*faults, "Nothing was changed."]))
    return {**_run_sam(wanted, target, values, output, stack), **earlier}


def _split(parameters: Mapping[str, Parameter], name: str) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
    """Return one parameter, and all others."""
    return {name: parameters[name]}, {other: one for other, one in parameters.items() if other != name}


def _given_of(parameters: Mapping[str, Parameter], given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name in parameters}


def _secrets_from_environment(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, str],
    environment: Mapping[str, str],
    in_stack: Mapping[str, str] | None,
    output: Output,
) -> dict[str, str]:
    """Return the environment's keys that the stack does not have yet; so no secret has to be on a command line."""
    found = {
        one.name: environment[one.variable]
        for one in parameters.values()
        if one.is_key and one.name not in given and environment.get(one.variable)
    }
    for name in found:
        if name in (in_stack or {}):
            output.note(f"{name}: the stack keeps its value. To change it: dropreel deploy --guided asks for it.")
        else:
            output.note(f"{name}: taken from the environment variable {parameters[name].variable}.")
    return {name: value for name, value in found.items() if name not in (in_stack or {})}


def _run_sam(
    wanted: Deployment, target: Target, values: Mapping[str, str], output: Output, stack: Stack | None
) -> dict[str, Any]:
    client: CloudFormationClient = session_of(target).client("cloudformation")
    earlier = _change_sets(client, target.stack)
    Command.left_behind = (
        "A change that CloudFormation has started continues. Run `dropreel deploy` again to see how it ended."
    )
    done = _sam_deploy(wanted, target, values, is_json=output.is_json)
    after = _find_created(target)
    is_changed = after is not None and _was_changed(stack, after)
    new = _change_sets(client, target.stack).items() - earlier.items()
    if not is_changed:
        _delete_unused(client, target, [arn for arn, _ in new], is_stack_new=stack is None and not earlier)
    if done == 0 and after is not None and is_changed and after.status in CHANGEABLE:
        output.text(f"\nThe stack {target} is deployed.")
        return _show(output, after, "deployed")
    if any(execution == "AVAILABLE" for _, execution in new):
        how = "" if sys.stdin.isatty() else " To deploy without a confirmation: dropreel deploy --yes"
        raise CommandError(f"Nothing was changed.{how}", Exit.REFUSED)
    if done == 0 and after is not None:
        output.text(f"\nThe stack {target} is up to date.")
        return _show(output, after, "up_to_date")
    raise CommandError(_failure(target, stack, after), Exit.FAILED)


def _sam_deploy(wanted: Deployment, target: Target, values: Mapping[str, str], *, is_json: bool) -> int:
    """Run `sam deploy` in the checkout; return its exit status. With `--json` its output goes to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = Path(folder) / "parameters.yaml"
        overrides.write_text(overrides_file(values), encoding="utf-8")
        command = [str(wanted.checkout / SAM), "deploy", "--stack-name", target.stack, "--s3-prefix", target.stack]
        command += ["--parameter-overrides", f"file://{overrides}", "--no-fail-on-empty-changeset"]
        command += ["--region", target.region] if target.region else []
        command += ["--profile", target.profile] if target.profile else []
        command += ["--no-confirm-changeset"] if wanted.is_confirmed else []
        return subprocess.run(  # nosec B603 # a list of checked words, no shell
            command,
            cwd=wanted.checkout,
            # sam leaves a folder behind for each archive that it uploads
            env={**os.environ, "SAM_CLI_TELEMETRY": "0", "TMPDIR": folder},
            stdout=sys.stderr if is_json else None,
            check=False,
        ).returncode


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


def _show(output: Output, stack: Stack, result: str) -> dict[str, Any]:
    uploads, videos = (stack.outputs.get(name) for name in ("UploadsBucketName", "VideosBucketName"))
    where = account_arguments(stack)
    if uploads and videos:
        output.text(f"Drop an image:  aws s3 cp my.jpg s3://{uploads}/{where}")
        output.text(f"Its video:      s3://{videos}/")
    return {
        "stack": stack.name,
        "region": stack.session.region_name,
        "result": result,
        "status": stack.status,
        "outputs": stack.outputs,
    }
