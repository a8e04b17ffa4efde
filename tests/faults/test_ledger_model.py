"""A stateful model of the ledger: hypothesis chooses who acts next, what the outside answers and where functions die."""

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

from tests.faults.calls import DEATHS
from tests.faults.play import NewWorld, Record, play
from tests.faults.script import DOWNLOADS, FAULTS, OWNER, POLLS, POSTS, Script
from tests.faults.world import World

EXAMPLES = 30


def test_no_order_of_steps_answers_and_deaths_breaks_the_promise(new_world: NewWorld, record_property: Record) -> None:
    played: list[World] = []

    class Ledger(RuleBasedStateMachine):
        @initialize(limit=st.sampled_from(["0.47", "0.94", "50", "unlimited"]))
        def start(self, limit: str) -> None:
            self.world = new_world(Script((), limit=limit))
            played.append(self.world)

        @precondition(lambda self: len(self.world.images) < 3)
        @rule(answer=st.sampled_from(POSTS))
        def upload(self, answer: str) -> None:
            self.world.provider.posts.left.append(answer)
            self.world.upload(f"{len(self.world.images)}.jpg")

        @precondition(lambda self: self.world.images)
        @rule(which=st.integers(0, 9), overtakes=st.booleans())
        def copy(self, which: int, overtakes: bool) -> None:
            self.world.copy(self.world.images[which % len(self.world.images)], overtakes=overtakes)

        @rule(poll=st.sampled_from(POLLS), download=st.sampled_from(DOWNLOADS))
        def let_the_next_poll_and_download_go_wrong(self, poll: str, download: str) -> None:
            self.world.provider.polls.left.append(poll)
            self.world.provider.downloads.left.append(download)

        @precondition(lambda self: self.world.queue)
        @rule(which=st.integers(0, 9), again=st.booleans())
        def deliver(self, which: int, again: bool) -> None:
            message = self.world.queue[which % len(self.world.queue)]
            if again:
                self.world.duplicate(message)
            self.world.deliver(message)

        @precondition(lambda self: self.world.machine.running())
        @rule(which=st.integers(0, 9))
        def advance(self, which: int) -> None:
            running = self.world.machine.running()
            self.world.advance(running[which % len(running)])

        @precondition(lambda self: self.world.machine.running())
        @rule(notices=st.sampled_from([("once",), ("late",), ("dropped",)]))
        def stop_the_executions(self, notices: tuple[str, ...]) -> None:
            self.world.notice_words.left.extend(notices * len(self.world.machine.running()))
            self.world.somebody_else("abort")

        @precondition(lambda self: self.world.machine.executions)
        @rule(who=st.sampled_from(["redrive", "notice"]))
        def remember_an_old_execution(self, who: str) -> None:
            self.world.somebody_else(who)

        @precondition(lambda self: self.world.notices)
        @rule(which=st.integers(0, 9))
        def notify(self, which: int) -> None:
            self.world.notify(self.world.notices[which % len(self.world.notices)])

        @rule(word=st.sampled_from(OWNER))
        def decide(self, word: str) -> None:
            self.world.owner_decides(word)

        @rule(calls=st.integers(0, 25), when=st.sampled_from([*DEATHS, *FAULTS]))
        def let_a_call_go_wrong_soon(self, calls: int, when: str) -> None:
            self.world.calls.plan[self.world.calls.count + calls] = when

        @rule(minutes=st.sampled_from([1, 3, 15]))
        def wait_and_sweep(self, minutes: int) -> None:
            self.world.wait(minutes)

        @invariant()
        def the_promise_holds(self) -> None:
            if hasattr(self, "world"):
                self.world.check_always()

        def teardown(self) -> None:
            if hasattr(self, "world"):
                self.world.calls.plan.clear()
                self.world.run()
                self.world.check_at_the_end()

    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

    assert len(played) >= EXAMPLES
    record_property("schedules", len(played))


def _pay_behind_the_ledger(world: World) -> None:
    world.provider.submissions.append(world.provider.submissions[0])


def _lose_the_video(world: World) -> None:
    (job,) = world.tables.jobs()
    del world.buckets.objects["videos", job["video"]["key"]]


def _lose_the_receipt(world: World) -> None:
    (job,) = world.tables.jobs()
    del world.buckets.objects["videos", job["video"]["receipt_key"]]


def _tell_it_once_more(world: World) -> None:
    event = world.checks.events[-1]
    world.checks.events.append({**event, "metadata": {**event["metadata"], "id": "another"}})


def _tell_nobody(world: World) -> None:
    del world.checks.events[-1]


def _count_less(world: World) -> None:
    for day in world.tables.items["spend"].values():
        day["reserved_cents"] = {"N": "0"}


@pytest.mark.parametrize(
    ("meddle", "told"),
    [
        (_pay_behind_the_ledger, "paid for more than once"),
        (_lose_the_video, "the video is not in the bucket"),
        (_lose_the_receipt, "its receipt is not in the bucket"),
        (_tell_it_once_more, "was told as"),
        (_tell_nobody, "was told as"),
        (_count_less, "not what the provider would bill"),
    ],
)
def test_the_checks_can_fail(new_world: NewWorld, meddle: Callable[[World], None], told: str) -> None:
    """A world in which something was done behind the ledger's back must not pass."""
    world = play(new_world(Script()))
    meddle(world)

    with pytest.raises(AssertionError, match=told):
        world.check_at_the_end()
