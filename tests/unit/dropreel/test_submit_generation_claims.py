"""The claim: the intent is written before the POST, with its reservation, and one message leads to one POST at most."""

import copy
from contextlib import suppress
from datetime import timedelta

import pytest

from dropreel.answers import Ambiguous, Busy, Refused
from dropreel.errors import TryAgain
from dropreel.jobs import Charge, EventType, JobStatus
from dropreel.messages import RetryMessage
from dropreel.spending import next_day
from dropreel.use_cases.submit_generation import KEEP_SECONDS, LEASE, MAX_CONFLICTS, NEEDED, SUBMIT_SECONDS
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.interleaving import just_after, just_before
from tests.unit.dropreel.sample_jobs import NOON
from tests.unit.dropreel.world import ACCEPTED, JOB_ID, SECONDS_LEFT, World

MIDNIGHT = next_day(NOON)
READS = ("get", "find", "list_keys", "read_file")

# --- the order of things ----------------------------------------------------------------------------------------------


def test_all_that_can_fail_comes_before_the_claim_and_the_post_right_after_it(world: World):
    world.run()

    order = [action for action in world.journal if action not in READS]
    assert order == [
        *("save deferred", "presign", "prepare", "save submitting", "post"),
        *("save generating", "start", "publish", "save generating"),
    ]


def test_the_price_is_reserved_with_the_claim_and_on_its_day(world: World):
    world.provider.broken_before.add("post")

    with pytest.raises(OutOfOrderError):
        world.run()

    assert world.database.reserved == {"2026-05-04": 47}
    assert (world.job.status, world.job.reserved_day) == (JobStatus.SUBMITTING, "2026-05-04")


def test_a_claim_is_leased_for_longer_than_the_function_runs(world: World):
    world.provider.broken_after.add("post")

    with pytest.raises(OutOfOrderError):
        world.run()

    assert world.job.lease_until == world.clock.time + LEASE
    assert timedelta(seconds=SECONDS_LEFT) < LEASE


def test_a_claim_has_a_row_of_its_own(world: World):
    world.provider.broken_before.add("post")

    with pytest.raises(OutOfOrderError):
        world.run()

    (row,) = world.database.tables.rows("attempt")
    assert (row["row"], row["status"], row["charge"], row["day"], row["cost_cents"]) == (
        *("attempt#01#0000", "submitting", "unknown", "2026-05-04", 47),
    )


def test_each_submission_of_an_attempt_has_a_row_and_what_it_was_charged(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.run()
    world.provider.submit_answer = ACCEPTED
    world.comes_again()

    rows = [(row["row"], row["status"], row["charge"]) for row in world.database.tables.rows("attempt")]
    assert rows == [("attempt#01#0000", "deferred", "none"), ("attempt#01#0001", "generating", "charged")]


# --- two at once ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["save submitting", "prepare", "find"])
def test_of_two_deliveries_at_once_one_submits(world: World, action):
    outcomes = []
    outside = {"save submitting": world.database, "prepare": world.provider, "find": world.images}[action]
    just_before(outside, action, lambda: outcomes.append(world.run()))

    outcomes.append(world.run())

    assert outcomes == ["generating", "generating"]
    assert (len(world.provider.sent), world.reserved) == (1, 47)


def test_a_delivery_that_loses_its_claim_to_one_under_way_leaves_it_alone(world: World):
    def other() -> None:
        world.provider.broken_before.add("post")
        with pytest.raises(OutOfOrderError):
            world.run()
        world.provider.broken_before.clear()

    just_before(world.database, "save submitting", other)

    assert world.run() == "submitting"
    assert (world.provider.sent, world.reserved, world.bus.types) == ([], 47, [])


def test_a_claim_that_was_written_and_reported_as_failed_sends_nothing(world: World):
    world.database.broken_after.add("save submitting")

    with pytest.raises(OutOfOrderError):
        world.run()
    world.database.broken_after.clear()

    assert world.run() == "submitting"
    assert (world.provider.sent, world.reserved) == ([], 47)


def test_a_message_claims_once_even_if_its_job_is_put_back(world: World):
    """The attempt's row is there, whatever the job says: somebody may restore an item or edit it by hand."""
    items = world.database.tables.items["jobs"]
    before: dict[str, object] = {}
    just_after(world.database, "save deferred", lambda: before.update(copy.deepcopy(items[JOB_ID, "job"])))
    world.run()

    items[JOB_ID, "job"] = dict(before)  # type: ignore[arg-type]

    with pytest.raises(TryAgain):
        world.run()
    assert world.job.status is JobStatus.DEFERRED
    assert (len(world.provider.sent), world.reserved) == (1, 47)
    assert world.journal.count("save submitting") == 1 + MAX_CONFLICTS


def test_a_message_of_ours_claims_once_even_if_its_job_is_put_back(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.run()
    items = world.database.tables.items["jobs"]
    deferred = copy.deepcopy(items[JOB_ID, "job"])
    message = world.queue.sent[0][0]
    world.provider.submit_answer = ACCEPTED
    world.comes_again()

    items[JOB_ID, "job"] = deferred

    with pytest.raises(TryAgain):
        world.run(message)
    assert (len(world.provider.sent), world.reserved) == (2, 47)


# --- a death anywhere -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outside", "when", "action"),
    [
        ("database", "broken_after", "save submitting"),
        ("provider", "broken_before", "post"),
        ("provider", "broken_after", "post"),
        ("database", "broken_before", "save generating"),
        ("database", "broken_after", "save generating"),
        ("state_machine", "broken_before", "start"),
        ("state_machine", "broken_after", "start"),
        ("bus", "broken_before", "publish"),
        ("bus", "broken_after", "publish"),
    ],
)
def test_a_crash_from_the_claim_on_never_leads_to_a_second_post(world: World, outside, when, action):
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    with suppress(OutOfOrderError):
        world.run()
    broken.clear()

    world.delivered_again()

    assert len(world.provider.sent) <= 1
    assert world.journal.count("prepare") == 1
    assert world.job.status in (JobStatus.GENERATING, JobStatus.UNKNOWN)
    assert world.job.pending_events == frozenset()
    assert world.reserved == 47


@pytest.mark.parametrize(
    ("action", "answer"),
    [("save rejected", Refused(400, "too dark")), ("save unknown", Ambiguous("ReadTimeout"))],
)
@pytest.mark.parametrize("when", ["broken_before", "broken_after"])
def test_a_crash_while_an_end_is_written_never_leads_to_a_second_post(world: World, when, action, answer):
    world.provider.submit_answer = answer
    broken = getattr(world.database, when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        world.run()
    broken.clear()
    world.provider.submit_answer = ACCEPTED

    world.delivered_again()

    assert len(world.provider.sent) == 1
    assert world.job.is_terminal


def test_a_crash_before_a_deferral_is_written_leaves_an_unknown_submission(world: World):
    world.provider.submit_answer = Busy(429, None)
    just_after(world.provider, "post", lambda: world.database.broken_before.add("save deferred"))
    with pytest.raises(OutOfOrderError):
        world.run()
    world.database.broken_before.clear()
    world.provider.submit_answer = ACCEPTED

    world.delivered_again()

    assert len(world.provider.sent) == 1
    assert world.job.status is JobStatus.UNKNOWN
    assert world.reserved == 47


def test_a_submission_under_a_live_lease_is_left_alone(world: World):
    world.has(status=JobStatus.SUBMITTING, generation_id=None, lease_until=world.clock.time + LEASE)
    world.clock.pass_seconds(LEASE.total_seconds() - 1)

    outcome = world.run()

    assert outcome == "submitting"
    assert world.job.status is JobStatus.SUBMITTING
    assert (world.provider.sent, world.bus.published) == ([], [])


@pytest.mark.parametrize("late_seconds", [0, 1, 1_000_000])
def test_a_submission_whose_lease_is_over_may_have_been_charged(world: World, late_seconds):
    world.has(status=JobStatus.SUBMITTING, generation_id=None, lease_until=world.clock.time)
    world.clock.pass_seconds(late_seconds)

    outcome = world.run()

    assert outcome == "unknown"
    assert (world.job.charge, world.job.reason and world.job.reason.code) == (Charge.UNKNOWN, "submission_unknown")
    assert world.bus.types == [EventType.UNKNOWN]
    assert world.provider.sent == []


# --- the function's time ----------------------------------------------------------------------------------------------


def test_nothing_is_claimed_with_too_little_time_left(world: World):
    with pytest.raises(TryAgain):
        world.run(seconds_left=NEEDED.total_seconds() - 1)

    assert (world.job.status, world.reserved, world.provider.sent) == (JobStatus.DEFERRED, 0, [])
    assert world.database.tables.rows("attempt") == []
    assert world.run(seconds_left=NEEDED.total_seconds()) == "generating"


def test_time_that_the_validation_took_counts(world: World):
    just_before(world.provider, "prepare", lambda: world.clock.pass_seconds(SECONDS_LEFT - NEEDED.total_seconds() + 1))

    with pytest.raises(TryAgain):
        world.run()

    assert (world.reserved, world.provider.sent) == (0, [])


@pytest.mark.parametrize(("spare", "posts"), [(-1, 0), (0, 1)])
def test_a_claim_that_took_too_long_is_released_and_nothing_is_sent(world: World, spare, posts):
    limit = SECONDS_LEFT - SUBMIT_SECONDS - KEEP_SECONDS / 2
    just_after(world.database, "save submitting", lambda: world.clock.pass_seconds(limit - spare))

    outcome = world.run()

    assert len(world.provider.sent) == posts
    assert (outcome, world.reserved) == (("generating", 47) if posts else ("deferred", 0))


def test_a_job_whose_claim_took_too_long_comes_again_by_a_message(world: World):
    just_after(world.database, "save submitting", lambda: world.clock.pass_seconds(SECONDS_LEFT / 2))
    world.run()

    assert (world.job.charge, world.job.reason and world.job.reason.code) == (Charge.NONE, "provider_unreachable")
    assert [message for message, _ in world.queue.sent] == [RetryMessage(JOB_ID, 1, 1)]
    assert world.database.tables.rows("attempt")[0]["charge"] == "none"
    assert world.comes_again() == "generating"
    assert (len(world.provider.sent), world.reserved) == (1, 47)


# --- the end of the day (UTC) -----------------------------------------------------------------------------------------


def test_nothing_is_claimed_when_the_post_could_end_on_the_next_day(world: World):
    world.clock.time = MIDNIGHT - timedelta(seconds=40)

    outcome = world.run()

    assert outcome == "deferred"
    assert (world.provider.sent, world.database.reserved) == ([], {})
    assert world.job.retry_at == MIDNIGHT
    assert world.queue.sent == [(RetryMessage(JOB_ID, 1, 1), 40)]
    assert (world.job.reason, world.bus.types) == (None, [])


def test_what_waits_for_the_next_day_is_validated_and_claimed_on_it(world: World):
    world.clock.time = MIDNIGHT - timedelta(seconds=40)
    world.image.metadata = {"mode": "hq"}
    world.run()
    assert world.job.options is not None
    assert (world.job.options.mode, world.job.cost_cents, world.job.image.format) == ("hq", 94, "JPEG")

    outcome = world.comes_again()

    assert outcome == "generating"
    assert world.database.reserved == {"2026-05-05": 94}
    assert (world.job.reserved_day, len(world.provider.sent)) == ("2026-05-05", 1)


@pytest.mark.parametrize(
    ("seconds_to_midnight", "outcome"), [(SECONDS_LEFT, "deferred"), (SECONDS_LEFT + 1, "generating")]
)
def test_a_deadline_at_midnight_lies_on_the_next_day(world: World, seconds_to_midnight, outcome):
    world.clock.time = MIDNIGHT - timedelta(seconds=seconds_to_midnight)

    assert world.run() == outcome


def test_a_wrong_image_is_rejected_even_just_before_midnight(world: World):
    world.clock.time = MIDNIGHT - timedelta(seconds=40)
    world.image.content = b"notes"

    assert world.run() == "rejected"


def test_copies_of_what_waits_for_the_next_day_claim_nothing(world: World):
    world.clock.time = MIDNIGHT - timedelta(seconds=40)
    world.run()

    outcomes = [world.run() for _ in range(3)]

    assert outcomes == ["overtaken"] * 3
    assert len(world.queue.sent) == 1


def test_a_deferred_job_waits_for_the_next_day_too(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.clock.time = MIDNIGHT - timedelta(seconds=SECONDS_LEFT + 10)
    world.run()
    world.provider.submit_answer = ACCEPTED

    assert world.comes_again() == "deferred"
    assert world.database.reserved == {"2026-05-04": 0}
    assert world.comes_again() == "generating"
    assert world.database.reserved == {"2026-05-04": 0, "2026-05-05": 47}


def test_a_reservation_is_released_on_the_day_that_it_was_made(world: World):
    world.provider.submit_answer = Busy(429, None)
    just_after(world.provider, "post", lambda: world.clock.pass_seconds(86_400))

    world.run()

    assert world.database.reserved == {"2026-05-04": 0}


def test_a_reservation_is_released_once_however_often_the_message_comes(world: World):
    world.database.reserve("2026-05-04", 500)
    world.provider.submit_answer = Refused(400, "too dark")

    world.run()
    world.delivered_again()

    assert world.reserved == 500
