"""The roles of the deployed stack: their permissions, and the stack without one of them."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from docs.event_schemas import file_name
from dropreel.domain.job import EventType
from local.cloud import REGION, Engine
from tests.e2e.conftest import Account
from tests.support.sample_events import load_event


def policies(account: Account, role: str) -> dict[str, dict[str, Any]]:
    """Return the role's policies by name: inline ones, and those that are resources of their own in the template."""
    iam, name = account.client("iam"), account.physical(f"{role}Role")
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    return {one: iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"] for one in names}


def statements(account: Account, role: str) -> list[dict[str, Any]]:
    """Return what the role may do."""
    return [statement for policy in policies(account, role).values() for statement in policy["Statement"]]


def actions_of(*statements: dict[str, Any]) -> list[str]:
    """Return every action that statements allow."""
    found: list[str] = []
    for statement in statements:
        action = statement["Action"]
        found += [action] if isinstance(action, str) else action
    return found


@contextmanager
def without(account: Account, role: str, action: str, nth: int) -> Iterator[None]:
    """Remove one permission from the n-th statement that has it, until the block ends."""
    iam, name = account.client("iam"), account.physical(f"{role}Role")
    having = [
        (policy, document, statement)
        for policy, document in policies(account, role).items()
        for statement in document["Statement"]
        if action in actions_of(statement)
    ]
    policy, document, statement = having[nth]
    before = json.dumps(document)
    kept = [one for one in actions_of(statement) if one != action]
    statement["Action"] = kept or "sts:GetCallerIdentity"
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    if action == "secretsmanager:GetSecretValue":  # every other permission is asked for at each use
        restart_processes(account, role)
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=before)


def restart_processes(account: Account, role: str) -> None:
    """End the function's warm processes: they may have cached what they may no longer read."""
    client, name = account.client("lambda"), account.physical(f"{role}Function")
    # AWS starts new processes after any change; the engine only after one of what a process starts with.
    timeout = client.get_function_configuration(FunctionName=name)["Timeout"]
    client.update_function_configuration(
        FunctionName=name, Timeout=timeout, Description=f"restarted at {time.monotonic()}"
    )


def client_of_user(engine: Engine, name: str, service: str, statement: dict[str, Any]) -> Any:
    """Return a service's client of a new user whose policy is this statement."""
    iam = engine.session().client("iam", endpoint_url=engine.endpoint_url)
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session: Any = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    return session.client(service, endpoint_url=engine.endpoint_url)


def publisher(engine: Engine, name: str, statement: dict[str, Any]) -> Any:
    """Return the EventBridge client of a new user whose policy is this statement."""
    return client_of_user(engine, name, "events", statement)


def may_publish(client: Any, *entries: tuple[str, str]) -> bool:
    """Whether a client may put events of these sources and detail types, in one request: those of events/, where there is one."""
    put = [
        {"Source": source, "DetailType": kind, "Detail": json.dumps(event["detail"]), "Resources": event["resources"]}
        for source, kind in entries
        for event in [load_event(file_name(kind if kind in set(EventType) else EventType.FAILED))]
    ]
    try:
        client.put_events(Entries=put)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
            raise
        return False
    return True


@contextmanager
def command_without(account: Account, cloud_file: Path, action: str, file: Path) -> Iterator[Path]:
    """Write a local cloud's file with a user's credentials that permit everything but one action; yield it."""
    iam, name = account.client("iam"), f"without-{action.replace(':', '-')}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": action, "Resource": "*"},
        ],
    }
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="command", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    described = json.loads(cloud_file.read_text(encoding="utf-8"))
    described |= {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
    file.write_text(json.dumps(described), encoding="utf-8")
    try:
        yield file
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="command")
        iam.delete_user(UserName=name)
