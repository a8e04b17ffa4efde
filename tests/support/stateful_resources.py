"""The resources of a template that hold data, and what of them an update would lose."""

import json
from collections.abc import Callable, Mapping
from typing import Any

REPLACED_BY = {
    "AWS::S3::Bucket": ("BucketName", "BucketNamePrefix"),
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "LocalSecondaryIndexes", "ImportSourceSpecification"),
    "AWS::SQS::Queue": ("QueueName", "FifoQueue"),
    "AWS::SecretsManager::Secret": ("Name",),
}
"""The properties of which CloudFormation's reference says that a change replaces the resource."""
_POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")


def resources_of_stack(load: Callable[[str], Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the resources with data of template.yaml and of the templates that it nests; `load` reads one by its path."""
    template = load("template.yaml")
    resources = template["Resources"].values()
    nested = [one["Properties"]["Location"] for one in resources if one["Type"] == "AWS::Serverless::Application"]
    return {name: one for each in (template, *map(load, nested)) for name, one in stateful_resources(each).items()}


def stateful_resources(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what identifies each resource with data: its type, the properties that replace it, policies and indexes."""
    found = {name: one for name, one in template["Resources"].items() if one["Type"] in REPLACED_BY}
    return {name: _facts(one) for name, one in sorted(found.items())}


def losses(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each change that loses data or that one update of the stack cannot make."""
    found = []
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            found.append(f"{name} is gone or renamed: its data would be left behind.")
            continue
        changed = [key for key in ("type", "replacing", *_POLICIES) if old.get(key) != new.get(key)]
        found += [f"{name} has another {key}: {old.get(key)} is now {new.get(key)}." for key in changed]
        was, now = old.get("indexes", {}), new.get("indexes", {})
        found += [
            f"{name}: the index {index} is changed." for index in was if index in now and was[index] != now[index]
        ]
        if len(was.keys() ^ now.keys()) > 1:
            found.append(
                f"{name}: DynamoDB creates or deletes one index an update, not {sorted(was.keys() ^ now.keys())}."
            )
    return found


def _facts(resource: Mapping[str, Any]) -> dict[str, Any]:
    properties = json.loads(json.dumps(resource.get("Properties", {})))
    facts: dict[str, Any] = {
        "type": resource["Type"],
        "replacing": {key: properties[key] for key in REPLACED_BY[resource["Type"]] if key in properties},
        **{key: resource[key] for key in _POLICIES if key in resource},
    }
    if indexes := properties.get("GlobalSecondaryIndexes"):
        facts["indexes"] = {index["IndexName"]: [index["KeySchema"], index["Projection"]] for index in indexes}
    return facts
