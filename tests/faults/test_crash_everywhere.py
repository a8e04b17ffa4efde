"""Whatever dies wherever, nothing is paid twice, nothing paid is lost, and the cap holds."""

import os
import random
from collections.abc import Callable

import pytest

from tests.faults.world import World

Record = Callable[[str, object], None]

SCRIPTS: dict[str, tuple[list[str], str]] = {
    # name: (what the provider answers to each POST, the day's limit)
    "accepted": (["accept"], "50"),
    "failed, then made": (["fail", "accept"], "50"),
    "busy, then accepted": (["busy", "accept"], "50"),
    "key refused, then accepted": (["bad key", "accept"], "50"),
    "refused": (["refuse"], "50"),
    "failed, then refused": (["fail", "refuse"], "50"),
    "answer lost": (["lost"], "50"),
    "answer lost, unpaid": (["lost unpaid"], "50"),
}
RANDOM_SCHEDULES = int(os.environ.get("DROPREEL_SCHEDULES", "25"))
"""Schedules of each random search; more of them for a longer look: `DROPREEL_SCHEDULES=1000`."""


def play(world: World, images: int = 1) -> None:
    """Drop images and let the world run to its end, then check."""
    for number in range(images):
        world.upload(f"{number}.jpg")
    world.run()
    world.check_at_the_end()


def deaths_of(calm: World) -> list[tuple[int, str]]:
    """Return every single death that makes a difference.

    To die before a call is to die after the one before it, so only an invocation's first call has a "before" of its own;
    reading the clock has no effect that could be lost.
    """
    after = [(number, "after") for number in range(calm.deaths.count) if calm.deaths.trace[number] != "clock"]
    return sorted(after + [(number, "before") for number in calm.deaths.firsts if number < calm.deaths.count])


def one_death_everywhere(new_world: Callable[..., World], script: list[str], limit: str, images: int) -> int:
    """Play the script once for each single death; return how many schedules that was."""
    calm = new_world(script, limit=limit)
    play(calm, images)
    deaths = deaths_of(calm)
    for number, when in deaths:
        try:
            play(new_world(script, {number: when}, limit), images)
        except AssertionError as error:
            raise AssertionError(f"death {when} call {number} ({calm.deaths.trace[number]}): {error}") from error
    return len(deaths)


@pytest.mark.parametrize("name", SCRIPTS)
def test_one_death_at_every_point(new_world: Callable[..., World], name: str, record_property: Record) -> None:
    script, limit = SCRIPTS[name]

    schedules = one_death_everywhere(new_world, script, limit, images=1)

    assert schedules > 8
    record_property("schedules", schedules)


def test_a_held_job_survives_one_death_at_every_point(new_world: Callable[..., World], record_property: Record) -> None:
    schedules = one_death_everywhere(new_world, ["accept", "accept"], "0.47", images=2)

    assert schedules > 30
    record_property("schedules", schedules)


@pytest.mark.parametrize("name", ["accepted", "failed, then made", "busy, then accepted", "answer lost"])
@pytest.mark.parametrize("who", ["duplicate", "sweep"])
def test_somebody_else_works_at_every_point(
    new_world: Callable[..., World], name: str, who: str, record_property: Record
) -> None:
    """Two workers at once: a second delivery, or the sweeper, runs whole between any two calls of the first."""
    script, limit = SCRIPTS[name]
    calm = new_world(script, limit=limit)
    play(calm)
    points = [number for number in range(calm.deaths.count) if calm.deaths.trace[number] != "clock"]

    for number in points:
        try:
            play(new_world(script, {number: who}, limit))
        except AssertionError as error:
            raise AssertionError(f"{who} before call {number} ({calm.deaths.trace[number]}): {error}") from error

    record_property("schedules", len(points))


@pytest.mark.parametrize("deaths", [2, 3])
def test_several_deaths_duplicates_and_another_order(
    new_world: Callable[..., World], deaths: int, record_property: Record
) -> None:
    words = ["accept", "accept", "fail", "busy", "unreachable", "lost", "lost unpaid", "refuse", "bad key"]
    for seed in range(RANDOM_SCHEDULES):
        chance = random.Random(f"{deaths}/{seed}")
        script = [chance.choice(words) for _ in range(chance.randint(1, 6))]
        plan = {chance.randint(0, 90): chance.choice(["before", "after", "duplicate", "sweep"]) for _ in range(deaths)}
        limit = chance.choice(["0.47", "0.94", "1.41", "50", "unlimited"])
        images = chance.randint(1, 3)
        try:
            play(new_world(script, plan, limit, seed), images)
        except AssertionError as error:
            told = f"seed {seed}, script {script}, deaths {plan}, limit {limit}, {images} images"
            raise AssertionError(f"{told}: {error}") from error
    record_property("schedules", RANDOM_SCHEDULES)
