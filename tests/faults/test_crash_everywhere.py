"""With one crash or fault at any call, nothing is paid twice, nothing paid is lost, and the cap holds."""

from dataclasses import replace

import pytest

from dropreel.domain.prices import usd
from tests.faults.play import NewSimulation, Record, crashes_of, faults_of, play, play_each
from tests.faults.provider import video_of
from tests.faults.script import FAULTS, Script
from tests.support.sample_jobs import PRICE
from tests.support.tables import MotoTables

SUBMITTING: dict[str, tuple[Script, set[str]]] = {
    # name: (script, the allowed final statuses)
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
    "rehearsed": (Script(("accept",), rehearsal=True), {"completed", "unknown"}),
    "rehearsed, failed, then made": (Script(("fail", "accept"), rehearsal=True), {"completed", "unknown"}),
}
WATCHING: dict[str, Script] = {
    "polls fail": Script(polls=("time-out", "500", "401", "404", "no address")),
    "never ends, then resumed": Script(polls=("processing always",), timeout_minutes=1, operator=("resume",)),
    "404, then resumed": Script(polls=("404 always",), operator=("resume",)),
    "key refused, then resumed": Script(polls=("401 always",), timeout_minutes=1, operator=("resume",)),
    "downloads fail": Script(downloads=("403", "connection reset", "cut short", "no video")),
    "downloads are odd": Script(downloads=("no media", "trailing bytes, no length", "trailing bytes")),
    "no media, then resumed": Script(downloads=("no media always",), operator=("resume",)),
    "downloads never work, then resumed": Script(downloads=("cut short always",), operator=("resume",)),
    "S3 refuses": Script(faults={"PutObject": ("refused", "lost", "good", "refused", "good", "lost")}),
    "the bus refuses": Script(
        faults={"PutEvents": ("good", "failed entry", "refused", "failed entry", "failed entry", "failed entry")}
    ),
}
"""Faults after the payment: the video is delivered, in some cases after the operator resumes the job."""
DECIDING: dict[str, tuple[Script, set[str]]] = {
    "adopted": (Script(("lost",), operator=("adopt",)), {"completed"}),
    "adopted in a rehearsal": (Script(("lost",), operator=("adopt",), rehearsal=True), {"completed"}),
    "adopted, and it had failed": (Script(("lost and fails", "accept"), operator=("adopt",)), {"failed"}),
    "another job's id": (Script(("lost",), operator=("adopt another id",)), {"unknown"}),
    "abandoned": (Script(("lost",), operator=("abandon",)), {"failed"}),
    "submitted again": (Script(("lost unpaid", "accept"), operator=("resubmit",)), {"completed", "unknown"}),
    "submitted again and refused": (Script(("lost", "refuse"), operator=("resubmit",)), {"unknown"}),
}


@pytest.mark.parametrize("name", SUBMITTING)
def test_one_crash_at_every_call(new_simulation: NewSimulation, name: str, record_property: Record) -> None:
    script, ends = SUBMITTING[name]

    schedules = play_each(new_simulation, script, crashes_of(play(new_simulation(script))), ends)

    assert schedules > 5
    record_property("schedules", schedules)


def test_a_held_job_survives_one_crash_at_every_call(new_simulation: NewSimulation, record_property: Record) -> None:
    script = Script(("accept", "accept"), limit=str(usd(PRICE)))

    schedules = play_each(new_simulation, script, crashes_of(play(new_simulation(script), images=2)), images=2)

    assert schedules > 30
    record_property("schedules", schedules)


@pytest.mark.parametrize("name", WATCHING)
def test_a_paid_video_is_delivered_despite_one_crash_at_every_call(
    new_simulation: NewSimulation, name: str, record_property: Record
) -> None:
    script = WATCHING[name]
    baseline = play(new_simulation(script))

    schedules = play_each(new_simulation, script, crashes_of(baseline, since="check_status"), {"completed"})

    assert baseline.statuses() == {"completed"}
    assert len(baseline.provider.submissions) == 1
    record_property("schedules", schedules)


@pytest.mark.parametrize("name", DECIDING)
def test_an_operators_decision_survives_one_crash_at_every_call(
    new_simulation: NewSimulation, name: str, record_property: Record
) -> None:
    script, ends = DECIDING[name]
    baseline = play(new_simulation(script))

    schedules = play_each(new_simulation, script, crashes_of(baseline, since="operator"), ends)

    assert schedules > 1
    record_property("schedules", schedules)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["accepted", "failed, then made", "busy, then accepted"])
def test_every_aws_call_may_fail(new_simulation: NewSimulation, name: str, fault: str, record_property: Record) -> None:
    script, ends = SUBMITTING[name]

    schedules = play_each(new_simulation, script, faults_of(play(new_simulation(script)), fault), ends)

    assert schedules > 1
    record_property("schedules", schedules)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("script", [WATCHING["downloads never work, then resumed"], DECIDING["adopted"][0]])
def test_every_aws_call_of_the_operators_command_may_fail(
    new_simulation: NewSimulation, script: Script, fault: str, record_property: Record
) -> None:
    faults = faults_of(play(new_simulation(script)), fault, since="operator")

    record_property("schedules", play_each(new_simulation, script, faults, {"completed"}))


@pytest.mark.parametrize("what", ["cut short", "another job's"])
def test_another_object_at_the_videos_key_is_replaced(new_simulation: NewSimulation, what: str) -> None:
    ((place, stored),) = play(new_simulation(Script())).buckets.of_type(".mp4").items()
    whole = {"content": video_of("gen_9"), "metadata": {**stored.metadata, "job-id": "another"}}
    without_media = stored.content[: stored.content.index(b"mdat") - 4]
    other = replace(stored, **({"content": without_media} if what == "cut short" else whole))
    simulation = new_simulation(Script())
    simulation.buckets.objects[place] = other

    play(simulation)

    assert simulation.statuses() == {"completed"}


def test_the_bus_refuses_events_for_hours(new_simulation: NewSimulation, record_property: Record) -> None:
    posts = ("accept", "refuse", "lost", "bad key", "busy for hours")
    scripts = [Script((post,), faults={"PutEvents": ("failed entry always",)}) for post in posts]
    scripts.append(Script(downloads=("403 always",), faults={"PutEvents": ("refused always",)}))

    for script in scripts:
        play(new_simulation(script))

    record_property("schedules", len(scripts))


def test_a_generation_fails_after_sixty_404_answers(new_simulation: NewSimulation) -> None:
    simulation = play(new_simulation(Script(polls=("404 always",)), not_found=60))

    assert simulation.statuses() == {"failed"}
    assert simulation.provider.submissions[0].polls == 60


def test_a_resumed_job_is_paid_once_and_adopted_where_it_was_unknown(new_simulation: NewSimulation) -> None:
    simulation = play(new_simulation(Script(("lost",), downloads=("403 always",), operator=("adopt", "resume"))))

    assert simulation.statuses() == {"completed"}
    assert [one.paid for one in simulation.provider.submissions] == [True]
    (job,) = simulation.tables.jobs()
    assert [kind.rpartition(" ")[2] for kind in simulation.checks.published_ends(job["job_id"])] == [
        "Unknown",
        "Failed",
        "Completed",
    ]


def test_the_simulations_tables_match_motos(new_simulation: NewSimulation, moto_tables: type[MotoTables]) -> None:
    scripts = [*(script for script, _ in (SUBMITTING | DECIDING).values()), *WATCHING.values()]
    scripts.append(Script(limit=str(usd(PRICE))))
    calls = 0

    for script in scripts:
        simulation = play(new_simulation(script, {20: "duplicate", 25: "sweep"}, tables=moto_tables), images=2)
        assert isinstance(simulation.tables, MotoTables)
        calls += simulation.tables.calls

    assert calls > 1000
