"""Whatever dies or goes wrong wherever, nothing is paid twice, nothing paid is lost, and the cap holds."""

from dataclasses import replace

import pytest

from tests.faults.play import NewWorld, Record, deaths_of, faults_of, play, play_each
from tests.faults.provider import video_of
from tests.faults.script import FAULTS, Script
from tests.support.tables import MotoTables

SUBMITTING: dict[str, tuple[Script, set[str]]] = {
    # name: (what the outside does, how a job may end)
    "accepted": (Script(("accept",)), {"completed", "unknown"}),
    "failed, then made": (Script(("fail", "accept")), {"completed", "unknown"}),
    "busy, then accepted": (Script(("busy", "accept")), {"completed", "unknown"}),
    "key refused, then accepted": (Script(("bad key", "accept")), {"completed", "unknown"}),
    "no balance, then accepted": (Script(("no balance", "accept")), {"completed", "unknown"}),
    "busy for hours, then accepted": (Script(("busy for hours", "accept")), {"completed", "unknown"}),
    "busy again and again, then accepted": (Script(("busy",) * 11 + ("accept",)), {"completed", "unknown"}),
    "failed, then no balance": (Script(("fail", "no balance", "accept")), {"completed", "unknown"}),
    "refused": (Script(("refuse",)), {"rejected", "unknown"}),
    "failed, then refused": (Script(("fail", "refuse")), {"failed", "unknown"}),
    "answer lost": (Script(("lost",)), {"unknown"}),
    "answer lost, unpaid": (Script(("lost unpaid",)), {"unknown"}),
}
WATCHING: dict[str, Script] = {
    "polls go wrong": Script(polls=("time-out", "500", "401", "404", "no address")),
    "never ends, then resumed": Script(polls=("processing for ever",), timeout_minutes=1, owner=("resume",)),
    "no longer known, then resumed": Script(polls=("404 for ever",), owner=("resume",)),
    "key no longer taken, then resumed": Script(polls=("401 for ever",), timeout_minutes=1, owner=("resume",)),
    "downloads go wrong": Script(downloads=("403", "breaks off", "cut short", "no video")),
    "downloads are odd": Script(downloads=("no media", "bytes behind, no length", "bytes behind")),
    "no media, then resumed": Script(downloads=("no media for ever",), owner=("resume",)),
    "downloads never work, then resumed": Script(downloads=("cut short for ever",), owner=("resume",)),
    "S3 refuses": Script(faults={"PutObject": ("refused", "lost", "good", "refused", "good", "lost")}),
    "the bus refuses": Script(faults={"PutEvents": ("good", "untaken", "refused", "untaken", "untaken", "untaken")}),
}
"""What goes wrong after the money: a paid video comes nevertheless, though its owner may have to ask for it."""
DECIDING: dict[str, tuple[Script, set[str]]] = {
    "adopted": (Script(("lost",), owner=("adopt",)), {"completed"}),
    "adopted, and it had failed": (Script(("lost and fails", "accept"), owner=("adopt",)), {"failed"}),
    "somebody else's id": (Script(("lost",), owner=("adopt nobody's",)), {"unknown"}),
    "abandoned": (Script(("lost",), owner=("abandon",)), {"failed"}),
    "submitted again": (Script(("lost unpaid", "accept"), owner=("resubmit",)), {"completed", "unknown"}),
    "submitted again and refused": (Script(("lost", "refuse"), owner=("resubmit",)), {"unknown"}),
}


@pytest.mark.parametrize("name", SUBMITTING)
def test_one_death_at_every_point(new_simulation: NewWorld, name: str, record_property: Record) -> None:
    script, ends = SUBMITTING[name]

    schedules = play_each(new_simulation, script, deaths_of(play(new_simulation(script))), ends)

    assert schedules > 5
    record_property("schedules", schedules)


def test_a_held_job_survives_one_death_at_every_point(new_simulation: NewWorld, record_property: Record) -> None:
    script = Script(("accept", "accept"), limit="0.47")

    schedules = play_each(new_simulation, script, deaths_of(play(new_simulation(script), images=2)), images=2)

    assert schedules > 30
    record_property("schedules", schedules)


@pytest.mark.parametrize("name", WATCHING)
def test_a_paid_video_comes_after_one_death_at_every_point(
    new_simulation: NewWorld, name: str, record_property: Record
) -> None:
    script = WATCHING[name]
    calm = play(new_simulation(script))

    schedules = play_each(new_simulation, script, deaths_of(calm, since="check_status"), {"completed"})

    assert calm.statuses() == {"completed"}
    assert len(calm.provider.submissions) == 1
    record_property("schedules", schedules)


@pytest.mark.parametrize("name", DECIDING)
def test_what_the_owner_decides_survives_one_death_at_every_point(
    new_simulation: NewWorld, name: str, record_property: Record
) -> None:
    script, ends = DECIDING[name]
    calm = play(new_simulation(script))

    schedules = play_each(new_simulation, script, deaths_of(calm, since="owner"), ends)

    assert schedules > 1
    record_property("schedules", schedules)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["accepted", "failed, then made", "busy, then accepted"])
def test_every_aws_call_may_go_wrong(new_simulation: NewWorld, name: str, fault: str, record_property: Record) -> None:
    script, ends = SUBMITTING[name]

    schedules = play_each(new_simulation, script, faults_of(play(new_simulation(script)), fault), ends)

    assert schedules > 1
    record_property("schedules", schedules)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("script", [WATCHING["downloads never work, then resumed"], DECIDING["adopted"][0]])
def test_every_aws_call_may_go_wrong_for_the_owner(
    new_simulation: NewWorld, script: Script, fault: str, record_property: Record
) -> None:
    faults = faults_of(play(new_simulation(script)), fault, since="owner")

    record_property("schedules", play_each(new_simulation, script, faults, {"completed"}))


@pytest.mark.parametrize("what", ["cut short", "whole, and another's"])
def test_what_lies_where_the_video_belongs_is_not_taken_for_it(new_simulation: NewWorld, what: str) -> None:
    ((place, stored),) = play(new_simulation(Script())).buckets.of_type(".mp4").items()
    whole = {"content": video_of("gen_9"), "metadata": {**stored.metadata, "job-id": "another"}}
    before_its_media = stored.content[: stored.content.index(b"mdat") - 4]
    other = replace(stored, **({"content": before_its_media} if what == "cut short" else whole))
    simulation = new_simulation(Script())
    simulation.buckets.objects[place] = other

    play(simulation)

    assert simulation.statuses() == {"completed"}


def test_the_bus_takes_nothing_for_hours(new_simulation: NewWorld, record_property: Record) -> None:
    posts = ("accept", "refuse", "lost", "bad key", "busy for hours")
    scripts = [Script((post,), faults={"PutEvents": ("untaken for ever",)}) for post in posts]
    scripts.append(Script(downloads=("403 for ever",), faults={"PutEvents": ("refused for ever",)}))

    for script in scripts:
        play(new_simulation(script))

    record_property("schedules", len(scripts))


def test_a_generation_is_given_up_after_sixty_answers_that_nobody_knows_it(new_simulation: NewWorld) -> None:
    simulation = play(new_simulation(Script(polls=("404 for ever",)), not_found=60))

    assert simulation.statuses() == {"failed"}
    assert simulation.provider.submissions[0].polls == 60


def test_a_resumed_job_is_paid_once_and_adopted_where_it_was_unknown(new_simulation: NewWorld) -> None:
    simulation = play(new_simulation(Script(("lost",), downloads=("403 for ever",), owner=("adopt", "resume"))))

    assert simulation.statuses() == {"completed"}
    assert [one.paid for one in simulation.provider.submissions] == [True]
    (job,) = simulation.tables.jobs()
    assert [kind.rpartition(" ")[2] for kind in simulation.checks.ends_told(job["job_id"])] == [
        "Unknown",
        "Failed",
        "Completed",
    ]


def test_the_tables_of_the_worlds_answer_as_motos_do(new_simulation: NewWorld, moto_tables: type[MotoTables]) -> None:
    scripts = [*(script for script, _ in (SUBMITTING | DECIDING).values()), *WATCHING.values()]
    scripts.append(Script(limit="0.47"))
    calls = 0

    for script in scripts:
        simulation = play(new_simulation(script, {20: "duplicate", 25: "sweep"}, tables=moto_tables), images=2)
        assert isinstance(simulation.tables, MotoTables)
        calls += simulation.tables.calls

    assert calls > 1000
