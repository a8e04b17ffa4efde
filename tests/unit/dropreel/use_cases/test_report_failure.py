"""A paid attempt without a video: the next attempt where that is allowed, else a failure; each is reported once."""

from dataclasses import replace

import pytest

from dropreel.domain.errors import PublishFault, RetryLater
from dropreel.domain.events import event_id
from dropreel.domain.job import Charge, EventType, JobStatus, next_attempt
from dropreel.domain.messages import RetryMessage
from dropreel.domain.next_steps import RESUMABLE
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.poll_answers import GenerationFailed, InProgress
from dropreel.use_cases.report_failure import watch_ended
from dropreel.use_cases.resume_job import ResumeJob
from dropreel.use_cases.settle_unknown import SettleUnknown
from tests.support.executions import ended_execution_of, generation_of
from tests.support.fake_stack import GENERATION, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_after, just_before
from tests.support.sample_jobs import NOON, PRICE

TIMED_OUT = Reason(ReasonCode.TIMED_OUT, "The provider did not finish the video within 60 minutes.")
GENERATION_FAILED = Reason(ReasonCode.GENERATION_FAILED, "no faces", provider_error="no faces")
CONTENT = Reason(ReasonCode.CONTENT_REFUSED, "It was flagged.", provider_error="flagged")
NEXT = RetryMessage(JOB_ID, 2, 0)


# --- a failure that ends the job ----------------------------------------------------------------------------------------


def test_a_reported_failure_ends_the_job_and_stays_charged(stack: FakeStack):
    stack.put_job(charge=Charge.CHARGED)

    outcome = stack.report.run(GENERATION, TIMED_OUT)

    assert outcome == {"outcome": "failed"}
    assert (stack.job.status, stack.job.charge) == (JobStatus.FAILED, Charge.CHARGED)
    assert stack.job.has_reason(ReasonCode.TIMED_OUT)
    ((kind, detail),) = stack.bus.published
    assert kind == EventType.FAILED
    assert detail["data"]["reason"]["code"] == "timed_out"


@pytest.mark.parametrize("code", sorted(RESUMABLE))
def test_a_resumable_failure_starts_no_paid_attempt(stack: FakeStack, code):
    stack.put_job(charge=Charge.CHARGED)

    stack.report.run(GENERATION, Reason(code, "x"))

    assert (stack.job.status, stack.job.attempt, stack.job.charge) == (JobStatus.FAILED, 1, Charge.CHARGED)
    assert stack.queue.sent == []


def test_a_failure_is_reported_once(stack: FakeStack):
    stack.put_job()
    stack.report.run(GENERATION, TIMED_OUT)

    again = stack.report.run(GENERATION, Reason(ReasonCode.CHECK_FAILED, "later"))

    assert again == {"outcome": "failed"}
    assert stack.job.has_reason(ReasonCode.TIMED_OUT)
    assert stack.bus.types == [EventType.FAILED]


@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
@pytest.mark.parametrize(("outside", "action"), [("database", "save failed"), ("bus", "publish")])
def test_a_report_that_crashed_is_repaired_by_the_next(stack: FakeStack, outside, action, when):
    stack.put_job()
    broken = getattr(getattr(stack, outside), when)
    broken.add(action)
    with pytest.raises(OutageError):
        stack.report.run(GENERATION, TIMED_OUT)
    broken.clear()

    stack.report.run(GENERATION, TIMED_OUT)

    assert (stack.job.status, stack.job.pending_events) == (JobStatus.FAILED, frozenset())
    ids = {detail["metadata"]["id"] for _type, detail in stack.bus.published}
    assert (set(stack.bus.types), len(ids)) == ({EventType.FAILED}, 1)


def test_a_job_that_changes_while_its_failure_is_written_is_reported_again(stack: FakeStack):
    job = stack.put_job()
    just_before(stack.database, "save failed", lambda: stack.jobs.save(job, replace(job, warnings=("x",))))
    with pytest.raises(RetryLater, match=f"job {JOB_ID} was changed while its failure was saved"):
        stack.report.run(GENERATION, TIMED_OUT)
    assert (stack.job.status, stack.bus.types) == (JobStatus.GENERATING, [])

    assert stack.report.run(GENERATION, TIMED_OUT) == {"outcome": "failed"}
    assert (stack.job.warnings, stack.bus.types) == (("x",), [EventType.FAILED])


# --- the next attempt -----------------------------------------------------------------------------------------------------


def test_a_failed_generation_is_retried_as_the_next_attempt(stack: FakeStack):
    stack.put_job(charge=Charge.CHARGED)

    assert stack.report.run(GENERATION, GENERATION_FAILED) == {"outcome": "deferred"}
    assert (stack.job.attempt, stack.job.charge, stack.job.generation_id) == (2, Charge.CHARGED, None)
    assert stack.job.reason == GENERATION_FAILED
    assert (stack.queue.sent, stack.bus.types) == ([(NEXT, 0)], [])


def test_the_last_attempt_that_failed_ends_the_job(stack: FakeStack):
    stack.put_job(charge=Charge.CHARGED, attempt=2)

    assert stack.report.run(generation_of(stack.job), GENERATION_FAILED) == {"outcome": "failed"}
    assert (stack.job.attempt, stack.queue.sent, stack.bus.types) == (2, [], [EventType.FAILED])


def test_a_content_refusal_is_not_paid_twice(stack: FakeStack):
    stack.put_job(charge=Charge.CHARGED)

    assert stack.report.run(GENERATION, CONTENT) == {"outcome": "failed"}
    assert (stack.job.attempt, stack.job.charge) == (1, Charge.CHARGED)
    assert (stack.queue.sent, stack.bus.types) == ([], [EventType.FAILED])
    ((_, detail),) = stack.bus.published
    assert detail["data"]["reason"]["code"] == "content_refused"
    assert "change the image or the prompt" in detail["data"]["reason"]["next_step"]


def test_a_content_refusal_is_retried_where_the_operator_chose_so(stack: FakeStack):
    stack.report = replace(stack.report, retries_content_refusals=True)
    stack.put_job(charge=Charge.CHARGED)

    assert stack.report.run(GENERATION, CONTENT) == {"outcome": "deferred"}
    assert stack.queue.sent == [(NEXT, 0)]

    stack.put_job(charge=Charge.CHARGED, attempt=2)
    assert stack.report.run(generation_of(stack.job), CONTENT) == {"outcome": "failed"}


def test_repeated_reports_start_one_paid_next_attempt(stack: FakeStack):
    stack.run()
    for _ in range(3):
        stack.report.run(GENERATION, GENERATION_FAILED)

    outcomes = [stack.run(message) for message, _delay in list(stack.queue.sent)]

    assert outcomes == ["generating"] * 3
    assert (len(stack.provider.sent), stack.reserved, stack.job.attempt) == (2, 2 * PRICE, 2)


@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
def test_a_next_attempt_that_was_not_sent_is_sent_by_the_next_report(stack: FakeStack, when):
    stack.put_job(charge=Charge.CHARGED)
    broken = getattr(stack.queue, when)
    broken.add("send")
    with pytest.raises(OutageError):
        stack.report.run(GENERATION, GENERATION_FAILED)
    broken.clear()

    assert stack.report.run(GENERATION, GENERATION_FAILED) == {"outcome": "deferred"}
    assert stack.job.attempt == 2
    assert {message for message, _delay in stack.queue.sent} == {NEXT}


def test_a_next_attempt_that_was_requeued_gets_no_other_message(stack: FakeStack):
    stack.put_job(status=JobStatus.DEFERRED, attempt=2, requeues=1, generation_id=None)

    assert stack.report.run(GENERATION, GENERATION_FAILED) == {"outcome": "deferred"}
    assert stack.queue.sent == []


def test_what_an_attempt_owes_is_published_before_the_next_begins(stack: FakeStack):
    before = stack.put_job(charge=Charge.CHARGED, pending_events=frozenset({EventType.SUBMITTED}))

    stack.report.run(GENERATION, GENERATION_FAILED)

    assert (stack.job.status, stack.job.attempt) == (JobStatus.DEFERRED, 2)
    assert [detail["metadata"]["id"] for _, detail in stack.bus.published] == [event_id(before, EventType.SUBMITTED)]


def test_no_next_attempt_begins_before_the_owed_events_are_published(stack: FakeStack):
    stack.put_job(charge=Charge.CHARGED, pending_events=frozenset({EventType.SUBMITTED}))
    stack.bus.refuses_all = True

    with pytest.raises(PublishFault):
        stack.report.run(GENERATION, GENERATION_FAILED)

    assert (stack.job.status, stack.job.attempt, stack.queue.sent) == (JobStatus.GENERATING, 1, [])


def test_an_attempt_that_ends_during_publishing_has_no_next_one(stack: FakeStack):
    stack.put_job(charge=Charge.CHARGED, pending_events=frozenset({EventType.SUBMITTED}))
    just_before(stack.bus, "publish", lambda: stack.report.run(GENERATION, TIMED_OUT))

    with pytest.raises(RetryLater, match=f"job {JOB_ID} was changed while its events were published"):
        stack.report.run(GENERATION, GENERATION_FAILED)

    assert (stack.job.status, stack.job.attempt, stack.queue.sent) == (JobStatus.FAILED, 1, [])


# --- after a resume or an adoption a failure is final ---------------------------------------------------------------------


def resumed(stack: FakeStack) -> None:
    stack.put_job(status=JobStatus.FAILED, charge=Charge.CHARGED, reason=TIMED_OUT)
    ResumeJob(stack.jobs, stack.state_machine, stack.publisher, stack.clock).run(JOB_ID)


def adopted(stack: FakeStack) -> None:
    reason = Reason(ReasonCode.SUBMISSION_UNKNOWN, "x")
    stack.put_job(status=JobStatus.UNKNOWN, charge=Charge.UNKNOWN, reason=reason, generation_id=None, lease_until=NOON)
    stack.provider.poll_answer = InProgress("processing")
    settle = SettleUnknown(stack.jobs, stack.provider, stack.state_machine, stack.queue, stack.publisher, stack.clock)
    settle.adopt(JOB_ID, "gen_7")
    stack.bus.published.clear()


@pytest.mark.parametrize("reason", [GENERATION_FAILED, CONTENT], ids=["generation_failed", "content_refused"])
@pytest.mark.parametrize("brought_back", [resumed, adopted])
def test_after_a_resume_or_an_adoption_a_failure_is_final(stack: FakeStack, brought_back, reason):
    stack.report = replace(stack.report, retries_content_refusals=True)
    brought_back(stack)
    assert stack.job.attempt < stack.report.max_attempts

    assert stack.report.run(generation_of(stack.job), reason) == {"outcome": "failed"}
    assert (stack.job.status, stack.job.attempt) == (JobStatus.FAILED, 1)
    assert stack.job.has_reason(reason.code)
    assert (stack.queue.sent, stack.provider.sent, stack.bus.types) == ([], [], [EventType.FAILED])


@pytest.mark.parametrize("brought_back", [resumed, adopted])
def test_a_resumed_or_adopted_generation_that_fails_starts_no_attempt(stack: FakeStack, brought_back):
    brought_back(stack)
    stack.provider.poll_answer = GenerationFailed("no faces")

    first, second = (stack.check.run(generation_of(stack.job)) for _ in range(2))
    stack.report.run(generation_of(stack.job), Reason.from_json(second["reason"]))

    assert (first["outcome"], stack.job.status) == ("waiting", JobStatus.FAILED)
    assert (stack.queue.sent, stack.provider.sent) == ([], [])


# --- an execution that ended before its job -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_execution_that_ended_before_its_job_is_reported_once(stack: FakeStack, status):
    ended = ended_execution_of(stack.put_job(charge=Charge.CHARGED), status, cause="by hand")

    for _ in range(3):
        assert stack.report.execution_ended(ended) == {"outcome": "failed"}

    assert (stack.job.status, stack.job.charge) == (JobStatus.FAILED, Charge.CHARGED)
    message = f"The state machine's execution ended ({status}) before the video was delivered: by hand."
    assert stack.job.reason == Reason(ReasonCode.WATCH_ENDED, message)
    assert stack.bus.types == [EventType.FAILED]


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
def test_the_executions_status_decides_whether_it_has_ended(stack: FakeStack, status_now, outcome):
    """The event may be late, and the execution may run again by then (a redrive). After 90 days it is deleted (None)."""
    job = stack.put_job(charge=Charge.CHARGED)
    ended = ended_execution_of(job, "FAILED")
    if status_now is not None:
        stack.state_machine.executions[ended.name] = "gen_1"
        stack.state_machine.statuses[ended.name] = status_now

    assert stack.report.execution_ended(ended) == {"outcome": outcome}
    assert stack.job.status == outcome
    assert stack.bus.types == ([EventType.FAILED] if outcome == "failed" else [])


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.GENERATING])
def test_a_job_that_is_not_generating_does_not_fail_for_its_execution(stack: FakeStack, status):
    before = stack.put_job(status=status)

    assert stack.report.execution_ended(ended_execution_of(before)) == {"outcome": status}
    assert (stack.job, stack.bus.types) == (before, [])


@pytest.mark.parametrize("later", [{"attempt": 2}, {"resumes": 1}])
def test_a_job_under_another_execution_does_not_fail_for_an_old_one(stack: FakeStack, later):
    old = ended_execution_of(stack.put_job())
    before = stack.put_job(**later)

    assert stack.report.execution_ended(old) == {"outcome": "generating"}
    assert (stack.job, stack.bus.types) == (before, [])


def test_a_job_resumed_during_its_old_executions_report_is_not_failed(stack: FakeStack):
    old = ended_execution_of(stack.put_job(charge=Charge.CHARGED))
    just_after(stack.database, "get", lambda: stack.put_job(charge=Charge.CHARGED, resumes=1))

    assert stack.report.execution_ended(old) == {"outcome": "generating"}
    assert (stack.job.resumes, stack.bus.types) == (1, [])


def test_a_next_attempt_begun_during_a_report_gets_its_message(stack: FakeStack):
    """The writer of the next attempt may have crashed before it sent the message. Of two messages, one can claim."""
    job = stack.put_job(charge=Charge.CHARGED)
    just_before(
        stack.state_machine, "status_of", lambda: stack.jobs.save(job, next_attempt(job, GENERATION_FAILED, NOON))
    )

    assert stack.report.execution_ended(ended_execution_of(job)) == {"outcome": "deferred"}
    assert (stack.job.attempt, stack.queue.sent, stack.bus.types) == (2, [(NEXT, 0)], [])


def test_an_execution_of_no_job_is_ignored(stack: FakeStack):
    job = stack.put_job()

    assert stack.report.execution_ended(ended_execution_of(job, job_id="f" * 24)) == {"outcome": "ignored"}


# --- which jobs are reported ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.GENERATING])
def test_a_job_that_is_not_generating_does_not_fail(stack: FakeStack, status):
    before = stack.put_job(status=status, requeues=1)

    assert stack.report.run(GENERATION, TIMED_OUT) == {"outcome": status}
    assert stack.job == before
    assert (stack.queue.sent, stack.bus.types) == ([], [])


@pytest.mark.parametrize("later", [{"attempt": 2}, {"resumes": 1}, {"generation_id": "gen_2", "resumes": 1}])
def test_a_report_by_a_superseded_execution_does_nothing(stack: FakeStack, later):
    """A redriven old execution: of an earlier attempt, or from before a resume or an adoption."""
    before = stack.put_job(charge=Charge.CHARGED, **later)

    assert stack.report.run(GENERATION, GENERATION_FAILED) == {"outcome": "generating"}
    assert stack.job == before
    assert (stack.queue.sent, stack.bus.types) == ([], [])


def test_a_report_of_a_missing_job_is_retried(stack: FakeStack):
    with pytest.raises(RetryLater, match=f"job {JOB_ID} is not in the job table"):
        stack.report.run(GENERATION, TIMED_OUT)
