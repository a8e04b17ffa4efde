"""Claims on the day's one item: how many a second it takes while DynamoDB refuses every transaction that meets another one.

A claim is a transaction of three or four items: the job, its submission's row, at the job's first claim its picture's row, and
the day. Only the day's item is shared, so it alone decides.
"""

import heapq
from dataclasses import dataclass
from random import Random

from benchmarks.scale.day import PACE, SEED
from dropreel.adapters.transactions import MAX_PAUSE_SECONDS, MAX_TRIES

ITEM_UNITS_A_SECOND = 1_000
"""What one item takes: a partition's write units. A transaction writes an item twice, to prepare and to commit."""
JITTER_SECONDS = 0.05
"""Between two tries the pause is random, up to this, doubled with each try, and at most `MAX_PAUSE_SECONDS`."""
REFUSAL_SECONDS = 0.005
"""How long the answer to a refused transaction takes: assumed."""
HOLDS = (0.01, 0.02)
"""Seconds that a transaction holds an item, from prepare to commit: assumed. A transactional write takes about four times as
long as a plain one, which takes single-digit milliseconds; the item is held for a part of that.
https://www.usenix.org/conference/atc23/presentation/idziorek"""
WORKERS = (5, 50, 80, 100, 150, 200, 300, 500, 1000)
MAX_RECEIVES = 5
"""The queue's maxReceiveCount."""


def longest_pause(number: int) -> float:
    """Return the longest pause in seconds after the try with that number, from 0."""
    return min(MAX_PAUSE_SECONDS, JITTER_SECONDS * 2.0**number)


@dataclass(frozen=True)
class Claims:
    """Successful claims a second, and the share that ends in RetryLater."""

    done_a_second: float
    failed: float

    @property
    def dead_letters(self) -> float:
        """The share of images whose every receive fails, if the rate stays."""
        return self.failed**MAX_RECEIVES


class DayItem:
    """An item that takes one transaction at a time, and so many write units a second.

    DynamoDB accepts a transaction if no other one is attempting to write the item, and refuses it otherwise; the first one
    continues.
    """

    def __init__(self, hold: float) -> None:
        self.hold = hold
        self._free_at = self._last = 0.0
        self._units = float(ITEM_UNITS_A_SECOND)

    def take(self, now: float) -> bool:
        """Whether a transaction is accepted now: no other one is under way, and there are units for both its writes."""
        self._units = min(float(ITEM_UNITS_A_SECOND), self._units + (now - self._last) * ITEM_UNITS_A_SECOND)
        self._last = now
        if now >= self._free_at and self._units >= 2:
            self._units -= 2
            self._free_at = now + self.hold
            return True
        self._units = max(0.0, self._units - 1)
        return False


def simulate_claims(workers: int, hold: float, seconds: float = 40.0) -> Claims:
    """Return the outcome of claims while a long queue keeps so many workers busy: SubmitConcurrency in a burst.

    A worker validates, claims, posts, and takes the next image. The first third of the time is not counted.
    """
    random = Random(SEED)
    item = DayItem(hold)

    def next_image(at: float) -> tuple[float, int]:
        return at + PACE.submit_seconds * random.uniform(0.75, 1.25), 0

    # When each worker's next try is, and how many tries it has had for its image.
    queue = [(random.uniform(0, PACE.submit_seconds), 0) for _ in range(workers)]
    heapq.heapify(queue)
    done = failed = 0
    while queue[0][0] < seconds:
        at, tries = heapq.heappop(queue)
        is_counted = at > seconds / 3
        if item.take(at):
            done += is_counted
            heapq.heappush(queue, next_image(at + hold))
            continue
        again = at + REFUSAL_SECONDS + random.uniform(0, longest_pause(tries))
        if tries + 1 < MAX_TRIES:
            heapq.heappush(queue, (again, tries + 1))
        else:
            failed += is_counted
            heapq.heappush(queue, next_image(again))
    return Claims(done / (seconds * 2 / 3), failed / max(1, done + failed))
