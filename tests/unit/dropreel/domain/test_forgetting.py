"""A job without its owner's words."""

from dataclasses import fields, replace
from typing import Any

import pytest

from dropreel.adapters.items import attribute_value, values_of
from dropreel.adapters.job_table import item_of, job_of
from dropreel.domain.forgetting import FORGOTTEN, forget_refusal, forgotten, is_forgotten
from dropreel.domain.job import TERMINAL, Charge, EventType, Job, JobStatus, PollFaultNote
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import NOON, OPTIONS, VIDEO, job_with

WORDS = "Anna dances in Lindau"
SPOKEN = Reason(ReasonCode.GENERATION_FAILED, f"It said: {WORDS}", (f"a {WORDS}", f"b {WORDS}"), WORDS)


def wordy_job(**changes: Any) -> Job:
    """Return a failed job that repeats its owner's words in every place that can."""
    fields: dict[str, Any] = {
        "status": JobStatus.FAILED,
        "charge": Charge.CHARGED,
        "options": OPTIONS._replace(prompt=WORDS, negative_prompt=f"no {WORDS}"),
        "reason": SPOKEN,
        "notices": {EventType.DEFERRED: SPOKEN},
        "last_fault": PollFaultNote(WORDS, NOON),
        "reserved_day": "2026-05-04",
        "video": VIDEO,
        "warnings": ("The image has 60 x 40 pixels.",),
    }
    return job_with(**{**fields, **changes})


def test_no_word_of_the_owner_is_left_in_the_row() -> None:
    assert WORDS in str(item_of(wordy_job()))

    assert WORDS not in str(item_of(forgotten(wordy_job())))


def test_all_else_stays_as_it_is() -> None:
    before, after = wordy_job(), forgotten(wordy_job())

    changed = {one.name for one in fields(Job) if getattr(before, one.name) != getattr(after, one.name)}
    assert changed == {"options", "reason", "notices", "last_fault"}
    assert before.options is not None
    assert after.options == before.options._replace(prompt=FORGOTTEN, negative_prompt=FORGOTTEN)
    assert (after.reason.code, after.reason.provider_error) == (SPOKEN.code, FORGOTTEN) if after.reason else False
    assert after.last_fault == PollFaultNote(FORGOTTEN, NOON)


def test_what_was_empty_stays_empty() -> None:
    job = job_with(status=JobStatus.COMPLETED, options=OPTIONS._replace(negative_prompt=""))

    after = forgotten(job)

    assert after.options is not None
    assert after.options.negative_prompt == ""
    assert (after.reason, dict(after.notices), after.last_fault) == (None, {}, None)
    assert forgotten(replace(job, options=None)).options is None


def test_it_can_be_repeated_also_after_it_was_stored() -> None:
    once = forgotten(wordy_job())

    assert forgotten(once) == once
    item = {**item_of(once), "job_id": once.job_id, "version": once.version}
    stored = job_of(values_of({name: attribute_value(value) for name, value in item.items() if value is not None}))
    assert forgotten(stored) == stored


def test_a_forgotten_job_is_known_by_its_prompt() -> None:
    assert is_forgotten(forgotten(wordy_job()))
    assert not is_forgotten(wordy_job())
    assert not is_forgotten(wordy_job(options=None))


@pytest.mark.parametrize("status", sorted(TERMINAL - {JobStatus.UNKNOWN}))
def test_a_job_that_has_ended_can_be_forgotten(status: JobStatus) -> None:
    assert forget_refusal(job_with(status=status)) is None


@pytest.mark.parametrize("status", sorted(TERMINAL - {JobStatus.UNKNOWN}))
def test_a_job_that_owes_an_event_is_refused_until_it_is_published(status: JobStatus) -> None:
    refused = forget_refusal(job_with(status=status, pending_events=frozenset({EventType.SUBMITTED})))

    assert refused is not None
    assert "its event is not published yet" in refused


@pytest.mark.parametrize(
    ("status", "way"),
    [
        (JobStatus.UNKNOWN, "Settle it first: dropreel adopt, or dropreel abandon 0123456789abcdef01234567."),
        (JobStatus.SUBMITTING, "Wait for its video: it may be paid already."),
        (JobStatus.GENERATING, "Wait for its video: it is paid already."),
        *((one, "Wait until it has ended.") for one in (JobStatus.HELD, JobStatus.DEFERRED, JobStatus.PREPARING)),
        (JobStatus.HELD, "delete all versions of the image, and of its prepared copy"),
    ],
)
def test_a_job_that_has_not_ended_is_refused_with_what_to_do(status: JobStatus, way: str) -> None:
    refused = forget_refusal(job_with(status=status))

    assert refused is not None
    assert refused.startswith(f"Job 0123456789abcdef01234567 is {status.value}. ")
    assert way in refused


@pytest.mark.parametrize("has_options", [True, False])
def test_a_job_is_forgotten_or_not_with_and_without_options(has_options: bool) -> None:
    job = wordy_job() if has_options else wordy_job(options=None)

    assert (is_forgotten(job), is_forgotten(forgotten(job))) == (False, True)
    assert not is_forgotten(job_with(options=None, reason=None))
