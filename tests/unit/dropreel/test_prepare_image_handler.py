"""The function of Prepare Image: one message, and what happens at its last receive."""

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dropreel import wiring
from dropreel.domain.errors import RetryLater
from dropreel.domain.messages import RetryMessage
from tests.support.sample_events import load_event

STEP = "functions.prepare_image.handler"
MESSAGE = RetryMessage("0f3b4c1d2e5a6978b0c1d2e3", 1, 1)


class Context:
    """The context object that Lambda passes to a handler."""

    function_name = "prepare"
    memory_limit_in_mb = 3008
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:prepare"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"


@dataclass
class Step:
    """Stands in for the two use cases that the handler calls."""

    fault: Exception | None = None
    messages: list[RetryMessage] = field(default_factory=list)
    noted: list[tuple[RetryMessage, str]] = field(default_factory=list)
    handler: Any = None

    def run(self, message: RetryMessage, fault: str | None = None) -> str:
        if fault is not None:
            self.noted.append((message, fault))
            return "noted"
        self.messages.append(message)
        if self.fault is not None:
            raise self.fault
        return "deferred"

    def receive(self, receives: int = 1) -> Any:
        event = load_event("prepare_image")
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(receives)
        return self.handler(event, Context())


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Iterator[Step]:
    found = Step()
    monkeypatch.setattr(wiring, "prepare_image", lambda: found)
    monkeypatch.setattr(wiring, "note_dead_letter", lambda: found)
    monkeypatch.delitem(sys.modules, STEP, raising=False)
    found.handler = importlib.import_module(STEP).handler
    yield found
    sys.modules.pop(STEP, None)


def test_a_message_is_decoded_and_its_outcome_returned(step: Step):
    assert step.receive() == {"outcome": "deferred"}
    assert step.messages == [MESSAGE]


@pytest.mark.parametrize("receives", [1, 4])
def test_a_fault_brings_the_message_back(step: Step, receives: int):
    step.fault = RetryLater("not now")

    with pytest.raises(RetryLater):
        step.receive(receives)

    assert step.noted == []


@pytest.mark.parametrize("receives", [5, 6])
def test_a_fault_at_the_last_receive_is_noted_on_the_job(step: Step, receives: int):
    step.fault = MemoryError("too large")

    with pytest.raises(MemoryError):
        step.receive(receives)

    assert step.noted == [(MESSAGE, "MemoryError: too large")]


def test_a_last_receive_that_succeeds_is_not_noted(step: Step):
    assert step.receive(5) == {"outcome": "deferred"}
    assert step.noted == []


def test_an_event_of_an_upload_is_none_of_its_messages(step: Step):
    event = load_event("prepare_image")
    event["Records"][0]["body"] = json.dumps(load_event("object_created"))

    with pytest.raises(KeyError):
        step.handler(event, Context())

    assert step.messages == []
