"""A second stack in the same account and region, whose roles have a permissions boundary; it is removed at the end."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.domain.job import JobStatus
from dropreel_cli.stack import Stack
from local.cloud import API_KEY, ROOT, LocalCloud, deploy
from local.parameters import local_parameters
from tests.e2e.conftest import Account
from tests.e2e.engine_permissions import user_with
from tests.support.removed_stacks import remove_stack

PAGE = ROOT / "docs" / "existing-account.md"
DEPLOY_POLICY = ROOT / "docs" / "deploy-policy.json"
pytestmark = pytest.mark.exhaustive
ACCOUNT = "000000000000"
NAME = "dropreel-second"
KEPT = {"UploadsBucket", "VideosBucket", "PreparedBucket", "JobsTable", "SpendTable"}


def policy(**statement: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **statement}]})


@dataclass
class TwoStacks:
    """The account's stack, and a second one beside it with a boundary that allows everything."""

    first: Account
    second: Account
    boundary: str


@pytest.fixture(scope="module")
def both(account: Account) -> Iterator[TwoStacks]:
    iam = account.client("iam")
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=policy(Action="*"))["Policy"]["Arn"]
    parameters = {
        "PollIntervalSeconds": "1",
        "GenerationTimeoutMinutes": "30",
        "PermissionsBoundaryArn": boundary,
        "NotificationEmail": "b@example.com",
    }
    base_url = account.cloud.simulator.base_url
    deploy(account.cloud.engine, {**local_parameters(base_url, API_KEY, parameters), **parameters}, NAME)
    stack = Stack.find(NAME, account.stack.session, account.stack.endpoint_url)
    cloud = LocalCloud(account.cloud.engine, account.cloud.simulator, stack)
    yield TwoStacks(account, Account(cloud, account.tail, account.webhooks), boundary)
    client = account.client("cloudformation")
    remove_stack(client, NAME)


def names(account: Account) -> set[str]:
    """Return the physical names of all resources of a stack and of its nested stack."""
    account.physical("JobsTable")
    return set(account.resources.values())


def test_no_resource_of_one_stack_is_also_in_the_other(both: TwoStacks) -> None:
    assert names(both.first) & names(both.second) == set()
    assert set(both.second.resources) <= set(both.first.resources)


@pytest.mark.parametrize("mine", ["first", "second"])
def test_an_upload_starts_a_job_in_its_own_stack_alone(both: TwoStacks, mine: str) -> None:
    one, other = (both.first, both.second) if mine == "first" else (both.second, both.first)
    key = one.new_key()
    one.put(key)

    job = one.ended(key)

    assert job.status is JobStatus.COMPLETED, job
    assert len(one.submitted(key)) == 1
    assert other.jobs_of(key) == []
    event = both.first.tail.wait_for(key, "Video Generation Completed")
    assert event["detail"]["metadata"]["stack"] == one.stack.name
    assert event["detail"]["data"]["video"]["bucket"] == one.videos


def test_a_request_goes_to_the_stack_whose_bucket_it_names(both: TwoStacks) -> None:
    """The image is missing: the stack that took the request rejects it."""
    key = both.second.new_key()
    image = {"image": {"bucket": both.second.uploads, "key": key}}
    entry = {"Source": "a.shop", "DetailType": "Video Generation Requested", "Detail": json.dumps(image)}

    both.first.client("events").put_events(Entries=[entry])

    assert both.second.ended(key).status is JobStatus.REJECTED
    assert both.first.jobs_of(key) == []
    event = both.first.tail.wait_for(key, "Video Generation Rejected")
    assert event["detail"]["metadata"]["stack"] == NAME


# --- the permissions boundary -----------------------------------------------------------------------------------------


def roles(account: Account) -> list[dict[str, Any]]:
    names = [name for logical, name in account.resources.items() if logical.endswith("Role")]
    return [account.client("iam").get_role(RoleName=name)["Role"] for name in names]


def sweep(account: Account) -> str:
    """Invoke the sweeper; return its error, or an empty text."""
    answer = account.client("lambda").invoke(FunctionName=account.physical("SweepJobsFunction"), Payload=b"{}")
    return answer["Payload"].read().decode() if "FunctionError" in answer else ""


def test_every_role_has_the_boundary_of_its_own_stack(both: TwoStacks) -> None:
    names(both.first), names(both.second)

    assert {one["PermissionsBoundary"]["PermissionsBoundaryArn"] for one in roles(both.second)} == {both.boundary}
    assert len(roles(both.second)) == 8  # six functions, the state machine, and Send Mail
    assert [one for one in roles(both.first) if "PermissionsBoundary" in one] == []


def test_what_the_boundary_does_not_allow_a_role_may_not(both: TwoStacks) -> None:
    iam = both.first.client("iam")
    assert sweep(both.second) == ""
    narrow = policy(NotAction="dynamodb:Query")
    iam.create_policy_version(PolicyArn=both.boundary, PolicyDocument=narrow, SetAsDefault=True)
    try:
        assert "AccessDenied" in sweep(both.second)
        assert sweep(both.first) == ""
    finally:
        iam.create_policy_version(PolicyArn=both.boundary, PolicyDocument=policy(Action="*"), SetAsDefault=True)


@dataclass
class Deployer:
    """A user with deploy-policy.json and the page's statements. The engine simulates conditions that it does not evaluate."""

    iam: Any
    arn: str

    def decision(self, action: str, boundary: str | None) -> str:
        """Return IAM's decision about an action on a role of the stack, which has this boundary or gets it."""
        value = [f"arn:aws:iam::{ACCOUNT}:policy/{boundary}"]
        key = {"ContextKeyName": "iam:PermissionsBoundary", "ContextKeyType": "string", "ContextKeyValues": value}
        (result,) = self.iam.simulate_principal_policy(
            PolicySourceArn=self.arn,
            ActionNames=[action],
            ResourceArns=[f"arn:aws:iam::{ACCOUNT}:role/dropreel-SweepJobsRole-1A2B"],
            ContextEntries=[] if boundary is None else [key],
        )["EvaluationResults"]
        return str(result["EvalDecision"])


@pytest.fixture(scope="module")
def deployer(account: Account) -> Iterator[Deployer]:
    (block,) = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    policies = [json.loads(DEPLOY_POLICY.read_text(encoding="utf-8"))["Statement"], json.loads(block)]
    statements = json.loads(json.dumps(policies[0] + policies[1]).replace("123456789012", ACCOUNT))
    with user_with(account.cloud.engine, "deployer", *statements):
        yield Deployer(account.client("iam"), f"arn:aws:iam::{ACCOUNT}:user/deployer")


@pytest.mark.parametrize(
    ("action", "boundary", "decision"),
    [
        ("iam:CreateRole", None, "explicitDeny"),
        ("iam:CreateRole", "another", "explicitDeny"),
        ("iam:CreateRole", "boundary", "allowed"),
        ("iam:PutRolePolicy", "boundary", "allowed"),
        ("iam:PutRolePolicy", None, "explicitDeny"),
        ("iam:PutRolePermissionsBoundary", "another", "explicitDeny"),
        ("iam:DeleteRolePermissionsBoundary", "boundary", "explicitDeny"),
        ("iam:DeleteRole", "boundary", "allowed"),
    ],
)
def test_a_deployer_with_the_pages_statements_makes_roles_with_the_boundary_alone(
    deployer: Deployer, action: str, boundary: str | None, decision: str
) -> None:
    assert deployer.decision(action, boundary) == decision


# --- removal, the last test: the second stack is gone after it ----------------------------------------------------------


def test_a_removed_stack_leaves_its_data_and_the_other_stack_alone(both: TwoStacks) -> None:
    key = both.second.new_key()
    both.second.put(key)
    job = both.second.ended(key)
    assert job.video is not None
    spent = spend(both.second)
    kept = {logical: name for logical, name in both.second.resources.items() if logical in KEPT}
    client = both.first.client("cloudformation")

    remove_stack(client, NAME)

    assert both.second.jobs_of(key) == [job]
    assert spend(both.second) == spent != []
    s3 = both.first.client("s3")
    for bucket, object_key in ((kept["UploadsBucket"], key), (kept["VideosBucket"], job.video.key)):
        assert s3.head_object(Bucket=bucket, Key=object_key)["ContentLength"] > 0
    with pytest.raises(ClientError, match="ResourceNotFound"):
        both.first.client("lambda").get_function(FunctionName=both.second.resources["SweepJobsFunction"])
    after = both.first.new_key()
    both.first.put(after)
    assert both.first.ended(after).status is JobStatus.COMPLETED


def spend(account: Account) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = account.client("dynamodb").scan(TableName=account.resources["SpendTable"])["Items"]
    return items
