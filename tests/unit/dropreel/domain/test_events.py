import json
import re
from dataclasses import asdict, replace
from itertools import product

import pytest

from dropreel.domain.events import detail_of, in_order
from dropreel.domain.job import Charge, EventType, JobStatus, event_id
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.fake_stack import FakeStack
from tests.support.sample_jobs import OPTIONS, VIDEO, job_with


def test_a_repeated_event_has_the_same_id():
    job = job_with()

    assert detail_of(job, EventType.SUBMITTED)["metadata"] == detail_of(job, EventType.SUBMITTED)["metadata"]


def test_an_events_id_survives_what_happens_to_the_job_meanwhile():
    before = job_with(polls=1)
    after = job_with(polls=30, status=JobStatus.COMPLETED, video=VIDEO)

    assert detail_of(before, EventType.SUBMITTED)["metadata"] == detail_of(after, EventType.SUBMITTED)["metadata"]


def test_every_job_event_attempt_and_resume_has_its_own_id():
    ids = [
        event_id(job_with(job_id=job_id, attempt=attempt, resumes=resumes), event)
        for job_id, attempt, resumes, event in product(["0" * 24, "1" * 24], [1, 2, 11], [0, 1, 2], EventType)
    ]

    assert len(set(ids)) == len(ids)


def test_an_id_is_32_hex_digits():
    assert re.fullmatch("[0-9a-f]{32}", event_id(job_with(), EventType.HELD))


def test_the_types_are_the_public_ones():
    assert sorted(EventType) == [
        f"Video Generation {what}"
        for what in ("Completed", "Deferred", "Failed", "Held", "Rejected", "Submitted", "Unknown")
    ]


def test_a_detail_has_metadata_and_the_promised_data():
    detail = detail_of(job_with(), EventType.SUBMITTED)

    assert set(detail) == {"metadata", "data"}
    assert set(detail["metadata"]) == {"version", "id", "stack"}
    assert set(detail["data"]) >= {
        *("job_id", "status", "image", "options", "generation_id", "attempt", "cost_usd", "charge", "reason", "video"),
    }


def test_an_event_names_the_stack_that_publishes_it():
    stack = FakeStack()
    stack.bus.stack = "shop"

    stack.run()

    assert [detail["metadata"]["stack"] for _, detail in stack.bus.published] == ["shop"]


def test_a_detail_says_what_the_job_is():
    data = detail_of(job_with(attempt=2, warnings=("small",), charge=Charge.CHARGED), EventType.SUBMITTED)["data"]

    assert data["status"] == "generating"
    assert data["attempt"] == 2
    assert data["charge"] == "charged"
    assert data["options"] == asdict(OPTIONS)
    assert data["image"]["key"] == "holiday/beach.jpg"
    assert data["warnings"] == ["small"]
    assert (data["reason"], data["video"]) == (None, None)


@pytest.mark.parametrize(("cents", "dollars"), [(0, 0.0), (47, 0.47), (187, 1.87)])
def test_the_cost_is_told_in_dollars(cents, dollars):
    assert detail_of(job_with(cost_cents=cents), EventType.SUBMITTED)["data"]["cost_usd"] == dollars


def test_a_failed_job_says_why():
    reason = Reason(ReasonCode.GENERATION_FAILED, "It did not work: no faces", provider_error="no faces")

    assert detail_of(job_with(status=JobStatus.FAILED, reason=reason), EventType.FAILED)["data"]["reason"] == {
        "code": "generation_failed",
        "message": "It did not work: no faces",
        "messages": ["It did not work: no faces"],
        "provider_error": "no faces",
        "next_step": "Read what the provider said, change the image or the prompt, and upload the image again.",
    }


BALANCE = Reason(ReasonCode.PROVIDER_BALANCE, "No money is left.", provider_error="Insufficient balance")
FULL = Reason(ReasonCode.DAILY_LIMIT, "The daily limit would be passed.")


def test_a_waiting_job_says_why_and_what_to_do():
    data = detail_of(
        job_with(status=JobStatus.DEFERRED, generation_id=None, reason=BALANCE, notices={EventType.DEFERRED: BALANCE}),
        EventType.DEFERRED,
    )["data"]

    assert (data["status"], data["generation_id"], data["charge"], data["video"]) == ("deferred", None, "none", None)
    assert (data["reason"]["code"], data["reason"]["provider_error"]) == ("provider_balance", "Insufficient balance")
    assert "Add money" in data["reason"]["next_step"]


@pytest.mark.parametrize(("attempt", "charge"), [(1, "none"), (2, "charged")])
@pytest.mark.parametrize("status", [JobStatus.GENERATING, JobStatus.COMPLETED, JobStatus.UNKNOWN])
@pytest.mark.parametrize(
    ("event", "waits", "reason", "step"),
    [
        (EventType.DEFERRED, "deferred", BALANCE, "Add money"),
        (EventType.HELD, "held", FULL, "when the day (UTC) changes"),
    ],
)
def test_a_waiting_event_published_late_tells_of_its_own_moment(event, waits, reason, step, status, attempt, charge):
    later = Reason(ReasonCode.SUBMISSION_UNKNOWN, "x") if status is JobStatus.UNKNOWN else None
    job = job_with(
        status=status, attempt=attempt, charge=Charge.CHARGED, video=VIDEO, reason=later, notices={event: reason}
    )

    data = detail_of(job, event)["data"]

    assert (data["status"], data["generation_id"], data["charge"], data["video"]) == (waits, None, charge, None)
    assert data["reason"]["code"] == reason.code
    assert step in data["reason"]["next_step"]


def test_a_job_that_waits_for_two_things_in_turn_tells_each_by_its_own_event():
    notices = {EventType.DEFERRED: BALANCE, EventType.HELD: FULL}
    job = job_with(status=JobStatus.HELD, generation_id=None, reason=FULL, notices=notices)

    told = [detail_of(job, event)["data"] for event in notices]

    assert [(data["status"], data["reason"]["code"]) for data in told] == [
        ("deferred", "provider_balance"),
        ("held", "daily_limit"),
    ]


def test_events_that_are_owed_are_published_in_the_order_in_which_they_came_about():
    assert in_order({EventType.SUBMITTED, EventType.DEFERRED, EventType.HELD}) == [
        EventType.HELD,
        EventType.DEFERRED,
        EventType.SUBMITTED,
    ]


def test_a_rejected_job_tells_each_fault_by_itself():
    job = job_with(status=JobStatus.REJECTED, reason=Reason(ReasonCode.OPTIONS_INVALID, "one. two.", ("one.", "two.")))

    assert detail_of(job, EventType.REJECTED)["data"]["reason"]["messages"] == ["one.", "two."]


def test_a_detail_says_where_each_option_came_from():
    job = job_with(option_sources={"prompt": "request"})

    assert detail_of(job, EventType.SUBMITTED)["data"]["option_sources"] == {"prompt": "request"}


def test_a_completed_job_says_where_its_video_is():
    job = job_with(status=JobStatus.COMPLETED, video=replace(VIDEO, version_id="v9"))

    assert detail_of(job, EventType.COMPLETED)["data"]["video"] == {
        "bucket": "videos",
        "key": "holiday/beach-gen_1.mp4",
        "size": 99,
        "sha256": "ab" * 32,
        "receipt_key": "holiday/beach-gen_1.json",
        "duration_seconds": 5.04,
        "width": 640,
        "height": 360,
        "version_id": "v9",
    }


def test_a_detail_is_json():
    detail = detail_of(job_with(status=JobStatus.COMPLETED, video=VIDEO, warnings=("small",)), EventType.COMPLETED)

    assert json.loads(json.dumps(detail)) == detail


def test_no_address_is_in_a_detail():
    text = json.dumps(detail_of(job_with(status=JobStatus.COMPLETED, video=VIDEO), EventType.COMPLETED))

    assert "://" not in text
    assert "Signature" not in text
