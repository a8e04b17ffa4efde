"""Write each policy of IAM as it is in AWS, for the scanners: `python -m tests.lint.policy_documents <folder>`.

One JSON file for each role and each policy of people, with every parameter given. A role's trust is not among them: the
scanners read what a policy allows on resources.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.unit.template.permissions import OPTIONAL, statements_in
from tests.unit.template.resolved import ACCOUNT, PSEUDO, as_list, resources, translated

_HERE = f"{PSEUDO['AWS::Region']}:{ACCOUNT}"
_ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{0}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{_HERE}:{{0}}",
    "AWS::SNS::Topic": f"arn:aws:sns:{_HERE}:{{0}}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{_HERE}:table/{{0}}",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{_HERE}:secret:{{0}}-1A2b3C",
    "AWS::Lambda::Function": f"arn:aws:lambda:{_HERE}:function:{{0}}",
    "AWS::Lambda::EventSourceMapping": "{0}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{_HERE}:stateMachine:{{0}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{_HERE}:log-group:{{0}}:*",
    "AWS::Events::Rule": f"arn:aws:events:{_HERE}:rule/{{0}}",
}
"""What `Ref` or `GetAtt` of a resource is where a policy has it."""
_OUTPUTS = {"Operations.Outputs.AlarmTopicArn": "AlarmTopic"}
"""The outputs of nested stacks that a policy has, and the resources that they are."""


def documents() -> dict[str, dict[str, Any]]:
    """Return the policies by name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, one in resources(**OPTIONAL).items():
        properties = one["Properties"]
        if one["Type"] == "AWS::IAM::Role":
            found.setdefault(name, []).extend(statements_in(properties.get("Policies", [])))
        elif one["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for holder in properties.get("Roles", [name]):
                found.setdefault(holder, []).extend(statements_in(properties["PolicyDocument"]))
    return {name: {"Version": "2012-10-17", "Statement": [_named(one) for one in each]} for name, each in found.items()}


def _named(statement: dict[str, Any]) -> dict[str, Any]:
    """Return a statement with ARNs in place of the names of the templates' resources."""
    arns: list[str] = []
    for resource in as_list(statement.get("Resource", [])):
        names = resource["Fn::Join"][1] if isinstance(resource, dict) else resource.split(",")
        arns += map(_arn, names)
    return {**statement, "Resource": arns} if arns else statement


def _arn(resource: str) -> str:
    resource = _OUTPUTS.get(resource, resource)
    named = re.fullmatch(r"(\w+)(?:\.\w+)?(/.*)?", resource)
    if named is None:
        return resource.replace("${!", "${")
    name, rest = named.groups(default="")
    return str(_ARNS[_types()[name]]).format(f"shop-{name.lower()}") + rest


def _types() -> dict[str, str]:
    found = {**resources(**OPTIONAL), **translated()["Resources"]}
    return {name: one["Type"] for name, one in found.items()}


def main(folder: Path) -> None:
    """Write the files; those of an earlier run are deleted."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for name, document in documents().items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
