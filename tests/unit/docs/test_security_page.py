"""docs/security.md says of each AWS Solutions rule what is true of the templates."""

from typing import Any

from tests.unit.docs.pages import ROOT, rows_of
from tests.unit.docs.test_links import broken
from tests.unit.template.resolved import as_list, resources, translated
from tests.unit.template.test_safety import EVERYTHING

PAGE = ROOT / "docs" / "security.md"
HELD = {row[0]: row[2] for row in rows_of(PAGE, "rule")}


def of_type(kind: str) -> list[dict[str, Any]]:
    resolved = {name: one for name, one in resources(**EVERYTHING).items() if "Serverless" not in one["Type"]}
    found = {**translated()["Resources"], **resolved}
    return [one["Properties"] for one in found.values() if one["Type"] == kind]


def says(rule: str) -> bool:
    """Whether the page says that a rule is held."""
    assert HELD[rule].startswith(("yes", "no", "off"))
    return HELD[rule].startswith("yes")


def test_every_link_leads_to_what_is_there():
    assert broken(PAGE) == []


def test_no_policy_is_managed_by_aws():
    assert says("IAM4") == all(not one.get("ManagedPolicyArns") for one in of_type("AWS::IAM::Role"))


def test_no_action_has_a_wildcard():
    documents = [policy["PolicyDocument"] for role in of_type("AWS::IAM::Role") for policy in role.get("Policies", [])]
    documents += [one["PolicyDocument"] for one in of_type("AWS::IAM::ManagedPolicy")]
    actions = [action for one in documents for each in one["Statement"] for action in as_list(each["Action"])]

    assert "No wildcard in an action" in HELD["IAM5"]
    assert [action for action in actions if "*" in action] == []


def test_the_buckets_rows_are_true():
    buckets = of_type("AWS::S3::Bucket")

    assert says("S1") == all("LoggingConfiguration" in one for one in buckets)
    assert says("S2") == all(set(one["PublicAccessBlockConfiguration"].values()) == {True} for one in buckets)


def test_the_tables_row_is_true():
    tables = of_type("AWS::DynamoDB::Table")

    assert says("DDB3") == all(
        one["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] and one["DeletionProtectionEnabled"]
        for one in tables
    )


def test_the_topics_row_is_true():
    assert says("SNS2") == all("KmsMasterKeyId" in one for one in of_type("AWS::SNS::Topic"))


def test_the_state_machines_rows_are_true():
    """If it fails, logging or tracing has changed: say so in the rows SF1 and SF2."""
    (machine,) = of_type("AWS::StepFunctions::StateMachine")

    assert says("SF1") == (machine.get("LoggingConfiguration", {}).get("Level") == "ALL")
    assert HELD["SF2"].startswith("no") == ("TracingConfiguration" not in machine)


def test_the_secrets_row_is_true():
    assert says("SMG4") == bool(of_type("AWS::SecretsManager::RotationSchedule"))
