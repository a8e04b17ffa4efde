"""A copy of an object onto itself is not a new upload: it is not paid, whichever event comes first."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dropreel.answers import Busy
from dropreel.jobs import Charge, EventType, Job, JobStatus, job_id_of
from dropreel.messages import RetryMessage
from dropreel.spending import day_of
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_before
from tests.unit.dropreel.pictures import jpeg
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.world import ACCEPTED, DROP, JOB_ID, World

COPY = replace(DROP, image=replace(DROP.image, version_id="v2", sequencer="s2"), is_copy=True)
COPY_ID = job_id_of(COPY.image)
REQUEST = replace(DROP, request_id="order-4711", options={"mode": "hq"})


def copy_job(world: World) -> Job:
    found = world.database.job(COPY_ID)
    assert found is not None
    return found


def note_dead_letter(world: World) -> None:
    """Let the copy's message be received for the last time."""
    world.note_dead_letter.run(COPY, "OutOfOrderError: find")


def test_a_copy_of_a_claimed_picture_leaves_no_job_and_no_event(world: World):
    world.run()
    events = len(world.bus.published)
    world.image.etag = '"e1-2"'

    outcomes = [world.run(COPY) for _ in range(3)]

    assert outcomes == ["copied"] * 3
    assert [job.job_id for job in world.database.jobs()] == [JOB_ID]
    assert len(world.bus.published) == events
    assert (len(world.provider.sent), world.reserved, world.queue.sent) == (1, 47, [])
    assert {row["job_id"] for row in world.database.tables.rows("attempt")} == {JOB_ID}


def test_the_original_of_a_copy_whose_event_came_first_is_not_paid_again(world: World):
    world.image.last_modified = NOON + timedelta(seconds=1)
    world.run(COPY)
    world.image.last_modified = NOON

    outcome = world.run()

    assert outcome == "copied"
    assert (len(world.database.jobs()), len(world.provider.sent)) == (1, 1)


def test_a_picture_that_is_uploaded_once_more_is_paid_whatever_was_copied_before(world: World):
    world.run(COPY)
    world.image.last_modified = NOON + timedelta(seconds=1)

    for number in (3, 4):
        world.provider.submit_answer = replace(ACCEPTED, generation_id=f"gen_{number}")
        assert world.run(replace(DROP, image=replace(DROP.image, version_id=f"v{number}"))) == "generating"

    assert len(world.provider.sent) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda world: setattr(world.image, "content", jpeg(orientation=6)),
        lambda world: setattr(world.image, "key", "elsewhere/beach.jpg"),
        lambda world: world.image.metadata.update(prompt="a storm comes up"),
        lambda world: world.images.files.update({"holiday/beach.jpg.json": b'{"prompt": "a storm comes up"}'}),
    ],
    ids=["another picture", "another key", "other metadata", "another sidecar"],
)
def test_a_copy_that_says_something_new_is_a_job(world: World, change):
    world.run()
    change(world)
    world.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert world.run(replace(COPY, image=replace(COPY.image, key=world.image.key))) == "generating"
    assert len(world.provider.sent) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.images.files.update({"holiday/dropreel.json": b'{"mode": "hq"}'}),
        lambda world: world.submit.judge.default_options.update(prompt="a storm comes up"),
        lambda world: world.image.metadata.update(camera="X100", mode="33188"),
    ],
    ids=["folder defaults", "stack parameters", "somebody else's metadata"],
)
def test_a_copy_is_not_paid_for_what_is_not_the_images_own(world: World, change):
    defaults = dict(world.submit.judge.default_options)
    world.submit = replace(world.submit, judge=replace(world.submit.judge, default_options=defaults))
    world.run()
    change(world)

    assert world.run(COPY) == "copied"


def test_a_request_may_ask_for_a_picture_that_has_its_video_already(world: World):
    world.run()

    for number in (2, 3):
        world.provider.submit_answer = replace(ACCEPTED, generation_id=f"gen_{number}")
        assert world.run(replace(REQUEST, request_id=f"r{number}")) == "generating"


def test_a_killed_copy_is_discarded_when_it_comes_again(world: World):
    world.run()
    world.images.broken_before.add("find")
    with pytest.raises(OutOfOrderError):
        world.run(COPY)
    assert copy_job(world).status is JobStatus.DEFERRED
    world.images.broken_before.clear()

    assert world.run(COPY) == "copied"
    assert world.database.job(COPY_ID) is None


def test_a_copy_that_others_change_while_it_is_discarded_starts_again(world: World):
    world.run()
    just_before(world.database, "discard", lambda: note_dead_letter(world))

    assert world.run(COPY) == "rejected"
    assert copy_job(world).has_reason("duplicate_copy")


# --- a copy of which something was published --------------------------------------------------------------------------


def is_duplicate_of_the_upload(job: Job) -> bool:
    assert job.reason is not None
    return (job.status, job.reason.code, job.charge) == ("rejected", "duplicate_copy", Charge.NONE) and (
        JOB_ID in job.reason.message
    )


def test_a_held_copy_ends_when_its_original_was_paid(world: World):
    world.limit(47)
    world.database.reserve(day_of(NOON), 47)
    for drop in (DROP, COPY):
        assert world.run(drop) == "held"
    world.limit(None)
    world.sweep.run()
    messages = {message.job_id: message for message, _ in world.queue.sent}

    outcomes = [world.run(messages[job_id]) for job_id in (JOB_ID, COPY_ID)]

    assert outcomes == ["generating", "rejected"]
    assert is_duplicate_of_the_upload(copy_job(world))
    assert world.bus.types[-2:] == [EventType.SUBMITTED, EventType.REJECTED]
    assert len(world.provider.sent) == 1


def test_a_copy_with_a_dead_letter_ends_when_it_is_sent_back(world: World):
    note_dead_letter(world)
    world.run()

    assert world.run(COPY) == "rejected"
    assert is_duplicate_of_the_upload(copy_job(world))
    assert world.bus.types == [EventType.DEFERRED, EventType.SUBMITTED, EventType.REJECTED]


def test_a_rejected_copy_stays_rejected_however_often_its_event_comes(world: World):
    note_dead_letter(world)
    world.run()
    world.run(COPY)
    before = copy_job(world)

    assert [world.run(COPY) for _ in range(3)] == ["rejected"] * 3
    assert copy_job(world) == before


def test_a_copy_that_has_claimed_its_picture_keeps_it_through_all_that_follows(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.run(COPY)
    world.image.last_modified = NOON + timedelta(seconds=5)
    world.provider.submit_answer = ACCEPTED
    assert world.run(replace(DROP, image=replace(DROP.image, version_id="v3"))) == "generating"
    world.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert world.queue.sent[0][0] == RetryMessage(COPY_ID, 1, 1)
    assert world.comes_again() == "generating"
    assert len(world.provider.sent) == 3
