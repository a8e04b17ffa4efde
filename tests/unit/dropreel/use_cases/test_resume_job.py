"""A failed, paid job is resumed with its generation, without paying again."""

import pytest

from dropreel.domain.errors import ActionNotAllowed, PublishFault, RetryLater
from dropreel.domain.job import Charge, EventType, Job, JobStatus
from dropreel.domain.next_steps import RESUMABLE, next_step
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.poll_answers import Finished, InProgress
from dropreel.use_cases.forget_job import ForgetJob
from dropreel.use_cases.resume_job import ResumeJob
from tests.support.executions import generation_of
from tests.support.fake_stack import GENERATION, JOB_ID, TIMEOUT_SECONDS, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import death_before, just_before
from tests.support.sample_jobs import NOON

FINISHED = Finished("https://cdn.example/v.mp4?sig=5ec2e7")
TIMED_OUT = Reason(ReasonCode.TIMED_OUT, "too late")


@pytest.fixture
def resume(stack: FakeStack) -> ResumeJob:
    return ResumeJob(stack.jobs, stack.state_machine, stack.publisher, stack.clock)


def failed(stack: FakeStack, code: ReasonCode = ReasonCode.TIMED_OUT, **changes: object) -> Job:
    return stack.put_job(status=JobStatus.FAILED, charge=Charge.CHARGED, reason=Reason(code, "x"), **changes)


@pytest.mark.parametrize("code", sorted(RESUMABLE))
def test_a_failed_paid_job_is_resumed_with_its_generation_unpaid(stack: FakeStack, resume: ResumeJob, code):
    failed(stack, code, not_found_since=NOON)
    stack.clock.pass_seconds(10 * TIMEOUT_SECONDS)

    job = resume.run(JOB_ID)

    assert (job.status, job.generation_id, job.attempt, job.reason) == ("generating", "gen_1", 1, None)
    assert stack.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}
    generation = generation_of(job)
    stack.provider.poll_answer = InProgress("processing")
    assert stack.check.run(generation) == {"outcome": "waiting"}
    stack.provider.poll_answer = FINISHED
    stack.check.run(generation)
    stack.deliver.run(generation)
    assert (stack.job.status, stack.job.charge) == (JobStatus.COMPLETED, Charge.CHARGED)
    assert (stack.provider.sent, stack.queue.sent, stack.reserved) == ([], [], 0)
    assert stack.bus.types == [EventType.COMPLETED]


def test_a_resumed_job_gets_a_new_deadline(stack: FakeStack, resume: ResumeJob):
    failed(stack)
    stack.clock.pass_seconds(TIMEOUT_SECONDS)
    generation = generation_of(resume.run(JOB_ID))
    stack.provider.poll_answer = InProgress("processing")

    stack.clock.pass_seconds(TIMEOUT_SECONDS - 1)
    assert stack.check.run(generation)["outcome"] == "waiting"
    stack.clock.pass_seconds(1)
    assert stack.check.run(generation)["outcome"] == "timed_out"


def test_404s_before_a_resume_do_not_count(stack: FakeStack, resume: ResumeJob):
    failed(stack, ReasonCode.GENERATION_NOT_FOUND, not_found_since=NOON)
    stack.clock.pass_seconds(TIMEOUT_SECONDS)

    assert resume.run(JOB_ID).not_found_since is None
    assert stack.job.not_found_since is None


def test_a_second_failure_has_its_own_event_and_can_be_resumed(stack: FakeStack, resume: ResumeJob):
    stack.put_job(charge=Charge.CHARGED)
    stack.report.run(GENERATION, TIMED_OUT)
    job = resume.run(JOB_ID)
    stack.report.run(generation_of(job), TIMED_OUT)
    resume.run(JOB_ID)

    assert stack.bus.types == [EventType.FAILED, EventType.FAILED]
    ids = [detail["metadata"]["id"] for _, detail in stack.bus.published]
    assert len(set(ids)) == 2
    assert sorted(stack.state_machine.executions) == [f"{JOB_ID}-1-1", f"{JOB_ID}-1-2"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.COMPLETED},
        {"status": JobStatus.REJECTED, "reason": Reason(ReasonCode.OPTIONS_INVALID, "x")},
        {"status": JobStatus.UNKNOWN, "reason": Reason(ReasonCode.SUBMISSION_UNKNOWN, "x")},
        {"status": JobStatus.HELD, "reason": Reason(ReasonCode.DAILY_LIMIT, "x")},
        {"status": JobStatus.DEFERRED, "reason": Reason(ReasonCode.TIMED_OUT, "x")},
        {"status": JobStatus.FAILED, "reason": Reason(ReasonCode.GENERATION_FAILED, "x")},
        {"status": JobStatus.FAILED, "reason": Reason(ReasonCode.CONTENT_REFUSED, "x")},
        {"status": JobStatus.FAILED, "reason": Reason(ReasonCode.WAITED_TOO_LONG, "x"), "generation_id": None},
        {"status": JobStatus.FAILED, "reason": Reason(ReasonCode.PROVIDER_REFUSED, "x"), "generation_id": None},
        {"status": JobStatus.FAILED, "reason": Reason(ReasonCode.ABANDONED, "x"), "generation_id": None},
        {"status": JobStatus.FAILED, "reason": Reason(ReasonCode.TIMED_OUT, "x"), "generation_id": None},
    ],
)
def test_a_job_whose_video_cannot_arrive_cannot_be_resumed(stack: FakeStack, resume: ResumeJob, changes):
    before = stack.put_job(**changes)

    with pytest.raises(ActionNotAllowed, match=f"Job {JOB_ID} is {changes['status']}"):
        resume.run(JOB_ID)

    assert stack.job == before
    assert stack.state_machine.executions == {}


@pytest.mark.parametrize(
    ("reason", "why"), [(Reason(ReasonCode.CONTENT_REFUSED, "x"), "failed (content_refused)"), (None, "failed")]
)
def test_a_refused_resume_states_why_and_what_can_be_resumed(stack: FakeStack, resume: ResumeJob, reason, why):
    stack.put_job(status=JobStatus.FAILED, reason=reason)
    with pytest.raises(ActionNotAllowed) as refused:
        resume.run(JOB_ID)

    assert str(refused.value) == (
        f"Job {JOB_ID} is {why}; only a failed one with a paid generation can be resumed (check_failed, "
        "delivery_failed, generation_not_found, timed_out, video_without_media, watch_ended)."
    )


def test_a_forgotten_job_brings_no_video_back(stack: FakeStack, resume: ResumeJob):
    failed(stack)
    ForgetJob(stack.jobs).run(JOB_ID)

    with pytest.raises(ActionNotAllowed, match="was forgotten"):
        resume.run(JOB_ID)

    assert (stack.job.status, stack.state_machine.executions) == (JobStatus.FAILED, {})
    assert "dropreel resume" not in (next_step(stack.job) or "")


def test_a_missing_job_cannot_be_resumed(resume: ResumeJob):
    with pytest.raises(ActionNotAllowed, match="no job"):
        resume.run("f" * 24)


def test_a_jobs_failure_is_published_before_it_is_resumed(stack: FakeStack, resume: ResumeJob):
    failed(stack, pending_events=frozenset({EventType.FAILED}))

    resume.run(JOB_ID)

    assert stack.bus.types == [EventType.FAILED]
    assert stack.journal.index("publish") < stack.journal.index("save generating")


def test_a_job_whose_failure_cannot_be_published_is_not_resumed(stack: FakeStack, resume: ResumeJob):
    failed(stack, pending_events=frozenset({EventType.FAILED}))
    stack.bus.refuses_all = True

    with pytest.raises(PublishFault):
        resume.run(JOB_ID)

    assert stack.job.status is JobStatus.FAILED


def test_a_job_resumed_concurrently_is_resumed_once(stack: FakeStack, resume: ResumeJob):
    failed(stack)
    just_before(stack.database, "save generating", lambda: resume.run(JOB_ID))

    with pytest.raises(RetryLater, match=f"job {JOB_ID} was changed meanwhile; try again"):
        resume.run(JOB_ID)
    assert stack.job.resumes == 1
    assert stack.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}


def test_an_interrupted_resume_is_repaired_by_the_next(stack: FakeStack, resume: ResumeJob):
    failed(stack)
    stack.state_machine.fails_before = {"start"}
    with pytest.raises(OutageError):
        resume.run(JOB_ID)
    stack.state_machine.fails_before = set()

    resume.run(JOB_ID)

    assert stack.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}
    assert stack.job.resumes == 1


def test_a_resume_that_died_at_any_call_is_completed_by_the_next():
    def begun() -> tuple[FakeStack, ResumeJob]:
        stack = FakeStack()
        failed(stack, pending_events=frozenset({EventType.FAILED}))
        return stack, ResumeJob(stack.jobs, stack.state_machine, stack.publisher, stack.clock)

    calm, resume = begun()
    resume.run(JOB_ID)
    assert len(calm.journal) >= 5

    for number in range(len(calm.journal)):
        stack, resume = begun()
        with death_before(number):
            resume.run(JOB_ID)

        resume.run(JOB_ID)

        assert stack.job == calm.job
        assert stack.state_machine.executions == calm.state_machine.executions
        assert set(stack.bus.types) == {EventType.FAILED}


def test_an_interrupted_resume_is_repaired_by_the_sweeper(stack: FakeStack, resume: ResumeJob):
    failed(stack)
    stack.state_machine.fails_before = {"start"}
    with pytest.raises(OutageError):
        resume.run(JOB_ID)
    stack.state_machine.fails_before = set()
    stack.clock.pass_seconds(3600)

    assert stack.sweep.run() == {"started": 1}
    assert stack.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}
