"""A failed, paid job goes on with the generation that it has, without paying again."""

import pytest

from dropreel.answers import Finished, InProgress
from dropreel.errors import NotPossible, PublishFault, TryAgain
from dropreel.jobs import Charge, EventType, Job, JobStatus
from dropreel.next_steps import RESUMABLE
from dropreel.reasons import Reason, ReasonCode
from dropreel.use_cases.resume_job import ResumeJob
from tests.unit.dropreel.executions import generation_of
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_before
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.world import GENERATION, JOB_ID, TIMEOUT_SECONDS, World

FINISHED = Finished("https://cdn.example/v.mp4?sig=5ec2e7")
TIMED_OUT = Reason(ReasonCode.TIMED_OUT, "too late")


@pytest.fixture
def resume(world: World) -> ResumeJob:
    return ResumeJob(world.jobs, world.state_machine, world.publisher, world.clock)


def failed(world: World, code: ReasonCode = ReasonCode.TIMED_OUT, **changes: object) -> Job:
    return world.has(status=JobStatus.FAILED, charge=Charge.CHARGED, reason=Reason(code, "x"), **changes)


@pytest.mark.parametrize("code", sorted(RESUMABLE))
def test_a_failed_job_that_was_paid_goes_on_with_its_generation_for_nothing(world: World, resume: ResumeJob, code):
    failed(world, code, not_found_since=NOON)
    world.clock.pass_seconds(10 * TIMEOUT_SECONDS)

    job = resume.run(JOB_ID)

    assert (job.status, job.generation_id, job.attempt, job.reason) == ("generating", "gen_1", 1, None)
    assert world.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}
    generation = generation_of(job)
    world.provider.poll_answer = InProgress("processing")
    assert world.check.run(generation) == {"outcome": "waiting"}
    world.provider.poll_answer = FINISHED
    world.check.run(generation)
    world.deliver.run(generation)
    assert (world.job.status, world.job.charge) == (JobStatus.COMPLETED, Charge.CHARGED)
    assert (world.provider.sent, world.queue.sent, world.reserved) == ([], [], 0)
    assert world.bus.types == [EventType.COMPLETED]


def test_a_resumed_job_has_its_whole_time_again(world: World, resume: ResumeJob):
    failed(world)
    world.clock.pass_seconds(TIMEOUT_SECONDS)
    generation = generation_of(resume.run(JOB_ID))
    world.provider.poll_answer = InProgress("processing")

    world.clock.pass_seconds(TIMEOUT_SECONDS - 1)
    assert world.check.run(generation)["outcome"] == "waiting"
    world.clock.pass_seconds(1)
    assert world.check.run(generation)["outcome"] == "timed_out"


def test_a_resumed_job_is_not_lost_for_the_404s_before(world: World, resume: ResumeJob):
    failed(world, ReasonCode.GENERATION_NOT_FOUND, not_found_since=NOON)
    world.clock.pass_seconds(TIMEOUT_SECONDS)

    assert resume.run(JOB_ID).not_found_since is None
    assert world.job.not_found_since is None


def test_a_job_that_fails_again_has_another_event_and_can_be_resumed_again(world: World, resume: ResumeJob):
    world.has(charge=Charge.CHARGED)
    world.report.run(GENERATION, TIMED_OUT)
    job = resume.run(JOB_ID)
    world.report.run(generation_of(job), TIMED_OUT)
    resume.run(JOB_ID)

    assert world.bus.types == [EventType.FAILED, EventType.FAILED]
    ids = [detail["metadata"]["id"] for _, detail in world.bus.published]
    assert len(set(ids)) == 2
    assert sorted(world.state_machine.executions) == [f"{JOB_ID}-1-1", f"{JOB_ID}-1-2"]


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
def test_what_has_no_video_to_come_cannot_be_resumed(world: World, resume: ResumeJob, changes):
    before = world.has(**changes)

    with pytest.raises(NotPossible, match=f"Job {JOB_ID} is {changes['status']}"):
        resume.run(JOB_ID)

    assert world.job == before
    assert world.state_machine.executions == {}


@pytest.mark.parametrize(
    ("reason", "why"), [(Reason(ReasonCode.CONTENT_REFUSED, "x"), "failed (content_refused)"), (None, "failed")]
)
def test_what_cannot_be_resumed_says_why_and_what_can_be(world: World, resume: ResumeJob, reason, why):
    world.has(status=JobStatus.FAILED, reason=reason)
    with pytest.raises(NotPossible) as refused:
        resume.run(JOB_ID)

    assert str(refused.value) == (
        f"Job {JOB_ID} is {why}; only a failed one with a paid generation can be resumed (check_failed, "
        "delivery_failed, generation_not_found, timed_out, video_without_media, watch_ended)."
    )


def test_a_job_that_is_not_there_cannot_be_resumed(resume: ResumeJob):
    with pytest.raises(NotPossible, match="no job"):
        resume.run("f" * 24)


def test_a_jobs_failure_is_published_before_it_goes_on(world: World, resume: ResumeJob):
    failed(world, pending_events=frozenset({EventType.FAILED}))

    resume.run(JOB_ID)

    assert world.bus.types == [EventType.FAILED]
    assert world.journal.index("publish") < world.journal.index("save generating")


def test_a_job_whose_failure_cannot_be_published_is_not_resumed(world: World, resume: ResumeJob):
    failed(world, pending_events=frozenset({EventType.FAILED}))
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        resume.run(JOB_ID)

    assert world.job.status is JobStatus.FAILED


def test_a_job_that_somebody_else_resumes_meanwhile_is_resumed_once(world: World, resume: ResumeJob):
    failed(world)
    just_before(world.database, "save generating", lambda: resume.run(JOB_ID))

    with pytest.raises(TryAgain, match=f"job {JOB_ID} was changed by somebody else"):
        resume.run(JOB_ID)
    assert world.job.resumes == 1
    assert world.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}


def test_a_resume_that_broke_off_is_repaired_by_the_next(world: World, resume: ResumeJob):
    failed(world)
    world.state_machine.broken_before = {"start"}
    with pytest.raises(OutOfOrderError):
        resume.run(JOB_ID)
    world.state_machine.broken_before = set()

    resume.run(JOB_ID)

    assert world.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}
    assert world.job.resumes == 1


def test_a_resume_that_broke_off_is_repaired_by_the_sweeper(world: World, resume: ResumeJob):
    failed(world)
    world.state_machine.broken_before = {"start"}
    with pytest.raises(OutOfOrderError):
        resume.run(JOB_ID)
    world.state_machine.broken_before = set()
    world.clock.pass_seconds(3600)

    assert world.sweep.run() == {"started": 1}
    assert world.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}
