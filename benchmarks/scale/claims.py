"""Claims on the day's one item: how many a second it takes while DynamoDB refuses every transaction that meets another one.

A claim is a transaction of three or four items: the job, its submission's row, at the job's first claim its picture's row, and
the day. Only the day's item is shared, so it alone decides.
"""

import bisect
import heapq
import math
import random
from dataclasses import dataclass
from typing import Any

from benchmarks.scale.way import PACE, SEED, Pace
from dropreel.adapters.ledger import MAX_RELEASE_TRIES
from dropreel.adapters.transactions import MAX_PAUSE_SECONDS, MAX_TRIES

ITEM_UNITS_A_SECOND = 1_000
"""What one item takes: a partition's write units. A transaction writes an item twice, to prepare and to commit."""
JITTER_SECONDS = 0.05
"""Between two tries the pause is random, up to this, doubled with each try, and at most `MAX_PAUSE_SECONDS`."""
REFUSAL_SECONDS = 0.005
"""How long a refused transaction takes to be told so: assumed."""
HOLDS = (0.005, 0.01, 0.02)
"""Seconds that a transaction holds an item, from prepare to commit: assumed. A transactional write takes about four times as
long as a plain one, which takes single-digit milliseconds; the item is held for a part of that.
https://www.usenix.org/conference/atc23/presentation/idziorek"""
USUAL_HOLD = 0.01
RATES = (
    1,
    5,
    10,
    15,
    20,
    25,
    30,
    35,
    40,
    45,
    50,
    60,
    70,
    80,
    90,
    100,
    125,
    150,
    200,
    250,
    300,
    400,
    500,
    600,
    800,
    1000,
)
WORKERS = (5, 20, 50, 80, 100, 150, 200, 300, 500, 1000)
FEW = 0.001
"""Claims are said to fail where more than this share of them does."""
MAX_RECEIVES = 5
"""The queue's maxReceiveCount."""
SHARDS = 8


def longest_wait(number: int) -> float:
    """Return the longest pause in seconds after the try with that number, from 0."""
    return min(MAX_PAUSE_SECONDS, JITTER_SECONDS * 2.0**number)


@dataclass(frozen=True)
class Claims:
    """What became of claims: the share that ends in RetryLater, transactions a claim, seconds of a successful one, successes a second.

    `lost_releases` is the share of releases that end in RetryLater, where the provider is busy.
    """

    failed: float
    tries: float
    seconds: float
    done_a_second: float
    lost_releases: float = 0.0

    @property
    def dead(self) -> float:
        """The share of images whose every receive ends so, if the rate stays: they come to the dead-letter queue."""
        return self.failed**MAX_RECEIVES


class HotItems:
    """Items that take one transaction at a time, and so many write units a second.

    DynamoDB accepts a transaction if no other one is attempting to write the item, and refuses it otherwise; the one that
    was there first goes on. With `both_lose` a refused one keeps the item busy, too: a bound that AWS does not document.
    """

    def __init__(self, number: int, hold: float, *, both_lose: bool = False) -> None:
        self.hold, self.both_lose = hold, both_lose
        self._free_at = [0.0] * number
        self._units = [float(ITEM_UNITS_A_SECOND)] * number
        self._seen_at = [0.0] * number

    def take(self, item: int, now: float) -> bool:
        """Whether a transaction is accepted now: none is under way on the item, and there are units for both its writes."""
        gained = (now - self._seen_at[item]) * ITEM_UNITS_A_SECOND
        self._units[item] = min(float(ITEM_UNITS_A_SECOND), self._units[item] + gained)
        self._seen_at[item] = now
        is_free = now >= self._free_at[item]
        if is_free and self._units[item] >= 2:
            self._units[item] -= 2
            self._free_at[item] = now + self.hold
            return True
        self._units[item] = max(0.0, self._units[item] - 1)
        if self.both_lose and not is_free:
            self._free_at[item] = now + self.hold
        return False


def claims_at_rate(
    rate: float,
    hold: float,
    *,
    claims: int,
    shards: int = 1,
    both_lose: bool = False,
    most_failures: float = math.inf,
    seed: int = SEED,
) -> Claims:
    """Return what becomes of claims that come at random, so many a second, on a day's item (or on one of its shards).

    It ends early where more than `most_failures` have failed: too many, however the rest goes.
    """
    chance = random.Random(seed)
    items = HotItems(shards, hold, both_lose=both_lose)
    now, queue = 0.0, []
    for _ in range(claims):
        now += chance.expovariate(rate)
        queue.append((now, now, 0, int(chance.random() * shards)))
    failed = tried = 0
    spent = 0.0
    while queue and failed <= most_failures:  # in order of time, so it is a heap from the start
        at, since, number, item = heapq.heappop(queue)
        tried += 1
        if items.take(item, at):
            spent += at + hold - since
        elif number + 1 == MAX_TRIES:
            failed += 1
        else:
            later = at + REFUSAL_SECONDS + chance.uniform(0, longest_wait(number))
            heapq.heappush(queue, (later, since, number + 1, item))
    done = claims - failed
    return Claims(failed / claims, tried / claims, spent / max(1, done), done / now)


def claims_of_workers(
    workers: int,
    hold: float,
    *,
    shards: int = 1,
    releases: bool = False,
    pace: Pace = PACE,
    seconds: float = 40.0,
    seed: int = SEED,
) -> Claims:
    """Return what becomes of claims while a long queue keeps so many workers busy: SubmitConcurrency in a burst.

    A worker validates, claims, posts, and takes the next image. Where it `releases`, the provider refuses every image, and the
    worker releases the reservation in a second transaction. The first third of the time is not counted.
    """
    chance = random.Random(seed)
    items = HotItems(shards, hold)
    claim, release = 0, 1
    half = pace.submit_seconds / 2

    def after(at: float, kind: int) -> tuple[float, float, int, int, int]:
        """Return the next claim after a whole submission, or the release after half a one."""
        begun = at + half * chance.uniform(0.75, 1.25) * (1 if kind == release or releases else 2)
        return begun, begun, 0, int(chance.random() * shards), kind

    queue = [after(chance.uniform(-pace.submit_seconds, 0), claim) for _ in range(workers)]
    heapq.heapify(queue)
    done, failed, tried, spent = [0, 0], [0, 0], 0, 0.0
    while queue[0][0] < seconds:
        at, since, number, item, kind = heapq.heappop(queue)
        counts = at > seconds / 3
        tried += counts and kind == claim
        if items.take(item, at):
            done[kind] += counts
            spent += (at + hold - since) if counts and kind == claim else 0
            heapq.heappush(queue, after(at + hold, release if releases and kind == claim else claim))
            continue
        later = at + REFUSAL_SECONDS + chance.uniform(0, longest_wait(number))
        if number + 1 == (MAX_RELEASE_TRIES if kind == release else MAX_TRIES):
            failed[kind] += counts
            heapq.heappush(queue, after(later, claim))
        else:
            heapq.heappush(queue, (later, since, number + 1, item, kind))
    ended = [max(1, one + other) for one, other in zip(done, failed, strict=True)]
    return Claims(
        failed[claim] / ended[claim],
        tried / ended[claim],
        spent / max(1, done[claim]),
        done[claim] / (seconds * 2 / 3),
        failed[release] / ended[release],
    )


def rate_that_holds(hold: float, *, claims: int, **how: Any) -> int:
    """Return the highest of `RATES` at which hardly any claim fails, 0 for none: failures only grow with the rate."""
    few = FEW * claims

    def fails(rate: int) -> bool:
        return claims_at_rate(rate, hold, claims=claims, most_failures=few, **how).failed > FEW

    found = bisect.bisect_left(RATES, True, key=fails)
    return RATES[found - 1] if found else 0
