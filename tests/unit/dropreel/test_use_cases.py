import json
from dataclasses import replace
from datetime import timedelta

import pytest

from dropreel.adapters.image_bucket import Missing
from dropreel.answers import (
    Ambiguous,
    Busy,
    Finished,
    GenerationFailed,
    InProgress,
    KeyRefused,
    NoBalance,
    NotSent,
    PollFault,
    Refused,
)
from dropreel.errors import PublishFault, TryAgain, VideoFault
from dropreel.events import EventType
from dropreel.jobs import TERMINAL, ImageRef, JobStatus, Money, Reason, VideoObject, job_id_of
from dropreel.messages import Again, Drop
from dropreel.spending import SpendLimit, day_of
from dropreel.use_cases.submit_generation import LEASE
from dropreel.waiting import NEEDS_A_PERSON
from tests.unit.dropreel.fakes import FakeProvider, OutOfOrderError, sha256
from tests.unit.dropreel.pictures import jpeg
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.tiny_video import tiny_video
from tests.unit.dropreel.world import ACCEPTED, DROP, GENERATION, JOB_ID, TIMEOUT_SECONDS, World

# --- submit: what an image costs and where it ends -------------------------------------------------------------------


def test_an_accepted_image_is_paid_watched_and_told(world: World):
    outcome = world.submit.run(DROP)

    assert outcome == "generating"
    assert (world.job.status, world.job.money, world.job.generation_id) == ("generating", "spent", "gen_1")
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}
    assert world.bus.types == [EventType.SUBMITTED]


def test_an_accepted_job_keeps_when_it_was_submitted_and_what_it_costs(world: World):
    world.submit.run(DROP)

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

    world.submit.run(DROP)

    assert world.job.cost_cents == cents


@pytest.mark.parametrize(
    ("answer", "status", "money", "event", "code"),
    [
        (Refused(400, "too dark"), "rejected", "none", EventType.REJECTED, "provider_refused"),
        (Ambiguous("ReadTimeout"), "unknown", "perhaps", EventType.UNKNOWN, "submission_unknown"),
    ],
)
def test_an_answer_that_ends_a_job_is_told(world: World, answer, status, money, event, code):
    world.provider.submit_answer = answer

    outcome = world.submit.run(DROP)

    assert outcome == status
    assert (world.job.status, world.job.money) == (status, money)
    assert world.job.reason is not None
    assert world.job.reason.code == code
    assert [(kind, detail["data"]["money"]) for kind, detail in world.bus.published] == [(event, money)]
    assert world.state_machine.executions == {}


@pytest.mark.parametrize(
    ("answer", "code", "delay"),
    [
        (Busy(429, 30), "provider_busy", 30),
        (Busy(429, 0), "provider_busy", 5),
        (Busy(429, 1), "provider_busy", 5),
        (Busy(429, 5), "provider_busy", 5),
        (Busy(503, 3600), "provider_busy", 900),
        (Busy(503, None), "provider_busy", 3),
        (NotSent("NewConnectionError"), "provider_unreachable", 3),
        (KeyRefused(401), "key_refused", 900),
        (KeyRefused(403), "key_refused", 900),
        (NoBalance(402), "provider_balance", 900),
        (NoBalance(200, "Insufficient balance"), "provider_balance", 900),
    ],
)
def test_what_was_surely_not_taken_is_deferred_and_comes_again(world: World, answer, code, delay):
    world.provider.submit_answer = answer

    outcome = world.submit.run(DROP)

    assert outcome == "deferred"
    assert (world.job.status, world.job.money) == ("deferred", "none")
    assert world.job.reason is not None
    assert world.job.reason.code == code
    assert world.queue.sent == [(Again(JOB_ID, 1, 1), delay)]
    assert world.bus.types == ([EventType.DEFERRED] if code in NEEDS_A_PERSON else [])
    assert world.reserved == 0
    assert world.state_machine.executions == {}


@pytest.mark.parametrize("answer", [Busy(429, None), NotSent("x"), KeyRefused(401), NoBalance(402)])
def test_a_deferred_job_is_submitted_when_it_comes_again(world: World, answer):
    world.provider.submit_answer = answer
    world.submit.run(DROP)
    world.provider.submit_answer = ACCEPTED

    outcome = world.comes_again()

    assert outcome == "generating"
    assert (world.job.money, world.job.reason) == (Money.SPENT, None)
    assert world.bus.types[-1] == EventType.SUBMITTED


@pytest.mark.parametrize("missing", [Missing.GONE, Missing.SUPERSEDED])
def test_a_deferred_job_whose_image_is_gone_when_it_comes_again_ends_all_the_same(world: World, missing):
    world.has(status=JobStatus.DEFERRED, generation_id=None, submitted_at=None)
    world.images.stored = missing

    world.delivered_again()

    assert world.job.status in TERMINAL
    assert world.bus.types == [EventType.REJECTED]


def test_a_deferred_job_is_submitted_as_it_was_judged_the_first_time(world: World):
    world.provider.submit_answer = Busy(429, None)
    world.submit.run(DROP)
    world.provider.submit_answer = ACCEPTED
    world.images.files = {"dropreel.json": b'{"mode": "hq"}'}

    world.comes_again()

    assert world.provider.sent[-1]["mode"] == "fast"
    assert (world.job.options["mode"], world.job.cost_cents) == ("fast", 47)


# --- submit: what is sent --------------------------------------------------------------------------------------------


def test_the_provider_gets_every_option_and_the_address(world: World):
    world.image.metadata = {"negative-prompt": "blur", "duration": "10", "sound": "false"}

    world.submit.run(DROP)

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
    world.submit.run(DROP)

    assert "negative_prompt" not in world.provider.sent[0]


@pytest.mark.parametrize(("orientation", "ratio"), [(1, "16:9"), (6, "9:16")])
def test_auto_is_the_ratio_of_the_picture_as_it_is_shown(world: World, orientation, ratio):
    world.image.content = jpeg(orientation=orientation)

    world.submit.run(DROP)

    assert world.provider.sent[0]["aspect_ratio"] == ratio
    assert world.job.options["aspect_ratio"] == ratio


def test_a_job_tells_where_each_option_came_from(world: World):
    world.image.metadata = {"mode": "hq"}

    world.submit.run(DROP)

    assert world.job.option_sources["mode"] == "S3 metadata"
    assert world.job.option_sources["prompt"] == "stack parameters"


def test_metadata_that_is_no_option_is_not_ours_to_judge(world: World):
    world.image.metadata = {"camera": "x100", "Mode": "hq"}

    world.submit.run(DROP)

    assert world.provider.sent[0]["mode"] == "hq"


def test_a_small_picture_is_submitted_with_a_warning(world: World):
    world.submit.run(DROP)

    (warning,) = world.job.warnings
    assert "60 x 40" in warning


@pytest.mark.parametrize("answer", [ACCEPTED, Refused(400, "x"), Ambiguous("x"), Busy(429, None)])
def test_neither_the_table_nor_an_event_keeps_the_signed_address(world: World, answer):
    world.provider.submit_answer = answer

    world.delivered_again()

    assert "5ec2e7" not in repr(world.jobs.jobs)
    assert "5ec2e7" not in json.dumps(world.bus.published)


# --- submit: refused before a cent is spent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "image_empty"),
        (b"notes", "image_format"),
        (jpeg()[:-9], "image_truncated"),
        (bytes(10_000_001), "image_too_large"),
    ],
)
def test_an_unusable_image_is_rejected_for_nothing(world: World, content, code):
    world.image.content = content

    outcome = world.submit.run(DROP)

    assert outcome == "rejected"
    assert (world.job.money, world.job.reason and world.job.reason.code) == (Money.NONE, code)
    assert world.bus.types == [EventType.REJECTED]
    assert world.provider.sent == []


def test_wrong_options_are_rejected_for_nothing_and_all_told(world: World):
    world.image.metadata = {"mode": "slow", "duration": "7"}

    outcome = world.submit.run(DROP)

    assert outcome == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == "options_invalid"
    assert "S3 metadata: mode is 'slow'" in world.job.reason.message
    assert "duration is '7'" in world.job.reason.message
    assert world.provider.sent == []


def test_a_deleted_image_is_rejected_and_told(world: World):
    world.images.stored = Missing.GONE

    outcome = world.submit.run(DROP)

    assert outcome == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == "image_missing"
    assert world.bus.types == [EventType.REJECTED]


def test_a_replaced_image_is_left_to_the_newer_uploads_event(world: World):
    world.images.stored = Missing.SUPERSEDED

    outcome = world.submit.run(DROP)

    assert outcome == "superseded"
    assert world.jobs.jobs == {}
    assert world.bus.published == []


@pytest.mark.parametrize(
    ("key", "size"), [("beach.jpg.json", 50), ("dropreel.JSON", 50), ("holiday/", 0), ("holiday/._beach.jpg", 4096)]
)
def test_what_lies_beside_images_is_not_even_looked_at(world: World, key, size):
    outcome = world.submit.run(Drop(ImageRef("uploads", key, "v1"), size))

    assert outcome == "ignored"
    assert world.journal == []


@pytest.mark.parametrize("key", ["beach.jpg.json", "holiday/"])
def test_whatever_a_request_names_is_judged_and_answered(world: World, key):
    world.image.content = b""

    outcome = world.submit.run(Drop(ImageRef("uploads", key), request_id="r1"))

    assert outcome == "rejected"
    assert world.bus.types == [EventType.REJECTED]


def test_a_request_about_an_uploaded_image_is_a_job_of_its_own(world: World):
    world.submit.run(DROP)
    request = replace(DROP, request_id="r1", options={"mode": "hq"})

    world.submit.run(request)

    assert [body["mode"] for body in world.provider.sent] == ["fast", "hq"]


def test_a_request_delivered_twice_is_paid_once(world: World):
    request = replace(DROP, request_id="r1")

    world.submit.run(request)
    world.submit.run(request)

    assert len(world.provider.sent) == 1


REQUEST = replace(DROP, request_id="order-4711", options={"mode": "hq"})


@pytest.mark.parametrize("again", [{"mode": "fast"}, {}, {"mode": "hq", "duration": 10}])
def test_a_request_id_used_for_something_else_is_rejected_and_the_first_job_untouched(world: World, again):
    world.submit.run(REQUEST)
    first = world.jobs.jobs[job_id_of(REQUEST.image, "order-4711")]

    outcomes = [world.submit.run(replace(REQUEST, options=again)) for _ in range(2)]

    (second,) = [job for job in world.jobs.jobs.values() if job.job_id != first.job_id]
    assert outcomes == ["rejected", "rejected"]
    assert world.jobs.jobs[first.job_id] == first
    assert second.reason is not None
    assert (second.reason.code, second.request_id, second.money) == ("request_id_reused", "order-4711", Money.NONE)
    assert first.job_id in second.reason.message
    assert world.bus.types == [EventType.SUBMITTED, EventType.REJECTED]
    assert len(world.provider.sent) == 1


def test_a_request_that_was_wrong_and_is_corrected_under_the_same_id_is_not_dropped_in_silence(world: World):
    world.submit.run(replace(REQUEST, options={}, faults=("There is no 'urgent' in a request.",)))

    world.submit.run(replace(REQUEST, options={}))

    codes = [detail["data"]["reason"]["code"] for _, detail in world.bus.published]
    assert codes == ["request_invalid", "request_id_reused"]


def test_a_request_is_the_same_whatever_the_order_of_its_options_and_the_form_of_its_numbers(world: World):
    world.submit.run(replace(REQUEST, options={"duration": 10, "cfg_scale": 1}))

    world.submit.run(replace(REQUEST, options={"cfg_scale": 1.0, "duration": 10.0}))

    assert len(world.jobs.jobs) == 1


def test_what_a_job_was_asked_for_by_stands_in_its_events(world: World):
    world.submit.run(DROP)
    world.submit.run(REQUEST)

    told = [detail["data"]["request_id"] for _, detail in world.bus.published]
    assert told == [None, "order-4711"]


def test_a_dead_letter_keeps_the_requests_id(world: World):
    world.submit.dead_letter(REQUEST, OSError("no"))

    (job,) = world.jobs.jobs.values()
    assert job.request_id == "order-4711"


# --- submit: copies --------------------------------------------------------------------------------------------------

COPY = replace(DROP, image=replace(DROP.image, version_id="v2", sequencer="s2"), is_copy=True)


def test_a_copy_of_a_picture_onto_itself_leaves_no_job_and_no_event(world: World):
    world.submit.run(DROP)
    events = len(world.bus.published)
    world.image.etag = '"e1-2"'

    outcomes = [world.submit.run(COPY) for _ in range(2)]

    assert outcomes == ["copied", "copied"]
    assert list(world.jobs.jobs) == [JOB_ID]
    assert len(world.bus.published) == events
    assert (len(world.provider.sent), world.reserved) == (1, 47)


def test_the_original_of_a_copy_whose_event_came_first_is_not_paid_again(world: World):
    world.image.last_modified = NOON + timedelta(seconds=1)
    world.submit.run(COPY)
    world.image.last_modified = NOON

    outcome = world.submit.run(DROP)

    assert outcome == "copied"
    assert (len(world.jobs.jobs), len(world.provider.sent)) == (1, 1)


def test_a_picture_that_is_uploaded_once_more_is_paid_whatever_was_copied_before(world: World):
    world.submit.run(COPY)
    world.image.last_modified = NOON + timedelta(seconds=1)

    for version in ("v3", "v4"):
        assert world.submit.run(replace(DROP, image=replace(DROP.image, version_id=version))) == "generating"

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
    world.submit.run(DROP)
    change(world)
    drop = replace(COPY, image=replace(COPY.image, key=world.image.key))

    assert world.submit.run(drop) == "generating"
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
def test_a_copy_is_not_paid_whatever_has_changed_that_is_not_the_images_own(world: World, change):
    defaults = dict(world.submit.judge.default_options)
    world.submit = replace(world.submit, judge=replace(world.submit.judge, default_options=defaults))
    world.submit.run(DROP)
    change(world)

    assert world.submit.run(COPY) == "copied"


def test_a_request_may_ask_for_a_picture_that_has_its_video_already(world: World):
    world.submit.run(DROP)

    assert world.submit.run(REQUEST) == "generating"
    assert world.submit.run(replace(REQUEST, request_id="r2")) == "generating"


def test_a_copy_that_waited_for_money_ends_when_the_original_has_been_paid(world: World):
    world.ledger.limit = SpendLimit(46 + 1)
    world.ledger.reserved[day_of(NOON)] = 47
    for drop in (DROP, COPY):
        assert world.submit.run(drop) == "held"
    world.ledger.reserved.clear()
    original, copy = world.jobs.jobs[JOB_ID], world.jobs.jobs[job_id_of(COPY.image)]

    outcomes = [world.submit.run(Again(job.job_id, 1, 0)) for job in (original, copy)]

    ended = world.jobs.jobs[copy.job_id]
    assert outcomes == ["generating", "rejected"]
    assert ended.reason is not None
    assert (ended.reason.code, ended.money) == ("duplicate_copy", Money.NONE)
    assert JOB_ID in ended.reason.message
    assert len(world.provider.sent) == 1


def test_a_copy_that_has_claimed_its_picture_keeps_it_through_all_that_follows(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.submit.run(COPY)
    world.image.last_modified = NOON + timedelta(seconds=5)
    world.provider.submit_answer = ACCEPTED
    assert world.submit.run(replace(DROP, image=replace(DROP.image, version_id="v3"))) == "generating"

    assert world.comes_again() == "generating"
    assert len(world.provider.sent) == 3


# --- submit: the order of things -------------------------------------------------------------------------------------


def test_everything_that_can_fail_comes_before_the_claim_and_the_post_right_after_it(world: World):
    world.submit.run(DROP)

    order = [action for action in world.journal if action not in ("list_keys", "read_file", "get", "find")]
    assert order == ["presign", "prepare", "claim", "send", "record_accepted", "start", "publish", "event_sent"]


@pytest.mark.parametrize("action", ["find", "list_keys", "read_file", "presign", "prepare", "claim"])
def test_a_fault_before_the_post_costs_nothing_and_leaves_no_claim(world: World, action):
    for outside in (world.images, world.image, world.provider, world.ledger):
        outside.broken_before.add(action)
    world.images.files["dropreel.json"] = b"{}"

    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)

    assert world.provider.sent == []
    assert world.jobs.jobs == {}
    assert world.reserved == 0


def test_a_delivery_that_loses_the_claim_sends_nothing(world: World):
    world.ledger.claims_elsewhere = True

    with pytest.raises(TryAgain):
        world.submit.run(DROP)

    assert world.provider.sent == []


def test_a_claim_is_leased_for_longer_than_it_takes(world: World):
    world.provider.broken_after.add("send")

    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)

    assert world.job.status is JobStatus.SUBMITTING
    assert world.job.lease_until == world.clock.time + LEASE


def test_the_id_of_what_was_paid_is_logged_before_it_is_written(world: World, caplog):
    caplog.set_level("INFO", logger="dropreel")
    world.jobs.broken_before.add("record_accepted")

    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)

    assert [(record.job_id, record.generation_id) for record in caplog.records] == [(JOB_ID, "gen_1")]


# --- submit: the same message again ----------------------------------------------------------------------------------


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
    world.submit.run(DROP)
    world.provider.submit_answer = ACCEPTED

    world.delivered_again()

    assert len(world.provider.sent) == 1
    assert world.journal.count("prepare") == 1


@pytest.mark.parametrize(
    ("outside", "when", "action"),
    [
        ("provider", "broken_before", "send"),
        ("provider", "broken_after", "send"),
        ("ledger", "broken_after", "claim"),
        ("jobs", "broken_before", "record_accepted"),
        ("jobs", "broken_after", "record_accepted"),
        ("state_machine", "broken_before", "start"),
        ("state_machine", "broken_after", "start"),
        ("bus", "broken_before", "publish"),
        ("bus", "broken_after", "publish"),
        ("jobs", "broken_before", "event_sent"),
        ("jobs", "broken_after", "event_sent"),
    ],
)
def test_a_crash_anywhere_from_the_claim_on_never_leads_to_a_second_post(world: World, outside, when, action):
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)
    broken.clear()

    world.delivered_again()

    assert len(world.provider.sent) <= 1
    assert world.journal.count("prepare") == 1
    assert world.job.status in (JobStatus.GENERATING, JobStatus.UNKNOWN)
    assert world.job.pending_events == frozenset()


@pytest.mark.parametrize(
    ("outside", "action", "answer"),
    [("ledger", "give_back", Refused(400, "too dark")), ("jobs", "finish", Ambiguous("ReadTimeout"))],
)
@pytest.mark.parametrize("when", ["broken_before", "broken_after"])
def test_a_crash_while_an_end_is_written_never_leads_to_a_second_post(world: World, when, outside, action, answer):
    world.provider.submit_answer = answer
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)
    broken.clear()
    world.provider.submit_answer = ACCEPTED

    world.delivered_again()

    assert len(world.provider.sent) == 1
    assert world.job.is_terminal


def test_a_crash_while_a_deferral_is_written_is_not_submitted_again_by_itself(world: World):
    world.provider.submit_answer = Busy(429, None)
    world.ledger.broken_before.add("give_back")
    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)
    world.ledger.broken_before.clear()
    world.provider.submit_answer = ACCEPTED

    world.delivered_again()

    assert len(world.provider.sent) == 1
    assert world.job.status is JobStatus.UNKNOWN
    assert world.reserved == 47


def test_a_submission_under_a_live_lease_is_left_alone(world: World):
    world.has(status=JobStatus.SUBMITTING, lease_until=world.clock.time + LEASE)
    world.clock.pass_seconds(LEASE.total_seconds() - 1)

    outcome = world.submit.run(DROP)

    assert outcome == "submitting"
    assert world.job.status is JobStatus.SUBMITTING
    assert world.provider.sent == []
    assert world.bus.published == []


@pytest.mark.parametrize("late_seconds", [0, 1, 1_000_000])
def test_a_submission_whose_lease_ran_out_may_have_been_paid(world: World, late_seconds):
    world.has(status=JobStatus.SUBMITTING, lease_until=world.clock.time)
    world.clock.pass_seconds(late_seconds)

    outcome = world.submit.run(DROP)

    assert outcome == "unknown"
    assert (world.job.money, world.job.reason and world.job.reason.code) == (Money.PERHAPS, "submission_unknown")
    assert world.bus.types == [EventType.UNKNOWN]
    assert world.provider.sent == []


def test_an_answer_that_comes_after_the_job_was_parked_does_not_bring_it_back(world: World):
    class Parking(FakeProvider):
        def leaves(self, action: str) -> None:
            if action == "send":
                world.jobs.jobs[JOB_ID] = replace(world.job, status=JobStatus.UNKNOWN, money=Money.PERHAPS)

    slow = replace(world.submit, provider=Parking(world.journal, submit_answer=ACCEPTED))

    with pytest.raises(TryAgain):
        slow.run(DROP)

    assert (world.job.status, world.job.money) == (JobStatus.UNKNOWN, Money.PERHAPS)
    assert world.state_machine.executions == {}


def test_a_job_that_is_not_watched_yet_is_watched_when_it_comes_again(world: World):
    world.has(status=JobStatus.GENERATING)

    world.submit.run(DROP)

    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1"}


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown"])
def test_a_job_that_has_ended_is_not_watched_again(world: World, status):
    world.has(status=JobStatus(status))

    world.submit.run(DROP)

    assert world.state_machine.executions == {}


def test_two_uploads_to_one_key_are_two_jobs(world: World):
    world.submit.run(DROP)
    world.submit.run(Drop(replace(DROP.image, version_id="v2"), DROP.size))

    assert len(world.jobs.jobs) == len(world.provider.sent) == 2


# --- announcing ------------------------------------------------------------------------------------------------------


def test_an_event_that_the_bus_did_not_take_stays_owed(world: World):
    world.bus.takes_nothing = True

    with pytest.raises(PublishFault):
        world.submit.run(DROP)

    assert world.job.pending_events == {EventType.SUBMITTED}


def test_an_owed_event_is_sent_when_the_message_comes_again(world: World):
    world.has(status=JobStatus.REJECTED, pending_events=frozenset({EventType.REJECTED}))

    world.submit.run(DROP)

    assert world.bus.types == [EventType.REJECTED]
    assert world.job.pending_events == frozenset()


def test_an_event_that_was_sent_is_not_sent_again(world: World):
    world.submit.run(DROP)
    world.submit.run(DROP)

    assert world.bus.types == [EventType.SUBMITTED]


def test_an_event_repeated_after_a_crash_is_the_same_event(world: World):
    world.jobs.broken_before.add("event_sent")
    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)
    world.jobs.broken_before.clear()

    world.submit.run(DROP)

    first, second = (detail["metadata"]["id"] for _type, detail in world.bus.published)
    assert first == second


# --- check -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "told"),
    [
        (InProgress("created"), "waiting", "created"),
        (InProgress("processing"), "waiting", "processing"),
        (Finished("https://cdn.example/v.mp4?sig=5ec2e7"), "completed", "completed"),
        (GenerationFailed("no faces"), "failed", "failed"),
        (PollFault("ReadTimeout"), "waiting", "processing"),
        (PollFault("answered 500", 500), "waiting", "processing"),
        (PollFault("answered 401", 401), "waiting", "processing"),
        (PollFault("answered 404", 404), "waiting", "processing"),
        (PollFault("answered 429", 429), "waiting", "processing"),
    ],
)
def test_a_poll_is_an_outcome_and_is_counted(world: World, answer, outcome, told):
    world.has(polls=4, provider_status="processing")
    world.provider.poll_answer = answer

    found = world.check.run(GENERATION)

    assert found["outcome"] == outcome
    assert (world.job.polls, world.job.provider_status) == (5, told)
    assert world.job.status is JobStatus.GENERATING
    assert world.provider.polled == ["gen_1"]


def test_a_failed_generation_is_told_in_the_providers_words(world: World):
    world.has()
    world.provider.poll_answer = GenerationFailed("no faces")

    reason = world.check.run(GENERATION)["reason"]

    assert reason["code"] == "generation_failed"
    assert "no faces" in reason["message"]
    assert reason["provider_error"] == "no faces"


def test_a_completed_check_carries_no_address(world: World):
    world.has()
    world.provider.poll_answer = Finished("https://cdn.example/v.mp4?sig=5ec2e7")

    assert world.check.run(GENERATION) == {"outcome": "completed"}
    assert "5ec2e7" not in repr(world.job)


@pytest.mark.parametrize("answer", [InProgress("processing"), PollFault("answered 500", 500)])
@pytest.mark.parametrize(("seconds", "outcome"), [(TIMEOUT_SECONDS - 1, "waiting"), (TIMEOUT_SECONDS, "timed_out")])
def test_the_deadline_counts_from_the_submission(world: World, seconds, outcome, answer):
    world.has(created_at=world.clock.time.replace(year=2020))
    world.provider.poll_answer = answer
    world.clock.pass_seconds(seconds)

    assert world.check.run(GENERATION)["outcome"] == outcome


def test_a_deadline_is_told_with_its_minutes(world: World):
    world.has()
    world.provider.poll_answer = InProgress("processing")
    world.clock.pass_seconds(TIMEOUT_SECONDS)

    reason = world.check.run(GENERATION)["reason"]

    assert reason["code"] == "timed_out"
    assert "60 minutes" in reason["message"]


@pytest.mark.parametrize(
    ("answer", "outcome"), [(Finished("https://cdn.example/v.mp4"), "completed"), (GenerationFailed("x"), "failed")]
)
def test_an_end_past_the_deadline_counts_as_what_it_is(world: World, answer, outcome):
    world.has()
    world.provider.poll_answer = answer
    world.clock.pass_seconds(TIMEOUT_SECONDS * 2)

    assert world.check.run(GENERATION)["outcome"] == outcome


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown", "submitting", "deferred", "held"])
def test_a_job_that_is_not_generating_is_not_polled(world: World, status):
    world.has(status=JobStatus(status))

    assert world.check.run(GENERATION) == {"outcome": "ended"}
    assert world.provider.polled == []


def test_an_attempt_that_was_given_up_is_not_polled(world: World):
    world.has(attempt=2)

    assert world.check.run(GENERATION) == {"outcome": "ended"}
    assert world.provider.polled == []


# --- deliver ---------------------------------------------------------------------------------------------------------

FINISHED = Finished("https://cdn.example/v.mp4?sig=5ec2e7")


@pytest.fixture
def ready(world: World) -> World:
    """The provider has the video."""
    world.has(money=Money.SPENT)
    world.provider.poll_answer = FINISHED
    return world


def test_a_delivered_video_is_in_the_bucket_in_the_job_and_told(ready: World):
    outcome = ready.deliver.run(GENERATION)

    assert outcome == {"outcome": "delivered"}
    (key,) = ready.videos.objects
    assert key == "holiday/beach-gen_1.mp4"
    assert ready.videos.objects[key][0] == tiny_video()
    assert ready.job.status is JobStatus.COMPLETED
    assert ready.job.video == VideoObject(
        "videos", key, len(tiny_video()), sha256(tiny_video()), "holiday/beach-gen_1.json", 1.0, 32, 32,
        f"version-{sha256(tiny_video())[:8]}",
    )  # fmt: skip
    assert ready.bus.types == [EventType.COMPLETED]
    assert ready.bus.published[0][1]["data"]["video"]["sha256"] == sha256(tiny_video())


def test_a_delivered_video_was_paid(ready: World):
    ready.deliver.run(GENERATION)

    assert ready.job.money is Money.SPENT


def test_a_video_and_its_receipt_are_in_the_bucket_before_the_job_says_so(ready: World):
    ready.deliver.run(GENERATION)

    order = [action for action in ready.journal if action in ("put", "put_receipt", "finish", "publish")]
    assert order == ["put", "put_receipt", "finish", "publish"]


def test_a_receipt_lies_where_the_job_says_and_tells_of_the_same_video(ready: World):
    ready.clock.pass_seconds(42)

    ready.deliver.run(GENERATION)

    assert ready.job.video is not None
    receipt = ready.videos.receipts[ready.job.video.receipt_key]
    assert receipt["video"]["sha256"] == sha256(tiny_video())
    assert receipt["timings"]["generation_seconds"] == 42


def test_a_video_says_where_it_came_from_in_ascii(ready: World):
    ready.has(image={"bucket": "uploads", "key": "été/plage 1.jpg", "version_id": None, "size": 5})

    ready.deliver.run(GENERATION)

    ((_content, metadata),) = ready.videos.objects.values()
    assert metadata == {
        "source": "s3://uploads/%C3%A9t%C3%A9/plage%201.jpg",
        "job-id": JOB_ID,
        "generation-id": "gen_1",
    }


def test_a_source_too_long_for_s3s_metadata_is_left_to_the_receipt(ready: World):
    ready.has(image={"bucket": "uploads", "key": "é" * 512, "version_id": None, "size": 5})

    ready.deliver.run(GENERATION)

    ((_content, metadata),) = ready.videos.objects.values()
    assert metadata == {"job-id": JOB_ID, "generation-id": "gen_1"}
    assert ready.job.video is not None
    assert ready.videos.receipts[ready.job.video.receipt_key]["image"]["key"] == "é" * 512


@pytest.mark.parametrize(("generation", "told"), [("gén 1", "g%C3%A9n%201"), ("é" * 200, ("%C3%A9" * 200)[:1024])])
def test_a_generation_id_of_any_letters_fits_into_s3s_metadata(ready: World, generation: str, told: str):
    ready.has(generation_id=generation)

    ready.deliver.run(replace(GENERATION, generation_id=generation))

    ((_content, metadata),) = ready.videos.objects.values()
    assert metadata["generation-id"] == told


def test_a_source_is_told_as_long_as_s3_takes_it(ready: World):
    for letters in range(1, 7):
        for more in range(320, 340):
            ready.has(image={"bucket": "uploads", "key": "k" * letters + "é" * more, "version_id": None, "size": 5})
            ready.deliver.run(GENERATION)

    found = [metadata for _content, metadata in ready.videos.objects.values()]
    sizes = {sum(map(len, (*metadata, *metadata.values()))) for metadata in found if "source" in metadata}
    assert max(sizes) == 2048  # S3's limit, as its documentation counts: all names and all values
    assert any("source" not in metadata for metadata in found)


def test_the_videos_address_is_kept_nowhere(ready: World):
    ready.deliver.run(GENERATION)

    assert ready.source.opened == [FINISHED.result_url]
    assert "5ec2e7" not in repr(ready.jobs.jobs) + repr(ready.bus.published) + repr(ready.videos.objects)


def test_a_video_is_delivered_and_told_once(ready: World):
    ready.deliver.run(GENERATION)

    again = ready.deliver.run(GENERATION)

    assert again == {"outcome": "delivered"}
    assert ready.journal.count("put") == 1
    assert ready.bus.types == [EventType.COMPLETED]


@pytest.mark.parametrize("answer", [InProgress("processing"), PollFault("answered 500", 500), GenerationFailed("x")])
def test_without_an_address_a_delivery_is_tried_again(ready: World, answer):
    ready.provider.poll_answer = answer

    with pytest.raises(TryAgain):
        ready.deliver.run(GENERATION)

    assert ready.job.status is JobStatus.GENERATING


@pytest.mark.parametrize("tells_its_length", [True, False])
def test_a_cut_video_becomes_no_object_and_ends_no_job(ready: World, tells_its_length):
    ready.source.content, ready.source.tells_its_length = tiny_video()[:-1], tells_its_length

    with pytest.raises(VideoFault):
        ready.deliver.run(GENERATION)

    assert ready.videos.objects == {}
    assert ready.job.status is JobStatus.GENERATING
    assert ready.bus.published == []


@pytest.mark.parametrize(
    ("outside", "when", "action"),
    [
        ("source", "broken_before", "open"),
        ("videos", "broken_before", "put"),
        ("videos", "broken_after", "put"),
        ("videos", "broken_before", "put_receipt"),
        ("videos", "broken_after", "put_receipt"),
        ("jobs", "broken_before", "finish"),
        ("jobs", "broken_after", "finish"),
        ("bus", "broken_before", "publish"),
        ("bus", "broken_after", "publish"),
        ("jobs", "broken_before", "event_sent"),
    ],
)
def test_a_delivery_that_crashed_is_made_good_by_the_next(ready: World, outside, when, action):
    broken = getattr(getattr(ready, outside), when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        ready.deliver.run(GENERATION)
    broken.clear()

    outcome = ready.deliver.run(GENERATION)

    assert outcome == {"outcome": "delivered"}
    assert list(ready.videos.objects) == ["holiday/beach-gen_1.mp4"]
    assert ready.job.status is JobStatus.COMPLETED
    assert {detail["metadata"]["id"] for _type, detail in ready.bus.published} == {
        ready.bus.published[0][1]["metadata"]["id"]
    }


@pytest.mark.parametrize("changes", [{"status": JobStatus.FAILED}, {"status": JobStatus.UNKNOWN}, {"attempt": 2}])
def test_a_job_that_is_not_this_generations_any_more_is_left_alone(ready: World, changes):
    ready.has(**changes)
    before = ready.job

    assert ready.deliver.run(GENERATION) == {"outcome": "ended"}
    assert ready.videos.objects == {}
    assert ready.job == before


# --- report ----------------------------------------------------------------------------------------------------------

TOO_LATE = Reason("timed_out", "The provider did not finish the video within 60 minutes.")


def test_a_reported_failure_ends_the_job_and_counts_as_spent(world: World):
    world.has(money=Money.SPENT)

    outcome = world.report.run(GENERATION, TOO_LATE)

    assert outcome == {"outcome": "failed"}
    assert (world.job.status, world.job.money, world.job.reason) == (JobStatus.FAILED, Money.SPENT, TOO_LATE)
    ((kind, detail),) = world.bus.published
    assert kind == EventType.FAILED
    assert detail["data"]["reason"]["code"] == "timed_out"


def test_a_failure_is_reported_once(world: World):
    world.has()
    world.report.run(GENERATION, TOO_LATE)

    again = world.report.run(GENERATION, Reason("check_failed", "later"))

    assert again == {"outcome": "failed"}
    assert world.job.reason == TOO_LATE
    assert world.bus.types == [EventType.FAILED]


@pytest.mark.parametrize("status", ["completed", "unknown", "rejected"])
def test_a_job_that_has_ended_does_not_fail_afterwards(world: World, status):
    world.has(status=JobStatus(status))

    assert world.report.run(GENERATION, TOO_LATE) == {"outcome": status}
    assert world.job.status == status
    assert world.bus.published == []


def test_a_later_attempt_does_not_fail_for_an_earlier_one(world: World):
    world.has(attempt=2)

    world.report.run(GENERATION, TOO_LATE)

    assert world.job.status is JobStatus.GENERATING


@pytest.mark.parametrize("when", ["broken_before", "broken_after"])
@pytest.mark.parametrize(("outside", "action"), [("jobs", "finish"), ("bus", "publish"), ("jobs", "event_sent")])
def test_a_report_that_crashed_is_made_good_by_the_next(world: World, outside, action, when):
    world.has()
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        world.report.run(GENERATION, TOO_LATE)
    broken.clear()

    world.report.run(GENERATION, TOO_LATE)

    assert (world.job.status, world.job.pending_events) == (JobStatus.FAILED, frozenset())
    assert EventType.FAILED in world.bus.types


# --- a job that is not there -----------------------------------------------------------------------------------------


def test_a_check_of_a_job_that_is_not_there_is_tried_again(world: World):
    with pytest.raises(TryAgain):
        world.check.run(GENERATION)


def test_a_delivery_of_a_job_that_is_not_there_is_tried_again(world: World):
    with pytest.raises(TryAgain):
        world.deliver.run(GENERATION)


def test_a_report_of_a_job_that_is_not_there_is_tried_again(world: World):
    with pytest.raises(TryAgain):
        world.report.run(GENERATION, TOO_LATE)


# --- the whole way ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        (FINISHED, [EventType.SUBMITTED, EventType.COMPLETED]),
        (PollFault("ReadTimeout"), [EventType.SUBMITTED, EventType.FAILED]),
    ],
)
def test_one_image_has_one_outcome_and_each_event_once(world: World, answer, events):
    world.submit.run(DROP)
    world.provider.poll_answer = answer
    world.clock.pass_seconds(TIMEOUT_SECONDS)
    found = world.check.run(GENERATION)
    if found["outcome"] == "completed":
        world.deliver.run(GENERATION)
    else:
        world.report.run(GENERATION, Reason(**found["reason"]))

    world.delivered_again()
    world.deliver.run(GENERATION)
    world.report.run(GENERATION, TOO_LATE)

    assert world.bus.types == events
    assert world.job.is_terminal
    assert len(world.provider.sent) == 1
