"""A picture that is copied onto itself is paid once: whichever event comes first, whatever dies, whoever else works."""

import pytest

from tests.faults.play import NewWorld, Record, deaths_of, faults_of, play, play_each, points_of
from tests.faults.script import FAULTS, Script
from tests.support.tables import MotoTables

ORDERS = {"copied afterwards": ">", "the copy's event first": "<", "copied twice": "<>"}
SCRIPTS = {
    "accepted": Script(("accept",)),
    "failed, then made": Script(("fail", "accept")),
    "busy, then accepted": Script(("busy", "accept")),
    "answer lost": Script(("lost",)),
    "refused": Script(("refuse",)),
}
HELD = Script(("accept", "accept"), limit="0.47")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_one_death_at_every_point(new_simulation: NewWorld, name: str, order: str, record_property: Record) -> None:
    calm = play(new_simulation(SCRIPTS[name]), copies=ORDERS[order])

    schedules = play_each(new_simulation, SCRIPTS[name], deaths_of(calm), copies=ORDERS[order])

    assert len(calm.tables.jobs()) == 1
    assert schedules > 5
    record_property("schedules", schedules)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["accepted", "busy, then accepted", "refused"])
@pytest.mark.parametrize("who", ["slow", "duplicate"])
def test_both_events_are_worked_on_at_once(
    new_simulation: NewWorld, name: str, order: str, who: str, record_property: Record
) -> None:
    calm = play(new_simulation(SCRIPTS[name]), copies=ORDERS[order])

    schedules = play_each(new_simulation, SCRIPTS[name], points_of(calm, who), copies=ORDERS[order])

    record_property("schedules", schedules)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_aws_call_may_go_wrong(new_simulation: NewWorld, fault: str, order: str, record_property: Record) -> None:
    calm = play(new_simulation(SCRIPTS["accepted"]), copies=ORDERS[order])

    schedules = play_each(new_simulation, SCRIPTS["accepted"], faults_of(calm, fault), copies=ORDERS[order])

    record_property("schedules", schedules)


@pytest.mark.parametrize("order", ORDERS)
def test_a_picture_and_its_copy_that_both_wait_for_money_are_paid_once(
    new_simulation: NewWorld, order: str, record_property: Record
) -> None:
    calm = play(new_simulation(HELD), images=2, copies=ORDERS[order])

    schedules = play_each(new_simulation, HELD, deaths_of(calm), images=2, copies=ORDERS[order])

    assert len(calm.provider.submissions) == 2
    assert sorted(job["status"] for job in calm.tables.jobs())[:2] == ["completed", "completed"]
    record_property("schedules", schedules)


def test_the_tables_of_the_worlds_answer_as_motos_do(new_simulation: NewWorld, moto_tables: type[MotoTables]) -> None:
    for order in ORDERS.values():
        for script in SCRIPTS.values():
            play(new_simulation(script, tables=moto_tables), images=2, copies=order)
