"""Checks of the caller: credentials, clock and permissions."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dropreel_cli.aws_errors import is_denied
from dropreel_cli.diagnosis.check import Finding, Site, failed, ok, skipped
from dropreel_cli.policies import NEEDED_BY, policy_document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropreel_cli.policies import PolicyName

MAX_CLOCK_SECONDS = 300
"""AWS refuses signatures that are older or newer than this (S3: 15 minutes)."""


SIMULATE = "iam:SimulatePrincipalPolicy"


def credentials(site: Site) -> Finding:
    """Say who the caller is."""
    answer = site.stack.client("sts").get_caller_identity()
    return ok(f"{answer['Arn']} in {site.stack.session.region_name}")


def clock(site: Site) -> Finding:
    """Compare this machine's clock with AWS's."""
    answer = site.stack.client("sts").get_caller_identity()
    said = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    seconds = abs((datetime.now(UTC) - said).total_seconds())
    if seconds > MAX_CLOCK_SECONDS:
        return failed(
            f"This machine's clock is {seconds:.0f} seconds away from AWS's.",
            "Set the clock (NTP): AWS refuses signatures that are older than 5 minutes.",
        )
    return ok(f"within {max(1, round(seconds))} s of AWS's")


def permissions(site: Site) -> Finding:
    """Simulate the actions of both policies for the caller."""
    iam, caller = site.stack.client("iam"), site.stack.client("sts").get_caller_identity()["Arn"]
    if (principal := principal_of(caller)) is None:
        return skipped(
            f"IAM simulates only users and roles; you are {caller}.",
            "Use a user or a role with the policy that the command policy prints.",
        )
    try:
        missing = _missing(iam, principal, policy_document("operator", site.resources)["Statement"])
    except ClientError as error:
        if is_denied(error):
            return skipped(
                "You may not simulate your own permissions.",
                f"Allow iam:SimulatePrincipalPolicy on {principal}, or attach the policy of {site.command('policy reader')}.",
            )
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return skipped(f"IAM has no {principal}: a role with a path cannot be found by its session.")
    if not missing:
        return ok("all that the policy operator has")
    if missing == _deciding(site):
        return ok("all that the policy reader has: you can look, and change nothing")
    return failed(
        f"Not allowed: {', '.join(f'{one} (for {_commands(one)})' for one in sorted(missing))}.",
        f"Attach the policy that {site.command('policy operator')} prints.",
    )


def principal_of(caller: str) -> str | None:
    """Return the ARN of the user or role behind a caller's ARN; None for the root user and a federated one."""
    start, _, resource = caller.rpartition(":")
    kind, _, name = resource.partition("/")
    if kind == "user":
        return caller
    if kind == "assumed-role":
        return f"{start.replace(':sts:', ':iam:')}:role/{name.split('/')[0]}"
    return None


def _deciding(site: Site) -> set[str]:
    """Return the actions that the operator has and the reader has not."""
    names: tuple[PolicyName, PolicyName] = ("operator", "reader")
    operator, reader = (
        {action for one in policy_document(name, site.resources)["Statement"] for action in one["Action"]}
        for name in names
    )
    return operator - reader


def _missing(iam: Any, principal: str, statements: Iterable[dict[str, Any]]) -> set[str]:
    """Return the actions that a principal is not allowed on all of their resources."""
    missing = set()
    user = principal.rsplit("/", 1)[1]
    for statement in statements:
        for actions, resources in _by_service(statement, user):
            answer = iam.simulate_principal_policy(
                PolicySourceArn=principal,
                ActionNames=actions,
                ResourceArns=resources,
                ContextEntries=_context_of(statement.get("Condition", {})),
            )
            missing |= {
                one["EvalActionName"] for one in answer["EvaluationResults"] if one["EvalDecision"] != "allowed"
            }
    return missing


def _by_service(statement: dict[str, Any], user: str) -> Iterable[tuple[list[str], list[str]]]:
    """Yield the actions of a statement with the resources that they apply to, those with the same resources together."""
    resources = [one.replace("${aws:username}", user) for one in statement["Resource"]]
    grouped: dict[tuple[str, ...], list[str]] = {}
    for action in statement["Action"]:
        if action != SIMULATE:  # the caller is doing it
            found = tuple(one for one in resources if one == "*" or _applies(action, one))
            grouped.setdefault(found, []).append(action)
    yield from ((actions, list(found)) for found, actions in grouped.items() if found)


_TYPES = {
    "dynamodb:BatchGetItem": "table/",
    "dynamodb:GetItem": "table/",
    "events:DescribeRule": "rule/",
    "lambda:GetEventSourceMapping": "event-source-mapping:",
    "lambda:GetFunctionConfiguration": "function:",
}


def _applies(action: str, arn: str) -> bool:
    """Whether an action has this type of resource."""
    if arn.split(":")[2] != action.split(":", maxsplit=1)[0]:
        return False
    resource = arn.split(":", 5)[5]
    if "/index/" in resource:
        return action == "dynamodb:Query"
    return resource.startswith(_TYPES.get(action, ""))


def _context_of(condition: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return condition keys with a value that the condition allows."""
    return [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [str(value).replace("*", "x")]}
        for keys in condition.values()
        for key, value in keys.items()
    ]


def _commands(action: str) -> str:
    return ", ".join(NEEDED_BY.get(action, ("doctor",)))
