"""The functions of Send Mail and Send Webhook: what they read of a message, and which messages come again."""

import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dropreel import wiring
from dropreel.domain.job import EventType
from dropreel.domain.mails import mails_of, notice_of
from dropreel.domain.webhooks import body_of
from tests.support.sample_events import EVENTS, load_event
from tests.unit.dropreel.test_prepare_image_handler import Context

SCHEMAS = EVENTS / "schemas"


class Step:
    """Stands in for a use case: keeps what it was called with, and returns `outcome`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.outcome: Any = None

    def run(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        return self.outcome


@pytest.fixture
def step() -> Step:
    return Step()


@pytest.fixture
def handler_of(monkeypatch: pytest.MonkeyPatch, step: Step) -> Iterator[Callable[[str], Any]]:
    """Import a function's handler with `step` in place of its use case."""
    names = []

    def imported(name: str) -> Any:
        module = f"functions.{name}.handler"
        monkeypatch.setattr(wiring, name, lambda: step)
        monkeypatch.delitem(sys.modules, module, raising=False)
        names.append(module)
        return importlib.import_module(module).handler

    yield imported
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("outcome", "comes_again"), [("delivered", 0), ("gone", 0), ("retried", 1), ("failed", 1)])
def test_a_webhook_that_was_not_taken_comes_again(handler_of, step: Step, outcome: str, comes_again: int):
    event = load_event("send_webhook")
    (record,) = event["Records"]
    record["attributes"]["ApproximateReceiveCount"] = "3"
    step.outcome = outcome

    answer = handler_of("send_webhook")(event, Context())

    assert step.calls == [(json.loads(record["body"]), 3, record["receiptHandle"])]
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}] * comes_again}


def test_what_a_webhooks_library_logs_shows_no_query_of_the_address(
    handler_of, step: Step, capsys: pytest.CaptureFixture[str]
):
    step.run = lambda *_: logging.getLogger("urllib3.connectionpool").warning(
        "no answer from %s", "https://hooks.example/in?token=s3cr3t-of-the-owner"
    )
    event = load_event("send_webhook")

    handler_of("send_webhook")(event, Context())

    line = json.loads(capsys.readouterr().out.splitlines()[0])
    assert line["job_id"] == json.loads(event["Records"][0]["body"])["detail"]["data"]["job_id"]
    assert line["message"].startswith("no answer from https://hooks.example/in?")
    assert "s3cr3t" not in str(line)


def test_only_the_failed_messages_of_mails_come_again(handler_of, step: Step):
    event = load_event("send_mail")
    (record,) = event["Records"]
    event["Records"] = [{**record, "messageId": name} for name in ("m1", "m2")]
    step.outcome = ["m2"]

    answer = handler_of("send_mail")(event, Context())

    body = json.loads(record["body"])
    assert step.calls == [({"m1": body, "m2": body},)]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}]}


def event_in(sample: str) -> dict[str, Any]:
    (record,) = load_event(sample)["Records"]
    event: dict[str, Any] = json.loads(record["body"])
    return event


def test_the_sample_of_send_mail_is_a_mail():
    (mail,) = mails_of([notice_of(event_in("send_mail"))])

    assert mail.subject.startswith("Dropreel dropreel: no video of ")


def test_the_example_of_a_webhook_is_what_is_sent_for_the_sample():
    assert load_event("webhook") == json.loads(body_of(event_in("send_webhook")))


@pytest.mark.parametrize("kind", [EventType.COMPLETED, EventType.FAILED, EventType.REJECTED, EventType.UNKNOWN])
def test_a_webhook_is_valid_by_its_schema(kind: EventType):
    schema = json.loads(Path(SCHEMAS / "webhook.schema.json").read_text(encoding="utf-8"))
    body = json.loads(body_of({**event_in("send_webhook"), "detail-type": kind.value}))

    jsonschema.Draft202012Validator(schema).validate(body)


@pytest.mark.parametrize("kind", [EventType.SUBMITTED, EventType.HELD, EventType.DEFERRED])
def test_what_is_no_outcome_is_no_webhook_by_the_schema(kind: EventType):
    schema = json.loads(Path(SCHEMAS / "webhook.schema.json").read_text(encoding="utf-8"))
    body = json.loads(body_of({**event_in("send_webhook"), "detail-type": kind.value}))

    assert not jsonschema.Draft202012Validator(schema).is_valid(body)
