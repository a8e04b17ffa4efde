"""The provider's error text, end to end: it is in the job and its events, and the secrets in it are nowhere."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

import dropreel.wiring
from tests.integration.conftest import MotoStack, call
from tests.integration.test_whole_way import wait_for_end
from tests.support.sample_jobs import PRICE

TOKEN = hashlib.sha512(b"a session's token").hexdigest() + "Zz9+/=="
REPEATED = "HTTPError: 403 Client Error: Forbidden for url: {image_url}"


@pytest.fixture
def signed(stack: MotoStack, monkeypatch: pytest.MonkeyPatch, settings: Callable[..., None]) -> list[str]:
    """Sign with a role's temporary credentials, as on AWS; return the addresses that were signed."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    settings()
    addresses: list[str] = []
    client = dropreel.wiring._client("s3")
    sign = client.generate_presigned_url

    def generate_presigned_url(*arguments: Any, **named: Any) -> str:
        addresses.append(sign(*arguments, **named))
        return addresses[-1]

    monkeypatch.setattr(client, "generate_presigned_url", generate_presigned_url)
    return addresses


def all_outputs(stack: MotoStack, capsys: pytest.CaptureFixture[str]) -> str:
    """Return all outputs of the stack: tables, events, receipts, logs, executions."""
    s3 = boto3.client("s3")
    objects = s3.list_objects_v2(Bucket=stack.videos).get("Contents", [])
    receipts = [
        s3.get_object(Bucket=stack.videos, Key=one["Key"])["Body"].read().decode()
        for one in objects
        if one["Key"].endswith(".json")
    ]
    steps = boto3.client("stepfunctions")
    histories = [steps.get_execution_history(executionArn=one["executionArn"])["events"] for one in stack.executions()]
    logged = capsys.readouterr()
    return json.dumps([stack.jobs(), stack.events(), receipts, histories, logged.out, logged.err], default=str)


def assert_holds_no_secret(outputs: str, signed: list[str]) -> None:
    assert signed
    secrets = [part.partition("=")[2] for address in signed for part in address.partition("?")[2].split("&")]
    values = {value for value in [*secrets, TOKEN] if len(value) >= 40}
    assert len(values) >= 2
    for value in values:
        for begin in range(len(value) - 15):
            assert value[begin : begin + 16] not in outputs
    assert "Signature=" not in outputs


@pytest.mark.parametrize(
    ("do", "status", "code"),
    [
        ({"kind": "status", "status": 400, "body": {"detail": [{"msg": REPEATED}]}}, "rejected", "provider_refused"),
        ({"kind": "status", "status": 401, "body": REPEATED + " {api_key}"}, "deferred", "key_refused"),
        (
            {"kind": "status", "status": 402, "body": {"error": None, "message": REPEATED}},
            "deferred",
            "provider_balance",
        ),
        ({"kind": "status", "status": 429, "body": {"error": REPEATED}}, "deferred", "provider_busy"),
        (
            {"kind": "status", "status": 503, "headers": {"Retry-After": "9"}, "body": REPEATED},
            "deferred",
            "provider_busy",
        ),
        ({"kind": "status", "status": 503, "body": f"<h1>{REPEATED}</h1>"}, "unknown", "submission_unknown"),
        (
            {"kind": "status", "status": 408, "headers": {"Retry-After": "9"}, "body": REPEATED},
            "unknown",
            "submission_unknown",
        ),
        ({"kind": "status", "status": 500, "body": {"msg": REPEATED}}, "unknown", "submission_unknown"),
        ({"kind": "answer", "body": {"message": REPEATED}}, "unknown", "submission_unknown"),
        (
            {"kind": "answer", "paid": False, "body": {"code": 1, "msg": f"insufficient balance. {REPEATED}"}},
            "deferred",
            "provider_balance",
        ),
    ],
)
def test_a_failed_submission_keeps_the_providers_text_and_no_secret(
    stack: MotoStack, signed: list[str], capsys: pytest.CaptureFixture[str], do: dict[str, Any], status: str, code: str
) -> None:
    stack.simulator.set_faults([{"on": "submit", "do": do}])

    call("submit_generation", stack.upload("a.jpg"))

    job = stack.job()
    assert (job["status"], job["reason"]["code"]) == (status, code)
    assert "403 Client Error: Forbidden for url: [removed]" in job["reason"]["message"]
    assert "403 Client Error: Forbidden" in job["reason"]["provider_error"]
    assert job["next_step"]
    assert stack.reserved_cents() == (PRICE if status == "unknown" else 0)
    assert_holds_no_secret(all_outputs(stack, capsys), signed)


def test_failed_polls_and_a_failure_keep_the_providers_text(
    stack: MotoStack, signed: list[str], settings: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    stack.simulator.set_faults(
        [
            {"on": "submit", "do": {"kind": "fail", "error": {"message": REPEATED}}},
            {"on": "poll", "times": 1, "do": {"kind": "status", "status": 502, "body": f"<p>{REPEATED}</p>"}},
        ]
    )

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_end(stack)

    job = stack.job()
    assert job["last_fault"]["message"].startswith("the provider answered 502: HTTPError: 403 Client Error: Forbidden")
    assert (job["status"], job["reason"]["code"]) == ("deferred", "generation_failed")
    assert "Forbidden" in job["reason"]["provider_error"]
    assert_holds_no_secret(all_outputs(stack, capsys), signed)


def test_a_content_refusal_is_paid_once(stack: MotoStack) -> None:
    error = {"code": "moderation", "message": "The image was flagged by our safety system"}
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "fail", "error": error}}])

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_end(stack)

    job = stack.job()
    assert (job["status"], job["reason"]["code"], int(job["attempt"])) == ("failed", "content_refused", 1)
    assert stack.simulator.summary()["paid"] == 1
    assert stack.deliver_retry_messages() == []
    failed = stack.events()[-1]["detail"]["data"]
    assert failed["reason"]["next_step"] == job["next_step"]


def test_a_content_refusal_is_retried_where_the_operator_chose_that(
    stack: MotoStack, settings: Callable[..., None]
) -> None:
    settings(RETRY_CONTENT_REFUSALS="true")
    fail = {"kind": "fail", "error": "content policy"}
    stack.simulator.set_faults([{"on": "submit", "times": 1, "do": fail}])

    call("submit_generation", stack.upload("a.jpg"))
    wait_for_end(stack)

    assert stack.deliver_retry_messages() == ["generating"]
    assert stack.simulator.summary()["paid"] == 2


def test_a_wait_for_the_operator_is_published_with_the_providers_text(stack: MotoStack) -> None:
    body = {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}
    stack.simulator.set_faults([{"on": "submit", "do": {"kind": "status", "status": 429, "body": body}}])

    call("submit_generation", stack.upload("a.jpg"))

    (event,) = stack.events()
    data = event["detail"]["data"]
    assert (event["detail-type"], data["status"]) == ("Video Generation Deferred", "deferred")
    assert data["reason"]["code"] == "provider_balance"
    assert data["reason"]["provider_error"] == "insufficient_quota: You exceeded your current quota"
    assert data["reason"]["next_step"] == stack.job()["next_step"]


def test_half_a_surrogate_pair_in_the_providers_text_is_replaced(stack: MotoStack) -> None:
    raw = {"kind": "status", "status": 400, "body": '{"error": "a \\ud83d face"}', "content_type": "application/json"}
    stack.simulator.set_faults([{"on": "submit", "do": raw}])

    assert call("submit_generation", stack.upload("a.jpg")) == {"outcome": "rejected"}
    assert stack.events()[0]["detail"]["data"]["reason"]["provider_error"] == "a \ufffd face"
