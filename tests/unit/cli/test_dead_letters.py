"""Dead letters on their way back to the submission queue: whatever dies, no message is lost, and a copy pays nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dropreel.adapters.queues import decode_body
from dropreel.domain.errors import RetryLater
from dropreel.domain.job import JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel_cli.dead_letters import HOLD_SECONDS, MARGIN_SECONDS, MOST_BYTES, DeadLetter, DeadLetters, batches
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.support.moto_account import moto_account
from tests.support.sample_events import load_event, object_created
from tests.support.sample_jobs import PRICE


class Died(BaseException):
    """The process ends."""


class Dying:
    """SQS's client, which dies before its n-th change, or after it."""

    def __init__(self, sqs: Any, number: int, *, after: bool = False) -> None:
        self.sqs, self.left, self.after = sqs, number, after

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self.sqs, name)
        if name in ("get_queue_attributes", "receive_message"):
            return call

        def call_or_die(**arguments: Any) -> Any:
            self.left -= 1
            if self.left < 0 and not self.after:
                raise Died
            answer = call(**arguments)
            if self.left < 0:
                raise Died
            return answer

        return call_or_die


class Queues:
    """The two queues in moto."""

    def __init__(self) -> None:
        self.sqs: Any = boto3.client("sqs")
        self.dead: str = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        self.target: str = self.sqs.create_queue(QueueName="queue")["QueueUrl"]

    def letters(self, client: Any = None, **changes: Any) -> DeadLetters:
        return DeadLetters(client or self.sqs, self.dead, self.target, sleep=lambda _: None, poll_seconds=0, **changes)

    def put(self, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.dead, MessageBody=body)

    def visible(self, url: str) -> list[str]:
        """Return the visible messages of a queue, and leave them so."""
        found: dict[str, Any] = {}
        while received := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found |= {one["MessageId"]: one for one in received}
        for one in found.values():
            self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
        return sorted(one["Body"] for one in found.values())


@pytest.fixture
def queues() -> Iterator[Queues]:
    with moto_account():
        yield Queues()


def collected(letters: DeadLetters) -> list[DeadLetter]:
    assert letters.collect(lambda _: None) == 0
    return list(letters.held.values())


def test_all_messages_are_collected_and_moved(queues: Queues) -> None:
    bodies = sorted(json.dumps(RetryMessage(f"{number:024x}", 1, 0).as_json()) for number in range(23))
    queues.put(*bodies)
    letters = queues.letters()

    moved = list(letters.move(collected(letters)))

    assert [failed for _, failed in moved] == [None] * 23
    assert (queues.visible(queues.target), queues.visible(queues.dead)) == (bodies, [])
    assert letters.held == {}


def test_messages_that_are_released_are_visible_at_once(queues: Queues) -> None:
    queues.put(*"abcdefghijklm")
    letters = queues.letters()
    kept = collected(letters)
    assert queues.visible(queues.dead) == []

    list(letters.move([letter for letter in kept if letter.body == "c"]))
    letters.release()

    assert queues.visible(queues.target) == ["c"]
    assert queues.visible(queues.dead) == [*"abdefghijklm"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(4))  # two batches, each sent and deleted
def test_no_message_is_lost_whatever_call_the_process_dies_at(queues: Queues, number: int, after: bool) -> None:
    """Run again, it completes. At worst some messages were sent twice."""
    bodies = sorted(json.dumps(RetryMessage(f"{number:024x}", 1, 0).as_json()) for number in range(12))
    queues.put(*bodies)
    dying = queues.letters(Dying(queues.sqs, number, after=after))
    with pytest.raises(Died):
        list(dying.move(collected(dying)))
    assert set(queues.visible(queues.target)) | {letter.body for letter in dying.held.values()} == set(bodies)
    become_visible(queues, dying)

    again = queues.letters()
    assert {failed for _, failed in again.move(collected(again))} <= {None}

    assert set(queues.visible(queues.target)) == set(bodies)
    assert queues.visible(queues.dead) == []


def become_visible(queues: Queues, letters: DeadLetters) -> None:
    """End the visibility time-out of a dead process's messages."""
    for letter in letters.held.values():
        with suppress(ClientError):  # deleted, and the process died before it knew
            queues.sqs.change_message_visibility(
                QueueUrl=queues.dead, ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )


UPLOAD = object_created("uploads", "holiday/beach.jpg", 1, "e1", "v1", "s1")


@pytest.mark.parametrize("deferred", [False, True])
def test_both_copies_of_a_message_lead_to_one_payment(queues: Queues, deferred: bool) -> None:
    """The process died between send and delete, so the message is sent twice; each copy is delivered twice, too."""
    stack = FakeStack()
    if deferred:
        stack.put_job(status=JobStatus.DEFERRED, generation_id=None, submitted_at=None, requeues=3)
        queues.put(json.dumps(RetryMessage(JOB_ID, 1, 3).as_json()))
    else:
        queues.put(json.dumps(UPLOAD))
    dying = queues.letters(Dying(queues.sqs, 1))
    with pytest.raises(Died):
        list(dying.move(collected(dying)))
    become_visible(queues, dying)
    again = queues.letters()
    list(again.move(collected(again)))

    copies = queues.visible(queues.target)
    assert len(copies) == 2
    for body in copies * 2:
        message = decode_body(body)
        assert message is not None
        try:
            stack.run(message)
        except RetryLater:
            continue

    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)
    assert stack.job.status is JobStatus.GENERATING


def test_a_message_whose_send_is_refused_is_left(queues: Queues) -> None:
    queues.put("a", "b")

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(queues.sqs, name)

        def send_message_batch(self, **arguments: Any) -> Any:
            (first, *rest) = arguments["Entries"]
            answer = queues.sqs.send_message_batch(QueueUrl=arguments["QueueUrl"], Entries=rest)
            return {**answer, "Failed": [{"Id": first["Id"], "Code": "InternalError", "SenderFault": False}]}

    letters = queues.letters(Refusing())

    outcomes = {letter.body: failed for letter, failed in letters.move(collected(letters))}
    letters.release()

    (left,) = queues.visible(queues.dead)
    assert outcomes[left] == "It was not sent and is left in the dead-letter queue: InternalError."
    assert queues.visible(queues.target) == sorted({"a", "b"} - {left})


def test_a_delete_that_is_refused_is_said_to_be_harmless(queues: Queues) -> None:
    queues.put("a")

    class Keeping:
        def __getattr__(self, name: str) -> Any:
            return getattr(queues.sqs, name)

        def delete_message_batch(self, **_: Any) -> Any:
            return {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}

    letters = queues.letters(Keeping())

    ((_, failed),) = letters.move(collected(letters))
    letters.release()

    assert failed == "It was sent, and its copy here could not be deleted: InternalError. The copy is harmless."
    assert (queues.visible(queues.target), queues.visible(queues.dead)) == (["a"], ["a"])


def test_after_too_long_an_answer_nothing_is_moved(queues: Queues) -> None:
    queues.put("a")
    time = [1000.0]
    letters = queues.letters(clock=lambda: time[0])
    kept = collected(letters)

    time[0] += HOLD_SECONDS - MARGIN_SECONDS
    ((_, failed),) = letters.move(kept)

    assert failed is not None
    assert "run the command again" in failed
    assert queues.visible(queues.target) == []


def test_hidden_messages_are_waited_for_at_most_22_seconds(queues: Queues) -> None:
    queues.put("a", "b")
    queues.sqs.receive_message(QueueUrl=queues.dead, MaxNumberOfMessages=1, VisibilityTimeout=100)
    time, waits = [0.0], list[int]()

    def sleep(seconds: float) -> None:
        time[0] += seconds

    letters = DeadLetters(queues.sqs, queues.dead, queues.target, clock=lambda: time[0], sleep=sleep, poll_seconds=0)

    assert letters.collect(waits.append) == 1
    assert (waits, time, len(letters.held)) == ([1], [22.0], 1)


def test_messages_that_become_visible_meanwhile_are_collected(queues: Queues) -> None:
    queues.put("a")
    (hidden,) = queues.sqs.receive_message(QueueUrl=queues.dead, VisibilityTimeout=100)["Messages"]

    def sleep(_: float) -> None:
        receipt = hidden["ReceiptHandle"]
        queues.sqs.change_message_visibility(QueueUrl=queues.dead, ReceiptHandle=receipt, VisibilityTimeout=0)

    letters = DeadLetters(queues.sqs, queues.dead, queues.target, sleep=sleep, poll_seconds=0)

    assert letters.collect(lambda _: None) == 0
    assert [letter.body for letter in letters.held.values()] == ["a"]


def test_a_fault_of_sqs_is_not_an_empty_queue(queues: Queues) -> None:
    queues.sqs.delete_queue(QueueUrl=queues.dead)

    with pytest.raises(ClientError):
        queues.letters().collect(lambda _: None)


def test_batches_are_what_sqs_takes() -> None:
    def letter(size: int) -> DeadLetter:
        return DeadLetter("1", "1", "x" * size, 0.0)

    assert [len(batch) for batch in batches([letter(1)] * 21)] == [10, 10, 1]
    large = [letter(MOST_BYTES), letter(1), letter(MOST_BYTES - 1), letter(1)]
    assert [len(batch) for batch in batches(large)] == [1, 2, 1]
    assert list(batches([])) == []


def test_an_upload_and_a_request_are_readable_dead_letters() -> None:
    for body in (UPLOAD, load_event("video_generation_requested")):
        assert DeadLetter("1", "1", json.dumps(body), 0.0).message is not None
    assert DeadLetter("1", "1", "no JSON", 0.0).message is None
