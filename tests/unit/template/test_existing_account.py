"""What an account has already stays as it is: the boundary of its roles, and the names of other stacks."""

import json
import re
import subprocess
from functools import cache
from typing import Any

import pytest

from tests.unit.template.resolved import ROOT, refused, translated, written
from tests.unit.template.test_deploy_policy import schemas

BOUNDARY = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
NESTED = sorted(
    one["Properties"]["Location"]
    for one in written()["Resources"].values()
    if one["Type"] == "AWS::Serverless::Application"
)
NOT_OF_THE_ACCOUNT = {
    "AWS::IAM::Policy",  # an inline policy: its name is the role's own
    "AWS::EventSchemas::Schema",  # its name is the registry's own
    "AWS::Lambda::LayerVersion",  # each stack publishes and deletes versions of its own of a layer
}
STACKS_NAMES = ("AWS::StackName", "DropreelStackName", "RegistryName")


@cache
def translated_file(template: str) -> dict[str, Any]:
    """Return a template as SAM hands it to CloudFormation, with the roles that SAM generates."""
    if template == "template.yaml":
        return translated()
    code = (
        "import json, pathlib; from tests.lint.translated_template import translated; "
        f"print(json.dumps(translated(pathlib.Path({template!r}))))"
    )
    command = [str(ROOT / ".venvs" / "run" / "bin" / "python"), "-c", code]
    environment = {"AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def roles(template: str) -> dict[str, dict[str, Any]]:
    found = translated_file(template)["Resources"]
    return {name: one["Properties"] for name, one in found.items() if one["Type"] == "AWS::IAM::Role"}


def fixed_names(template: dict[str, Any]) -> list[str]:
    """Return the properties by which a resource would have the same name in each stack of the account."""
    found = []
    for name, one in template["Resources"].items():
        schema = schemas().get(one["Type"], {})
        paths = [*schema.get("primaryIdentifier", []), *schema.get("createOnlyProperties", [])]
        for key in {path.removeprefix("/properties/") for path in paths if path.endswith("Name")}:
            value = one.get("Properties", {}).get(key)
            is_reference = isinstance(value, dict) and value.get("Ref") in template["Resources"]
            if value and not is_reference and not any(stack in json.dumps(value) for stack in STACKS_NAMES):
                found.append(f"{name}.{key}")
    return sorted(found)


# --- the permissions boundary -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["template.yaml", *NESTED])
def test_every_role_of_a_stack_has_the_boundary(template):
    """Also a role that SAM generates for a function, a state machine or an event."""
    assert {name: one.get("PermissionsBoundary") for name, one in roles(template).items()} == dict.fromkeys(
        roles(template), BOUNDARY
    )


def test_each_function_and_the_state_machine_have_a_role_in_the_template():
    assert len(roles("template.yaml")) == 7


@pytest.mark.parametrize("template", NESTED)
def test_a_nested_template_with_roles_gets_the_boundary(template):
    (passed,) = [
        one["Properties"]["Parameters"]
        for one in written()["Resources"].values()
        if one.get("Properties", {}).get("Location") == template
    ]

    assert not roles(template) or passed["PermissionsBoundaryArn"] == {"Ref": "PermissionsBoundaryArn"}


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:policy/boundary",
        "arn:aws-us-gov:iam::123456789012:policy/teams/video/Boundary_1+=,.@-",
        "arn:aws:iam::aws:policy/PowerUserAccess",
    ],
)
def test_the_arn_of_a_policy_is_taken_as_the_boundary(arn):
    assert refused(PermissionsBoundaryArn=arn) == []


@pytest.mark.parametrize(
    "arn", ["boundary", "arn:aws:iam::123456789012:role/boundary", "arn:aws:iam::123456789012:policy/", "*"]
)
def test_what_is_no_policys_arn_is_refused_as_the_boundary(arn):
    assert refused(PermissionsBoundaryArn=arn) == ["PermissionsBoundaryArn"]


def test_the_page_names_each_service_that_the_boundary_must_allow():
    page = (ROOT / "docs" / "existing-account.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(
        r"The boundary must allow what the\nroles need, in the services (.*?)\. What it lacks", page, re.DOTALL
    )
    used = {
        action.partition(":")[0]
        for template in ("template.yaml", *NESTED)
        for one in translated_file(template)["Resources"].values()
        if one["Type"] in ("AWS::IAM::Role", "AWS::IAM::Policy")
        for action in re.findall(r'"([a-z0-9-]+:[A-Z]\w+)"', json.dumps(one["Properties"]))
    }

    assert used - {"sts", "aws"} == set(re.findall(r"`([a-z0-9-]+)`", sentence))


# --- several stacks in one account ------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["template.yaml", *NESTED])
def test_no_resource_has_a_name_that_a_second_stack_would_have(template):
    found = translated_file(template)
    resources = {name: one for name, one in found["Resources"].items() if one["Type"] not in NOT_OF_THE_ACCOUNT}

    assert fixed_names({"Resources": resources}) == []


@pytest.mark.parametrize(
    ("name", "fixed"),
    [("jobs", ["Table.TableName"]), ({"Fn::Sub": "${AWS::StackName}-jobs"}, [])],
    ids=["fixed", "with the stack's name"],
)
def test_a_fixed_name_is_seen(name, fixed):
    template = {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": name}}}}

    assert fixed_names(template) == fixed


def test_no_output_is_exported():
    """The name of an export exists once in an account and region."""
    assert [name for name, one in written()["Outputs"].items() if "Export" in one] == []
