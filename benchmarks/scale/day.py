"""One day of images, second by second: arrivals, the queue, submissions, polls and deliveries, from a seed."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

DAY_SECONDS = 86_400
SHAPES = ("even", "working day", "burst")
SEED = 20_261_112

HOURS = (0.1,) * 8 + (0.3, 0.8, 1.6, 2.4, 3.0, 2.6, 1.8, 2.4, 2.6, 2.0, 1.2, 0.8, 0.6, 0.5, 0.4, 0.2)
"""A working day: each hour's images as a multiple of the mean hour's. The busiest hour has three times the mean."""
UPLOADS_A_SECOND = 3_500
"""A burst is as fast as S3 takes uploads under one prefix.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"""


@dataclass(frozen=True)
class Pace:
    """Seconds that each step takes, as assumed. `poll_seconds` is the template's PollIntervalSeconds."""

    submit_seconds: float = 2.0
    poll_seconds: float = 5.0
    check_seconds: float = 0.5
    step_seconds: float = 0.1
    """What Step Functions itself adds to a turn of the loop."""
    deliver_seconds: float = 5.0
    spread: float = 0.25
    """A generation takes its mean, plus or minus this share of it, evenly spread."""

    @property
    def turn(self) -> float:
        """Seconds from one poll to the next."""
        return self.poll_seconds + self.check_seconds + self.step_seconds


PACE = Pace()


@dataclass(frozen=True)
class Scenario:
    """One day: so many images, in one of `SHAPES`, each generated for so many minutes."""

    images: int
    shape: str
    minutes: float
    concurrency: int
    """SubmitConcurrency."""
    poll_seconds: float = PACE.poll_seconds

    @property
    def pace(self) -> Pace:
        """The usual pace, with the scenario's poll interval."""
        return replace(PACE, poll_seconds=self.poll_seconds)


@dataclass(frozen=True)
class Timeline:
    """When each image arrived, began to be submitted, was accepted, and was delivered, in seconds; how often it was polled."""

    arrived: Times
    begun: Times
    accepted: Times
    delivered: Times
    polls: Counts


def arrivals(images: int, shape: str, random: np.random.Generator) -> Times:
    """Return the seconds of the day at which images arrive, in order."""
    drawn = np.sort(random.random(images))
    if shape == "even":
        return drawn * DAY_SECONDS
    if shape == "burst":
        return drawn * images / UPLOADS_A_SECOND
    cumulative = np.concatenate([[0.0], np.cumsum(HOURS)]) / sum(HOURS)
    seconds: Times = np.interp(drawn, cumulative, np.arange(len(cumulative)) * 3600.0)
    return seconds


def submission_starts(arrived: Times, workers: int, seconds: float) -> Times:
    """Return when each image begins to be submitted: first come, first served, by so many workers of equal pace.

    Image i begins when it is there and the worker that has image i - workers is done, so each worker is a chain of its own.
    """
    rows = -(-len(arrived) // workers)
    padded = np.full(rows * workers, np.inf)
    padded[: len(arrived)] = arrived
    before = (np.arange(rows) * seconds)[:, None]
    begun: Times = np.maximum.accumulate(padded.reshape(rows, workers) - before, axis=0) + before
    flat: Times = begun.reshape(-1)[: len(arrived)]
    return flat


def simulate(scenario: Scenario, seed: int = SEED) -> Timeline:
    """Return the timeline of every image of the scenario. The same seed gives the same timelines."""
    pace = scenario.pace
    random = np.random.default_rng(seed)
    arrived = arrivals(scenario.images, scenario.shape, random)
    begun = submission_starts(arrived, scenario.concurrency, pace.submit_seconds)
    accepted = begun + pace.submit_seconds
    generated = scenario.minutes * 60 * (1 + pace.spread * (2 * random.random(scenario.images) - 1))
    polls = np.maximum(1, np.ceil(generated / pace.turn)).astype(np.int64)
    delivered = accepted + polls * pace.turn + pace.deliver_seconds
    return Timeline(arrived, begun, accepted, delivered, polls)


def per_second(times: Times, seconds: int) -> Counts:
    """Return how many of the times are in each second."""
    return np.bincount(times.astype(np.int64), minlength=seconds)


def in_progress(start: Times, end: Times, seconds: int) -> Counts:
    """Return how many have started and not ended at each second."""
    return np.cumsum(per_second(start, seconds) - per_second(end, seconds))


def polls_per_second(timeline: Timeline, turn: float, seconds: int) -> Counts:
    """Return how many polls are made in each second, each image's a turn apart."""
    found = np.zeros(seconds, dtype=np.int64)
    polled = np.zeros(seconds, dtype=np.int64)
    for number in range(int(timeline.polls.max()), 0, -1):
        polled += per_second(timeline.accepted[timeline.polls == number], seconds)
        later = round(number * turn)
        found[later:] += polled[: seconds - later]
    return found


def busiest_minute(counts: Counts) -> float:
    """Return the mean of a second in the busiest minute."""
    whole = np.pad(counts, (0, -len(counts) % 60))
    return float(whole.reshape(-1, 60).mean(axis=1).max())
