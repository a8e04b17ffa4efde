"""How the dead-letter queue is looked into: each message once, and none is taken out of it."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from dropreel.adapters.queues import DeadLetterQueue
from dropreel.domain.messages import RetryMessage, decode_message
from tests.support.moto_account import moto_account
from tests.support.sample_events import load_event

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters"
UPLOAD, REQUEST = load_event("object_created"), load_event("video_generation_requested")


@pytest.fixture
def sqs() -> Iterator[Any]:
    with moto_account():
        yield boto3.client("sqs")


@pytest.fixture
def url(sqs: Any) -> str:
    made: str = sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
    return made


def retry(number: int) -> RetryMessage:
    return RetryMessage(f"{number:024x}", 1, number)


def number_of(message: Any) -> int:
    number: int = message.requeues
    return number


def fill(sqs: Any, url: str, *bodies: str) -> None:
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def kept(sqs: Any, url: str) -> int:
    """How many messages the queue has, hidden or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


@pytest.mark.parametrize("count", [1, 9, 10, 11, 25])
def test_every_message_is_found_once_and_none_is_deleted(sqs: Any, url: str, count):
    messages = [retry(number) for number in range(count)]
    fill(sqs, url, *(json.dumps(message.as_json()) for message in messages))

    found = list(DeadLetterQueue(lambda: sqs, url).messages())

    assert sorted(found, key=number_of) == messages
    assert kept(sqs, url) == count


def test_an_empty_queue_has_none(sqs: Any, url: str):
    assert list(DeadLetterQueue(lambda: sqs, url).messages()) == []


def test_a_hidden_message_is_not_received_and_not_deleted(sqs: Any, url: str):
    fill(sqs, url, json.dumps(retry(1).as_json()))
    queue = DeadLetterQueue(lambda: sqs, url)

    assert (list(queue.messages()), list(queue.messages())) == ([retry(1)], [])
    assert kept(sqs, url) == 1


@pytest.mark.parametrize("body", [UPLOAD, REQUEST, retry(1).as_json()], ids=["upload", "request", "retry"])
def test_a_message_is_read_as_the_submission_queues(sqs: Any, url: str, body: dict[str, Any]):
    fill(sqs, url, json.dumps(body))

    assert list(DeadLetterQueue(lambda: sqs, url).messages()) == [decode_message(body)]


UNREADABLE = [
    "no JSON",
    '{"job_id"',
    "{}",
    "[]",
    "null",
    "31415",
    '"detail-type"',
    '["detail-type"]',
    '{"detail-type": "Object Created"}',
    '{"detail-type": "Object Created", "detail": null}',
    '{"detail-type": "Object Created", "detail": {"bucket": {}, "object": {}}}',
    '{"job_id": "a", "requeues": 1}',
    '{"job_id": "a", "attempt": "one", "requeues": 1}',
    '{"job_id": "a", "attempt": null, "requeues": 1}',
    '{"job_id": "a", "attempt": 1e999, "requeues": 1}',
    pytest.param("[" * 100_000, id="nested"),
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_what_cannot_be_read_is_passed_over(sqs: Any, url: str, body, caplog: pytest.LogCaptureFixture):
    before, after = retry(1), retry(2)
    fill(sqs, url, json.dumps(before.as_json()), body, json.dumps(after.as_json()))

    with caplog.at_level(logging.WARNING, "dropreel"):
        found = list(DeadLetterQueue(lambda: sqs, url).messages())

    assert sorted(found, key=number_of) == [before, after]
    assert kept(sqs, url) == 3
    (record,) = caplog.records
    assert record.getMessage() == "unreadable dead letter"
    assert record.__dict__["message_id"]
    assert body not in caplog.text


def test_unreadable_messages_alone_do_not_end_the_look(sqs: Any, url: str):
    fill(sqs, url, *["no JSON"] * 12, json.dumps(retry(1).as_json()))

    assert list(DeadLetterQueue(lambda: sqs, url).messages()) == [retry(1)]


@pytest.fixture
def stubbed() -> Iterator[Any]:
    client = boto3.client("sqs", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_ten_at_a_time_are_hidden_for_20_seconds(stubbed: Any):
    """As many as a receive can have; hidden as long as one look takes, and not for the operator's redrive."""
    asked = {"QueueUrl": URL, "MaxNumberOfMessages": 10, "VisibilityTimeout": 20}
    message = {"MessageId": "1", "Body": json.dumps(retry(1).as_json())}
    stubbed.add_response("receive_message", {"Messages": [message]}, asked)
    stubbed.add_response("receive_message", {}, asked)

    assert list(DeadLetterQueue(lambda: stubbed.client, URL).messages()) == [retry(1)]


def test_a_queue_that_cannot_be_read_is_no_empty_one(stubbed: Any):
    stubbed.add_client_error("receive_message", "AWS.SimpleQueueService.NonExistentQueue")

    with pytest.raises(ClientError):
        list(DeadLetterQueue(lambda: stubbed.client, URL).messages())


def test_the_client_is_made_when_the_first_message_is_asked_for(sqs: Any, url: str):
    made: list[Any] = []

    def client() -> Any:
        made.append(sqs)
        return sqs

    messages = DeadLetterQueue(client, url).messages()
    assert made == []

    assert list(messages) == []
    assert made == [sqs]
