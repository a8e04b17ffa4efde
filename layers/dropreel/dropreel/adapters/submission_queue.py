"""The queue that images come through, and come again through."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.messages import RetryMessage
from dropreel.waiting import LONGEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class SubmissionQueue:
    """Sends jobs through the queue again. A new message starts with a receive count of its own.

    `client` gives the client when it is first needed: most jobs never wait.
    """

    client: "Callable[[], SQSClient]"
    url: str

    def send(self, message: RetryMessage, delay_seconds: float = 0) -> None:
        """Send a message that comes after `delay_seconds` (at most `LONGEST_SECONDS`; the job's `retry_at` holds beyond)."""
        self.client().send_message(
            QueueUrl=self.url,
            MessageBody=json.dumps(message.as_json()),
            DelaySeconds=min(max(0, round(delay_seconds)), LONGEST_SECONDS),
        )
