"""Findings of the policy scanners: what is suppressed, and what is not; and the policies that the scanners get."""

import json

from tests.lint.policy_documents import documents, main
from tests.lint.scan_policies import Finding, faults, suppressions
from tests.unit.template.permissions import OPTIONAL
from tests.unit.template.resolved import resources

FOUND = Finding("parliament", "RESOURCE_STAR", "WriteLogs", "logs:*", "CheckStatusRole")


def test_a_finding_that_is_not_suppressed_names_policy_and_statement():
    (line,) = faults([FOUND], set())

    assert line == "CheckStatusRole: parliament: RESOURCE_STAR in the statement WriteLogs: logs:*"


def test_a_suppression_is_a_comment_with_a_reason():
    text = "x # parliament: RESOURCE_STAR WriteLogs: why\n# parliament: RESOURCE_STAR ReadLogs:\n"

    assert suppressions(text) == {FOUND[:3]}
    assert faults([FOUND], suppressions(text)) == []


def test_another_issue_of_the_statement_is_still_a_finding():
    (line,) = faults([FOUND, FOUND._replace(issue="UNKNOWN_ACTION")], {FOUND[:3]})

    assert "UNKNOWN_ACTION" in line


def test_a_suppression_without_a_finding_is_an_error():
    assert len(faults([], {FOUND[:3]})) == 1


def test_every_role_and_policy_of_people_is_scanned():
    wanted = {
        name
        for name, one in resources(**OPTIONAL).items()
        if one["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
    }

    assert set(documents()) == wanted


def test_the_policies_have_arns_where_the_templates_have_names(tmp_path):
    (tmp_path / "old.json").write_text("{}")

    main(tmp_path)

    assert not (tmp_path / "old.json").exists()
    for path in tmp_path.glob("*.json"):
        for statement in json.loads(path.read_text())["Statement"]:
            assert all(one.startswith("arn:") or one == "*" for one in statement["Resource"]), (path.name, statement)
