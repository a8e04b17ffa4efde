"""docs/deploy-policy.json allows what CloudFormation's own schemas require for each resource of the template."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from tests.unit.template.resolved import ROOT, as_list, nested, translated, written

POLICY: dict[str, Any] = json.loads((ROOT / "docs" / "deploy-policy.json").read_text(encoding="utf-8"))
NOT_NEEDED = (
    # for properties that the template does not have
    "kinesis:*", "s3tables:*", "s3files:*", "ec2:*", "elasticfilesystem:*", "firehose:*", "s3:REST.PUT.OBJECT",
    "dynamodb:*Item", "dynamodb:Scan", "dynamodb:Query", "dynamodb:ImportTable", "dynamodb:*Replica",
    "dynamodb:*KinesisStreamingDestination", "iam:CreateServiceLinkedRole", "s3:*MetadataTableConfiguration",
    "s3:UpdateBucketMetadata*", "s3:*Object", "s3:*ObjectAcl", "s3:*ObjectMetadata", "lambda:*CodeSigningConfig",
    "lambda:PassCapacityProvider", "lambda:AssociateRuntimeAlias", "logs:*LogDelivery", "logs:*DataProtectionPolicy",
    "logs:*IndexPolicy", "logs:*ResourcePolicy", "logs:*KmsKey", "logs:PutBearerTokenAuthentication",
    "logs:PutLogGroupDeletionProtection", "logs:*LogStream*", "logs:PutLogEvents", "secretsmanager:*Replicat*",
    "cloudformation:SetStackPolicy", "cloudformation:UpdateTerminationProtection",
    "sns:PutDataProtectionPolicy", "kms:*", "iam:*UserPolicy", "iam:*GroupPolicy",
)  # fmt: skip


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Return CloudFormation's schema of each resource type, from cfn-lint."""
    folder = Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"
    found = (json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json"))
    return {one["typeName"]: one for one in found if "typeName" in one}


def types() -> list[str]:
    there = [*translated()["Resources"].values(), *nested()["Resources"].values()]
    return sorted({one["Type"] for one in there})


def allowed() -> Iterator[str]:
    for statement in POLICY["Statement"]:
        yield from as_list(statement["Action"])


def test_every_resource_type_has_a_schema_with_permissions():
    assert {kind for kind in types() if not schemas().get(kind, {}).get("handlers")} == set()


@pytest.mark.parametrize("kind", types())
def test_the_policy_allows_what_a_resource_type_requires(kind):
    handlers = schemas()[kind]["handlers"]
    steps = [handlers[name] for name in ("create", "read", "update", "delete") if name in handlers]
    wanted = {action for step in steps for action in step["permissions"]}
    missing = {
        action for action in wanted if not any(fnmatchcase(action, pattern) for pattern in (*allowed(), *NOT_NEEDED))
    }

    assert missing == set()


def resources_of(sid: str) -> list[str]:
    (found,) = [one["Resource"] for one in POLICY["Statement"] if one["Sid"] == sid]
    return as_list(found)


def test_the_nested_stack_may_be_deployed():
    """CloudFormation names it after its parent and its logical id."""
    nested_stacks = [
        name for name, one in translated()["Resources"].items() if one["Type"] == "AWS::CloudFormation::Stack"
    ]

    assert nested_stacks
    for name in nested_stacks:
        arn = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/dropreel-{name}-1A2B3C4D5E6F/1a2b"
        assert any(fnmatchcase(arn, pattern) for pattern in resources_of("Stacks"))


def test_every_layer_may_be_published():
    """SAM names a layer after its logical id."""
    layers = [name for name, one in written()["Resources"].items() if one["Type"] == "AWS::Serverless::LayerVersion"]

    assert layers
    for name in layers:
        arn = f"arn:aws:lambda:eu-central-1:123456789012:layer:{name}"
        assert any(fnmatchcase(arn, pattern) for pattern in resources_of("Layers")), name


def test_no_service_is_allowed_as_a_whole():
    assert [action for action in allowed() if action.partition(":")[2] == "*"] == []


def test_only_actions_without_a_resource_name_are_allowed_on_all():
    everywhere = [one["Sid"] for one in POLICY["Statement"] if "*" in as_list(one["Resource"])]

    assert everywhere == ["WhatHasNoName"]


def test_a_policy_is_small_enough_for_iam():
    """A managed policy has at most 6,144 characters, white space not counted."""
    assert len(json.dumps(POLICY, separators=(",", ":"))) <= 6_144
