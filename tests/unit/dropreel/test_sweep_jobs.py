"""What the sweeper does with each job that waits, and what it leaves alone."""

from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load as load_template

from dropreel.answers import Busy
from dropreel.events import EventType
from dropreel.jobs import Job, JobStatus, Money, Reason, execution_name
from dropreel.messages import Again
from dropreel.spending import SpendLimit
from dropreel.use_cases.sweep_jobs import PASS, QUIET, SweepJobs
from dropreel.waiting import TELL_AFTER
from tests.unit.dropreel.sample_jobs import NOON, job_with
from tests.unit.dropreel.world import DROP, World

MOMENT = timedelta(seconds=1)
IDS = [f"{number:024x}" for number in range(9)]


def lay(world: World, number: int, status: str, **changes: Any) -> Job:
    """Put a job into the table; a higher number is a later one."""
    created = NOON + number * MOMENT
    fields_: dict[str, Any] = {"created_at": created, "generation_id": None, "submitted_at": None, **changes}
    job = job_with(job_id=IDS[number], status=JobStatus(status), **fields_)
    world.jobs.jobs[job.job_id] = job
    return job


def generating(world: World, number: int = 0, **changes: Any) -> Job:
    return lay(world, number, "generating", generation_id="gen_1", submitted_at=NOON, **changes)


def pass_time(world: World, since: timedelta = QUIET) -> None:
    world.clock.time = NOON + since


def at(world: World, number: int) -> Job:
    return world.jobs.jobs[IDS[number]]


# --- never any money -------------------------------------------------------------------------------------------------


def test_the_sweeper_has_nothing_to_submit_with():
    assert {"provider", "judge", "images"} & {each.name for each in fields(SweepJobs)} == set()


@pytest.mark.parametrize("resubmits", [False, True])
def test_a_sweep_never_prepares_or_sends_a_submission(world: World, resubmits):
    if resubmits:
        world.allows_resubmitting()
    for number, status in enumerate(["submitting", "deferred", "held", "unknown", "rejected"]):
        lay(world, number, status, lease_until=NOON)
    generating(world, 5)
    pass_time(world)

    world.sweep.run()

    assert {"prepare", "send", "presign", "claim", "give_back"} & set(world.journal) == set()


def test_a_sweep_of_an_empty_table_does_nothing(world: World):
    assert world.sweep.run() == {}


# --- telling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["completed", "failed", "rejected", "unknown"])
def test_an_ended_job_that_owes_its_event_is_told(world: World, status):
    event = f"Video Generation {status.capitalize()}"
    lay(world, 0, status, pending_events=frozenset({event}))
    pass_time(world)

    assert world.sweep.run() == {"told": 1}
    assert world.bus.types == [event]
    assert at(world, 0).pending_events == frozenset()


def test_a_job_that_has_just_ended_is_left_to_whoever_ended_it(world: World):
    lay(world, 0, "rejected", pending_events=frozenset({EventType.REJECTED}))
    pass_time(world, QUIET - MOMENT)

    assert world.sweep.run() == {}
    assert world.bus.published == []


def test_a_told_job_is_taken_out_of_what_waits_though_nothing_is_owed(world: World):
    lay(world, 0, "rejected")
    pass_time(world)

    assert world.sweep.run() == {"told": 1}
    assert world.journal[-1] == "told"
    assert world.bus.published == []


# --- abandoned submissions -------------------------------------------------------------------------------------------


def test_a_submission_that_nobody_came_back_to_is_parked_and_told(world: World):
    lay(world, 0, "submitting", lease_until=NOON + MOMENT)
    world.ledger.reserved = {"2026-05-04": 47}
    pass_time(world, MOMENT)

    assert world.sweep.run() == {"parked": 1}
    job = at(world, 0)
    assert (job.status, job.money) == (JobStatus.UNKNOWN, Money.PERHAPS)
    assert job.reason is not None
    assert job.reason.code == "submission_unknown"
    assert world.bus.types == [EventType.UNKNOWN]
    assert world.reserved == 47


def test_a_submission_under_its_lease_is_left_alone(world: World):
    lay(world, 0, "submitting", lease_until=NOON + 2 * MOMENT)
    pass_time(world, MOMENT)

    assert world.sweep.run() == {}
    assert at(world, 0).status is JobStatus.SUBMITTING


def test_an_abandoned_submission_comes_again_where_the_owner_chose_so(world: World):
    world.allows_resubmitting()
    lay(world, 0, "submitting", lease_until=NOON)

    assert world.sweep.run() == {"resubmitted": 1}
    assert world.queue.sent == [(Again(IDS[0], 2, 0), 0)]
    assert (at(world, 0).status, at(world, 0).money) == (JobStatus.DEFERRED, Money.PERHAPS)
    assert world.bus.published == []


def test_an_abandoned_last_attempt_is_parked_whatever_the_owner_chose(world: World):
    world.allows_resubmitting(max_attempts=2)
    lay(world, 0, "submitting", attempt=2, lease_until=NOON)

    assert world.sweep.run() == {"parked": 1}
    assert world.queue.sent == []


# --- generations that nobody watches ---------------------------------------------------------------------------------


def test_a_generation_without_an_execution_is_watched_and_told(world: World):
    generating(world, pending_events=frozenset({EventType.SUBMITTED}))
    pass_time(world)

    assert world.sweep.run() == {"watched": 1}
    assert world.state_machine.executions == {f"{IDS[0]}-1": "gen_1"}
    assert world.bus.types == [EventType.SUBMITTED]


def test_a_generation_that_is_watched_is_left_alone(world: World):
    world.state_machine.start(generating(world))
    pass_time(world)

    assert world.sweep.run() == {}
    assert at(world, 0).status is JobStatus.GENERATING


def test_a_generation_that_was_polled_a_moment_ago_is_not_even_asked_about(world: World):
    generating(world)
    pass_time(world, QUIET - MOMENT)

    assert world.sweep.run() == {}
    assert "status_of" not in world.journal


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_a_generation_whose_execution_has_ended_is_reported_and_not_paid_again(world: World, status):
    job = generating(world, money=Money.SPENT)
    world.state_machine.start(job)
    world.state_machine.statuses[execution_name(job)] = status
    pass_time(world)

    assert world.sweep.run() == {"reported": 1}
    job = at(world, 0)
    assert (job.status, job.money) == (JobStatus.FAILED, Money.SPENT)
    assert job.reason is not None
    assert (job.reason.code, status in job.reason.message) == ("watch_ended", True)
    assert world.queue.sent == []
    assert world.bus.types == [EventType.FAILED]


# --- deferred jobs ---------------------------------------------------------------------------------------------------


def test_a_deferred_job_whose_message_is_lost_is_sent_again(world: World):
    lay(world, 0, "deferred", defers=3, retry_at=NOON + timedelta(seconds=30))
    pass_time(world, QUIET + timedelta(seconds=30))

    assert world.sweep.run() == {"reminded": 1}
    assert world.queue.sent == [(Again(IDS[0], 1, 3), 0)]


@pytest.mark.parametrize("retry_at", [None, NOON, NOON + timedelta(hours=2)])
def test_a_deferred_job_whose_message_may_still_come_is_left_alone(world: World, retry_at):
    lay(world, 0, "deferred", retry_at=retry_at)
    pass_time(world, (retry_at or NOON) - NOON + QUIET - MOMENT)

    assert world.sweep.run() == {}
    assert world.queue.sent == []


def test_a_job_whose_message_is_a_dead_letter_is_left_to_a_person(world: World):
    dead = Reason("dead_letter", "x")
    lay(world, 0, "deferred", reason=dead, deferred_reason=dead)
    pass_time(world, timedelta(days=3))

    assert world.sweep.run() == {}
    assert world.queue.sent == []


BUSY = Reason("provider_busy", "busy")
DUE = NOON + timedelta(hours=3)


def test_a_job_that_has_waited_for_long_is_told_of_once(world: World):
    lay(world, 0, "deferred", reason=BUSY, deferred_since=NOON, retry_at=DUE)
    pass_time(world, TELL_AFTER)

    assert world.sweep.run() == {"told": 1}
    pass_time(world, TELL_AFTER + timedelta(minutes=5))
    assert world.sweep.run() == {}
    assert world.bus.types == [EventType.DEFERRED]
    assert world.queue.sent == []


def test_a_job_that_has_not_waited_for_long_is_not_told_of(world: World):
    lay(world, 0, "deferred", reason=BUSY, deferred_since=NOON, retry_at=DUE)
    pass_time(world, TELL_AFTER - MOMENT)

    assert world.sweep.run() == {}


@pytest.mark.parametrize("reason", [BUSY, Reason("key_refused", "x"), Reason("dead_letter", "x")])
def test_a_waiting_job_that_owes_its_event_is_told(world: World, reason):
    lay(
        world,
        0,
        "deferred",
        reason=reason,
        deferred_reason=reason,
        retry_at=DUE,
        pending_events=frozenset({EventType.DEFERRED}),
    )
    pass_time(world)

    assert world.sweep.run() == {"told": 1}
    assert world.bus.types == [EventType.DEFERRED]
    assert at(world, 0).pending_events == frozenset()


def test_a_job_that_was_deferred_a_moment_ago_is_left_to_whoever_deferred_it(world: World):
    lay(
        world,
        0,
        "deferred",
        reason=BUSY,
        deferred_reason=BUSY,
        retry_at=DUE,
        updated_at=NOON + 3 * MOMENT,
        pending_events=frozenset({EventType.DEFERRED}),
    )
    pass_time(world, QUIET)

    assert world.sweep.run() == {}
    assert world.bus.types == []


def test_a_job_whose_message_is_lost_is_sent_again_though_the_bus_takes_nothing(world: World):
    lay(world, 0, "deferred", reason=BUSY, deferred_since=NOON)
    world.bus.takes_nothing = True
    pass_time(world, timedelta(hours=1))

    assert world.sweep.run() == {"not_swept": 1}
    assert len(world.queue.sent) == 1


def test_a_reminded_job_is_submitted_when_its_message_comes(world: World):
    world.provider.submit_answer = Busy(429, 30)
    world.submit.run(DROP)
    world.queue.sent.clear()
    pass_time(world, QUIET + timedelta(seconds=30))

    world.sweep.run()
    world.comes_again()

    assert len(world.provider.sent) == 2


# --- held jobs -------------------------------------------------------------------------------------------------------


def held(world: World, *prices: int) -> None:
    for number, price in enumerate(prices):
        lay(world, number, "held", cost_cents=price)
    pass_time(world, timedelta(minutes=1))


def released(world: World) -> list[str]:
    return [message.job_id for message, _delay in world.queue.sent]


def test_held_jobs_are_released_oldest_first_as_far_as_the_money_goes(world: World):
    held(world, 47, 94, 47, 47)
    world.ledger.limit = SpendLimit(200)
    world.ledger.reserved = {"2026-05-04": 12}

    assert world.sweep.run() == {"released": 3}
    assert released(world) == IDS[:3]
    assert world.reserved == 12


def test_a_dear_job_is_not_overtaken_by_cheaper_ones_behind_it(world: World):
    held(world, 187, 47)
    world.ledger.limit = SpendLimit(187)
    world.ledger.reserved = {"2026-05-04": 100}

    assert world.sweep.run() == {}
    assert released(world) == []


@pytest.mark.parametrize(("reserved", "number"), [(153, 1), (154, 0)])
def test_money_for_exactly_one_releases_one(world: World, reserved, number):
    held(world, 47, 47)
    world.ledger.limit = SpendLimit(200)
    world.ledger.reserved = {"2026-05-04": reserved}

    world.sweep.run()

    assert len(released(world)) == number


def test_without_a_limit_all_are_released(world: World):
    held(world, 47, 187, 94)
    world.ledger.limit = SpendLimit(None)

    assert world.sweep.run() == {"released": 3}


def test_a_job_whose_message_may_still_wait_in_the_queue_is_not_sent_again_but_keeps_its_place(world: World):
    held(world, 47, 47)
    world.ledger.limit = SpendLimit(50)

    found = []
    for _ in range(1 + 12 * 6):  # six hours
        found.append(world.sweep.run())
        world.clock.pass_seconds(300)

    assert [number for number, done in enumerate(found) if done] == [0, 2, 6, 14, 30, 62]
    assert set(released(world)) == {IDS[0]}


def test_a_released_job_whose_message_was_taken_and_found_no_money_is_released_at_the_next_sweep(world: World):
    world.ledger.limit = SpendLimit(0)
    world.submit.run(DROP)
    world.ledger.limit = SpendLimit(50)
    world.clock.pass_seconds(1)
    assert world.sweep.run() == {"released": 1}
    world.ledger.reserved = {"2026-05-04": 47}  # somebody else was quicker
    assert world.comes_again() == "held"
    world.ledger.reserved = {}

    assert world.sweep.run() == {"released": 1}
    assert world.comes_again() == "generating"
    assert (world.job.sent_at, world.job.sends) == (None, 0)


def test_a_reminder_whose_message_may_still_wait_in_the_queue_is_not_repeated_at_each_sweep(world: World):
    lay(world, 0, "deferred", defers=1, retry_at=NOON)
    pass_time(world)

    found = []
    for _ in range(24):  # two hours
        found.append(world.sweep.run())
        world.clock.pass_seconds(300)

    assert [number for number, done in enumerate(found) if done] == [0, 2, 6, 14]


def test_a_crash_between_noting_and_sending_only_delays_the_message(world: World):
    held(world, 47)
    world.queue.broken_before = {"send_again"}
    assert world.sweep.run() == {"not_swept": 1}
    world.queue.broken_before = set()
    world.clock.pass_seconds(QUIET.total_seconds())

    assert world.sweep.run() == {"released": 1}


def test_more_held_jobs_than_one_pass_can_read_hold_up_nothing_else(world: World):
    held(world, 47, 47, 47)
    generating(world, 5)
    pass_time(world, QUIET + timedelta(minutes=1))
    get = world.jobs.get

    def slowly(job_id: str) -> Job | None:
        world.clock.pass_seconds(PASS.total_seconds() / 2)
        return get(job_id)

    world.jobs.get = slowly

    assert world.sweep.run() == {"released": 2, "unfinished": 2, "watched": 1}


def test_all_passes_together_leave_the_function_time_to_end():
    template = load_template(str(Path(__file__).parents[3] / "template.yaml"))

    passes = 6
    assert passes * PASS.total_seconds() < template["Resources"]["SweepJobsFunction"]["Properties"]["Timeout"] - 20


def test_a_pause_releases_nothing(world: World):
    held(world, 47)
    world.ledger.limit = SpendLimit(0)

    assert world.sweep.run() == {}


def test_yesterdays_spending_does_not_count_today(world: World):
    held(world, 47)
    world.ledger.limit = SpendLimit(50)
    world.ledger.reserved = {"2026-05-03": 50}

    assert world.sweep.run() == {"released": 1}


def test_a_job_that_the_limit_can_never_hold_is_sent_to_its_verdict_and_takes_no_room(world: World):
    held(world, 187, 47)
    world.ledger.limit = SpendLimit(50)

    assert world.sweep.run() == {"released": 2}
    assert released(world) == IDS[:2]


def test_a_held_job_that_still_owes_its_event_is_told_when_released(world: World):
    lay(world, 0, "held", reason=Reason("daily_limit", "x"), pending_events=frozenset({EventType.HELD}))

    world.sweep.run()

    assert world.bus.types == [EventType.HELD]


def test_a_held_job_that_still_owes_its_event_is_told_though_there_is_no_money(world: World):
    lay(world, 0, "held", reason=Reason("daily_limit", "x"), pending_events=frozenset({EventType.HELD}))
    world.ledger.limit = SpendLimit(0)
    pass_time(world)

    world.sweep.run()

    assert world.bus.types == [EventType.HELD]
    assert world.queue.sent == []


# --- one by one ------------------------------------------------------------------------------------------------------


def test_a_job_that_cannot_be_swept_does_not_hold_up_the_next(world: World):
    for number in range(2):
        lay(world, number, "rejected", pending_events=frozenset({EventType.REJECTED}))
    world.bus.takes_nothing_of.add(IDS[0])
    held_job = lay(world, 2, "held")
    pass_time(world, QUIET + timedelta(minutes=1))

    assert world.sweep.run() == {"not_swept": 1, "told": 1, "released": 1}
    assert at(world, 0).pending_events == {EventType.REJECTED}
    assert released(world) == [held_job.job_id]


def test_a_job_that_cannot_be_read_does_not_hold_up_the_next(world: World):
    for number in range(2):
        lay(world, number, "rejected", pending_events=frozenset({EventType.REJECTED}))
    world.jobs.unreadable.add(IDS[0])
    pass_time(world, QUIET + timedelta(minutes=1))

    assert world.sweep.run()["told"] == 1


@pytest.mark.parametrize("waiting", ["telling", "submitting", "generating", "deferred", "held"])
def test_a_job_that_has_changed_since_the_index_was_written_is_left_alone(world: World, waiting):
    job = lay(world, 0, "rejected" if waiting != "telling" else "deferred", retry_at=NOON + timedelta(days=1))
    world.jobs.waiting = lambda what, _: iter([job.job_id] if what == waiting else [])
    pass_time(world)

    assert world.sweep.run() == {}
    assert at(world, 0) == job
