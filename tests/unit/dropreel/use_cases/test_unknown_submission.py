"""An unknown submission is parked, or resubmitted where `AmbiguousSubmitPolicy` says so."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.domain.errors import PublishFault
from dropreel.domain.events import event_id
from dropreel.domain.job import Charge, EventType, Job, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.metrics import Metric
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.submit_answers import Unknown
from tests.support.fake_stack import DROP, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_after, just_before
from tests.support.sample_jobs import NOON, PRICE

BUSY = Reason(ReasonCode.PROVIDER_BUSY, "busy")
OWED = {"notices": {EventType.DEFERRED: BUSY}, "pending_events": frozenset({EventType.DEFERRED})}


def claimed(stack: FakeStack, **changes: Any) -> Job:
    """Put the upload's claimed job into the table: its POST may have been sent."""
    stack.database.set_reserved("2026-05-04", PRICE)
    fields = {"generation_id": None, "submitted_at": None, "lease_until": NOON, "reserved_day": "2026-05-04"}
    return stack.put_job(status=JobStatus.SUBMITTING, **{**fields, **changes})


def settle(stack: FakeStack, job: Job) -> Job | None:
    return stack.unknown.settle(job, "read time-out", stack.clock(), "oops")


# --- parked -----------------------------------------------------------------------------------------------------------


def test_a_parked_job_is_unknown_and_its_reservation_stays(stack: FakeStack):
    settled = settle(stack, claimed(stack))

    assert settled == stack.job
    assert (settled.status, settled.charge) == (JobStatus.UNKNOWN, Charge.UNKNOWN)
    assert (settled.reserved_day, stack.reserved) == ("2026-05-04", PRICE)
    assert settled.reason == Reason(ReasonCode.SUBMISSION_UNKNOWN, "read time-out", ("read time-out",), "oops")
    assert stack.queue.sent == []


def test_a_parked_job_is_published(stack: FakeStack):
    settle(stack, claimed(stack))

    ((event, detail),) = stack.bus.published
    assert (event, detail["data"]["charge"]) == (EventType.UNKNOWN, "unknown")
    assert "may pay a second time" in detail["data"]["reason"]["next_step"]
    assert stack.job.pending_events == frozenset()


def test_a_parked_submission_has_its_row(stack: FakeStack):
    stack.provider.fails_after.add("post")
    with pytest.raises(OutageError):
        stack.run()

    settle(stack, stack.job)

    (row,) = stack.database.tables.rows("attempt")
    assert (row["status"], row["charge"], row["reason"]["code"]) == ("unknown", "unknown", "submission_unknown")


def test_an_unknown_submission_is_counted_for_its_alarm(stack: FakeStack):
    settle(stack, claimed(stack))

    assert stack.counted == [(Metric.SUBMISSION_UNKNOWN, JOB_ID)]


def test_a_job_is_parked_even_if_the_bus_refuses_events(stack: FakeStack):
    stack.bus.refuses_all = True

    with pytest.raises(PublishFault):
        settle(stack, claimed(stack))

    assert (stack.job.status, stack.job.pending_events) == (JobStatus.UNKNOWN, {EventType.UNKNOWN})


def test_what_a_parked_job_owed_before_is_published_first(stack: FakeStack):
    settle(stack, claimed(stack, **OWED))

    assert stack.bus.types == [EventType.DEFERRED, EventType.UNKNOWN]


def test_an_event_published_concurrently_does_not_prevent_parking(stack: FakeStack):
    job = claimed(stack, **OWED)
    stack.publisher.publish(job)

    settled = settle(stack, job)

    assert settled is not None
    assert settled.status is JobStatus.UNKNOWN
    assert stack.bus.types == [EventType.DEFERRED, EventType.UNKNOWN]


@pytest.mark.parametrize("resubmits", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.GENERATING, "generation_id": "gen_1"},
        {"status": JobStatus.UNKNOWN, "charge": Charge.UNKNOWN},
        {"status": JobStatus.DEFERRED, "requeues": 1},
        {"status": JobStatus.DEFERRED, "attempt": 2},
        {"status": JobStatus.SUBMITTING, "lease_until": NOON + timedelta(seconds=1)},
        {"status": JobStatus.SUBMITTING, "attempt": 2},
    ],
    ids=lambda changes: "-".join(str(value) for value in changes.values()) if isinstance(changes, dict) else None,
)
def test_a_job_after_a_concurrent_transition_is_not_parked(stack: FakeStack, changes, resubmits):
    if resubmits:
        stack.set_resubmit_policy(max_attempts=3)
    job = claimed(stack)
    after = stack.put_job(**{"version": 2, "generation_id": None, "lease_until": NOON, **changes})

    assert settle(stack, job) is None
    assert (stack.job, stack.queue.sent, stack.bus.published) == (after, [], [])


# --- resubmitted ------------------------------------------------------------------------------------------------------


def test_under_the_resubmit_policy_the_next_attempt_follows_at_once(stack: FakeStack):
    stack.set_resubmit_policy()

    settled = settle(stack, claimed(stack))

    assert settled == stack.job
    assert (settled.status, settled.attempt, settled.requeues) == (JobStatus.DEFERRED, 2, 0)
    assert (settled.charge, stack.reserved) == (Charge.UNKNOWN, PRICE)
    assert settled.reason == Reason(ReasonCode.SUBMISSION_UNKNOWN, "read time-out", provider_error="oops")
    assert stack.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]
    assert stack.bus.types == []


@pytest.mark.parametrize("max_attempts", [1, 2, 3])
def test_an_unknown_submission_is_resubmitted_up_to_max_attempts(stack: FakeStack, max_attempts):
    stack.set_resubmit_policy(max_attempts)
    stack.provider.submit_answer = Unknown("ReadTimeout")

    stack.run()
    while stack.queue.sent:
        stack.deliver_retry_message()

    assert len(stack.provider.sent) == max_attempts
    assert (stack.job.status, stack.job.attempt, stack.job.charge) == ("unknown", max_attempts, "unknown")
    assert stack.reserved == max_attempts * PRICE
    assert stack.bus.types == [EventType.UNKNOWN]
    charges = [(row["row"], row["charge"]) for row in stack.database.tables.rows("attempt")]
    assert charges == [(f"attempt#{number:02}#0000", "unknown") for number in range(1, max_attempts + 1)]


def test_under_the_park_policy_nothing_is_resubmitted(stack: FakeStack):
    stack.provider.submit_answer = Unknown("ReadTimeout")

    stack.run()
    stack.redeliver()

    assert (len(stack.provider.sent), stack.queue.sent) == (1, [])


def test_an_interrupted_submission_is_resubmitted_under_that_policy(stack: FakeStack):
    stack.set_resubmit_policy()
    claimed(stack)

    assert stack.run() == "deferred"
    assert stack.deliver_retry_message() == "generating"
    assert (len(stack.provider.sent), stack.job.attempt, stack.reserved) == (1, 2, 2 * PRICE)


def test_duplicates_of_the_event_do_not_begin_the_next_attempt(stack: FakeStack):
    stack.set_resubmit_policy()
    claimed(stack)
    stack.run()

    assert [stack.run(DROP) for _ in range(3)] == ["overtaken"] * 3
    assert (stack.provider.sent, len(stack.queue.sent)) == ([], 1)


def test_a_second_job_of_a_generation_may_be_resubmitted_too(stack: FakeStack):
    stack.set_resubmit_policy()
    stack.run()

    assert stack.run(replace(DROP, image=DROP.image._replace(version_id="v2"))) == "deferred"
    assert [message.attempt for message, _ in stack.queue.sent] == [2]
    assert stack.reserved == 2 * PRICE


def test_what_an_attempt_owes_is_published_before_the_next_begins(stack: FakeStack):
    stack.set_resubmit_policy()
    before = claimed(stack, **OWED)

    assert stack.sweep.run() == {"resubmitted": 1}

    assert (stack.job.status, stack.job.attempt) == (JobStatus.DEFERRED, 2)
    assert [detail["metadata"]["id"] for _, detail in stack.bus.published] == [event_id(before, EventType.DEFERRED)]


def test_no_next_attempt_begins_while_the_bus_refuses_events(stack: FakeStack):
    stack.set_resubmit_policy()
    stack.bus.refuses_all = True
    before = claimed(stack, **OWED)

    with pytest.raises(PublishFault):
        settle(stack, before)

    assert (stack.job, stack.queue.sent) == (before, [])


def test_a_late_id_accepted_while_events_are_published_ends_no_attempt(stack: FakeStack):
    """The generation is charged and known by then: a next attempt would pay again."""
    stack.set_resubmit_policy()
    job = claimed(stack, **OWED)
    just_before(stack.bus, "publish", lambda: stack.run(RetryMessage(JOB_ID, 1, 0, "gen_1")))

    assert settle(stack, job) is None

    assert (stack.job.status, stack.job.attempt, stack.job.generation_id) == (JobStatus.GENERATING, 1, "gen_1")
    assert stack.queue.sent == []


def test_of_two_concurrent_settlements_one_sends_a_message(stack: FakeStack):
    stack.set_resubmit_policy()
    job = claimed(stack, **OWED)
    settled = []
    just_after(stack.bus, "publish", lambda: settled.append(settle(stack, stack.job)))

    settled.append(settle(stack, job))

    assert [each and each.attempt for each in settled] == [2, None]
    assert stack.queue.sent == [(RetryMessage(JOB_ID, 2, 0), 0)]


def test_a_resubmission_whose_message_was_lost_gets_one_from_the_sweeper(stack: FakeStack):
    stack.set_resubmit_policy()
    stack.queue.fails_before.add("send")
    with pytest.raises(OutageError):
        settle(stack, claimed(stack))
    stack.queue.fails_before.clear()
    stack.clock.pass_seconds(3600)

    assert stack.sweep.run() == {"requeued": 1}
    assert stack.deliver_retry_message() == "generating"
    assert (stack.job.attempt, len(stack.provider.sent)) == (2, 1)


def test_submissions_that_stay_unknown_are_sent_once_an_attempt(stack: FakeStack):
    stack.set_resubmit_policy(max_attempts=10)
    stack.provider.submit_answer = Unknown("no answer")
    stack.run()

    rounds = 0
    while stack.queue.sent:
        stack.deliver_retry_message()
        rounds += 1
        assert rounds < 10

    assert (stack.job.status, stack.job.attempt) == (JobStatus.UNKNOWN, 10)
