"""PrepareImage: what is stored and saved, what is rejected, and which messages do nothing."""

import hashlib
from datetime import timedelta

import pytest

from dropreel.domain.errors import RetryLater
from dropreel.domain.images import Missing, Prepared, PrepareReason
from dropreel.domain.job import TERMINAL, Charge, EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.validate_image import MISSING_REASONS
from tests.support.fake_stack import JOB_ID, FakeStack, prepared_picture
from tests.support.pictures import encoded, jpeg, picture, png
from tests.support.prepared_images import HEIC, PREPARED_KEY, prepare, prepared_object, start_preparation, upload
from tests.support.sample_jobs import OPTIONS, PRICE

UNDECODABLE = Reason(ReasonCode.IMAGE_DAMAGED, "The HEIC cannot be decoded.")
BOMB = Reason(ReasonCode.IMAGE_TOO_MANY_PIXELS, "The picture has 900,000,000 pixels.")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- a prepared image -------------------------------------------------------------------------------------------------


def test_a_prepared_image_is_stored_under_its_jobs_id(stack: FakeStack):
    job = prepare(stack)

    stored = prepared_object(stack)
    assert (stored.key, stored.content) == (PREPARED_KEY, jpeg(quality=90))
    assert job.status is JobStatus.DEFERRED


def test_the_job_says_what_was_prepared_and_why(stack: FakeStack):
    stack.picture = prepared_picture(reasons=(PrepareReason.FORMAT, PrepareReason.COLOR_PROFILE))

    job = prepare(stack)

    assert job.image.prepared == Prepared(
        bucket="prepared",
        key=PREPARED_KEY,
        reasons=(PrepareReason.FORMAT, PrepareReason.COLOR_PROFILE),
        format="JPEG",
        size=len(jpeg(quality=90)),
        width=60,
        height=40,
        sha256=sha256(jpeg(quality=90)),
    )


def test_the_job_keeps_the_original_with_format_size_and_digest(stack: FakeStack):
    job = prepare(stack)

    assert (job.image.bucket, job.image.key, job.image.version_id) == ("uploads", "holiday/beach.jpg", "v1")
    assert (job.image.format, job.image.width, job.image.height) == ("HEIC", 600, 400)
    assert (job.image.size, job.image.sha256) == (len(HEIC), sha256(HEIC))


def test_the_digest_of_a_large_original_is_known_after_its_download(stack: FakeStack):
    start_preparation(stack)
    stack.put_job(
        status=JobStatus.PREPARING,
        image=stack.job.image._replace(sha256=None),
        options=stack.job.options,
        requeues=1,
        generation_id=None,
    )

    stack.deliver_prepare_message()

    assert stack.job.image.sha256 == sha256(HEIC)


def test_the_stored_bytes_are_the_ones_whose_digest_is_saved(stack: FakeStack):
    stack.picture = prepared_picture(content=png(), format="PNG")

    job = prepare(stack)

    assert job.image.prepared is not None
    stored = prepared_object(stack)
    assert (stored.sha256, stored.size) == (job.image.prepared.sha256, job.image.prepared.size)


def test_a_png_has_its_own_ending_and_content_type(stack: FakeStack):
    stack.picture = prepared_picture(content=png(), format="PNG")

    job = prepare(stack)

    assert job.image.prepared is not None
    assert (job.image.prepared.key, job.image.prepared.format) == (f"{JOB_ID}.png", "PNG")
    stack.deliver_retry_message()
    assert prepared_object(stack).presigned_as == ["image/png"]


@pytest.mark.parametrize(("size", "ratio"), [((64, 36), "16:9"), ((36, 64), "9:16"), ((50, 50), "1:1")])
def test_auto_is_the_ratio_of_the_picture_as_prepared(stack: FakeStack, size: tuple[int, int], ratio: str):
    stack.picture = prepared_picture(content=encoded(picture(*size), "JPEG"))
    start_preparation(stack)
    assert stack.job.options is not None
    assert stack.job.options.aspect_ratio == "auto"

    stack.deliver_prepare_message()

    assert stack.job.options == OPTIONS._replace(aspect_ratio=ratio)


def test_a_ratio_that_was_asked_for_stays(stack: FakeStack):
    stack.image.metadata = {"aspect-ratio": "9:16"}

    job = prepare(stack)

    assert job.options is not None
    assert job.options.aspect_ratio == "9:16"
    assert any("far from 9:16" in warning for warning in job.warnings)


def test_warnings_are_about_the_picture_as_prepared(stack: FakeStack):
    job = prepare(stack)

    assert [warning for warning in job.warnings if "60 x 40 pixels" in warning] != []


@pytest.mark.parametrize(
    ("reasons", "is_animated"),
    [((PrepareReason.FORMAT,), False), ((PrepareReason.FORMAT, PrepareReason.ANIMATED), True)],
)
def test_a_picture_whose_first_frame_was_taken_gets_a_warning(stack: FakeStack, reasons, is_animated: bool):
    stack.picture = prepared_picture(reasons=reasons)

    job = prepare(stack)

    assert any("animated" in warning for warning in job.warnings) is is_animated


def test_price_and_sources_of_the_options_stay_as_validated(stack: FakeStack):
    start_preparation(stack)
    before = stack.job

    stack.deliver_prepare_message()

    assert (stack.job.cost_cents, stack.job.option_sources) == (PRICE, before.option_sources)


def test_the_job_goes_on_by_one_message_with_the_next_number(stack: FakeStack):
    message = start_preparation(stack)
    assert message == RetryMessage(JOB_ID, 1, 1)

    stack.deliver_prepare_message()

    assert stack.queue.sent == [(RetryMessage(JOB_ID, 1, 2), 0)]
    assert (stack.job.requeues, stack.prepare_queue.sent) == (2, [])


def test_the_image_is_stored_before_the_job_and_the_message_last(stack: FakeStack):
    start_preparation(stack)
    stack.journal.clear()

    stack.deliver_prepare_message()

    assert stack.journal == ["get", "download", "put_prepared", "save deferred", "send"]


def test_the_wait_for_the_provider_begins_after_the_preparation(stack: FakeStack):
    start_preparation(stack)
    stack.clock.pass_seconds(timedelta(days=2).total_seconds())

    stack.deliver_prepare_message()

    assert stack.job.waiting_since == stack.clock.time


def test_preparing_reserves_nothing_submits_nothing_and_publishes_nothing(stack: FakeStack):
    prepare(stack)

    assert (stack.reserved, stack.provider.sent, stack.bus.published) == (0, [], [])
    assert stack.job.charge is Charge.NONE
    assert stack.database.tables.rows("attempt") == []


# --- an image that cannot be prepared ---------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", Missing)
def test_an_original_that_cannot_be_read_is_rejected_with_the_reason(stack: FakeStack, missing: Missing):
    start_preparation(stack)
    stack.images.stored = missing

    assert stack.deliver_prepare_message() == "rejected"
    assert stack.job.reason == MISSING_REASONS[missing]
    assert stack.bus.types == [EventType.REJECTED]
    assert (stack.reserved, stack.queue.sent, stack.images.prepared) == (0, [], {})


def test_an_original_with_other_bytes_than_validated_is_superseded(stack: FakeStack):
    start_preparation(stack)
    upload(stack, HEIC + b"!")

    assert stack.deliver_prepare_message() == "rejected"
    assert stack.job.has_reason(ReasonCode.IMAGE_SUPERSEDED)
    assert stack.job.image.sha256 == sha256(HEIC)
    assert stack.images.prepared == {}


@pytest.mark.parametrize("reason", [UNDECODABLE, BOMB], ids=lambda reason: reason.code)
def test_a_picture_that_cannot_be_decoded_is_rejected_with_the_reason(stack: FakeStack, reason: Reason):
    stack.picture = reason
    start_preparation(stack)

    assert stack.deliver_prepare_message() == "rejected"
    assert stack.job.reason == reason
    ((event, detail),) = stack.bus.published
    assert (event, detail["data"]["charge"]) == (EventType.REJECTED, "none")
    assert (stack.reserved, stack.provider.sent, stack.queue.sent) == (0, [], [])


def test_a_rejection_has_the_digest_of_the_original(stack: FakeStack):
    stack.picture = UNDECODABLE
    start_preparation(stack)
    stack.put_job(
        status=JobStatus.PREPARING,
        image=stack.job.image._replace(sha256=None),
        options=stack.job.options,
        requeues=1,
        generation_id=None,
    )

    stack.deliver_prepare_message()

    assert stack.job.image.sha256 == sha256(HEIC)


def test_a_rejection_is_published_once_however_often_its_message_comes(stack: FakeStack):
    stack.picture = UNDECODABLE
    message = start_preparation(stack)

    outcomes = [stack.prepare.run(message) for _ in range(3)]

    assert outcomes == ["rejected"] * 3
    assert stack.bus.types == [EventType.REJECTED]


@pytest.mark.parametrize(
    ("charge", "status", "event"),
    [
        (Charge.CHARGED, JobStatus.FAILED, EventType.FAILED),
        (Charge.UNKNOWN, JobStatus.UNKNOWN, EventType.UNKNOWN),
    ],
)
def test_a_later_attempt_that_cannot_be_prepared_ends_by_what_it_cost(stack: FakeStack, charge, status, event):
    stack.put_job(status=JobStatus.PREPARING, attempt=2, requeues=1, charge=charge, generation_id=None)
    stack.images.stored = Missing.GONE

    assert stack.prepare.run(RetryMessage(JOB_ID, 2, 1)) == status
    assert (stack.job.charge, stack.bus.types) == (charge, [event])


def test_a_picture_that_our_own_reader_refuses_is_not_stored(stack: FakeStack):
    """It would be a fault of the imaging: the message comes again, and ends as a dead letter."""
    stack.picture = prepared_picture(content=b"not a JPEG")
    start_preparation(stack)

    with pytest.raises(RetryLater, match="not one that is submitted"):
        stack.deliver_prepare_message()

    assert (stack.images.prepared, stack.job.status) == ({}, JobStatus.PREPARING)


def test_a_job_without_options_is_never_prepared(stack: FakeStack):
    """Only a validated job becomes `preparing`."""
    stack.put_job(status=JobStatus.PREPARING, options=None, requeues=1, generation_id=None)

    with pytest.raises(AssertionError):
        stack.prepare.run(RetryMessage(JOB_ID, 1, 1))

    assert (stack.job.status, stack.queue.sent) == (JobStatus.PREPARING, [])


# --- other messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", [RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 3), RetryMessage(JOB_ID, 2, 2)]
)
def test_an_overtaken_message_prepares_nothing(stack: FakeStack, message: RetryMessage):
    before = stack.put_job(status=JobStatus.PREPARING, requeues=2, generation_id=None)

    assert stack.prepare.run(message) == "overtaken"
    assert stack.job == before
    assert stack.journal == ["get"]


@pytest.mark.parametrize(
    "message", [RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 2), RetryMessage(JOB_ID, 2, 1)]
)
def test_only_the_message_before_a_lost_one_sends_it_again(stack: FakeStack, message: RetryMessage):
    prepare(stack)
    stack.queue.sent.clear()

    assert stack.prepare.run(message) == "overtaken"
    assert stack.queue.sent == []


def test_a_message_of_a_job_that_was_discarded_ends(stack: FakeStack):
    assert stack.prepare.run(RetryMessage(JOB_ID, 1, 1)) == "discarded"
    assert stack.journal == ["get"]


def test_a_deferred_job_without_a_prepared_image_is_not_sent_on(stack: FakeStack):
    stack.put_job(status=JobStatus.DEFERRED, requeues=2, generation_id=None)

    assert stack.prepare.run(RetryMessage(JOB_ID, 1, 1)) == "overtaken"
    assert stack.queue.sent == []


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_ended_job_publishes_what_it_owes(stack: FakeStack, status: JobStatus):
    event = EventType(f"Video Generation {status.capitalize()}")
    stack.put_job(status=status, requeues=1, pending_events=frozenset({event}))

    assert stack.prepare.run(RetryMessage(JOB_ID, 1, 1)) == status
    assert stack.bus.types == [event]
    assert stack.job.pending_events == frozenset()


@pytest.mark.parametrize("status", [JobStatus.HELD, JobStatus.SUBMITTING, JobStatus.GENERATING])
def test_a_job_that_is_further_on_is_not_changed(stack: FakeStack, status: JobStatus):
    before = stack.put_job(status=status, requeues=1)

    assert stack.prepare.run(RetryMessage(JOB_ID, 1, 1)) == "overtaken"
    assert (stack.job, stack.queue.sent) == (before, [])
