"""A concurrent worker runs between any two calls: the same step, SweepJobs, Step Functions or the operator."""

import pytest

from tests.faults.play import NewSimulation, Plan, Record, calls_of, first, play, play_each, points_of
from tests.faults.script import Script
from tests.faults.simulation import Simulation

SCRIPTS = {
    "accepted": Script(("accept",)),
    "failed, then made": Script(("fail", "accept")),
    "busy, then accepted": Script(("busy", "accept")),
    "answer lost": Script(("lost",)),
    "downloads fail": Script(downloads=("cut short",), faults={"PutObject": ("lost", "lost")}),
    "never delivered": Script(downloads=("403 always",)),
}
NOTICES = {
    # name: (how the execution is stopped, how the rule's event is delivered)
    "soon": ("abort", "once"),
    "while the step runs": ("abort, notified at once", "twice"),
    "late": ("abort", "late"),
    "never": ("abort", "dropped"),
}
MOMENTS = {
    # name: (script, the step in which it is stopped, the call before which it is stopped)
    "checked": (Script(("accept",)), "check_status", "provider poll"),
    "delivered": (Script(("accept",)), "deliver_video", "PutObject"),
    "just delivered": (Script(("accept",)), "deliver_video", "PutEvents"),
    "reported": (Script(("fail", "accept")), "report_failure", "TransactWriteItems"),
}
"""Where an execution is stopped."""


def stopped(
    new_simulation: NewSimulation, moment: str, operator: tuple[str, ...] = (), notice: str = "once"
) -> tuple[Script, Simulation, Plan]:
    """Stop the execution at a moment; return the script, that simulation at its end, and the plan."""
    plain, step, name = MOMENTS[moment]
    plan = {first(play(new_simulation(plain)), step, name): "abort"}
    script = Script(plain.posts, notices=(notice,), operator=operator)
    return script, play(new_simulation(script, plan)), plan


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("worker", ["duplicate", "sweep", "slow"])
def test_two_concurrent_workers(new_simulation: NewSimulation, name: str, worker: str, record_property: Record) -> None:
    """The same step with the same event, SweepJobs, or all services during a slow step, run between any two calls."""
    baseline = play(new_simulation(SCRIPTS[name]))
    since = first(baseline, "check_status") if SCRIPTS[name].downloads else 0

    schedules = play_each(new_simulation, SCRIPTS[name], points_of(baseline, worker, since), baseline.statuses())

    record_property("schedules", schedules)


@pytest.mark.parametrize("delivery", NOTICES)
@pytest.mark.parametrize(
    ("posts", "ends"), [(("accept",), {"completed"}), (("fail", "accept"), {"completed", "failed"})]
)
def test_an_execution_is_stopped_at_every_call(
    new_simulation: NewSimulation, posts: tuple[str, ...], ends: set[str], delivery: str, record_property: Record
) -> None:
    """After a resume a `failed` is final, so a generation that fails is not paid for again."""
    worker, notice = NOTICES[delivery]
    script = Script(posts, notices=(notice,), operator=("resume",))
    baseline = play(new_simulation(script))

    schedules = play_each(new_simulation, script, points_of(baseline, worker, first(baseline, "check_status")), ends)

    assert schedules > 10
    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("operator", [(), ("resume",)])
def test_a_stopped_execution_is_redriven_at_every_call(
    new_simulation: NewSimulation, moment: str, operator: tuple[str, ...], record_property: Record
) -> None:
    script, baseline, plan = stopped(new_simulation, moment, operator)
    points = points_of(baseline, "redrive", max(plan) + 1, plan)

    schedules = play_each(new_simulation, script, points, {"completed"} if operator else {"completed", "failed"})

    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_old_executions_event_does_not_change_a_resumed_job(
    new_simulation: NewSimulation, moment: str, record_property: Record
) -> None:
    script, baseline, plan = stopped(new_simulation, moment, ("resume",))

    schedules = play_each(new_simulation, script, points_of(baseline, "notice", max(plan) + 1, plan), {"completed"})

    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_operator_resumes_at_every_call(
    new_simulation: NewSimulation, moment: str, record_property: Record
) -> None:
    """The operator resumes once; where that is too early, the job does not change."""
    script, baseline, plan = stopped(new_simulation, moment, notice="twice")

    schedules = play_each(
        new_simulation, script, points_of(baseline, "resume", max(plan) + 1, plan), {"completed", "failed"}
    )

    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", ["checked", "delivered"])
def test_the_operator_resumes_after_a_crash(
    new_simulation: NewSimulation, moment: str, record_property: Record
) -> None:
    """The failure is saved and not published yet, or published and not marked, when the job is resumed."""
    script, baseline, plan = stopped(new_simulation, moment)
    crashes = [number for number, _ in baseline.calls.crashes() if number > max(plan)]

    plans = [{**plan, number: "after", number + 1: "resume"} for number in crashes]
    record_property("schedules", play_each(new_simulation, script, plans, {"completed", "failed"}))


@pytest.mark.parametrize("worker", ["resume", "resume + slow", "resume + abort, notified at once", "slow"])
def test_two_operators_resume_concurrently(new_simulation: NewSimulation, worker: str, record_property: Record) -> None:
    """One resumes during the other's resume; the resumed job may have failed again by then."""
    script = Script(polls=("404",) * 6, operator=("resume",) * 3)
    baseline = play(new_simulation(script))

    schedules = play_each(
        new_simulation, script, points_of(baseline, worker, first(baseline, "operator")), {"completed"}
    )

    record_property("schedules", schedules)


@pytest.mark.parametrize("moment", ["checked", "reported"])
def test_a_job_fails_again_while_its_first_failure_is_published(
    new_simulation: NewSimulation, moment: str, record_property: Record
) -> None:
    """The second report crashes at any call, and the first runs to its end."""
    script, baseline, plan = stopped(new_simulation, moment)
    schedules = 0
    for number in calls_of(baseline, "report_failure", since=max(plan) + 1):
        second = {**plan, number: "resume + abort, notified at once"}
        crashes = calls_of(play(new_simulation(script, second)), "report_failure", since=number + 1)
        plans = [{**second, crash: "after"} for crash in crashes]
        schedules += play_each(new_simulation, script, [second, *plans], {"completed", "failed"})
    record_property("schedules", schedules)
