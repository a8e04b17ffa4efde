"""A dead letter is noted on its job, and does not change a job that is in another status by then."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.domain.images import Missing
from dropreel.domain.job import Charge, EventType, JobStatus, job_id_of
from dropreel.domain.messages import Drop, RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.submit_answers import Busy, KeyRefused
from tests.support.fake_stack import ACCEPTED, DROP, GENERATION, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_before
from tests.support.sample_jobs import PRICE

FAULT = OutageError("find")
RETRY = RetryMessage(JOB_ID, 1, 0)
REQUEST = replace(DROP, request_id="order-4711", options={"mode": "hq"})


def note(stack: FakeStack, message: Drop | RetryMessage, fault: Exception = FAULT) -> None:
    """Note a message as a dead letter, as the function does at its last receive."""
    stack.note_dead_letter.run(message, f"{type(fault).__name__}: {fault}")


@pytest.fixture
def noted(stack: FakeStack) -> FakeStack:
    """The upload's message failed at every receive and is in the dead-letter queue."""
    stack.images.fails_before.add("find")
    with pytest.raises(OutageError):
        stack.run()
    stack.images.fails_before.clear()
    note(stack, DROP)
    return stack


# --- what is noted ----------------------------------------------------------------------------------------------------


def test_a_dead_letter_is_on_its_job_and_is_published(noted: FakeStack):
    assert noted.job.status is JobStatus.DEFERRED
    assert noted.job.is_dead_letter
    assert noted.job.reason is not None
    assert "OutageError: find" in noted.job.reason.message
    ((event, detail),) = noted.bus.published
    assert (event, detail["data"]["status"], detail["data"]["charge"]) == (EventType.DEFERRED, "deferred", "none")
    assert detail["data"]["reason"]["code"] == "dead_letter"
    assert f"dropreel redrive {noted.job.job_id}" in detail["data"]["reason"]["next_step"]


def test_a_dead_letter_changes_nothing_else_of_its_job(stack: FakeStack):
    before = stack.put_job(status=JobStatus.DEFERRED, generation_id=None)

    note(stack, RETRY)

    kept: dict[str, Any] = {"reason": before.reason, "notices": before.notices, "pending_events": before.pending_events}
    assert stack.job.is_dead_letter
    assert replace(stack.job, version=before.version, **kept) == before


def test_a_dead_letter_of_a_message_that_was_never_processed_makes_its_job(stack: FakeStack):
    note(stack, DROP)

    assert stack.job.is_dead_letter
    assert (stack.job.image.key, stack.job.options) == (DROP.image.key, None)


def test_a_dead_letter_of_a_request_keeps_its_id(stack: FakeStack):
    note(stack, REQUEST)

    (job,) = stack.database.jobs()
    assert (job.job_id, job.request_id) == (job_id_of(REQUEST.image, "order-4711"), "order-4711")


def test_a_dead_letter_of_a_request_with_a_reused_id_is_its_own(stack: FakeStack):
    stack.run(REQUEST)
    (first,) = stack.database.jobs()

    note(stack, replace(REQUEST, options={}))

    (second,) = [job for job in stack.database.jobs() if job.job_id != first.job_id]
    assert stack.database.job(first.job_id) == first
    assert second.is_dead_letter


def test_a_dead_letter_of_a_missing_job_is_no_fault(stack: FakeStack):
    note(stack, RETRY)

    assert (stack.database.jobs(), stack.bus.published) == ([], [])


def test_a_long_fault_with_a_signed_address_is_cut_and_redacted(stack: FakeStack):
    address = "https://uploads.s3.amazonaws.com/beach.jpg?X-Amz-Signature=5ec2e7"

    note(stack, DROP, OSError(f"{address} {'x' * 5000}"))

    assert stack.job.reason is not None
    assert len(stack.job.reason.message) <= 500
    assert "5ec2e7" not in repr(stack.database.tables.items) + repr(stack.bus.published)


def test_of_a_long_fault_the_first_500_characters_are_kept(stack: FakeStack):
    note(stack, DROP, OSError("x" * 5000))

    assert stack.job.reason is not None
    assert len(stack.job.reason.message) == 500
    assert stack.job.reason.message.startswith(
        "It could not be processed and is in the dead-letter queue: OSError: xxx"
    )


@pytest.mark.parametrize("key", ["holiday/beach.jpg.json", "holiday/.DS_Store"])
def test_a_dead_letter_of_what_is_no_image_makes_no_job(stack: FakeStack, key):
    note(stack, replace(DROP, image=DROP.image._replace(key=key)))

    assert (stack.database.jobs(), stack.bus.published) == ([], [])


# --- once an attempt --------------------------------------------------------------------------------------------------


def test_a_dead_letter_is_published_once_an_attempt(noted: FakeStack):
    for _ in range(3):
        note(noted, DROP)

    assert noted.bus.types == [EventType.DEFERRED]
    noted.provider.submit_answer = KeyRefused(401)
    assert noted.run() == "deferred"
    assert noted.bus.types == [EventType.DEFERRED]


def test_a_dead_letter_of_the_next_attempt_is_published_again(noted: FakeStack):
    assert noted.run() == "generating"
    noted.report.run(GENERATION, Reason(ReasonCode.GENERATION_FAILED, "no faces"))

    note(noted, RetryMessage(JOB_ID, 2, 0))

    assert noted.bus.types == [EventType.DEFERRED, EventType.SUBMITTED, EventType.DEFERRED]
    assert len({detail["metadata"]["id"] for _, detail in noted.bus.published}) == 3
    assert (noted.job.is_dead_letter, noted.job.charge) == (True, Charge.CHARGED)


def test_a_bus_fault_does_not_hide_the_original_fault(stack: FakeStack, caplog):
    stack.bus.refuses_all = True

    note(stack, DROP)

    assert [(record.name, record.message, record.job_id) for record in caplog.records] == [
        ("dropreel", "not published", JOB_ID)
    ]
    assert stack.job.pending_events == {EventType.DEFERRED}
    stack.bus.refuses_all = False
    stack.clock.pass_seconds(timedelta(minutes=10).total_seconds())
    stack.sweep.run()
    assert stack.bus.types == [EventType.DEFERRED]


# --- a job in another status ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["submitting", "generating", "held", "completed", "failed", "rejected", "unknown"])
@pytest.mark.parametrize("message", [DROP, RETRY, RetryMessage(JOB_ID, 1, 0, "gen_1")])
def test_a_dead_letter_does_not_change_a_job_in_another_status(stack: FakeStack, status, message):
    before = stack.put_job(status=JobStatus(status))

    note(stack, message)

    assert (stack.job, stack.bus.published, stack.queue.sent) == (before, [], [])


@pytest.mark.parametrize(
    "message",
    [DROP, RETRY, RetryMessage(JOB_ID, 1, 2), RetryMessage(JOB_ID, 2, 1), RetryMessage(JOB_ID, 1, 0, "gen_1")],
)
def test_an_overtaken_dead_letter_does_not_change_a_deferred_job(stack: FakeStack, message):
    before = stack.put_job(status=JobStatus.DEFERRED, generation_id=None, requeues=1)

    note(stack, message)

    assert (stack.job, stack.bus.published) == (before, [])


def test_a_duplicates_dead_letter_does_not_change_a_waiting_job(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 600)
    stack.run()
    before = stack.job

    note(stack, DROP)

    assert (stack.job, stack.bus.published) == (before, [])
    stack.provider.submit_answer = ACCEPTED
    assert stack.deliver_retry_message() == "generating"


@pytest.mark.parametrize("outcome", ["generating", "held", "rejected", "submitting", "deferred"])
def test_a_dead_letter_never_rolls_back_a_concurrent_transition(stack: FakeStack, outcome):
    """A duplicate changes the job between the read and the save of the dead letter."""
    stack.put_job(status=JobStatus.DEFERRED, generation_id=None)
    ways = {
        "held": lambda: stack.set_daily_limit(0),
        "rejected": lambda: setattr(stack.images, "stored", Missing.GONE),
        "submitting": lambda: stack.provider.fails_before.add("post"),
        "deferred": lambda: setattr(stack.provider, "submit_answer", Busy(429, 600)),
    }
    ways.get(outcome, lambda: None)()
    submit = stack.submit
    found = []

    def change_job() -> None:
        try:
            submit.run(DROP, 100)
        except OutageError:
            assert outcome == "submitting"
        found.append(stack.job)

    just_before(stack.database, "save deferred", change_job)

    note(stack, DROP)

    assert [job.status for job in found] == [outcome]
    assert stack.job == found[0]
    assert not stack.job.is_dead_letter


def test_a_dead_letter_is_noted_although_the_bookkeeping_changed(stack: FakeStack):
    stack.put_job(
        status=JobStatus.DEFERRED,
        generation_id=None,
        reason=Reason(ReasonCode.PROVIDER_BUSY, "busy"),
        notices={EventType.DEFERRED: Reason(ReasonCode.PROVIDER_BUSY, "busy")},
        pending_events=frozenset({EventType.DEFERRED}),
    )
    just_before(stack.database, "save deferred", lambda: stack.publisher.publish(stack.job))

    note(stack, RETRY)

    assert stack.job.is_dead_letter
    assert stack.bus.types == [EventType.DEFERRED]


# --- redriven from the dead-letter queue ------------------------------------------------------------------------------


def test_a_redriven_dead_letter_is_validated_and_submitted(noted: FakeStack):
    assert noted.run() == "generating"
    assert (noted.job.reason, noted.job.cost_cents) == (None, PRICE)
    assert noted.bus.types == [EventType.DEFERRED, EventType.SUBMITTED]


def test_a_dead_letter_that_is_redriven_twice_is_submitted_once(noted: FakeStack):
    assert [noted.run() for _ in range(3)] == ["generating"] * 3
    assert (len(noted.provider.sent), noted.reserved) == (1, PRICE)


def test_a_redriven_dead_letter_can_be_rejected(noted: FakeStack):
    noted.image.metadata = {"mode": "slow"}

    assert noted.run() == "rejected"
    assert noted.job.reason is not None
    assert noted.job.reason.code == "options_invalid"
    assert noted.bus.types == [EventType.DEFERRED, EventType.REJECTED]


def test_a_redriven_dead_letter_can_be_held(noted: FakeStack):
    noted.set_daily_limit(0)

    assert noted.run() == "held"
    assert noted.bus.types == [EventType.DEFERRED, EventType.HELD]


def test_a_redriven_dead_letter_can_be_deferred(noted: FakeStack):
    noted.provider.submit_answer = Busy(429, 30)

    assert noted.run() == "deferred"
    assert (noted.job.is_dead_letter, noted.job.reason and noted.job.reason.code) == (False, "provider_busy")
    assert noted.bus.types == [EventType.DEFERRED]


def test_a_dead_letter_whose_image_was_replaced_still_ends_its_job(noted: FakeStack):
    noted.images.stored = Missing.SUPERSEDED

    assert noted.run() == "rejected"
    assert noted.job.is_terminal


def test_a_redriven_retry_message_is_submitted(stack: FakeStack):
    stack.put_job(status=JobStatus.DEFERRED, generation_id=None, requeues=3)
    message = RetryMessage(JOB_ID, 1, 3)
    note(stack, message)

    assert stack.run(message) == "generating"
    assert stack.bus.types == [EventType.DEFERRED, EventType.SUBMITTED]
