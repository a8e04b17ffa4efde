"""A copy of an object onto itself is not a new upload: it is not paid, whichever event comes first."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dropreel.domain.days import day_of
from dropreel.domain.job import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import ReasonCode
from dropreel.provider.submit_answers import Busy
from tests.support.fake_stack import ACCEPTED, DROP, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_before
from tests.support.pictures import jpeg
from tests.support.sample_jobs import NOON, PRICE

COPY = replace(DROP, image=DROP.image._replace(version_id="v2", sequencer="s2"), is_copy=True)
COPY_ID = job_id_of(COPY.image)
REQUEST = replace(DROP, request_id="order-4711", options={"mode": "hq"})


def copy_job(stack: FakeStack) -> Job:
    found = stack.database.job(COPY_ID)
    assert found is not None
    return found


def note_dead_letter(stack: FakeStack) -> None:
    """Note the copy's message as a dead letter, as the function does at its last receive."""
    stack.note_dead_letter.run(COPY, "OutageError: find")


def test_a_copy_of_a_claimed_picture_leaves_no_job_and_no_event(stack: FakeStack):
    stack.run()
    events = len(stack.bus.published)
    stack.image.etag = '"e1-2"'

    outcomes = [stack.run(COPY) for _ in range(3)]

    assert outcomes == ["copied"] * 3
    assert [job.job_id for job in stack.database.jobs()] == [JOB_ID]
    assert len(stack.bus.published) == events
    assert (len(stack.provider.sent), stack.reserved, stack.queue.sent) == (1, PRICE, [])
    assert {row["job_id"] for row in stack.database.tables.rows("attempt")} == {JOB_ID}


def test_the_original_of_a_copy_whose_event_came_first_is_not_paid_again(stack: FakeStack):
    stack.image.last_modified = NOON + timedelta(seconds=1)
    stack.run(COPY)
    stack.image.last_modified = NOON

    outcome = stack.run()

    assert outcome == "copied"
    assert (len(stack.database.jobs()), len(stack.provider.sent)) == (1, 1)


def test_a_picture_uploaded_again_is_paid_whatever_was_copied_before(stack: FakeStack):
    stack.run(COPY)
    stack.image.last_modified = NOON + timedelta(seconds=1)

    for number in (3, 4):
        stack.provider.submit_answer = replace(ACCEPTED, generation_id=f"gen_{number}")
        assert stack.run(replace(DROP, image=DROP.image._replace(version_id=f"v{number}"))) == "generating"

    assert len(stack.provider.sent) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda stack: setattr(stack.image, "content", jpeg(quality=50)),
        lambda stack: setattr(stack.image, "key", "elsewhere/beach.jpg"),
        lambda stack: stack.image.metadata.update(prompt="a storm comes up"),
        lambda stack: stack.images.files.update({"holiday/beach.jpg.json": b'{"prompt": "a storm comes up"}'}),
    ],
    ids=["another picture", "another key", "other metadata", "another sidecar"],
)
def test_a_copy_with_other_options_is_a_job(stack: FakeStack, change):
    stack.run()
    change(stack)
    stack.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert stack.run(replace(COPY, image=COPY.image._replace(key=stack.image.key))) == "generating"
    assert len(stack.provider.sent) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda stack: stack.images.files.update({"holiday/dropreel.json": b'{"mode": "hq"}'}),
        lambda stack: stack.submit.validator.default_options.update(prompt="a storm comes up"),
        lambda stack: stack.image.metadata.update(camera="X100", mode="33188"),
    ],
    ids=["folder defaults", "stack parameters", "other metadata"],
)
def test_a_copy_is_not_paid_for_other_defaults_or_other_metadata(stack: FakeStack, change):
    defaults = dict(stack.submit.validator.default_options)
    stack.submit = replace(stack.submit, validator=replace(stack.submit.validator, default_options=defaults))
    stack.run()
    change(stack)

    assert stack.run(COPY) == "copied"


def test_a_request_may_name_a_picture_that_has_its_video(stack: FakeStack):
    stack.run()

    for number in (2, 3):
        stack.provider.submit_answer = replace(ACCEPTED, generation_id=f"gen_{number}")
        assert stack.run(replace(REQUEST, request_id=f"r{number}")) == "generating"


def test_an_interrupted_copy_is_discarded_by_a_redelivery(stack: FakeStack):
    stack.run()
    stack.images.fails_before.add("find")
    with pytest.raises(OutageError):
        stack.run(COPY)
    assert copy_job(stack).status is JobStatus.DEFERRED
    stack.images.fails_before.clear()

    assert stack.run(COPY) == "copied"
    assert stack.database.job(COPY_ID) is None


def test_a_copy_that_changes_while_it_is_discarded_is_processed_again(stack: FakeStack):
    stack.run()
    just_before(stack.database, "discard", lambda: note_dead_letter(stack))

    assert stack.run(COPY) == "rejected"
    assert copy_job(stack).has_reason(ReasonCode.DUPLICATE_COPY)


# --- a copy with a published event ------------------------------------------------------------------------------------


def is_duplicate_of_the_upload(job: Job) -> bool:
    assert job.reason is not None
    return (job.status, job.reason.code, job.charge) == ("rejected", "duplicate_copy", Charge.NONE) and (
        JOB_ID in job.reason.message
    )


def test_a_held_copy_ends_when_its_original_was_paid(stack: FakeStack):
    stack.set_daily_limit(PRICE)
    stack.database.set_reserved(day_of(NOON), PRICE)
    for drop in (DROP, COPY):
        assert stack.run(drop) == "held"
    stack.set_daily_limit(None)
    stack.sweep.run()
    messages = {message.job_id: message for message, _ in stack.queue.sent}

    outcomes = [stack.run(messages[job_id]) for job_id in (JOB_ID, COPY_ID)]

    assert outcomes == ["generating", "rejected"]
    assert is_duplicate_of_the_upload(copy_job(stack))
    assert stack.bus.types[-2:] == [EventType.SUBMITTED, EventType.REJECTED]
    assert len(stack.provider.sent) == 1


def test_a_copy_with_a_dead_letter_ends_when_it_is_redriven(stack: FakeStack):
    note_dead_letter(stack)
    stack.run()

    assert stack.run(COPY) == "rejected"
    assert is_duplicate_of_the_upload(copy_job(stack))
    assert stack.bus.types == [EventType.DEFERRED, EventType.SUBMITTED, EventType.REJECTED]


def test_a_rejected_copy_stays_rejected_for_duplicate_events(stack: FakeStack):
    note_dead_letter(stack)
    stack.run()
    stack.run(COPY)
    before = copy_job(stack)

    assert [stack.run(COPY) for _ in range(3)] == ["rejected"] * 3
    assert copy_job(stack) == before


def test_a_copy_that_has_claimed_its_picture_keeps_it(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run(COPY)
    stack.image.last_modified = NOON + timedelta(seconds=5)
    stack.provider.submit_answer = ACCEPTED
    assert stack.run(replace(DROP, image=DROP.image._replace(version_id="v3"))) == "generating"
    stack.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert stack.queue.sent[0][0] == RetryMessage(COPY_ID, 1, 1)
    assert stack.deliver_retry_message() == "generating"
    assert len(stack.provider.sent) == 3
