"""The two queues of jobs (at least once, so an image may come twice) and their dead-letter queue."""

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dropreel.domain.backoff import LONGEST_SECONDS
from dropreel.domain.messages import Drop, RetryMessage, decode_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 20
"""The visibility time-out of a received dead letter, so that the next receive finds another one."""

logger = logging.getLogger("dropreel")


class _Queue:
    def __init__(self, client: "Callable[[], SQSClient]", url: str) -> None:
        self.client = client
        self.url = url


class JobQueue(_Queue):
    """Sends jobs to SubmitGeneration or PrepareImage. A new message starts with its own receive count.

    `client` returns the client and is called on first use: most jobs are never sent.
    """

    def send(self, message: RetryMessage, delay_seconds: float = 0) -> None:
        """Send a message that is delivered after `delay_seconds` (at most `LONGEST_SECONDS`; the job's `retry_at` holds beyond)."""
        self.client().send_message(
            QueueUrl=self.url,
            MessageBody=json.dumps(message.as_json()),
            DelaySeconds=min(max(0, round(delay_seconds)), LONGEST_SECONDS),
        )


class DeadLetterQueue(_Queue):
    """Reads the dead-letter queue and deletes nothing. `client` returns the client and is called on first use."""

    def messages(self) -> Iterator[Drop | RetryMessage]:
        """Yield each visible message, until none is left. A message that cannot be decoded is logged and skipped."""
        while True:
            found = self.client().receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_SECONDS
            )
            if not found.get("Messages"):
                return
            for message in found["Messages"]:
                decoded = decode_body(message["Body"])
                if decoded is None:
                    logger.warning("unreadable dead letter", extra={"message_id": message.get("MessageId")})
                else:
                    yield decoded


def decode_body(body: str) -> Drop | RetryMessage | None:
    """Decode the body of a message; None for one that cannot be read."""
    try:
        return decode_message(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
