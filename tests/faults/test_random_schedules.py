"""Several crashes, faults and concurrent workers in one schedule, drawn at random from a seed."""

import os
import random

import pytest

from dropreel.domain.prices import usd
from tests.faults.calls import CONCURRENT, CRASHES
from tests.faults.play import NewSimulation, Plan, Record, play
from tests.faults.script import ALWAYS, DECISIONS, DOWNLOADS, FAULTS, PICTURES, POLLS, POSTS, Script
from tests.support.sample_jobs import PRICE

SCHEDULES = int(os.environ.get("DROPREEL_SCHEDULES", "100"))
"""Schedules of each random search; a longer search: `DROPREEL_SCHEDULES=1000`."""
COMBINED = ("resume + slow", "abort + slow", "resume + abort, notified at once", "abort + resume + redrive")
OPERATIONS = ("UpdateItem", "TransactWriteItems", "PutObject", "PutEvents", "StartExecution", "SendMessage")


def drawn(chance: random.Random, events: int) -> tuple[Script, Plan, int]:
    """Draw a script, a plan of `events` crashes, faults or workers, and a number of images."""

    def some(words: tuple[str, ...], most: int, always: float = 0) -> tuple[str, ...]:
        few = [chance.choice(words) for _ in range(max(0, chance.randint(-1, most)))]
        return (*few, chance.choice(words) + ALWAYS) if chance.random() < always else tuple(few)

    script = Script(
        posts=("accept", *some(POSTS, 5))[chance.randint(0, 1) :],
        polls=some(POLLS, 4, always=0.2),
        downloads=some(DOWNLOADS, 3, always=0.2),
        faults={chance.choice(OPERATIONS): some((*FAULTS, "good"), 4) for _ in range(chance.randint(0, 2))},
        operator=some(DECISIONS, 3),
        limit=chance.choice([*(str(usd(videos * PRICE)) for videos in (1, 2, 3)), "50", "unlimited"]),
        timeout_minutes=3,
        pictures=chance.choice(PICTURES),
    )
    plan = {
        chance.randint(0, 90): chance.choice([*CRASHES, *CRASHES, *CONCURRENT, *COMBINED, *FAULTS])
        for _ in range(events)
    }
    return script, plan, chance.randint(1, 3)


@pytest.mark.parametrize("events", [2, 3])
def test_random_events_duplicates_and_delivery_orders(
    new_simulation: NewSimulation, events: int, record_property: Record
) -> None:
    for seed in range(SCHEDULES):
        chance = random.Random(f"{events}/{seed}")
        script, plan, images = drawn(chance, events)
        copies = "".join(chance.choices("<>", k=chance.randint(0, 2)))
        if script.pictures == "undecodable":
            copies = ""  # a copy of what is rejected is rejected as well
        try:
            play(new_simulation(script, plan, seed), images, copies)
        except AssertionError as error:
            schedule = f"seed {seed}, {script}, plan {plan}, {images} images, copies {copies}: {error}"
            raise AssertionError(schedule) from error
    record_property("schedules", SCHEDULES)
