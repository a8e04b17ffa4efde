"""The policies of operators and readers: exact resources, a command for each action, and short enough for IAM."""

import json
from pkgutil import iter_modules
from typing import Any, get_args

import boto3
import pytest

import dropreel_cli.commands
from dropreel_cli.diagnosis.access import principal_of
from dropreel_cli.policies import FUNCTIONS, MAPPINGS, NEEDED_BY, QUEUES, RULES, PolicyName, policy_document
from dropreel_cli.stack import Stack
from dropreel_cli.stack_resources import StackResources

HERE = "eu-central-1:123456789012"
KEY = f"arn:aws:kms:{HERE}:key/12345678-1234-1234-1234-123456789012"
EXISTING = {"ExistingUploadsBucketName": "pictures-from-before", "UploadsPrefix": "shop/"}
LIMIT = 6144
NAMES: tuple[PolicyName, ...] = get_args(PolicyName)


def _resources(name: str = "shop", **parameters: str) -> StackResources:
    """Return a stack's resources, named as CloudFormation names them: cut at each service's longest name."""

    def physical(logical_id: str, longest: int) -> str:
        return f"{name}-{logical_id}-1A2B3C4D5E6F"[-longest:]

    ids = {one: physical(one, 64) for one in (*RULES, *(f"{each}Function" for each in FUNCTIONS))}
    ids |= {one: f"https://sqs.eu-central-1.amazonaws.com/123456789012/{physical(one, 80)}" for one in QUEUES}
    ids |= dict.fromkeys(MAPPINGS, "12345678-1234-1234-1234-123456789012")
    ids |= {one: physical(one, 63).lower() for one in ("UploadsBucket", "PreparedBucket", "VideosBucket")}
    ids |= {one: physical(one, 255) for one in ("JobsTable", "SpendTable")}
    ids["GenerateVideoStateMachine"] = f"arn:aws:states:{HERE}:stateMachine:{physical('GenerateVideoStateMachine', 80)}"
    ids["ApiKeySecret"] = f"arn:aws:secretsmanager:{HERE}:secret:ApiKeySecret-1A2B3C4D5E6F-AbCdEf"
    nested = f"arn:aws:cloudformation:{HERE}:stack/{name}-Operations-1A2B3C4D5E6F/uuid"
    if "ExistingUploadsBucketName" not in parameters:
        del ids["ExistingBucketImageUploadedRule"]
    arn = f"arn:aws:cloudformation:{HERE}:stack/{name}/uuid"
    stack = Stack(name, {"EventBusName": "default"}, boto3.Session(), None, arn, parameters=parameters)
    kinds = {"Operations": "AWS::CloudFormation::Stack"}
    return StackResources(stack, {**ids, "Operations": nested}, kinds)


def _statements(policy: PolicyName, resources: StackResources) -> dict[str, Any]:
    return {one["Sid"]: one for one in policy_document(policy, resources)["Statement"]}


def test_every_action_has_its_commands_and_every_command_its_actions() -> None:
    documents = [policy_document(name, _resources(KmsKeyArn=KEY)) for name in ("operator", "forget")]

    assert {action for each in documents for one in each["Statement"] for action in one["Action"]} == NEEDED_BY.keys()


def test_the_commands_that_need_an_action_exist() -> None:
    commands = {module.name for module in iter_modules(dropreel_cli.commands.__path__)}

    assert {name for names in NEEDED_BY.values() for name in names} <= {*commands, "every command"}
    assert all(len(set(names)) == len(names) for names in NEEDED_BY.values())


def test_a_reader_can_change_nothing() -> None:
    reader = policy_document("reader", _resources(KmsKeyArn=KEY))

    verbs = {action.split(":")[1] for one in reader["Statement"] for action in one["Action"]}
    assert all(
        verb.startswith(("Get", "List", "Describe", "BatchGet", "Query", "Decrypt", "Simulate")) for verb in verbs
    )
    assert "GetSecretValue" not in verbs


def test_only_the_policy_forget_deletes_objects() -> None:
    deleting = {action for action in NEEDED_BY if action.startswith(("s3:Delete", "dynamodb:Delete"))}
    found = {
        name: {action for one in policy_document(name, _resources(**EXISTING))["Statement"] for action in one["Action"]}
        for name in NAMES
    }

    assert {name: actions & deleting for name, actions in found.items()} == {
        "reader": set(),
        "operator": set(),
        "forget": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    }


def test_forget_deletes_in_the_stacks_buckets_and_under_the_prefix_alone() -> None:
    found = _statements("forget", _resources(**EXISTING))

    buckets = [f"arn:aws:s3:::shop-{one}bucket-1a2b3c4d5e6f" for one in ("uploads", "prepared", "videos")]
    assert found["DeleteVersions"]["Resource"] == [
        *(f"{one}/*" for one in buckets),
        "arn:aws:s3:::pictures-from-before/shop/*",
    ]
    assert found["FindVersions"]["Resource"] == buckets
    assert found["FindVersionsInExistingBucket"]["Condition"] == {"StringLike": {"s3:prefix": "shop/*"}}
    assert "FindVersionsInExistingBucket" not in _statements("forget", _resources())
    assert found["RedactJobs"]["Resource"] == [
        f"arn:aws:dynamodb:{HERE}:table/shop-JobsTable-1A2B3C4D5E6F",
        f"arn:aws:dynamodb:{HERE}:table/shop-JobsTable-1A2B3C4D5E6F/index/by_key",
    ]


def test_a_key_is_used_through_s3_alone() -> None:
    found = _statements("operator", _resources(KmsKeyArn=KEY))["UseKey"]

    assert found["Resource"] == [KEY]
    assert found["Condition"] == {"StringLike": {"kms:ViaService": "s3.eu-central-1.*"}}
    assert "UseKey" not in _statements("operator", _resources())


def test_an_existing_bucket_is_read_under_its_prefix() -> None:
    found = _statements("reader", _resources(**EXISTING))

    assert "arn:aws:s3:::pictures-from-before/shop/*" in found["ReadObjects"]["Resource"]
    assert found["ReadExistingBucket"]["Condition"] == {"StringLikeIfExists": {"s3:prefix": "shop/*"}}
    assert "ReadExistingBucket" not in _statements("reader", _resources())


def test_a_rule_on_a_bus_of_its_own_is_named_with_the_bus() -> None:
    resources = _resources()
    resources.physical_ids["VideoRequestedRule"] = "orders|shop-VideoRequestedRule-1A2B3C4D5E6F"

    assert (
        f"arn:aws:events:{HERE}:rule/orders/shop-VideoRequestedRule-1A2B3C4D5E6F"
        in _statements("reader", resources)["ReadOperation"]["Resource"]
    )


@pytest.mark.parametrize("policy", NAMES)
@pytest.mark.parametrize("parameters", [{}, {**EXISTING, "KmsKeyArn": KEY}])
def test_a_policy_fits_for_stack_names_of_up_to_40_characters(policy: PolicyName, parameters: dict[str, str]) -> None:
    document = policy_document(policy, _resources("s" * 40, **parameters))

    assert len(json.dumps(document, separators=(",", ":"))) <= LIMIT


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        ("arn:aws:iam::123456789012:user/ada", "arn:aws:iam::123456789012:user/ada"),
        ("arn:aws:sts::123456789012:assumed-role/operator/session", "arn:aws:iam::123456789012:role/operator"),
        ("arn:aws:iam::123456789012:root", None),
        ("arn:aws:sts::123456789012:federated-user/ada", None),
    ],
)
def test_the_principal_behind_a_caller(caller: str, principal: str | None) -> None:
    assert principal_of(caller) == principal
