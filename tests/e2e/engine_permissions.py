"""How AWS answers about permissions: checks for tests/e2e/test_engine.py, each true on AWS."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local.cloud import REGION, Engine
from tests.support.removed_stacks import remove_stack

_DENIED = ("AccessDenied", "AccessDeniedException")
_PREFIX = f"arn:aws:%s:{REGION}:000000000000:"


def client_of(engine: Engine, service: str) -> Any:
    """Return a client with the account's own credentials."""
    session: Any = engine.session()
    return session.client(service, endpoint_url=engine.endpoint_url)


@contextmanager
def user_with(engine: Engine, name: str, *statements: dict[str, Any]) -> Iterator[boto3.Session]:
    """A user who may do what these statements allow; deleted at the end."""
    iam = client_of(engine, "iam")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="policy")
        iam.delete_user(UserName=name)


def allow(*actions: str, on: str | list[str], condition: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a statement."""
    found = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    return found if condition is None else {**found, "Condition": condition}


def _is_denied(engine: Engine, session: Any, service: str, operation: str, **arguments: Any) -> bool:
    client = session.client(service, endpoint_url=engine.endpoint_url)
    try:
        getattr(client, operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"] in _DENIED
    return False


def resources_of_requests(engine: Engine) -> bool:
    """Whether a mapping is read and changed by actions of its own, a rule and an alarm by their ARNs."""
    mine, other = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
    client_of(engine, "events").put_rule(Name="mine", EventPattern='{"source":["x"]}')
    statements = [
        allow("lambda:GetEventSourceMapping", on=_PREFIX % "lambda" + f"event-source-mapping:{mine}"),
        allow("events:DescribeRule", "events:ListTargetsByRule", on=_PREFIX % "events" + "rule/mine"),
        allow("cloudwatch:DescribeAlarms", on=_PREFIX % "cloudwatch" + "alarm:mine-*"),
        allow("iam:SimulatePrincipalPolicy", on="arn:aws:iam::000000000000:role/*"),
    ]
    try:
        with user_with(engine, "resources", *statements) as session:
            read = {"service": "lambda", "operation": "get_event_source_mapping"}
            alarms = {"service": "cloudwatch", "operation": "describe_alarms"}
            simulation: Any = {
                "service": "iam",
                "operation": "simulate_principal_policy",
                "ActionNames": ["s3:GetObject"],
            }
            return [
                _is_denied(engine, session, **read, UUID=mine),
                _is_denied(engine, session, **read, UUID=other),
                _is_denied(engine, session, "lambda", "update_event_source_mapping", UUID=mine, Enabled=False),
                _is_denied(engine, session, "lambda", "get_account_settings"),
                _is_denied(engine, session, "events", "describe_rule", Name="mine"),
                _is_denied(engine, session, "events", "list_targets_by_rule", Rule="mine"),
                _is_denied(engine, session, **alarms, AlarmNames=["mine-1"]),
                _is_denied(engine, session, **alarms, AlarmNames=["other-1"]),
                _is_denied(engine, session, **alarms),
                _is_denied(engine, session, **simulation, PolicySourceArn="arn:aws:iam::000000000000:role/mine"),
                _is_denied(engine, session, **simulation, PolicySourceArn="arn:aws:iam::000000000000:user/mine"),
            ] == [False, True, True, True, False, False, False, True, True, False, True]
    finally:
        client_of(engine, "events").delete_rule(Name="mine")


def user_name_in_resources(engine: Engine) -> bool:
    """Whether a statement can name the user who asks."""
    statement = allow("iam:GetUser", on="arn:aws:iam::000000000000:user/${aws:username}")
    with user_with(engine, "themselves", statement) as session:
        return not _is_denied(engine, session, "iam", "get_user", UserName="themselves") and _is_denied(
            engine, session, "iam", "get_user", UserName="another"
        )


def simulation(engine: Engine) -> bool:
    """Whether a simulation looks at all resources and at the condition keys of the request."""
    first, second = "arn:aws:s3:::first/*", "arn:aws:s3:::second/*"
    bus = _PREFIX % "events" + "event-bus/default"
    own = {"StringEquals": {"events:source": "ours"}}
    with user_with(
        engine, "simulated", allow("s3:GetObject", on=first), allow("events:PutEvents", on=bus, condition=own)
    ):
        source = f"arn:aws:iam::{'0' * 12}:user/simulated"

        def decisions(action: str, resources: list[str], **keys: Any) -> str:
            answer = client_of(engine, "iam").simulate_principal_policy(
                PolicySourceArn=source, ActionNames=[action], ResourceArns=resources, **keys
            )
            (found,) = answer["EvaluationResults"]
            return str(found["EvalDecision"])

        key = {"ContextKeyName": "events:source", "ContextKeyType": "string", "ContextKeyValues": ["ours"]}
        return [
            decisions("s3:GetObject", [first]),
            decisions("s3:GetObject", [first, second]),
            decisions("events:PutEvents", [bus]),
            decisions("events:PutEvents", [bus], ContextEntries=[key]),
        ] == ["allowed", "implicitDeny", "implicitDeny", "allowed"]


def secrets_by_arn(engine: Engine) -> bool:
    """Whether the physical id of a secret in a stack is its ARN, through an update too."""
    formation = client_of(engine, "cloudformation")

    def template(value: str) -> str:
        secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": value}}
        outputs = {"Ref": {"Value": {"Ref": "Key"}}}
        return json.dumps({"Resources": {"Key": secret}, "Outputs": outputs})

    formation.create_stack(StackName="secrets", TemplateBody=template("one"))
    formation.get_waiter("stack_create_complete").wait(StackName="secrets", WaiterConfig={"Delay": 1})
    formation.update_stack(StackName="secrets", TemplateBody=template("two"))
    formation.get_waiter("stack_update_complete").wait(StackName="secrets", WaiterConfig={"Delay": 1})
    (resource,) = formation.describe_stack_resources(StackName="secrets")["StackResources"]
    (output,) = formation.describe_stacks(StackName="secrets")["Stacks"][0]["Outputs"]
    found = client_of(engine, "secretsmanager").get_secret_value(SecretId=resource["PhysicalResourceId"])
    remove_stack(formation, "secrets")
    return bool(
        found["SecretString"] == "two"
        and resource["PhysicalResourceId"] == found["ARN"]
        and output["OutputValue"] == found["ARN"]
    )


def boundaries_of_roles(engine: Engine) -> bool:
    """Whether a role in a template has its permissions boundary, and an update changes and removes it."""
    formation, iam = client_of(engine, "cloudformation"), client_of(engine, "iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow("*", on="*")]})
    one, two = (iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"] for name in ("one", "two"))

    def template(boundary: str | None) -> str:
        properties = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}
        more = {"PermissionsBoundary": boundary} if boundary else {}
        return json.dumps({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {**properties, **more}}}})

    def boundary_now() -> str | None:
        (resource,) = formation.describe_stack_resources(StackName="bounded")["StackResources"]
        role = iam.get_role(RoleName=resource["PhysicalResourceId"])["Role"]
        arn: str | None = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return arn

    capabilities = ["CAPABILITY_IAM"]
    formation.create_stack(StackName="bounded", TemplateBody=template(one), Capabilities=capabilities)
    formation.get_waiter("stack_create_complete").wait(StackName="bounded", WaiterConfig={"Delay": 1})
    found = [boundary_now()]
    for boundary in (two, None):
        formation.update_stack(StackName="bounded", TemplateBody=template(boundary), Capabilities=capabilities)
        formation.get_waiter("stack_update_complete").wait(StackName="bounded", WaiterConfig={"Delay": 1})
        found.append(boundary_now())
    remove_stack(formation, "bounded")
    return found == [one, two, None]


def secret_without_punctuation(engine: Engine) -> bool:
    """Whether a generated secret has letters and digits alone, where a template asks for it."""
    formation = client_of(engine, "cloudformation")
    generated = {"PasswordLength": 64, "ExcludePunctuation": True}
    secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": generated, "Name": "made"}}
    formation.create_stack(StackName="made", TemplateBody=json.dumps({"Resources": {"Key": secret}}))
    formation.get_waiter("stack_create_complete").wait(StackName="made", WaiterConfig={"Delay": 1})
    found: str = client_of(engine, "secretsmanager").get_secret_value(SecretId="made")["SecretString"]
    formation.delete_stack(StackName="made")
    return len(found) == 64 and found.isalnum()
