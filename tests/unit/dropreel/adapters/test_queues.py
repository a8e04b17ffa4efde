import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

import dropreel
from dropreel.adapters.queues import JobQueue
from dropreel.domain.messages import RetryMessage, decode_message
from tests.support.moto_account import moto_account

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/submissions"

MESSAGE = RetryMessage("0123456789abcdef01234567", 2, 3)


@pytest.fixture
def sqs() -> Iterator[Any]:
    client = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        yield stubber


@pytest.mark.parametrize(("asked", "delay"), [(-5, 0), (0, 0), (1, 1), (900, 900), (901, 900), (86_400, 900)])
def test_a_delay_is_never_longer_than_the_queue_can(sqs: Any, asked, delay):
    sqs.add_response("send_message", {}, {"QueueUrl": URL, "MessageBody": ANY, "DelaySeconds": delay})

    JobQueue(lambda: sqs.client, URL).send(MESSAGE, asked)

    sqs.assert_no_pending_responses()


@pytest.mark.parametrize("more", [{}, {"generation_id": "gen_1"}])
def test_what_is_sent_is_read_back_as_the_same_message(sqs: Any, more: dict[str, Any]):
    message = MESSAGE._replace(**more)
    body = json.dumps({"job_id": message.job_id, "attempt": 2, "requeues": 3, **more})
    sqs.add_response("send_message", {}, {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": 0})

    JobQueue(lambda: sqs.client, URL).send(message)

    assert decode_message(json.loads(body)) == message
    sqs.assert_no_pending_responses()


def test_our_own_message_does_not_wait_as_long_as_an_uploads_event():
    with moto_account():
        client = boto3.client("sqs")
        url = client.create_queue(QueueName="q", Attributes={"DelaySeconds": "900"})["QueueUrl"]
        client.send_message(QueueUrl=url, MessageBody="an upload's event, from a rule that cannot say a delay")

        JobQueue(lambda: client, url).send(MESSAGE)

        (message,) = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        assert isinstance(decode_message(json.loads(message["Body"])), RetryMessage)


def test_nothing_else_of_ours_sends_messages_which_would_wait():
    package = Path(dropreel.__file__).parent

    assert [path.name for path in package.rglob("*.py") if "send_message(" in path.read_text()] == ["queues.py"]
