"""Looking into the dead-letter queue takes nothing out of it."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from dropreel.adapters.dead_letter_queue import HIDDEN_SECONDS, DeadLetterQueue
from dropreel.messages import RetryMessage
from tests.moto_account import moto_account


@pytest.fixture
def sqs() -> Iterator[Any]:
    with moto_account():
        yield boto3.client("sqs")


@pytest.fixture
def queue(sqs: Any) -> DeadLetterQueue:
    return DeadLetterQueue(lambda: sqs, sqs.create_queue(QueueName="dead")["QueueUrl"])


def send(sqs: Any, queue: DeadLetterQueue, *bodies: object) -> None:
    for body in bodies:
        sqs.send_message(QueueUrl=queue.url, MessageBody=body if isinstance(body, str) else json.dumps(body))


def letters(number: int) -> list[RetryMessage]:
    return [RetryMessage(f"{each:024}", 1, 2) for each in range(number)]


@pytest.mark.parametrize("number", [0, 1, 10, 11, 35])
def test_each_message_is_seen_once_and_none_is_deleted(sqs: Any, queue: DeadLetterQueue, number):
    send(sqs, queue, *(one.as_json() for one in letters(number)))

    found = list(queue.messages())

    assert sorted(found, key=lambda one: getattr(one, "job_id", "")) == letters(number)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)["Attributes"]
    assert sum(int(value) for value in left.values()) == number


@pytest.mark.parametrize(
    "body", ["no JSON", "[]", "{}", "null", '{"job_id": "j"}', '{"detail-type": "Object Created"}']
)
def test_what_cannot_be_read_is_passed_over(sqs: Any, queue: DeadLetterQueue, body):
    send(sqs, queue, body, letters(1)[0].as_json())

    assert list(queue.messages()) == letters(1)


def test_a_message_is_hidden_for_a_short_while_only(sqs: Any, queue: DeadLetterQueue, monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, Any]] = []
    real = sqs.receive_message
    monkeypatch.setattr(sqs, "receive_message", lambda **told: asked.append(told) or real(**told))

    list(queue.messages())

    assert [one["VisibilityTimeout"] for one in asked] == [HIDDEN_SECONDS]
    assert HIDDEN_SECONDS < 30
