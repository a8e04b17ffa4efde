"""Every event that a job owes reaches the bus, in order, and is marked on the job as it is by then."""

from dataclasses import replace
from typing import Any

import pytest

from dropreel.answers import Finished, PollFault
from dropreel.errors import PublishFault
from dropreel.jobs import Charge, EventType, Job, JobStatus, event_id, next_attempt, resume
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.publish_events import Publisher
from tests.unit.dropreel.fakes import FakeBus, OutOfOrderError
from tests.unit.dropreel.interleaving import just_after
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.world import GENERATION, TIMEOUT_SECONDS, World

HELD, DEFERRED, SUBMITTED = EventType.HELD, EventType.DEFERRED, EventType.SUBMITTED
COMPLETED, FAILED, REJECTED = EventType.COMPLETED, EventType.FAILED, EventType.REJECTED
TIMED_OUT = Reason(ReasonCode.TIMED_OUT, "The provider did not finish the video within 60 minutes.")
GENERATION_FAILED = Reason(ReasonCode.GENERATION_FAILED, "no faces")


def owing(world: World, *events: EventType, **changes: Any) -> Job:
    return world.has(pending_events=frozenset(events), **changes)


# --- what is published ------------------------------------------------------------------------------------------------


def test_events_are_published_in_the_order_in_which_they_came(world: World):
    job = owing(world, COMPLETED, DEFERRED, SUBMITTED, HELD, status=JobStatus.COMPLETED)

    published = world.publisher.publish(job)

    assert world.bus.types == [HELD, DEFERRED, SUBMITTED, COMPLETED]
    assert published.pending_events == world.job.pending_events == frozenset()


def test_an_event_names_the_stack_of_the_bus_that_it_is_published_on(world: World):
    world.publisher.publish(owing(world, SUBMITTED))

    ((_, detail),) = world.bus.published
    assert detail["metadata"]["stack"] == world.bus.stack == "shop"


def test_each_event_is_marked_before_the_next_is_published(world: World):
    job = owing(world, SUBMITTED, COMPLETED, status=JobStatus.COMPLETED)

    world.publisher.publish(job)

    assert world.journal == ["publish", "save completed", "publish", "save completed"]


def test_a_bus_that_breaks_off_leaves_only_the_rest_owed(world: World):
    job = owing(world, SUBMITTED, COMPLETED, status=JobStatus.COMPLETED)
    just_after(world.bus, "publish", lambda: setattr(world.bus, "takes_nothing", True))

    with pytest.raises(PublishFault):
        world.publisher.publish(job)

    assert (world.bus.types, world.job.pending_events) == ([SUBMITTED], {COMPLETED})


def test_a_job_that_owes_nothing_is_not_even_read(world: World):
    job = owing(world)

    assert world.publisher.publish(job) == job
    assert world.journal == []


def test_an_event_that_the_bus_did_not_take_stays_owed(world: World):
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        world.run()

    assert world.job.pending_events == {SUBMITTED}


def test_an_owed_event_is_published_when_the_message_comes_again(world: World):
    owing(world, REJECTED, status=JobStatus.REJECTED)

    world.run()

    assert world.bus.types == [REJECTED]
    assert world.job.pending_events == frozenset()


def test_an_event_that_was_published_is_not_published_again(world: World):
    world.run()
    world.run()

    assert world.bus.types == [SUBMITTED]


@pytest.mark.parametrize(("when", "times"), [("broken_before", 2), ("broken_after", 1)])
def test_an_event_repeated_after_a_crash_is_the_same_event(world: World, when, times):
    """The function ends before, or right after, it has marked the event."""
    job = owing(world, REJECTED, status=JobStatus.REJECTED)
    broken = getattr(world.database, when)
    broken.add("save rejected")
    with pytest.raises(OutOfOrderError):
        world.publisher.publish(job)
    broken.clear()

    world.publisher.publish(world.job)

    ids = [detail["metadata"]["id"] for _type, detail in world.bus.published]
    assert ids == [event_id(job, REJECTED)] * times
    assert world.job.pending_events == frozenset()


# --- where the job has changed meanwhile --------------------------------------------------------------------------------


def test_an_event_is_marked_on_the_job_as_it_is_by_then(world: World):
    job = owing(world, SUBMITTED)
    changed = replace(job, status=JobStatus.COMPLETED, warnings=("x",))
    just_after(world.bus, "publish", lambda: world.jobs.save(job, changed))

    published = world.publisher.publish(job)

    assert published == world.job
    assert (published.status, published.warnings) == (JobStatus.COMPLETED, ("x",))
    assert published.pending_events == frozenset()


def test_an_event_that_came_meanwhile_stays_owed(world: World):
    job = owing(world, SUBMITTED)
    completed = replace(job, status=JobStatus.COMPLETED, pending_events=frozenset({SUBMITTED, COMPLETED}))
    just_after(world.bus, "publish", lambda: world.jobs.save(job, completed))

    published = world.publisher.publish(job)

    assert (world.bus.types, published.pending_events) == ([SUBMITTED], {COMPLETED})
    assert world.job.waits_for == "publishing"


def test_an_event_that_two_publish_at_once_is_one_event_and_marked_once(world: World):
    job = owing(world, REJECTED, status=JobStatus.REJECTED)
    just_after(world.bus, "publish", lambda: world.publisher.publish(job))

    published = world.publisher.publish(job)

    assert [detail["metadata"]["id"] for _type, detail in world.bus.published] == [event_id(job, REJECTED)] * 2
    assert published == world.job
    assert published.pending_events == frozenset()
    assert world.journal.count("save rejected") == 2  # the second one lost, and found nothing left to mark


def test_a_mark_does_not_take_away_what_a_later_attempt_owes(world: World):
    job = owing(world, HELD, status=JobStatus.HELD, generation_id=None)
    later = replace(job, attempt=2, version=job.version + 5)
    just_after(world.bus, "publish", lambda: world.database.put(later))

    published = world.publisher.publish(job)

    assert [detail["data"]["attempt"] for _type, detail in world.bus.published] == [1]
    assert (published.attempt, published.pending_events) == (2, {HELD})
    assert world.job.pending_events == {HELD}


def test_a_mark_does_not_take_away_what_a_resumed_job_owes(world: World):
    """Two failures of one attempt: the first one's sender is late, and the second one is not published yet."""
    job = owing(world, FAILED, status=JobStatus.FAILED, charge=Charge.CHARGED, reason=TIMED_OUT)

    def resumed_and_failed_again() -> None:
        first = Publisher(world.jobs, FakeBus(world.journal)).publish(job)
        resumed = world.jobs.save(first, resume(first, NOON))
        assert resumed is not None
        again = replace(resumed, status=JobStatus.FAILED, reason=TIMED_OUT, pending_events=frozenset({FAILED}))
        assert world.jobs.save(resumed, again) is not None

    just_after(world.bus, "publish", resumed_and_failed_again)

    published = world.publisher.publish(job)
    assert (published.resumes, published.pending_events) == (1, {FAILED})

    world.publisher.publish(published)
    ids = [detail["metadata"]["id"] for _type, detail in world.bus.published]
    assert ids == [event_id(job, FAILED), event_id(world.job, FAILED)]
    assert len(set(ids)) == 2


def test_a_mark_leaves_the_next_attempt_as_it_is(world: World):
    job = owing(world, SUBMITTED, charge=Charge.CHARGED)

    def next_one() -> None:
        published = Publisher(world.jobs, FakeBus(world.journal)).publish(job)
        assert world.jobs.save(published, next_attempt(published, GENERATION_FAILED, NOON)) is not None

    just_after(world.bus, "publish", next_one)

    published = world.publisher.publish(job)

    assert published == world.job
    assert (published.status, published.attempt, published.generation_id) == (JobStatus.DEFERRED, 2, None)


# --- the whole way ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        (Finished("https://cdn.example/v.mp4?sig=5ec2e7"), [SUBMITTED, COMPLETED]),
        (PollFault("ReadTimeout"), [SUBMITTED, FAILED]),
    ],
)
def test_one_image_has_one_outcome_and_each_event_once(world: World, answer, events):
    world.run()
    world.provider.poll_answer = answer
    world.clock.pass_seconds(TIMEOUT_SECONDS)
    found = world.check.run(GENERATION)
    if found["outcome"] == "completed":
        world.deliver.run(GENERATION)
    else:
        world.report.run(GENERATION, Reason.from_json(found["reason"]))

    world.delivered_again()
    world.deliver.run(GENERATION)
    world.report.run(GENERATION, TIMED_OUT)

    assert world.bus.types == events
    assert world.job.is_terminal
    assert len(world.provider.sent) == 1
