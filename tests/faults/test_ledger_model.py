"""A stateful model of the ledger: hypothesis chooses the next step, the services' answers and where functions crash."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dropreel.domain.prices import usd
from tests.faults.calls import CRASHES
from tests.faults.checks import UNDER_WAY
from tests.faults.play import NewSimulation, Record, play
from tests.faults.script import DECISIONS, DOWNLOADS, FAULTS, POLLS, POSTS, Script
from tests.faults.simulation import Simulation
from tests.support.sample_jobs import PRICE

EXAMPLES = 30


def test_no_order_of_steps_answers_and_crashes_breaks_the_promise(
    new_simulation: NewSimulation, record_property: Record
) -> None:
    played: list[Simulation] = []

    class Ledger(RuleBasedStateMachine):
        @initialize(limit=st.sampled_from([str(usd(PRICE)), str(usd(2 * PRICE)), "50", "unlimited"]))
        def start(self, limit: str) -> None:
            self.simulation = new_simulation(Script((), limit=limit))
            played.append(self.simulation)

        @precondition(lambda self: len(self.simulation.images) < 3)
        @rule(answer=st.sampled_from(POSTS))
        def upload(self, answer: str) -> None:
            self.simulation.provider.posts.left.append(answer)
            self.simulation.upload(f"{len(self.simulation.images)}.jpg")

        @precondition(lambda self: self.simulation.images)
        @rule(which=st.integers(0, 9), overtakes=st.booleans())
        def copy(self, which: int, overtakes: bool) -> None:
            self.simulation.copy(self.simulation.images[which % len(self.simulation.images)], overtakes=overtakes)

        @rule(poll=st.sampled_from(POLLS), download=st.sampled_from(DOWNLOADS))
        def set_the_next_poll_and_download(self, poll: str, download: str) -> None:
            self.simulation.provider.polls.left.append(poll)
            self.simulation.provider.downloads.left.append(download)

        @precondition(lambda self: self.simulation.queue)
        @rule(which=st.integers(0, 9), again=st.booleans())
        def deliver(self, which: int, again: bool) -> None:
            message = self.simulation.queue[which % len(self.simulation.queue)]
            if again:
                self.simulation.duplicate(message)
            self.simulation.deliver(message)

        @precondition(lambda self: self.simulation.machine.running())
        @rule(which=st.integers(0, 9))
        def advance(self, which: int) -> None:
            running = self.simulation.machine.running()
            self.simulation.advance(running[which % len(running)])

        @precondition(lambda self: self.simulation.machine.running())
        @rule(notices=st.sampled_from([("once",), ("late",), ("dropped",)]))
        def stop_the_executions(self, notices: tuple[str, ...]) -> None:
            self.simulation.notice_words.left.extend(notices * len(self.simulation.machine.running()))
            self.simulation.run_concurrently("abort")

        @precondition(lambda self: self.simulation.machine.executions)
        @rule(worker=st.sampled_from(["redrive", "notice"]))
        def redrive_or_notify_again(self, worker: str) -> None:
            self.simulation.run_concurrently(worker)

        @precondition(lambda self: self.simulation.notices)
        @rule(which=st.integers(0, 9))
        def notify(self, which: int) -> None:
            self.simulation.notify(self.simulation.notices[which % len(self.simulation.notices)])

        @rule(word=st.sampled_from(DECISIONS))
        def decide(self, word: str) -> None:
            self.simulation.operator_decides(word)

        @rule(calls=st.integers(0, 25), when=st.sampled_from([*CRASHES, *FAULTS]))
        def plan_a_fault(self, calls: int, when: str) -> None:
            self.simulation.calls.plan[self.simulation.calls.count + calls] = when

        @rule(minutes=st.sampled_from([1, 3, 15]))
        def wait_and_sweep(self, minutes: int) -> None:
            self.simulation.wait(minutes)

        @invariant()
        def the_promise_holds(self) -> None:
            if hasattr(self, "simulation"):
                self.simulation.check_always()

        def teardown(self) -> None:
            if hasattr(self, "simulation"):
                self.simulation.calls.plan.clear()
                self.simulation.run()
                self.simulation.check_at_the_end()

    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

    assert len(played) >= EXAMPLES
    record_property("schedules", len(played))


def _pay_twice(simulation: Simulation) -> None:
    simulation.provider.submissions.append(simulation.provider.submissions[0])


def _lose_the_video(simulation: Simulation) -> None:
    (job,) = simulation.tables.jobs()
    del simulation.buckets.objects["videos", job["video"]["key"]]


def _lose_the_receipt(simulation: Simulation) -> None:
    (job,) = simulation.tables.jobs()
    del simulation.buckets.objects["videos", job["video"]["receipt_key"]]


def _publish_it_again(simulation: Simulation) -> None:
    event = simulation.checks.events[-1]
    simulation.checks.events.append({**event, "metadata": {**event["metadata"], "id": "another"}})


def _lose_the_event(simulation: Simulation) -> None:
    del simulation.checks.events[-1]


def _reserve_nothing(simulation: Simulation) -> None:
    for day in simulation.tables.items["spend"].values():
        day["reserved_cents"] = {"N": "0"}


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (_pay_twice, "paid for more than once"),
        (_lose_the_video, "the video is not in the bucket"),
        (_lose_the_receipt, "its receipt is not in the bucket"),
        (_publish_it_again, "was published as"),
        (_lose_the_event, "was published as"),
        (_reserve_nothing, "not what the provider would bill"),
    ],
)
def test_the_checks_can_fail(
    new_simulation: NewSimulation, break_it: Callable[[Simulation], None], message: str
) -> None:
    """A simulation whose state was broken on purpose must not pass."""
    simulation = play(new_simulation(Script()))
    break_it(simulation)

    with pytest.raises(AssertionError, match=message):
        simulation.check_at_the_end()


@pytest.mark.parametrize(
    ("ids", "message"), [([], "attempt 1 waits without a Deferred event"), (["a", "b"], "has 2 Deferred events")]
)
def test_the_checks_of_waiting_can_fail(new_simulation: NewSimulation, ids: list[str], message: str) -> None:
    simulation = play(new_simulation(Script(("bad key", "accept"))))
    (waits,) = [event for event in simulation.checks.events if event["type"] == UNDER_WAY["deferred"]]
    simulation.checks.events.remove(waits)
    simulation.checks.events += [{**waits, "metadata": {"id": each}} for each in ids]

    with pytest.raises(AssertionError, match=message):
        simulation.check_at_the_end()
