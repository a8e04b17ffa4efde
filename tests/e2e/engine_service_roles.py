"""How AWS's services ask the role in whose name they act: checks for tests/e2e/test_engine.py, each true on AWS."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local.cloud import REGION, Engine
from tests.e2e.engine_clients import client_of, versioned_bucket
from tests.e2e.engine_permissions import allow

_STILL_SECONDS = 1.5


@contextmanager
def role_with(engine: Engine, name: str, service: str, *statements: dict[str, Any]) -> Iterator[str]:
    """A role with these statements, for a service and for this account; deleted at the end."""
    iam = client_of(engine, "iam")
    principal = {"Service": f"{service}.amazonaws.com", "AWS": "arn:aws:iam::000000000000:root"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
    try:
        yield str(arn)
    finally:
        if statements:
            iam.delete_role_policy(RoleName=name, PolicyName="own")
        iam.delete_role(RoleName=name)


@contextmanager
def function_with(engine: Engine, name: str, *statements: dict[str, Any], fails: bool = False) -> Iterator[str]:
    """A function whose role has these statements; it returns nothing, or fails."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", f"def handler(event, context):\n    {'1 / 0' if fails else 'pass'}\n")
    functions = client_of(engine, "lambda")
    with role_with(engine, name, "lambda", *statements) as role:
        arn = functions.create_function(
            FunctionName=name, Runtime="python3.13", Handler="index.handler", Role=role, Timeout=20,
            Code={"ZipFile": file.getvalue()},
        )["FunctionArn"]  # fmt: skip
        try:
            yield str(arn)
        finally:
            functions.delete_function(FunctionName=name)


def logs_of_a_role(engine: Engine) -> bool:
    """Whether a function writes logs only where its role may."""
    logs = client_of(engine, "logs")
    groups = []
    for name, may in (("silent", []), ("logging", [allow("logs:CreateLogStream", "logs:PutLogEvents", on="*")])):
        with function_with(engine, name, *may):
            client_of(engine, "lambda").invoke(FunctionName=name)
            groups.append(bool(logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]))
    assert groups[1]
    return not groups[0]


@contextmanager
def queue_named(engine: Engine, name: str) -> Iterator[tuple[str, str]]:
    sqs = client_of(engine, "sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    try:
        yield url, arn
    finally:
        sqs.delete_queue(QueueUrl=url)


def messages_in(engine: Engine, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = client_of(engine, "sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def messages_of_a_role(engine: Engine) -> bool:
    """Whether an event source mapping needs all its permissions to receive messages."""
    functions = client_of(engine, "lambda")
    left = []
    for name, actions in (("lacking", ("Receive", "Delete")), ("polling", ("Receive", "Delete", "attributes"))):
        names = {"Receive": "sqs:ReceiveMessage", "Delete": "sqs:DeleteMessage", "attributes": "sqs:GetQueueAttributes"}
        may = allow(*(names[one] for one in actions), on="*")
        with queue_named(engine, name) as (url, arn), function_with(engine, name, may):
            mapping = functions.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)["UUID"]
            client_of(engine, "sqs").send_message(QueueUrl=url, MessageBody="ours")
            end = time.monotonic() + (_STILL_SECONDS if name == "lacking" else 20)
            while messages_in(engine, url) and time.monotonic() < end:
                time.sleep(0.1)
            left.append(messages_in(engine, url))
            functions.delete_event_source_mapping(UUID=mapping)
    assert left[1] == 0
    return left[0] == 1


def failed_invocations_of_a_role(engine: Engine) -> bool:
    """Whether Lambda sends a failed invocation to its destination only where the role may."""
    functions = client_of(engine, "lambda")
    kept = []
    for name, may in (("losing", []), ("keeping", [allow("sqs:SendMessage", on="*")])):
        with queue_named(engine, name) as (url, arn), function_with(engine, name, *may, fails=True):
            functions.put_function_event_invoke_config(
                FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
            )
            functions.invoke(FunctionName=name, InvocationType="Event")
            end = time.monotonic() + (_STILL_SECONDS if name == "losing" else 20)
            while not messages_in(engine, url) and time.monotonic() < end:
                time.sleep(0.1)
            kept.append(messages_in(engine, url))
    assert kept[1] == 1
    return kept[0] == 0


def invocations_of_a_state_machine(engine: Engine) -> bool:
    """Whether a state machine can invoke only what its role may."""
    machines = client_of(engine, "stepfunctions")
    ends = []
    for name, actions in (("barred", ["sts:GetCallerIdentity"]), ("permitted", ["lambda:InvokeFunction"])):
        with (
            function_with(engine, name) as function,
            role_with(engine, f"{name}-states", "states", allow(*actions, on="*")) as role,
        ):
            task = {"Type": "Task", "Resource": function, "End": True}
            definition = json.dumps({"StartAt": "Invoke", "States": {"Invoke": task}})
            machine = machines.create_state_machine(name=name, definition=definition, roleArn=role)["stateMachineArn"]
            execution = machines.start_execution(stateMachineArn=machine)["executionArn"]
            while (found := machines.describe_execution(executionArn=execution))["status"] == "RUNNING":
                time.sleep(0.1)
            ends.append((found["status"], found.get("error")))
            machines.delete_state_machine(stateMachineArn=machine)
    assert ends[1] == ("SUCCEEDED", None)
    return ends[0] == ("FAILED", "Lambda.AWSLambdaException")


def missing_keys(engine: Engine) -> bool:
    """Whether a missing key is 404 to who may list the bucket, and 403 to who may not."""
    codes = []
    with versioned_bucket(engine, "hiding"):
        for name, actions in (("reader", ["s3:GetObject"]), ("lister", ["s3:GetObject", "s3:ListBucket"])):
            with role_with(engine, name, "lambda", allow(*actions, on="*")) as role:
                given = client_of(engine, "sts").assume_role(RoleArn=role, RoleSessionName="ours")["Credentials"]
                session: Any = boto3.Session(
                    given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=REGION
                )
                s3 = session.client("s3", endpoint_url=engine.endpoint_url)
                for read in (s3.get_object, s3.head_object):
                    try:
                        read(Bucket="hiding", Key="missing.jpg")
                    except ClientError as error:
                        codes.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return codes == [403, 403, 404, 404]
