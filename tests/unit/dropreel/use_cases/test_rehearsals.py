"""Jobs of rehearsals, and jobs in progress while `Rehearsal` changes."""

from dataclasses import replace

import pytest

from dropreel.domain.days import date_of
from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel.domain.executions import Generation
from dropreel.domain.job import Job, JobStatus, execution_name
from dropreel.provider.by_generation import ProviderByGeneration
from dropreel.provider.poll_answers import Finished
from dropreel.provider.rehearsal import FAILURE_PHRASE, NoProvider
from dropreel.use_cases.settle_unknown import SettleUnknown
from tests.support.fake_stack import DROP, FakeStack
from tests.support.sample_jobs import PRICE


@pytest.fixture
def stack() -> FakeStack:
    return set_rehearsal(FakeStack(), True)


def set_rehearsal(stack: FakeStack, is_on: bool) -> FakeStack:
    """Change `Rehearsal`, as a deployment does: new functions, the same tables and queues."""
    provider = NoProvider() if is_on else stack.provider
    polled = ProviderByGeneration(provider, stack.rehearsal)
    find_job = replace(stack.find_job, is_rehearsal=is_on)
    stack.submit = replace(stack.submit, provider=provider, find_job=find_job)
    stack.check, stack.deliver = replace(stack.check, provider=polled), replace(stack.deliver, provider=polled)
    stack.sweep = replace(stack.sweep, is_rehearsal=is_on)
    return stack


def generation(job: Job) -> Generation:
    assert job.generation_id is not None
    return Generation(job.job_id, job.attempt, job.generation_id, execution_name(job))


def finish(stack: FakeStack) -> Job:
    """Poll and deliver the generation."""
    stack.clock.pass_seconds(20)
    assert stack.check.run(generation(stack.job)) == {"outcome": "completed"}
    stack.deliver.run(generation(stack.job))
    return stack.job


def test_a_rehearsal_becomes_a_video_and_never_calls_the_provider(stack):
    stack.run()
    job = finish(stack)

    assert job.status is JobStatus.COMPLETED
    assert (stack.provider.sent, stack.provider.polled, stack.source.opened) == ([], [], [])
    assert job.generation_id.startswith("rehearsal_")
    assert job.video.key == f"holiday/beach-{job.generation_id}.mp4"
    assert job.video.duration_seconds == 5


def test_its_events_receipt_and_metadata_say_rehearsal(stack):
    stack.run()
    job = finish(stack)

    assert [detail["metadata"]["rehearsal"] for _, detail in stack.bus.published] == [True, True]
    assert [metadata["rehearsal"] for _, metadata in stack.videos.objects.values()] == ["true"]
    assert stack.videos.receipts[job.video.receipt_key]["rehearsal"] is True


def test_its_price_is_reserved_on_a_day_of_its_own(stack):
    stack.run()

    (day,) = stack.database.reserved
    assert day.startswith("rehearsal-")
    assert stack.database.reserved[day] == PRICE
    assert date_of(day) == f"{stack.clock():%Y-%m-%d}"


def test_a_rehearsal_uses_up_nothing_of_a_real_day_nor_the_reverse():
    stack = FakeStack()
    stack.set_daily_limit(PRICE)
    stack.database.set_reserved(f"{stack.clock():%Y-%m-%d}", PRICE)
    set_rehearsal(stack, True)

    assert stack.run() == "generating"

    assert set(stack.database.reserved.values()) == {PRICE}
    assert len(stack.database.reserved) == 2


def test_the_limit_holds_rehearsals_and_the_next_day_releases_them(stack):
    stack.set_daily_limit(PRICE)
    stack.database.set_reserved(f"rehearsal-{stack.clock():%Y-%m-%d}", 1)
    stack.run()
    assert stack.job.status is JobStatus.HELD

    stack.clock.pass_seconds(86_400)
    stack.sweep.run()

    assert stack.deliver_retry_message() == "generating"


def test_a_failure_can_be_rehearsed(stack):
    stack.image.metadata["prompt"] = FAILURE_PHRASE
    stack.run()
    stack.clock.pass_seconds(20)

    assert stack.check.run(generation(stack.job)) == {"outcome": "waiting"}  # a second poll must confirm it
    failed = stack.check.run(generation(stack.job))

    assert failed["outcome"] == "failed"
    assert FAILURE_PHRASE in failed["reason"]["message"]


def test_a_rehearsal_in_progress_ends_as_one_after_the_switch_to_the_provider(stack):
    stack.run()
    set_rehearsal(stack, False)

    job = finish(stack)

    assert (job.status, job.rehearsal) == (JobStatus.COMPLETED, True)
    assert stack.provider.polled == []
    assert all(detail["metadata"]["rehearsal"] for _, detail in stack.bus.published)


def test_a_held_rehearsal_is_not_paid_after_the_switch_to_the_provider(stack):
    stack.set_daily_limit(0)
    stack.run()
    set_rehearsal(stack, False)
    stack.set_daily_limit(5000)
    stack.sweep.run()

    assert stack.deliver_retry_message() == "generating"

    assert stack.job.generation_id.startswith("rehearsal_")
    assert stack.provider.sent == []


def test_a_job_that_waits_for_the_provider_waits_through_a_rehearsal():
    stack = FakeStack()
    stack.set_daily_limit(0)
    stack.run()
    stack.set_daily_limit(5000)
    stack.sweep.run()
    set_rehearsal(stack, True)

    assert stack.deliver_retry_message() == "deferred"

    assert "Rehearsal is true" in stack.job.reason.message
    assert (stack.reserved, stack.provider.sent) == (0, [])
    set_rehearsal(stack, False)
    assert stack.deliver_retry_message() == "generating"
    assert (stack.job.rehearsal, stack.job.generation_id) == (False, "gen_1")


def test_a_real_job_stays_held_through_a_rehearsal_of_months():
    stack = FakeStack()
    stack.set_daily_limit(0)
    stack.run()
    set_rehearsal(stack, True)
    stack.set_daily_limit(5000)
    stack.clock.pass_seconds(100 * 86_400)

    assert stack.sweep.run() == {}
    assert (stack.job.status, stack.queue.sent) == (JobStatus.HELD, [])

    set_rehearsal(stack, False)
    assert stack.sweep.run() == {"released": 1}
    assert stack.deliver_retry_message() == "generating"


def test_a_paid_generation_is_never_answered_by_the_rehearsal():
    stack = FakeStack()
    stack.run()
    set_rehearsal(stack, True)
    stack.clock.pass_seconds(60)

    assert stack.check.run(generation(stack.job)) == {"outcome": "waiting"}
    with pytest.raises(RetryLater):
        stack.deliver.run(generation(stack.job))

    assert (stack.job.status, stack.job.poll_faults) == (JobStatus.GENERATING, 1)
    assert "Rehearsal is true" in stack.job.last_fault.message


def test_the_url_of_a_paid_generation_cannot_name_a_rehearsals_video():
    stack = FakeStack()
    stack.run()
    stack.provider.poll_answer = Finished("rehearsal:16x9-5-sound")

    stack.deliver.run(generation(stack.job))

    assert stack.source.opened == ["rehearsal:16x9-5-sound"]  # the real source, which takes https alone


@pytest.mark.parametrize(("is_on", "is_job"), [(False, True), (True, True), (False, False)])
def test_a_held_job_is_released_by_the_room_of_its_own_kind(is_on, is_job):
    stack = set_rehearsal(FakeStack(), is_on)
    stack.set_daily_limit(PRICE)
    today = f"{stack.clock():%Y-%m-%d}"
    days = {False: today, True: f"rehearsal-{today}"}
    stack.put_job(status=JobStatus.HELD, generation_id=None, rehearsal=is_job)

    stack.database.set_reserved(days[is_job], 1)
    assert "released" not in stack.sweep.run()
    stack.database.set_reserved(days[is_job], 0)
    stack.database.set_reserved(days[not is_job], 1)
    released = stack.sweep.run().get("released")

    assert released == 1


@pytest.mark.parametrize(("is_on", "other"), [(True, "gen_9"), (False, "rehearsal_6927ab12_16x9-5-sound_1")])
def test_only_a_generation_of_its_kind_is_adopted(is_on, other):
    stack = set_rehearsal(FakeStack(), is_on)
    stack.put_job(status=JobStatus.UNKNOWN, generation_id=None, rehearsal=is_on)
    settle = SettleUnknown(
        stack.jobs, stack.check.provider, stack.state_machine, stack.queue, stack.publisher, stack.clock
    )

    with pytest.raises(ActionNotAllowed, match="not of its kind"):
        settle.adopt(stack.job.job_id, other)


@pytest.mark.parametrize("is_first_copy", [True, False])
def test_a_copy_after_the_rehearsal_of_its_picture_becomes_a_real_video(stack, is_first_copy):
    copy = replace(DROP, image=DROP.image._replace(version_id="v2", sequencer="s2"), is_copy=True)
    stack.run(replace(DROP, is_copy=is_first_copy))
    set_rehearsal(stack, False)

    assert stack.run(copy) == "generating"
    assert len(stack.provider.sent) == 1
    assert stack.run(replace(copy, image=copy.image._replace(version_id="v3", sequencer="s3"))) == "copied"


def test_a_copy_of_a_rehearsed_picture_is_not_rehearsed_again(stack):
    stack.run()

    assert stack.run(replace(DROP, image=DROP.image._replace(version_id="v2"), is_copy=True)) == "copied"
