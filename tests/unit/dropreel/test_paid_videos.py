"""What is paid for is watched, delivered or told, and can be gone on with without paying again."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dropreel.answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.errors import NotPossible, PublishFault, TryAgain, VideoFault
from dropreel.events import EventType, event_id
from dropreel.jobs import JobStatus, Money, PollFaultNote, Reason, execution_name
from dropreel.messages import Again, EndedExecution, reason_of
from dropreel.next_steps import RESUMABLE
from dropreel.use_cases.check_status import MAX_NOT_FOUND
from dropreel.use_cases.resume_job import ResumeJob
from dropreel.use_cases.settle_unknown import SettleUnknown
from dropreel.videos import video_key
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.tiny_video import tiny_video
from tests.unit.dropreel.world import GENERATION, JOB_ID, TIMEOUT_SECONDS, World

FINISHED = Finished("https://cdn.example/v.mp4?sig=5ec2e7")
TIMED_OUT = Reason("timed_out", "too late")
NOT_FOUND = PollFault("the provider answered 404", 404)


@pytest.fixture
def resume(world: World) -> ResumeJob:
    return ResumeJob(world.jobs, world.state_machine, world.announcer, world.clock)


@pytest.fixture
def settle(world: World) -> SettleUnknown:
    world.provider.poll_answer = InProgress("processing")
    return SettleUnknown(world.jobs, world.provider, world.state_machine, world.queue, world.announcer, world.clock)


# --- polls that tell nothing -----------------------------------------------------------------------------------------


def test_a_poll_that_tells_nothing_is_counted_and_the_last_one_is_on_the_job(world: World):
    world.has(polls=4, poll_faults=1)
    world.provider.poll_answer = PollFault("the provider answered 502", 502)
    world.clock.pass_seconds(5)

    world.check.run(GENERATION)
    world.provider.poll_answer = InProgress("processing")
    world.check.run(GENERATION)

    assert (world.job.polls, world.job.poll_faults) == (6, 2)
    assert world.job.last_fault == PollFaultNote("the provider answered 502", NOON + timedelta(seconds=5))


def test_a_generation_that_the_provider_does_not_know_again_and_again_is_lost(world: World):
    world.has()
    world.provider.poll_answer = NOT_FOUND

    outcomes = [world.check.run(GENERATION) for _ in range(MAX_NOT_FOUND)]

    assert {each["outcome"] for each in outcomes[:-1]} == {"waiting"}
    assert (outcomes[-1]["outcome"], outcomes[-1]["reason"]["code"]) == ("failed", "generation_not_found")
    assert str(MAX_NOT_FOUND) in outcomes[-1]["reason"]["message"]


@pytest.mark.parametrize("between", [InProgress("processing"), PollFault("the provider answered 500", 500)])
def test_only_404s_in_a_row_count(world: World, between):
    world.has(not_found_polls=MAX_NOT_FOUND - 1)
    world.provider.poll_answer = between
    world.check.run(GENERATION)
    world.provider.poll_answer = NOT_FOUND

    assert world.check.run(GENERATION) == {"outcome": "waiting"}
    assert world.job.not_found_polls == 1


def test_a_lost_generation_is_not_paid_for_again_by_itself(world: World):
    world.has(money=Money.SPENT)

    world.report.run(GENERATION, Reason("generation_not_found", "lost"))

    assert (world.job.status, world.job.attempt, world.job.money) == ("failed", 1, "spent")
    assert world.queue.sent == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_logged_for_the_alarm(world: World, status, caplog):
    world.has()
    world.provider.poll_answer = PollFault(f"the provider answered {status}", status)

    assert world.check.run(GENERATION) == {"outcome": "waiting"}
    assert [record.message for record in caplog.records] == ["key refused"]


@pytest.mark.parametrize("status", [402, 403, 429])
def test_a_poll_that_is_refused_for_want_of_money_is_logged_for_its_own_alarm(world: World, status, caplog):
    world.has()
    world.provider.poll_answer = PollFault("the provider answered", status, "Insufficient balance", no_balance=True)

    assert world.check.run(GENERATION) == {"outcome": "waiting"}
    assert [record.message for record in caplog.records] == ["no balance"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("The image was flagged by our moderation", "content_refused"),
        ("This violates our content policy", "content_refused"),
        ("NSFW", "content_refused"),
        ("network policy timeout", "generation_failed"),
        ("it did not work", "generation_failed"),
        ("the provider gave no reason", "generation_failed"),
    ],
)
def test_a_failure_for_what_is_shown_has_a_reason_of_its_own(world: World, words, code):
    world.has()
    world.provider.poll_answer = GenerationFailed(words)

    found = world.check.run(GENERATION)

    assert (found["outcome"], found["reason"]["code"]) == ("failed", code)
    assert words in found["reason"]["message"]
    assert found["reason"]["provider_error"] == (None if "no reason" in words else words)


CONTENT = Reason("content_refused", "It was flagged.", provider_error="flagged")


def test_what_was_refused_for_what_it_shows_is_not_paid_for_twice(world: World):
    world.has(money=Money.SPENT)

    assert world.report.run(GENERATION, CONTENT) == {"outcome": "failed"}
    assert (world.job.attempt, world.job.money) == (1, Money.SPENT)
    assert (world.queue.sent, world.bus.types) == ([], [EventType.FAILED])
    ((_, detail),) = world.bus.published
    assert detail["data"]["reason"]["code"] == "content_refused"
    assert "change the image or the prompt" in detail["data"]["reason"]["next_step"]


def test_what_was_refused_for_what_it_shows_is_tried_again_where_its_owner_chose_that(world: World):
    world.report = replace(world.report, retries_content_refusals=True)
    world.has(money=Money.SPENT)

    assert world.report.run(GENERATION, CONTENT) == {"outcome": "deferred"}
    assert world.queue.sent == [(Again(JOB_ID, 2, 0), 0)]

    world.has(money=Money.SPENT, attempt=2)
    assert world.report.run(replace(GENERATION, attempt=2), CONTENT) == {"outcome": "failed"}


def test_the_deadline_tells_what_was_seen_last(world: World):
    world.has()
    world.provider.poll_answer = PollFault("the provider answered 502", 502)
    world.clock.pass_seconds(TIMEOUT_SECONDS)

    found = world.check.run(GENERATION)

    assert found["reason"]["message"] == (
        "The provider did not finish the video within 60 minutes after it was accepted; the provider answered 502."
    )


def test_the_generation_that_the_ledger_has_is_polled_and_no_other(world: World):
    world.has(generation_id="gen_2")

    assert world.check.run(GENERATION) == {"outcome": "ended"}
    assert world.provider.polled == []


# --- a video that is there already -----------------------------------------------------------------------------------


@pytest.fixture
def ready(world: World) -> World:
    """The provider has the video."""
    world.has(money=Money.SPENT)
    world.provider.poll_answer = FINISHED
    return world


def test_a_video_that_an_earlier_try_has_copied_is_not_fetched_again(ready: World):
    ready.videos.broken_before = {"put_receipt"}
    with pytest.raises(OutOfOrderError):
        ready.deliver.run(GENERATION)
    ready.videos.broken_before = set()
    ready.provider.poll_answer = PollFault("the provider is down")

    assert ready.deliver.run(GENERATION) == {"outcome": "delivered"}
    assert (len(ready.source.opened), ready.journal.count("put")) == (1, 1)
    assert ready.job.video is not None
    assert ready.job.video.size == len(tiny_video())
    assert ready.bus.types == [EventType.COMPLETED]


@pytest.mark.parametrize("metadata", [{}, {"job-id": "another"}])
def test_somebody_elses_object_at_the_videos_key_is_not_taken_for_the_video(ready: World, metadata):
    ready.videos.objects[video_key(ready.job)] = (b"not ours", metadata)

    ready.deliver.run(GENERATION)

    assert ready.videos.objects[video_key(ready.job)][0] == tiny_video()


def test_what_is_there_and_is_no_whole_video_is_copied_anew(ready: World):
    ready.deliver.run(GENERATION)
    (key,) = ready.videos.objects
    ready.videos.objects[key] = (tiny_video()[:50], ready.videos.objects[key][1])
    ready.has(money=Money.SPENT)

    ready.deliver.run(GENERATION)

    assert ready.videos.objects[key][0] == tiny_video()


def test_the_videos_own_facts_are_on_the_job_in_the_event_and_on_the_receipt(ready: World):
    ready.deliver.run(GENERATION)

    video = ready.job.video
    assert video is not None
    assert (video.duration_seconds, video.width, video.height) == (1.0, 32, 32)
    told = ready.bus.published[0][1]["data"]["video"]
    written = ready.videos.receipts[video.receipt_key]["video"]
    for found in (told, written):
        assert (found["duration_seconds"], found["width"], found["height"]) == (1.0, 32, 32)


def test_a_video_of_another_length_than_asked_is_delivered_with_a_warning(ready: World):
    ready.has(money=Money.SPENT, warnings=("The image is small.",))

    ready.deliver.run(GENERATION)

    warnings = ("The image is small.", "The video is 1 s long; 5 s were asked for.")
    assert ready.job.warnings == warnings
    assert ready.videos.receipts["holiday/beach-gen_1.json"]["warnings"] == list(warnings)
    assert ready.bus.published[0][1]["data"]["warnings"] == list(warnings)


def test_a_video_that_kept_having_nothing_to_play_ends_with_its_own_reason_and_can_be_resumed(
    ready: World, resume: ResumeJob
):
    ready.source.content = tiny_video().replace(b"vide", b"soun")
    with pytest.raises(VideoFault) as caught:
        ready.deliver.run(GENERATION)
    cause = json.dumps({"errorType": "Runtime.HandlerError", "errorMessage": str(caught.value)})

    ready.report.run(GENERATION, reason_of({"check": {"outcome": "completed"}, "error": {"Cause": cause}}))

    assert (ready.job.status, ready.job.money, ready.queue.sent) == ("failed", "spent", [])
    reason = ready.bus.published[0][1]["data"]["reason"]
    assert reason["code"] == "video_without_media"
    assert "no video track" in reason["message"]
    assert f"Resume job {JOB_ID}" in reason["next_step"]
    ready.source.content = tiny_video()
    resume.run(JOB_ID)
    ready.deliver.run(GENERATION)
    assert (ready.job.status, ready.provider.sent) == ("completed", [])


# --- an execution that ended before its job ---------------------------------------------------------------------------


def ended(world: World, status: str = "ABORTED", **changes: Any) -> EndedExecution:
    return EndedExecution(
        **{"job_id": JOB_ID, "name": execution_name(world.job), "status": status, "cause": "", **changes}
    )


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_execution_that_ended_before_its_job_is_told_once(world: World, status):
    world.has(money=Money.SPENT)

    for _ in range(3):
        world.report.execution_ended(ended(world, status, cause="by hand"))

    assert (world.job.status, world.job.money) == ("failed", "spent")
    assert world.job.reason is not None
    assert world.job.reason.code == "watch_ended"
    assert status in world.job.reason.message
    assert "by hand" in world.job.reason.message
    assert world.bus.types == [EventType.FAILED]


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown", "deferred", "held", "submitting"])
def test_a_job_that_is_not_generating_does_not_fail_for_its_ended_execution(world: World, status):
    world.has(status=JobStatus(status))

    assert world.report.execution_ended(ended(world)) == {"outcome": status}
    assert world.bus.types == []


@pytest.mark.parametrize("later", [{"attempt": 2}, {"resumes": 1}])
def test_a_job_that_goes_on_under_another_execution_does_not_fail_for_an_old_one(world: World, later):
    world.has()
    old = ended(world)
    world.has(**later)

    assert world.report.execution_ended(old) == {"outcome": "generating"}


def test_a_job_that_is_resumed_while_its_ended_execution_is_reported_does_not_fail(world: World):
    world.has(money=Money.SPENT)
    old, get = ended(world), world.jobs.get
    reads = iter([1])

    def resumed_after_the_first_read(job_id: str) -> Any:
        found = get(job_id)
        if next(reads, None):
            world.has(money=Money.SPENT, resumes=1)
        return found

    world.jobs.get = resumed_after_the_first_read

    assert world.report.execution_ended(old) == {"outcome": "generating"}
    assert world.bus.types == []


def test_an_execution_of_no_job_is_nobodys(world: World):
    world.has()

    assert world.report.execution_ended(ended(world, job_id="f" * 24)) == {"outcome": "ignored"}


@pytest.mark.parametrize("step", ["check", "deliver", "report"])
def test_a_step_of_an_execution_that_another_has_followed_does_nothing(world: World, step):
    """Step Functions' redrive of an old execution, at whatever state it had come to."""
    world.has(resumes=1, money=Money.SPENT)
    world.provider.poll_answer = FINISHED
    old = replace(GENERATION, execution=f"{JOB_ID}-1")
    steps: dict[str, Any] = {
        "check": world.check.run,
        "deliver": world.deliver.run,
        "report": lambda generation: world.report.run(generation, TIMED_OUT),
    }

    outcome = steps[step](old)["outcome"]

    assert outcome == ("generating" if step == "report" else "ended")
    assert (world.job.status, world.job.polls, world.bus.types) == ("generating", 0, [])
    assert world.provider.polled == []


@pytest.mark.parametrize("step", ["check", "deliver", "report"])
@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown", "deferred", "held"])
def test_a_redrive_of_a_job_that_is_not_generating_changes_nothing(world: World, step, status):
    world.has(status=JobStatus(status), defers=1)
    before = world.job
    steps: dict[str, Any] = {
        "check": world.check.run,
        "deliver": world.deliver.run,
        "report": lambda generation: world.report.run(generation, TIMED_OUT),
    }

    steps[step](replace(GENERATION, execution=f"{JOB_ID}-1"))

    assert world.job == before
    assert (world.provider.polled, world.provider.sent, world.queue.sent, world.bus.types) == ([], [], [], [])


# --- resuming --------------------------------------------------------------------------------------------------------


def failed(world: World, code: str = "timed_out", **changes: Any) -> None:
    world.has(status=JobStatus.FAILED, money=Money.SPENT, reason=Reason(code, "x"), **changes)


@pytest.mark.parametrize("code", sorted(RESUMABLE))
def test_a_failed_job_that_was_paid_goes_on_with_its_generation_for_nothing(world: World, resume: ResumeJob, code):
    failed(world, code, not_found_polls=MAX_NOT_FOUND)
    world.clock.pass_seconds(10 * TIMEOUT_SECONDS)

    job = resume.run(JOB_ID)

    assert (job.status, job.generation_id, job.attempt, job.reason) == ("generating", "gen_1", 1, None)
    assert world.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}
    world.provider.poll_answer = InProgress("processing")
    assert world.check.run(GENERATION) == {"outcome": "waiting"}
    world.provider.poll_answer = FINISHED
    world.check.run(GENERATION)
    world.deliver.run(GENERATION)
    assert (world.job.status, world.job.money) == ("completed", "spent")
    assert (world.provider.sent, world.queue.sent, world.reserved) == ([], [], 0)
    assert world.bus.types == [EventType.COMPLETED]


def test_a_resumed_job_has_its_whole_time_again(world: World, resume: ResumeJob):
    failed(world)
    world.clock.pass_seconds(TIMEOUT_SECONDS)
    resume.run(JOB_ID)
    world.provider.poll_answer = InProgress("processing")

    world.clock.pass_seconds(TIMEOUT_SECONDS - 1)
    assert world.check.run(GENERATION)["outcome"] == "waiting"
    world.clock.pass_seconds(1)
    assert world.check.run(GENERATION)["outcome"] == "timed_out"


def test_a_job_that_fails_again_says_so_in_another_event_and_can_be_resumed_again(world: World, resume: ResumeJob):
    world.has(money=Money.SPENT)
    world.report.run(GENERATION, TIMED_OUT)
    resume.run(JOB_ID)
    world.report.run(GENERATION, TIMED_OUT)
    resume.run(JOB_ID)

    assert world.bus.types == [EventType.FAILED, EventType.FAILED]
    ids = [detail["metadata"]["id"] for _, detail in world.bus.published]
    assert len(set(ids)) == 2
    assert sorted(world.state_machine.executions) == [f"{JOB_ID}-1-1", f"{JOB_ID}-1-2"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": JobStatus.COMPLETED},
        {"status": JobStatus.REJECTED, "reason": Reason("options_invalid", "x")},
        {"status": JobStatus.UNKNOWN, "reason": Reason("submission_unknown", "x")},
        {"status": JobStatus.HELD, "reason": Reason("daily_limit", "x")},
        {"status": JobStatus.DEFERRED, "reason": Reason("timed_out", "x")},
        {"status": JobStatus.FAILED, "reason": Reason("generation_failed", "x")},
        {"status": JobStatus.FAILED, "reason": Reason("provider_refused", "x"), "generation_id": None},
        {"status": JobStatus.FAILED, "reason": Reason("abandoned", "x"), "generation_id": None},
    ],
)
def test_what_has_no_video_to_come_cannot_be_resumed(world: World, resume: ResumeJob, changes):
    world.has(**changes)
    before = world.job

    with pytest.raises(NotPossible, match=f"Job {JOB_ID} is {changes['status']}"):
        resume.run(JOB_ID)

    assert world.job == before
    assert world.state_machine.executions == {}


def test_a_job_that_is_not_there_cannot_be_resumed(resume: ResumeJob):
    with pytest.raises(NotPossible, match="no job"):
        resume.run("f" * 24)


def test_its_failure_is_told_before_a_job_goes_on(world: World, resume: ResumeJob):
    failed(world, pending_events=frozenset({EventType.FAILED}))

    resume.run(JOB_ID)

    assert world.bus.types == [EventType.FAILED]
    assert world.journal.index("publish") < world.journal.index("resume")


def test_a_job_whose_failure_cannot_be_told_is_not_resumed(world: World, resume: ResumeJob):
    failed(world, pending_events=frozenset({EventType.FAILED}))
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        resume.run(JOB_ID)

    assert world.job.status is JobStatus.FAILED


def test_a_resume_that_broke_off_is_made_good_by_the_next_or_by_the_sweeper(world: World, resume: ResumeJob):
    failed(world)
    world.state_machine.broken_before = {"start"}
    with pytest.raises(OutOfOrderError):
        resume.run(JOB_ID)
    world.state_machine.broken_before = set()

    resume.run(JOB_ID)
    assert world.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}
    assert world.job.resumes == 1

    world.state_machine.executions.clear()
    world.clock.pass_seconds(3600)
    assert world.sweep.run() == {"watched": 1}
    assert world.state_machine.executions == {f"{JOB_ID}-1-1": "gen_1"}


# --- what the owner decides about an unknown job ----------------------------------------------------------------------


def unknown(world: World, **changes: Any) -> None:
    world.has(
        status=JobStatus.UNKNOWN,
        money=Money.PERHAPS,
        reason=Reason("submission_unknown", "x"),
        generation_id=None,
        submitted_at=None,
        lease_until=NOON,
        **changes,
    )


def test_an_unknown_job_goes_on_with_the_generation_that_its_owner_found(world: World, settle: SettleUnknown):
    unknown(world)

    job = settle.adopt(JOB_ID, "gen_1")

    assert (job.status, job.generation_id, job.money, job.reason) == ("generating", "gen_1", "spent", None)
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert world.bus.types == [EventType.SUBMITTED]
    world.provider.poll_answer = FINISHED
    world.check.run(GENERATION)
    world.deliver.run(GENERATION)
    assert world.job.status is JobStatus.COMPLETED
    assert (world.provider.sent, world.queue.sent) == ([], [])


@pytest.mark.parametrize("answer", [FINISHED, GenerationFailed("no faces"), InProgress("created")])
def test_a_generation_that_the_provider_knows_can_be_adopted(world: World, settle: SettleUnknown, answer):
    unknown(world)
    world.provider.poll_answer = answer

    assert settle.adopt(JOB_ID, "gen_1").status is JobStatus.GENERATING


def test_a_generation_that_the_provider_does_not_know_is_not_adopted(world: World, settle: SettleUnknown):
    unknown(world)
    world.provider.poll_answer = NOT_FOUND

    with pytest.raises(NotPossible, match="does not know the generation gen_9"):
        settle.adopt(JOB_ID, "gen_9")

    assert world.job.status is JobStatus.UNKNOWN


def test_a_provider_that_cannot_be_asked_now_is_asked_again(world: World, settle: SettleUnknown):
    unknown(world)
    world.provider.poll_answer = PollFault("the provider answered 503", 503)

    with pytest.raises(TryAgain):
        settle.adopt(JOB_ID, "gen_1")

    assert world.job.status is JobStatus.UNKNOWN


@pytest.mark.parametrize("generation_id", ["", ".", "..", "gen\n1", "g" * 201])
def test_what_is_no_generation_id_is_not_even_asked_for(world: World, settle: SettleUnknown, generation_id):
    unknown(world)

    with pytest.raises(NotPossible, match="no generation id"):
        settle.adopt(JOB_ID, generation_id)

    assert world.provider.polled == []


def test_an_abandoned_job_ends_and_keeps_its_reservation(world: World, settle: SettleUnknown):
    unknown(world)
    world.ledger.reserved = {"2026-05-04": 47}

    job = settle.abandon(JOB_ID)

    assert (job.status, job.money, world.reserved) == ("failed", "perhaps", 47)
    assert world.bus.types == [EventType.FAILED]
    assert world.bus.published[0][1]["data"]["reason"]["code"] == "abandoned"


@pytest.mark.parametrize("attempt", [1, 2, 7])
def test_a_job_is_submitted_again_on_its_owners_word_as_a_counted_attempt(world: World, settle: SettleUnknown, attempt):
    unknown(world, attempt=attempt)

    job = settle.resubmit(JOB_ID)

    assert (job.status, job.attempt, job.money) == ("deferred", attempt + 1, "perhaps")
    assert world.queue.sent == [(Again(JOB_ID, attempt + 1, 0), 0)]
    assert world.provider.sent == []
    assert world.comes_again() == "generating"
    assert len(world.provider.sent) == 1


def test_a_resubmission_whose_message_was_lost_is_put_on_by_the_sweeper(world: World, settle: SettleUnknown):
    unknown(world)
    world.queue.broken_before = {"send_again"}
    with pytest.raises(OutOfOrderError):
        settle.resubmit(JOB_ID)
    world.queue.broken_before = set()
    world.clock.pass_seconds(3600)

    assert world.sweep.run() == {"reminded": 1}


CHOICES = {
    "adopt": lambda settle: settle.adopt(JOB_ID, "gen_1"),
    "abandon": lambda settle: settle.abandon(JOB_ID),
    "resubmit": lambda settle: settle.resubmit(JOB_ID),
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.UNKNOWN])
def test_only_an_unknown_job_can_be_settled(world: World, settle: SettleUnknown, choice, status):
    world.has(status=status)
    before = world.job

    with pytest.raises(NotPossible, match=f"is {status}, not unknown"):
        CHOICES[choice](settle)

    assert world.job == before
    assert (world.queue.sent, world.state_machine.executions) == ([], {})


@pytest.mark.parametrize("choice", CHOICES)
def test_a_job_that_is_not_there_cannot_be_settled(settle: SettleUnknown, choice):
    with pytest.raises(NotPossible, match="no job"):
        CHOICES[choice](settle)


@pytest.mark.parametrize("choice", CHOICES)
def test_that_a_job_is_unknown_is_told_before_what_comes_of_it(world: World, settle: SettleUnknown, choice):
    unknown(world, pending_events=frozenset({EventType.UNKNOWN}))

    CHOICES[choice](settle)

    assert world.bus.types[0] == EventType.UNKNOWN
    ids = [event_id(replace(world.job, attempt=1), kind) for kind in world.bus.types]
    assert [detail["metadata"]["id"] for _, detail in world.bus.published] == ids


@pytest.mark.parametrize("choice", CHOICES)
def test_an_unknown_job_is_settled_once(world: World, settle: SettleUnknown, choice):
    unknown(world)
    CHOICES[choice](settle)

    for other in CHOICES.values():
        with pytest.raises(NotPossible):
            other(settle)


def test_what_an_attempt_owes_is_told_before_the_next_attempt_begins(world: World):
    world.has(money=Money.SPENT, pending_events=frozenset({EventType.SUBMITTED}))
    before = world.job

    world.report.run(GENERATION, Reason("generation_failed", "x"))

    assert (world.job.status, world.job.attempt) == ("deferred", 2)
    assert [detail["metadata"]["id"] for _, detail in world.bus.published] == [event_id(before, EventType.SUBMITTED)]


def test_an_abandoned_submission_that_owes_an_event_comes_again_where_its_owner_chose_so(world: World):
    world.allows_resubmitting()
    world.has(
        status=JobStatus.SUBMITTING,
        generation_id=None,
        submitted_at=None,
        lease_until=NOON,
        pending_events=frozenset({EventType.HELD}),
    )
    world.clock.pass_seconds(3600)

    assert world.sweep.run() == {"resubmitted": 1}
    assert (world.job.status, world.job.attempt, world.bus.types) == ("deferred", 2, [EventType.HELD])
