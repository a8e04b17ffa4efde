"""A picture that is copied onto itself is paid once, in any order of events, with crashes, faults and concurrent workers."""

import pytest

from dropreel.domain.prices import usd
from tests.faults.play import NewSimulation, Record, crashes_of, faults_of, play, play_each, points_of
from tests.faults.script import FAULTS, Script
from tests.support.sample_jobs import PRICE
from tests.support.tables import MotoTables

ORDERS = {"copied afterwards": ">", "the copy's event first": "<", "copied twice": "<>"}
SCRIPTS = {
    "accepted": Script(("accept",)),
    "failed, then made": Script(("fail", "accept")),
    "busy, then accepted": Script(("busy", "accept")),
    "answer lost": Script(("lost",)),
    "refused": Script(("refuse",)),
}
HELD = Script(("accept", "accept"), limit=str(usd(PRICE)))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_one_crash_at_every_call(new_simulation: NewSimulation, name: str, order: str, record_property: Record) -> None:
    baseline = play(new_simulation(SCRIPTS[name]), copies=ORDERS[order])

    schedules = play_each(new_simulation, SCRIPTS[name], crashes_of(baseline), copies=ORDERS[order])

    assert len(baseline.tables.jobs()) == 1
    assert schedules > 5
    record_property("schedules", schedules)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["accepted", "busy, then accepted", "refused"])
@pytest.mark.parametrize("worker", ["slow", "duplicate"])
def test_both_events_are_processed_concurrently(
    new_simulation: NewSimulation, name: str, order: str, worker: str, record_property: Record
) -> None:
    baseline = play(new_simulation(SCRIPTS[name]), copies=ORDERS[order])

    schedules = play_each(new_simulation, SCRIPTS[name], points_of(baseline, worker), copies=ORDERS[order])

    record_property("schedules", schedules)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_aws_call_may_fail(
    new_simulation: NewSimulation, fault: str, order: str, record_property: Record
) -> None:
    baseline = play(new_simulation(SCRIPTS["accepted"]), copies=ORDERS[order])

    schedules = play_each(new_simulation, SCRIPTS["accepted"], faults_of(baseline, fault), copies=ORDERS[order])

    record_property("schedules", schedules)


@pytest.mark.parametrize("order", ORDERS)
def test_a_held_picture_and_its_held_copy_are_paid_once(
    new_simulation: NewSimulation, order: str, record_property: Record
) -> None:
    baseline = play(new_simulation(HELD), images=2, copies=ORDERS[order])

    schedules = play_each(new_simulation, HELD, crashes_of(baseline), images=2, copies=ORDERS[order])

    assert len(baseline.provider.submissions) == 2
    assert sorted(job["status"] for job in baseline.tables.jobs())[:2] == ["completed", "completed"]
    record_property("schedules", schedules)


def test_the_simulations_tables_match_motos(new_simulation: NewSimulation, moto_tables: type[MotoTables]) -> None:
    for order in ORDERS.values():
        for script in SCRIPTS.values():
            play(new_simulation(script, tables=moto_tables), images=2, copies=order)
