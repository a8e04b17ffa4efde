"""Each permission of each role is needed and none is broader than needed: without one of them, its step fails.

The roles of the deployed stack are changed in place and restored.
"""

import itertools
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from dropreel.adapters.job_table import JOB_ROW, key_of
from dropreel.domain.messages import EXECUTION_ENDED
from local.cloud import API_KEY
from tests.e2e.conftest import SAMPLE, Account
from tests.e2e.roles import actions_of, restart_processes, statements, without
from tests.support.sample_events import from_queue, load_event, object_created

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
    "CheckStatus": {"dynamodb:GetItem", "dynamodb:UpdateItem", "secretsmanager:GetSecretValue"},
    "DeliverVideo": {
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "events:PutEvents",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
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
}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
ON_TWO_TABLES = {"SubmitGeneration": ["dynamodb:UpdateItem"], "SweepJobs": ["dynamodb:GetItem"]}
# What AWS checks and the local engine does not, so that only its presence can be seen here: what the services do in a
# role's name, and that a missing object is "not found" only with s3:ListBucket.
NOT_CHECKED_HERE = {
    "SubmitGeneration": LOGS | {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    "CheckStatus": LOGS,
    "DeliverVideo": LOGS | {"s3:ListBucket"},
    "ReportFailure": LOGS,
    "SweepJobs": LOGS,
    "GenerateVideo": {"lambda:InvokeFunction"},
}
# And a second time, on another resource: the listing of the existing bucket, and where Lambda sends failed invocations.
NOT_CHECKED_ON_ANOTHER = {
    "SubmitGeneration": ["s3:ListBucket"],
    "ReportFailure": ["sqs:SendMessage"],
    "SweepJobs": ["sqs:SendMessage"],
}


@pytest.mark.parametrize("role", [*ROLES, "GenerateVideo"])
def test_a_role_has_exactly_these_permissions_and_no_wildcard(account: Account, role: str) -> None:
    found = statements(account, role)

    expected = [*ROLES.get(role, set()), *NOT_CHECKED_HERE[role], *ON_TWO_TABLES.get(role, [])]
    expected += NOT_CHECKED_ON_ANOTHER.get(role, [])
    assert sorted(actions_of(*found)) == sorted(expected)
    resources = [statement["Resource"] for statement in found]
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


def _submit(account: Account) -> str:
    """Submit by hand, each as a new job: an image with a version, one without, a copy, a deferred one and a missing one."""
    key = account.new_key()
    put = account.put(key)
    wrong = _invoke(account, "SubmitGeneration", _request_event(account, key, put, f"{key}-now"))
    unversioned = object_created(account.uploads, key, SAMPLE.stat().st_size, put["ETag"], None, f"seq-{key}")
    wrong += _invoke(account, "SubmitGeneration", from_queue(unversioned))
    copied = object_created(account.uploads, key, SAMPLE.stat().st_size, put["ETag"], None, f"copy-{key}")
    copied["detail"]["reason"] = "CopyObject"
    wrong += _invoke(account, "SubmitGeneration", from_queue(copied))
    account.simulator.set_faults([{"on": "submit", "times": 1, "do": {"kind": "status", "status": 429}}])
    wrong += _invoke(account, "SubmitGeneration", _request_event(account, key, put, f"{key}-later"))
    account.simulator.clear_faults()
    gone = object_created(account.uploads, account.new_key("gone.jpg"), 1, "etag", None, "seq")
    return wrong + _invoke(account, "SubmitGeneration", from_queue(gone))


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
    job_id = _put_job(account, datetime.now(UTC), **status, generation_id={"S": generation_id})
    return {"job_id": job_id, "attempt": 1, "generation_id": generation_id, "pace": {"execution": f"{job_id}-1"}}


def _provider(account: Account, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    url = f"{account.simulator.base_url}/v1/videos/{path}"
    headers = {"Authorization": f"Bearer {API_KEY}"}
    answer = requests.request(method, url, json=body, headers=headers, timeout=10)
    assert answer.ok, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _check(account: Account) -> str:
    return _invoke(account, "CheckStatus", _generating(account))


def _deliver(account: Account) -> str:
    """Deliver one whole video, and one in parts that ends inside its last box and must leave no parts."""
    wrong = _invoke(account, "DeliverVideo", _generating(account, finished=True))
    if wrong:
        return wrong
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
    return wrong + (f"parts were left behind: {left}" if left else "")


def _report(account: Account) -> str:
    """Report a final failure, one with an attempt left, and an execution that was aborted."""
    reasons = [{"code": code, "message": "x"} for code in ("timed_out", "generation_failed")]
    states = [{**_generating(account), "check": {"outcome": "failed", "reason": reason}} for reason in reasons]
    wrong = "".join(_invoke(account, "ReportFailure", state) for state in states)
    name = _generating(account)["pace"]["execution"]
    arn = account.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{name}"
    ended = {"name": name, "executionArn": arn, "status": "ABORTED"}
    return wrong + _invoke(account, "ReportFailure", {"detail-type": EXECUTION_ENDED, "detail": ended})


def _sweep(account: Account) -> str:
    """Sweep one job of each kind, last updated an hour ago."""
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
    try:
        answer = account.client("lambda").invoke(FunctionName=account.physical("SweepJobsFunction"), Payload=b"{}")
        payload: str = answer["Payload"].read().decode()
    finally:
        for job_id in ids:
            account.client("dynamodb").delete_item(
                TableName=account.stack.outputs["JobsTableName"], Key=key_of(job_id, JOB_ROW)
            )
    if "FunctionError" in answer or "not_swept" in payload:
        return f"AccessDenied in the sweeper's answer: {payload}"
    swept = json.loads(payload)
    swept.pop("dead_letters", None)  # other tests' messages
    assert swept == {"published": 1, "started": 1, "released": 1}
    return ""


USE: dict[str, Callable[[Account], str]] = {
    "SubmitGeneration": _submit,
    "CheckStatus": _check,
    "DeliverVideo": _deliver,
    "ReportFailure": _report,
    "SweepJobs": _sweep,
}


@pytest.mark.parametrize("role", list(ROLES))
def test_with_all_its_permissions_a_step_works(account: Account, role: str) -> None:
    assert USE[role](account) == ""


EACH = [(role, action, 0) for role in ROLES for action in sorted(ROLES[role])]
EACH += [(role, action, 1) for role, actions in ON_TWO_TABLES.items() for action in actions]


@pytest.mark.parametrize(("role", "action", "nth"), EACH)
def test_without_one_permission_a_step_fails(account: Account, role: str, action: str, nth: int) -> None:
    with without(account, role, action, nth):
        # A process that was busy at the restart may still have the key in its cache: restart and try again.
        for _ in range(10):
            wrong = USE[role](account)
            if wrong:
                break
            restart_processes(account, role)

    assert "AccessDenied" in wrong or "403" in wrong or "left behind" in wrong, wrong
