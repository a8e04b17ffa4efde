"""Runs schedules: one script under many plans."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.faults.script import Script
from tests.faults.simulation import Simulation

NewSimulation = Callable[..., Simulation]
Record = Callable[[str, object], None]
Plan = dict[int, str]


def play(simulation: Simulation, images: int = 1, copies: str = "") -> Simulation:
    """Upload images, run the simulation to its end, and check. `copies`: each `<` or `>` copies the last image onto itself.

    The event of a `<` is delivered before all others.
    """
    for number in range(images):
        simulation.upload(f"{number}.jpg")
    for copy in copies:
        simulation.copy(simulation.images[-1], overtakes=copy == "<")
    simulation.run()
    simulation.check_at_the_end()
    return simulation


def play_each(
    new_simulation: NewSimulation,
    script: Script,
    plans: Iterable[Plan],
    ends: set[str] | None = None,
    images: int = 1,
    copies: str = "",
) -> int:
    """Play the script once under each plan; return the number of schedules. `ends`: the allowed final statuses."""
    schedules = 0
    for plan in plans:
        schedules += 1
        simulation = new_simulation(script, plan)
        try:
            play(simulation, images, copies)
            if ends is not None:
                assert simulation.statuses() <= ends, f"it ended as {simulation.statuses()}"
        except AssertionError as error:
            trace = simulation.calls.trace
            planned = [
                f"{what} at call {n} ({trace[n] if n < len(trace) else 'never made'})" for n, what in plan.items()
            ]
            raise AssertionError(f"{script}, {', '.join(planned)}: {error}") from error
    return schedules


def crashes_of(simulation: Simulation, since: str = "") -> list[Plan]:
    """Return a plan for every single crash that makes a difference, from the first call of the step `since` on."""
    return [{number: when} for number, when in simulation.calls.crashes() if number >= first(simulation, since)]


def points_of(simulation: Simulation, worker: str, since: int = 0, base: dict[int, str] | None = None) -> list[Plan]:
    """Return a plan for every call from `since` on before which a concurrent worker makes a difference."""
    return [{**(base or {}), number: worker} for number in simulation.calls.points() if number >= since]


def faults_of(simulation: Simulation, fault: str, since: str = "") -> list[Plan]:
    """Return a plan for every AWS call at which a fault makes a difference."""
    of_fault = "PutEvents" if fault == "failed entry" else ""
    numbers = [number for number in simulation.calls.of_aws() if number >= first(simulation, since)]
    return [{number: fault} for number in numbers if of_fault in simulation.calls.trace[number].name]


def first(simulation: Simulation, step: str, name: str = "") -> int:
    """Return the number of the first call of a step, or of that call in it."""
    found: Any = (
        number for number, call in enumerate(simulation.calls.trace) if call.step.startswith(step) and name in call.name
    )
    return int(next(found))


def calls_of(simulation: Simulation, step: str, since: int = 0) -> list[int]:
    """Return the numbers of all calls of a step from a call on."""
    return [number for number, call in enumerate(simulation.calls.trace) if call.step == step and number >= since]
