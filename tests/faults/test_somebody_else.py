"""Somebody else works between any two calls: a second worker, the sweeper, Step Functions, a person."""

import pytest

from tests.faults.play import NewWorld, Plan, Record, calls_of, first, play, play_each, points_of
from tests.faults.script import Script
from tests.faults.simulation import Simulation

SCRIPTS = {
    "accepted": Script(("accept",)),
    "failed, then made": Script(("fail", "accept")),
    "busy, then accepted": Script(("busy", "accept")),
    "answer lost": Script(("lost",)),
    "downloads go wrong": Script(downloads=("cut short",), faults={"PutObject": ("lost", "lost")}),
    "never delivered": Script(downloads=("403 for ever",)),
}
NOTICES = {
    # name: (how somebody stops the execution, how its end is told of)
    "told soon": ("abort", "once"),
    "told while the step goes on": ("abort, told at once", "twice"),
    "told late": ("abort", "late"),
    "never told": ("abort", "dropped"),
}
MOMENTS = {
    # name: (the script, in which step it is stopped, before which call)
    "checked": (Script(("accept",)), "check_status", "provider poll"),
    "delivered": (Script(("accept",)), "deliver_video", "PutObject"),
    "just delivered": (Script(("accept",)), "deliver_video", "PutEvents"),
    "reported": (Script(("fail", "accept")), "report_failure", "TransactWriteItems"),
}
"""Where an execution is stopped before something more happens."""


def stopped(
    new_simulation: NewWorld, moment: str, owner: tuple[str, ...] = (), notice: str = "once"
) -> tuple[Script, Simulation, Plan]:
    """Stop the execution at a moment; return the script, the simulation in which that was all, and the plan."""
    plain, step, name = MOMENTS[moment]
    plan = {first(play(new_simulation(plain)), step, name): "abort"}
    script = Script(plain.posts, notices=(notice,), owner=owner)
    return script, play(new_simulation(script, plan)), plan


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("who", ["duplicate", "sweep", "slow"])
def test_two_workers_at_once(new_simulation: NewWorld, name: str, who: str, record_property: Record) -> None:
    """The same step with the same event, the sweeper, or all that comes while a step is slow, runs between any two calls."""
    calm = play(new_simulation(SCRIPTS[name]))
    since = first(calm, "check_status") if SCRIPTS[name].downloads else 0

    schedules = play_each(new_simulation, SCRIPTS[name], points_of(calm, who, since), calm.statuses())

    record_property("schedules", schedules)


@pytest.mark.parametrize("told", NOTICES)
@pytest.mark.parametrize(
    ("posts", "ends"), [(("accept",), {"completed"}), (("fail", "accept"), {"completed", "failed"})]
)
def test_an_execution_is_stopped_at_every_point(
    new_simulation: NewWorld, posts: tuple[str, ...], ends: set[str], told: str, record_property: Record
) -> None:
    """After a resume a `failed` is final, so that a generation that fails is not paid for again."""
    who, notice = NOTICES[told]
    script = Script(posts, notices=(notice,), owner=("resume",))
    calm = play(new_simulation(script))

    schedules = play_each(new_simulation, script, points_of(calm, who, first(calm, "check_status")), ends)

    assert schedules > 10
    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("owner", [(), ("resume",)])
def test_a_stopped_execution_is_redriven_at_every_point(
    new_simulation: NewWorld, moment: str, owner: tuple[str, ...], record_property: Record
) -> None:
    script, calm, plan = stopped(new_simulation, moment, owner)
    points = points_of(calm, "redrive", max(plan) + 1, plan)

    schedules = play_each(new_simulation, script, points, {"completed"} if owner else {"completed", "failed"})

    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", MOMENTS)
def test_news_of_an_old_execution_change_nothing_of_a_resumed_job(
    new_simulation: NewWorld, moment: str, record_property: Record
) -> None:
    script, calm, plan = stopped(new_simulation, moment, ("resume",))

    schedules = play_each(new_simulation, script, points_of(calm, "notice", max(plan) + 1, plan), {"completed"})

    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_owner_resumes_at_every_point(new_simulation: NewWorld, moment: str, record_property: Record) -> None:
    """At each he asks once only, so where it is too early the job stays as it was."""
    script, calm, plan = stopped(new_simulation, moment, notice="twice")

    schedules = play_each(
        new_simulation, script, points_of(calm, "resume", max(plan) + 1, plan), {"completed", "failed"}
    )

    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", ["checked", "delivered"])
def test_the_owner_resumes_what_a_death_has_left(
    new_simulation: NewWorld, moment: str, record_property: Record
) -> None:
    """The failure is written and not told yet, or told and not crossed out, when the job is resumed."""
    script, calm, plan = stopped(new_simulation, moment)
    deaths = [number for number, _ in calm.calls.deaths() if number > max(plan)]

    plans = [{**plan, number: "after", number + 1: "resume"} for number in deaths]
    record_property("schedules", play_each(new_simulation, script, plans, {"completed", "failed"}))


@pytest.mark.parametrize("who", ["resume", "resume + slow", "resume + abort, told at once", "slow"])
def test_two_people_resume_at_once(new_simulation: NewWorld, who: str, record_property: Record) -> None:
    """One asks while the other's asking is under way; what he has resumed may have failed again by then."""
    script = Script(polls=("404",) * 6, owner=("resume",) * 3)
    calm = play(new_simulation(script))

    schedules = play_each(new_simulation, script, points_of(calm, who, first(calm, "owner")), {"completed"})

    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", ["checked", "reported"])
def test_a_job_fails_again_while_its_first_failure_is_told(
    new_simulation: NewWorld, moment: str, record_property: Record
) -> None:
    """The second report dies somewhere, and the first goes on to its end."""
    script, calm, plan = stopped(new_simulation, moment)
    schedules = 0
    for number in calls_of(calm, "report_failure", since=max(plan) + 1):
        twice = {**plan, number: "resume + abort, told at once"}
        deaths = calls_of(play(new_simulation(script, twice)), "report_failure", since=number + 1)
        plans = [{**twice, death: "after"} for death in deaths]
        schedules += play_each(new_simulation, script, [twice, *plans], {"completed", "failed"})
    record_property("schedules", schedules)
