"""The exact values that are stored in the job table, the events and the executions' names."""

from dataclasses import MISSING, fields
from typing import Any

import pytest

from dropreel.domain.events import event_id
from dropreel.domain.executions import is_running
from dropreel.domain.images import Image, ImageRef
from dropreel.domain.job import (
    OPERATOR,
    PUBLISHING,
    TERMINAL,
    Charge,
    EventType,
    Job,
    JobStatus,
    VideoObject,
    job_id_of,
)
from tests.support.sample_jobs import job_with

DEFAULTS: dict[type, dict[str, Any]] = {
    ImageRef: {"version_id": None, "etag": None, "sequencer": None},
    Image: {
        "version_id": None,
        "etag": None,
        "size": None,
        "sha256": None,
        "format": None,
        "width": None,
        "height": None,
        "prepared": None,
    },
    VideoObject: {"duration_seconds": None, "width": None, "height": None, "version_id": None},
    Job: {
        "version": 0,
        "request_id": None,
        "request_fingerprint": None,
        "is_copy": False,
        "rehearsal": False,
        "modified_at": None,
        "options": None,
        "option_sources": {},
        "warnings": (),
        "cost_cents": 0,
        "prices_version": None,
        "charge": "none",
        "reserved_day": None,
        "lease_until": None,
        "requeues": 0,
        "retry_at": None,
        "waiting_since": None,
        "notices": {},
        "submitted_at": None,
        "generation_id": None,
        "provider_status": None,
        "watched_since": None,
        "resumes": 0,
        "polls": 0,
        "poll_faults": 0,
        "not_found_since": None,
        "last_fault": None,
        "reason": None,
        "video": None,
        "pending_events": frozenset(),
    },
}
"""The default of each field. All other fields are required."""


def test_the_values_of_the_index_and_of_the_charge():
    assert (PUBLISHING, OPERATOR) == ("publishing", "operator")
    assert {charge.name: charge.value for charge in Charge} == {
        "NONE": "none",
        "CHARGED": "charged",
        "UNKNOWN": "unknown",
    }


def test_the_values_of_the_statuses():
    assert {status.name: status.value for status in JobStatus} == {
        "DEFERRED": "deferred",
        "PREPARING": "preparing",
        "HELD": "held",
        "SUBMITTING": "submitting",
        "GENERATING": "generating",
        "COMPLETED": "completed",
        "FAILED": "failed",
        "REJECTED": "rejected",
        "UNKNOWN": "unknown",
    }
    assert {"completed", "failed", "rejected", "unknown"} == TERMINAL


def test_the_detail_types_and_their_order():
    assert [(event.name, event.value) for event in EventType] == [
        ("HELD", "Video Generation Held"),
        ("DEFERRED", "Video Generation Deferred"),
        ("SUBMITTED", "Video Generation Submitted"),
        ("COMPLETED", "Video Generation Completed"),
        ("FAILED", "Video Generation Failed"),
        ("REJECTED", "Video Generation Rejected"),
        ("UNKNOWN", "Video Generation Unknown"),
    ]


@pytest.mark.parametrize("kind", DEFAULTS)
def test_the_defaults_of_the_fields(kind):
    found = (
        kind._field_defaults
        if issubclass(kind, tuple)
        else {
            each.name: each.default_factory() if each.default_factory is not MISSING else each.default
            for each in fields(kind)
            if not (each.default is MISSING and each.default_factory is MISSING)
        }
    )

    assert found == DEFAULTS[kind]
    assert {name: type(value) for name, value in found.items() if name != "charge"} == {
        name: type(value) for name, value in DEFAULTS[kind].items() if name != "charge"
    }


@pytest.mark.parametrize(
    ("image", "more", "job_id"),
    [
        (ImageRef("uploads", "a.jpg", "v1", "e1", "s1"), (), "d8ca5908934ab87a991bd5f3"),
        (ImageRef("uploads", "a.jpg", None, "e1", "s1"), (), "abd018fbbe0888896027c245"),
        (ImageRef("uploads", "a.jpg", None, "e1"), (), "a41e1083116652b78b792935"),
        (ImageRef("uploads", "a.jpg"), (), "8f690f3e9afa7e9892282ad0"),
        (ImageRef("uploads", "a.jpg", "v1"), ("r1",), "2f1201094d546c618940b60e"),
        (ImageRef("uploads", "a.jpg", "v1"), ("r1", "f1"), "724decba7cc2f3a1de11e169"),
    ],
)
def test_a_job_id_stays_the_same_from_version_to_version(image, more, job_id):
    """A message that waits during an update of the stack must find its job."""
    assert job_id_of(image, *more) == job_id


@pytest.mark.parametrize(
    ("resumes", "found"), [(0, "a853a1d3fe975d523ee4494c54e7f9fc"), (1, "41e03b58cde1580dfdd23cc28986d47d")]
)
def test_an_events_id_stays_the_same_from_version_to_version(resumes, found):
    assert event_id(job_with(job_id="a" * 24, attempt=2, resumes=resumes), EventType.FAILED) == found


@pytest.mark.parametrize(
    ("status", "goes_on"),
    [
        ("RUNNING", True),
        ("PENDING_REDRIVE", True),
        ("SUCCEEDED", False),
        ("FAILED", False),
        ("TIMED_OUT", False),
        ("ABORTED", False),
        (None, False),
    ],
)
def test_an_execution_runs_while_it_is_running_or_pending_redrive(status, goes_on):
    assert is_running(status) is goes_on
