"""A stateful model of the ledger: hypothesis chooses who acts next, what the provider answers and where functions die."""

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

from tests.faults.world import World

ANSWERS = ["accept", "fail", "busy", "unreachable", "lost", "lost unpaid", "refuse", "bad key"]
EXAMPLES = 12


def test_no_order_of_steps_answers_and_deaths_breaks_the_promise(
    new_world: Callable[..., World], record_property: Callable[[str, object], None]
) -> None:
    played: list[World] = []

    class Ledger(RuleBasedStateMachine):
        @initialize(limit=st.sampled_from(["0.47", "0.94", "50", "unlimited"]))
        def start(self, limit: str) -> None:
            self.world = new_world([], limit=limit)
            played.append(self.world)

        @precondition(lambda self: len(self.world.images) < 3)
        @rule(answer=st.sampled_from(ANSWERS))
        def upload(self, answer: str) -> None:
            self.world.provider.script.append(answer)
            self.world.upload(f"{len(self.world.images)}.jpg")

        @precondition(lambda self: self.world.queue)
        @rule(which=st.integers(0, 9), again=st.booleans())
        def deliver(self, which: int, again: bool) -> None:
            message = self.world.queue[which % len(self.world.queue)]
            if again:
                self.world.duplicate(message)
            self.world.deliver(message)

        @precondition(lambda self: self.world.running())
        @rule(which=st.integers(0, 9))
        def advance(self, which: int) -> None:
            running = self.world.running()
            self.world.advance(running[which % len(running)])

        @rule(calls=st.integers(0, 25), when=st.sampled_from(["before", "after"]))
        def let_a_function_die_soon(self, calls: int, when: str) -> None:
            self.world.deaths.plan[self.world.deaths.count + calls] = when

        @rule(minutes=st.sampled_from([1, 3, 15]))
        def wait_and_sweep(self, minutes: int) -> None:
            self.world.wait(minutes)

        @invariant()
        def the_promise_holds(self) -> None:
            if hasattr(self, "world"):
                self.world.check_always()

        def teardown(self) -> None:
            if hasattr(self, "world"):
                self.world.deaths.plan.clear()
                self.world.run()
                self.world.check_at_the_end()

    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

    assert len(played) >= EXAMPLES
    record_property("schedules", len(played))


def test_the_checks_can_fail(new_world: Callable[..., World]) -> None:
    """A world in which money was spent behind the ledger's back must not pass."""
    world = new_world(["accept"])
    world.upload("a.jpg")
    world.run()
    world.provider.post(world.images[0])

    with pytest.raises(AssertionError, match="paid for more than once"):
        world.check_at_the_end()
