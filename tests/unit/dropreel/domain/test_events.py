import json
import re
from itertools import product

import pytest

from dropreel.domain.events import detail_of, event_id, in_order
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.fake_stack import FakeStack
from tests.support.sample_jobs import OPTIONS, VIDEO, job_with


def test_a_repeated_event_has_the_same_id():
    job = job_with()

    assert detail_of(job, EventType.SUBMITTED)["metadata"] == detail_of(job, EventType.SUBMITTED)["metadata"]


def test_an_event_id_does_not_depend_on_later_changes_of_the_job():
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


def test_a_detail_has_metadata_and_data():
    detail = detail_of(job_with(), EventType.SUBMITTED)

    assert set(detail) == {"metadata", "data"}
    assert set(detail["metadata"]) == {"version", "id", "stack", "rehearsal"}
    assert set(detail["data"]) >= {
        *("job_id", "status", "image", "options", "generation_id", "attempt", "cost_usd", "charge", "reason", "video"),
    }


def test_an_event_names_the_stack_that_publishes_it():
    stack = FakeStack()
    stack.bus.stack = "shop"

    stack.run()

    assert [detail["metadata"]["stack"] for _, detail in stack.bus.published] == ["shop"]


def test_a_detail_has_the_job():
    data = detail_of(job_with(attempt=2, warnings=("small",), charge=Charge.CHARGED), EventType.SUBMITTED)["data"]

    assert data["status"] == "generating"
    assert data["attempt"] == 2
    assert data["charge"] == "charged"
    assert data["options"] == OPTIONS._asdict()
    assert data["image"]["key"] == "holiday/beach.jpg"
    assert data["warnings"] == ["small"]
    assert (data["reason"], data["video"]) == (None, None)


@pytest.mark.parametrize(("cents", "dollars"), [(0, 0.0), (47, 0.47), (187, 1.87)])
def test_the_cost_is_in_dollars(cents, dollars):
    assert detail_of(job_with(cost_cents=cents), EventType.SUBMITTED)["data"]["cost_usd"] == dollars


def test_a_failed_job_has_its_reason():
    reason = Reason(ReasonCode.GENERATION_FAILED, "It did not work: no faces", provider_error="no faces")

    assert detail_of(job_with(status=JobStatus.FAILED, reason=reason), EventType.FAILED)["data"]["reason"] == {
        "code": "generation_failed",
        "message": "It did not work: no faces",
        "messages": ["It did not work: no faces"],
        "provider_error": "no faces",
        "next_step": "Read the provider's message, change the image or the prompt, and upload the image again.",
    }


BALANCE = Reason(ReasonCode.PROVIDER_BALANCE, "No money is left.", provider_error="Insufficient balance")
FULL = Reason(ReasonCode.DAILY_LIMIT, "The daily limit would be passed.")


def test_a_waiting_job_has_its_reason_and_next_step():
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
def test_a_late_waiting_event_shows_the_job_as_it_was_then(event, waits, reason, step, status, attempt, charge):
    later = Reason(ReasonCode.SUBMISSION_UNKNOWN, "x") if status is JobStatus.UNKNOWN else None
    job = job_with(
        status=status, attempt=attempt, charge=Charge.CHARGED, video=VIDEO, reason=later, notices={event: reason}
    )

    data = detail_of(job, event)["data"]

    assert (data["status"], data["generation_id"], data["charge"], data["video"]) == (waits, None, charge, None)
    assert data["reason"]["code"] == reason.code
    assert step in data["reason"]["next_step"]


def test_each_of_two_waits_has_its_own_event():
    notices = {EventType.DEFERRED: BALANCE, EventType.HELD: FULL}
    job = job_with(status=JobStatus.HELD, generation_id=None, reason=FULL, notices=notices)

    details = [detail_of(job, event)["data"] for event in notices]

    assert [(data["status"], data["reason"]["code"]) for data in details] == [
        ("deferred", "provider_balance"),
        ("held", "daily_limit"),
    ]


def test_pending_events_are_published_in_the_order_of_the_steps():
    assert in_order({EventType.SUBMITTED, EventType.DEFERRED, EventType.HELD}) == [
        EventType.HELD,
        EventType.DEFERRED,
        EventType.SUBMITTED,
    ]


def test_a_rejected_job_has_each_fault_separately():
    job = job_with(status=JobStatus.REJECTED, reason=Reason(ReasonCode.OPTIONS_INVALID, "one. two.", ("one.", "two.")))

    assert detail_of(job, EventType.REJECTED)["data"]["reason"]["messages"] == ["one.", "two."]


def test_a_detail_has_the_source_of_each_option():
    job = job_with(option_sources={"prompt": "request"})

    assert detail_of(job, EventType.SUBMITTED)["data"]["option_sources"] == {"prompt": "request"}


def test_a_completed_job_has_its_video():
    job = job_with(status=JobStatus.COMPLETED, video=VIDEO._replace(version_id="v9"))

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


def test_no_signed_url_is_in_a_detail():
    text = json.dumps(detail_of(job_with(status=JobStatus.COMPLETED, video=VIDEO), EventType.COMPLETED))

    assert "://" not in text
    assert "Signature" not in text
