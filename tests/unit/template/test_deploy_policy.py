"""The deploy policies of docs/ allow what CloudFormation's own schemas require for each resource of the templates."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest

from tests.support.templates import load_template
from tests.unit.template.resolved import ROOT, as_list, nested, translated, written

POLICY: dict[str, Any] = json.loads((ROOT / "docs" / "deploy-policy.json").read_text(encoding="utf-8"))
SCHEMAS_POLICY: dict[str, Any] = json.loads((ROOT / "docs" / "deploy-schemas-policy.json").read_text(encoding="utf-8"))
"""What RegisterEventSchemas needs in addition."""
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
NAMES = {
    *("Name", "AlarmName", "BucketName", "DashboardName", "FunctionName", "LayerName", "LogGroupName", "ManagedPolicyName"),
    *("QueueName", "RegistryName", "RoleName", "SchemaName", "StateMachineName", "TableName", "TopicName"),
}  # fmt: skip


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Return CloudFormation's schema of each resource type, from cfn-lint."""
    folder = Path(cfnlint.__file__).parent / "data" / "schemas" / "resources"
    found = (json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json"))
    return {one["typeName"]: one for one in found if "typeName" in one}


def types() -> list[str]:
    there = list(translated()["Resources"].values())
    for template in nested().values():
        there += template["Resources"].values()
    return sorted({one["Type"] for one in there})


def allowed() -> Iterator[str]:
    for statement in [*POLICY["Statement"], *SCHEMAS_POLICY["Statement"]]:
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
    statements = [*POLICY["Statement"], *SCHEMAS_POLICY["Statement"]]
    return [arn for one in statements if one["Sid"] == sid for arn in as_list(one["Resource"])]


def test_the_nested_stack_may_be_deployed():
    """CloudFormation names it after its parent and its logical id."""
    nested_stacks = [
        name for name, one in translated()["Resources"].items() if one["Type"] == "AWS::CloudFormation::Stack"
    ]

    assert nested_stacks
    for name in nested_stacks:
        arn = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/dropreel-{name}-1A2B3C4D5E6F/1a2b"
        assert any(fnmatchcase(arn, pattern) for pattern in [*resources_of("Stacks"), *resources_of("NestedStack")])


def test_the_schemas_may_be_registered():
    template = load_template(str(ROOT / "schemas.yaml"))["Resources"].values()
    names = [one["Properties"]["SchemaName"] for one in template if one["Type"] == "AWS::EventSchemas::Schema"]
    wanted = ["registry/dropreel", *(f"schema/dropreel/{name}" for name in names)]

    assert len(wanted) == 9
    for one in wanted:
        arn = f"arn:aws:schemas:eu-central-1:123456789012:{one}"
        assert any(fnmatchcase(arn, pattern) for pattern in resources_of("EventSchemas"))


def test_every_layer_may_be_published():
    """SAM names a layer after its logical id."""
    layers = [name for name, one in written()["Resources"].items() if one["Type"] == "AWS::Serverless::LayerVersion"]

    assert layers
    for name in layers:
        arn = f"arn:aws:lambda:eu-central-1:123456789012:layer:{name}"
        assert any(fnmatchcase(arn, pattern) for pattern in resources_of("Layers")), name


def test_every_log_group_with_a_name_of_its_own_may_be_created():
    """CloudFormation names the others after the stack."""
    named = [
        one["Properties"]["LogGroupName"]["Fn::Sub"].replace("${AWS::StackName}", "dropreel")
        for template in (written(), *nested().values())
        for one in template["Resources"].values()
        if one["Type"] == "AWS::Logs::LogGroup" and "LogGroupName" in one["Properties"]
    ]

    assert named
    for name in named:
        arn = f"arn:aws:logs:eu-central-1:123456789012:log-group:{name}"
        assert any(fnmatchcase(arn, pattern) for pattern in resources_of("QueuesLogsAlarms")), name


def test_no_resource_has_a_name_that_the_policy_does_not_know():
    """A name of its own does not begin with the stack's: each kind of them needs a look at the policy's resources."""
    named = {
        (kind["Type"], key)
        for template in (written(), *nested().values())
        for kind in template["Resources"].values()
        for key in kind.get("Properties", {})
        if key in NAMES
    }

    assert named == {
        ("AWS::CloudWatch::Alarm", "AlarmName"),  # it begins with the stack's
        ("AWS::CloudWatch::Dashboard", "DashboardName"),
        ("AWS::EventSchemas::Registry", "RegistryName"),
        ("AWS::EventSchemas::Schema", "RegistryName"),
        ("AWS::EventSchemas::Schema", "SchemaName"),
        ("AWS::Logs::LogGroup", "LogGroupName"),
        ("AWS::Lambda::EventSourceMapping", "FunctionName"),
        ("AWS::Logs::QueryDefinition", "Name"),
    }


def test_the_spend_of_earlier_stacks_may_be_read():
    """`dropreel deploy` of a new stack lists the tables, and reads the spend tables of its name."""
    table = "arn:aws:dynamodb:eu-central-1:123456789012:table/dropreel-SpendTable-1A2B3C4D5E6F"

    assert "dynamodb:ListTables" in allowed()
    assert [fnmatchcase(table, pattern) for pattern in resources_of("SpendOfEarlierStacks")] == [True]


def test_no_service_is_allowed_as_a_whole():
    assert [action for action in allowed() if action.partition(":")[2] == "*"] == []


def test_a_role_may_be_passed_only_to_the_services_that_the_stacks_roles_trust():
    roles = [
        one["Properties"]["AssumeRolePolicyDocument"]
        for template in (written(), *nested().values())
        for one in template["Resources"].values()
        if one["Type"] == "AWS::IAM::Role"
    ]
    trusted = {each["Principal"]["Service"] for one in roles for each in one["Statement"]}
    passing = [one for one in POLICY["Statement"] if "iam:PassRole" in as_list(one["Action"])]

    assert [one["Sid"] for one in passing] == ["PassRoles"]
    assert set(passing[0]["Condition"]["StringEquals"]["iam:PassedToService"]) == trusted
    assert [one for one in allowed() if fnmatchcase("iam:PassRole", one)] == ["iam:PassRole"]


def test_only_actions_without_a_resource_name_are_allowed_on_all():
    everywhere = [one["Sid"] for one in POLICY["Statement"] if "*" in as_list(one["Resource"])]

    assert everywhere == ["WhatHasNoName"]


def test_a_policy_is_small_enough_for_iam():
    """A managed policy has at most 6,144 characters, white space not counted. The page says for how long a stack's name."""
    for policy in (POLICY, SCHEMAS_POLICY):
        assert len(json.dumps(policy, separators=(",", ":")).replace("dropreel", "n" * 19)) <= 6_144


def test_the_pages_say_what_the_policy_allows_of_other_stacks():
    """CloudFormation names a state machine, a secret and a layer without the stack's name."""
    parts = [one.split(":", 5)[5] for each in POLICY["Statement"] for one in as_list(each["Resource"]) if one != "*"]
    unnamed = {re.split("[:/]", one)[0] for one in parts if "dropreel" not in one}

    assert {"stateMachine", "secret", "layer"} <= unnamed
    page = (ROOT / "docs" / "existing-account.md").read_text(encoding="utf-8")
    assert "all but the state machine, the secrets and the layers" in page
    assert "keys of other stacks of Dropreel" in (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
