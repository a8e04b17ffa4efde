"""Lists what the templates allow: `python -m tests.unit.template.permissions` writes docs/permissions.txt.

One line for each action of each policy, on one resource, as CloudFormation resolves it. The file is reviewed as a diff.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.unit.template.resolved import ROOT, as_list, resources, translated

PAGE = ROOT / "docs" / "permissions.txt"
OPTIONAL = {
    "ExistingUploadsBucketName": "pictures",
    "UploadsPrefix": "shop/",
    "NotificationEmail": "operator@example.com",
    "WebhookUrl": "https://hooks.example.com/dropreel",
    "KmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/1234abcd",
    "Tracing": "Active",
}
"""Parameters that add permissions."""
HEADING = """\
# Every permission that the templates give: the role, policy or resource, the effect, the action, to whom where the policy
# names a principal, on which resource, if which condition holds. `Name` and `Name.Arn` are resources of the templates.
# Written by `make permissions`; a test compares it with the templates. Read its diff as a change of the stack's security.
"""

_SERVICE_BY_TYPE = {
    "DynamoDB": "dynamodb",
    "Events": "events",
    "Logs": "logs",
    "Lambda": "lambda",
    "S3": "s3",
    "SNS": "sns",
    "SQS": "sqs",
    "SecretsManager": "secretsmanager",
    "StepFunctions": "states",
}
_SERVICES = {*_SERVICE_BY_TYPE.values(), "cloudformation", "cloudwatch", "iam"}
"""Services whose actions take resources of their own service only."""


def main() -> None:
    """Write the file."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the text of the file: what every stack allows, then what the optional parameters add or take away."""
    always, everything = set(lines()), set(lines(**OPTIONAL))
    parts = [
        HEADING,
        "\n# In every stack\n",
        *_sorted(always & everything),
        f"\n# Only with {', '.join(OPTIONAL)}\n",
        *_sorted(everything - always),
    ]
    if always - everything:
        parts += ["\n# Only without them\n", *_sorted(always - everything)]
    return "".join(parts)


def lines(**given: str) -> Iterator[str]:
    """Return a line for each permission of the stack with these parameters, in any order."""
    for name, resource in resources(**given).items():
        for statement in statements_in(resource["Properties"]):
            yield from _lines_of(holder_of(name, resource), statement)
        for policy in managed_policies_of(resource["Properties"]):
            yield f"{name} has the managed policy {policy}\n"
    yield from sorted(set(_invocations()))


def holder_of(name: str, resource: dict[str, Any]) -> str:
    """Return who has a resource's policies: the role that a policy apart is attached to, or the resource itself."""
    roles = resource["Properties"].get("Roles")
    return ",".join(roles) if roles else name


def statements_in(node: Any) -> Iterator[dict[str, Any]]:
    """Return every statement of every policy document at any depth."""
    if isinstance(node, list):
        for one in node:
            yield from statements_in(one)
    if isinstance(node, dict):
        if "Statement" in node:
            yield from as_list(node["Statement"])
        for one in node.values():
            yield from statements_in(one)


def managed_policies_of(properties: dict[str, Any]) -> Iterator[str]:
    """Return the managed policies that a role or a function gets by name, and SAM's policy templates."""
    yield from map(str, properties.get("ManagedPolicyArns", []))
    for one in as_list(properties.get("Policies", [])):
        if not (isinstance(one, dict) and "PolicyDocument" in one):
            yield str(one)


def _lines_of(holder: str, statement: dict[str, Any]) -> Iterator[str]:
    to = _principals(statement.get("Principal"))
    condition = statement.get("Condition")
    unknown = statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    assert not unknown, f"{holder}: a statement with {unknown} widens what it does not name"
    for action in as_list(statement["Action"]):
        for resource in _resources(statement.get("Resource")):
            if not _applies(action, resource):
                continue
            on = f" on {resource.replace('${!', '${')}" if resource else ""
            when = f" if {json.dumps(condition, sort_keys=True)}" if condition else ""
            yield f"{holder}: {statement['Effect'].lower()} {action}{to}{on}{when}\n"


def _principals(principal: Any) -> str:
    if principal is None:
        return ""
    if isinstance(principal, str):
        return f" to {principal}"
    return " to " + ", ".join(f"{kind} {one}" for kind, each in principal.items() for one in as_list(each))


def _resources(resource: Any) -> list[str]:
    """Return each resource; a list that a nested stack gets as joined text is one again."""
    found: list[str] = []
    for one in as_list(resource) if resource is not None else [""]:
        found += one["Fn::Join"][1] if isinstance(one, dict) else [one]
    return found


def _applies(action: str, resource: str) -> bool:
    """Whether an action can be used on a resource: a statement of people's policies covers several services.

    True for what is not known for sure.
    """
    own, other = action.partition(":")[0], _service_of(resource)
    return own == other or not {own, other} <= _SERVICES


def _service_of(resource: str) -> str:
    if resource.startswith("arn:"):
        return resource.split(":")[2]
    return _service_by_name().get(resource.partition(".")[0], "")


@cache
def _service_by_name() -> dict[str, str]:
    found = {**resources(**OPTIONAL), **translated()["Resources"]}
    return {name: _SERVICE_BY_TYPE.get(one["Type"].split("::")[1], "") for name, one in found.items()}


def _invocations() -> Iterator[str]:
    """Return who may invoke a function; SAM writes these."""
    for name, one in translated()["Resources"].items():
        if one["Type"] != "AWS::Lambda::Permission":
            continue
        found = {key: _short(value) for key, value in one["Properties"].items()}
        function, principal, action = (found.pop(key) for key in ("FunctionName", "Principal", "Action"))
        conditions = f" if {json.dumps(found, sort_keys=True)}" if found else ""
        yield f"{name}: allow {action} to Service {principal} on {function}{conditions}\n"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        ((_, inner),) = value.items()
        return ".".join(inner) if isinstance(inner, list) else str(inner)
    return str(value)


def _sorted(found: set[str]) -> list[str]:
    return sorted(found, key=lambda line: (line.partition(": ")[0], line))


if __name__ == "__main__":
    main()
