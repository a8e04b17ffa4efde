"""The dead-letter queue: its messages with their jobs, and their way back to the submission queue.

A message is deleted only after its copy was sent. A process that dies between the two leaves both: messages are numbered,
so that the copy changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dropreel.adapters.queues import HIDDEN_SECONDS, decode_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mypy_boto3_sqs import SQSClient

    from dropreel.domain.messages import Drop, RetryMessage

HOLD_SECONDS = 900
"""How long received messages stay hidden from others: the time to read the table and to answer."""
MARGIN_SECONDS = 60
"""A message is not moved in the last seconds of its hiding: another reader could get it meanwhile."""
MOST_BYTES = 200_000
"""The bodies of one batch; SQS takes 256 KB."""
MOST_ENTRIES = 10
"""The most messages of one batch of SQS."""


@dataclass(frozen=True)
class DeadLetter:
    """One received message. `message` is None where it cannot be read."""

    message_id: str
    receipt: str
    body: str
    received_at: float

    @property
    def message(self) -> Drop | RetryMessage | None:
        """The decoded body."""
        return decode_body(self.body)


@dataclass(frozen=True)
class DeadLetters:
    """Receives, moves and releases. Every method raises botocore's ClientError on a fault of SQS."""

    client: SQSClient
    url: str
    target_url: str
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    poll_seconds: int = 1
    """The long polling of a receive: SQS then asks all its servers, and answers with nothing only where there is nothing."""
    held: dict[str, DeadLetter] = field(default_factory=dict)
    """The messages that are hidden for us, by their id."""

    def collect(self, on_wait: Callable[[int], None]) -> int:
        """Receive every message into `held`. Waits for those that Sweep Jobs is reading, at most as long as it hides them.

        Return about how many are hidden still. `on_wait` gets the number of messages that are hidden, before the wait.
        """
        end = self.clock() + HIDDEN_SECONDS + 2
        is_first = True
        while True:
            self._receive()
            hidden = self._hidden()
            if hidden <= 0 or self.clock() >= end:
                return max(0, hidden)
            if is_first:
                on_wait(hidden)
                is_first = False
            self.sleep(2)

    def _receive(self) -> None:
        while True:
            received_at = self.clock()
            found = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=MOST_ENTRIES,
                VisibilityTimeout=HOLD_SECONDS,
                WaitTimeSeconds=self.poll_seconds,
            ).get("Messages", [])
            for one in found:
                self.held[one["MessageId"]] = DeadLetter(
                    one["MessageId"], one["ReceiptHandle"], one["Body"], received_at
                )
            if not found:
                return

    def _hidden(self) -> int:
        """Return about how many messages others hide."""
        answer = self.client.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"]) - len(self.held)

    def move(self, letters: Sequence[DeadLetter]) -> Iterator[tuple[DeadLetter, str | None]]:
        """Send messages to the submission queue, then delete them, in batches. Yield each with None, or with what went wrong."""
        for batch in batches(letters):
            late = self.clock() - HOLD_SECONDS + MARGIN_SECONDS
            current = [letter for letter in batch if letter.received_at > late]
            for letter in batch:
                if letter not in current:
                    yield letter, "The answer took too long, and it is visible to others again: run the command again."
            if current:
                yield from self._move(current)

    def _move(self, letters: list[DeadLetter]) -> Iterator[tuple[DeadLetter, str | None]]:
        sent = self.client.send_message_batch(
            QueueUrl=self.target_url,
            Entries=[
                {"Id": str(number), "MessageBody": letter.body, "DelaySeconds": 0}
                for number, letter in enumerate(letters)
            ],
        )
        accepted = [int(one["Id"]) for one in sent.get("Successful", [])]
        kept: dict[int, str] = {}
        if accepted:
            deleted = self.client.delete_message_batch(
                QueueUrl=self.url,
                Entries=[{"Id": str(number), "ReceiptHandle": letters[number].receipt} for number in accepted],
            )
            kept = {int(one["Id"]): str(one.get("Message") or one["Code"]) for one in deleted.get("Failed", [])}
        refused = {int(one["Id"]): str(one.get("Message") or one["Code"]) for one in sent.get("Failed", [])}
        for number, letter in enumerate(letters):
            if number in accepted and number not in kept:
                del self.held[letter.message_id]
                yield letter, None
            elif number in kept:
                yield (
                    letter,
                    f"It was sent, and its copy here could not be deleted: {kept[number]}. The copy is harmless.",
                )
            else:
                why = refused.get(number, "SQS did not answer for it")
                yield letter, f"It was not sent and is left in the dead-letter queue: {why}."

    def release(self) -> None:
        """Make every message that is still held visible again."""
        letters = list(self.held.values())
        for start in range(0, len(letters), MOST_ENTRIES):
            batch = letters[start : start + MOST_ENTRIES]
            self.client.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                    for number, letter in enumerate(batch)
                ],
            )
            for letter in batch:
                del self.held[letter.message_id]


def batches(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    """Yield messages in batches that SQS takes."""
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        length = len(letter.body.encode(errors="replace"))
        if batch and (len(batch) == MOST_ENTRIES or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += length
    if batch:
        yield batch
