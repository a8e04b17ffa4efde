"""A job's card: plain words, and the decisions that can be made, each with its price."""

from datetime import timedelta
from typing import Any

import pytest

from dropreel.domain.forgetting import FORGOTTEN
from dropreel.domain.job import Charge, JobStatus
from dropreel.domain.prices import DOCUMENTED, usd
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.web.cards import card_of
from tests.support.sample_jobs import IMAGE, NOON, OPTIONS, VIDEO, job_with

HQ = f"up to ${usd(DOCUMENTED.cents_of('hq', 5))}"
REDACTED = OPTIONS._replace(prompt=FORGOTTEN)
UNKNOWN: dict[str, Any] = {"status": JobStatus.UNKNOWN, "charge": Charge.UNKNOWN, "generation_id": None}


def actions(**changes: Any) -> dict[str, str]:
    return {one.verb: one.price for one in card_of(job_with(**changes), NOON, DOCUMENTED).actions}


def reason(code: ReasonCode, message: str = "why") -> Reason:
    return Reason(code, message)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"status": JobStatus.COMPLETED, "video": VIDEO}, {}),
        ({"status": JobStatus.FAILED, "reason": reason(ReasonCode.TIMED_OUT)}, {"resume": "$0"}),
        ({"status": JobStatus.FAILED, "reason": reason(ReasonCode.GENERATION_FAILED)}, {}),
        (UNKNOWN, {"adopt": "$0", "abandon": "$0", "resubmit": "up to $0.47"}),
        (
            {**UNKNOWN, "options": OPTIONS._replace(mode="hq")},
            {"adopt": "$0", "abandon": "$0", "resubmit": "up to $0.94"},
        ),
        ({"status": JobStatus.DEFERRED, "reason": reason(ReasonCode.DEAD_LETTER)}, {}),
        ({"status": JobStatus.FAILED, "reason": reason(ReasonCode.TIMED_OUT, FORGOTTEN), "options": REDACTED}, {}),
    ],
)
def test_the_buttons_are_the_decisions_that_are_possible(changes: dict[str, Any], expected: dict[str, str]) -> None:
    prices = actions(**changes)

    assert list(prices) == list(expected)
    assert prices == expected


@pytest.mark.parametrize(
    ("key", "folder", "name"),
    [("a.jpg", "", "a.jpg"), ("x/y/a.jpg", "x/y/", "a.jpg"), ("x/", "", "x/"), ("/a.jpg", "/", "a.jpg")],
)
def test_a_key_is_shown_as_folder_and_name(key: str, folder: str, name: str) -> None:
    card = card_of(job_with(image=IMAGE._replace(key=key)), NOON, DOCUMENTED)

    assert (card.folder, card.name) == (folder, name)


def test_seconds_count_from_the_submission_and_end_with_the_job() -> None:
    later = NOON + timedelta(seconds=75)
    running = card_of(job_with(submitted_at=NOON + timedelta(seconds=15)), later, DOCUMENTED)
    ended = card_of(job_with(status=JobStatus.COMPLETED, updated_at=NOON + timedelta(seconds=42)), later, DOCUMENTED)

    assert (running.seconds, running.since) == ("1 min 0 s", NOON + timedelta(seconds=15))
    assert (ended.seconds, ended.since) == ("42 s", None)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"status": JobStatus.REJECTED, "cost_cents": 0}, "nothing spent"),
        ({"status": JobStatus.HELD}, "$0.47"),
        ({"charge": Charge.CHARGED}, "$0.47"),
        ({"charge": Charge.UNKNOWN}, "$0.47?"),
        ({"charge": Charge.CHARGED, "attempt": 2}, "≤$0.94"),
    ],
)
def test_the_charge_is_that_of_the_job_list(changes: dict[str, Any], shown: str) -> None:
    assert card_of(job_with(**changes), NOON, DOCUMENTED).charge == shown


def test_the_buttons_replace_the_sentence_that_names_commands() -> None:
    failed = card_of(job_with(status=JobStatus.FAILED, reason=reason(ReasonCode.TIMED_OUT)), NOON, DOCUMENTED)
    refused = card_of(job_with(status=JobStatus.REJECTED, reason=reason(ReasonCode.IMAGE_FORMAT)), NOON, DOCUMENTED)

    assert failed.next_step == ""
    assert "upload the image again" in refused.next_step
