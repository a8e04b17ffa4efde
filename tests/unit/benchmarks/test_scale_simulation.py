"""The simulation of docs/scale.md: it obeys what any queue obeys, is tied to the code it speaks of, and agrees with the page."""

import inspect
import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cfnlint.decode.cfn_yaml import load as load_template
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from benchmarks import scale
from benchmarks.meter import WAITING_INDEX, write_units
from benchmarks.scale import claims, findings, quotas, sweeper, way
from dropreel.adapters import transactions
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import MAX_RELEASE_TRIES, Ledger
from dropreel.adapters.transactions import MAX_PAUSE_SECONDS, MAX_TRIES
from dropreel.domain.errors import RetryLater
from dropreel.domain.job import JobStatus, claim, defer
from dropreel.domain.prices import PRICE_CENTS
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import SpendLimit
from dropreel.use_cases.submit_generation import LEASE
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, PASS, QUIET
from tests.support.fake_stack import FakeStack
from tests.support.sample_jobs import NOON, job_with
from tests.unit.benchmarks.table_changes import Change, one_video

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "scale.md"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = load_template(str(ROOT / "template.yaml"))
    return loaded


# --- the way of a day's images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", way.SHAPES)
@pytest.mark.parametrize("images", [1, 7, 3_000])
def test_every_image_that_arrives_ends_after_it_went_every_step(images: int, shape: str) -> None:
    day = way.simulate(way.Scenario(images, shape, 3, concurrency=5))

    assert len(day.arrived) == len(day.delivered) == images
    assert (day.arrived <= day.begun).all()
    assert (day.begun < day.accepted).all()
    assert (day.accepted < day.delivered).all()
    assert (day.polls >= 1).all()


@pytest.mark.parametrize("shape", way.SHAPES)
def test_what_was_counted_in_is_counted_out(shape: str) -> None:
    day = way.simulate(way.Scenario(3_000, shape, 1, concurrency=2))
    seconds = int(day.delivered.max()) + 2

    assert way.a_second(day.arrived, seconds).sum() == way.a_second(day.delivered, seconds).sum() == 3_000
    assert way.polls_a_second(day, way.PACE.turn, seconds).sum() == day.polls.sum()
    for start, end in ((day.arrived, day.begun), (day.begun, day.accepted), (day.accepted, day.delivered)):
        each = way.inside(start, end, seconds)
        assert each.min() >= 0
        assert each[-1] == 0


def test_littles_law_holds_on_a_steady_stream() -> None:
    day = way.simulate(way.Scenario(50_000, "even", 3, concurrency=10))
    seconds = int(day.delivered.max()) + 2
    rate = 50_000 / way.DAY

    steady = slice(3_600, way.DAY)  # the first hour fills it
    inside = way.inside(day.arrived, day.delivered, seconds)[steady].mean()
    took = (day.delivered - day.arrived).mean()

    assert inside == pytest.approx(rate * took, rel=0.02)


@given(
    times=st.lists(st.floats(0, 60), min_size=1, max_size=40),
    workers=st.integers(1, 6),
    seconds=st.sampled_from([0.5, 2.0]),
)
@settings(deadline=None, max_examples=60)
def test_workers_take_the_oldest_first_never_too_many_and_are_never_idle_while_one_waits(
    times: list[float], workers: int, seconds: float
) -> None:
    arrived = np.sort(np.array(times))
    free = [0.0] * workers
    expected = []
    for time in arrived:
        start = max(float(time), min(free))
        free[free.index(min(free))] = start + seconds
        expected.append(start)

    assert way.begin(arrived, workers, seconds) == pytest.approx(expected)


def test_the_same_seed_gives_the_same_day_and_another_does_not() -> None:
    scenario = way.Scenario(500, "working day", 3, concurrency=5)
    once, again, other = (way.simulate(scenario, seed) for seed in (1, 1, 2))

    assert quotas.needs(once) == quotas.needs(again)
    assert (once.delivered == again.delivered).all()
    assert (once.arrived != other.arrived).any()


def test_a_working_days_busiest_hour_has_three_times_the_mean() -> None:
    assert (len(way.HOURS), sum(way.HOURS), max(way.HOURS)) == (24, pytest.approx(24), 3)
    arrived = way.simulate(way.Scenario(100_000, "working day", 1, concurrency=1_000)).arrived
    assert np.bincount((arrived // 3600).astype(int)).max() == pytest.approx(3 * 100_000 / 24, rel=0.03)


def test_a_burst_waits_as_long_as_its_submissions_take() -> None:
    day = way.simulate(way.Scenario(1_000, "burst", 1, concurrency=5))

    assert (day.begun - day.arrived).max() == pytest.approx(1_000 / 5 * way.PACE.submit_seconds, rel=0.01)


# --- claims on the day's one item ------------------------------------------------------------------------------------


@given(gaps=st.lists(st.floats(0, 0.03), min_size=1, max_size=80), hold=st.sampled_from(claims.HOLDS))
@settings(deadline=None, max_examples=60)
def test_an_item_takes_one_transaction_at_a_time(gaps: list[float], hold: float) -> None:
    item = claims.HotItems(1, hold)
    taken = [now for now in itertools.accumulate(gaps) if item.take(0, now)]

    assert taken[0] == gaps[0]
    assert all(later >= earlier + hold for earlier, later in itertools.pairwise(taken))


def test_an_item_takes_no_more_than_its_write_units() -> None:
    item = claims.HotItems(1, hold=0.0)
    taken = sum(item.take(0, tenth / 10_000) for tenth in range(30_000))

    assert taken <= (3 + 1) * claims.ITEM_UNITS_A_SECOND / 2  # three seconds, and one second's worth to begin with


def test_claims_that_never_meet_never_fail() -> None:
    found = claims.claims_at_rate(0.1, 0.005, claims=500)

    assert (found.failed, found.dead) == (0, 0)
    assert found.tries == pytest.approx(1, abs=0.01)


def test_more_claims_longer_holds_and_fewer_shards_fail_more_often() -> None:
    def failed(rate: float, hold: float, **how: Any) -> float:
        return claims.claims_at_rate(rate, hold, claims=2_000, **how).failed

    assert failed(35, 0.02) < failed(70, 0.02)
    assert failed(70, 0.01) < failed(70, 0.02)
    assert failed(70, 0.02, shards=8) < failed(70, 0.02)
    assert failed(30, 0.02) < failed(30, 0.02, both_lose=True)


def test_claims_with_one_seed_come_out_the_same() -> None:
    assert claims.claims_at_rate(50, 0.01, claims=500) == claims.claims_at_rate(50, 0.01, claims=500)
    assert claims.claims_of_workers(50, 0.01, seconds=6) == claims.claims_of_workers(50, 0.01, seconds=6)


def test_no_number_of_workers_gets_more_through_than_one_item_takes() -> None:
    for hold in claims.HOLDS:
        assert claims.claims_of_workers(300, hold, seconds=9).done_a_second <= 1 / hold


class AlwaysConflicting:
    """DynamoDB as it is while another transaction is always there first."""

    class exceptions:  # noqa: N801  # as boto3 names it
        class TransactionCanceledException(Exception):
            response = {"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]}  # noqa: RUF012

    def transact_write_items(self, **arguments: Any) -> Any:
        raise self.exceptions.TransactionCanceledException


WAITS = job_with(status=JobStatus.DEFERRED, generation_id=None, submitted_at=None)
CLAIMED = claim(WAITS, NOON, LEASE)
DEFERRED = defer(CLAIMED, Reason(ReasonCode.PROVIDER_BUSY, "Busy."), NOON, NOON)


def naps_until_it_gives_up(call: Callable[[Ledger], object], tries: int) -> Any:
    """Return the pause after each try, a row for each of 50 calls that all gave up."""
    naps: list[float] = []
    ledger = Ledger(AlwaysConflicting(), "jobs", "spend", SpendLimit(None), naps.append)
    for _ in range(50):
        with pytest.raises(RetryLater):
            call(ledger)
    return np.array(naps).reshape(50, tries - 1)


@pytest.mark.parametrize(
    ("call", "tries"),
    [
        (lambda ledger: ledger.reserve(WAITS, CLAIMED), MAX_TRIES),
        (lambda ledger: ledger.release(CLAIMED, DEFERRED), MAX_RELEASE_TRIES),
    ],
    ids=["claim", "release"],
)
def test_the_ledger_tries_and_waits_as_the_simulation_has_it(call: Callable[[Ledger], object], tries: int) -> None:
    each_try = naps_until_it_gives_up(call, tries)

    longest = np.array([claims.longest_wait(number) for number in range(tries - 1)])  # none after the last try
    assert (each_try <= longest).all()
    assert (each_try.max(axis=0) > longest / 2).all()
    assert longest.max() == MAX_PAUSE_SECONDS
    assert repr(claims.JITTER_SECONDS) in inspect.getsource(transactions)


def test_a_claim_and_its_release_wait_less_than_the_functions_time(template: dict[str, Any]) -> None:
    waits = [sum(map(claims.longest_wait, range(tries))) for tries in (MAX_TRIES, MAX_RELEASE_TRIES)]

    assert sum(waits) < template["Resources"]["SubmitGenerationFunction"]["Properties"]["Timeout"]


# --- the day in shards: the page's design, as a model ----------------------------------------------------------------

PRICES = sorted(set(PRICE_CENTS.values()))
SHARDS = 3


class Shards:
    """The design of docs/scale.md: each method is one transaction, all of it or nothing."""

    def __init__(self) -> None:
        self.reserved, self.room, self.limits = [0] * SHARDS, [0] * SHARDS, [-1] * SHARDS

    def claim(self, shard: int, price: int, limit: int) -> bool:
        if self.limits[shard] != limit or self.room[shard] < price:
            return False
        self.room[shard] -= price
        self.reserved[shard] += price
        return True

    def release(self, shard: int, price: int) -> None:
        self.room[shard] += price
        self.reserved[shard] -= price

    def snapshot(self) -> tuple[list[int], list[int]]:
        return list(self.reserved), list(self.room)

    def deal(self, seen: tuple[list[int], list[int]], shard: int, price: int, limit: int) -> bool | None:
        """Return whether it was written; None where the snapshot says that there is no money."""
        free = limit - sum(seen[0])
        if free < price:
            return None
        if seen != self.snapshot():
            return False
        part, rest = divmod(free, SHARDS)
        even = part >= max(PRICES)
        self.room = [part if even else 0] * SHARDS
        self.room[shard] += rest if even else free
        self.limits = [limit] * SHARDS
        return True


class ShardedDay(RuleBasedStateMachine):
    """Claims, releases, deals that were read long before they are written, and limits that change."""

    def __init__(self) -> None:
        super().__init__()
        self.day, self.limit = Shards(), 1_000
        self.claims: list[tuple[int, int]] = []
        self.seen: list[tuple[tuple[list[int], list[int]], int, int, int]] = []

    def take(self, shard: int, price: int, limit: int) -> bool:
        taken = self.day.claim(shard, price, limit)
        if taken:
            self.claims.append((shard, price))
            assert sum(self.day.reserved) <= limit, "the cap"
        return taken

    @rule(limit=st.integers(0, 1_500))
    def change_the_limit(self, limit: int) -> None:
        self.limit = limit

    @rule(shard=st.integers(0, SHARDS - 1), price=st.sampled_from(PRICES), old_limit=st.integers(0, 1_500) | st.none())
    def claim(self, shard: int, price: int, old_limit: int | None) -> None:
        self.take(shard, price, self.limit if old_limit is None else old_limit)

    @rule(shard=st.integers(0, SHARDS - 1), price=st.sampled_from(PRICES))
    def read_for_a_deal(self, shard: int, price: int) -> None:
        self.seen.append((self.day.snapshot(), shard, price, self.limit))

    @precondition(lambda self: self.seen)
    @rule(which=st.integers(0, 9))
    def write_a_deal(self, which: int) -> None:
        self.day.deal(*self.seen.pop(which % len(self.seen)))

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 9))
    def release(self, which: int) -> None:
        self.day.release(*self.claims.pop(which % len(self.claims)))

    @rule(shard=st.integers(0, SHARDS - 1), price=st.sampled_from(PRICES))
    def claim_undisturbed(self, shard: int, price: int) -> None:
        """A claim with its deal gets money exactly where one item would have had it: none is stranded."""
        one_item_has_it = sum(self.day.reserved) + price <= self.limit
        taken = self.take(shard, price, self.limit)
        if not taken and self.day.deal(self.day.snapshot(), shard, price, self.limit) is not None:
            taken = self.take(shard, price, self.limit)
        assert taken is one_item_has_it

    @invariant()
    def every_cent_is_accounted_for(self) -> None:
        assert sum(self.day.reserved) == sum(price for _, price in self.claims)
        assert min(self.day.reserved) >= 0
        assert min(self.day.room) >= 0
        assert len(set(self.day.limits)) == 1
        assert sum(self.day.reserved) + sum(self.day.room) == max(self.day.limits[0], 0)


def test_a_day_in_shards_keeps_the_cap_to_the_cent_and_strands_nothing() -> None:
    run_state_machine_as_test(ShardedDay, settings=settings(max_examples=80, stateful_step_count=40, deadline=None))


# --- the sweeper -----------------------------------------------------------------------------------------------------


def test_the_sweeper_leaves_a_short_queue_alone() -> None:
    assert sweeper.drain(500, busy_share=0.1) == sweeper.drain(500, busy_share=0.1, sweeps=False)


def test_every_image_of_a_backlog_is_submitted_and_no_less_often_than_it_must() -> None:
    held = sweeper.drain(2_000, held=True)
    busy = sweeper.drain(2_000, busy_share=0.2)

    assert held.submissions == 2_000
    assert busy.submissions == pytest.approx(2_000 / 0.8, rel=0.1)
    assert held.messages >= held.submissions
    assert busy.messages >= busy.submissions


def test_a_provider_that_defers_all_for_a_while_makes_each_image_of_that_time_come_again() -> None:
    found = sweeper.drain(200, busy_seconds=100)

    assert found.submissions > 200
    assert found.seconds > sweeper.drain(200).seconds


def test_held_jobs_are_sent_once_where_their_messages_are_taken_before_they_count_as_lost() -> None:
    taken_in_time = round(sweeper.LOST_SECONDS / way.PACE.submit_seconds)

    assert sweeper.drain(taken_in_time, held=True, concurrency=1).messages == taken_in_time
    assert sweeper.drain(2 * taken_in_time, held=True, concurrency=1).messages > 2 * taken_in_time


def test_one_pass_sends_as_many_as_its_time_allows_and_the_next_goes_on_from_there() -> None:
    backlog = sweeper.Backlog([sweeper.Waiting(is_held=True, created=0.0) for _ in range(4_000)])

    for sweep in range(3):
        backlog.sweep(sweep * sweeper.SWEEP_EVERY_SECONDS)

        sent = [number for _, number, _ in backlog.later]
        assert len(sent) == pytest.approx((sweep + 1) * sweeper.SENT_A_PASS, abs=sweep + 1)
        assert sorted(sent) == list(range(len(sent)))


def test_a_pass_over_jobs_that_wait_ends_with_its_time() -> None:
    now = sweeper.LOST_SECONDS + 100
    waits = [sweeper.Waiting(is_deferred=True, created=0.0, updated=now) for _ in range(sweeper.JOBS_A_PASS)]
    lost = sweeper.Waiting(is_deferred=True, created=1.0)

    backlogs = [sweeper.Backlog([*waits[:number], lost]) for number in (sweeper.JOBS_A_PASS // 2, sweeper.JOBS_A_PASS)]
    for backlog in backlogs:
        backlog.sweep(now)

    assert [len(backlog.later) for backlog in backlogs] == [1, 0]


@pytest.mark.parametrize("status", [JobStatus.HELD, JobStatus.DEFERRED])
def test_the_sweeper_sends_what_nobody_takes_when_the_simulation_has_it_send(status: JobStatus) -> None:
    stack, is_held = FakeStack(), status is JobStatus.HELD
    stack.has(status=status, created_at=NOON, updated_at=NOON, generation_id=None, submitted_at=None)
    backlog = sweeper.Backlog([sweeper.Waiting(is_held=is_held, is_deferred=not is_held, created=0.0)])
    sent, simulated = [], []

    for at in range(0, 2 * way.DAY, sweeper.SWEEP_EVERY_SECONDS):
        stack.clock.time = NOON + timedelta(seconds=at)
        stack.sweep.run()
        sent.append(len(stack.queue.sent))
        backlog.sweep(at)
        simulated.append(len(backlog.later))

    assert sent[-1] > 5
    assert sent == simulated
    assert [message.requeues for message, _ in stack.queue.sent] == [number for _, _, number in sorted(backlog.later)]


def test_the_sweeper_asks_for_what_the_simulation_has_it_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stack, asked = FakeStack(), []

    def waiting(_: JobTable, what: str, created_until: datetime) -> Iterator[str]:
        asked.append((what, (NOON - created_until).total_seconds()))
        return iter(())

    monkeypatch.setattr(JobTable, "waiting", waiting)
    stack.sweep.run()

    looks_into_the_dead_letter_queue = 1
    assert len(asked) + looks_into_the_dead_letter_queue == sweeper.PASSES == len(stack.sweep.passes()) + 2
    assert asked[0] == ("held", 0)
    assert dict(asked[1:]) == {
        **dict.fromkeys(("publishing", "generating", "deferred", "held", "operator"), sweeper.QUIET_SECONDS),
        "submitting": 0,
    }


def test_a_pass_is_enough_for_a_million_a_day_up_to_ten_and_a_half_minutes_a_generation() -> None:
    def old(minutes: float) -> float:
        day = way.simulate(way.Scenario(findings.MILLION, "working day", minutes, findings.ENOUGH))
        return quotas.needs(day)["jobs_old"]

    assert old(10.5) < sweeper.JOBS_A_PASS < old(11)


def test_only_generations_of_more_than_ten_minutes_cost_the_sweeper_time() -> None:
    needs = [quotas.needs(way.simulate(way.Scenario(3_000, "even", minutes, concurrency=5))) for minutes in (3, 12)]

    assert needs[0]["jobs_old"] == 0
    assert 0 < needs[1]["jobs_old"] < needs[1]["jobs_open"]


# --- tied to what it speaks of ---------------------------------------------------------------------------------------


def test_it_speaks_of_the_templates_own_settings(template: dict[str, Any]) -> None:
    resources, parameters = template["Resources"], template["Parameters"]
    queue, swept = resources["SubmissionQueue"]["Properties"], resources["SweepJobsFunction"]["Properties"]

    assert list(quotas.SUBMIT_CONCURRENCIES) == [int(one) for one in parameters["SubmitConcurrency"]["AllowedValues"]]
    assert int(parameters["SubmitConcurrency"]["Default"]) == quotas.DEFAULT_CONCURRENCY
    assert int(parameters["PollIntervalSeconds"]["Default"]) == way.PACE.poll_seconds
    assert int(parameters["DailySpendLimitUsd"]["Default"]) * 100 == quotas.DEFAULT_LIMIT_CENTS
    assert f"comes back after {queue['VisibilityTimeout']} s" in " ".join(PAGE.read_text(encoding="utf-8").split())
    assert queue["RedrivePolicy"]["maxReceiveCount"] == claims.MAX_RECEIVES
    assert swept["Events"]["Schedule"]["Properties"]["Schedule"] == "rate(5 minutes)"
    assert sweeper.SWEEP_EVERY_SECONDS == 5 * 60
    assert sweeper.PASSES * PASS.total_seconds() < swept["Timeout"] < sweeper.SWEEP_EVERY_SECONDS
    assert QUIET.total_seconds() == sweeper.QUIET_SECONDS
    assert MESSAGE_LOST.total_seconds() == sweeper.LOST_SECONDS
    (index,) = resources["JobsTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["Projection"]["ProjectionType"] == "KEYS_ONLY"


def test_it_counts_the_state_machines_own_transitions() -> None:
    states = json.loads((ROOT / "statemachine" / "generate_video.asl.json").read_text(encoding="utf-8"))
    at, passed = states["StartAt"], []
    outcomes = iter(["waiting", "waiting", "completed"])
    while True:
        passed.append(at)
        state = states["States"][at]
        if state["Type"] == "Succeed":
            break
        if state["Type"] == "Choice":
            outcome = next(outcomes)
            at = next(choice["Next"] for choice in state["Choices"] if choice["StringEquals"] == outcome)
        else:
            at = state["Next"]

    units = quotas.UNITS
    assert len(passed) == units.transitions_start + 3 * units.transitions_turn + units.transitions_end


def units_by_call(changes: list[Change]) -> list[tuple[int, int]]:
    """Return of each call that changes the job table the units of the table and those of its index."""
    found: dict[int, tuple[int, int]] = {}
    for one in changes:
        if one.table != "jobs":
            continue
        table = write_units(one.old, one.new, in_transaction=one.in_transaction)
        both = write_units(one.old, one.new, WAITING_INDEX, in_transaction=one.in_transaction)
        so_far = found.get(one.call, (0, 0))
        found[one.call] = so_far[0] + table, so_far[1] + both - table
    return list(found.values())


def test_an_image_costs_the_units_that_the_simulation_counts() -> None:
    changes = one_video(polls=1)

    received, claimed, accepted, submitted_marked, polled, completed, completed_marked = units_by_call(changes)

    units = quotas.UNITS
    index = units.received_index, units.claim_index, units.accepted_index, units.delivered_index
    assert (received[1], claimed[1], accepted[1], completed[1] + completed_marked[1]) == index
    assert submitted_marked[1] == polled[1] == 0
    assert sum(index) == 8
    found = [
        (received[0], units.received_writes),
        (claimed[0], units.claim_writes),
        (accepted[0] + submitted_marked[0], units.accepted_writes),
        (polled[0], units.job_write),
        (completed[0] + completed_marked[0], units.delivered_writes),
    ]
    assert all(taken <= most for taken, most in found), found
    assert received[0] == units.received_writes
    (day,) = [
        write_units(one.old, one.new, in_transaction=one.in_transaction) for one in changes if one.table == "spend"
    ]
    assert day == units.spend_writes


def test_a_claim_is_a_transaction_of_four_items() -> None:
    changes = one_video()
    (call,) = [one.call for one in changes if one.table == "spend"]

    rows = [one.key.get("row", one.key.get("day", {}))["S"] for one in changes if one.call == call]

    assert rows == ["job", "attempt#01#0000", "picture", NOON.date().isoformat()]


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BENCH_QUICK", raising=False)
        return scale.run(lambda _: None)


def test_the_result_is_json_and_says_of_each_target_whether_it_is_met(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert all({"what", "target", "value", "met"} <= one.keys() for one in result["targets"])


def test_every_image_of_every_day_ended(result: dict[str, Any]) -> None:
    assert all(day["needs"]["ended"] == day["images"] for day in result["days"])


def test_the_pages_tables_are_what_the_simulation_finds(result: dict[str, Any]) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert sorted(re.findall(r"<!-- bench:([\w-]+) -->", page)) == sorted(
        f"scale-{one['name']}" for one in result["tables"]
    )
    assert scale.renewed(page, result) == page


def test_the_pages_sentences_are_what_the_simulation_finds(result: dict[str, Any]) -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    million = findings.day_of(result["days"], findings.MILLION, "working day", 3)
    share = max(million[quota.need] / quota.most for quota in quotas.QUOTAS)
    thousand = {shape: findings.day_of(result["days"], 1_000, shape, 3)["lambda_at_once"] for shape in way.SHAPES}
    by_hold = {one["hold_seconds"]: one for one in result["claims"]["holds"]}
    workers = {one["concurrency"]: one["one_item"] for one in result["claims"]["workers"]}
    busy = {one["concurrency"]: one["provider_busy"]["lost_releases"] for one in result["claims"]["workers"]}
    swept = result["sweeper"]
    polls = [
        day["needs"]["transitions_a_second"]
        for day in result["days"]
        if (day["images"], day["shape"], day["minutes"]) == (findings.MILLION, "working day", 10)
    ]

    assert f"the tightest is Lambda, at {share * 100:.0f} %" in page
    assert million["lambda_at_once"] / 1_000 == share
    assert f"`SubmitConcurrency` = {findings.ENOUGH}," in page
    assert f"${findings.MILLION * PRICE_CENTS['fast', 5] // 100:,} or more" in page
    assert thousand["even"] <= thousand["working day"] <= 10 < thousand["burst"]
    assert f"come to {result['claims']['peak_a_second']} claims a second" in page
    assert by_hold[0.01]["holds_up_to"] > findings.PEAK > by_hold[0.02]["holds_up_to"]
    assert f"At 20 ms it bends: {by_hold[0.02]['holds_up_to']} claims a second hold" in page
    assert f"{by_hold[0.02]['at_peak']['failed'] * 100:.2g} % of that hour's claims fail" in page
    assert by_hold[0.01]["holds_up_to_if_both_lose"] < findings.PEAK
    assert all(one["holds_up_to_if_both_lose"] < one["holds_up_to"] / 2 for one in by_hold.values())
    assert by_hold[0.02]["at_peak"]["dead"] * findings.MILLION < 0.01
    assert workers[100]["20 ms"]["failed"] < 0.01 < workers[150]["20 ms"]["failed"]
    assert workers[200]["10 ms"]["failed"] < 0.01 < workers[300]["10 ms"]["failed"]
    assert workers[100]["20 ms"]["dead"] * findings.MILLION < 1 < workers[150]["20 ms"]["dead"] * findings.MILLION
    assert workers[500]["20 ms"]["done_a_second"] < 1.3 * workers[100]["20 ms"]["done_a_second"]
    assert workers[500]["10 ms"]["done_a_second"] < 1.3 * workers[200]["10 ms"]["done_a_second"]
    assert workers[1_000]["10 ms"]["done_a_second"] < 0.5 * workers[500]["10 ms"]["done_a_second"]
    assert busy[100] == 0 < busy[150] < 0.002
    assert f"{MAX_TRIES} times, and a release {MAX_RELEASE_TRIES} times" in page
    assert "15 instead of 5 needs about a third" in page
    assert polls[1] / polls[0] == pytest.approx(1 / 3, abs=0.05)
    assert f"{10 * way.DAY * 5 / way.PACE.submit_seconds:,.0f} images in one burst" in page
    assert f"nobody took for {sweeper.LOST_SECONDS / 60:.0f} minutes counts as lost" in page
    assert f"{swept['jobs_a_pass']:,} jobs, or {swept['sent_a_pass']:,} messages" in page
    assert f"{swept['sent_a_day']:,} held jobs a day" in page
    assert f"a million of them take {findings.MILLION / swept['sent_a_day']:.1f} days" in page
    sent_a_second = swept["sent_a_pass"] / sweeper.SWEEP_EVERY_SECONDS
    enough = next(n for n in quotas.SUBMIT_CONCURRENCIES if n / way.PACE.submit_seconds > sent_a_second)
    assert f"From `SubmitConcurrency` = {enough} on, that is slower" in page
    assert max(one["messages_a_submission"] for one in swept["released"]) < 2
    assert max(one["swept"]["messages_a_submission"] for one in swept["deferred"]) < 2
    assert f"$50 are {quotas.DEFAULT_LIMIT_CENTS // PRICE_CENTS['fast', 5]} videos" in page
