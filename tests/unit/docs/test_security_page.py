"""docs/security.md says of each AWS Solutions rule what is true of the templates."""

import re
from typing import Any

import pytest
import yaml

from tests.support.templates import load_template
from tests.unit.docs.pages import ROOT, rows_of
from tests.unit.docs.test_links import broken
from tests.unit.template.resolved import as_list, resources, translated
from tests.unit.template.test_safety import EVERYTHING
from tests.unit.template.test_solutions_rules import TEMPLATES

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


def suppressions(template: str) -> dict[str, str]:
    """Return the rules that a template suppresses in its metadata, with the reasons."""
    metadata = [one.get("Metadata", {}) for one in load_template(template)["Resources"].values()]
    found = [(one["id"], one["reason"]) for each in metadata for one in _rules(each, "cdk_nag", "rules_to_suppress")]
    found += [(one["id"], one["comment"]) for each in metadata for one in _rules(each, "checkov", "skip")]
    return dict(found)


def _rules(metadata: dict[str, Any], scanner: str, key: str) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = metadata.get(scanner, {}).get(key, [])
    return rules


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_rule_that_a_template_suppresses_has_its_reason_and_is_on_the_page(template):
    page = PAGE.read_text(encoding="utf-8")

    for rule, reason in suppressions(template).items():
        assert len(reason) > 20, rule
        assert re.search(rf"\b{rule.removeprefix('AwsSolutions-')}\b", page), rule


def test_the_nested_templates_have_suppressions():
    assert suppressions("notifications.yaml").keys() >= {"AwsSolutions-L1", "CKV_AWS_27"}


def test_a_check_that_the_scan_skips_is_on_the_page():
    skipped = yaml.safe_load((ROOT / ".checkov.yaml").read_text(encoding="utf-8"))["skip-check"]

    assert [one for one in skipped if not re.search(rf"\b{one}\b", PAGE.read_text(encoding="utf-8"))] == []
