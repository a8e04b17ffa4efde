"""Every event that a job owes is published, in order, and marked on the current job."""

from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.errors import PublishFault
from dropreel.domain.events import event_id
from dropreel.domain.job import Charge, EventType, Job, JobStatus, next_attempt, resume
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.poll_answers import Finished, PollFault
from dropreel.use_cases.publish_events import Publisher
from tests.support.fake_stack import GENERATION, TIMEOUT_SECONDS, FakeStack
from tests.support.fakes import FakeBus, OutageError
from tests.support.interleaving import just_after
from tests.support.sample_jobs import NOON

HELD, DEFERRED, SUBMITTED = EventType.HELD, EventType.DEFERRED, EventType.SUBMITTED
COMPLETED, FAILED, REJECTED = EventType.COMPLETED, EventType.FAILED, EventType.REJECTED
TIMED_OUT = Reason(ReasonCode.TIMED_OUT, "The provider did not finish the video within 60 minutes.")
GENERATION_FAILED = Reason(ReasonCode.GENERATION_FAILED, "no faces")


def owing(stack: FakeStack, *events: EventType, **changes: Any) -> Job:
    return stack.put_job(pending_events=frozenset(events), **changes)


# --- what is published ------------------------------------------------------------------------------------------------


def test_events_are_published_in_the_order_of_their_transitions(stack: FakeStack):
    job = owing(stack, COMPLETED, DEFERRED, SUBMITTED, HELD, status=JobStatus.COMPLETED)

    published = stack.publisher.publish(job)

    assert stack.bus.types == [HELD, DEFERRED, SUBMITTED, COMPLETED]
    assert published.pending_events == stack.job.pending_events == frozenset()


def test_an_event_names_the_stack_of_the_bus_that_it_is_published_on(stack: FakeStack):
    stack.publisher.publish(owing(stack, SUBMITTED))

    ((_, detail),) = stack.bus.published
    assert detail["metadata"]["stack"] == stack.bus.stack == "shop"


def test_each_event_is_marked_before_the_next_is_published(stack: FakeStack):
    job = owing(stack, SUBMITTED, COMPLETED, status=JobStatus.COMPLETED)

    stack.publisher.publish(job)

    assert stack.journal == ["publish", "save completed", "publish", "save completed"]


def test_after_a_bus_fault_only_unpublished_events_are_owed(stack: FakeStack):
    job = owing(stack, SUBMITTED, COMPLETED, status=JobStatus.COMPLETED)
    just_after(stack.bus, "publish", lambda: setattr(stack.bus, "refuses_all", True))

    with pytest.raises(PublishFault):
        stack.publisher.publish(job)

    assert (stack.bus.types, stack.job.pending_events) == ([SUBMITTED], {COMPLETED})


def test_a_job_that_owes_nothing_is_not_even_read(stack: FakeStack):
    job = owing(stack)

    assert stack.publisher.publish(job) == job
    assert stack.journal == []


def test_an_event_that_the_bus_refuses_stays_owed(stack: FakeStack):
    stack.bus.refuses_all = True

    with pytest.raises(PublishFault):
        stack.run()

    assert stack.job.pending_events == {SUBMITTED}


def test_an_owed_event_is_published_when_the_message_is_redelivered(stack: FakeStack):
    owing(stack, REJECTED, status=JobStatus.REJECTED)

    stack.run()

    assert stack.bus.types == [REJECTED]
    assert stack.job.pending_events == frozenset()


def test_an_event_that_was_published_is_not_published_again(stack: FakeStack):
    stack.run()
    stack.run()

    assert stack.bus.types == [SUBMITTED]


@pytest.mark.parametrize(("when", "times"), [("fails_before", 2), ("fails_after", 1)])
def test_an_event_repeated_after_a_crash_is_the_same_event(stack: FakeStack, when, times):
    """The function crashes before, or right after, it marks the event."""
    job = owing(stack, REJECTED, status=JobStatus.REJECTED)
    broken = getattr(stack.database, when)
    broken.add("save rejected")
    with pytest.raises(OutageError):
        stack.publisher.publish(job)
    broken.clear()

    stack.publisher.publish(stack.job)

    ids = [detail["metadata"]["id"] for _type, detail in stack.bus.published]
    assert ids == [event_id(job, REJECTED)] * times
    assert stack.job.pending_events == frozenset()


# --- a job that changes concurrently ------------------------------------------------------------------------------------


def test_an_event_is_marked_on_the_job_as_it_is_by_then(stack: FakeStack):
    job = owing(stack, SUBMITTED)
    changed = replace(job, status=JobStatus.COMPLETED, warnings=("x",))
    just_after(stack.bus, "publish", lambda: stack.jobs.save(job, changed))

    published = stack.publisher.publish(job)

    assert published == stack.job
    assert (published.status, published.warnings) == (JobStatus.COMPLETED, ("x",))
    assert published.pending_events == frozenset()


def test_an_event_added_concurrently_stays_owed(stack: FakeStack):
    job = owing(stack, SUBMITTED)
    completed = replace(job, status=JobStatus.COMPLETED, pending_events=frozenset({SUBMITTED, COMPLETED}))
    just_after(stack.bus, "publish", lambda: stack.jobs.save(job, completed))

    published = stack.publisher.publish(job)

    assert (stack.bus.types, published.pending_events) == ([SUBMITTED], {COMPLETED})
    assert stack.job.waits_for == "publishing"


def test_an_event_published_by_two_writers_is_marked_once(stack: FakeStack):
    job = owing(stack, REJECTED, status=JobStatus.REJECTED)
    just_after(stack.bus, "publish", lambda: stack.publisher.publish(job))

    published = stack.publisher.publish(job)

    assert [detail["metadata"]["id"] for _type, detail in stack.bus.published] == [event_id(job, REJECTED)] * 2
    assert published == stack.job
    assert published.pending_events == frozenset()
    assert stack.journal.count("save rejected") == 2  # the second writer lost, and found the event marked


def test_marking_keeps_the_owed_event_of_a_later_attempt(stack: FakeStack):
    job = owing(stack, HELD, status=JobStatus.HELD, generation_id=None)
    later = replace(job, attempt=2, version=job.version + 5)
    just_after(stack.bus, "publish", lambda: stack.database.put(later))

    published = stack.publisher.publish(job)

    assert [detail["data"]["attempt"] for _type, detail in stack.bus.published] == [1]
    assert (published.attempt, published.pending_events) == (2, {HELD})
    assert stack.job.pending_events == {HELD}


def test_marking_keeps_the_owed_event_of_a_resumed_job(stack: FakeStack):
    """Two failures of one attempt: the first one's writer is late, and the second one is not published yet."""
    job = owing(stack, FAILED, status=JobStatus.FAILED, charge=Charge.CHARGED, reason=TIMED_OUT)

    def resumed_and_failed_again() -> None:
        first = Publisher(stack.jobs, FakeBus(stack.journal)).publish(job)
        resumed = stack.jobs.save(first, resume(first, NOON))
        assert resumed is not None
        again = replace(resumed, status=JobStatus.FAILED, reason=TIMED_OUT, pending_events=frozenset({FAILED}))
        assert stack.jobs.save(resumed, again) is not None

    just_after(stack.bus, "publish", resumed_and_failed_again)

    published = stack.publisher.publish(job)
    assert (published.resumes, published.pending_events) == (1, {FAILED})

    stack.publisher.publish(published)
    ids = [detail["metadata"]["id"] for _type, detail in stack.bus.published]
    assert ids == [event_id(job, FAILED), event_id(stack.job, FAILED)]
    assert len(set(ids)) == 2


def test_marking_does_not_change_the_next_attempt(stack: FakeStack):
    job = owing(stack, SUBMITTED, charge=Charge.CHARGED)

    def next_one() -> None:
        published = Publisher(stack.jobs, FakeBus(stack.journal)).publish(job)
        assert stack.jobs.save(published, next_attempt(published, GENERATION_FAILED, NOON)) is not None

    just_after(stack.bus, "publish", next_one)

    published = stack.publisher.publish(job)

    assert published == stack.job
    assert (published.status, published.attempt, published.generation_id) == (JobStatus.DEFERRED, 2, None)


# --- the whole way ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        (Finished("https://cdn.example/v.mp4?sig=5ec2e7"), [SUBMITTED, COMPLETED]),
        (PollFault("ReadTimeout"), [SUBMITTED, FAILED]),
    ],
)
def test_one_image_has_one_outcome_and_each_event_once(stack: FakeStack, answer, events):
    stack.run()
    stack.provider.poll_answer = answer
    stack.clock.pass_seconds(TIMEOUT_SECONDS)
    found = stack.check.run(GENERATION)
    if found["outcome"] == "completed":
        stack.deliver.run(GENERATION)
    else:
        stack.report.run(GENERATION, Reason.from_json(found["reason"]))

    stack.redeliver()
    stack.deliver.run(GENERATION)
    stack.report.run(GENERATION, TIMED_OUT)

    assert stack.bus.types == events
    assert stack.job.is_terminal
    assert len(stack.provider.sent) == 1
