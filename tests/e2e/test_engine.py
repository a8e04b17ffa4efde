"""Where the local engine differs from AWS: corrected, it does as AWS does; as shipped, it still does not.

When a test of `raw` fails, the engine no longer needs the correction: delete its function in local/engine_corrections.py.
"""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
import requests
from botocore.exceptions import ClientError

from local.cloud import Engine, running_engine
from local.engine_corrections import CORRECTIONS
from local.engine_stores import read_copies_of_stores
from tests.e2e import (
    engine_alarms,
    engine_log_delivery,
    engine_permissions,
    engine_resource_policies,
    engine_service_roles,
)
from tests.e2e.conftest import Account
from tests.e2e.engine_clients import client_of, versioned_bucket
from tests.e2e.nested_stacks import failed_creation, failed_update, nested_stacks, unchanged_attributes
from tests.e2e.roles import client_of_user, may_publish, publisher
from tests.support.removed_stacks import remove_stack

KEY = "für Anna + 100%.jpg"
IMAGE = bytes(range(256)) * 4
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.fixture(scope="module")
def raw() -> Iterator[Engine]:
    """The engine as shipped, without corrections."""
    with running_engine({"ENGINE_AS_SHIPPED": "1"}) as engine:
        yield engine


@pytest.fixture
def corrected(account: Account) -> Engine:
    return account.cloud.engine


def _part_of_a_version(engine: Engine) -> bool:
    with versioned_bucket(engine, "parts") as s3:
        version = s3.put_object(Bucket="parts", Key=KEY, Body=IMAGE)["VersionId"]
        s3.put_object(Bucket="parts", Key=KEY, Body=b"newer")
        named = {"Bucket": "parts", "Key": KEY, "VersionId": version}
        part = s3.get_object(**named, Range="bytes=10-19")
        end = s3.get_object(**named, Range="bytes=-5")
        try:
            s3.get_object(**named, Range="bytes=2000-")
        except ClientError as error:
            behind: Any = error.response["ResponseMetadata"]["HTTPStatusCode"]
        else:
            behind = None
        return (
            part["ResponseMetadata"]["HTTPStatusCode"] == 206
            and part["ContentRange"] == "bytes 10-19/1024"
            and part["Body"].read() == IMAGE[10:20]
            and end["Body"].read() == IMAGE[-5:]
            and behind == 416
            and s3.get_object(**named)["Body"].read() == IMAGE
        )


def _overrides_of_a_version(engine: Engine) -> bool:
    with versioned_bucket(engine, "overrides") as s3:
        stored = {"ContentType": "binary/octet-stream", "ContentEncoding": "gzip"}
        version = s3.put_object(Bucket="overrides", Key=KEY, Body=IMAGE, **stored)["VersionId"]
        wanted = {"ResponseContentType": "image/jpeg", "ResponseContentEncoding": "identity"}
        named = {"Bucket": "overrides", "Key": KEY, "VersionId": version}
        address = s3.generate_presigned_url("get_object", Params={**named, **wanted})
        with requests.get(address, stream=True, timeout=10) as answer:  # the body is no gzip: do not read it
            headers = answer.headers
        return (headers["Content-Type"], headers["Content-Encoding"]) == ("image/jpeg", "identity")


def _version_ids_in_events(engine: Engine) -> bool:
    with versioned_bucket(engine, "events") as s3, _events_of(engine, "events") as received:
        put = s3.put_object(Bucket="events", Key=KEY, Body=IMAGE)
        copy = s3.copy_object(
            Bucket="events", Key=KEY, CopySource={"Bucket": "events", "Key": KEY},
            MetadataDirective="REPLACE", Metadata={"seen": "yes"},
        )  # fmt: skip
        upload = s3.create_multipart_upload(Bucket="events", Key="large.jpg")["UploadId"]
        named = {"Bucket": "events", "Key": "large.jpg", "UploadId": upload}
        parts = [
            {"PartNumber": number, "ETag": s3.upload_part(**named, PartNumber=number, Body=bytes(5 << 20))["ETag"]}
            for number in (1, 2)
        ]
        large = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
        marker = s3.delete_object(Bucket="events", Key=KEY)

        details = {event["detail"]["reason"]: event["detail"] for event in received(4)}

        for detail in details.values():
            assert {"bucket", "object", "request-id", "requester", "source-ip-address", "version"} <= detail.keys()
            assert int(detail["object"]["sequencer"], 16)
        assert details["PutObject"]["object"]["key"] == KEY
        assert details["PutObject"]["object"]["size"] == len(IMAGE)
        assert details["PutObject"]["object"]["etag"] == put["ETag"].strip('"')
        assert details["CompleteMultipartUpload"]["object"]["etag"].endswith("-2")
        return {reason: detail["object"].get("version-id") for reason, detail in details.items()} == {
            "PutObject": put["VersionId"],
            "CopyObject": copy["VersionId"],
            "CompleteMultipartUpload": large["VersionId"],
            "DeleteObject": marker["VersionId"],
        }


class Receive(Protocol):
    """Receives so many of a bucket's events, or those that came within the time."""

    def __call__(self, number: int, seconds: float = 10) -> list[dict[str, Any]]: ...


@contextmanager
def _events_of(engine: Engine, bucket: str, *more: dict[str, Any]) -> Iterator[Receive]:
    """Send a bucket's events to a queue of its own. `more`: further statements of the queue's policy."""
    sqs, events = client_of(engine, "sqs"), client_of(engine, "events")
    url = sqs.create_queue(QueueName=f"{bucket}-events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    service = {"Service": "events.amazonaws.com"}
    allow = {"Effect": "Allow", "Principal": service, "Action": "sqs:SendMessage"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [{**statement, "Resource": arn} for statement in (allow, *more)],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
    events.put_rule(Name=bucket, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=bucket, Targets=[{"Id": "queue", "Arn": arn}])

    def received(number: int, seconds: float = 10) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        while len(found) < number and time.monotonic() < end:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            time.sleep(0.05)
        return found

    try:
        yield received
    finally:
        events.remove_targets(Rule=bucket, Ids=["queue"])
        events.delete_rule(Name=bucket)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
        sqs.delete_queue(QueueUrl=url)


def _deliveries_under_a_tls_only_policy(engine: Engine) -> bool:
    try:
        with versioned_bucket(engine, "secure") as s3, _events_of(engine, "secure", TLS_ONLY) as received:
            s3.put_object(Bucket="secure", Key=KEY, Body=IMAGE)
            return len(received(1, seconds=2)) == 1
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False


def _numbers_of_text_parameters(engine: Engine) -> bool:
    """Whether the engine's raw answers have numbers where AWS's have; boto3 itself would convert texts to numbers."""
    formation, bodies = client_of(engine, "cloudformation"), []
    functions, events = client_of(engine, "lambda"), client_of(engine, "events")
    for service in (functions, events):
        service.meta.events.register("before-parse", lambda response_dict, **_: bodies.append(response_dict["body"]))
    number = {"Ref": "Number"}
    role = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    retries = {"MaximumRetryAttempts": number, "MaximumEventAgeInSeconds": {"Ref": "Seconds"}}
    queue_arn, role_arn = {"Fn::GetAtt": ["Queue", "Arn"]}, {"Fn::GetAtt": ["Role", "Arn"]}
    resources = {
        "Queue": ("AWS::SQS::Queue", {"DelaySeconds": number}),
        "Role": ("AWS::IAM::Role", {"AssumeRolePolicyDocument": role}),
        "Function": (
            "AWS::Lambda::Function",
            {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Role": role_arn,
                "Code": {"ZipFile": "handler = print"},
            },
        ),
        "Mapping": (
            "AWS::Lambda::EventSourceMapping",
            {
                "FunctionName": {"Ref": "Function"},
                "EventSourceArn": queue_arn,
                "BatchSize": number,
                "ScalingConfig": {"MaximumConcurrency": number},
            },
        ),
        "Asynchronous": (
            "AWS::Lambda::EventInvokeConfig",
            {"FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST", **retries},
        ),
        "Rule": (
            "AWS::Events::Rule",
            {
                "ScheduleExpression": "rate(1 day)",
                "Targets": [{"Id": "queue", "Arn": queue_arn, "RetryPolicy": retries}],
            },
        ),
    }
    template = {
        "Parameters": {"Number": {"Type": "Number"}, "Seconds": {"Type": "Number"}},
        "Resources": {name: {"Type": kind, "Properties": one} for name, (kind, one) in resources.items()},
    }
    formation.create_stack(
        StackName="numbers",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in (("Number", "2"), ("Seconds", "60"))
        ],
    )
    formation.get_waiter("stack_create_complete").wait(
        StackName="numbers", WaiterConfig={"Delay": 0.2, "MaxAttempts": 50}
    )
    listed = formation.describe_stack_resources(StackName="numbers")["StackResources"]
    ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}
    try:
        functions.get_event_source_mapping(UUID=ids["Mapping"])
        functions.list_function_event_invoke_configs(FunctionName=ids["Function"])
        events.list_targets_by_rule(Rule=ids["Rule"])
    finally:
        formation.delete_stack(StackName="numbers")
    mapping, asynchronous, rule = map(json.loads, bodies)
    found = [
        mapping["BatchSize"],
        mapping["ScalingConfig"]["MaximumConcurrency"],
        *(asynchronous["FunctionEventInvokeConfigs"][0][name] for name in retries),
        *(rule["Targets"][0]["RetryPolicy"][name] for name in retries),
    ]
    assert list(map(int, found)) == [2, 2, 2, 60, 2, 60]
    return all(isinstance(one, int) for one in found)


def _zip(name: str, text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, text)
    return file.getvalue()


WHERE_THE_LAYER_IS = """
import os, time, layered
def handler(event, context):
    time.sleep(0.5)
    return [os.getpid(), os.path.realpath(layered.__file__)]
"""


def _one_copy_of_a_layer(engine: Engine) -> bool:
    """Whether two processes of a function read the same files of its layer."""
    functions, roles = client_of(engine, "lambda"), client_of(engine, "iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = roles.create_role(RoleName="layered", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    layer = functions.publish_layer_version(
        LayerName="layered", Content={"ZipFile": _zip("python/layered.py", "VALUE = 1\n")}
    )["LayerVersionArn"]
    functions.create_function(
        FunctionName="layered", Runtime="python3.13", Handler="index.handler", Role=role, Layers=[layer], Timeout=20,
        Code={"ZipFile": _zip("index.py", WHERE_THE_LAYER_IS)},
    )  # fmt: skip
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: functions.invoke(FunctionName="layered"), range(2)))
        (one, first), (other, second) = (json.loads(answer["Payload"].read()) for answer in answers)
    finally:
        functions.delete_function(FunctionName="layered")
        functions.delete_layer_version(LayerName="layered", VersionNumber=1)
        roles.delete_role(RoleName="layered")
    assert one != other
    return bool(first == second)


def _conditions_of_put_events(engine: Engine) -> bool:
    """Whether a policy can limit PutEvents to some sources and detail types."""
    ours = {"events:source": "ours", "events:detail-type": "Ours"}
    statement = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*", "Condition": {"StringEquals": ours}}
    client = publisher(engine, "publisher", statement)
    return may_publish(client, ("ours", "Ours")) and not may_publish(client, ("ours", "Others"))


def _batches_of_sqs_by_their_single_action(engine: Engine) -> bool:
    """Whether `sqs:SendMessage` permits a batch of messages, and only that."""
    own = client_of(engine, "sqs")
    url = own.create_queue(QueueName="batches")["QueueUrl"]
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    sender = client_of_user(engine, "sender", "sqs", statement)
    try:
        sender.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "ours"}])
    except ClientError:
        return False
    (received,) = own.receive_message(QueueUrl=url)["Messages"]
    with pytest.raises(ClientError):
        sender.delete_message_batch(QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": received["ReceiptHandle"]}])
    return True


def _saved_queries(engine: Engine) -> bool:
    """Whether a stack with a saved query is created and deleted."""
    client = client_of(engine, "cloudformation")
    query = {"Type": "AWS::Logs::QueryDefinition", "Properties": {"Name": "mine", "QueryString": "fields @message"}}
    try:
        client.create_stack(StackName="queries", TemplateBody=json.dumps({"Resources": {"Query": query}}))
    except ClientError:
        return False
    client.get_waiter("stack_create_complete").wait(StackName="queries", WaiterConfig={"Delay": 1})
    remove_stack(client, "queries")
    return True


def _services_of_a_region(engine: Engine) -> bool:
    """Whether Systems Manager lists Lambda among the services of a region."""
    path = "/aws/service/global-infrastructure/regions/eu-central-1/services"
    listed = client_of(engine, "ssm").get_parameters_by_path(Path=path)["Parameters"]
    return "lambda" in [one["Value"] for one in listed]


# Each difference, with its correction and a check that is true on AWS.
DIFFERENCES: dict[str, tuple[str, Callable[[Engine], bool]]] = {
    "a part of a version": ("apply_range_and_overrides_to_versions", _part_of_a_version),
    "overrides of a version": ("apply_range_and_overrides_to_versions", _overrides_of_a_version),
    "version ids in events": ("add_version_ids_to_s3_events", _version_ids_in_events),
    "numbers of text parameters": ("convert_numbers_from_text", _numbers_of_text_parameters),
    "TLS-only policies": ("treat_loopback_as_tls", _deliveries_under_a_tls_only_policy),
    "one copy of a layer": ("unpack_each_layer_once", _one_copy_of_a_layer),
    "conditions of PutEvents": ("add_condition_keys_of_put_events", _conditions_of_put_events),
    "alarms of other dimensions": ("match_alarms_by_dimensions", engine_alarms.of_dimensions),
    "alarms on metric math": ("evaluate_metric_math", engine_alarms.on_metric_math),
    "resources of requests": ("authorize_by_resource", engine_permissions.resources_of_requests),
    "the user's name in resources": ("replace_user_name_in_resources", engine_permissions.user_name_in_resources),
    "simulated permissions": ("simulate_with_resources_and_context", engine_permissions.simulation),
    "secrets by ARN": ("reference_secrets_by_arn", engine_permissions.secrets_by_arn),
    "generated secrets": ("exclude_punctuation_of_secrets", engine_permissions.secret_without_punctuation),
    "nested stacks not created": ("fail_nested_stacks_with_their_parent", failed_creation),
    "nested stacks not updated": ("fail_nested_stacks_with_their_parent", failed_update),
    "attributes in nested stacks": ("keep_attributes_in_nested_stacks", unchanged_attributes),
    "boundaries of roles": ("keep_permissions_boundaries", engine_permissions.boundaries_of_roles),
    "saved queries of logs": ("accept_query_definitions", _saved_queries),
    "services of regions": ("list_services_of_regions", _services_of_a_region),
    "permissions of SQS's batches": ("permit_batches_of_sqs", _batches_of_sqs_by_their_single_action),
    "a role's logs": ("ask_roles_for_what_lambda_does", engine_service_roles.logs_of_a_role),
    "a role's messages": ("ask_roles_for_what_lambda_does", engine_service_roles.messages_of_a_role),
    "a role's failures": ("ask_roles_for_what_lambda_does", engine_service_roles.failed_invocations_of_a_role),
    "a state machine's role": (
        "ask_roles_for_what_state_machines_do",
        engine_service_roles.invocations_of_a_state_machine,
    ),
    "policies of queues": ("ask_targets_for_what_rules_send", engine_resource_policies.of_queues),
    "policies of topics": ("ask_targets_for_what_rules_send", engine_resource_policies.of_topics),
    "policies of functions": ("ask_targets_for_what_rules_send", engine_resource_policies.of_functions),
    "topics of alarms": ("ask_topics_for_what_alarms_publish", engine_resource_policies.of_topics_of_alarms),
    "refused logs": ("deliver_logs_of_state_machines", engine_log_delivery.refusal_of_logging),
    "refused stacks": ("deliver_logs_of_state_machines", engine_log_delivery.refused_stacks),
    "a state machine's log": ("deliver_logs_of_state_machines", engine_log_delivery.logs_of_a_state_machine),
    "events of a function": ("name_events_of_lambda_tasks", engine_log_delivery.events_of_a_function),
    "traces": ("trace_in_the_names_of_roles", engine_log_delivery.tracing),
    "missing keys": ("deny_missing_keys_to_who_may_not_list", engine_service_roles.missing_keys),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_corrected_engine_does_as_aws_does(corrected: Engine, name: str) -> None:
    assert DIFFERENCES[name][1](corrected)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_engine_still_needs_its_correction(raw: Engine, name: str) -> None:
    correction, as_aws = DIFFERENCES[name]

    assert not as_aws(raw), f"the engine does it now: delete {correction} and this row"


def test_every_correction_has_its_test() -> None:
    tested = {correction for correction, _ in DIFFERENCES.values()} | {read_copies_of_stores.__name__}
    assert tested == {one.__name__ for one in CORRECTIONS}


def test_the_uncorrected_engine_refuses_reads_as_aws_does(raw: Engine) -> None:
    """The product relies on these answers, and they need no correction: an update of the engine could change them."""
    with versioned_bucket(raw, "as-is") as s3:
        version = s3.put_object(Bucket="as-is", Key=KEY, Body=IMAGE)["VersionId"]
        s3.put_object(Bucket="as-is", Key="cold.jpg", Body=IMAGE, StorageClass="DEEP_ARCHIVE")
        for named, code in (
            ({"Key": KEY, "IfMatch": '"other"'}, ("PreconditionFailed", 412)),
            ({"Key": KEY, "VersionId": version, "IfMatch": '"other"'}, ("PreconditionFailed", 412)),
            ({"Key": KEY, "VersionId": "0" * 32}, ("NoSuchVersion", 404)),
            ({"Key": "cold.jpg"}, ("InvalidObjectState", 403)),
        ):
            with pytest.raises(ClientError) as refused:
                s3.get_object(Bucket="as-is", **named)
            answer = refused.value.response
            assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == code
        assert s3.head_object(Bucket="as-is", Key="cold.jpg")["StorageClass"] == "DEEP_ARCHIVE"


@pytest.mark.parametrize("way", ["PutObject", "CompleteMultipartUpload"])
def test_a_write_whose_condition_does_not_hold_is_refused(raw: Engine, way: str) -> None:
    """Overlapping deliveries rely on it."""
    with versioned_bucket(raw, "conditions") as s3:

        def write(key: str, **condition: str) -> str:
            named = {"Bucket": "conditions", "Key": key}
            if way == "PutObject":
                return str(s3.put_object(**named, Body=IMAGE, **condition)["VersionId"])
            named["UploadId"] = s3.create_multipart_upload(**named)["UploadId"]
            part = {"PartNumber": 1, "ETag": s3.upload_part(**named, PartNumber=1, Body=IMAGE)["ETag"]}
            return str(
                s3.complete_multipart_upload(**named, MultipartUpload={"Parts": [part]}, **condition)["VersionId"]
            )

        first = write("a.mp4", IfNoneMatch="*")
        etag = s3.head_object(Bucket="conditions", Key="a.mp4")["ETag"]
        for key, condition, answer in (
            ("a.mp4", {"IfNoneMatch": "*"}, ("PreconditionFailed", 412)),
            ("a.mp4", {"IfMatch": '"other"'}, ("PreconditionFailed", 412)),
            ("b.mp4", {"IfMatch": etag}, ("NoSuchKey", 404)),
        ):
            with pytest.raises(ClientError) as refused:
                write(key, **condition)
            response = refused.value.response
            assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == answer
        assert s3.head_object(Bucket="conditions", Key="a.mp4")["VersionId"] == first
        second = write("a.mp4", IfMatch=etag)
        assert s3.head_object(Bucket="conditions", Key="a.mp4")["VersionId"] == second != first


def test_the_uncorrected_engine_deploys_changes_and_deletes_a_nested_stack(raw: Engine) -> None:
    """template.yaml has one, and it needs no correction where nothing fails."""

    def template(delay: int) -> dict[str, Any]:
        return {
            "Parameters": {"Word": {"Type": "String"}},
            "Resources": {"Good": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": delay}}},
            "Outputs": {"Name": {"Value": {"Fn::Sub": "${Good.QueueName} ${Word}"}}},
        }

    with nested_stacks(raw, "as-shipped") as stacks:
        stacks.formation.create_stack(**stacks.request(template(1), Word="first"))
        created = {one["OutputKey"]: one["OutputValue"] for one in stacks.ended()["Outputs"]}
        stacks.formation.update_stack(**stacks.request(template(2), Word="second"))
        updated = {one["OutputKey"]: one["OutputValue"] for one in stacks.ended()["Outputs"]}
        (queue,) = stacks.queues()
        (nested,) = stacks.formation.describe_stacks(StackName=created["Id"])["Stacks"]
        delay = client_of(raw, "sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["DelaySeconds"])[
            "Attributes"
        ]
    stacks.formation.get_waiter("stack_delete_complete").wait(StackName=stacks.parent, WaiterConfig={"Delay": 1})

    assert nested["StackName"].startswith(f"{stacks.parent}-Nested-")
    assert (created["Name"], updated["Name"]) == tuple(
        f"{queue.rpartition('/')[2]} {one}" for one in ("first", "second")
    )
    assert created["Id"] == updated["Id"] == nested["StackId"]
    assert delay == {"DelaySeconds": "2"}
    assert stacks.queues() == []


def test_a_messages_own_delay_of_0_overrides_the_queues(raw: Engine) -> None:
    sqs = client_of(raw, "sqs")
    url = sqs.create_queue(QueueName="delays", Attributes={"DelaySeconds": "1"})["QueueUrl"]

    sqs.send_message(QueueUrl=url, MessageBody="ours", DelaySeconds=0)
    sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "ours", "MessageBody": "ours, too", "DelaySeconds": 0},
            {"Id": "upload", "MessageBody": "an upload"},
        ],
    )

    def received() -> set[str]:
        return {one["Body"] for one in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])}

    assert received() == {"ours", "ours, too"}
    time.sleep(1.1)
    assert received() == {"an upload"}
