"""Several deaths, faults and other workers in one schedule, drawn at random from a seed."""

import os
import random

import pytest

from tests.faults.calls import DEATHS, OTHERS
from tests.faults.play import NewWorld, Plan, Record, play
from tests.faults.script import DOWNLOADS, FAULTS, FOR_EVER, OWNER, POLLS, POSTS, Script

SCHEDULES = int(os.environ.get("DROPREEL_SCHEDULES", "100"))
"""Schedules of each random search; more of them for a longer look: `DROPREEL_SCHEDULES=1000`."""
AT_ONCE = ("resume + slow", "abort + slow", "resume + abort, told at once", "abort + resume + redrive")
SPOILT = ("UpdateItem", "TransactWriteItems", "PutObject", "PutEvents", "StartExecution", "SendMessage")


def drawn(chance: random.Random, events: int) -> tuple[Script, Plan, int]:
    """Draw a script, a plan of so many events, and a number of images."""

    def some(words: tuple[str, ...], most: int, for_ever: float = 0) -> tuple[str, ...]:
        few = [chance.choice(words) for _ in range(max(0, chance.randint(-1, most)))]
        return (*few, chance.choice(words) + FOR_EVER) if chance.random() < for_ever else tuple(few)

    script = Script(
        posts=("accept", *some(POSTS, 5))[chance.randint(0, 1) :],
        polls=some(POLLS, 4, for_ever=0.2),
        downloads=some(DOWNLOADS, 3, for_ever=0.2),
        faults={chance.choice(SPOILT): some((*FAULTS, "good"), 4) for _ in range(chance.randint(0, 2))},
        owner=some(OWNER, 3),
        limit=chance.choice(["0.47", "0.94", "1.41", "50", "unlimited"]),
        timeout_minutes=3,
    )
    plan = {chance.randint(0, 90): chance.choice([*DEATHS, *DEATHS, *OTHERS, *AT_ONCE, *FAULTS]) for _ in range(events)}
    return script, plan, chance.randint(1, 3)


@pytest.mark.parametrize("events", [2, 3])
def test_several_events_duplicates_and_another_order(
    new_simulation: NewWorld, events: int, record_property: Record
) -> None:
    for seed in range(SCHEDULES):
        chance = random.Random(f"{events}/{seed}")
        script, plan, images = drawn(chance, events)
        copies = "".join(chance.choices("<>", k=chance.randint(0, 2)))
        try:
            play(new_simulation(script, plan, seed), images, copies)
        except AssertionError as error:
            told = f"seed {seed}, {script}, plan {plan}, {images} images, copies {copies}: {error}"
            raise AssertionError(told) from error
    record_property("schedules", SCHEDULES)
