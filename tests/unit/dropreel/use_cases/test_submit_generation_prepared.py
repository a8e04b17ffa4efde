"""SubmitGeneration and a prepared image: what is submitted in the image's place, and when it is prepared again."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from dropreel.domain.errors import RetryLater
from dropreel.domain.images import Missing, PrepareReason
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.submit_answers import Busy, Refused
from tests.support.fake_stack import ACCEPTED, DROP, GENERATION, JOB_ID, FakeStack, prepared_picture
from tests.support.fakes import FakeStoredImage, OutageError
from tests.support.pictures import encoded, jpeg, picture
from tests.support.prepared_images import HEIC, PREPARED_KEY, prepare, prepared_object, upload
from tests.support.sample_jobs import NOON, PRICE

FAILED = Reason(ReasonCode.GENERATION_FAILED, "it did not work")
NEXT = RetryMessage(JOB_ID, 1, 2)
COPY = replace(DROP, image=DROP.image._replace(version_id="v2", sequencer="s2"), is_copy=True)


# --- after the preparation --------------------------------------------------------------------------------------------


def test_the_prepared_image_is_what_is_submitted(stack: FakeStack):
    prepare(stack)

    assert stack.deliver_retry_message() == "generating"
    (body,) = stack.provider.sent
    assert body["image_url"].startswith(f"https://prepared.s3.amazonaws.com/{PREPARED_KEY}?")
    assert prepared_object(stack).presigned_as == ["image/jpeg"]
    assert (stack.image.presigned_as, stack.reserved) == ([], PRICE)


def test_it_is_not_validated_again_and_its_options_are_sent(stack: FakeStack):
    stack.picture = prepared_picture(content=encoded(picture(36, 64), "JPEG"))
    prepare(stack)
    stack.journal.clear()

    stack.deliver_retry_message()

    assert "read_file" not in stack.journal
    assert stack.provider.sent[0]["aspect_ratio"] == "9:16"


def test_the_events_say_what_was_prepared(stack: FakeStack):
    prepare(stack)

    stack.deliver_retry_message()

    ((event, detail),) = stack.bus.published
    prepared = json.loads(json.dumps(detail))["data"]["image"]["prepared"]
    assert (event, prepared["reasons"]) == (EventType.SUBMITTED, ["format"])
    assert prepared["sha256"] == hashlib.sha256(jpeg(quality=90)).hexdigest()
    assert (detail["data"]["image"]["format"], detail["data"]["image"]["sha256"]) == (
        "HEIC",
        hashlib.sha256(HEIC).hexdigest(),
    )


def lose(stack: FakeStack) -> None:
    """Delete the prepared object, as S3 does after seven days."""
    stack.images.prepared.clear()


def damage(stack: FakeStack) -> None:
    """Replace the prepared object's bytes."""
    prepared_object(stack).content = jpeg(quality=10)


@pytest.mark.parametrize("happens", [lose, damage])
def test_a_prepared_image_that_is_gone_or_changed_is_prepared_again(stack: FakeStack, happens):
    prepare(stack)
    happens(stack)

    assert stack.deliver_retry_message() == "preparing"
    assert (stack.reserved, stack.provider.sent, stack.job.image.prepared) == (0, [], None)
    assert stack.prepare_queue.sent == [(RetryMessage(JOB_ID, 1, 3), 0)]

    assert stack.deliver_prepare_message() == "deferred"
    assert stack.deliver_retry_message() == "generating"
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)


def test_an_original_that_is_gone_too_ends_the_job(stack: FakeStack):
    prepare(stack)
    lose(stack)
    stack.deliver_retry_message()
    stack.images.stored = Missing.GONE

    assert stack.deliver_prepare_message() == "rejected"
    assert stack.job.has_reason(ReasonCode.IMAGE_MISSING)
    assert (stack.reserved, stack.bus.types) == (0, [EventType.REJECTED])


def test_after_the_preparation_the_original_is_not_needed(stack: FakeStack):
    prepare(stack)
    stack.images.stored = Missing.GONE

    assert stack.deliver_retry_message() == "generating"


def test_a_busy_provider_gets_the_prepared_image_later(stack: FakeStack):
    prepare(stack)
    stack.provider.submit_answer = Busy(429, 30)
    assert stack.deliver_retry_message() == "deferred"
    stack.provider.submit_answer = ACCEPTED

    assert stack.deliver_retry_message() == "generating"
    assert prepared_object(stack).presigned_as == ["image/jpeg"] * 2


def test_a_deferred_jobs_prepared_image_that_is_gone_is_prepared_again(stack: FakeStack):
    prepare(stack)
    stack.provider.submit_answer = Busy(429, 30)
    stack.deliver_retry_message()
    lose(stack)
    stack.provider.submit_answer = ACCEPTED

    assert stack.deliver_retry_message() == "preparing"
    assert stack.job.retry_at is None
    assert stack.deliver_prepare_message() == "deferred"
    assert stack.deliver_retry_message() == "generating"


def test_a_refused_request_ends_a_prepared_job(stack: FakeStack):
    prepare(stack)
    stack.provider.submit_answer = Refused(400, "too dark")

    assert stack.deliver_retry_message() == "rejected"
    assert (stack.reserved, stack.bus.types) == (0, [EventType.REJECTED])


def test_the_next_attempt_submits_the_prepared_image_again(stack: FakeStack):
    prepare(stack)
    stack.deliver_retry_message()
    stack.report.run(GENERATION, FAILED)
    stack.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert stack.deliver_retry_message() == "generating"
    assert [PREPARED_KEY in body["image_url"] for body in stack.provider.sent] == [True, True]
    assert (stack.job.attempt, stack.reserved) == (2, 2 * PRICE)


def test_the_next_attempt_prepares_again_what_is_gone(stack: FakeStack):
    prepare(stack)
    stack.deliver_retry_message()
    stack.report.run(GENERATION, FAILED)
    lose(stack)
    stack.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert stack.deliver_retry_message() == "preparing"
    assert stack.prepare_queue.sent == [(RetryMessage(JOB_ID, 2, 1), 0)]
    assert (stack.job.charge, stack.reserved) == (Charge.CHARGED, PRICE)
    assert stack.deliver_prepare_message() == "deferred"
    assert stack.deliver_retry_message() == "generating"
    assert (stack.job.attempt, stack.reserved) == (2, 2 * PRICE)


def test_a_prepared_job_is_held_and_released(stack: FakeStack):
    prepare(stack)
    stack.set_daily_limit(PRICE)
    stack.database.set_reserved(stack.clock.time.date().isoformat(), PRICE)
    assert stack.deliver_retry_message() == "held"
    stack.clock.pass_seconds(timedelta(days=1).total_seconds())

    assert stack.sweep.run()["released"] == 1
    assert stack.deliver_retry_message() == "generating"
    assert prepared_object(stack).presigned_as[-1] == "image/jpeg"


def test_a_held_job_whose_prepared_image_is_gone_is_prepared_again(stack: FakeStack):
    prepare(stack)
    stack.set_daily_limit(PRICE)
    stack.database.set_reserved(stack.clock.time.date().isoformat(), PRICE)
    stack.deliver_retry_message()
    lose(stack)
    stack.clock.pass_seconds(timedelta(days=8).total_seconds())
    stack.sweep.run()

    assert stack.deliver_retry_message() == "preparing"
    assert stack.deliver_prepare_message() == "deferred"
    assert stack.deliver_retry_message() == "generating"


def test_a_job_over_the_whole_limit_is_rejected_after_its_preparation(stack: FakeStack):
    stack.set_daily_limit(PRICE - 1)
    prepare(stack)

    assert stack.deliver_retry_message() == "rejected"
    assert stack.job.has_reason(ReasonCode.OVER_DAILY_LIMIT)


# --- copies -----------------------------------------------------------------------------------------------------------


def test_a_copy_of_a_prepared_picture_is_not_paid_again(stack: FakeStack):
    prepare(stack)
    stack.deliver_retry_message()

    assert stack.run(COPY) == "preparing"
    stack.deliver_prepare_message()
    assert stack.deliver_retry_message() == "copied"

    assert [job.job_id for job in stack.database.jobs()] == [JOB_ID]
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)


def test_a_picture_is_known_by_the_bytes_of_its_original(stack: FakeStack):
    """Another original that is prepared into the same bytes is another picture."""
    prepare(stack)
    stack.deliver_retry_message()
    upload(stack, HEIC + b"!")
    stack.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert stack.run(COPY) == "preparing"
    stack.deliver_prepare_message()

    assert stack.deliver_retry_message() == "generating"


def test_an_upload_after_the_original_is_paid_though_it_is_prepared_too(stack: FakeStack):
    """The time that decides is the original's, not that of the prepared image."""
    prepare(stack)
    assert stack.job.modified_at == NOON
    stack.deliver_retry_message()
    stack.image.last_modified = NOON + timedelta(seconds=1)
    stack.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert stack.run(replace(COPY, is_copy=False)) == "preparing"
    stack.deliver_prepare_message()

    assert stack.deliver_retry_message() == "generating"


def test_an_upload_before_the_copy_is_not_paid_though_prepared_later(stack: FakeStack):
    """The copy's event came first: the upload is the one that was copied."""
    upload(stack)
    stack.image.last_modified = NOON + timedelta(seconds=1)
    stack.run(COPY)
    stack.deliver_prepare_message()
    stack.deliver_retry_message()
    stack.image.last_modified = NOON
    stack.clock.pass_seconds(3600)

    assert stack.run() == "preparing"
    stack.deliver_prepare_message()
    for stored in stack.images.prepared.values():
        stored.last_modified = stack.clock.time

    assert stack.deliver_retry_message() == "copied"
    assert len(stack.provider.sent) == 1


# --- faults after the preparation -------------------------------------------------------------------------------------


def test_a_fault_of_s3_leaves_the_prepared_job_as_it_is(stack: FakeStack):
    job = prepare(stack)
    stack.images.fails_before.add("find")

    with pytest.raises(OutageError):
        stack.deliver_retry_message()

    assert (stack.job, stack.reserved) == (job, 0)
    stack.images.fails_before.clear()
    assert stack.run(NEXT) == "generating"


@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
def test_a_crash_while_it_is_sent_to_be_prepared_again_is_healed(stack: FakeStack, when: str):
    prepare(stack)
    lose(stack)
    broken = getattr(stack.prepare_queue, when)
    broken.add("send_to_prepare")
    with pytest.raises(OutageError):
        stack.deliver_retry_message()
    broken.clear()

    assert stack.run(NEXT) == "preparing"
    assert {message for message, _ in stack.prepare_queue.sent} == {RetryMessage(JOB_ID, 1, 3)}
    assert stack.deliver_prepare_message() == "deferred"


def test_an_unprepared_object_at_the_key_is_never_submitted(stack: FakeStack):
    """An earlier try has written other bytes than the ones that were saved."""
    job = prepare(stack)
    assert job.image.prepared is not None
    stack.images.prepared[PREPARED_KEY] = FakeStoredImage(
        stack.journal, content=jpeg(quality=20), bucket="prepared", key=PREPARED_KEY
    )

    stack.deliver_retry_message()

    assert (stack.provider.sent, stack.job.status) == ([], JobStatus.PREPARING)


def test_reasons_and_formats_survive_a_second_preparation(stack: FakeStack):
    prepare(stack)
    lose(stack)
    stack.picture = prepared_picture(reasons=(PrepareReason.FORMAT, PrepareReason.BIT_DEPTH))
    stack.deliver_retry_message()

    stack.deliver_prepare_message()

    assert stack.job.image.prepared is not None
    assert stack.job.image.prepared.reasons == (PrepareReason.FORMAT, PrepareReason.BIT_DEPTH)


def test_a_retry_message_alone_does_not_prepare_an_unvalidated_job(stack: FakeStack):
    upload(stack)
    stack.put_job(status=JobStatus.DEFERRED, options=None, generation_id=None)

    with pytest.raises(RetryLater):
        stack.run(RetryMessage(JOB_ID, 1, 0))

    assert stack.prepare_queue.sent == []
