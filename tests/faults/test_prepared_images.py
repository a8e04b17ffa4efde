"""Images that are prepared before they are submitted: with crashes, faults, duplicates and expired copies at any call."""

from dataclasses import replace

import pytest

from dropreel.domain.prices import usd
from tests.faults.play import NewSimulation, Record, crashes_of, faults_of, play, play_each, points_of
from tests.faults.script import FAULTS, Script
from tests.support.sample_jobs import PRICE
from tests.support.tables import MotoTables

SCRIPTS: dict[str, tuple[Script, set[str]]] = {
    # name: (script, the allowed final statuses)
    "accepted": (Script(("accept",), pictures="prepared"), {"completed", "unknown"}),
    "failed, then made": (Script(("fail", "accept"), pictures="prepared"), {"completed", "unknown"}),
    "busy, then accepted": (Script(("busy", "accept"), pictures="prepared"), {"completed", "unknown"}),
    "answer lost": (Script(("lost",), pictures="prepared"), {"unknown"}),
    "refused": (Script(("refuse",), pictures="prepared"), {"rejected", "unknown"}),
    "undecodable": (Script(pictures="undecodable"), {"rejected"}),
}
HELD = Script(("accept", "accept"), limit=str(usd(PRICE)), pictures="prepared")


@pytest.mark.parametrize("name", SCRIPTS)
def test_one_crash_at_every_call(new_simulation: NewSimulation, name: str, record_property: Record) -> None:
    script, ends = SCRIPTS[name]
    baseline = play(new_simulation(script))

    schedules = play_each(new_simulation, script, crashes_of(baseline), ends)

    assert any(call.step == "prepare_image" for call in baseline.calls.trace)
    assert schedules > 5
    record_property("schedules", schedules)


@pytest.mark.parametrize("name", ["accepted", "failed, then made", "undecodable"])
@pytest.mark.parametrize("worker", ["duplicate", "sweep", "slow", "expire"])
def test_two_concurrent_workers(new_simulation: NewSimulation, name: str, worker: str, record_property: Record) -> None:
    script, ends = SCRIPTS[name]
    baseline = play(new_simulation(script))

    schedules = play_each(new_simulation, script, points_of(baseline, worker), ends)

    record_property("schedules", schedules)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["accepted", "undecodable"])
def test_every_aws_call_may_fail(new_simulation: NewSimulation, name: str, fault: str, record_property: Record) -> None:
    script, ends = SCRIPTS[name]

    schedules = play_each(new_simulation, script, faults_of(play(new_simulation(script)), fault), ends)

    record_property("schedules", schedules)


def test_a_held_image_survives_one_crash_at_every_call(new_simulation: NewSimulation, record_property: Record) -> None:
    schedules = play_each(new_simulation, HELD, crashes_of(play(new_simulation(HELD), images=2)), images=2)

    assert schedules > 30
    record_property("schedules", schedules)


@pytest.mark.parametrize("copies", [">", "<", "<>"])
def test_a_copied_image_is_paid_once(new_simulation: NewSimulation, copies: str, record_property: Record) -> None:
    script, _ends = SCRIPTS["accepted"]
    baseline = play(new_simulation(script), copies=copies)

    schedules = play_each(new_simulation, script, crashes_of(baseline), copies=copies)

    assert len(baseline.provider.submissions) == 1
    record_property("schedules", schedules)


def test_s3_refuses_prepared_images_for_hours(new_simulation: NewSimulation) -> None:
    """The message becomes a dead letter, which the operator sends back."""
    script = replace(SCRIPTS["accepted"][0], faults={"PutObject": ("refused always",)})

    simulation = play(new_simulation(script))

    assert simulation.statuses() == {"completed"}
    deferred = [event for event in simulation.checks.events if event["type"] == "Video Generation Deferred"]
    assert [event["data"]["reason"]["code"] for event in deferred] == ["dead_letter"]


def test_a_lost_message_is_sent_again_by_the_sweep(new_simulation: NewSimulation) -> None:
    simulation = new_simulation(SCRIPTS["accepted"][0])
    simulation.upload("0.jpg")
    simulation.deliver(simulation.queue[0])
    simulation.queue.clear()

    simulation.run()

    simulation.check_at_the_end()
    assert simulation.statuses() == {"completed"}


def test_the_simulations_tables_match_motos(new_simulation: NewSimulation, moto_tables: type[MotoTables]) -> None:
    for script in (*(script for script, _ in SCRIPTS.values()), HELD):
        play(new_simulation(script, tables=moto_tables), images=2)
