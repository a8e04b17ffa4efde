"""One poll: what its answer means, when a generation is lost, and which jobs are polled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.domain.errors import RetryLater
from dropreel.domain.job import Charge, EventType, Job, JobStatus, PollFaultNote, accept, execution_name
from dropreel.domain.metrics import Metric
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.limits import NOT_FOUND_FOR
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollAnswer, PollFault
from dropreel.use_cases.resume_job import ResumeJob
from tests.support.executions import generation_of
from tests.support.fake_stack import GENERATION, JOB_ID, TIMEOUT_SECONDS, FakeStack
from tests.support.interleaving import just_before
from tests.support.sample_jobs import NOON, PRICE, job_with

FINISHED = Finished("https://cdn.example/v.mp4?sig=5ec2e7")
FAILED = GenerationFailed("no faces")
PROCESSING = InProgress("processing")
FAULT = PollFault("the provider answered 500", 500)
NOT_FOUND = PollFault("the provider answered 404", 404)
ENDED = {"outcome": "ended"}
WAITING = {"outcome": "waiting"}


def polls(stack: FakeStack, answers: Sequence[PollAnswer], seconds: float = 5) -> list[dict[str, Any]]:
    """Poll once for each answer, `seconds` after each other; return the outcomes."""
    outcomes = []
    for number, answer in enumerate(answers):
        stack.clock.pass_seconds(seconds if number else 0)
        stack.provider.poll_answer = answer
        outcomes.append(stack.check.run(generation_of(stack.job)))
    return outcomes


# --- what an answer means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "provider_status"),
    [
        (InProgress("created"), "waiting", "created"),
        (PROCESSING, "waiting", "processing"),
        (FINISHED, "completed", "completed"),
        (FAILED, "waiting", "failed"),
        (PollFault("ReadTimeout"), "waiting", "processing"),
        (PollFault("answered 500", 500), "waiting", "processing"),
        (PollFault("answered 401", 401), "waiting", "processing"),
        (PollFault("answered 404", 404), "waiting", "processing"),
        (PollFault("answered 429", 429), "waiting", "processing"),
    ],
)
def test_a_poll_is_an_outcome_and_is_counted(stack: FakeStack, answer, outcome, provider_status):
    stack.put_job(polls=4, provider_status="processing")
    stack.provider.poll_answer = answer

    found = stack.check.run(GENERATION)

    assert found["outcome"] == outcome
    assert (stack.job.polls, stack.job.provider_status) == (5, provider_status)
    assert stack.job.status is JobStatus.GENERATING
    assert stack.provider.polled == ["gen_1"]


def test_a_completed_check_carries_no_address(stack: FakeStack):
    stack.put_job()
    stack.provider.poll_answer = FINISHED

    assert stack.check.run(GENERATION) == {"outcome": "completed"}
    assert "5ec2e7" not in repr(stack.job)


def test_a_poll_changes_nothing_that_a_save_depends_on(stack: FakeStack):
    before = stack.put_job()
    stack.provider.poll_answer = PROCESSING

    stack.check.run(GENERATION)

    assert stack.job.version == before.version
    assert stack.jobs.save(before, replace(before, warnings=("x",))) is not None


def test_poll_faults_are_counted_and_the_last_one_is_kept(stack: FakeStack):
    stack.put_job(polls=4, poll_faults=1)
    stack.clock.pass_seconds(5)

    polls(stack, [PollFault("the provider answered 502", 502), PROCESSING])

    assert (stack.job.polls, stack.job.poll_faults) == (6, 2)
    assert stack.job.last_fault == PollFaultNote("the provider answered 502", NOON + timedelta(seconds=5))


@pytest.mark.parametrize("status", [401, 403])
def test_a_poll_with_a_refused_key_is_counted_for_its_alarm(stack: FakeStack, status):
    stack.put_job()
    stack.provider.poll_answer = PollFault(f"the provider answered {status}", status)

    assert stack.check.run(GENERATION) == WAITING
    assert stack.counted == [(Metric.KEY_REFUSED, JOB_ID)]


@pytest.mark.parametrize("status", [402, 403, 429])
def test_a_poll_refused_without_balance_is_counted_for_its_alarm(stack: FakeStack, status):
    stack.put_job()
    stack.provider.poll_answer = PollFault("the provider answered", status, "Insufficient balance", no_balance=True)

    assert stack.check.run(GENERATION) == WAITING
    assert stack.counted == [(Metric.NO_BALANCE, JOB_ID)]


# --- a `failed` counts when a second poll confirms it -----------------------------------------------------------------


def test_a_failed_that_is_not_repeated_is_delivered_and_paid_once(stack: FakeStack):
    stack.run()

    outcomes = polls(stack, [FAILED, FINISHED])
    stack.deliver.run(GENERATION)

    assert outcomes == [WAITING, {"outcome": "completed"}]
    assert (stack.job.status, stack.job.charge) == (JobStatus.COMPLETED, Charge.CHARGED)
    assert (len(stack.provider.sent), stack.queue.sent, stack.reserved) == (1, [], PRICE)
    assert stack.bus.types == [EventType.SUBMITTED, EventType.COMPLETED]


@pytest.mark.parametrize(
    "between",
    [[], [FAULT], [NOT_FOUND], [FAULT, PollFault("ReadTimeout"), NOT_FOUND]],
    ids=["at once", "a fault", "404", "three faults"],
)
def test_a_failed_that_a_second_poll_confirms_ends_the_attempt(stack: FakeStack, between):
    stack.put_job()

    *before, last = polls(stack, [FAILED, *between, FAILED])

    assert before == [WAITING] * (1 + len(between))
    assert (last["outcome"], last["reason"]["code"]) == ("failed", "generation_failed")


@pytest.mark.parametrize("answer", [PROCESSING, InProgress("created")])
def test_a_failed_followed_by_another_status_needs_two_polls_again(stack: FakeStack, answer):
    stack.put_job()

    outcomes = [outcome["outcome"] for outcome in polls(stack, [FAILED, answer, FAILED, FAILED])]

    assert outcomes == ["waiting", "waiting", "waiting", "failed"]


def test_a_confirmed_failure_has_the_providers_error_text(stack: FakeStack):
    stack.put_job(provider_status="failed")
    stack.provider.poll_answer = FAILED

    reason = stack.check.run(GENERATION)["reason"]

    assert reason["code"] == "generation_failed"
    assert "no faces" in reason["message"]
    assert reason["provider_error"] == "no faces"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("The image was flagged by our moderation", "content_refused"),
        ("This violates our content policy", "content_refused"),
        ("NSFW", "content_refused"),
        ("network policy timeout", "generation_failed"),
        ("it did not work", "generation_failed"),
        ("the provider gave no reason", "generation_failed"),
    ],
)
def test_a_content_refusal_has_its_own_reason_code(stack: FakeStack, error, code):
    stack.put_job(provider_status="failed")
    stack.provider.poll_answer = GenerationFailed(error)

    found = stack.check.run(GENERATION)

    assert (found["outcome"], found["reason"]["code"]) == ("failed", code)
    assert error in found["reason"]["message"]
    assert found["reason"]["provider_error"] == (None if "no reason" in error else error)


def test_an_unconfirmed_failed_at_the_deadline_is_timed_out(stack: FakeStack):
    stack.put_job(charge=Charge.CHARGED)
    stack.clock.pass_seconds(TIMEOUT_SECONDS)

    (found,) = polls(stack, [FAILED])

    assert found["outcome"] == "timed_out"
    assert found["reason"]["code"] == "timed_out"
    assert found["reason"]["message"].endswith(
        "after it was accepted; its last status is failed, which no second poll has confirmed."
    )


def test_an_unconfirmed_failed_at_the_deadline_can_be_resumed_unpaid(stack: FakeStack):
    stack.run()
    stack.clock.pass_seconds(TIMEOUT_SECONDS)
    (found,) = polls(stack, [FAILED])
    stack.report.run(GENERATION, Reason.from_json(found["reason"]))
    assert (stack.job.status, stack.job.attempt, stack.queue.sent) == (JobStatus.FAILED, 1, [])

    ResumeJob(stack.jobs, stack.state_machine, stack.publisher, stack.clock).run(JOB_ID)
    assert polls(stack, [FINISHED]) == [{"outcome": "completed"}]
    stack.deliver.run(generation_of(stack.job))

    assert (stack.job.status, len(stack.provider.sent)) == (JobStatus.COMPLETED, 1)


def test_after_a_resume_a_failed_needs_two_polls_again(stack: FakeStack):
    reason = Reason(ReasonCode.TIMED_OUT, "x")
    stack.put_job(status=JobStatus.FAILED, charge=Charge.CHARGED, reason=reason, provider_status="failed")
    ResumeJob(stack.jobs, stack.state_machine, stack.publisher, stack.clock).run(JOB_ID)

    first, second = polls(stack, [FAILED, FAILED])

    assert (first, second["outcome"]) == (WAITING, "failed")


# --- a generation that the provider answers 404 for --------------------------------------------------------------------


def test_the_provider_has_five_minutes_to_know_a_generation_again():
    assert timedelta(seconds=300) == NOT_FOUND_FOR


@pytest.mark.parametrize("number_of_polls", [2, 61])
@pytest.mark.parametrize(("seconds", "outcome"), [(299, "waiting"), (300, "failed")])
def test_a_generation_is_lost_after_five_minutes_of_404(stack: FakeStack, number_of_polls, seconds, outcome):
    stack.put_job()

    *before, last = polls(stack, [NOT_FOUND] * number_of_polls, seconds / (number_of_polls - 1))

    assert before == [WAITING] * (number_of_polls - 1)
    assert last["outcome"] == outcome


def test_a_lost_generation_has_its_duration_and_the_providers_text(stack: FakeStack):
    stack.put_job()

    found = polls(stack, [NOT_FOUND, PollFault("answered 404", 404, "no such generation")], 300)[-1]

    assert found["reason"]["code"] == "generation_not_found"
    assert "for 5 minutes" in found["reason"]["message"]
    assert found["reason"]["provider_error"] == "no such generation"


@pytest.mark.parametrize(("minutes", "polled_after"), [(5, 300), (31, 31 * 60)])
def test_a_lost_generation_says_how_many_minutes_of_404_it_had(stack: FakeStack, minutes, polled_after):
    stack.put_job()

    found = polls(stack, [NOT_FOUND, NOT_FOUND], polled_after)[-1]

    assert f"for {minutes} minutes every poll" in found["reason"]["message"]


@pytest.mark.parametrize("answer", [PROCESSING, FAILED, FINISHED, FAULT, PollFault("ReadTimeout")])
def test_any_other_answer_begins_the_five_minutes_again(stack: FakeStack, answer):
    stack.put_job()
    polls(stack, [NOT_FOUND, answer], 299)
    stack.clock.pass_seconds(1)

    outcomes = polls(stack, [NOT_FOUND, NOT_FOUND], 299)
    assert outcomes == [WAITING, WAITING]
    stack.clock.pass_seconds(1)
    assert polls(stack, [NOT_FOUND])[0]["outcome"] == "failed"


# --- the deadline ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [PROCESSING, FAULT])
@pytest.mark.parametrize(("seconds", "outcome"), [(TIMEOUT_SECONDS - 1, "waiting"), (TIMEOUT_SECONDS, "timed_out")])
def test_the_deadline_counts_from_the_submission(stack: FakeStack, seconds, outcome, answer):
    stack.put_job(created_at=stack.clock.time.replace(year=2020))
    stack.provider.poll_answer = answer
    stack.clock.pass_seconds(seconds)

    assert stack.check.run(GENERATION)["outcome"] == outcome


@pytest.mark.parametrize(("seconds", "outcome"), [(TIMEOUT_SECONDS - 1, "waiting"), (TIMEOUT_SECONDS, "timed_out")])
def test_after_a_resume_the_deadline_counts_from_there(stack: FakeStack, seconds, outcome):
    stack.put_job(resumes=1, submitted_at=NOON - timedelta(days=1), watched_since=NOON)
    stack.provider.poll_answer = PROCESSING
    stack.clock.pass_seconds(seconds)

    found = stack.check.run(generation_of(stack.job))

    assert found["outcome"] == outcome
    assert outcome == "waiting" or "60 minutes after it was resumed" in found["reason"]["message"]


@pytest.mark.parametrize(
    ("answer", "seen_last"),
    [
        (PROCESSING, "its last status is processing"),
        (PollFault("the provider answered 502", 502), "the provider answered 502"),
    ],
)
def test_a_time_out_states_its_minutes_and_the_last_answer(stack: FakeStack, answer, seen_last):
    stack.put_job()
    stack.provider.poll_answer = answer
    stack.clock.pass_seconds(TIMEOUT_SECONDS)

    reason = stack.check.run(GENERATION)["reason"]

    assert reason["code"] == "timed_out"
    assert reason["message"] == (
        f"The provider did not finish the video within 60 minutes after it was accepted; {seen_last}."
    )


def test_a_time_out_keeps_the_error_text_of_the_last_answer(stack: FakeStack):
    stack.put_job()
    stack.provider.poll_answer = PollFault("the provider answered 502", 502, "Bad gateway, says the edge")
    stack.clock.pass_seconds(TIMEOUT_SECONDS)

    assert stack.check.run(GENERATION)["reason"]["provider_error"] == "Bad gateway, says the edge"


@pytest.mark.parametrize(("answer", "outcome"), [(FINISHED, "completed"), (FAILED, "failed")])
def test_a_final_status_past_the_deadline_is_not_a_time_out(stack: FakeStack, answer, outcome):
    stack.put_job(provider_status="failed")
    stack.provider.poll_answer = answer
    stack.clock.pass_seconds(TIMEOUT_SECONDS * 2)

    assert stack.check.run(GENERATION)["outcome"] == outcome


# --- which jobs are polled ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.GENERATING])
def test_a_job_that_is_not_generating_is_not_polled(stack: FakeStack, status):
    before = stack.put_job(status=status)

    assert stack.check.run(GENERATION) == ENDED
    assert (stack.provider.polled, stack.job) == ([], before)


@pytest.mark.parametrize("later", [{"attempt": 2}, {"resumes": 1}, {"generation_id": "gen_2", "resumes": 1}])
def test_a_check_by_a_superseded_execution_does_nothing(stack: FakeStack, later):
    """A redriven old execution: of an earlier attempt, or from before a resume or an adoption."""
    before = stack.put_job(charge=Charge.CHARGED, **later)

    assert stack.check.run(GENERATION) == ENDED
    assert (stack.provider.polled, stack.job) == ([], before)


def test_a_check_of_a_missing_job_is_retried(stack: FakeStack):
    with pytest.raises(RetryLater, match=f"job {JOB_ID} is not in the job table"):
        stack.check.run(GENERATION)


# --- an id that could not be written at the submission -----------------------------------------------------------------


def without_its_id(stack: FakeStack, status: JobStatus, **changes: Any) -> Job:
    """Put a job that the provider accepted and whose id could not be written."""
    charge = Charge.UNKNOWN if status is JobStatus.UNKNOWN else Charge.NONE
    fields = {"status": status, "charge": charge, "generation_id": None, "submitted_at": None, "lease_until": NOON}
    return stack.put_job(**{**fields, "reserved_day": "2026-05-04", **changes})


@pytest.mark.parametrize("status", [JobStatus.SUBMITTING, JobStatus.UNKNOWN])
def test_a_check_writes_the_id_that_could_not_be_written(stack: FakeStack, status):
    without_its_id(stack, status)
    stack.clock.pass_seconds(60)

    assert stack.check.run(GENERATION) == WAITING

    job = stack.job
    assert (job.status, job.generation_id, job.charge) == (JobStatus.GENERATING, "gen_1", Charge.CHARGED)
    assert (job.reserved_day, job.resumes, job.reason) == ("2026-05-04", 0, None)
    assert (job.provider_status, job.watched_since) == ("created", NOON + timedelta(seconds=60))
    assert job.pending_events == {EventType.SUBMITTED}
    assert stack.jobs.holder_of("gen_1") == JOB_ID
    (row,) = stack.database.tables.rows("attempt")
    assert (row["generation_id"], row["charge"]) == ("gen_1", "charged")


def test_an_id_known_to_its_execution_alone_leads_to_the_video(stack: FakeStack):
    stack.database.fails_before.add("save generating")
    assert stack.run() == "submitting"
    stack.database.fails_before.clear()
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}

    stack.provider.poll_answer = FINISHED
    assert [stack.check.run(GENERATION) for _ in range(2)] == [WAITING, {"outcome": "completed"}]
    stack.deliver.run(GENERATION)

    assert (stack.job.status, len(stack.provider.sent), stack.reserved) == (JobStatus.COMPLETED, 1, PRICE)
    assert stack.bus.types == [EventType.SUBMITTED, EventType.COMPLETED]


def test_an_unknown_job_publishes_its_owed_event_before_its_id(stack: FakeStack):
    before = without_its_id(stack, JobStatus.UNKNOWN, pending_events=frozenset({EventType.UNKNOWN}))

    assert stack.check.run(GENERATION) == WAITING
    assert stack.job == before

    stack.publisher.publish(stack.job)
    assert stack.check.run(GENERATION) == WAITING
    assert (stack.job.status, stack.job.generation_id) == (JobStatus.GENERATING, "gen_1")


def test_a_submitting_job_that_owes_a_waiting_event_gets_its_id(stack: FakeStack):
    without_its_id(stack, JobStatus.SUBMITTING, pending_events=frozenset({EventType.HELD}))

    stack.check.run(GENERATION)

    assert stack.job.status is JobStatus.GENERATING
    assert stack.job.pending_events == {EventType.HELD, EventType.SUBMITTED}


@pytest.mark.parametrize("status", [JobStatus.SUBMITTING, JobStatus.UNKNOWN])
def test_a_generation_of_another_job_stays_with_that_job(stack: FakeStack, status):
    other = job_with(job_id="f" * 24, version=1, status=JobStatus.SUBMITTING, generation_id=None)
    stack.database.put(other)
    assert stack.jobs.save(other, accept(other, "gen_1", "created", NOON)) is not None
    before = without_its_id(stack, status)

    assert stack.check.run(GENERATION) == ENDED
    assert stack.job == before
    assert stack.jobs.holder_of("gen_1") == "f" * 24


@pytest.mark.parametrize("status", [JobStatus.SUBMITTING, JobStatus.UNKNOWN])
@pytest.mark.parametrize("later", [{"attempt": 2}, {"resumes": 1}])
def test_a_superseded_execution_writes_no_id(stack: FakeStack, status, later):
    before = without_its_id(stack, status, **later)
    assert execution_name(before) != GENERATION.execution

    assert stack.check.run(GENERATION) == ENDED
    assert stack.job == before


def test_an_execution_without_an_id_writes_none(stack: FakeStack):
    before = without_its_id(stack, JobStatus.SUBMITTING)

    assert stack.check.run(GENERATION._replace(generation_id="")) == ENDED
    assert stack.job == before


def test_a_concurrently_changed_job_gets_its_id_at_the_next_poll(stack: FakeStack):
    job = without_its_id(stack, JobStatus.SUBMITTING)
    just_before(stack.database, "save generating", lambda: stack.jobs.save(job, replace(job, warnings=("x",))))

    assert stack.check.run(GENERATION) == WAITING
    assert stack.job.generation_id is None
    assert stack.check.run(GENERATION) == WAITING
    assert (stack.job.generation_id, stack.job.warnings) == ("gen_1", ("x",))
