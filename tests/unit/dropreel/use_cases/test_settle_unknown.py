"""The operator's decisions about an `unknown` job: adopt, abandon, resubmit."""

from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.errors import ActionNotAllowed, PublishFault, RetryLater
from dropreel.domain.events import event_id
from dropreel.domain.executions import Generation
from dropreel.domain.job import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.use_cases.settle_unknown import SettleUnknown, attempt_of_resubmit
from tests.support.fake_stack import DROP, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import death_before, just_after, just_before
from tests.support.sample_jobs import NOON, PRICE

FINISHED = Finished("https://cdn.example/v.mp4?sig=5ec2e7")
NOT_FOUND = PollFault("the provider answered 404", 404)
ADOPTED = Generation(JOB_ID, 1, "gen_1", f"{JOB_ID}-1-1")
CHOICES = {
    "adopt": lambda settle: settle.adopt(JOB_ID, "gen_1"),
    "abandon": lambda settle: settle.abandon(JOB_ID),
    "resubmit": lambda settle: settle.resubmit(JOB_ID),
}


@pytest.fixture
def settle(stack: FakeStack) -> SettleUnknown:
    return settling(stack)


def settling(stack: FakeStack) -> SettleUnknown:
    stack.provider.poll_answer = InProgress("processing")
    return SettleUnknown(stack.jobs, stack.provider, stack.state_machine, stack.queue, stack.publisher, stack.clock)


def unknown(stack: FakeStack, **changes: Any) -> Job:
    """Put the upload's unknown job into the table, with its reservation."""
    stack.database.set_reserved("2026-05-04", PRICE)
    return stack.put_job(
        status=JobStatus.UNKNOWN,
        charge=Charge.UNKNOWN,
        reason=Reason(ReasonCode.SUBMISSION_UNKNOWN, "x"),
        generation_id=None,
        submitted_at=None,
        lease_until=NOON,
        reserved_day="2026-05-04",
        **changes,
    )


# --- adopt ------------------------------------------------------------------------------------------------------------


def test_an_adopted_generation_is_polled_and_charged_once(stack: FakeStack, settle: SettleUnknown):
    unknown(stack)

    job = settle.adopt(JOB_ID, "gen_1")

    assert job == stack.job
    assert (job.status, job.generation_id, job.charge, job.reason) == ("generating", "gen_1", "charged", None)
    assert stack.state_machine.executions == {ADOPTED.execution: "gen_1"}
    assert stack.bus.types == [EventType.SUBMITTED]
    assert (stack.provider.sent, stack.queue.sent, stack.reserved) == ([], [], PRICE)


def test_an_adopted_generation_is_delivered(stack: FakeStack, settle: SettleUnknown):
    unknown(stack)
    settle.adopt(JOB_ID, "gen_1")
    stack.provider.poll_answer = FINISHED

    stack.check.run(ADOPTED)
    stack.deliver.run(ADOPTED)

    assert (stack.job.status, stack.job.charge) == (JobStatus.COMPLETED, Charge.CHARGED)
    assert (stack.provider.sent, stack.queue.sent) == ([], [])


def test_an_adopted_generation_that_fails_is_not_paid_again(stack: FakeStack, settle: SettleUnknown):
    unknown(stack)
    settle.adopt(JOB_ID, "gen_1")

    outcome = stack.report.run(ADOPTED, Reason(ReasonCode.GENERATION_FAILED, "no faces"))

    assert outcome == {"outcome": "failed"}
    assert stack.queue.sent == []


@pytest.mark.parametrize("answer", [FINISHED, GenerationFailed("no faces"), InProgress("created")])
def test_a_generation_that_exists_at_the_provider_can_be_adopted(stack: FakeStack, settle: SettleUnknown, answer):
    unknown(stack)
    stack.provider.poll_answer = answer

    assert settle.adopt(JOB_ID, "gen_1").status is JobStatus.GENERATING
    assert stack.provider.polled == ["gen_1"]


def test_a_generation_that_the_provider_answers_404_for_is_not_adopted(stack: FakeStack, settle: SettleUnknown):
    before = unknown(stack)
    stack.provider.poll_answer = NOT_FOUND

    with pytest.raises(ActionNotAllowed, match="does not know the generation gen_9"):
        settle.adopt(JOB_ID, "gen_9")

    assert stack.job == before


def test_an_adoption_whose_poll_fails_can_be_repeated(stack: FakeStack, settle: SettleUnknown):
    before = unknown(stack)
    stack.provider.poll_answer = PollFault("the provider answered 503", 503)

    with pytest.raises(RetryLater, match="cannot be asked about gen_1 now: the provider answered 503"):
        settle.adopt(JOB_ID, "gen_1")

    assert stack.job == before


@pytest.mark.parametrize("generation_id", ["", ".", "..", "gen\n1", "g" * 201])
def test_an_invalid_generation_id_is_not_polled(stack: FakeStack, settle: SettleUnknown, generation_id):
    unknown(stack)

    with pytest.raises(ActionNotAllowed, match="is not a generation id"):
        settle.adopt(JOB_ID, generation_id)

    assert stack.provider.polled == []


def test_a_generation_of_another_job_is_not_adopted(stack: FakeStack, settle: SettleUnknown):
    second = replace(DROP, image=DROP.image._replace(version_id="v2"))
    stack.run(second)
    before = unknown(stack)

    with pytest.raises(ActionNotAllowed, match=f"belongs to job {job_id_of(second.image)}"):
        settle.adopt(JOB_ID, "gen_1")

    assert (stack.job, stack.provider.polled) == (before, [])


def test_a_generation_claimed_by_another_job_meanwhile_is_not_adopted(stack: FakeStack, settle: SettleUnknown):
    before = unknown(stack)
    second = replace(DROP, image=DROP.image._replace(version_id="v2"))
    just_before(stack.provider, "poll", lambda: stack.run(second))

    with pytest.raises(ActionNotAllowed, match=f"belongs to job {job_id_of(second.image)}"):
        settle.adopt(JOB_ID, "gen_1")

    assert stack.job == before
    assert list(stack.state_machine.executions.values()) == ["gen_1"]


def test_an_interrupted_adoption_is_started_by_the_sweeper(stack: FakeStack, settle: SettleUnknown):
    unknown(stack)
    stack.state_machine.fails_before.add("start")
    with pytest.raises(OutageError):
        settle.adopt(JOB_ID, "gen_1")
    stack.state_machine.fails_before.clear()
    stack.clock.pass_seconds(3600)

    stack.sweep.run()

    assert stack.state_machine.executions == {ADOPTED.execution: "gen_1"}
    assert stack.bus.types == [EventType.SUBMITTED]


# --- abandon ----------------------------------------------------------------------------------------------------------


def test_an_abandoned_job_ends_and_keeps_its_reservation(stack: FakeStack, settle: SettleUnknown):
    unknown(stack)

    job = settle.abandon(JOB_ID)

    assert job == stack.job
    assert (job.status, job.charge, stack.reserved) == ("failed", "unknown", PRICE)
    assert stack.bus.types == [EventType.FAILED]
    assert job.reason == Reason(
        ReasonCode.ABANDONED, "The operator abandoned it; the submission may have been charged."
    )
    assert stack.bus.published[0][1]["data"]["reason"]["code"] == "abandoned"
    assert (stack.queue.sent, stack.state_machine.executions) == ([], {})


# --- resubmit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [1, 2, 7])
def test_a_job_is_resubmitted_as_its_next_attempt(stack: FakeStack, settle: SettleUnknown, attempt):
    unknown(stack, attempt=attempt)

    job = settle.resubmit(JOB_ID)

    assert (job.status, job.attempt, job.charge) == ("deferred", attempt + 1, "unknown")
    assert job.reason == Reason(
        ReasonCode.SUBMISSION_UNKNOWN, "The operator chose to submit it again; it may have been charged before."
    )
    assert stack.queue.sent == [(RetryMessage(JOB_ID, attempt + 1, 0), 0)]
    assert stack.provider.sent == []
    assert stack.deliver_retry_message() == "generating"
    assert (len(stack.provider.sent), stack.reserved) == (1, 2 * PRICE)


@pytest.mark.parametrize("seen", [JobStatus.UNKNOWN, JobStatus.DEFERRED])
def test_a_decision_about_an_earlier_attempt_is_not_made_twice(
    stack: FakeStack, settle: SettleUnknown, seen: JobStatus
):
    # given an operator who has seen a job that was unknown, or resubmitted already
    job = unknown(stack, attempt=1)
    attempt = attempt_of_resubmit(job if seen is JobStatus.UNKNOWN else settle.resubmit(JOB_ID))
    # and meanwhile another decision, whose attempt is unknown again
    unknown(stack, attempt=2)
    stack.queue.sent.clear()
    # when the operator confirms
    with pytest.raises(ActionNotAllowed, match="submitted again meanwhile: it is unknown, attempt 2"):
        settle.resubmit(JOB_ID, attempt)
    # then there is no third attempt
    assert stack.queue.sent == []
    assert stack.job.attempt == 2


def test_the_same_resubmission_twice_is_one_attempt(stack: FakeStack, settle: SettleUnknown):
    unknown(stack)

    first, second = settle.resubmit(JOB_ID, 2), settle.resubmit(JOB_ID, 2)

    assert (first.attempt, second.attempt) == (2, 2)


def test_a_resubmission_whose_message_was_lost_gets_one_from_the_sweeper(stack: FakeStack, settle: SettleUnknown):
    unknown(stack)
    stack.queue.fails_before.add("send")
    with pytest.raises(OutageError):
        settle.resubmit(JOB_ID)
    stack.queue.fails_before.clear()
    stack.clock.pass_seconds(3600)

    assert stack.sweep.run() == {"requeued": 1}
    assert stack.deliver_retry_message() == "generating"


# --- every decision ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.UNKNOWN])
def test_only_an_unknown_job_can_be_settled(stack: FakeStack, settle: SettleUnknown, choice, status):
    before = stack.put_job(status=status, generation_id="gen_2")

    with pytest.raises(ActionNotAllowed, match=f"is {status}, not unknown"):
        CHOICES[choice](settle)

    assert stack.job == before
    assert (stack.queue.sent, stack.state_machine.executions) == ([], {})


@pytest.mark.parametrize("choice", CHOICES)
def test_a_missing_job_cannot_be_settled(settle: SettleUnknown, choice):
    with pytest.raises(ActionNotAllowed, match="no job"):
        CHOICES[choice](settle)


@pytest.mark.parametrize("choice", CHOICES)
def test_the_unknown_event_is_published_before_the_next_one(stack: FakeStack, settle: SettleUnknown, choice):
    before = unknown(stack, pending_events=frozenset({EventType.UNKNOWN}))

    CHOICES[choice](settle)

    assert stack.bus.types[0] == EventType.UNKNOWN
    assert stack.bus.published[0][1]["metadata"]["id"] == event_id(before, EventType.UNKNOWN)
    assert stack.bus.types[1:] == {"adopt": [EventType.SUBMITTED], "abandon": [EventType.FAILED]}.get(choice, [])


@pytest.mark.parametrize("choice", CHOICES)
def test_nothing_is_settled_while_the_bus_refuses_events(stack: FakeStack, settle: SettleUnknown, choice):
    before = unknown(stack, pending_events=frozenset({EventType.UNKNOWN}))
    stack.bus.refuses_all = True

    with pytest.raises(PublishFault):
        CHOICES[choice](settle)

    assert (stack.job, stack.queue.sent, stack.state_machine.executions) == (before, [], {})


@pytest.mark.parametrize("choice", CHOICES)
def test_an_unknown_job_is_settled_once(stack: FakeStack, settle: SettleUnknown, choice):
    unknown(stack)
    settled = CHOICES[choice](settle)

    for other in CHOICES.keys() - {choice}:
        with pytest.raises(ActionNotAllowed):
            CHOICES[other](settle)
    assert stack.job == settled


@pytest.mark.parametrize("choice", CHOICES)
def test_the_same_decision_again_changes_nothing(stack: FakeStack, settle: SettleUnknown, choice):
    unknown(stack)
    settled = CHOICES[choice](settle)
    executions, events = dict(stack.state_machine.executions), list(stack.bus.types)

    assert CHOICES[choice](settle) == settled == stack.job

    assert (stack.state_machine.executions, stack.bus.types) == (executions, events)
    while stack.queue.sent:
        stack.deliver_retry_message()
    assert len(stack.provider.sent) == (choice == "resubmit")


@pytest.mark.parametrize("choice", CHOICES)
def test_a_decision_that_died_at_any_call_is_completed_by_the_next(choice):
    """Without SweepJobs: the operator makes the same decision again."""

    def begun() -> tuple[FakeStack, SettleUnknown]:
        stack = FakeStack()
        unknown(stack, pending_events=frozenset({EventType.UNKNOWN}))
        return stack, settling(stack)

    calm, settle = begun()
    CHOICES[choice](settle)
    assert len(calm.journal) >= 5

    for number in range(len(calm.journal)):
        stack, settle = begun()
        with death_before(number):
            CHOICES[choice](settle)

        CHOICES[choice](settle)

        assert stack.job == calm.job
        assert stack.state_machine.executions == calm.state_machine.executions
        assert list(dict.fromkeys(stack.bus.types)) == calm.bus.types
        assert stack.queue.sent == calm.queue.sent
        assert (stack.reserved, stack.provider.sent) == (calm.reserved, [])


@pytest.mark.parametrize("other", CHOICES)
@pytest.mark.parametrize(
    ("choice", "action"), [("adopt", "save generating"), ("abandon", "save failed"), ("resubmit", "save deferred")]
)
def test_of_two_operators_one_settles_the_job(stack: FakeStack, settle: SettleUnknown, choice, action, other):
    unknown(stack)
    just_before(stack.database, action, lambda: CHOICES[other](settle))

    with pytest.raises(RetryLater, match=f"job {JOB_ID} was changed meanwhile; try again"):
        CHOICES[choice](settle)

    assert stack.job.status == {"adopt": "generating", "abandon": "failed", "resubmit": "deferred"}[other]
    assert len(stack.queue.sent) == (other == "resubmit")
    assert len(stack.state_machine.executions) == (other == "adopt")


@pytest.mark.parametrize("other", CHOICES)
@pytest.mark.parametrize("choice", CHOICES)
def test_of_two_operators_one_settles_a_job_that_owed_its_event(stack: FakeStack, settle: SettleUnknown, choice, other):
    unknown(stack, pending_events=frozenset({EventType.UNKNOWN}))
    just_after(stack.bus, "publish", lambda: CHOICES[other](settle))

    with pytest.raises(RetryLater):
        CHOICES[choice](settle)

    assert stack.job.status == {"adopt": "generating", "abandon": "failed", "resubmit": "deferred"}[other]
    assert len(stack.queue.sent) == (other == "resubmit")
    assert len(stack.state_machine.executions) == (other == "adopt")
