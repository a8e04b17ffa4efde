"""The claim: intent and reservation are written before the POST; one message leads to one POST at most."""

import copy
from contextlib import suppress
from datetime import timedelta

import pytest

from dropreel.domain.days import next_day
from dropreel.domain.errors import RetryLater
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.prices import PRICE_CENTS
from dropreel.provider.limits import SUBMIT_SECONDS
from dropreel.provider.submit_answers import Busy, Refused, Unknown
from dropreel.use_cases.submit_generation import LEASE, MAX_CONFLICTS, MIN_TIME_LEFT, SAVE_SECONDS
from tests.support.fake_stack import ACCEPTED, JOB_ID, SECONDS_LEFT, FakeStack
from tests.support.fakes import OutageError
from tests.support.interleaving import just_after, just_before
from tests.support.sample_jobs import NOON, PRICE

MIDNIGHT = next_day(NOON)
READS = ("get", "find", "list_keys", "read_file")

# --- the order of writes ----------------------------------------------------------------------------------------------


def test_all_that_can_fail_is_before_the_claim_and_the_post_right_after(stack: FakeStack):
    stack.run()

    order = [action for action in stack.journal if action not in READS]
    assert order == [
        *("save deferred", "presign", "prepare", "save submitting", "post"),
        *("save generating", "start", "publish", "save generating"),
    ]


def test_the_price_is_reserved_with_the_claim_and_on_its_day(stack: FakeStack):
    stack.provider.fails_before.add("post")

    with pytest.raises(OutageError):
        stack.run()

    assert stack.database.reserved == {"2026-05-04": PRICE}
    assert (stack.job.status, stack.job.reserved_day) == (JobStatus.SUBMITTING, "2026-05-04")


def test_a_claim_is_leased_for_longer_than_the_function_runs(stack: FakeStack):
    stack.provider.fails_after.add("post")

    with pytest.raises(OutageError):
        stack.run()

    assert stack.job.lease_until == stack.clock.time + LEASE
    assert timedelta(seconds=SECONDS_LEFT) < LEASE


def test_a_claim_has_a_row_of_its_own(stack: FakeStack):
    stack.provider.fails_before.add("post")

    with pytest.raises(OutageError):
        stack.run()

    (row,) = stack.database.tables.rows("attempt")
    assert (row["row"], row["status"], row["charge"], row["day"], row["cost_cents"]) == (
        *("attempt#01#0000", "submitting", "unknown", "2026-05-04", PRICE),
    )


def test_each_submission_of_an_attempt_has_a_row_and_what_it_was_charged(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run()
    stack.provider.submit_answer = ACCEPTED
    stack.deliver_retry_message()

    rows = [(row["row"], row["status"], row["charge"]) for row in stack.database.tables.rows("attempt")]
    assert rows == [("attempt#01#0000", "deferred", "none"), ("attempt#01#0001", "generating", "charged")]


# --- concurrency ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["save submitting", "prepare", "find"])
def test_of_two_concurrent_deliveries_one_submits(stack: FakeStack, action):
    outcomes = []
    outside = {"save submitting": stack.database, "prepare": stack.provider, "find": stack.images}[action]
    just_before(outside, action, lambda: outcomes.append(stack.run()))

    outcomes.append(stack.run())

    assert outcomes == ["generating", "generating"]
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)


def test_a_delivery_that_loses_the_claim_changes_nothing(stack: FakeStack):
    def other() -> None:
        stack.provider.fails_before.add("post")
        with pytest.raises(OutageError):
            stack.run()
        stack.provider.fails_before.clear()

    just_before(stack.database, "save submitting", other)

    assert stack.run() == "submitting"
    assert (stack.provider.sent, stack.reserved, stack.bus.types) == ([], PRICE, [])


def test_a_claim_that_was_written_and_reported_as_failed_sends_nothing(stack: FakeStack):
    stack.database.fails_after.add("save submitting")

    with pytest.raises(OutageError):
        stack.run()
    stack.database.fails_after.clear()

    assert stack.run() == "submitting"
    assert (stack.provider.sent, stack.reserved) == ([], PRICE)


def test_a_message_claims_once_even_if_its_job_is_restored(stack: FakeStack):
    """The attempt's row is there, whatever the job says: an operator may restore or edit an item."""
    items = stack.database.tables.items["jobs"]
    before: dict[str, object] = {}
    just_after(stack.database, "save deferred", lambda: before.update(copy.deepcopy(items[JOB_ID, "job"])))
    stack.run()

    items[JOB_ID, "job"] = dict(before)  # type: ignore[arg-type]

    with pytest.raises(RetryLater):
        stack.run()
    assert stack.job.status is JobStatus.DEFERRED
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)
    assert stack.journal.count("save submitting") == 1 + MAX_CONFLICTS


def test_a_retry_message_claims_once_even_if_its_job_is_restored(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.run()
    items = stack.database.tables.items["jobs"]
    deferred = copy.deepcopy(items[JOB_ID, "job"])
    message = stack.queue.sent[0][0]
    stack.provider.submit_answer = ACCEPTED
    stack.deliver_retry_message()

    items[JOB_ID, "job"] = deferred

    with pytest.raises(RetryLater):
        stack.run(message)
    assert (len(stack.provider.sent), stack.reserved) == (2, PRICE)


# --- a crash anywhere -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outside", "when", "action"),
    [
        ("database", "fails_after", "save submitting"),
        ("provider", "fails_before", "post"),
        ("provider", "fails_after", "post"),
        ("database", "fails_before", "save generating"),
        ("database", "fails_after", "save generating"),
        ("state_machine", "fails_before", "start"),
        ("state_machine", "fails_after", "start"),
        ("bus", "fails_before", "publish"),
        ("bus", "fails_after", "publish"),
    ],
)
def test_a_crash_after_the_claim_never_leads_to_a_second_post(stack: FakeStack, outside, when, action):
    broken = getattr(getattr(stack, outside), when)
    broken.add(action)
    with suppress(OutageError):
        stack.run()
    broken.clear()

    stack.redeliver()

    assert len(stack.provider.sent) <= 1
    assert stack.journal.count("prepare") == 1
    assert stack.job.status in (JobStatus.GENERATING, JobStatus.UNKNOWN)
    assert stack.job.pending_events == frozenset()
    assert stack.reserved == PRICE


@pytest.mark.parametrize(
    ("action", "answer"),
    [("save rejected", Refused(400, "too dark")), ("save unknown", Unknown("ReadTimeout"))],
)
@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
def test_a_crash_while_an_end_is_written_never_leads_to_a_second_post(stack: FakeStack, when, action, answer):
    stack.provider.submit_answer = answer
    broken = getattr(stack.database, when)
    broken.add(action)
    with pytest.raises(OutageError):
        stack.run()
    broken.clear()
    stack.provider.submit_answer = ACCEPTED

    stack.redeliver()

    assert len(stack.provider.sent) == 1
    assert stack.job.is_terminal


def test_a_crash_before_a_deferral_is_written_leaves_an_unknown_submission(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, None)
    just_after(stack.provider, "post", lambda: stack.database.fails_before.add("save deferred"))
    with pytest.raises(OutageError):
        stack.run()
    stack.database.fails_before.clear()
    stack.provider.submit_answer = ACCEPTED

    stack.redeliver()

    assert len(stack.provider.sent) == 1
    assert stack.job.status is JobStatus.UNKNOWN
    assert stack.reserved == PRICE


def test_a_submission_under_its_lease_is_not_changed(stack: FakeStack):
    stack.put_job(status=JobStatus.SUBMITTING, generation_id=None, lease_until=stack.clock.time + LEASE)
    stack.clock.pass_seconds(LEASE.total_seconds() - 1)

    outcome = stack.run()

    assert outcome == "submitting"
    assert stack.job.status is JobStatus.SUBMITTING
    assert (stack.provider.sent, stack.bus.published) == ([], [])


@pytest.mark.parametrize("late_seconds", [0, 1, 1_000_000])
def test_a_submission_whose_lease_is_over_may_have_been_charged(stack: FakeStack, late_seconds):
    stack.put_job(status=JobStatus.SUBMITTING, generation_id=None, lease_until=stack.clock.time)
    stack.clock.pass_seconds(late_seconds)

    outcome = stack.run()

    assert outcome == "unknown"
    assert (stack.job.charge, stack.job.reason and stack.job.reason.code) == (Charge.UNKNOWN, "submission_unknown")
    assert stack.bus.types == [EventType.UNKNOWN]
    assert stack.provider.sent == []


# --- the function's time ----------------------------------------------------------------------------------------------


def test_nothing_is_claimed_with_too_little_time_left(stack: FakeStack):
    with pytest.raises(RetryLater):
        stack.run(seconds_left=MIN_TIME_LEFT.total_seconds() - 1)

    assert (stack.job.status, stack.reserved, stack.provider.sent) == (JobStatus.DEFERRED, 0, [])
    assert stack.database.tables.rows("attempt") == []
    assert stack.run(seconds_left=MIN_TIME_LEFT.total_seconds()) == "generating"


def test_the_validations_time_counts(stack: FakeStack):
    just_before(
        stack.provider, "prepare", lambda: stack.clock.pass_seconds(SECONDS_LEFT - MIN_TIME_LEFT.total_seconds() + 1)
    )

    with pytest.raises(RetryLater):
        stack.run()

    assert (stack.reserved, stack.provider.sent) == (0, [])


@pytest.mark.parametrize(("spare", "posts"), [(-1, 0), (0, 1)])
def test_a_claim_that_took_too_long_is_released_and_nothing_is_sent(stack: FakeStack, spare, posts):
    limit = SECONDS_LEFT - SUBMIT_SECONDS - SAVE_SECONDS / 2
    just_after(stack.database, "save submitting", lambda: stack.clock.pass_seconds(limit - spare))

    outcome = stack.run()

    assert len(stack.provider.sent) == posts
    assert (outcome, stack.reserved) == (("generating", PRICE) if posts else ("deferred", 0))


def test_a_job_whose_claim_took_too_long_gets_a_retry_message(stack: FakeStack):
    just_after(stack.database, "save submitting", lambda: stack.clock.pass_seconds(SECONDS_LEFT / 2))
    stack.run()

    assert (stack.job.charge, stack.job.reason and stack.job.reason.code) == (Charge.NONE, "provider_unreachable")
    assert [message for message, _ in stack.queue.sent] == [RetryMessage(JOB_ID, 1, 1)]
    assert stack.database.tables.rows("attempt")[0]["charge"] == "none"
    assert stack.deliver_retry_message() == "generating"
    assert (len(stack.provider.sent), stack.reserved) == (1, PRICE)


# --- the end of the day (UTC) -----------------------------------------------------------------------------------------


def test_nothing_is_claimed_when_the_post_could_end_on_the_next_day(stack: FakeStack):
    stack.clock.time = MIDNIGHT - timedelta(seconds=40)

    outcome = stack.run()

    assert outcome == "deferred"
    assert (stack.provider.sent, stack.database.reserved) == ([], {})
    assert stack.job.retry_at == MIDNIGHT
    assert stack.queue.sent == [(RetryMessage(JOB_ID, 1, 1), 40)]
    assert (stack.job.reason, stack.bus.types) == (None, [])


def test_a_job_that_waits_for_the_next_day_is_validated_and_claimed_then(stack: FakeStack):
    stack.clock.time = MIDNIGHT - timedelta(seconds=40)
    stack.image.metadata = {"mode": "hq"}
    stack.run()
    assert stack.job.options is not None
    assert (stack.job.options.mode, stack.job.cost_cents, stack.job.image.format) == (
        "hq",
        PRICE_CENTS["hq", 5],
        "JPEG",
    )

    outcome = stack.deliver_retry_message()

    assert outcome == "generating"
    assert stack.database.reserved == {"2026-05-05": PRICE_CENTS["hq", 5]}
    assert (stack.job.reserved_day, len(stack.provider.sent)) == ("2026-05-05", 1)


@pytest.mark.parametrize(
    ("seconds_to_midnight", "outcome"), [(SECONDS_LEFT, "deferred"), (SECONDS_LEFT + 1, "generating")]
)
def test_a_deadline_at_midnight_is_on_the_next_day(stack: FakeStack, seconds_to_midnight, outcome):
    stack.clock.time = MIDNIGHT - timedelta(seconds=seconds_to_midnight)

    assert stack.run() == outcome


def test_a_wrong_image_is_rejected_even_just_before_midnight(stack: FakeStack):
    stack.clock.time = MIDNIGHT - timedelta(seconds=40)
    stack.image.content = b"notes"

    assert stack.run() == "rejected"


def test_duplicates_of_a_job_that_waits_for_the_next_day_claim_nothing(stack: FakeStack):
    stack.clock.time = MIDNIGHT - timedelta(seconds=40)
    stack.run()

    outcomes = [stack.run() for _ in range(3)]

    assert outcomes == ["overtaken"] * 3
    assert len(stack.queue.sent) == 1


def test_a_deferred_job_waits_for_the_next_day_too(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, 30)
    stack.clock.time = MIDNIGHT - timedelta(seconds=SECONDS_LEFT + 10)
    stack.run()
    stack.provider.submit_answer = ACCEPTED

    assert stack.deliver_retry_message() == "deferred"
    assert stack.database.reserved == {"2026-05-04": 0}
    assert stack.deliver_retry_message() == "generating"
    assert stack.database.reserved == {"2026-05-04": 0, "2026-05-05": PRICE}


def test_a_reservation_is_released_on_its_own_day(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, None)
    just_after(stack.provider, "post", lambda: stack.clock.pass_seconds(86_400))

    stack.run()

    assert stack.database.reserved == {"2026-05-04": 0}


def test_duplicate_messages_release_a_reservation_once(stack: FakeStack):
    stack.database.set_reserved("2026-05-04", 500)
    stack.provider.submit_answer = Refused(400, "too dark")

    stack.run()
    stack.redeliver()

    assert stack.reserved == 500
