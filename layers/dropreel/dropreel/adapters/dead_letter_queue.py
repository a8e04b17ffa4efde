"""The dead-letter queue, to look into it: nothing is taken out of it."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.messages import Drop, RetryMessage, message_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

HIDDEN_SECONDS = 20
"""How long a message that was looked at stays hidden, so that the next look finds another one."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class DeadLetterQueue:
    """Looks at the messages that could not be processed. `client` gives the client when it is first needed."""

    client: "Callable[[], SQSClient]"
    url: str

    def messages(self) -> Iterator[Drop | RetryMessage]:
        """Yield each message that is there, until none is left that is not hidden. What cannot be read is passed over."""
        while True:
            found = self.client().receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_SECONDS
            )
            if not found.get("Messages"):
                return
            for message in found["Messages"]:
                try:
                    yield message_of(json.loads(message["Body"]))
                except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                    logger.warning("unreadable dead letter", extra={"message_id": message.get("MessageId")})
