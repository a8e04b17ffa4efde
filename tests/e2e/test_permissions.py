"""Each permission of each role is needed and none is broader than needed: without one of them, its step fails.

The roles of the deployed stack are changed in place and restored.
"""

import base64
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import requests

from dropreel.adapters.items import attribute_value
from dropreel.adapters.job_table import JOB_ROW, key_of
from dropreel.domain.events import detail_of
from dropreel.domain.executions import EXECUTION_ENDED
from dropreel.domain.job import EventType
from local.cloud import API_KEY
from tests.e2e.conftest import EXISTING_BUCKET, SAMPLE, Account
from tests.e2e.roles import actions_of, restart_processes, statements, without
from tests.support.pictures import jpeg
from tests.support.sample_events import from_queue, load_event, object_created
from tests.support.sample_jobs import IMAGE, job_with

ROLES = {
    "SubmitGeneration": {
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "secretsmanager:GetSecretValue",
        "sqs:SendMessage",
        "states:StartExecution",
    },
    "PrepareImage": {
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:PutObject",
        "sqs:SendMessage",
    },
    "CheckStatus": {"dynamodb:GetItem", "dynamodb:UpdateItem", "secretsmanager:GetSecretValue"},
    "DeliverVideo": {
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "secretsmanager:GetSecretValue",
    },
    "ReportFailure": {
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "sqs:SendMessage",
        "states:DescribeExecution",
    },
    "SweepJobs": {
        "dynamodb:GetItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "sqs:ReceiveMessage",
        "sqs:SendMessage",
        "states:DescribeExecution",
        "states:StartExecution",
    },
    "SendMail": {"sns:Publish"},
    "SendWebhook": {"secretsmanager:GetSecretValue", "sqs:ChangeMessageVisibility"},
}
LOG_DELIVERY = {
    *(f"logs:{verb}LogDelivery" for verb in ("Create", "Get", "Update", "Delete")),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
}
ON_ANOTHER = {
    "SubmitGeneration": [
        ("dynamodb:UpdateItem", 1),
        ("s3:GetObject", 1),
        ("s3:GetObjectVersion", 1),
        ("s3:ListBucket", 1),
        ("s3:ListBucket", 2),
        ("sqs:SendMessage", 1),
    ],
    "PrepareImage": [("s3:ListBucket", 1)],
    "SweepJobs": [("dynamodb:GetItem", 1), ("sqs:SendMessage", 1)],
}
"""What a role may do on further resources as well: the other table, the other buckets, the prepare queue."""
# What a service does in the role's name; test_service_permissions.py and test_delivery_permissions.py take these away.
LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
MESSAGES = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
TRACES = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
SAMPLING = ["xray:GetSamplingRules", "xray:GetSamplingTargets"]
OF_SERVICES = {
    "SubmitGeneration": [*LOGS, *TRACES, *MESSAGES],
    "PrepareImage": [*LOGS, *TRACES, *MESSAGES],
    "CheckStatus": [*LOGS, *TRACES],
    "DeliverVideo": [*LOGS, *TRACES],
    "ReportFailure": [*LOGS, *TRACES, "sqs:SendMessage"],
    "SweepJobs": [*LOGS, *TRACES, "sqs:SendMessage"],
    "SendMail": [*LOGS, *TRACES, *MESSAGES],
    "SendWebhook": [*LOGS, *TRACES, *MESSAGES],
    "GenerateVideo": ["lambda:InvokeFunction", *LOG_DELIVERY, *TRACES, *SAMPLING],
}
WITHOUT_RESOURCES = {*LOG_DELIVERY, *TRACES, *SAMPLING}
"""Actions that AWS allows on `*` alone."""


@pytest.mark.parametrize("role", [*ROLES, "GenerateVideo"])
def test_a_role_has_exactly_these_permissions_and_no_wildcard(account: Account, role: str) -> None:
    found = statements(account, role)

    expected = [*ROLES.get(role, set()), *(action for action, _ in ON_ANOTHER.get(role, [])), *OF_SERVICES[role]]
    assert sorted(actions_of(*found)) == sorted(expected)
    resources = [statement["Resource"] for statement in found if not set(actions_of(statement)) <= WITHOUT_RESOURCES]
    assert "*" not in resources
    assert all(statement["Effect"] == "Allow" for statement in found)


def _invoke(account: Account, role: str, event: dict[str, Any]) -> str:
    """Invoke a function; return its error, or an empty text."""
    answer = account.client("lambda").invoke(
        FunctionName=account.physical(f"{role}Function"), Payload=json.dumps(event).encode()
    )
    payload: str = answer["Payload"].read().decode()
    return payload if "FunctionError" in answer else ""


def _request_event(account: Account, key: str, put: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Return a request for this version of the image: a job of its own, beside that of the upload."""
    event = {**load_event("video_generation_requested"), "id": request_id}
    event["detail"] = {
        "image": {"bucket": account.uploads, "key": key, "version_id": put["VersionId"]},
        "request_id": request_id,
    }
    return from_queue(event)


def _submit(account: Account) -> Iterator[str]:
    """Submit by hand, each as a new job: an image with a version, one without, a copy, a deferred one and a missing one."""
    key = account.new_key()
    put = account.put(key)
    yield _invoke(account, "SubmitGeneration", _request_event(account, key, put, f"{key}-now"))
    unversioned = object_created(account.uploads, key, SAMPLE.stat().st_size, put["ETag"], None, f"seq-{key}")
    yield _invoke(account, "SubmitGeneration", from_queue(unversioned))
    copied = object_created(account.uploads, key, SAMPLE.stat().st_size, put["ETag"], None, f"copy-{key}")
    copied["detail"]["reason"] = "CopyObject"
    yield _invoke(account, "SubmitGeneration", from_queue(copied))
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 429}}])
    wrong = _invoke(account, "SubmitGeneration", _request_event(account, key, put, f"{key}-later"))
    account.simulator.clear_faults()
    yield wrong
    gone = object_created(account.uploads, account.new_key("gone.jpg"), 1, "etag", None, "seq")
    yield _invoke(account, "SubmitGeneration", from_queue(gone))
    account.client("s3").create_bucket(Bucket=EXISTING_BUCKET)
    gone = object_created(EXISTING_BUCKET, account.new_key("gone.jpg"), 1, "etag", None, "seq")
    yield _invoke(account, "SubmitGeneration", from_queue(gone))
    yield from _submit_prepared(account)


def _submit_prepared(account: Account) -> Iterator[str]:
    """Submit an image that must be prepared, a prepared one, and one whose prepared copy is gone."""
    key = account.new_key()
    put = account.client("s3").put_object(Bucket=account.uploads, Key=key, Body=jpeg(6))
    yield _invoke(account, "SubmitGeneration", _request_event(account, key, put, f"{key}-turned"))
    copy = f"{next(_numbers):024x}.jpg"
    prepared = {"bucket": account.stack.outputs["PreparedBucketName"], "key": copy, "reasons": ["orientation"]}
    account.client("s3").put_object(Bucket=prepared["bucket"], Key=copy, Body=jpeg())
    described = {"format": "JPEG", "size": len(jpeg()), "width": 60, "height": 40, "sha256": sha256(jpeg()).hexdigest()}
    image = _image_of(account, key, put, prepared={**prepared, **described})
    job_id = _put_waiting_job(account, "deferred", image)
    yield _invoke(account, "SubmitGeneration", from_queue({"job_id": job_id, "attempt": 1, "requeues": 2}))
    table = account.stack.outputs["JobsTableName"]
    job = account.client("dynamodb").get_item(TableName=table, Key=key_of(job_id, JOB_ROW))["Item"]
    yield job["reason"]["M"]["message"]["S"] if "reason" in job else ""
    gone = {**prepared, **described, "key": f"{next(_numbers):024x}.jpg"}
    job_id = _put_waiting_job(account, "deferred", _image_of(account, key, put, prepared=gone))
    yield _invoke(account, "SubmitGeneration", from_queue({"job_id": job_id, "attempt": 1, "requeues": 2}))


def _image_of(account: Account, key: str, put: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an uploaded image as a job has it."""
    etag = put["ETag"].strip('"')
    return {"bucket": account.uploads, "key": key, "version_id": put["VersionId"], "etag": etag, **more}


def _put_waiting_job(account: Account, status: str, image: dict[str, Any]) -> str:
    """Put a job that was never claimed into the table, with the number 2 for its message."""
    waiting = {name: {"S": status} for name in ("status", "waiting")}
    none = {name: {"NULL": True} for name in ("generation_id", "reserved_day", "lease_until", "video", "submitted_at")}
    charge = {"charge": {"S": "none"}, "requeues": {"N": "2"}}
    return _put_job(account, datetime.now(UTC), **waiting, **none, **charge, image=attribute_value(image))


def _prepare(account: Account) -> Iterator[str]:
    """Prepare an image with a version, one that cannot be decoded, one without a version, and two that are gone."""
    key = account.new_key()
    account.client("s3").create_bucket(Bucket=EXISTING_BUCKET)
    put = account.client("s3").put_object(Bucket=account.uploads, Key=key, Body=jpeg(6))
    cut = account.client("s3").put_object(Bucket=account.uploads, Key=key, Body=jpeg(6)[:-100])
    whole = account.client("s3").put_object(Bucket=account.uploads, Key=key, Body=jpeg(8))
    for image in (
        _image_of(account, key, put),
        _image_of(account, key, cut),
        _image_of(account, key, whole) | {"version_id": None},
        _image_of(account, account.new_key("gone.jpg"), whole) | {"version_id": None},
        _image_of(account, account.new_key("gone.jpg"), whole) | {"version_id": None, "bucket": EXISTING_BUCKET},
    ):
        job_id = _put_waiting_job(account, "preparing", image)
        yield _invoke(account, "PrepareImage", from_queue({"job_id": job_id, "attempt": 1, "requeues": 2}))


def _an_item(account: Account) -> dict[str, Any]:
    """Return a whole item of the job table, as a pattern for others."""
    if not _ITEM:
        key = account.new_key()
        account.put(key)
        job = account.ended(key)
        table = account.stack.outputs["JobsTableName"]
        _ITEM.update(account.client("dynamodb").get_item(TableName=table, Key=key_of(job.job_id, JOB_ROW))["Item"])
    return dict(_ITEM)


_ITEM: dict[str, Any] = {}


def _put_job(account: Account, at: datetime, **changes: dict[str, Any]) -> str:
    """Put a job without an execution or a message into the table; return its id."""
    job_id = f"{next(_numbers):024x}"
    times = {name: {"S": at.isoformat()} for name in ("created_at", "updated_at")}
    item = {**_an_item(account), **changes, **times, "job_id": {"S": job_id}}
    account.client("dynamodb").put_item(TableName=account.stack.outputs["JobsTableName"], Item=item)
    return job_id


_numbers = itertools.count(1)


def _generating(account: Account, *, finished: bool = False) -> dict[str, Any]:
    """Put a job with a paid generation and no execution into the table, so that the steps can be invoked by hand."""
    image = account.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": account.uploads, "Key": _an_item(account)["image"]["M"]["key"]["S"]}
    )
    account.simulator.set_faults([] if finished else [{"on": "submit", "do": {"kind": "stuck"}}])
    generation_id = _provider(account, "POST", "generate", {"prompt": "zoom in", "image_url": image})["id"]
    end = time.monotonic() + 60
    while finished and _provider(account, "GET", f"generations/{generation_id}")["status"] != "completed":
        assert time.monotonic() < end, f"the simulator did not finish {generation_id}"
        time.sleep(0.1)
    status = {name: {"S": "generating"} for name in ("status", "waiting")}
    job_id = _put_job(account, datetime.now(UTC), **status, generation_id={"S": generation_id}, video={"NULL": True})
    return {"job_id": job_id, "attempt": 1, "generation_id": generation_id, "pace": {"execution": f"{job_id}-1"}}


def _provider(account: Account, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    url = f"{account.simulator.base_url}/v1/videos/{path}"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    answer = requests.request(method, url, json=body, headers=headers, timeout=10)
    assert answer.ok, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _check(account: Account) -> Iterator[str]:
    yield _invoke(account, "CheckStatus", _generating(account))


def _deliver(account: Account) -> Iterator[str]:
    """Deliver one whole video, and one in parts that ends inside its last box and must leave no parts."""
    yield _invoke(account, "DeliverVideo", _generating(account, finished=True))
    state = _generating(account, finished=True)
    mine = {"generation_id": state["generation_id"]}  # other tests' downloads may be in progress
    cut = {"kind": "extend", "bytes": 20_000_000, "fill": "\x01\0\0\0free"}  # boxes of 16 MiB, so it is seen at its end
    account.simulator.set_faults([{"on": "download", "when": mine, "do": cut}])
    assert "is cut short or damaged" in _invoke(account, "DeliverVideo", state)
    account.simulator.clear_faults()
    left = account.client("s3").list_multipart_uploads(Bucket=account.videos).get("Uploads", [])
    for upload in left:
        account.client("s3").abort_multipart_upload(
            Bucket=account.videos, Key=upload["Key"], UploadId=upload["UploadId"]
        )
    yield f"parts were left behind: {left}" if left else ""


def _report(account: Account) -> Iterator[str]:
    """Report a final failure, one with an attempt left, and an execution that was aborted."""
    for code in ("timed_out", "generation_failed"):
        reason = {"code": code, "message": "x"}
        state = {**_generating(account), "check": {"outcome": "failed", "reason": reason}}
        yield _invoke(account, "ReportFailure", state)
    name = _generating(account)["pace"]["execution"]
    arn = account.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{name}"
    ended = {"name": name, "executionArn": arn, "status": "ABORTED"}
    yield _invoke(account, "ReportFailure", {"detail-type": EXECUTION_ENDED, "detail": ended})


def _sweep(account: Account) -> Iterator[str]:
    """Sweep one job of each kind, last updated an hour ago, and one that was to be prepared three hours ago."""
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    left: list[dict[str, dict[str, Any]]] = [
        {
            "status": {"S": "completed"},
            "waiting": {"S": "publishing"},
            "pending_events": {"SS": ["Video Generation Completed"]},
        },
        {"status": {"S": "generating"}, "waiting": {"S": "generating"}},
        {"status": {"S": "held"}, "waiting": {"S": "held"}},
    ]
    ids = [_put_job(account, an_hour_ago, **changes) for changes in left]
    key = account.new_key()
    turned = account.client("s3").put_object(Bucket=account.uploads, Key=key, Body=jpeg(6))
    preparing: dict[str, dict[str, Any]] = {name: {"S": "preparing"} for name in ("status", "waiting")}
    preparing["image"] = attribute_value(_image_of(account, key, turned))  # its message may be handled at once
    ids.append(_put_job(account, datetime.now(UTC) - timedelta(hours=3), **preparing))
    try:
        answer = account.client("lambda").invoke(FunctionName=account.physical("SweepJobsFunction"), Payload=b"{}")
        payload: str = answer["Payload"].read().decode()
    finally:
        for job_id in ids:
            account.client("dynamodb").delete_item(
                TableName=account.stack.outputs["JobsTableName"], Key=key_of(job_id, JOB_ROW)
            )
    if "FunctionError" in answer or "not_swept" in payload:
        yield f"AccessDenied in the sweeper's answer: {payload}"
        return
    swept = json.loads(payload)
    swept.pop("dead_letters", None)  # other tests' messages
    assert swept == {"published": 1, "started": 1, "released": 1, "requeued": 1}


def _notify(account: Account, role: str, key: str) -> str:
    """Invoke Send Mail or Send Webhook with an event about an image; return what it logged if its message came back."""
    detail = detail_of(job_with(image=IMAGE._replace(key=key)), EventType.UNKNOWN, account.stack.name)
    event = from_queue({"detail-type": EventType.UNKNOWN.value, "time": "2026-05-04T12:00:00Z", "detail": detail})
    answer = account.client("lambda").invoke(
        FunctionName=account.physical(f"{role}Function"), Payload=json.dumps(event).encode(), LogType="Tail"
    )
    payload = answer["Payload"].read().decode()
    ended = "FunctionError" not in answer and json.loads(payload) == {"batchItemFailures": []}
    return "" if ended else base64.b64decode(answer["LogResult"]).decode() + payload


def _send_mail(account: Account) -> Iterator[str]:
    yield _notify(account, "SendMail", account.new_key())


def _send_webhook(account: Account) -> Iterator[str]:
    """Send one webhook that is taken and one that is not, whose message is none that the queue has."""
    taken = _notify(account, "SendWebhook", account.new_key())
    yield taken and _logged(account, "SendWebhook", "AccessDenied", taken)  # it is logged, and the message hidden
    key = account.new_key()
    account.webhooks.answers[key] = [500]
    wrong = _notify(account, "SendWebhook", key)
    assert wrong
    yield "" if "ReceiptHandleIsInvalid" in wrong else wrong


def _logged(account: Account, role: str, code: str, otherwise: str) -> str:
    """Return an error code that the function has just logged, or else the other text."""
    since = int((time.time() - 60) * 1000)
    group = account.physical(f"{role}LogGroup")
    events = account.client("logs").filter_log_events(logGroupName=group, startTime=since)["events"]
    return code if any(code in one["message"] for one in events) else otherwise


STEPS: dict[str, Callable[[Account], Iterator[str]]] = {
    "SubmitGeneration": _submit,
    "PrepareImage": _prepare,
    "CheckStatus": _check,
    "DeliverVideo": _deliver,
    "ReportFailure": _report,
    "SweepJobs": _sweep,
    "SendMail": _send_mail,
    "SendWebhook": _send_webhook,
}


def _use(account: Account, role: str) -> str:
    """Run a role's step in every way that needs another permission; return the first error, or an empty text."""
    return next(filter(None, STEPS[role](account)), "")


@pytest.mark.parametrize("role", list(ROLES))
def test_with_all_its_permissions_a_step_works(account: Account, role: str) -> None:
    assert _use(account, role) == ""


EACH = [(role, action, 0) for role in ROLES for action in sorted(ROLES[role])]
EACH += [(role, action, nth) for role, actions in ON_ANOTHER.items() for action, nth in actions]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("role", "action", "nth"), EACH)
def test_without_one_permission_a_step_fails(account: Account, role: str, action: str, nth: int) -> None:
    with without(account, role, action, nth):
        # A process that was busy at a restart may still have the key in its cache: restart and try again.
        for _ in range(10):
            wrong = _use(account, role)
            if wrong:
                break
            restart_processes(account, role)

    codes = ("AccessDenied", "AuthorizationError", "403", "left behind")  # the second one is SNS's
    assert any(code in wrong for code in codes), wrong
