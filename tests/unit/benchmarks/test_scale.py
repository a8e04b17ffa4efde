"""The simulation of docs/scale.md: laws of queues, its values from the code and template, and the sentences of the page."""

import inspect
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import scale
from benchmarks.meter import WAITING_INDEX, write_units
from benchmarks.report import RESULTS, load
from benchmarks.scale import claims, day, quotas
from dropreel.adapters import transactions
from dropreel.adapters.ledger import MAX_RELEASE_TRIES
from dropreel.adapters.transactions import MAX_PAUSE_SECONDS, MAX_TRIES
from dropreel.domain.errors import RetryLater
from dropreel.domain.prices import PRICE_CENTS
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, PASS
from tests.support.fake_stack import FakeStack
from tests.support.sample_jobs import NOON
from tests.support.table_changes import changes_of_one_video
from tests.support.templates import load_template

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = load_template(str(ROOT / "template.yaml"))
    return loaded


@pytest.mark.parametrize("shape", day.SHAPES)
@pytest.mark.parametrize("images", [1, 7, 3_000])
def test_every_image_takes_every_step_and_ends(images: int, shape: str) -> None:
    found = day.simulate(day.Scenario(images, shape, 3, concurrency=5))
    seconds = int(found.delivered.max()) + 2

    assert len(found.arrived) == len(found.delivered) == images
    assert (found.arrived <= found.begun).all()
    assert (found.begun < found.accepted).all()
    assert (found.accepted < found.delivered).all()
    assert day.polls_per_second(found, day.PACE.turn, seconds).sum() == found.polls.sum() >= images
    for start, end in ((found.arrived, found.begun), (found.begun, found.accepted), (found.accepted, found.delivered)):
        each = day.in_progress(start, end, seconds)
        assert (each.min(), each[-1]) == (0, 0)


def test_littles_law_holds_on_a_steady_stream() -> None:
    found = day.simulate(day.Scenario(50_000, "even", 3, concurrency=10))

    steady = slice(3_600, day.DAY_SECONDS)  # the first hour fills it
    inside = day.in_progress(found.arrived, found.delivered, int(found.delivered.max()) + 2)[steady].mean()

    assert inside == pytest.approx(50_000 / day.DAY_SECONDS * (found.delivered - found.arrived).mean(), rel=0.02)


@given(
    times=st.lists(st.floats(0, 60), min_size=1, max_size=40),
    workers=st.integers(1, 6),
    seconds=st.sampled_from([0.5, 2.0]),
)
@settings(deadline=None, max_examples=60)
def test_workers_take_the_oldest_first_and_are_never_idle(times: list[float], workers: int, seconds: float) -> None:
    arrived = np.sort(np.array(times))
    free = [0.0] * workers
    expected = []
    for time in arrived:
        start = max(float(time), min(free))
        free[free.index(min(free))] = start + seconds
        expected.append(start)

    assert day.submission_starts(arrived, workers, seconds) == pytest.approx(expected)


@given(gaps=st.lists(st.floats(0, 0.03), min_size=1, max_size=80), hold=st.sampled_from(claims.HOLDS))
@settings(deadline=None, max_examples=60)
def test_an_item_takes_one_transaction_at_a_time(gaps: list[float], hold: float) -> None:
    item = claims.DayItem(hold)
    taken = [now for now in itertools.accumulate(gaps) if item.take(now)]

    assert taken[0] == gaps[0]
    assert all(later >= earlier + hold for earlier, later in itertools.pairwise(taken))


def test_an_item_takes_no_more_than_its_write_units() -> None:
    item = claims.DayItem(hold=0.0)
    taken = sum(item.take(tenth / 10_000) for tenth in range(30_000))

    assert taken <= (3 + 1) * claims.ITEM_UNITS_A_SECOND / 2  # three seconds, and one second's worth to begin with


def test_more_workers_and_longer_holds_fail_more_often() -> None:
    def found(workers: int, hold: float) -> claims.Claims:
        return claims.simulate_claims(workers, hold, seconds=12)

    assert found(2, 0.001).failed == 0
    assert found(200, 0.02).failed < found(300, 0.02).failed
    assert found(300, 0.01).failed < found(300, 0.02).failed
    assert all(found(300, hold).done_a_second <= 1 / hold for hold in claims.HOLDS)


class AlwaysConflicting:
    """DynamoDB that cancels every transaction because of a conflict."""

    class exceptions:  # noqa: N801  # as boto3 names it
        class TransactionCanceledException(Exception):
            response = {"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]}  # noqa: RUF012

    def transact_write_items(self, **arguments: Any) -> Any:
        raise self.exceptions.TransactionCanceledException


@pytest.mark.parametrize("tries", [MAX_TRIES, MAX_RELEASE_TRIES], ids=["claim", "release"])
def test_transactions_are_tried_and_pause_as_simulated(tries: int) -> None:
    pauses: list[float] = []
    for _ in range(50):
        with pytest.raises(RetryLater):
            transactions.transact(AlwaysConflicting(), [], pauses.append, tries)  # type: ignore[arg-type]

    each_try = np.array(pauses).reshape(50, tries - 1)  # none after the last try
    longest = np.array([claims.longest_pause(number) for number in range(tries - 1)])
    assert (each_try <= longest).all()
    assert (each_try.max(axis=0) > longest / 2).all()
    assert longest.max() == MAX_PAUSE_SECONDS
    assert repr(claims.JITTER_SECONDS) in inspect.getsource(transactions)


def test_it_has_the_templates_own_settings(template: dict[str, Any]) -> None:
    resources, parameters = template["Resources"], template["Parameters"]
    swept = resources["SweepJobsFunction"]["Properties"]

    assert int(parameters["SubmitConcurrency"]["Default"]) == quotas.DEFAULT_CONCURRENCY
    assert int(parameters["PollIntervalSeconds"]["Default"]) == day.PACE.poll_seconds
    assert int(parameters["DailySpendLimitUsd"]["Default"]) * 100 == quotas.DEFAULT_LIMIT_CENTS
    assert resources["SubmissionQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] == claims.MAX_RECEIVES
    assert swept["Events"]["Schedule"]["Properties"]["Schedule"] == f"rate({quotas.SWEEP_EVERY_SECONDS // 60} minutes)"
    assert len(FakeStack().sweep.passes()) + 2 == quotas.PASSES
    assert quotas.PASSES * PASS.total_seconds() < swept["Timeout"] < quotas.SWEEP_EVERY_SECONDS
    indexes = resources["JobsTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert {index["Projection"]["ProjectionType"] for index in indexes} == {"KEYS_ONLY"}


def test_it_counts_the_state_machines_own_transitions() -> None:
    states = json.loads((ROOT / "statemachine" / "generate_video.asl.json").read_text(encoding="utf-8"))
    name, entered = states["StartAt"], 1
    outcomes = iter(["waiting", "waiting", "completed"])
    while (state := states["States"][name])["Type"] != "Succeed":
        entered += 1
        if state["Type"] == "Choice":
            outcome = next(outcomes)
            name = next(choice["Next"] for choice in state["Choices"] if choice["StringEquals"] == outcome)
        else:
            name = state["Next"]

    units = quotas.UNITS
    assert entered == units.transitions_start + 3 * units.transitions_turn + units.transitions_end


def test_an_image_costs_the_units_that_are_simulated() -> None:
    changes = changes_of_one_video(polls=1)
    calls: dict[int, tuple[int, int]] = {}
    for one in (change for change in changes if change.table == "jobs"):
        table = write_units(one.old, one.new, in_transaction=one.in_transaction)
        both = write_units(one.old, one.new, WAITING_INDEX, in_transaction=one.in_transaction)
        before = calls.get(one.call, (0, 0))
        calls[one.call] = before[0] + table, before[1] + both - table
    (spend,) = [change for change in changes if change.table == "spend"]

    received, claimed, accepted, submitted_marked, polled, completed, completed_marked = calls.values()

    units = quotas.UNITS
    index = units.received_index, units.claim_index, units.accepted_index, units.delivered_index
    assert (received[1], claimed[1], accepted[1], completed[1] + completed_marked[1]) == index
    assert submitted_marked[1] == polled[1] == 0
    assert received[0] == units.received_writes
    assert claimed[0] <= units.claim_writes
    assert accepted[0] + submitted_marked[0] <= units.accepted_writes
    assert polled[0] <= units.job_write
    assert completed[0] + completed_marked[0] <= units.delivered_writes
    assert write_units(spend.old, spend.new, in_transaction=spend.in_transaction) == units.spend_writes
    rows = [one.key.get("row", one.key.get("day", {}))["S"] for one in changes if one.call == spend.call]
    assert rows == ["job", "attempt#01#0000", "picture", NOON.date().isoformat()]  # a claim is these four


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    found: dict[str, Any] = load(RESULTS)["scale"]["figures"]
    return found


def test_the_results_are_what_the_simulation_finds(figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_QUICK", raising=False)

    assert json.loads(json.dumps(scale.run(lambda _: None), allow_nan=False)) == figures, (
        "simulate again: .venvs/dev/bin/python -m benchmarks scale"
    )


def test_the_sweeper_reads_all_jobs_up_to_ten_and_a_half_minutes() -> None:
    assert scale.needs_of_million(3)["jobs_old"] == 0
    assert scale.needs_of_million(10.5)["jobs_old"] < quotas.JOBS_A_PASS
    assert scale.needs_of_million(11)["jobs_old"] > quotas.JOBS_A_PASS


def test_the_pages_sentences_are_what_the_simulation_finds(figures: dict[str, Any]) -> None:
    page = " ".join((ROOT / "docs" / "scale.md").read_text(encoding="utf-8").split())
    needs = figures["days"]["1,000,000"]
    workers = {one["workers"]: one for one in figures["claims"]}
    days, ten_minutes = figures["days"], "1,000,000, 10 min"
    released_a_day = quotas.RELEASES_A_PASS * day.DAY_SECONDS // quotas.SWEEP_EVERY_SECONDS

    assert needs["lambda_at_once"] / 1_000 == max(needs[quota.need] / quota.most for quota in quotas.QUOTAS)
    assert f"the tightest is Lambda, at {needs['lambda_at_once'] / 1_000:.0%}" in page
    assert f"`SubmitConcurrency` = {scale.ENOUGH}," in page
    assert f"${scale.MILLION * PRICE_CENTS['fast', 5] // 100:,} or more" in page
    assert days["1,000"]["lambda_at_once"] <= 10 < days["1,000 at once"]["lambda_at_once"]
    transitions = [days[name]["transitions_a_second"] for name in (f"{ten_minutes}, polls every 15 s", ten_minutes)]
    assert transitions[0] / transitions[1] == pytest.approx(1 / 3, abs=0.05)
    assert f"{10 * day.DAY_SECONDS * 5 / day.PACE.submit_seconds:,.0f} images in one burst" in page
    assert f"{MAX_TRIES} times, and a release {MAX_RELEASE_TRIES} times" in page
    assert f"come to {scale.PEAK:.1f} claims a second" in page
    assert workers[80]["10 ms"]["a_second"] > scale.PEAK > workers[80]["20 ms"]["a_second"] > 0.95 * scale.PEAK
    assert workers[100]["20 ms"]["failed"] < 0.02 < workers[150]["20 ms"]["failed"]
    assert workers[200]["10 ms"]["failed"] < 0.02 < workers[300]["10 ms"]["failed"]
    assert workers[100]["20 ms"]["dead_letters"] < 0.01
    assert workers[1_000]["10 ms"]["a_second"] < 0.5 * workers[500]["10 ms"]["a_second"]
    assert f"{quotas.JOBS_A_PASS:,} jobs, or {quotas.RELEASES_A_PASS:,} releases" in page
    assert f"{released_a_day:,} held jobs a day" in page
    assert f"after {MESSAGE_LOST.total_seconds() / 60:.0f} minutes counts as lost" in page
    assert f"$50 are {quotas.DEFAULT_LIMIT_CENTS // PRICE_CENTS['fast', 5]} videos" in page
