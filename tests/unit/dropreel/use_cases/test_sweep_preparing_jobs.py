"""SweepJobs on images that are being prepared: lost messages and dead letters."""

from datetime import timedelta

import pytest

from dropreel.domain.job import EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import ReasonCode
from dropreel.use_cases.sweep_jobs import PREPARE_MESSAGE_LOST, QUIET
from tests.support.fake_stack import DROP, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_before
from tests.support.prepared_images import start_preparation, upload
from tests.support.swept_jobs import SECOND

MESSAGE = RetryMessage(JOB_ID, 1, 1)
NEXT = RetryMessage(JOB_ID, 1, 2)


@pytest.fixture
def lost(stack: FakeStack) -> FakeStack:
    """The message to Prepare Image is lost, and the time is over in which it would have come."""
    start_preparation(stack)
    stack.prepare_queue.sent.clear()
    stack.clock.pass_seconds(PREPARE_MESSAGE_LOST.total_seconds())
    return stack


@pytest.fixture
def noted(stack: FakeStack) -> FakeStack:
    """The message to Prepare Image failed at every receive and is in the dead-letter queue."""
    start_preparation(stack)
    stack.prepare_queue.sent.clear()
    stack.note_dead_letter.run(MESSAGE, "MemoryError: ")
    return stack


# --- lost messages ----------------------------------------------------------------------------------------------------


def test_a_message_to_prepare_counts_as_lost_after_two_hours():
    assert timedelta(hours=2) == PREPARE_MESSAGE_LOST


def test_a_lost_message_to_prepare_is_sent_again(lost: FakeStack):
    assert lost.sweep.run() == {"requeued": 1}
    assert lost.prepare_queue.sent == [(NEXT, 0)]
    assert lost.deliver_prepare_message() == "deferred"
    assert lost.deliver_retry_message() == "generating"


def test_it_is_not_sent_again_before(lost: FakeStack):
    lost.clock.time -= SECOND

    assert lost.sweep.run() == {}
    assert lost.prepare_queue.sent == []


def test_the_two_hours_begin_again_with_each_message(lost: FakeStack):
    lost.sweep.run()
    lost.clock.pass_seconds(PREPARE_MESSAGE_LOST.total_seconds() - 1)
    assert lost.sweep.run() == {}
    lost.clock.pass_seconds(1)

    assert lost.sweep.run() == {"requeued": 1}
    assert [message for message, _ in lost.prepare_queue.sent] == [NEXT, RetryMessage(JOB_ID, 1, 3)]


def test_the_lost_message_does_nothing_if_it_comes_after_all(lost: FakeStack):
    lost.sweep.run()

    assert lost.prepare.run(MESSAGE) == "overtaken"
    assert (lost.queue.sent, lost.images.prepared) == ([], {})


def test_the_job_is_saved_before_the_new_message_is_sent(lost: FakeStack):
    lost.journal.clear()

    lost.sweep.run()

    assert lost.journal.index("save preparing") < lost.journal.index("send_to_prepare")


def test_a_new_message_that_is_lost_too_is_sent_two_hours_later(lost: FakeStack):
    lost.prepare_queue.fails_before.add("send_to_prepare")
    assert lost.sweep.run() == {"not_swept": 1}
    lost.prepare_queue.fails_before.clear()
    lost.clock.pass_seconds(PREPARE_MESSAGE_LOST.total_seconds())

    assert lost.sweep.run() == {"requeued": 1}
    assert lost.prepare_queue.sent == [(RetryMessage(JOB_ID, 1, 3), 0)]


def test_a_preparation_that_ends_meanwhile_is_not_repeated(lost: FakeStack):
    just_before(lost.database, "save preparing", lambda: lost.prepare.run(MESSAGE))

    assert lost.sweep.run() == {}
    assert (lost.job.status, lost.prepare_queue.sent) == (JobStatus.DEFERRED, [])


def test_sweeping_a_preparation_reserves_and_submits_nothing(lost: FakeStack):
    lost.sweep.run()

    assert (lost.reserved, lost.provider.sent, lost.bus.published) == (0, [], [])


# --- dead letters -----------------------------------------------------------------------------------------------------


def test_a_preparations_dead_letter_is_noted_and_published(noted: FakeStack):
    assert (noted.job.status, noted.job.is_dead_letter) == (JobStatus.PREPARING, True)
    ((event, detail),) = noted.bus.published
    assert (event, detail["data"]["status"], detail["data"]["charge"]) == (EventType.DEFERRED, "deferred", "none")
    assert detail["data"]["reason"]["code"] == "dead_letter"
    assert noted.job.waits_for == "operator"


def test_a_preparation_that_was_killed_each_time_is_noted_by_the_sweeper(stack: FakeStack):
    start_preparation(stack)
    stack.dead_letters.letters = [MESSAGE]

    assert stack.sweep.run() == {"dead_letters": 1}
    assert (stack.job.status, stack.job.is_dead_letter) == (JobStatus.PREPARING, True)
    assert stack.sweep.run() == {}
    assert stack.bus.types == [EventType.DEFERRED]


def test_an_overtaken_messages_dead_letter_is_not_noted(lost: FakeStack):
    lost.sweep.run()
    before = lost.job

    assert lost.note_dead_letter.run(MESSAGE, "MemoryError: ") is None
    assert lost.job == before


def test_a_dead_letter_is_not_sent_again_by_the_sweeper(noted: FakeStack):
    noted.clock.pass_seconds(timedelta(days=13).total_seconds())

    assert noted.sweep.run() == {}
    assert noted.prepare_queue.sent == []


@pytest.mark.parametrize("queue", ["prepare", "submission"])
def test_a_dead_letter_that_is_sent_back_is_prepared(noted: FakeStack, queue: str):
    if queue == "submission":
        assert noted.run(MESSAGE) == "preparing"
        assert noted.prepare_queue.sent == [(MESSAGE, 0)]

    assert noted.prepare.run(MESSAGE) == "deferred"
    assert (noted.job.reason, noted.job.is_dead_letter) == (None, False)
    assert noted.deliver_retry_message() == "generating"
    assert noted.bus.types == [EventType.DEFERRED, EventType.SUBMITTED]


def test_a_dead_letter_that_is_sent_back_twice_is_submitted_once(noted: FakeStack):
    assert [noted.prepare.run(MESSAGE) for _ in range(3)] == ["deferred"] * 3
    assert [noted.deliver_retry_message() for _ in range(3)] == ["generating"] * 3

    assert len(noted.provider.sent) == 1


def test_time_in_the_dead_letter_queue_does_not_count_for_the_preparation(stack: FakeStack):
    """The upload's message was a dead letter for ten days before its image could be sent to Prepare Image."""
    upload(stack)
    stack.note_dead_letter.run(DROP, "AccessDenied: ")
    stack.clock.pass_seconds(timedelta(days=10).total_seconds())
    assert stack.run() == "preparing"
    stack.clock.pass_seconds(QUIET.total_seconds())

    assert stack.sweep.run() == {}
    assert (stack.job.status, stack.deliver_prepare_message()) == (JobStatus.PREPARING, "deferred")


def test_a_dead_letter_after_two_weeks_ends_the_job(noted: FakeStack):
    noted.clock.pass_seconds(timedelta(days=14).total_seconds())

    assert noted.sweep.run() == {"ended": 1}
    assert noted.job.has_reason(ReasonCode.WAITED_TOO_LONG)
    assert noted.bus.types == [EventType.DEFERRED, EventType.REJECTED]


def test_a_dead_letters_event_that_the_bus_refused_is_published_later(stack: FakeStack):
    start_preparation(stack)
    stack.bus.refuses_all = True
    stack.note_dead_letter.run(MESSAGE, "MemoryError: ")
    stack.bus.refuses_all = False
    assert stack.job.pending_events == {EventType.DEFERRED}
    stack.clock.pass_seconds(QUIET.total_seconds())

    assert stack.sweep.run() == {"published": 1}
    assert stack.bus.types == [EventType.DEFERRED]


def test_a_preparation_that_never_ends_is_rejected_after_seven_days(stack: FakeStack):
    start_preparation(stack)
    stack.images.fails_before.add("download")
    sends = 0
    while not stack.job.is_terminal:
        for message, _ in stack.prepare_queue.sent:
            with pytest.raises(OutageError):
                stack.prepare.run(message)
        sends += len(stack.prepare_queue.sent)
        stack.prepare_queue.sent.clear()
        stack.clock.pass_seconds(PREPARE_MESSAGE_LOST.total_seconds())
        stack.sweep.run()

    assert (stack.job.status, stack.bus.types) == (JobStatus.REJECTED, [EventType.REJECTED])
    assert sends == timedelta(days=7) / PREPARE_MESSAGE_LOST
    assert (stack.reserved, stack.provider.sent) == (0, [])
