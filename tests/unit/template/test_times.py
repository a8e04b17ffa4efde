"""What must outlast what: functions, leases, messages, retries and retention."""

import re
from typing import Any

import pytest

from dropreel.adapters.image_bucket import PRESIGN_SECONDS
from dropreel.adapters.ledger import MAX_GIVE_BACK_TRIES, MAX_PAUSE_SECONDS, MAX_TRIES
from dropreel.adapters.provider_api import SUBMIT_SECONDS
from dropreel.use_cases.submit_generation import LEASE
from dropreel.use_cases.sweep_jobs import QUIET
from tests.unit.template.resolved import ROOT, resources, written

DAY = 86_400


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = resources()[name]["Properties"]
    return found


@pytest.fixture
def function_seconds() -> int:
    seconds: int = properties("SubmitGenerationFunction")["Timeout"]
    return seconds


@pytest.fixture
def hidden_seconds() -> int:
    seconds: int = properties("SubmissionQueue")["VisibilityTimeout"]
    return seconds


def test_the_function_has_time_for_the_post_and_the_ledgers_longest_pauses(function_seconds):
    pauses = (MAX_TRIES + MAX_GIVE_BACK_TRIES) * MAX_PAUSE_SECONDS

    assert function_seconds == 100
    assert pauses + SUBMIT_SECONDS < function_seconds


def test_the_images_address_outlives_the_function_and_the_providers_own_queue(function_seconds):
    """It is signed before the claim, and the provider may fetch the image only when the generation's turn comes."""
    queued_seconds = 30 * 60

    assert function_seconds + queued_seconds < PRESIGN_SECONDS
    assert PRESIGN_SECONDS == 3600  # an hour at most: the address is a secret that anybody can use


def test_a_lease_outlives_the_function_and_ends_before_its_message_comes_again(function_seconds, hidden_seconds):
    assert function_seconds + 30 <= LEASE.total_seconds() < hidden_seconds


def test_a_message_is_hidden_six_times_as_long_as_the_function_may_run(function_seconds, hidden_seconds):
    assert hidden_seconds == 6 * function_seconds


def test_the_sweeper_reminds_no_sooner_than_the_message_itself_comes_again(hidden_seconds):
    assert QUIET.total_seconds() >= hidden_seconds


def test_the_handler_knows_the_last_receive():
    handler = (ROOT / "functions" / "submit_generation" / "handler.py").read_text(encoding="utf-8")
    (last,) = re.findall(r"^MAX_RECEIVES = (\d+)", handler, re.MULTILINE)  # importing it would start the function

    assert properties("SubmissionQueue")["RedrivePolicy"]["maxReceiveCount"] == int(last)


def test_a_message_has_days_left_in_the_dead_letter_queue():
    """SQS counts a message's age from its first queue on."""
    waits = properties("SubmissionQueue")["MessageRetentionPeriod"]
    dead = properties("DeadLetterQueue")["MessageRetentionPeriod"]

    assert (waits, dead) == (10 * DAY, 14 * DAY)
    assert properties("FailedInvocationsQueue")["MessageRetentionPeriod"] == 14 * DAY


def test_a_sweep_that_failed_is_not_tried_again_while_the_next_one_runs():
    config = properties("SweepJobsFunction")["EventInvokeConfig"]

    assert config["MaximumRetryAttempts"] == 0
    assert config["MaximumEventAgeInSeconds"] <= 300


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("reliability.md", f"a lease of {LEASE.total_seconds():.0f} s"),
        ("scale.md", f"message comes back after {properties('SubmissionQueue')['VisibilityTimeout']} s"),
        ("scale.md", f"at most {properties('SubmissionQueue')['MessageRetentionPeriod'] // DAY} days in the queue"),
    ],
)
def test_the_pages_say_these_times(page, sentence):
    assert sentence in " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


def test_every_function_says_its_time_out_or_has_the_common_one():
    common = written()["Globals"]["Function"]["Timeout"]
    own = {
        name: one["Properties"].get("Timeout", common)
        for name, one in resources().items()
        if one["Type"] == "AWS::Serverless::Function"
    }

    assert all(0 < seconds <= 900 for seconds in own.values())
    assert own["SweepJobsFunction"] < 300
