"""Playing schedules: one script under many plans."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.faults.script import Script
from tests.faults.world import World

NewWorld = Callable[..., World]
Record = Callable[[str, object], None]
Plan = dict[int, str]


def play(world: World, images: int = 1, copies: str = "") -> World:
    """Drop images and let the world run to its end, then check. `copies`: each `<` or `>` copies the last image onto itself.

    The event of a `<` overtakes all before it.
    """
    for number in range(images):
        world.upload(f"{number}.jpg")
    for copy in copies:
        world.copy(world.images[-1], overtakes=copy == "<")
    world.run()
    world.check_at_the_end()
    return world


def play_each(
    new_world: NewWorld,
    script: Script,
    plans: Iterable[Plan],
    ends: set[str] | None = None,
    images: int = 1,
    copies: str = "",
) -> int:
    """Play the script once under each plan; return how many schedules that was. `ends`: how a job may end."""
    schedules = 0
    for plan in plans:
        schedules += 1
        world = new_world(script, plan)
        try:
            play(world, images, copies)
            if ends is not None:
                assert world.statuses() <= ends, f"it ended as {world.statuses()}"
        except AssertionError as error:
            trace = world.calls.trace
            told = [f"{what} at call {n} ({trace[n] if n < len(trace) else 'never made'})" for n, what in plan.items()]
            raise AssertionError(f"{script}, {', '.join(told)}: {error}") from error
    return schedules


def deaths_of(world: World, since: str = "") -> list[Plan]:
    """Return a plan for every single death that makes a difference, from the first call of the step `since` on."""
    return [{number: when} for number, when in world.calls.deaths() if number >= first(world, since)]


def points_of(world: World, who: str, since: int = 0, base: dict[int, str] | None = None) -> list[Plan]:
    """Return a plan for every point from a call on at which it makes a difference that somebody else works."""
    return [{**(base or {}), number: who} for number in world.calls.points() if number >= since]


def faults_of(world: World, fault: str, since: str = "") -> list[Plan]:
    """Return a plan for every AWS call that a fault makes a difference to."""
    of_fault = "PutEvents" if fault == "untaken" else ""
    numbers = [number for number in world.calls.of_aws() if number >= first(world, since)]
    return [{number: fault} for number in numbers if of_fault in world.calls.trace[number].name]


def first(world: World, step: str, name: str = "") -> int:
    """Return the number of the first call of a step, or of that call in it."""
    found: Any = (
        number for number, call in enumerate(world.calls.trace) if call.step.startswith(step) and name in call.name
    )
    return int(next(found))


def calls_of(world: World, step: str, since: int = 0) -> list[int]:
    """Return the numbers of all calls of a step from a call on."""
    return [number for number, call in enumerate(world.calls.trace) if call.step == step and number >= since]
