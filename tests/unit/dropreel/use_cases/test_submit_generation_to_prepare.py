"""SubmitGeneration and an image that is not submitted as it is: it goes to Prepare Image first."""

from dataclasses import replace

import pytest

from dropreel.domain.job import Charge, EventType, JobStatus, job_id_of
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import ReasonCode
from dropreel.provider.limits import MAX_IMAGE_BYTES
from tests.support.fake_stack import DROP, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_before
from tests.support.pictures import animated, encoded, jpeg, picture, png
from tests.support.prepared_images import HEIC, start_preparation, upload
from tests.support.sample_jobs import PRICE

MESSAGE = RetryMessage(JOB_ID, 1, 1)


def set_never(stack: FakeStack) -> None:
    """Set `PrepareImages` to `never`."""
    stack.submit = replace(stack.submit, validator=replace(stack.submit.validator, prepares=False))


# --- on the way there -------------------------------------------------------------------------------------------------


def test_an_image_to_prepare_waits_without_a_reservation(stack: FakeStack):
    upload(stack)

    assert stack.run() == "preparing"
    assert (stack.job.status, stack.job.charge, stack.job.cost_cents) == (JobStatus.PREPARING, Charge.NONE, PRICE)
    assert stack.prepare_queue.sent == [(MESSAGE, 0)]
    assert (stack.reserved, stack.provider.sent, stack.queue.sent, stack.bus.published) == (0, [], [], [])


@pytest.mark.parametrize(
    "content",
    [HEIC, jpeg(orientation=6), animated("PNG"), encoded(picture(mode="CMYK"), "JPEG"), encoded(picture(), "GIF")],
    ids=["HEIC", "rotated by Exif", "animated", "CMYK", "GIF"],
)
def test_what_the_provider_might_not_show_rightly_is_prepared(stack: FakeStack, content: bytes):
    upload(stack, content)

    assert stack.run() == "preparing"


@pytest.mark.parametrize("content", [jpeg(), png()], ids=["JPEG", "PNG"])
def test_an_upright_image_is_submitted_as_it_is(stack: FakeStack, content: bytes):
    upload(stack, content)

    assert stack.run() == "generating"
    assert stack.job.image.prepared is None
    assert (stack.prepare_queue.sent, "send_to_prepare" in stack.journal) == ([], False)


def test_a_large_image_is_prepared_from_its_head_alone(stack: FakeStack):
    stack.image.content, stack.image.head = None, jpeg()

    assert stack.run() == "preparing"
    assert (stack.job.image.size, stack.job.image.sha256) == (MAX_IMAGE_BYTES + 1, None)


def test_the_job_is_saved_before_its_message_is_sent(stack: FakeStack):
    upload(stack)

    stack.run()

    saved, sent = stack.journal.index("save preparing"), stack.journal.index("send_to_prepare")
    assert saved < sent == len(stack.journal) - 1


def test_invalid_options_are_rejected_before_the_preparation(stack: FakeStack):
    upload(stack)
    stack.image.metadata = {"mode": "slow"}

    assert stack.run() == "rejected"
    assert stack.job.has_reason(ReasonCode.OPTIONS_INVALID)
    assert (stack.prepare_queue.sent, stack.bus.types) == ([], [EventType.REJECTED])


def test_a_file_that_is_no_picture_is_rejected_before_the_preparation(stack: FakeStack):
    upload(stack, b"this is a text file\n")

    assert stack.run() == "rejected"
    assert stack.job.has_reason(ReasonCode.IMAGE_FORMAT)
    assert stack.prepare_queue.sent == []


@pytest.mark.parametrize(
    ("service", "when", "action"),
    [
        ("database", "fails_before", "save preparing"),
        ("database", "fails_after", "save preparing"),
        ("prepare_queue", "fails_before", "send_to_prepare"),
        ("prepare_queue", "fails_after", "send_to_prepare"),
    ],
)
def test_after_a_fault_the_uploads_event_sends_the_message_again(stack: FakeStack, service, when, action):
    upload(stack)
    broken = getattr(getattr(stack, service), when)
    broken.add(action)
    with pytest.raises(OutageError):
        stack.run()
    broken.clear()

    assert stack.run() == "preparing"
    assert {message for message, _ in stack.prepare_queue.sent} == {MESSAGE}
    assert stack.deliver_prepare_message() == "deferred"


def test_duplicates_of_an_uploads_event_repeat_the_same_message(stack: FakeStack):
    upload(stack)

    assert [stack.run() for _ in range(3)] == ["preparing"] * 3

    assert [message for message, _ in stack.prepare_queue.sent] == [MESSAGE] * 3
    assert [stack.deliver_prepare_message() for _ in range(3)] == ["deferred"] * 3
    assert [stack.deliver_retry_message() for _ in range(3)] == ["generating"] * 3
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)


@pytest.mark.parametrize("message", [MESSAGE, RetryMessage(JOB_ID, 1, 0), DROP])
def test_a_message_in_the_wrong_queue_goes_to_the_prepare_queue(stack: FakeStack, message):
    """A dead letter of the prepare queue is sent back to the submission queue."""
    start_preparation(stack)
    stack.prepare_queue.sent.clear()
    before = stack.job

    assert stack.run(message) == "preparing"
    assert stack.prepare_queue.sent == [(MESSAGE, 0)]
    assert stack.job == before


@pytest.mark.parametrize(
    "message", [DROP, RetryMessage(JOB_ID, 1, 0), RetryMessage(JOB_ID, 1, 4), RetryMessage(JOB_ID, 2, 3)]
)
def test_an_overtaken_message_does_not_send_to_the_prepare_queue(stack: FakeStack, message):
    before = stack.put_job(status=JobStatus.PREPARING, requeues=3, generation_id=None)

    assert stack.run(message) == "overtaken"
    assert (stack.job, stack.prepare_queue.sent) == (before, [])


def test_a_concurrent_delivery_prepares_the_image_once(stack: FakeStack):
    upload(stack)
    submit, outcomes = stack.submit, []
    just_before(stack.database, "save preparing", lambda: outcomes.append(submit.run(DROP, 100)))

    outcomes.append(stack.run())

    assert outcomes == ["preparing", "preparing"]
    assert stack.job.requeues == 1
    assert {message for message, _ in stack.prepare_queue.sent} == {MESSAGE}


def test_a_request_can_ask_for_an_image_that_must_be_prepared(stack: FakeStack):
    upload(stack)
    request = replace(DROP, request_id="order-4711", options={"mode": "hq"})

    assert stack.run(request) == "preparing"
    assert stack.deliver_prepare_message() == "deferred"
    assert stack.deliver_retry_message() == "generating"
    assert stack.provider.sent[0]["mode"] == "hq"
    assert stack.database.job(job_id_of(request.image, "order-4711")) is not None


# --- PrepareImages = never --------------------------------------------------------------------------------------------


def test_with_never_a_rotated_image_is_submitted_as_it_is(stack: FakeStack):
    set_never(stack)
    upload(stack, jpeg(orientation=6))

    assert stack.run() == "generating"
    assert (stack.job.image.prepared, stack.prepare_queue.sent) == (None, [])
    assert stack.provider.sent[0]["image_url"].startswith("https://uploads.")


def test_with_never_a_heic_is_rejected(stack: FakeStack):
    set_never(stack)
    upload(stack)

    assert stack.run() == "rejected"
    assert stack.job.has_reason(ReasonCode.IMAGE_FORMAT)
    assert stack.prepare_queue.sent == []


def test_with_never_an_image_over_ten_megabytes_is_rejected(stack: FakeStack):
    set_never(stack)
    stack.image.content, stack.image.head = None, jpeg()

    assert stack.run() == "rejected"
    assert stack.job.has_reason(ReasonCode.IMAGE_TOO_LARGE)


def test_what_was_being_prepared_is_finished_though_it_is_never_now(stack: FakeStack):
    start_preparation(stack)
    set_never(stack)

    assert stack.deliver_prepare_message() == "deferred"
    assert stack.deliver_retry_message() == "generating"
