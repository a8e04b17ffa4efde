"""The two queues of jobs (at least once, so an image may come twice) and their dead-letter queue."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.domain.backoff import LONGEST_SECONDS
from dropreel.domain.messages import Drop, RetryMessage, decode_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 20
"""The visibility time-out of a received dead letter, so that the next receive finds another one."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class JobQueue:
    """Sends jobs to SubmitGeneration or PrepareImage. A new message starts with its own receive count.

    `client` returns the client and is called on first use: most jobs are never sent.
    """

    client: "Callable[[], SQSClient]"
    url: str

    def send(self, message: RetryMessage, delay_seconds: float = 0) -> None:
        """Send a message that is delivered after `delay_seconds` (at most `LONGEST_SECONDS`; the job's `retry_at` holds beyond)."""
        self.client().send_message(
            QueueUrl=self.url,
            MessageBody=json.dumps(message.as_json()),
            DelaySeconds=min(max(0, round(delay_seconds)), LONGEST_SECONDS),
        )


@dataclass(frozen=True)
class DeadLetterQueue:
    """Reads the dead-letter queue and deletes nothing. `client` returns the client and is called on first use."""

    client: "Callable[[], SQSClient]"
    url: str

    def messages(self) -> Iterator[Drop | RetryMessage]:
        """Yield each visible message, until none is left. A message that cannot be decoded is logged and skipped."""
        while True:
            found = self.client().receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_SECONDS
            )
            if not found.get("Messages"):
                return
            for message in found["Messages"]:
                try:
                    yield decode_message(json.loads(message["Body"]))
                except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                    logger.warning("unreadable dead letter", extra={"message_id": message.get("MessageId")})
