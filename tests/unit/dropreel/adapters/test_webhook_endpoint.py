"""One POST to the owner's endpoint, the queue's visibility time-outs, and the secret."""

import logging
import socket
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropreel.adapters import webhook_endpoint
from dropreel.adapters.mail_topic import MailTopic
from dropreel.adapters.webhook_endpoint import MAX_AGE_SECONDS, WebhookEndpoint, WebhookQueue, WebhookSecret
from dropreel.domain.errors import SettingsError, WebhookFault
from tests.support.scripted_server import ScriptedServer, closed_port

HEADERS = {"content-type": "application/json", "webhook-id": "1", "webhook-signature": "v1,abc"}
PATH = "/hooks/token-in-the-path?key=token-in-the-query"


def client(service: str) -> Any:
    return boto3.client(service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")  # type: ignore[call-overload]


@pytest.mark.parametrize("status", [200, 204, 410, 500])
def test_the_body_and_headers_are_posted_and_the_status_returned(server: ScriptedServer, status: int):
    server.answers(status)

    assert WebhookEndpoint(server.base_url + PATH).post(b'{"type":"x"}', HEADERS).status == status

    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("POST", PATH, b'{"type":"x"}')
    assert {name: request.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "Mon, 04 May 2026 12:02:00 GMT", "Date": "Mon, 04 May 2026 12:00:00 GMT"}, 120),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_a_retry_after_is_returned_in_seconds(server: ScriptedServer, headers: dict[str, str], seconds: int | None):
    server.answers(429, **headers)

    assert WebhookEndpoint(server.base_url).post(b"{}", HEADERS) == (429, seconds)


def test_a_redirect_is_not_followed(server: ScriptedServer):
    server.answers(307, Location=f"{server.base_url}/elsewhere")

    assert WebhookEndpoint(server.base_url).post(b"{}", HEADERS).status == 307
    assert server.connections == 1


def test_the_body_of_the_response_is_not_waited_for(server: ScriptedServer):
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", hangs=True)

    assert WebhookEndpoint(server.base_url).post(b"{}", HEADERS).status == 200


def test_a_cookie_or_proxy_of_the_environment_is_not_used(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    server.answers(200)

    assert WebhookEndpoint(server.base_url).post(b"{}", HEADERS).status == 200


@pytest.mark.parametrize(
    "plays", [{"sends": b""}, {"sends": b"no http"}, {"resets": True}, {"hangs": True}], ids=lambda one: next(iter(one))
)
def test_no_answer_is_a_fault_without_the_address(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, plays: Any):
    monkeypatch.setattr(webhook_endpoint, "TIMEOUT", (1, 0.2))
    server.plays(**plays)

    with pytest.raises(WebhookFault) as caught:
        WebhookEndpoint(server.base_url + PATH).post(b"{}", HEADERS)

    assert "token" not in str(caught.value)


def test_a_closed_port_is_a_fault():
    with pytest.raises(WebhookFault, match="ConnectionError"):
        WebhookEndpoint(f"http://127.0.0.1:{closed_port()}{PATH}").post(b"{}", HEADERS)


def test_a_slow_answer_ends_at_the_deadline(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhook_endpoint, "SECONDS", 0.2)
    server.plays(b"", slow=b"HTTP/1.1 200 OK\r\n" + b"x-slow: 1\r\n" * 500 + b"\r\n")

    with pytest.raises(WebhookFault):
        WebhookEndpoint(server.base_url).post(b"{}", HEADERS)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "169.254.79.129", "::1"])
def test_a_name_with_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str):
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)

    with pytest.raises(WebhookFault, match="its address is not public"):
        WebhookEndpoint("https://hooks.example.com/x").post(b"{}", HEADERS)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254"])
def test_an_https_address_of_this_machine_is_refused(host: str):
    with pytest.raises(WebhookFault, match="its address is not public"):
        WebhookEndpoint(f"https://{host}:{closed_port()}/x").post(b"{}", HEADERS)


def test_a_public_https_address_is_posted_to(cdn: Callable[[str], ScriptedServer]):
    server = cdn("cdn.example")
    server.answers(202)

    assert WebhookEndpoint("https://cdn.example/x").post(b"{}", HEADERS).status == 202


def test_a_certificate_of_another_name_is_refused_before_anything_is_sent(cdn: Callable[[str], ScriptedServer]):
    server = cdn("another.example")

    with pytest.raises(WebhookFault, match="SSLError"):
        WebhookEndpoint("https://cdn.example/x").post(b"{}", HEADERS)

    assert server.requests == []


def test_neither_the_token_nor_the_signature_is_logged(server: ScriptedServer, caplog: pytest.LogCaptureFixture):
    server.answers(500)
    with caplog.at_level(logging.INFO):
        WebhookEndpoint(server.base_url + PATH).post(b"{}", HEADERS)

    assert "token" not in caplog.text
    assert "abc" not in caplog.text


def test_a_message_is_hidden_for_its_delay():
    sqs = client("sqs")
    expected = {"QueueUrl": "https://sqs/queue", "ReceiptHandle": "handle", "VisibilityTimeout": 36000}
    with Stubber(sqs) as stub:
        stub.add_response("change_message_visibility", {}, expected)

        WebhookQueue(lambda: sqs, "https://sqs/queue").hide("handle", 36000)

        stub.assert_no_pending_responses()


def test_a_mail_has_its_subject():
    sns = client("sns")
    with Stubber(sns) as stub:
        stub.add_response("publish", {}, {"TopicArn": "arn", "Subject": "held", "Message": "text"})

        MailTopic(sns, "arn").publish("held", "text")

        stub.assert_no_pending_responses()


class Secrets:
    def __init__(self, value: str | bytes) -> None:
        self.value = value
        self.asked: list[tuple[str, int]] = []

    def get(self, name: str, max_age: int) -> str | bytes:
        self.asked.append((name, max_age))
        return self.value


def test_the_secret_is_cached_for_five_minutes_at_most():
    secrets: Any = Secrets("QUFB")

    assert WebhookSecret(lambda: secrets, "arn")() == "QUFB"
    assert secrets.asked == [("arn", MAX_AGE_SECONDS)]
    assert MAX_AGE_SECONDS <= 300


def test_a_binary_secret_is_refused():
    secrets: Any = Secrets(b"QUFB")

    with pytest.raises(SettingsError, match="must hold text"):
        WebhookSecret(lambda: secrets, "arn")()
