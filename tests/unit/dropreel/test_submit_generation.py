"""SubmitGeneration: what a message leads to, what is sent, and what is rejected before anything is charged.

Its other files: `..._claims` (what comes before the POST), `..._answers`, `..._accepted`, `..._waiting`, `..._limit`,
`..._copies` and `..._dead_letters`.
"""

import json
from dataclasses import replace

import pytest

from dropreel.adapters.image_bucket import Missing
from dropreel.answers import Ambiguous, Busy, Refused
from dropreel.errors import TryAgain
from dropreel.jobs import Charge, EventType, ImageRef, JobStatus, job_id_of
from dropreel.messages import Drop, RetryMessage
from dropreel.reasons import ReasonCode
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_before
from tests.unit.dropreel.pictures import jpeg, png
from tests.unit.dropreel.world import ACCEPTED, DROP, JOB_ID, World

# --- an accepted image ------------------------------------------------------------------------------------------------


def test_an_accepted_image_is_charged_polled_and_published(world: World):
    outcome = world.run()

    assert outcome == "generating"
    assert (world.job.status, world.job.charge, world.job.generation_id) == ("generating", "charged", "gen_1")
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert world.bus.types == [EventType.SUBMITTED]


def test_an_accepted_job_keeps_when_it_was_submitted_and_what_it_costs(world: World):
    world.run()

    assert world.job.submitted_at == world.clock.time
    assert world.job.cost_cents == 47


@pytest.mark.parametrize(
    ("metadata", "cents"),
    [
        ({"mode": "hq"}, 94),
        ({"duration": "10"}, 94),
        ({"mode": "hq", "duration": "10"}, 187),
    ],
)
def test_a_job_costs_what_its_options_cost(world: World, metadata, cents):
    world.image.metadata = metadata

    world.run()

    assert world.job.cost_cents == cents
    assert world.reserved == cents


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_the_provider_gets_every_option_and_the_address(world: World):
    world.image.metadata = {"negative-prompt": "blur", "duration": "10", "sound": "false"}

    world.run()

    (body,) = world.provider.sent
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


def test_an_empty_negative_prompt_is_left_out(world: World):
    world.run()

    assert "negative_prompt" not in world.provider.sent[0]


@pytest.mark.parametrize(("orientation", "ratio"), [(1, "16:9"), (6, "9:16")])
def test_auto_is_the_ratio_of_the_picture_as_it_is_displayed(world: World, orientation, ratio):
    world.image.content = jpeg(orientation=orientation)

    world.run()

    assert world.provider.sent[0]["aspect_ratio"] == ratio
    assert world.job.options is not None
    assert world.job.options.aspect_ratio == ratio


def test_a_job_says_where_each_option_came_from(world: World):
    world.image.metadata = {"mode": "hq"}

    world.run()

    assert world.job.option_sources["mode"] == "S3 metadata"
    assert world.job.option_sources["prompt"] == "stack parameters"


def test_metadata_that_is_no_option_is_passed_over(world: World):
    world.image.metadata = {"camera": "x100", "Mode": "hq"}

    world.run()

    assert world.provider.sent[0]["mode"] == "hq"


def test_a_small_picture_is_submitted_with_a_warning(world: World):
    world.run()

    (warning,) = world.job.warnings
    assert "60 x 40" in warning


def test_the_provider_is_given_the_format_that_the_bytes_have(world: World):
    world.image.content = png()
    world.provider.submit_answer = Busy(429, 30)

    world.run()
    world.comes_again()

    assert world.image.presigned_as == ["image/png", "image/png"]


@pytest.mark.parametrize("answer", [ACCEPTED, Refused(400, "x"), Ambiguous("x"), Busy(429, None)])
def test_neither_the_table_nor_an_event_keeps_the_signed_address(world: World, answer):
    world.provider.submit_answer = answer

    world.delivered_again()

    assert world.provider.sent
    assert "5ec2e7" not in repr(world.database.tables.items)
    assert "5ec2e7" not in json.dumps(world.bus.published)


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
def test_an_unusable_image_is_rejected_without_a_charge(world: World, content, code):
    world.image.content = content

    outcome = world.run()

    assert outcome == "rejected"
    assert (world.job.charge, world.job.reason and world.job.reason.code) == (Charge.NONE, code)
    assert world.bus.types == [EventType.REJECTED]
    assert (world.provider.sent, world.reserved) == ([], 0)


def test_all_wrong_options_are_named_in_one_rejection(world: World):
    world.image.metadata = {"mode": "slow", "duration": "7"}

    outcome = world.run()

    assert outcome == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == "options_invalid"
    assert "S3 metadata: mode is 'slow'" in world.job.reason.message
    assert "duration is '7'" in world.job.reason.message
    assert world.provider.sent == []


@pytest.mark.parametrize(
    ("missing", "code"), [(Missing.GONE, "image_missing"), (Missing.SUPERSEDED, "image_superseded")]
)
def test_an_image_that_is_gone_or_replaced_is_rejected_and_published(world: World, missing, code):
    world.images.stored = missing

    outcome = world.run()

    assert outcome == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == code
    assert world.bus.types == [EventType.REJECTED]
    assert world.provider.sent == []


@pytest.mark.parametrize(
    ("key", "size"), [("beach.jpg.json", 50), ("dropreel.JSON", 50), ("holiday/", 0), ("holiday/._beach.jpg", 4096)]
)
def test_what_lies_beside_images_is_not_even_read(world: World, key, size):
    outcome = world.run(Drop(ImageRef("uploads", key, "v1"), size))

    assert outcome == "ignored"
    assert world.journal == []


# --- requests ---------------------------------------------------------------------------------------------------------

REQUEST = replace(DROP, request_id="order-4711", options={"mode": "hq"})


@pytest.mark.parametrize("key", ["beach.jpg.json", "holiday/"])
def test_whatever_a_request_names_is_validated_and_answered(world: World, key):
    world.image.content = b""

    outcome = world.run(Drop(ImageRef("uploads", key), request_id="r1"))

    assert outcome == "rejected"
    assert world.bus.types == [EventType.REJECTED]


def test_a_request_about_an_uploaded_image_is_a_job_of_its_own(world: World):
    world.run()
    world.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")

    assert world.run(REQUEST) == "generating"
    assert [body["mode"] for body in world.provider.sent] == ["fast", "hq"]
    assert len(world.database.jobs()) == 2


def test_a_request_delivered_twice_is_submitted_once(world: World):
    world.run(REQUEST)
    world.run(REQUEST)

    assert len(world.provider.sent) == 1


@pytest.mark.parametrize("again", [{"mode": "fast"}, {}, {"mode": "hq", "duration": 10}])
def test_a_request_id_used_for_something_else_is_rejected(world: World, again):
    world.run(REQUEST)
    (first,) = world.database.jobs()

    outcomes = [world.run(replace(REQUEST, options=again)) for _ in range(2)]

    (second,) = [job for job in world.database.jobs() if job.job_id != first.job_id]
    assert outcomes == ["rejected", "rejected"]
    assert world.database.job(first.job_id) == first
    assert second.reason is not None
    assert (second.reason.code, second.request_id, second.charge) == ("request_id_reused", "order-4711", Charge.NONE)
    assert first.job_id in second.reason.message
    assert world.bus.types == [EventType.SUBMITTED, EventType.REJECTED]
    assert len(world.provider.sent) == 1


def test_a_request_corrected_under_the_same_id_is_answered_too(world: World):
    world.run(replace(REQUEST, options={}, faults=("There is no 'urgent' in a request.",)))

    world.run(replace(REQUEST, options={}))

    codes = [detail["data"]["reason"]["code"] for _, detail in world.bus.published]
    assert codes == ["request_invalid", "request_id_reused"]


def test_the_order_of_options_and_the_form_of_numbers_make_no_new_request(world: World):
    world.run(replace(REQUEST, options={"duration": 10, "cfg_scale": 1}))

    world.run(replace(REQUEST, options={"cfg_scale": 1.0, "duration": 10.0}))

    assert len(world.database.jobs()) == 1


def test_the_request_id_is_in_the_jobs_events(world: World):
    world.run()
    world.run(REQUEST)

    assert [detail["data"]["request_id"] for _, detail in world.bus.published] == [None, "order-4711"]


# --- the first receive ------------------------------------------------------------------------------------------------


def test_a_job_is_saved_before_anything_is_read(world: World):
    world.run()

    assert world.journal[:3] == ["get", "save deferred", "find"]


def test_a_received_job_is_what_its_event_says(world: World):
    world.images.broken_before.add("find")

    with pytest.raises(OutOfOrderError):
        world.run()

    image = world.job.image
    assert (world.job.status, world.job.attempt, world.job.requeues) == (JobStatus.DEFERRED, 1, 0)
    assert (image.bucket, image.key, image.version_id, image.etag) == ("uploads", "holiday/beach.jpg", "v1", "e1")
    assert (image.size, image.sha256, world.job.options) == (DROP.size, None, None)
    assert world.job.waiting_since == world.job.created_at == world.clock.time
    assert (world.job.charge, world.reserved, world.bus.types) == (Charge.NONE, 0, [])


@pytest.mark.parametrize("action", ["find", "list_keys", "read_file", "presign", "prepare", "save submitting"])
def test_a_function_killed_before_its_claim_leaves_a_job_and_no_charge(world: World, action):
    for outside in (world.images, world.image, world.provider, world.database):
        outside.broken_before.add(action)
    world.images.files["dropreel.json"] = b"{}"

    with pytest.raises(OutOfOrderError):
        world.run()

    assert world.job.status is JobStatus.DEFERRED
    assert (world.provider.sent, world.reserved, world.database.tables.rows("attempt")) == ([], 0, [])


@pytest.mark.parametrize("action", ["get", "find", "list_keys", "read_file", "presign", "prepare", "save submitting"])
def test_the_message_of_a_killed_function_goes_on_with_its_job(world: World, action):
    outsides = (world.images, world.image, world.provider, world.database)
    for outside in outsides:
        outside.broken_before.add(action)
    world.images.files["dropreel.json"] = b"{}"
    for _ in range(3):
        with pytest.raises(OutOfOrderError):
            world.run()
    for outside in outsides:
        outside.broken_before.clear()

    assert world.run() == "generating"
    assert (len(world.database.jobs()), len(world.provider.sent), world.reserved) == (1, 1, 47)


def test_two_first_receives_at_once_make_one_job(world: World):
    outcomes = []
    just_before(world.database, "save deferred", lambda: outcomes.append(world.run()))

    outcomes.append(world.run())

    assert outcomes == ["generating", "generating"]
    assert (len(world.database.jobs()), len(world.provider.sent)) == (1, 1)


# --- the same message again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["generating", "completed", "failed", "rejected", "unknown", "held"])
def test_a_copy_of_the_event_is_answered_with_the_jobs_status(world: World, status):
    world.has(status=JobStatus(status))
    before = world.job

    outcomes = [world.run() for _ in range(3)]

    assert outcomes == [status] * 3
    assert (world.job, world.provider.sent, world.queue.sent) == (before, [], [])


@pytest.mark.parametrize("status", ["generating", "completed", "failed", "rejected", "unknown"])
def test_a_job_that_is_past_its_submission_is_never_submitted_again(world: World, status):
    world.has(status=JobStatus(status))

    world.delivered_again()

    assert "prepare" not in world.journal
    assert world.provider.sent == []
    assert world.job.status == status


@pytest.mark.parametrize("answer", [ACCEPTED, Refused(400, "too dark"), Ambiguous("ReadTimeout")])
def test_whatever_settled_a_submission_it_is_sent_once(world: World, answer):
    world.provider.submit_answer = answer
    world.run()
    world.provider.submit_answer = ACCEPTED

    world.delivered_again()

    assert len(world.provider.sent) == 1
    assert world.journal.count("prepare") == 1


def test_a_job_that_is_not_polled_yet_is_polled_when_it_comes_again(world: World):
    world.has(status=JobStatus.GENERATING)

    world.run()

    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown"])
def test_a_job_that_has_ended_is_not_polled_again(world: World, status):
    world.has(status=JobStatus(status))

    world.run()

    assert world.state_machine.executions == {}


def test_two_uploads_to_one_key_are_two_jobs(world: World):
    world.run()
    world.provider.submit_answer = replace(ACCEPTED, generation_id="gen_2")
    world.run(Drop(replace(DROP.image, version_id="v2"), DROP.size))

    assert [job.generation_id for job in world.database.jobs()] == ["gen_1", "gen_2"]
    assert len(world.provider.sent) == 2


def test_a_message_of_a_job_that_is_not_there_is_tried_again(world: World):
    with pytest.raises(TryAgain):
        world.run(RetryMessage(JOB_ID, 1, 0))

    assert world.database.jobs() == []


def test_a_message_of_ours_never_submits_what_was_not_validated(world: World):
    world.images.broken_before.add("find")
    with pytest.raises(OutOfOrderError):
        world.run()
    world.images.broken_before.clear()

    with pytest.raises(TryAgain):
        world.run(RetryMessage(JOB_ID, 1, 0))

    assert (world.provider.sent, world.job.options) == ([], None)


def test_a_job_that_others_change_all_the_time_is_tried_again(world: World):
    def changed() -> None:
        world.database.put(replace(world.job, version=world.job.version + 1))

    just_before(world.database, "save submitting", changed, each_time=True)

    with pytest.raises(TryAgain):
        world.run()

    assert (world.provider.sent, world.reserved) == ([], 0)


def test_a_request_id_of_another_job_leads_to_a_job_of_its_own_id(world: World):
    world.run(REQUEST)
    world.run(replace(REQUEST, options={}))

    ids = {job.job_id: job.reason and job.reason.code for job in world.database.jobs()}
    assert ids.pop(job_id_of(REQUEST.image, "order-4711")) is None
    assert list(ids.values()) == [ReasonCode.REQUEST_ID_REUSED]
