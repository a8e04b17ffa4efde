"""What the operator decides about an `unknown` job: adopt its generation, abandon it, or submit it again."""

from dataclasses import replace
from typing import Any

import pytest

from dropreel.answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.errors import NotPossible, PublishFault, TryAgain
from dropreel.events import event_id
from dropreel.jobs import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.messages import Generation, RetryMessage
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.settle_unknown import SettleUnknown
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_after, just_before
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.world import DROP, JOB_ID, World

FINISHED = Finished("https://cdn.example/v.mp4?sig=5ec2e7")
NOT_FOUND = PollFault("the provider answered 404", 404)
ADOPTED = Generation(JOB_ID, 1, "gen_1", f"{JOB_ID}-1-1")
CHOICES = {
    "adopt": lambda settle: settle.adopt(JOB_ID, "gen_1"),
    "abandon": lambda settle: settle.abandon(JOB_ID),
    "resubmit": lambda settle: settle.resubmit(JOB_ID),
}


@pytest.fixture
def settle(world: World) -> SettleUnknown:
    world.provider.poll_answer = InProgress("processing")
    return SettleUnknown(world.jobs, world.provider, world.state_machine, world.queue, world.publisher, world.clock)


def unknown(world: World, **changes: Any) -> Job:
    """Let the upload's job be unknown, with its reservation."""
    world.database.reserve("2026-05-04", 47)
    return world.has(
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


def test_an_adopted_generation_is_polled_and_charged_once(world: World, settle: SettleUnknown):
    unknown(world)

    job = settle.adopt(JOB_ID, "gen_1")

    assert job == world.job
    assert (job.status, job.generation_id, job.charge, job.reason) == ("generating", "gen_1", "charged", None)
    assert world.state_machine.executions == {ADOPTED.execution: "gen_1"}
    assert world.bus.types == [EventType.SUBMITTED]
    assert (world.provider.sent, world.queue.sent, world.reserved) == ([], [], 47)


def test_an_adopted_generation_is_delivered(world: World, settle: SettleUnknown):
    unknown(world)
    settle.adopt(JOB_ID, "gen_1")
    world.provider.poll_answer = FINISHED

    world.check.run(ADOPTED)
    world.deliver.run(ADOPTED)

    assert (world.job.status, world.job.charge) == (JobStatus.COMPLETED, Charge.CHARGED)
    assert (world.provider.sent, world.queue.sent) == ([], [])


def test_an_adopted_generation_that_fails_is_not_paid_again(world: World, settle: SettleUnknown):
    unknown(world)
    settle.adopt(JOB_ID, "gen_1")

    outcome = world.report.run(ADOPTED, Reason(ReasonCode.GENERATION_FAILED, "no faces"))

    assert outcome == {"outcome": "failed"}
    assert world.queue.sent == []


@pytest.mark.parametrize("answer", [FINISHED, GenerationFailed("no faces"), InProgress("created")])
def test_a_generation_that_the_provider_knows_can_be_adopted(world: World, settle: SettleUnknown, answer):
    unknown(world)
    world.provider.poll_answer = answer

    assert settle.adopt(JOB_ID, "gen_1").status is JobStatus.GENERATING
    assert world.provider.polled == ["gen_1"]


def test_a_generation_that_the_provider_does_not_know_is_not_adopted(world: World, settle: SettleUnknown):
    before = unknown(world)
    world.provider.poll_answer = NOT_FOUND

    with pytest.raises(NotPossible, match="does not know the generation gen_9"):
        settle.adopt(JOB_ID, "gen_9")

    assert world.job == before


def test_a_provider_that_cannot_be_asked_now_is_asked_again(world: World, settle: SettleUnknown):
    before = unknown(world)
    world.provider.poll_answer = PollFault("the provider answered 503", 503)

    with pytest.raises(TryAgain, match="cannot be asked about gen_1 now: the provider answered 503"):
        settle.adopt(JOB_ID, "gen_1")

    assert world.job == before


@pytest.mark.parametrize("generation_id", ["", ".", "..", "gen\n1", "g" * 201])
def test_what_is_no_generation_id_is_not_even_asked_for(world: World, settle: SettleUnknown, generation_id):
    unknown(world)

    with pytest.raises(NotPossible, match="no generation id"):
        settle.adopt(JOB_ID, generation_id)

    assert world.provider.polled == []


def test_a_generation_that_another_job_holds_is_not_adopted(world: World, settle: SettleUnknown):
    second = replace(DROP, image=replace(DROP.image, version_id="v2"))
    world.run(second)
    before = unknown(world)

    with pytest.raises(NotPossible, match=f"belongs to job {job_id_of(second.image)}"):
        settle.adopt(JOB_ID, "gen_1")

    assert (world.job, world.provider.polled) == (before, [])


def test_a_generation_that_another_job_comes_to_hold_meanwhile_is_not_adopted(world: World, settle: SettleUnknown):
    before = unknown(world)
    second = replace(DROP, image=replace(DROP.image, version_id="v2"))
    just_before(world.provider, "poll", lambda: world.run(second))

    with pytest.raises(NotPossible, match=f"belongs to job {job_id_of(second.image)}"):
        settle.adopt(JOB_ID, "gen_1")

    assert world.job == before
    assert list(world.state_machine.executions.values()) == ["gen_1"]


def test_an_adoption_that_broke_off_is_started_by_the_sweeper(world: World, settle: SettleUnknown):
    unknown(world)
    world.state_machine.broken_before.add("start")
    with pytest.raises(OutOfOrderError):
        settle.adopt(JOB_ID, "gen_1")
    world.state_machine.broken_before.clear()
    world.clock.pass_seconds(3600)

    world.sweep.run()

    assert world.state_machine.executions == {ADOPTED.execution: "gen_1"}
    assert world.bus.types == [EventType.SUBMITTED]


# --- abandon ----------------------------------------------------------------------------------------------------------


def test_an_abandoned_job_ends_and_keeps_its_reservation(world: World, settle: SettleUnknown):
    unknown(world)

    job = settle.abandon(JOB_ID)

    assert job == world.job
    assert (job.status, job.charge, world.reserved) == ("failed", "unknown", 47)
    assert world.bus.types == [EventType.FAILED]
    assert job.reason == Reason(ReasonCode.ABANDONED, "Its owner gave it up; the submission may have been charged.")
    assert world.bus.published[0][1]["data"]["reason"]["code"] == "abandoned"
    assert (world.queue.sent, world.state_machine.executions) == ([], {})


# --- resubmit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [1, 2, 7])
def test_a_job_is_resubmitted_as_its_next_attempt(world: World, settle: SettleUnknown, attempt):
    unknown(world, attempt=attempt)

    job = settle.resubmit(JOB_ID)

    assert (job.status, job.attempt, job.charge) == ("deferred", attempt + 1, "unknown")
    assert job.reason == Reason(
        ReasonCode.SUBMISSION_UNKNOWN, "Its owner chose to submit it again; it may have been charged before."
    )
    assert world.queue.sent == [(RetryMessage(JOB_ID, attempt + 1, 0), 0)]
    assert world.provider.sent == []
    assert world.comes_again() == "generating"
    assert (len(world.provider.sent), world.reserved) == (1, 94)


def test_a_resubmission_whose_message_was_lost_gets_one_from_the_sweeper(world: World, settle: SettleUnknown):
    unknown(world)
    world.queue.broken_before.add("send")
    with pytest.raises(OutOfOrderError):
        settle.resubmit(JOB_ID)
    world.queue.broken_before.clear()
    world.clock.pass_seconds(3600)

    assert world.sweep.run() == {"requeued": 1}
    assert world.comes_again() == "generating"


# --- whatever was chosen ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.UNKNOWN])
def test_only_an_unknown_job_can_be_settled(world: World, settle: SettleUnknown, choice, status):
    before = world.has(status=status)

    with pytest.raises(NotPossible, match=f"is {status}, not unknown"):
        CHOICES[choice](settle)

    assert world.job == before
    assert (world.queue.sent, world.state_machine.executions) == ([], {})


@pytest.mark.parametrize("choice", CHOICES)
def test_a_job_that_is_not_there_cannot_be_settled(settle: SettleUnknown, choice):
    with pytest.raises(NotPossible, match="no job"):
        CHOICES[choice](settle)


@pytest.mark.parametrize("choice", CHOICES)
def test_that_a_job_is_unknown_is_published_before_what_comes_of_it(world: World, settle: SettleUnknown, choice):
    before = unknown(world, pending_events=frozenset({EventType.UNKNOWN}))

    CHOICES[choice](settle)

    assert world.bus.types[0] == EventType.UNKNOWN
    assert world.bus.published[0][1]["metadata"]["id"] == event_id(before, EventType.UNKNOWN)
    assert world.bus.types[1:] == {"adopt": [EventType.SUBMITTED], "abandon": [EventType.FAILED]}.get(choice, [])


@pytest.mark.parametrize("choice", CHOICES)
def test_nothing_is_settled_while_the_bus_takes_nothing(world: World, settle: SettleUnknown, choice):
    before = unknown(world, pending_events=frozenset({EventType.UNKNOWN}))
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        CHOICES[choice](settle)

    assert (world.job, world.queue.sent, world.state_machine.executions) == (before, [], {})


@pytest.mark.parametrize("choice", CHOICES)
def test_an_unknown_job_is_settled_once(world: World, settle: SettleUnknown, choice):
    unknown(world)
    CHOICES[choice](settle)

    for other in CHOICES.values():
        with pytest.raises(NotPossible):
            other(settle)


@pytest.mark.parametrize("other", CHOICES)
@pytest.mark.parametrize(
    ("choice", "action"), [("adopt", "save generating"), ("abandon", "save failed"), ("resubmit", "save deferred")]
)
def test_of_two_operators_one_settles_the_job(world: World, settle: SettleUnknown, choice, action, other):
    unknown(world)
    just_before(world.database, action, lambda: CHOICES[other](settle))

    with pytest.raises(TryAgain, match=f"job {JOB_ID} was changed by somebody else"):
        CHOICES[choice](settle)

    assert world.job.status == {"adopt": "generating", "abandon": "failed", "resubmit": "deferred"}[other]
    assert len(world.queue.sent) == (other == "resubmit")
    assert len(world.state_machine.executions) == (other == "adopt")


@pytest.mark.parametrize("other", CHOICES)
@pytest.mark.parametrize("choice", CHOICES)
def test_of_two_operators_one_settles_a_job_that_owed_its_event(world: World, settle: SettleUnknown, choice, other):
    unknown(world, pending_events=frozenset({EventType.UNKNOWN}))
    just_after(world.bus, "publish", lambda: CHOICES[other](settle))

    with pytest.raises(TryAgain):
        CHOICES[choice](settle)

    assert world.job.status == {"adopt": "generating", "abandon": "failed", "resubmit": "deferred"}[other]
    assert len(world.queue.sent) == (other == "resubmit")
    assert len(world.state_machine.executions) == (other == "adopt")
