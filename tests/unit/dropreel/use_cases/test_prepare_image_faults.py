"""PrepareImage dies or loses a race at any point; what comes next heals it, and nothing is spent."""

from contextlib import suppress
from dataclasses import replace

import pytest

from dropreel.domain.errors import PublishFault, RetryLater
from dropreel.domain.images import Missing
from dropreel.domain.job import EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, QUIET
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_before
from tests.support.prepared_images import PREPARED_KEY, prepare, prepared_object, start_preparation
from tests.support.sample_jobs import PRICE

UNDECODABLE = Reason(ReasonCode.IMAGE_DAMAGED, "The HEIC cannot be decoded.")
FAULTS = [
    ("images", "fails_before", "download"),
    ("prepared", "fails_before", "put_prepared"),
    ("prepared", "fails_after", "put_prepared"),
    ("database", "fails_before", "save deferred"),
    ("database", "fails_after", "save deferred"),
    ("queue", "fails_before", "send"),
    ("queue", "fails_after", "send"),
]


@pytest.mark.parametrize(("service", "when", "action"), FAULTS)
def test_after_a_fault_anywhere_the_same_message_prepares_the_image(stack: FakeStack, service, when, action):
    message = start_preparation(stack)
    broken = getattr(getattr(stack, service), when)
    broken.add(action)
    with pytest.raises(OutageError):
        stack.prepare.run(message)
    broken.clear()
    assert (stack.reserved, stack.provider.sent) == (0, [])

    assert stack.prepare.run(message) == "deferred"

    assert prepared_object(stack).key == PREPARED_KEY
    assert {sent for sent, _ in stack.queue.sent} == {RetryMessage(JOB_ID, 1, 2)}
    assert [stack.deliver_retry_message() for _ in range(len(stack.queue.sent))][-1] == "generating"
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)


def test_a_message_that_was_never_sent_is_sent_by_its_predecessor(stack: FakeStack):
    message = start_preparation(stack)
    stack.queue.fails_before.add("send")
    with pytest.raises(OutageError):
        stack.prepare.run(message)
    stack.queue.fails_before.clear()
    stack.journal.clear()

    assert stack.prepare.run(message) == "deferred"
    assert stack.journal == ["get", "send"]
    assert stack.queue.sent == [(RetryMessage(JOB_ID, 1, 2), 0)]


def test_a_message_that_is_lost_for_good_is_sent_by_the_sweeper(stack: FakeStack):
    prepare(stack)
    stack.queue.sent.clear()
    stack.clock.pass_seconds(MESSAGE_LOST.total_seconds())

    assert stack.sweep.run() == {"requeued": 1}
    assert stack.deliver_retry_message() == "generating"
    assert stack.job.image.prepared is not None


def test_duplicates_of_a_message_lead_to_one_submission(stack: FakeStack):
    message = start_preparation(stack)

    outcomes = [stack.prepare.run(message) for _ in range(3)]
    submitted = [stack.deliver_retry_message() for _ in range(len(stack.queue.sent))]

    assert outcomes == ["deferred"] * 3
    assert submitted == ["generating"] * 3
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)


def test_of_two_overlapping_deliveries_one_saves_and_the_other_comes_again(stack: FakeStack):
    message = start_preparation(stack)
    outcomes: list[str] = []
    just_before(stack.database, "save deferred", lambda: outcomes.append(stack.prepare.run(message)))

    with pytest.raises(RetryLater, match="was changed while its image was prepared"):
        stack.prepare.run(message)

    assert outcomes == ["deferred"]
    assert stack.prepare.run(message) == "deferred"
    assert {sent for sent, _ in stack.queue.sent} == {RetryMessage(JOB_ID, 1, 2)}


def test_a_rejection_does_not_undo_a_concurrent_preparation(stack: FakeStack):
    message = start_preparation(stack)
    prepare_image, images = stack.prepare, stack.images
    gone = replace(prepare_image, originals=replace(images, stored=Missing.GONE))
    just_before(stack.database, "save rejected", lambda: prepare_image.run(message))

    with pytest.raises(RetryLater):
        gone.run(message)

    assert (stack.job.status, stack.bus.published) == (JobStatus.DEFERRED, [])


def test_a_job_that_is_settled_meanwhile_stays_as_it_is(stack: FakeStack):
    message = start_preparation(stack)
    settled = replace(stack.job, status=JobStatus.REJECTED, reason=UNDECODABLE)
    just_before(stack.database, "save deferred", lambda: stack.jobs.save(stack.job, settled))

    with pytest.raises(RetryLater):
        stack.prepare.run(message)

    assert (stack.job.status, stack.queue.sent) == (JobStatus.REJECTED, [])
    assert stack.prepare.run(message) == "rejected"


@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
def test_a_rejection_whose_save_fails_is_published_once(stack: FakeStack, when: str):
    stack.picture = UNDECODABLE
    message = start_preparation(stack)
    broken = getattr(stack.database, when)
    broken.add("save rejected")
    with pytest.raises(OutageError):
        stack.prepare.run(message)
    broken.clear()

    assert stack.prepare.run(message) == "rejected"
    assert stack.bus.types == [EventType.REJECTED]


def test_a_rejection_that_the_bus_refuses_is_published_later(stack: FakeStack):
    stack.picture = UNDECODABLE
    message = start_preparation(stack)
    stack.bus.refuses_all = True
    with pytest.raises(PublishFault):
        stack.prepare.run(message)
    stack.bus.refuses_all = False
    stack.clock.pass_seconds(QUIET.total_seconds())

    assert stack.sweep.run() == {"published": 1}
    assert stack.bus.types == [EventType.REJECTED]


@pytest.mark.parametrize(("service", "when", "action"), FAULTS)
def test_no_fault_of_the_preparation_touches_the_ledger(stack: FakeStack, service, when, action):
    message = start_preparation(stack)
    getattr(getattr(stack, service), when).add(action)

    for _ in range(5):
        with suppress(OutageError):
            stack.prepare.run(message)

    assert (stack.reserved, stack.provider.sent, stack.bus.published) == (0, [], [])
    assert stack.database.tables.days() == []
