from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from dropreel.domain.errors import SettingsError, WebhookFault
from dropreel.domain.events import detail_of
from dropreel.domain.job import EventType
from dropreel.domain.webhooks import LONGEST_SECONDS, MAX_RECEIVES, RETRY_SECONDS, WebhookAnswer
from dropreel.use_cases.send_webhook import SendWebhook
from tests.support.sample_jobs import job_with

SECRET = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
EVENT = {
    "detail-type": EventType.COMPLETED.value,
    "time": "2026-05-04T12:00:00Z",
    "detail": detail_of(job_with(), EventType.COMPLETED, "shop"),
}


@dataclass
class Endpoint:
    """Answers with `status`, or fails, and keeps what was posted."""

    status: int | Exception = 200
    posted: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    retry_after: int | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> WebhookAnswer:
        self.posted.append((body, dict(headers)))
        if isinstance(self.status, Exception):
            raise self.status
        return WebhookAnswer(self.status, self.retry_after)


@dataclass
class Queue:
    hidden: list[tuple[str, int]] = field(default_factory=list)

    def hide(self, receipt_handle: str, seconds: int) -> None:
        self.hidden.append((receipt_handle, seconds))


def send(endpoint: Endpoint, queue: Queue, receives: int = 1, secret: Any = lambda: SECRET) -> str:
    step = SendWebhook(endpoint, queue, secret, lambda: datetime.now(UTC))
    return step.run(EVENT, receives, "handle")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_delivery(status: int):
    endpoint, queue = Endpoint(status), Queue()

    assert send(endpoint, queue) == "delivered"
    assert queue.hidden == []


def test_what_is_sent_is_signed():
    endpoint = Endpoint()
    send(endpoint, Queue())

    ((body, headers),) = endpoint.posted
    assert Webhook(SECRET).verify(body, headers)["data"]["job_id"] == job_with().job_id
    assert headers["content-type"] == "application/json"


def test_410_ends_the_webhook():
    queue = Queue()

    assert send(Endpoint(410), queue) == "gone"
    assert queue.hidden == []


@pytest.mark.parametrize("status", [100, 301, 302, 307, 308, 400, 401, 404, 409, 429, 500, 502, 503])
@pytest.mark.parametrize("receives", range(1, MAX_RECEIVES))
def test_any_other_status_is_retried_after_its_delay(status: int, receives: int):
    queue = Queue()

    assert send(Endpoint(status), queue, receives) == "retried"
    assert queue.hidden == [("handle", RETRY_SECONDS[receives - 1])]


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        (429, 900, 900),
        (503, 900, 900),
        (429, 1, RETRY_SECONDS[1]),
        (429, -60, RETRY_SECONDS[1]),
        (429, 10**9, LONGEST_SECONDS),
        (500, 900, RETRY_SECONDS[1]),
    ],
)
def test_a_busy_endpoint_is_given_the_time_that_it_asks_for(status: int, retry_after: int, seconds: int):
    queue = Queue()

    assert send(Endpoint(status, retry_after=retry_after), queue, receives=2) == "retried"
    assert queue.hidden == [("handle", seconds)]


def test_after_the_last_delivery_no_retry_after_keeps_the_message():
    queue = Queue()

    assert send(Endpoint(429, retry_after=900), queue, MAX_RECEIVES) == "failed"
    assert queue.hidden == [("handle", 0)]


@pytest.mark.parametrize("fault", [WebhookFault("no answer"), RuntimeError("anything")])
def test_an_endpoint_that_does_not_answer_is_retried(fault: Exception):
    queue = Queue()

    assert send(Endpoint(fault), queue, 2) == "retried"
    assert queue.hidden == [("handle", RETRY_SECONDS[1])]


def test_the_last_failure_makes_a_dead_letter_at_once():
    queue = Queue()

    assert send(Endpoint(500), queue, MAX_RECEIVES) == "failed"
    assert queue.hidden == [("handle", 0)]


def test_without_a_secret_nothing_is_sent_and_it_is_retried():
    def unreadable() -> str:
        raise SettingsError("no secret")

    endpoint, queue = Endpoint(), Queue()

    assert send(endpoint, queue, secret=unreadable) == "retried"
    assert (endpoint.posted, queue.hidden) == ([], [("handle", RETRY_SECONDS[0])])


def test_no_log_has_the_secret_or_a_signature(caplog: pytest.LogCaptureFixture):
    endpoint = Endpoint(WebhookFault("no answer"))
    with caplog.at_level(0):
        send(endpoint, Queue())
        endpoint.status = 500
        send(endpoint, Queue())
        send(endpoint, Queue(), secret=lambda: f"{SECRET}x")

    signatures = [headers["webhook-signature"].removeprefix("v1,") for _, headers in endpoint.posted]
    written = caplog.text + str([vars(record) for record in caplog.records])
    assert len(caplog.records) == 3
    assert all(secret not in written for secret in (SECRET, *signatures))
