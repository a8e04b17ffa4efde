"""The sweeper: how many jobs it comes to in one pass, and what its messages do to a long queue."""

import heapq
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.scale.quotas import DEFAULT_CONCURRENCY
from benchmarks.scale.way import PACE, SEED, Pace
from dropreel.domain.backoff import backoff_seconds
from dropreel.use_cases.sweep_jobs import MESSAGE_LOST, PASS, QUIET

SWEEP_EVERY_SECONDS = 300
PASSES = 8
"""It releases held jobs, looks into the dead-letter queue, and goes over the jobs of each of the index's six values."""
QUIET_SECONDS = QUIET.total_seconds()
LOST_SECONDS = MESSAGE_LOST.total_seconds()
PASS_SECONDS = PASS.total_seconds()
READ_SECONDS = 0.010
"""Seconds to read or write one job: 0.8 ms of a whole processor, of which 256 MB have a seventh, and a round trip of 4 ms.
Assumed."""
SEND_SECONDS = 0.015
"""Seconds to send one message: assumed."""
REPEAT_SECONDS = 0.2
"""Seconds that SubmitGeneration takes for a message with nothing left to do: assumed."""
BUSY_SHARE = 0.05
NOTED_AND_SENT_SECONDS = READ_SECONDS + SEND_SECONDS
JOBS_A_PASS = round(PASS_SECONDS / READ_SECONDS)
SENT_A_PASS = round(PASS_SECONDS / (READ_SECONDS + NOTED_AND_SENT_SECONDS))


@dataclass(frozen=True)
class Drained:
    """How a backlog came to its end: messages that it took, submissions among them, and seconds until the last submission."""

    messages: int
    submissions: int
    seconds: float


@dataclass
class Waiting:
    """One image as the job table has it: what it waits for, since when nobody has changed it, and how many messages it had."""

    is_held: bool = False
    is_deferred: bool = False
    is_done: bool = False
    created: float | None = None
    updated: float = 0.0
    requeues: int = 0
    due: float = 0.0

    def wants_message(self, now: float) -> bool:
        """Whether the sweeper sends a message now: a held one is released at once, a deferred one's counts as lost after a while."""
        return self.is_held or round(now - max(self.updated, self.due), 6) >= LOST_SECONDS

    def requeue(self, now: float) -> None:
        """Number the next message: the one before is overtaken."""
        self.is_held, self.is_deferred = False, True
        self.requeues, self.updated, self.due = self.requeues + 1, now, 0.0


@dataclass
class Backlog:
    """The images of a backlog in the order of their creation, and the messages of them, now and later."""

    images: list[Waiting]
    queue: deque[tuple[int, int]] = field(default_factory=deque)
    later: list[tuple[float, int, int]] = field(default_factory=list)

    def sweep(self, now: float) -> None:
        """Do the two passes that send messages: over the held, then over the deferred, each as far as its time goes."""
        held = [number for number, image in enumerate(self.images) if image.is_held]
        self._pass(held, now)
        deferred = [
            (image.created, number)
            for number, image in enumerate(self.images)
            if image.is_deferred and image.created is not None and image.created + QUIET_SECONDS <= now
        ]
        self._pass((number for _, number in sorted(deferred)), now)

    def _pass(self, numbers: Iterable[int], begun: float) -> None:
        now = begun
        for number in numbers:
            if now >= begun + PASS_SECONDS:
                return
            image = self.images[number]
            now += READ_SECONDS
            if image.wants_message(now):
                image.requeue(now)
                now += NOTED_AND_SENT_SECONDS
                heapq.heappush(self.later, (now, number, image.requeues))

    def arrive(self, now: float) -> None:
        """Put the messages whose time has come into the queue."""
        while self.later and self.later[0][0] <= now:
            _, number, requeues = heapq.heappop(self.later)
            self.queue.append((number, requeues))


def drain(
    images: int,
    *,
    held: bool = False,
    busy_share: float = 0.0,
    busy_seconds: float = 0.0,
    concurrency: int = DEFAULT_CONCURRENCY,
    sweeps: bool = True,
    pace: Pace = PACE,
    seed: int = SEED,
) -> Drained:
    """Work off a backlog: images that wait in the queue, or `held` ones that there is money for again.

    The provider defers `busy_share` of the submissions, and all of them for the first `busy_seconds`. A job whose message is not
    taken for long gets another one from the sweeper; the one before is overtaken and does nothing.
    """
    chance = random.Random(seed)
    backlog = Backlog([Waiting(is_held=held, created=0.0 if held else None) for _ in range(images)])
    backlog.queue.extend([] if held else ((number, 0) for number in range(images)))
    workers = [0.0] * concurrency
    swept = 0.0 if held else float(SWEEP_EVERY_SECONDS)
    messages = submissions = 0
    left = images
    while left:
        now = workers[0]
        if not backlog.queue:
            now = max(now, min([swept] * sweeps + [one[0] for one in backlog.later[:1]]))
        while sweeps and swept <= now:
            backlog.sweep(swept)
            swept += SWEEP_EVERY_SECONDS
        backlog.arrive(now)
        if not backlog.queue:
            heapq.heapreplace(workers, now)
            continue
        number, requeues = backlog.queue.popleft()
        image = backlog.images[number]
        messages += 1
        if image.is_done or requeues != image.requeues:
            heapq.heapreplace(workers, now + REPEAT_SECONDS)
            continue
        ended = now + pace.submit_seconds
        heapq.heapreplace(workers, ended)
        submissions += 1
        created = now if image.created is None else image.created
        if now < busy_seconds or chance.random() < busy_share:
            due = ended + backoff_seconds(requeues, chance.random())
            backlog.images[number] = Waiting(
                is_deferred=True, created=created, updated=ended, requeues=requeues + 1, due=due
            )
            heapq.heappush(backlog.later, (due, number, requeues + 1))
        else:
            backlog.images[number] = Waiting(is_done=True, created=created)
            left -= 1
    unread = len(backlog.queue) + len(backlog.later)
    return Drained(messages + unread, submissions, max(workers))
