"""Schedules that once broke the promise, each reduced to the smallest."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dropreel.domain.backoff import LONGEST_DEFERRAL
from dropreel.domain.errors import ActionNotAllowed
from dropreel.domain.prices import usd
from dropreel.provider.submit_answers import Accepted, NotSent
from dropreel.use_cases.submit_generation import SAVE_SECONDS
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST
from tests.faults import simulation as services
from tests.faults.play import NewSimulation, Record, crashes_of, first, play, play_each, points_of
from tests.faults.script import Script, Words
from tests.faults.services import Message
from tests.faults.simulation import TIMEOUT_SECONDS, Simulation
from tests.support.operator_decisions import settle_unknown
from tests.support.photographs import small_jpeg
from tests.support.sample_jobs import PRICE

MAYBE_CHARGED = ("408", "409", "425", "499", "500", "502", "503", "504")


def events_of(simulation: Simulation) -> list[str]:
    """Return the types of the events that were published, each `metadata.id` once."""
    events = dict.fromkeys((event["type"], event["metadata"]["id"]) for event in simulation.checks.events)
    return [kind.rpartition(" ")[2] for kind, _id in events]


def ends_of(simulation: Simulation) -> list[tuple[str, str]]:
    """Return the status and the reason of each job."""
    return [(job["status"], job["reason"]["code"]) for job in simulation.tables.jobs()]


MAX_RECEIVES = services.MAX_RECEIVES["submit_generation"]
VISIBILITY = services.VISIBILITY["submit_generation"]


def received(simulation: Simulation, times: int = MAX_RECEIVES, before_each: Callable[[], None] = lambda: None) -> None:
    """Deliver the first message so many times, each after the visibility time-out."""
    message = simulation.queue[0]
    for _ in range(times):
        if message not in simulation.queue:
            return
        before_each()
        simulation.deliver(message)
        simulation.now += VISIBILITY


# --- what may have been accepted --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", MAYBE_CHARGED)
def test_a_status_of_a_gateway_may_have_been_charged(
    new_simulation: NewSimulation, status: str, record_property: Record
) -> None:
    script = Script((status,) * 200, limit=str(usd(PRICE)))
    baseline = new_simulation(script)
    baseline.upload("0.jpg")
    baseline.run(hours=24)

    assert len(baseline.provider.submissions) == 1
    assert baseline.statuses() == {"unknown"}
    once = Script((status,))
    schedules = play_each(new_simulation, once, crashes_of(play(new_simulation(once))), {"unknown"})
    record_property("schedules", schedules)


def test_a_503_with_its_own_retry_after_was_not_accepted(new_simulation: NewSimulation) -> None:
    simulation = play(new_simulation(Script(("503 and Retry-After", "accept"))))

    assert simulation.statuses() == {"completed"}


# --- dead letters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("worker", ["slow", "duplicate", "sweep"])
def test_a_dead_letter_never_rolls_a_job_back(
    new_simulation: NewSimulation, worker: str, record_property: Record
) -> None:
    """During the fifth receive, a duplicate of the message submits the job, which fails and is busy in attempt 2."""
    script = Script(("fail", "busy for hours", "accept"), faults={"TransactWriteItems": ("refused",) * MAX_RECEIVES})

    def run_receives(plan: dict[int, str] | None = None) -> Simulation:
        simulation = new_simulation(script, plan)
        simulation.upload("0.jpg")
        message = simulation.queue[0]
        for number in range(MAX_RECEIVES):
            if number == MAX_RECEIVES - 1:
                simulation.duplicate(message)
            if message in simulation.queue:
                simulation.deliver(message)
            if number < MAX_RECEIVES - 1:
                simulation.now += VISIBILITY
        simulation.run()
        simulation.check_at_the_end()
        return simulation

    baseline = run_receives()
    points = points_of(baseline, worker)[:40]
    for plan in points:
        simulation = run_receives(plan)
        assert [one.attempt for one in simulation.provider.submissions if one.paid] in ([1, 2], [1], [])
    record_property("schedules", len(points))


def test_a_message_killed_at_every_receive_is_published(new_simulation: NewSimulation, record_property: Record) -> None:
    """Each receive crashes at one call: a job that was never claimed is a dead letter, and is submitted when that is redriven."""
    baseline = new_simulation(Script())
    baseline.upload("0.jpg")
    baseline.deliver(baseline.queue[0])
    played = 0
    for at in range(first(baseline, "submit_generation", "TransactWriteItems") + 1):
        simulation = new_simulation(Script())
        simulation.upload("0.jpg")

        def plan_crash(simulation: Simulation = simulation, at: int = at) -> None:
            simulation.calls.plan[simulation.calls.count + at] = "before"

        received(simulation, before_each=plan_crash)
        if not simulation.dead:
            continue  # a later receive has fewer calls, so it did not crash
        played += 1
        simulation._try("sweep_jobs", {})

        (job,) = simulation.tables.jobs()
        assert (job["status"], job["reason"]["code"]) == ("deferred", "dead_letter")
        assert events_of(simulation) == ["Deferred"]
        simulation.run()
        simulation.check_at_the_end()
        assert simulation.statuses() == {"completed"}
    assert played > 3
    record_property("schedules", played)


@pytest.mark.usefixtures("short_waits")
def test_a_dead_letter_past_its_retention_ends(new_simulation: NewSimulation) -> None:
    simulation = new_simulation(Script(faults={"TransactWriteItems": ("refused",) * MAX_RECEIVES}))
    simulation.upload("0.jpg")
    received(simulation)

    simulation.dead.clear()  # SQS has deleted it
    simulation.run(hours=7)

    assert ends_of(simulation) == [("rejected", "waited_too_long")]
    assert events_of(simulation) == ["Deferred", "Rejected"]


def test_a_late_redriven_dead_letter_may_wait_for_the_provider(new_simulation: NewSimulation) -> None:
    """Its days in the dead-letter queue do not count as waiting for a busy provider."""
    script = Script(("busy for hours", "accept"), faults={"TransactWriteItems": ("refused",) * MAX_RECEIVES})
    simulation = new_simulation(script)
    simulation.upload("0.jpg")
    received(simulation)
    simulation.now += LONGEST_DEFERRAL + timedelta(days=1)

    simulation.run()
    simulation.check_at_the_end()

    assert simulation.statuses() == {"completed"}


# --- a paid id --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusals", [1, 30, 70, 80, 100])
@pytest.mark.parametrize("also", [(), ("StartExecution",)])
def test_an_id_survives_a_table_that_refuses_writes_for_a_minute(
    new_simulation: NewSimulation, refusals: int, also: tuple[str, ...]
) -> None:
    """Its write is retried, then it is kept in its execution's input, then in a message."""
    faults = {"TransactWriteItems": ("good", *("refused",) * refusals), **dict.fromkeys(also, ("refused",) * 3)}

    simulation = play(new_simulation(Script(("accept",), faults=faults)))

    assert simulation.statuses() == {"completed"}
    assert [one.paid for one in simulation.provider.submissions] == [True]


@pytest.mark.parametrize("also", [(), ("StartExecution",)])
def test_an_id_that_could_not_be_written_survives_one_crash(
    new_simulation: NewSimulation, also: tuple[str, ...], record_property: Record
) -> None:
    faults = {
        "TransactWriteItems": ("good", *("refused",) * (TIMEOUT_SECONDS["submit_generation"] - SAVE_SECONDS + 5)),
        **dict.fromkeys(also, ("refused",)),
    }
    script = Script(("accept",), faults=faults)
    baseline = play(new_simulation(script))
    accepted = first(baseline, "submit_generation", "SendMessage" if also else "StartExecution")

    plans = [{number: when} for number, when in baseline.calls.crashes() if number >= accepted]
    schedules = play_each(new_simulation, script, plans, {"completed"} if not also else {"completed", "unknown"})

    record_property("schedules", schedules)


def test_an_id_that_arrives_after_the_job_was_parked_is_accepted(new_simulation: NewSimulation) -> None:
    refusals = TIMEOUT_SECONDS["submit_generation"] - SAVE_SECONDS + 2
    faults = {"TransactWriteItems": ("good", *("refused",) * refusals)}
    simulation = new_simulation(Script(("accept",), faults=faults))
    simulation.upload("0.jpg")
    simulation.deliver(simulation.queue[0])
    (execution,) = simulation.machine.running()
    simulation.machine.abort_all()  # so that SweepJobs finds no running execution
    simulation.notices.clear()
    simulation.now += timedelta(minutes=10)
    simulation._try("sweep_jobs", {})
    assert simulation.statuses() == {"unknown"}

    simulation.machine.redrive_all()
    simulation.run()

    assert simulation.statuses() == {"completed"}
    assert execution.status == "SUCCEEDED"
    assert events_of(simulation) == ["Unknown", "Submitted", "Completed"]


# --- one generation, one payment --------------------------------------------------------------------------------------


@pytest.mark.parametrize("polls", [("failed, wrongly",), ("processing", "failed, wrongly", "time-out")])
def test_one_wrong_failed_answer_starts_no_paid_attempt(
    new_simulation: NewSimulation, polls: tuple[str, ...], record_property: Record
) -> None:
    script = Script(("accept", "accept"), polls=polls)
    baseline = play(new_simulation(script))

    schedules = play_each(new_simulation, script, crashes_of(baseline, since="check_status"), {"completed"})

    assert len(baseline.provider.submissions) == 1
    record_property("schedules", schedules)


def test_every_id_that_was_ever_received_stays_readable(new_simulation: NewSimulation) -> None:
    simulation = play(new_simulation(Script(("busy", "fail", "accept"))))

    (job,) = simulation.tables.jobs()
    rows = [(row["row"], row.get("generation_id"), row["charge"]) for row in simulation.tables.rows("attempt")]
    assert rows == [
        ("attempt#01#0000", None, "none"),
        ("attempt#01#0001", "gen_1", "charged"),
        ("attempt#02#0000", "gen_2", "charged"),
    ]
    assert [row["claimed_by"] for row in simulation.tables.rows("generation")] == [job["job_id"]] * 2


def test_two_jobs_never_hold_one_generation(new_simulation: NewSimulation, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = new_simulation(Script(("accept", "accept")))
    real = simulation.provider.post

    def post(image: str) -> Any:
        answer = real(image)
        assert isinstance(answer, Accepted)
        return replace(answer, generation_id="gen_0")

    monkeypatch.setattr(simulation.provider, "post", post)
    simulation.upload("0.jpg")
    simulation.upload("1.jpg")
    simulation.run()

    assert sorted((job["status"], job.get("generation_id")) for job in simulation.tables.jobs()) == [
        ("completed", "gen_0"),
        ("unknown", None),
    ]


def test_an_id_of_another_job_cannot_be_adopted(new_simulation: NewSimulation) -> None:
    simulation = new_simulation(Script(("accept", "lost")))
    simulation.upload("0.jpg")
    simulation.upload("1.jpg")
    simulation.run()
    (unknown,) = (job for job in simulation.tables.jobs() if job["status"] == "unknown")

    with pytest.raises(ActionNotAllowed, match="belongs to job"):
        settle_unknown().adopt(unknown["job_id"], "gen_0")

    assert simulation.statuses() == {"completed", "unknown"}


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        (Script(("lost and fails", "accept"), operator=("adopt",)), {"failed"}),
        (Script(("fail", "accept"), polls=("404",) * 3, operator=("resume",)), {"failed"}),
    ],
)
def test_a_failed_after_an_adoption_or_a_resume_is_final(
    new_simulation: NewSimulation, script: Script, ends: set[str], record_property: Record
) -> None:
    baseline = play(new_simulation(script))

    schedules = play_each(new_simulation, script, crashes_of(baseline, since="operator"), ends)

    assert [one.paid for one in baseline.provider.submissions] == [True]
    record_property("schedules", schedules)


# --- every job ends --------------------------------------------------------------------------------------------------


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the maximum waits to hours, so that a schedule takes seconds."""
    for name in ("LONGEST_DEFERRAL", "LONGEST_DEAD_LETTER", "LONGEST_HOLD"):
        monkeypatch.setattr(f"dropreel.domain.backoff.{name}", timedelta(hours=6))


@pytest.mark.usefixtures("short_waits")
def test_a_job_ends_if_the_provider_is_never_reached(
    new_simulation: NewSimulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = new_simulation(Script())
    monkeypatch.setattr(simulation.provider, "post", lambda _image: NotSent("no route"))
    simulation.upload("0.jpg")

    simulation.run(hours=7)

    (job,) = simulation.tables.jobs()
    assert ends_of(simulation) == [("rejected", "waited_too_long")]
    assert "no route" in job["reason"]["message"]
    assert events_of(simulation) == ["Deferred", "Rejected"]
    assert simulation.checks.reserved() == 0


@pytest.mark.usefixtures("short_waits")
def test_a_job_ends_if_the_key_is_always_refused(new_simulation: NewSimulation) -> None:
    simulation = new_simulation(Script(("bad key",) * 2000))
    simulation.upload("0.jpg")

    simulation.run(hours=7)

    assert ends_of(simulation) == [("rejected", "waited_too_long")]
    assert events_of(simulation) == ["Deferred", "Rejected"]


@pytest.mark.usefixtures("short_waits")
def test_a_job_ends_if_the_limit_stays_zero(new_simulation: NewSimulation) -> None:
    simulation = new_simulation(Script(limit="0"))
    simulation.upload("0.jpg")

    simulation.run(hours=48)

    assert ends_of(simulation) == [("rejected", "waited_too_long")]
    assert events_of(simulation) == ["Held", "Rejected"]
    assert not simulation.provider.submissions


# --- the day's end ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1, 5, 60, 99, 100, 101, 3600])
def test_no_post_is_sent_on_another_day_than_its_claim(new_simulation: NewSimulation, seconds: int) -> None:
    """With a limit of one video a day, each day has one POST, by the clock of the POST."""
    simulation = new_simulation(Script(("accept",) * 3, limit=str(usd(PRICE))))
    simulation.now = datetime(2026, 11, 13, tzinfo=UTC) - timedelta(seconds=seconds)
    days: list[str] = []
    real = simulation.provider.post

    def post(image: str) -> Any:
        days.append((simulation.now + timedelta(seconds=40)).date().isoformat())  # the longest POST
        return real(image)

    simulation.provider.post = post
    for image in ("0.jpg", "1.jpg", "2.jpg"):
        simulation.upload(image)
    simulation.run()

    assert len(days) == len(set(days)) == 3
    assert {day["day"]: int(day["reserved_cents"]) for day in simulation.tables.days()} == dict.fromkeys(days, PRICE)


# --- the bytes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("worker", ["duplicate", "slow"])
def test_object_receipt_and_job_have_the_same_bytes(
    new_simulation: NewSimulation, worker: str, record_property: Record
) -> None:
    """Two concurrent deliveries, and the provider sends other bytes to the second."""
    script = Script(downloads=("good", "rendered again", "rendered again"), faults={"PutObject": ("lost",)})
    baseline = play(new_simulation(script))
    points = points_of(baseline, worker, first(baseline, "deliver_video"))

    schedules = play_each(new_simulation, script, points, {"completed"})

    assert schedules > 5
    record_property("schedules", schedules)


def test_a_replaced_picture_is_not_paid_where_versions_are_suspended(new_simulation: NewSimulation) -> None:
    """Two uploads to one key, both of the version `null`: two jobs, and the picture of the first is replaced."""
    simulation = new_simulation(Script(("accept", "accept")))
    simulation.buckets.is_suspended = True
    simulation.images.append("0.jpg")
    both = [simulation.written("0.jpg", "PutObject"), simulation.written("0.jpg", "PutObject", small_jpeg() + b"\n")]
    simulation.queue += [*both, *(Message(one.body, simulation.now) for one in both)]

    simulation.run(hours=1)

    assert sorted((job["status"], (job.get("reason") or {}).get("code")) for job in simulation.tables.jobs()) == [
        ("completed", None),
        ("rejected", "image_superseded"),
    ]
    assert len(simulation.provider.submissions) == 1


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        (Script(("400 in broken text",)), {"rejected", "unknown"}),
        (Script(polls=("500 in broken text", "processing", "500 in broken text")), {"completed", "unknown"}),
    ],
)
def test_text_that_cannot_be_encoded_stops_no_step(
    new_simulation: NewSimulation, script: Script, ends: set[str], record_property: Record
) -> None:
    baseline = play(new_simulation(script))
    json.dumps([baseline.tables.jobs(), baseline.checks.events], ensure_ascii=False, default=str).encode()

    record_property("schedules", play_each(new_simulation, script, crashes_of(baseline), ends))


# --- concurrency ------------------------------------------------------------------------------------------------------


def test_a_late_event_of_an_ended_execution_fails_no_redriven_job(new_simulation: NewSimulation) -> None:
    simulation = new_simulation(Script(("accept",), polls=("processing",) * 10, notices=("late",)))
    simulation.upload("0.jpg")
    simulation.deliver(simulation.queue[0])
    simulation.now += timedelta(seconds=40)
    simulation.machine.abort_all()
    simulation.machine.redrive_all()

    simulation.notify(simulation.notices[0])

    assert simulation.statuses() == {"generating"}
    simulation.run()
    assert simulation.statuses() == {"completed"}


@pytest.mark.parametrize("copies", [2, 5, 20])
def test_each_deferral_has_one_next_message(new_simulation: NewSimulation, copies: int) -> None:
    """An early message is followed by one message, despite its duplicates."""
    simulation = new_simulation(Script(("busy for hours", "accept")))
    simulation.upload("0.jpg")
    simulation.deliver(simulation.queue[0])
    for _ in range(copies):
        simulation.duplicate(simulation.queue[0])
    for message in list(simulation.queue):
        simulation.deliver(message)

    assert len(simulation.queue) == 1
    simulation.run()
    assert simulation.statuses() == {"completed"}


def test_a_dead_letter_is_overtaken_by_the_sweepers_new_message(new_simulation: NewSimulation) -> None:
    simulation = new_simulation(Script(("busy", "accept")))
    simulation.upload("0.jpg")
    simulation.deliver(simulation.queue[0])
    simulation.now += timedelta(seconds=10)
    simulation.faults["GetObject"] = Words(("refused",) * (MAX_RECEIVES - 1), "")
    message = simulation.queue[0]
    for _ in range(MAX_RECEIVES - 1):
        simulation.deliver(message)
        simulation.now += VISIBILITY
        simulation._sweep()
    # Its last receive can still note the dead letter itself.
    assert [one for one in simulation.queue if one is not message] == []
    simulation.now += MESSAGE_LOST
    simulation._sweep()

    current = [one for one in simulation.queue if one is not message]
    assert len(current) == 1
    simulation.run()
    assert simulation.statuses() == {"completed"}
    assert len([one for one in simulation.provider.submissions if one.paid]) == 1


def test_no_post_begins_without_time_to_finish_it(new_simulation: NewSimulation) -> None:
    """S3 is so slow that the function would time out during the POST."""
    baseline = play(new_simulation(Script()))
    at = first(baseline, "submit_generation", "TransactWriteItems") - 1
    simulation = new_simulation(Script(), {at: "slow"})
    simulation.upload("0.jpg")
    simulation.deliver(simulation.queue[0])

    assert not simulation.provider.submissions
    assert simulation.statuses() <= {"deferred", "generating", "completed"}
    simulation.run()
    simulation.check_at_the_end()
    assert [one.paid for one in simulation.provider.submissions] == [True]
