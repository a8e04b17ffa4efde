"""What a submission reserves, gives back, waits for and tries again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dropreel.adapters.image_bucket import Missing
from dropreel.answers import Accepted, Ambiguous, Busy, GenerationFailed, KeyRefused, NoBalance, NotSent, Refused
from dropreel.errors import PublishFault, TryAgain
from dropreel.events import EventType
from dropreel.jobs import JobStatus, Money, Reason
from dropreel.messages import Again
from dropreel.spending import SpendLimit
from dropreel.use_cases.submit_generation import LEASE
from tests.unit.dropreel.fakes import OutOfOrderError
from tests.unit.dropreel.pictures import jpeg, png
from tests.unit.dropreel.world import ACCEPTED, DROP, GENERATION, JOB_ID, World

FAILED = Reason("generation_failed", "The provider could not make the video: no faces")
PAUSED = SpendLimit(0)

# --- each answer's place ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status", "money", "reserved", "events", "messages"),
    [
        (ACCEPTED, "generating", "spent", 47, [EventType.SUBMITTED], 0),
        (Refused(400, "too dark"), "rejected", "none", 0, [EventType.REJECTED], 0),
        (KeyRefused(401), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (NoBalance(402), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (NoBalance(200), "deferred", "none", 0, [EventType.DEFERRED], 1),
        (Busy(429, None), "deferred", "none", 0, [], 1),
        (Busy(503, 60), "deferred", "none", 0, [], 1),
        (NotSent("no route"), "deferred", "none", 0, [], 1),
        (Ambiguous("ReadTimeout"), "unknown", "perhaps", 47, [EventType.UNKNOWN], 0),
    ],
)
def test_each_answer_has_its_place(world: World, answer, status, money, reserved, events, messages):
    world.provider.submit_answer = answer

    outcome = world.submit.run(DROP)

    assert outcome == status
    assert (world.job.status, world.job.money) == (status, money)
    assert world.reserved == reserved
    assert world.bus.types == events
    assert len(world.queue.sent) == messages


def test_the_price_is_reserved_on_the_day_of_the_claim(world: World):
    world.submit.run(DROP)

    assert world.ledger.reserved == {"2026-05-04": 47}
    assert world.job.reserved_day == "2026-05-04"


def test_a_reservation_goes_back_to_the_day_that_it_was_taken_from(world: World):
    class Slow(type(world.provider)):
        def leaves(self, action: str) -> None:
            world.clock.pass_seconds(86_400)

    slow = replace(world.submit, provider=Slow(world.journal, submit_answer=Busy(429, None)))

    slow.run(DROP)

    assert world.ledger.reserved == {"2026-05-04": 0}


def test_a_reservation_is_given_back_once_though_the_message_comes_again(world: World):
    world.provider.submit_answer = Refused(400, "too dark")

    world.submit.run(DROP)
    world.delivered_again()

    assert world.reserved == 0
    assert world.journal.count("give_back") == 1


# --- waiting for the provider ----------------------------------------------------------------------------------------


def test_each_busy_answer_doubles_the_wait(world: World):
    world.provider.submit_answer = Busy(429, None)
    world.submit.run(DROP)
    delays = []

    for _ in range(4):
        delays.append(world.queue.sent[0][1])
        world.comes_again()

    assert delays == [3, 6, 12, 24]
    assert world.job.defers == 5
    assert world.reserved == 0


def test_a_deferred_job_says_when_it_is_due(world: World):
    world.provider.submit_answer = Busy(429, 30)

    world.submit.run(DROP)

    assert world.job.retry_at == world.clock.time + timedelta(seconds=30)


def test_a_message_that_comes_too_early_waits_for_what_is_left(world: World):
    world.provider.submit_answer = Busy(429, 600)
    world.submit.run(DROP)
    world.clock.pass_seconds(100)

    outcome = world.submit.run(DROP)

    assert outcome == "deferred"
    assert len(world.provider.sent) == 1
    assert world.queue.sent[-1] == (Again(JOB_ID, 1, 1), 500)


def test_a_wait_beyond_the_queues_longest_delay_is_split(world: World):
    world.provider.submit_answer = Busy(429, 2000)
    world.submit.run(DROP)
    world.provider.submit_answer = ACCEPTED
    begin, delays, outcomes = world.clock.time, [], []

    while world.queue.sent:
        delays.append(world.queue.sent[0][1])
        outcomes.append(world.comes_again())

    assert delays == [900, 900, 200]
    assert outcomes == ["deferred", "deferred", "generating"]
    assert world.clock.time == begin + timedelta(seconds=2000)
    assert len(world.provider.sent) == 2


def test_a_deferral_that_crashed_before_its_message_was_sent_is_made_good(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.queue.broken_before.add("send_again")
    with pytest.raises(OutOfOrderError):
        world.submit.run(DROP)
    world.queue.broken_before.clear()

    world.submit.run(DROP)

    assert world.queue.sent == [(Again(JOB_ID, 1, 1), 30)]
    assert world.reserved == 0


def test_a_deferred_job_is_not_judged_again_and_asks_for_a_fresh_address(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.submit.run(DROP)
    world.journal.clear()

    world.comes_again()

    assert "read_file" not in world.journal
    assert world.journal.count("presign") == 1


def test_the_provider_is_given_the_format_that_the_bytes_have(world: World):
    world.image.content = png()
    world.provider.submit_answer = Busy(429, 30)

    world.submit.run(DROP)
    world.comes_again()

    assert world.image.presigned_as == ["image/png", "image/png"]


def test_what_was_not_validated_is_not_submitted(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.submit.run(DROP)
    world.image.content = jpeg(quality=10)  # under the same version and entity tag, as no store should have it

    assert world.comes_again() == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == "image_superseded"
    assert len(world.provider.sent) == 1


# --- overtaken messages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [Again(JOB_ID, 1, 0), Again(JOB_ID, 1, 2), Again(JOB_ID, 2, 1)])
def test_a_message_that_another_one_has_overtaken_does_nothing(world: World, message):
    world.has(status=JobStatus.DEFERRED, generation_id=None, defers=1)
    before = world.job

    outcome = world.submit.run(message)

    assert outcome == "overtaken"
    assert world.job == before
    assert world.journal == ["get"]


def test_a_message_of_an_attempt_that_was_followed_by_another_does_nothing(world: World):
    world.has(status=JobStatus.GENERATING, attempt=2)

    assert world.submit.run(Again(JOB_ID, 1, 0)) == "overtaken"
    assert world.state_machine.executions == {}


def test_a_message_that_comes_twice_is_paid_once(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.submit.run(DROP)
    world.provider.submit_answer = ACCEPTED
    message = world.queue.sent[0][0]
    world.clock.pass_seconds(30)

    outcomes = [world.submit.run(message), world.submit.run(message)]

    assert outcomes == ["generating", "generating"]
    assert len(world.provider.sent) == 2
    assert world.bus.types == [EventType.SUBMITTED]
    assert world.reserved == 47


def test_a_message_of_a_job_that_is_not_there_is_tried_again(world: World):
    with pytest.raises(TryAgain):
        world.submit.run(Again(JOB_ID, 1, 0))


# --- the day's limit -------------------------------------------------------------------------------------------------


def test_a_job_that_just_fits_into_the_day_is_submitted(world: World):
    world.ledger.limit = SpendLimit(100)
    world.ledger.reserved = {"2026-05-04": 53}

    assert world.submit.run(DROP) == "generating"
    assert world.reserved == 100


def test_a_job_that_would_pass_the_days_limit_is_held_and_told(world: World):
    world.ledger.limit = SpendLimit(100)
    world.ledger.reserved = {"2026-05-04": 54}

    outcome = world.submit.run(DROP)

    assert outcome == "held"
    assert (world.job.status, world.job.money) == ("held", "none")
    assert world.job.reason is not None
    assert world.job.reason.code == "daily_limit"
    assert world.provider.sent == []
    assert world.queue.sent == []
    assert world.reserved == 54
    ((kind, detail),) = world.bus.published
    assert (kind, detail["data"]["status"], detail["data"]["reason"]["code"]) == (EventType.HELD, "held", "daily_limit")


def test_a_limit_of_0_holds_and_rejects_nothing(world: World):
    world.ledger.limit = PAUSED

    assert world.submit.run(DROP) == "held"
    assert world.provider.sent == []


def test_without_a_limit_nothing_is_held(world: World):
    world.ledger.limit = SpendLimit(None)
    world.ledger.reserved = {"2026-05-04": 10**9}

    assert world.submit.run(DROP) == "generating"


def test_what_is_dearer_than_the_whole_limit_is_rejected_with_both_amounts(world: World):
    world.ledger.limit = SpendLimit(40)

    outcome = world.submit.run(DROP)

    assert outcome == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == "over_daily_limit"
    assert "$0.47" in world.job.reason.message
    assert "$0.40" in world.job.reason.message
    assert world.bus.types == [EventType.REJECTED]
    assert (world.provider.sent, world.reserved) == ([], 0)


def test_a_job_is_held_and_told_once(world: World):
    world.ledger.limit = PAUSED
    world.submit.run(DROP)

    world.delivered_again()
    again = world.submit.run(Again(JOB_ID, 1, 0))

    assert again == "held"
    assert world.bus.types == [EventType.HELD]


def test_a_held_job_is_submitted_once_there_is_money(world: World):
    world.ledger.limit = PAUSED
    world.submit.run(DROP)
    world.ledger.limit = SpendLimit(47)

    outcome = world.submit.run(Again(JOB_ID, 1, 0))

    assert outcome == "generating"
    assert world.bus.types == [EventType.HELD, EventType.SUBMITTED]
    assert world.job.reason is None
    assert world.reserved == 47


def test_the_next_day_has_money_again(world: World):
    world.ledger.limit = SpendLimit(50)
    world.ledger.reserved = {"2026-05-04": 50}
    world.submit.run(DROP)
    world.clock.pass_seconds(86_400)

    assert world.submit.run(Again(JOB_ID, 1, 0)) == "generating"
    assert world.ledger.reserved == {"2026-05-04": 50, "2026-05-05": 47}


def test_a_deferred_job_is_held_when_the_money_has_gone_meanwhile(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.submit.run(DROP)
    world.ledger.limit = PAUSED

    outcome = world.comes_again()

    assert outcome == "held"
    assert world.bus.types == [EventType.HELD]
    assert len(world.provider.sent) == 1


def test_a_job_that_is_held_again_in_the_same_attempt_is_not_told_again(world: World):
    world.ledger.limit = PAUSED
    world.submit.run(DROP)
    world.ledger.limit = SpendLimit(47)
    world.provider.submit_answer = Busy(429, 30)
    world.submit.run(Again(JOB_ID, 1, 0))
    world.ledger.limit = PAUSED

    outcome = world.comes_again()

    assert (outcome, world.job.status) == ("held", "held")
    assert world.bus.types == [EventType.HELD]


def test_a_held_job_whose_image_is_gone_meanwhile_is_rejected(world: World):
    world.ledger.limit = PAUSED
    world.submit.run(DROP)
    world.images.stored = Missing.GONE

    outcome = world.submit.run(Again(JOB_ID, 1, 0))

    assert outcome == "rejected"
    assert world.bus.types == [EventType.HELD, EventType.REJECTED]


def test_a_held_job_that_a_lower_limit_can_never_hold_is_rejected(world: World):
    world.ledger.limit = PAUSED
    world.submit.run(DROP)
    world.ledger.limit = SpendLimit(40)

    assert world.submit.run(Again(JOB_ID, 1, 0)) == "rejected"
    assert world.reserved == 0


def test_a_held_event_that_is_told_late_still_tells_of_holding_and_comes_first(world: World):
    world.ledger.limit = PAUSED
    world.bus.takes_nothing = True
    with pytest.raises(PublishFault):
        world.submit.run(DROP)
    world.bus.takes_nothing = False
    world.ledger.limit = SpendLimit(None)

    world.submit.run(DROP)

    told = [(kind, detail["data"]["status"]) for kind, detail in world.bus.published]
    assert told == [(EventType.HELD, "held"), (EventType.SUBMITTED, "generating")]


# --- next attempts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_attempts", "posts", "status"), [(1, 1, "unknown"), (2, 2, "unknown"), (3, 3, "unknown")])
def test_where_the_owner_chose_so_the_unknown_is_submitted_again_as_often_as_allowed(
    world: World, max_attempts, posts, status
):
    world.allows_resubmitting(max_attempts)
    world.provider.submit_answer = Ambiguous("ReadTimeout")

    world.submit.run(DROP)
    while world.queue.sent:
        world.comes_again()

    assert len(world.provider.sent) == posts
    assert (world.job.status, world.job.attempt, world.job.money) == (status, max_attempts, "perhaps")
    assert world.reserved == posts * 47
    assert world.bus.types == [EventType.UNKNOWN]


def test_an_unknown_submission_comes_again_at_once_as_the_next_attempt(world: World):
    world.allows_resubmitting()
    world.provider.submit_answer = Ambiguous("ReadTimeout")

    outcome = world.submit.run(DROP)

    assert outcome == "deferred"
    assert world.queue.sent == [(Again(JOB_ID, 2, 0), 0)]
    assert (world.job.attempt, world.job.money) == (2, Money.PERHAPS)


def test_an_interrupted_submission_comes_again_where_the_owner_chose_so(world: World):
    world.allows_resubmitting()
    world.has(status=JobStatus.SUBMITTING, generation_id=None, lease_until=world.clock.time)

    assert world.submit.run(DROP) == "deferred"
    assert world.comes_again() == "generating"
    assert len(world.provider.sent) == 1
    assert world.job.attempt == 2


def test_a_resubmission_that_the_provider_refuses_keeps_what_the_first_may_have_cost(world: World):
    world.allows_resubmitting()
    world.provider.submit_answer = Ambiguous("ReadTimeout")
    world.submit.run(DROP)
    world.provider.submit_answer = Refused(400, "too dark")

    outcome = world.comes_again()

    assert outcome == "unknown"
    assert world.job.money is Money.PERHAPS
    assert world.reserved == 47


def test_a_next_attempt_that_the_provider_refuses_ends_as_failed_for_the_first_was_paid(world: World):
    world.submit.run(DROP)
    world.report.run(GENERATION, FAILED)
    world.provider.submit_answer = Refused(400, "too dark")

    outcome = world.comes_again()

    assert outcome == "failed"
    assert (world.job.money, world.reserved) == (Money.SPENT, 47)


def test_a_failed_generation_comes_again_as_the_next_attempt_and_is_paid_again(world: World):
    world.submit.run(DROP)

    outcome = world.report.run(GENERATION, FAILED)

    assert outcome == {"outcome": "deferred"}
    assert world.queue.sent == [(Again(JOB_ID, 2, 0), 0)]
    world.provider.submit_answer = Accepted("gen_2", "created")
    assert world.comes_again() == "generating"
    assert (world.job.attempt, world.job.generation_id, world.job.money) == (2, "gen_2", Money.SPENT)
    assert world.reserved == 94
    assert world.state_machine.executions == {f"{JOB_ID}-1": "gen_1", f"{JOB_ID}-2": "gen_2"}
    ids = [detail["metadata"]["id"] for kind, detail in world.bus.published if kind == EventType.SUBMITTED]
    assert len(set(ids)) == 2


def test_the_last_attempt_that_fails_ends_the_job(world: World):
    world.has(attempt=2, money=Money.SPENT)

    outcome = world.report.run(replace(GENERATION, attempt=2), FAILED)

    assert outcome == {"outcome": "failed"}
    assert world.queue.sent == []
    assert world.bus.types == [EventType.FAILED]


@pytest.mark.parametrize("code", ["timed_out", "check_failed", "delivery_failed", "watch_ended"])
def test_only_a_failed_generation_is_paid_for_again(world: World, code):
    world.has()

    assert world.report.run(GENERATION, Reason(code, "x")) == {"outcome": "failed"}
    assert world.queue.sent == []


@pytest.mark.parametrize(
    ("outside", "when", "action"),
    [
        ("jobs", "broken_before", "defer_next_attempt"),
        ("jobs", "broken_after", "defer_next_attempt"),
        ("queue", "broken_before", "send_again"),
        ("queue", "broken_after", "send_again"),
    ],
)
def test_a_report_that_crashed_on_the_way_to_the_next_attempt_leads_to_one(world: World, outside, when, action):
    world.submit.run(DROP)
    world.provider.poll_answer = GenerationFailed("no faces")
    broken = getattr(getattr(world, outside), when)
    broken.add(action)
    with pytest.raises(OutOfOrderError):
        world.report.run(GENERATION, FAILED)
    broken.clear()

    world.report.run(GENERATION, FAILED)
    while world.queue.sent:
        world.comes_again()

    assert len(world.provider.sent) == 2
    assert (world.job.status, world.job.attempt) == (JobStatus.GENERATING, 2)


def test_a_next_attempt_without_money_is_held(world: World):
    world.ledger.limit = SpendLimit(47)
    world.submit.run(DROP)
    world.report.run(GENERATION, FAILED)

    assert world.comes_again() == "held"
    assert (world.job.attempt, world.job.money) == (2, Money.SPENT)
    assert world.bus.types == [EventType.SUBMITTED, EventType.HELD]


# --- dead letters ----------------------------------------------------------------------------------------------------


def test_a_message_that_goes_to_the_dead_letters_leaves_a_job_that_says_so(world: World):
    world.submit.dead_letter(DROP, OutOfOrderError("find"))

    assert world.job.status is JobStatus.DEFERRED
    assert world.job.reason is not None
    assert world.job.reason.code == "dead_letter"
    assert "OutOfOrderError" in world.job.reason.message
    assert world.job.image["key"] == DROP.image.key


@pytest.mark.parametrize("status", ["submitting", "generating", "held", "completed", "failed", "rejected", "unknown"])
def test_a_job_that_is_under_way_is_not_touched_by_its_dead_message(world: World, status):
    world.has(status=JobStatus(status))
    before = world.job

    world.submit.dead_letter(DROP, OutOfOrderError("find"))
    world.submit.dead_letter(Again(JOB_ID, 1, 0), OutOfOrderError("find"))

    assert world.job == before


def test_our_own_dead_message_is_noted_on_its_job(world: World):
    world.has(status=JobStatus.DEFERRED, generation_id=None)

    world.submit.dead_letter(Again(JOB_ID, 1, 0), OutOfOrderError("find"))

    assert world.job.reason is not None
    assert world.job.reason.code == "dead_letter"
    assert world.job.options


def test_a_dead_message_of_a_job_that_is_not_there_is_no_fault(world: World):
    world.submit.dead_letter(Again(JOB_ID, 1, 0), OutOfOrderError("get"))

    assert world.jobs.jobs == {}


def test_a_dead_message_that_a_person_sends_again_is_judged_and_submitted(world: World):
    world.submit.dead_letter(DROP, OutOfOrderError("find"))

    assert world.submit.run(DROP) == "generating"
    assert (world.job.reason, world.job.cost_cents) == (None, 47)


def test_a_dead_message_that_a_person_sends_again_can_be_rejected(world: World):
    world.submit.dead_letter(DROP, OutOfOrderError("find"))
    world.image.metadata = {"mode": "slow"}

    assert world.submit.run(DROP) == "rejected"
    assert world.job.reason is not None
    assert world.job.reason.code == "options_invalid"
    assert world.bus.types == [EventType.DEFERRED, EventType.REJECTED]


def test_a_dead_message_that_a_person_sends_again_can_be_held(world: World):
    world.submit.dead_letter(DROP, OutOfOrderError("find"))
    world.ledger.limit = PAUSED

    assert world.submit.run(DROP) == "held"
    assert world.bus.types == [EventType.DEFERRED, EventType.HELD]


def test_a_dead_message_whose_image_was_replaced_meanwhile_still_ends_its_job(world: World):
    world.submit.dead_letter(DROP, OutOfOrderError("find"))
    world.images.stored = Missing.SUPERSEDED

    world.submit.run(DROP)

    assert world.job.is_terminal


def test_a_lease_is_longer_than_a_submission_can_take():
    assert timedelta(seconds=35) < LEASE
