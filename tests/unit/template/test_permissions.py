"""No permission of the stack is wider than the reviewed list, docs/permissions.txt."""

import copy

import pytest

from tests.unit.template import permissions
from tests.unit.template.permissions import OPTIONAL, PAGE, lines, page, statements_in
from tests.unit.template.resolved import resources, translated
from tests.unit.template.test_safety import EVERYTHING


def test_the_templates_allow_exactly_what_was_reviewed():
    """If it fails: read each added line as a reviewer does, then run `make permissions`."""
    assert PAGE.read_text(encoding="utf-8").splitlines() == page().splitlines()


def test_every_parameter_that_adds_a_permission_is_given():
    assert OPTIONAL == EVERYTHING


def test_sam_adds_no_role_and_no_policy_of_its_own():
    written, found = set(resources(**OPTIONAL)), translated()["Resources"]
    added = {name: one["Type"] for name, one in found.items() if name not in written}

    assert not [name for name, kind in added.items() if kind.startswith("AWS::IAM::") or kind.endswith("Policy")]
    assert not [name for name in added if list(statements_in(found[name]["Properties"]))]


WIDER = {
    "another action": ("CheckStatusRole", lambda one: one.update(Action="dynamodb:*")),
    "another resource": ("CheckStatusRole", lambda one: one.update(Resource="*")),
    "no condition": ("VideosBucketPolicy", lambda one: one.pop("Condition")),
    "another principal": ("GenerateVideoRole", lambda one: one.update(Principal="*")),
    "another effect": ("QueuePolicy", lambda one: one.update(Effect="Deny")),
}


@pytest.mark.parametrize("change", WIDER)
def test_a_changed_statement_is_a_changed_line(monkeypatch, change):
    holder, widen = WIDER[change]
    found = copy.deepcopy(resources())
    widen(next(statements_in(found[holder]["Properties"])))
    before = set(lines())

    monkeypatch.setattr(permissions, "resources", lambda **_: found)

    assert set(lines()) != before


def test_a_statement_that_names_what_it_excludes_is_refused(monkeypatch):
    found = copy.deepcopy(resources())
    next(statements_in(found["CheckStatusRole"]["Properties"]))["NotAction"] = "s3:GetObject"
    monkeypatch.setattr(permissions, "resources", lambda **_: found)

    with pytest.raises(AssertionError, match="NotAction"):
        list(lines())
