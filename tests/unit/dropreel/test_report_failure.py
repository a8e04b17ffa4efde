"""A paid attempt that brings no video: the next attempt where that is allowed, else a failure, each reported once."""

from dataclasses import replace

import pytest

from dropreel.answers import GenerationFailed, InProgress
from dropreel.errors import PublishFault, TryAgain
from dropreel.jobs import Charge, EventType, JobStatus, event_id, next_attempt
from dropreel.messages import RetryMessage
from dropreel.next_steps import RESUMABLE
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.report_failure import watch_ended
from dropreel.use_cases.resume_job import ResumeJob
from dropreel.use_cases.settle_unknown import SettleUnknown
from tests.unit.dropreel.executions import ended_execution_of, generation_of
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_after, just_before
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.world import GENERATION, JOB_ID, World

TIMED_OUT = Reason(ReasonCode.TIMED_OUT, "The provider did not finish the video within 60 minutes.")
GENERATION_FAILED = Reason(ReasonCode.GENERATION_FAILED, "no faces", provider_error="no faces")
CONTENT = Reason(ReasonCode.CONTENT_REFUSED, "It was flagged.", provider_error="flagged")
NEXT = RetryMessage(JOB_ID, 2, 0)


# --- a failure that ends the job ----------------------------------------------------------------------------------------


def test_a_reported_failure_ends_the_job_and_stays_charged(world: World):
    world.has(charge=Charge.CHARGED)

    outcome = world.report.run(GENERATION, TIMED_OUT)

    assert outcome == {"outcome": "failed"}
    assert (world.job.status, world.job.charge) == (JobStatus.FAILED, Charge.CHARGED)
    assert world.job.has_reason(ReasonCode.TIMED_OUT)
    ((kind, detail),) = world.bus.published
    assert kind == EventType.FAILED
    assert detail["data"]["reason"]["code"] == "timed_out"


@pytest.mark.parametrize("code", sorted(RESUMABLE))
def test_what_can_be_resumed_is_not_paid_for_again_by_itself(world: World, code):
    world.has(charge=Charge.CHARGED)

    world.report.run(GENERATION, Reason(code, "x"))

    assert (world.job.status, world.job.attempt, world.job.charge) == (JobStatus.FAILED, 1, Charge.CHARGED)
    assert world.queue.sent == []


def test_a_failure_is_reported_once(world: World):
    world.has()
    world.report.run(GENERATION, TIMED_OUT)

    again = world.report.run(GENERATION, Reason(ReasonCode.CHECK_FAILED, "later"))

    assert again == {"outcome": "failed"}
    assert world.job.has_reason(ReasonCode.TIMED_OUT)
    assert world.bus.types == [EventType.FAILED]


@pytest.mark.parametrize("when", ["broken_before", "broken_after"])
@pytest.mark.parametrize(("outside", "action"), [("database", "save failed"), ("bus", "publish")])
def test_a_report_that_crashed_is_repaired_by_the_next(world: World, outside, action, when):
    world.has()
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        world.report.run(GENERATION, TIMED_OUT)
    broken.clear()

    world.report.run(GENERATION, TIMED_OUT)

    assert (world.job.status, world.job.pending_events) == (JobStatus.FAILED, frozenset())
    ids = {detail["metadata"]["id"] for _type, detail in world.bus.published}
    assert (set(world.bus.types), len(ids)) == ({EventType.FAILED}, 1)


def test_a_job_that_changes_while_its_failure_is_written_is_reported_again(world: World):
    job = world.has()
    just_before(world.database, "save failed", lambda: world.jobs.save(job, replace(job, warnings=("x",))))
    with pytest.raises(TryAgain, match=f"job {JOB_ID} was changed while its failure was written"):
        world.report.run(GENERATION, TIMED_OUT)
    assert (world.job.status, world.bus.types) == (JobStatus.GENERATING, [])

    assert world.report.run(GENERATION, TIMED_OUT) == {"outcome": "failed"}
    assert (world.job.warnings, world.bus.types) == (("x",), [EventType.FAILED])


# --- the next attempt -----------------------------------------------------------------------------------------------------


def test_a_failed_generation_is_retried_as_the_next_attempt(world: World):
    world.has(charge=Charge.CHARGED)

    assert world.report.run(GENERATION, GENERATION_FAILED) == {"outcome": "deferred"}
    assert (world.job.attempt, world.job.charge, world.job.generation_id) == (2, Charge.CHARGED, None)
    assert world.job.reason == GENERATION_FAILED
    assert (world.queue.sent, world.bus.types) == ([(NEXT, 0)], [])


def test_the_last_attempt_that_failed_ends_the_job(world: World):
    world.has(charge=Charge.CHARGED, attempt=2)

    assert world.report.run(generation_of(world.job), GENERATION_FAILED) == {"outcome": "failed"}
    assert (world.job.attempt, world.queue.sent, world.bus.types) == (2, [], [EventType.FAILED])


def test_what_was_refused_for_what_it_shows_is_not_paid_for_twice(world: World):
    world.has(charge=Charge.CHARGED)

    assert world.report.run(GENERATION, CONTENT) == {"outcome": "failed"}
    assert (world.job.attempt, world.job.charge) == (1, Charge.CHARGED)
    assert (world.queue.sent, world.bus.types) == ([], [EventType.FAILED])
    ((_, detail),) = world.bus.published
    assert detail["data"]["reason"]["code"] == "content_refused"
    assert "change the image or the prompt" in detail["data"]["reason"]["next_step"]


def test_a_content_refusal_is_retried_where_its_owner_chose_that(world: World):
    world.report = replace(world.report, retries_content_refusals=True)
    world.has(charge=Charge.CHARGED)

    assert world.report.run(GENERATION, CONTENT) == {"outcome": "deferred"}
    assert world.queue.sent == [(NEXT, 0)]

    world.has(charge=Charge.CHARGED, attempt=2)
    assert world.report.run(generation_of(world.job), CONTENT) == {"outcome": "failed"}


def test_a_retried_job_is_paid_once_more_however_often_it_is_reported(world: World):
    world.run()
    for _ in range(3):
        world.report.run(GENERATION, GENERATION_FAILED)

    outcomes = [world.run(message) for message, _delay in list(world.queue.sent)]

    assert outcomes == ["generating"] * 3
    assert (len(world.provider.sent), world.reserved, world.job.attempt) == (2, 94, 2)


@pytest.mark.parametrize("when", ["broken_before", "broken_after"])
def test_a_next_attempt_that_was_not_sent_is_sent_by_the_next_report(world: World, when):
    world.has(charge=Charge.CHARGED)
    broken = getattr(world.queue, when)
    broken.add("send")
    with pytest.raises(OutOfOrderError):
        world.report.run(GENERATION, GENERATION_FAILED)
    broken.clear()

    assert world.report.run(GENERATION, GENERATION_FAILED) == {"outcome": "deferred"}
    assert world.job.attempt == 2
    assert {message for message, _delay in world.queue.sent} == {NEXT}


def test_a_next_attempt_that_has_another_message_by_now_gets_none(world: World):
    world.has(status=JobStatus.DEFERRED, attempt=2, requeues=1, generation_id=None)

    assert world.report.run(GENERATION, GENERATION_FAILED) == {"outcome": "deferred"}
    assert world.queue.sent == []


def test_what_an_attempt_owes_is_published_before_the_next_begins(world: World):
    before = world.has(charge=Charge.CHARGED, pending_events=frozenset({EventType.SUBMITTED}))

    world.report.run(GENERATION, GENERATION_FAILED)

    assert (world.job.status, world.job.attempt) == (JobStatus.DEFERRED, 2)
    assert [detail["metadata"]["id"] for _, detail in world.bus.published] == [event_id(before, EventType.SUBMITTED)]


def test_an_attempt_whose_events_cannot_be_published_is_not_followed(world: World):
    world.has(charge=Charge.CHARGED, pending_events=frozenset({EventType.SUBMITTED}))
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        world.report.run(GENERATION, GENERATION_FAILED)

    assert (world.job.status, world.job.attempt, world.queue.sent) == (JobStatus.GENERATING, 1, [])


def test_an_attempt_that_ends_while_its_events_are_published_is_not_followed(world: World):
    world.has(charge=Charge.CHARGED, pending_events=frozenset({EventType.SUBMITTED}))
    just_before(world.bus, "publish", lambda: world.report.run(GENERATION, TIMED_OUT))

    with pytest.raises(TryAgain, match=f"job {JOB_ID} was changed while its events were published"):
        world.report.run(GENERATION, GENERATION_FAILED)

    assert (world.job.status, world.job.attempt, world.queue.sent) == (JobStatus.FAILED, 1, [])


# --- after a resume or an adoption a failure is final ---------------------------------------------------------------------


def resumed(world: World) -> None:
    world.has(status=JobStatus.FAILED, charge=Charge.CHARGED, reason=TIMED_OUT)
    ResumeJob(world.jobs, world.state_machine, world.publisher, world.clock).run(JOB_ID)


def adopted(world: World) -> None:
    reason = Reason(ReasonCode.SUBMISSION_UNKNOWN, "x")
    world.has(status=JobStatus.UNKNOWN, charge=Charge.UNKNOWN, reason=reason, generation_id=None, lease_until=NOON)
    world.provider.poll_answer = InProgress("processing")
    settle = SettleUnknown(world.jobs, world.provider, world.state_machine, world.queue, world.publisher, world.clock)
    settle.adopt(JOB_ID, "gen_7")
    world.bus.published.clear()


@pytest.mark.parametrize("reason", [GENERATION_FAILED, CONTENT], ids=["generation_failed", "content_refused"])
@pytest.mark.parametrize("brought_back", [resumed, adopted])
def test_after_a_resume_or_an_adoption_a_failure_is_final(world: World, brought_back, reason):
    world.report = replace(world.report, retries_content_refusals=True)
    brought_back(world)
    assert world.job.attempt < world.report.max_attempts

    assert world.report.run(generation_of(world.job), reason) == {"outcome": "failed"}
    assert (world.job.status, world.job.attempt) == (JobStatus.FAILED, 1)
    assert world.job.has_reason(reason.code)
    assert (world.queue.sent, world.provider.sent, world.bus.types) == ([], [], [EventType.FAILED])


@pytest.mark.parametrize("brought_back", [resumed, adopted])
def test_a_generation_that_was_brought_back_and_fails_twice_ends_unpaid(world: World, brought_back):
    brought_back(world)
    world.provider.poll_answer = GenerationFailed("no faces")

    first, second = (world.check.run(generation_of(world.job)) for _ in range(2))
    world.report.run(generation_of(world.job), Reason.from_json(second["reason"]))

    assert (first["outcome"], world.job.status) == ("waiting", JobStatus.FAILED)
    assert (world.queue.sent, world.provider.sent) == ([], [])


# --- an execution that ended before its job -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_execution_that_ended_before_its_job_is_reported_once(world: World, status):
    ended = ended_execution_of(world.has(charge=Charge.CHARGED), status, cause="by hand")

    for _ in range(3):
        assert world.report.execution_ended(ended) == {"outcome": "failed"}

    assert (world.job.status, world.job.charge) == (JobStatus.FAILED, Charge.CHARGED)
    message = f"The state machine's execution ended ({status}) before the video was delivered: by hand."
    assert world.job.reason == Reason(ReasonCode.WATCH_ENDED, message)
    assert world.bus.types == [EventType.FAILED]


@pytest.mark.parametrize("reason", [watch_ended("ABORTED"), watch_ended("ABORTED", "")])
def test_an_execution_that_ended_without_a_cause_is_reported_without_one(reason):
    message = "The state machine's execution ended (ABORTED) before the video was delivered."
    assert reason == Reason(ReasonCode.WATCH_ENDED, message)


@pytest.mark.parametrize(
    ("status_now", "outcome"),
    [
        ("RUNNING", "generating"),
        ("PENDING_REDRIVE", "generating"),
        ("FAILED", "failed"),
        ("TIMED_OUT", "failed"),
        ("ABORTED", "failed"),
        (None, "failed"),
    ],
)
def test_the_execution_itself_says_whether_it_has_ended(world: World, status_now, outcome):
    """The event may be late, and the execution may run again by then (a redrive); after 90 days it is gone (None)."""
    job = world.has(charge=Charge.CHARGED)
    ended = ended_execution_of(job, "FAILED")
    if status_now is not None:
        world.state_machine.executions[ended.name] = "gen_1"
        world.state_machine.statuses[ended.name] = status_now

    assert world.report.execution_ended(ended) == {"outcome": outcome}
    assert world.job.status == outcome
    assert world.bus.types == ([EventType.FAILED] if outcome == "failed" else [])


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.GENERATING])
def test_a_job_that_is_not_generating_does_not_fail_for_its_execution(world: World, status):
    before = world.has(status=status)

    assert world.report.execution_ended(ended_execution_of(before)) == {"outcome": status}
    assert (world.job, world.bus.types) == (before, [])


@pytest.mark.parametrize("later", [{"attempt": 2}, {"resumes": 1}])
def test_a_job_under_another_execution_does_not_fail_for_an_old_one(world: World, later):
    old = ended_execution_of(world.has())
    before = world.has(**later)

    assert world.report.execution_ended(old) == {"outcome": "generating"}
    assert (world.job, world.bus.types) == (before, [])


def test_a_job_that_is_resumed_while_its_old_execution_is_reported_goes_on(world: World):
    old = ended_execution_of(world.has(charge=Charge.CHARGED))
    just_after(world.database, "get", lambda: world.has(charge=Charge.CHARGED, resumes=1))

    assert world.report.execution_ended(old) == {"outcome": "generating"}
    assert (world.job.resumes, world.bus.types) == (1, [])


def test_an_attempt_that_is_followed_while_its_execution_is_reported_gets_its_message(world: World):
    """Whoever began the next attempt may have ended before it sent the message; of two, one alone can claim."""
    job = world.has(charge=Charge.CHARGED)
    just_before(
        world.state_machine, "status_of", lambda: world.jobs.save(job, next_attempt(job, GENERATION_FAILED, NOON))
    )

    assert world.report.execution_ended(ended_execution_of(job)) == {"outcome": "deferred"}
    assert (world.job.attempt, world.queue.sent, world.bus.types) == (2, [(NEXT, 0)], [])


def test_an_execution_of_no_job_is_ignored(world: World):
    job = world.has()

    assert world.report.execution_ended(ended_execution_of(job, job_id="f" * 24)) == {"outcome": "ignored"}


# --- which jobs are reported ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.GENERATING])
def test_a_job_that_is_not_generating_does_not_fail(world: World, status):
    before = world.has(status=status, requeues=1)

    assert world.report.run(GENERATION, TIMED_OUT) == {"outcome": status}
    assert world.job == before
    assert (world.queue.sent, world.bus.types) == ([], [])


@pytest.mark.parametrize("later", [{"attempt": 2}, {"resumes": 1}, {"generation_id": "gen_2", "resumes": 1}])
def test_a_report_of_an_execution_that_another_has_followed_does_nothing(world: World, later):
    """A redrive of an old execution: of an earlier attempt, from before a resume, from before an adoption."""
    before = world.has(charge=Charge.CHARGED, **later)

    assert world.report.run(GENERATION, GENERATION_FAILED) == {"outcome": "generating"}
    assert world.job == before
    assert (world.queue.sent, world.bus.types) == ([], [])


def test_a_report_of_a_job_that_is_not_there_is_tried_again(world: World):
    with pytest.raises(TryAgain, match=f"job {JOB_ID} is not in the job table"):
        world.report.run(GENERATION, TIMED_OUT)
