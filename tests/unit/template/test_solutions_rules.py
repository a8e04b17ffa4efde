"""Rules of cdk-nag's pack AwsSolutions that every template keeps, read as a scanner reads it: with no parameter given."""

from functools import cache
from typing import Any

import pytest

from tests.support.templates import load_template
from tests.unit.template.resolved import ROOT, as_list, translated

CONSUMERS = tuple(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs" / "consumers").glob("*.yaml")))
TEMPLATES = ("template.yaml", "operations.yaml", "notifications.yaml", "schemas.yaml", *CONSUMERS)
PLAIN_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
POLICY_OF = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket", {"s3:*"}),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues", {"sqs:*"}),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics", {"sns:Publish"}),
}
"""The type of a resource's policy, where that names the resource, and what plain HTTP must be denied."""


HIDDEN = {"NohumanApiKey", "WebhookUrl"}
"""Parameters that are secrets, or may hold one."""


@cache
def every_resource(template: str) -> dict[str, dict[str, Any]]:
    """Return a template's resources; of template.yaml those that SAM generates, too."""
    found: dict[str, dict[str, Any]] = load_template(template)["Resources"]
    return translated()["Resources"] if template == "template.yaml" else found


def of_type(template: str, kind: str) -> dict[str, dict[str, Any]]:
    there = every_resource(template).items()
    return {name: one.get("Properties", {}) for name, one in there if one["Type"] == kind}


def each(kind: str) -> list[Any]:
    return [
        pytest.param(template, name, properties, id=f"{template}-{name}")
        for template in TEMPLATES
        for name, properties in of_type(template, kind).items()
    ]


def denied_to_plain_http(template: str, kind: str, name: str) -> set[str]:
    """Return the actions that a resource's policy denies; a condition of the stack hides a statement from scanners."""
    policy, names, _ = POLICY_OF[kind]
    there = [one for one in of_type(template, policy).values() if {"Ref": name} in as_list(one[names])]
    statements = [each for one in there for each in one["PolicyDocument"]["Statement"] if "Effect" in each]
    return {
        action
        for one in statements
        if (one["Effect"], one["Principal"], one.get("Condition")) == ("Deny", "*", PLAIN_HTTP)
        if {"Ref": name} in as_list(one["Resource"]) or {"Fn::GetAtt": [name, "Arn"]} in as_list(one["Resource"])
        for action in as_list(one["Action"])
    }


@pytest.mark.parametrize(
    ("kind", "template", "name"),
    [(kind, *one.values[:2]) for kind in POLICY_OF for one in each(kind)],
)
def test_a_bucket_queue_or_topic_refuses_plain_http(kind, template, name):
    """S10, SQS4, SNS3."""
    assert denied_to_plain_http(template, kind, name) == POLICY_OF[kind][2]


def test_these_are_all_buckets_queues_and_topics():
    assert {kind: len(each(kind)) for kind in POLICY_OF} == {
        "AWS::S3::Bucket": 3,
        "AWS::SQS::Queue": 10,
        "AWS::SNS::Topic": 2,
    }


@pytest.mark.parametrize(("template", "name", "queue"), each("AWS::SQS::Queue"))
def test_a_queue_is_encrypted(template, name, queue):
    """SQS2 of earlier packs."""
    assert queue["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize(("template", "name", "bucket"), each("AWS::S3::Bucket"))
def test_a_bucket_is_private_encrypted_and_keeps_versions(template, name, bucket):
    """S2; the rest is in other packs."""
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketEncryption" in bucket
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


@pytest.mark.parametrize(("template", "name", "table"), each("AWS::DynamoDB::Table"))
def test_a_table_can_be_restored(template, name, table):
    """DDB3."""
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize(("template", "name", "machine"), each("AWS::StepFunctions::StateMachine"))
def test_a_state_machine_logs_every_event(template, name, machine):
    """SF1."""
    assert machine["LoggingConfiguration"]["Level"] == "ALL"


@pytest.mark.parametrize(("template", "name", "role"), each("AWS::IAM::Role"))
def test_a_role_has_no_policy_of_aws_and_no_wildcard_in_an_action(template, name, role):
    """IAM4, and IAM5 for actions."""
    written = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    statements = [one["Fn::If"][1] if "Fn::If" in one else one for one in written]

    assert not role.get("ManagedPolicyArns")
    assert [action for one in statements for action in as_list(one["Action"]) if "*" in action] == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_parameter_with_a_secret_is_not_shown(template):
    parameters = load_template(template).get("Parameters", {})

    assert {name for name, one in parameters.items() if one.get("NoEcho") is True} == HIDDEN & parameters.keys()
