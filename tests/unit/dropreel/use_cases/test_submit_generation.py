"""SubmitGeneration: the job of a message, the submission, and rejections before anything is charged.

Its other files: `..._claims` (what comes before the POST), `..._answers`, `..._accepted`, `..._waiting`, `..._limit`,
`..._copies`, `..._dead_letters`, `..._to_prepare` and `..._prepared`.
"""

import json
from dataclasses import replace

import pytest

from dropreel.domain.errors import RetryLater
from dropreel.domain.images import ImageRef, Missing
from dropreel.domain.job import Charge, EventType, JobStatus, job_id_of
from dropreel.domain.messages import Drop, RetryMessage
from dropreel.domain.prices import PRICE_CENTS
from dropreel.domain.reasons import ReasonCode
from dropreel.media.images.preparation import HEAD_BYTES
from dropreel.provider.submit_answers import Busy, Refused, Unknown
from tests.support.fake_stack import ACCEPTED, DROP, JOB_ID, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_before
from tests.support.pictures import jpeg, png
from tests.support.sample_jobs import PRICE

# --- an accepted image ------------------------------------------------------------------------------------------------


def test_an_accepted_image_is_charged_polled_and_published(stack: FakeStack):
    outcome = stack.run()

    assert outcome == "generating"
    assert (stack.job.status, stack.job.charge, stack.job.generation_id) == ("generating", "charged", "gen_1")
    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert stack.bus.types == [EventType.SUBMITTED]


def test_an_accepted_job_keeps_when_it_was_submitted_and_what_it_costs(stack: FakeStack):
    stack.run()

    assert stack.job.submitted_at == stack.clock.time
    assert stack.job.cost_cents == PRICE


@pytest.mark.parametrize(
    ("metadata", "cents"),
    [
        ({"mode": "hq"}, PRICE_CENTS["hq", 5]),
        ({"duration": "10"}, PRICE_CENTS["fast", 10]),
        ({"mode": "hq", "duration": "10"}, PRICE_CENTS["hq", 10]),
    ],
)
def test_a_job_costs_what_its_options_cost(stack: FakeStack, metadata, cents):
    stack.image.metadata = metadata

    stack.run()

    assert stack.job.cost_cents == cents
    assert stack.reserved == cents


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_the_provider_gets_every_option_and_the_address(stack: FakeStack):
    stack.image.metadata = {"negative-prompt": "blur", "duration": "10", "sound": "false"}

    stack.run()

    (body,) = stack.provider.sent
    assert body == {
        "prompt": "a slow push in",
        "mode": "fast",
        "negative_prompt": "blur",
        "aspect_ratio": "16:9",
        "duration": 10,
        "cfg_scale": 0.5,
        "sound": False,
        "image_url": "https://uploads.s3.amazonaws.com/holiday/beach.jpg?X-Amz-Signature=5ec2e7",
    }


@pytest.mark.parametrize(("orientation", "ratio"), [(1, "16:9"), (6, "9:16")])
def test_auto_is_the_ratio_of_the_picture_as_it_is_displayed(stack: FakeStack, orientation, ratio):
    """With `PrepareImages` = `never`, an image with another orientation is submitted as it is."""
    stack.submit = replace(stack.submit, validator=replace(stack.submit.validator, prepares=False))
    stack.image.content = jpeg(orientation=orientation)

    stack.run()

    assert stack.provider.sent[0]["aspect_ratio"] == ratio
    assert stack.job.options is not None
    assert stack.job.options.aspect_ratio == ratio


def test_a_job_says_where_each_option_came_from(stack: FakeStack):
    stack.image.metadata = {"mode": "hq"}

    stack.run()

    assert stack.job.option_sources["mode"] == "S3 metadata"
    assert stack.job.option_sources["prompt"] == "stack parameters"


def test_metadata_that_is_no_option_is_ignored(stack: FakeStack):
    stack.image.metadata = {"camera": "x100", "Mode": "hq"}

    stack.run()

    assert stack.provider.sent[0]["mode"] == "hq"


def test_a_small_picture_is_submitted_with_a_warning(stack: FakeStack):
    stack.run()

    (warning,) = stack.job.warnings
    assert "60 x 40" in warning


def test_the_provider_gets_the_content_type_of_the_bytes(stack: FakeStack):
    stack.image.content = png()
    stack.provider.submit_answer = Busy(429, 30)

    stack.run()
    stack.deliver_retry_message()

    assert stack.image.presigned_as == ["image/png", "image/png"]


@pytest.mark.parametrize("answer", [ACCEPTED, Refused(400, "x"), Unknown("x"), Busy(429, None)])
def test_neither_the_table_nor_an_event_keeps_the_signed_address(stack: FakeStack, answer):
    stack.provider.submit_answer = answer

    stack.redeliver()

    assert stack.provider.sent
    assert "5ec2e7" not in repr(stack.database.tables.items)
    assert "5ec2e7" not in json.dumps(stack.bus.published)


# --- rejected before anything is charged ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "image_empty"),
        (b"notes", "image_format"),
        (jpeg()[:-9], "image_truncated"),
        (bytes(10_000_001), "image_too_large"),
    ],
)
@pytest.mark.parametrize("prepares", [True, False])
def test_an_unusable_image_is_rejected_without_a_charge(stack: FakeStack, content, code, prepares):
    """What is too large for the provider can be prepared, if it is a picture at all."""
    stack.submit = replace(stack.submit, validator=replace(stack.submit.validator, prepares=prepares))
    stack.image.content, stack.image.head = content, content[:HEAD_BYTES]
    if prepares and code == "image_too_large":
        code = "image_format"

    outcome = stack.run()

    assert outcome == "rejected"
    assert (stack.job.charge, stack.job.reason and stack.job.reason.code) == (Charge.NONE, code)
    assert stack.bus.types == [EventType.REJECTED]
    assert (stack.provider.sent, stack.reserved) == ([], 0)


def test_all_wrong_options_are_named_in_one_rejection(stack: FakeStack):
    stack.image.metadata = {"mode": "slow", "duration": "7"}

    outcome = stack.run()

    assert outcome == "rejected"
    assert stack.job.reason is not None
    assert stack.job.reason.code == "options_invalid"
    assert "S3 metadata: mode is 'slow'" in stack.job.reason.message
    assert "duration is '7'" in stack.job.reason.message
    assert stack.provider.sent == []


@pytest.mark.parametrize(
    ("missing", "code"), [(Missing.GONE, "image_missing"), (Missing.SUPERSEDED, "image_superseded")]
)
def test_an_image_that_is_gone_or_replaced_is_rejected_and_published(stack: FakeStack, missing, code):
    stack.images.stored = missing

    outcome = stack.run()

    assert outcome == "rejected"
    assert stack.job.reason is not None
    assert stack.job.reason.code == code
    assert stack.bus.types == [EventType.REJECTED]
    assert stack.provider.sent == []


@pytest.mark.parametrize(
    ("key", "size"), [("beach.jpg.json", 50), ("dropreel.JSON", 50), ("holiday/", 0), ("holiday/._beach.jpg", 4096)]
)
def test_option_files_and_desktop_files_are_not_read(stack: FakeStack, key, size):
    outcome = stack.run(Drop(ImageRef("uploads", key, "v1"), size))

    assert outcome == "ignored"
    assert stack.journal == []


# --- requests ---------------------------------------------------------------------------------------------------------

REQUEST = replace(DROP, request_id="order-4711", options={"mode": "hq"})


@pytest.mark.parametrize("key", ["beach.jpg.json", "holiday/"])
def test_a_request_for_any_key_is_validated_and_answered(stack: FakeStack, key):
    stack.image.content = b""

    outcome = stack.run(Drop(ImageRef("uploads", key), request_id="r1"))

    assert outcome == "rejected"
    assert stack.bus.types == [EventType.REJECTED]


def test_a_request_for_an_uploaded_image_is_a_job_of_its_own(stack: FakeStack):
    stack.run()
    stack.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert stack.run(REQUEST) == "generating"
    assert [body["mode"] for body in stack.provider.sent] == ["fast", "hq"]
    assert len(stack.database.jobs()) == 2


def test_a_request_delivered_twice_is_submitted_once(stack: FakeStack):
    stack.run(REQUEST)
    stack.run(REQUEST)

    assert len(stack.provider.sent) == 1


@pytest.mark.parametrize("again", [{"mode": "fast"}, {}, {"mode": "hq", "duration": 10}])
def test_a_request_id_reused_for_another_request_is_rejected(stack: FakeStack, again):
    stack.run(REQUEST)
    (first,) = stack.database.jobs()

    outcomes = [stack.run(replace(REQUEST, options=again)) for _ in range(2)]

    (second,) = [job for job in stack.database.jobs() if job.job_id != first.job_id]
    assert outcomes == ["rejected", "rejected"]
    assert stack.database.job(first.job_id) == first
    assert second.reason is not None
    assert (second.reason.code, second.request_id, second.charge) == ("request_id_reused", "order-4711", Charge.NONE)
    assert first.job_id in second.reason.message
    assert stack.bus.types == [EventType.SUBMITTED, EventType.REJECTED]
    assert len(stack.provider.sent) == 1


def test_a_request_corrected_under_the_same_id_is_answered_too(stack: FakeStack):
    stack.run(replace(REQUEST, options={}, faults=("There is no 'urgent' in a request.",)))

    stack.run(replace(REQUEST, options={}))

    codes = [detail["data"]["reason"]["code"] for _, detail in stack.bus.published]
    assert codes == ["request_invalid", "request_id_reused"]


def test_option_order_and_number_format_make_no_new_request(stack: FakeStack):
    stack.run(replace(REQUEST, options={"duration": 10, "cfg_scale": 1}))

    stack.run(replace(REQUEST, options={"cfg_scale": 1.0, "duration": 10.0}))

    assert len(stack.database.jobs()) == 1


def test_the_request_id_is_in_the_jobs_events(stack: FakeStack):
    stack.run()
    stack.run(REQUEST)

    assert [detail["data"]["request_id"] for _, detail in stack.bus.published] == [None, "order-4711"]


# --- the first receive ------------------------------------------------------------------------------------------------


def test_a_job_is_saved_before_anything_is_read(stack: FakeStack):
    stack.run()

    assert stack.journal[:3] == ["get", "save deferred", "find"]


def test_a_received_job_has_its_events_values(stack: FakeStack):
    stack.images.fails_before.add("find")

    with pytest.raises(OutageError):
        stack.run()

    image = stack.job.image
    assert (stack.job.status, stack.job.attempt, stack.job.requeues) == (JobStatus.DEFERRED, 1, 0)
    assert (image.bucket, image.key, image.version_id, image.etag) == ("uploads", "holiday/beach.jpg", "v1", "e1")
    assert (image.size, image.sha256, stack.job.options) == (DROP.size, None, None)
    assert stack.job.waiting_since == stack.job.created_at == stack.clock.time
    assert (stack.job.charge, stack.reserved, stack.bus.types) == (Charge.NONE, 0, [])


@pytest.mark.parametrize("action", ["find", "list_keys", "read_file", "presign", "prepare", "save submitting"])
def test_a_function_killed_before_its_claim_leaves_a_job_and_no_charge(stack: FakeStack, action):
    for outside in (stack.images, stack.image, stack.provider, stack.database):
        outside.fails_before.add(action)
    stack.images.files["dropreel.json"] = b"{}"

    with pytest.raises(OutageError):
        stack.run()

    assert stack.job.status is JobStatus.DEFERRED
    assert (stack.provider.sent, stack.reserved, stack.database.tables.rows("attempt")) == ([], 0, [])


@pytest.mark.parametrize("action", ["get", "find", "list_keys", "read_file", "presign", "prepare", "save submitting"])
def test_a_redelivery_after_a_crash_continues_the_same_job(stack: FakeStack, action):
    outsides = (stack.images, stack.image, stack.provider, stack.database)
    for outside in outsides:
        outside.fails_before.add(action)
    stack.images.files["dropreel.json"] = b"{}"
    for _ in range(3):
        with pytest.raises(OutageError):
            stack.run()
    for outside in outsides:
        outside.fails_before.clear()

    assert stack.run() == "generating"
    assert (len(stack.database.jobs()), len(stack.provider.sent), stack.reserved) == (1, 1, PRICE)


def test_two_first_receives_at_once_make_one_job(stack: FakeStack):
    outcomes = []
    just_before(stack.database, "save deferred", lambda: outcomes.append(stack.run()))

    outcomes.append(stack.run())

    assert outcomes == ["generating", "generating"]
    assert (len(stack.database.jobs()), len(stack.provider.sent)) == (1, 1)


# --- the same message again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["generating", "completed", "failed", "rejected", "unknown", "held"])
def test_a_copy_of_the_event_is_answered_with_the_jobs_status(stack: FakeStack, status):
    stack.put_job(status=JobStatus(status))
    before = stack.job

    outcomes = [stack.run() for _ in range(3)]

    assert outcomes == [status] * 3
    assert (stack.job, stack.provider.sent, stack.queue.sent) == (before, [], [])


@pytest.mark.parametrize("status", ["generating", "completed", "failed", "rejected", "unknown"])
def test_a_job_after_its_submission_is_never_submitted_again(stack: FakeStack, status):
    stack.put_job(status=JobStatus(status))

    stack.redeliver()

    assert "prepare" not in stack.journal
    assert stack.provider.sent == []
    assert stack.job.status == status


@pytest.mark.parametrize("answer", [ACCEPTED, Refused(400, "too dark"), Unknown("ReadTimeout")])
def test_a_settled_submission_is_sent_once(stack: FakeStack, answer):
    stack.provider.submit_answer = answer
    stack.run()
    stack.provider.submit_answer = ACCEPTED

    stack.redeliver()

    assert len(stack.provider.sent) == 1
    assert stack.journal.count("prepare") == 1


def test_a_job_without_an_execution_gets_one_by_a_redelivery(stack: FakeStack):
    stack.put_job(status=JobStatus.GENERATING)

    stack.run()

    assert stack.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown"])
def test_an_ended_job_gets_no_execution(stack: FakeStack, status):
    stack.put_job(status=JobStatus(status))

    stack.run()

    assert stack.state_machine.executions == {}


def test_two_uploads_to_one_key_are_two_jobs(stack: FakeStack):
    stack.run()
    stack.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")
    stack.run(Drop(DROP.image._replace(version_id="v2"), DROP.size))

    assert [job.generation_id for job in stack.database.jobs()] == ["gen_1", "gen_2"]
    assert len(stack.provider.sent) == 2


def test_a_message_of_a_discarded_job_ends(stack: FakeStack):
    """The job of a copy is discarded while a duplicate of its message can still be on its way."""
    assert stack.run(RetryMessage(JOB_ID, 1, 0)) == "discarded"
    assert (stack.database.jobs(), stack.provider.sent) == ([], [])


def test_a_paid_id_of_a_missing_job_is_retried(stack: FakeStack):
    """A claimed job is never discarded."""
    with pytest.raises(RetryLater):
        stack.run(RetryMessage(JOB_ID, 1, 0, "gen_1"))

    assert stack.database.jobs() == []


def test_a_retry_message_never_submits_an_unvalidated_job(stack: FakeStack):
    stack.images.fails_before.add("find")
    with pytest.raises(OutageError):
        stack.run()
    stack.images.fails_before.clear()

    with pytest.raises(RetryLater):
        stack.run(RetryMessage(JOB_ID, 1, 0))

    assert (stack.provider.sent, stack.job.options) == ([], None)


def test_a_job_that_keeps_changing_is_retried(stack: FakeStack):
    def changed() -> None:
        stack.database.put(replace(stack.job, version=stack.job.version + 1))

    just_before(stack.database, "save submitting", changed, each_time=True)

    with pytest.raises(RetryLater):
        stack.run()

    assert (stack.provider.sent, stack.reserved) == ([], 0)


def test_a_request_id_of_another_job_leads_to_a_job_of_its_own_id(stack: FakeStack):
    stack.run(REQUEST)
    stack.run(replace(REQUEST, options={}))

    ids = {job.job_id: job.reason and job.reason.code for job in stack.database.jobs()}
    assert ids.pop(job_id_of(REQUEST.image, "order-4711")) is None
    assert list(ids.values()) == [ReasonCode.REQUEST_ID_REUSED]
