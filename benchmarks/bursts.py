"""Many images at once on the local cloud: how time grows with their number, and that none is lost or paid twice."""

import itertools
import statistics
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from benchmarks.local_account import (
    Floor,
    LocalAccount,
    cpu_seconds_of,
    figures,
    function_processes,
    held_to,
    logical_name,
    pairwise_slopes,
    percentile,
)
from benchmarks.measure import is_quick, rounded, spread
from local.cloud import running_cloud

PARAMETERS = {
    "PollIntervalSeconds": "1",
    "GenerationTimeoutMinutes": "30",
    "DailySpendLimitUsd": "unlimited",
    "UploadSettleSeconds": "0",  # the floor's queue has no delay either
}
SIZES = (50, 200, 500)
QUICK_SIZES = (3, 6, 12)
WARM_UP = (1, 5, 10, 20, 50, 200)
WARM_UP_MORE = 8
ROUNDS = 4
QUICK_ROUNDS = 1
NO_REAPING = {"LAMBDA_WARM_TTL_SECONDS": "86400"}
"""The engine keeps the processes that it has started, for a day: by itself it ends them after 5 idle minutes."""
SUBMIT_CONCURRENCY = 5
"""The template's default."""
LINEAR_WITHIN = 1.15
END_SECONDS = 240
OURS = ("SubmitGeneration", "CheckStatus", "DeliverVideo")
_SAMPLE_SECONDS = 0.5
_MEGABYTE = 1024 * 1024

METHOD = """\
The stack of template.yaml on the local cloud with PollIntervalSeconds 1, and a provider that is done at once and has
rendered its one video already. The same photograph is uploaded under so many keys, eight uploads at a time, one burst
after the other in the same cloud. A round goes up and down again, 50, 200, 500, 500, 200, 50, the next one down and up,
so that what slows the machine for a while meets each size. Before, bursts which are not counted start the functions'
processes, until one of the smallest starts none; the engine is told to keep them, and what a later burst starts all the
same is in its time. A burst lasts from the start of its first upload to the time at which its last job was completed
(the job's own updated_at). A burst of any size takes a poll interval and the steps around it, in part beside the work
for the other images. So growth is told by slopes, which that fixed part is not in: linear means that each further image
takes as long from the middle size to the largest as from the smallest to the middle one, compared within each round, in
the median over the rounds. The raw ratio of the times is given beside it, and the processor time of the engine and the
functions for each image, which no waiting is in. The floor is as many uploads through engine_floor.yaml: the same
bucket, rule and queue (at most 5 messages at a time), a function that does nothing but start an execution, and the same
state machine with empty functions. Memory is what the functions' processes hold resident, looked at twice a second in
/proc; the engine starts a process for each invocation that runs at the same time and keeps it, as Lambda does with its
environments."""


@dataclass(frozen=True)
class Burst:
    """One burst: how long it took, and the processor time of the engine and the functions in it, both in seconds."""

    images: int
    seconds: float
    cpu_seconds: float


def run(say: Callable[[str], None]) -> dict[str, Any]:
    """Return times in seconds, memory in megabytes, counts, and the targets."""
    sizes, rounds = (QUICK_SIZES, QUICK_ROUNDS) if is_quick() else (SIZES, ROUNDS)
    warm_up = WARM_UP[:2] if is_quick() else WARM_UP
    bursts: list[list[Burst]] = []
    with running_cloud(say, PARAMETERS, created_seconds=0, processing_seconds=0, environment=NO_REAPING) as cloud:
        account = LocalAccount(cloud)
        say("deploying the engine's floor")
        floor = account.deploy_floor()
        for number in warm_up:
            say(f"warming up with {number} images at once")
            _burst(account, f"warm-{number}", number)
        _warm_up_more(account, sizes[0], say)
        folders: dict[str, int] = {}
        with watched_memory(cloud.engine.process.pid) as memory:
            for turn in range(rounds):
                bursts.append([])
                for number in order(sizes, turn):
                    folders[folder := f"burst-{len(folders)}"] = number
                    bursts[turn].append(_burst(account, folder, number))
                    say(f"{number} images at once took {bursts[turn][-1].seconds:.1f} s")
        counts = _counts(account, folders)
        for number in warm_up:
            _floor_burst(floor, f"burst-warm-{number}", number)
        middle = sizes[1]
        floor_seconds = _floor_burst(floor, "burst", middle)
        say(f"{middle} images at once through empty functions took {floor_seconds:.1f} s")
    return _result(bursts, {"images": middle, "seconds": floor_seconds}, memory, counts)


def order(sizes: Sequence[int], turn: int) -> list[int]:
    """Return the sizes of a round's bursts: up and down, and down and up in every other round."""
    there = list(sizes[:: -1 if turn % 2 else 1])
    return [*there, *reversed(there)]


def _warm_up_more(account: LocalAccount, number: int, say: Callable[[str], None]) -> None:
    """Repeat a burst until it starts no process any more, a few times at most."""
    engine, before = account.cloud.engine.process.pid, -1
    for turn in range(WARM_UP_MORE):
        running = len(list(function_processes(engine)))
        if running == before:
            return
        say(f"warming up with {number} images at once: {running} processes so far")
        before = running
        _burst(account, f"warm-more-{turn}", number)


def _burst(account: LocalAccount, folder: str, number: int) -> Burst:
    """Drop so many images at once, and wait until the last job is completed."""
    worked = _cpu_seconds(account)
    began = account.put_many(folder, number)
    jobs = account.jobs_when_ended(folder, number, END_SECONDS)
    ended = max(datetime.fromisoformat(job["updated_at"]).timestamp() for job in jobs)
    return Burst(number, ended - began, _cpu_seconds(account) - worked)


def _cpu_seconds(account: LocalAccount) -> float:
    """Return the processor time of the engine and of all its functions' processes so far: it keeps them."""
    engine = account.cloud.engine.process.pid
    return cpu_seconds_of(engine) + sum(one.cpu_seconds for one in function_processes(engine))


def _floor_burst(floor: Floor, folder: str, number: int) -> float:
    """Do the same with empty functions; return the seconds to the end of the last execution."""
    began = floor.account.put_many(folder, number, floor.outputs["UploadsBucketName"])
    return floor.wait_for_executions(number, began, END_SECONDS) - began


def _counts(account: LocalAccount, folders: dict[str, int]) -> dict[str, Any]:
    """Count what came out of the bursts, at the provider and in the job table."""
    simulator = account.cloud.simulator.client
    paid = Counter(_key(one) for one in simulator.submissions() if one["paid"])
    ours = {key: count for key, count in paid.items() if key.partition("/")[0] in folders}
    statuses = Counter(job["status"] for job in account.jobs(*folders))
    attributes = account.client("sqs").get_queue_attributes(
        QueueUrl=account.stack.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return {
        "images": sum(folders.values()),
        "ended": dict(statuses),
        "without_a_job": sum(folders.values()) - sum(statuses.values()),
        "paid_exactly_once": sum(count == 1 for count in ours.values()),
        "paid_more_than_once": sum(count > 1 for count in ours.values()),
        "dead_letters": int(attributes["ApproximateNumberOfMessages"]),
        "most_submissions_in_flight": simulator.summary()["max_in_flight"],
        "submit_concurrency": SUBMIT_CONCURRENCY,
    }


def _key(submission: dict[str, Any]) -> str:
    """Return the key of the image that a submission was about: its folder and its name."""
    return "/".join(unquote(submission["request"]["image_url"].partition("?")[0]).split("/")[-2:])


# --- memory -----------------------------------------------------------------------------------------------------------


@dataclass
class Memory:
    """The most that was seen: bytes resident in all the functions' processes at once, their number, the largest of each function.

    `processes_before` is how many there were at first.
    """

    processes_before: int = 0
    bytes_at_once: int = 0
    processes_at_once: int = 0
    largest: dict[str, int] = field(default_factory=dict)

    def look(self, engine_pid: int) -> None:
        """Look at all processes once."""
        seen = list(function_processes(engine_pid))
        self.bytes_at_once = max(self.bytes_at_once, sum(one.resident_bytes for one in seen))
        self.processes_at_once = max(self.processes_at_once, len(seen))
        for one in seen:
            name = logical_name(one.function)
            self.largest[name] = max(self.largest.get(name, 0), one.resident_bytes)


@contextmanager
def watched_memory(engine_pid: int) -> Iterator[Memory]:
    """Look at the functions' memory twice a second for as long as the block lasts."""
    memory, ended = Memory(len(list(function_processes(engine_pid)))), threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            memory.look(engine_pid)

    watcher = threading.Thread(target=watch, daemon=True, name="memory")
    watcher.start()
    try:
        yield memory
    finally:
        ended.set()
        watcher.join()
        memory.look(engine_pid)


# --- the result -------------------------------------------------------------------------------------------------------


def by_size(bursts: Iterable[Burst]) -> dict[int, list[Burst]]:
    """Return the bursts by their number of images, from the smallest on."""
    ordered = sorted(bursts, key=lambda burst: burst.images)
    return {number: [*same] for number, same in itertools.groupby(ordered, key=lambda burst: burst.images)}


def growth(rounds: Iterable[Iterable[Burst]]) -> dict[str, Any]:
    """Return how the time grows with the number, against linear (1.0): in each round, by its mean times, and in the median."""
    means = [
        {number: statistics.fmean(burst.seconds for burst in same) for number, same in by_size(one).items()}
        for one in rounds
    ]
    slopes = [pairwise_slopes(list(mean.items())) for mean in means]
    return {
        "slope": spread([of_round[-1] / of_round[0] for of_round in slopes]),
        "raw": spread([mean[max(mean)] / mean[min(mean)] / (max(mean) / min(mean)) for mean in means]),
        "seconds_an_image_from_size_to_size": [rounded(percentile(same, 50)) for same in zip(*slopes, strict=True)],
    }


def _result(rounds: list[list[Burst]], floor: dict[str, Any], memory: Memory, counts: dict[str, Any]) -> dict[str, Any]:
    taken = by_size(itertools.chain(*rounds))
    medians = {number: percentile([one.seconds for one in same], 50) for number, same in taken.items()}
    linear = growth(rounds)
    bursts = [
        {
            "images": number,
            "seconds": figures([one.seconds for one in same]),
            "images_a_minute": rounded(number / medians[number] * 60),
            "cpu_seconds_an_image": figures([one.cpu_seconds / number for one in same]),
        }
        for number, same in taken.items()
    ]
    smallest, middle, largest = medians
    slope = linear["slope"]["median"]
    against_floor = rounded(medians[middle] / floor["seconds"])
    completed = counts["ended"].get("completed", 0)
    return {
        "what": "Many images at once on the local cloud: time against number, memory, nothing lost, nothing paid twice.",
        "method": METHOD.replace("\n", " "),
        "runs": sum(map(len, rounds)),
        "bursts": bursts,
        "growth_against_linear": linear,
        "engine_floor": {**floor, "seconds": rounded(floor["seconds"]), "ours_against_it": against_floor},
        "memory": {
            "megabytes_resident_at_once": rounded(memory.bytes_at_once / _MEGABYTE),
            "processes_before_the_bursts": memory.processes_before,
            "processes_at_once": memory.processes_at_once,
            "largest_process_megabytes": {
                name: rounded(size / _MEGABYTE) for name, size in sorted(memory.largest.items()) if name in OURS
            },
        },
        "counts": counts,
        "tables": _tables(bursts, medians, linear, memory),
        "plots": [_plot(bursts)],
        "summary": [
            [
                f"{counts['images']:,} images in bursts of up to {largest:,} at once",
                f"{completed:,} completed, {counts['paid_exactly_once']:,} paid for exactly once",
                f"one from {middle} to {largest} takes {slope:.2f} x as long as one from {smallest} to {middle}",
            ],
            [f"{middle} images at once", f"{against_floor:.1f} x as long", "as many through empty functions"],
        ],
        "targets": [
            held_to(
                f"slope of time, from {middle} to {largest} images against that from {smallest} to {middle}",
                slope,
                LINEAR_WITHIN,
            ),
            held_to("images that did not end as completed", counts["images"] - completed, 0),
            held_to("images that were not paid for exactly once", counts["images"] - counts["paid_exactly_once"], 0),
            held_to("submissions in flight at once", counts["most_submissions_in_flight"], SUBMIT_CONCURRENCY),
        ],
    }


def _plot(bursts: list[dict[str, Any]]) -> dict[str, Any]:
    """Draw the times, and beside them the straight line through those of the two smaller sizes."""
    sizes = [one["images"] for one in bursts]
    seconds = [one["seconds"]["median"] for one in bursts]
    (slope, *_) = pairwise_slopes([*zip(sizes, seconds, strict=True)])
    measured, linear = "measured (least to greatest)", f"linear, as from {sizes[0]} to {sizes[1]}"
    return {
        "name": "bursts",
        "kind": "lines",
        "title": "Many images at once on the local cloud: time until the last is completed",
        "x": sizes,
        "x_label": "images at once",
        "y": "seconds",
        "series": {linear: [seconds[0] + slope * (size - sizes[0]) for size in sizes], measured: seconds},
        "ranges": {measured: [[one["seconds"]["min"], one["seconds"]["max"]] for one in bursts]},
    }


def _tables(
    bursts: list[dict[str, Any]], medians: dict[int, float], linear: dict[str, Any], memory: Memory
) -> list[dict[str, Any]]:
    smallest = min(medians)
    slopes = [f"{1000 * slope:.0f}" for slope in linear["seconds_an_image_from_size_to_size"]]
    rows = [
        [
            str(one["images"]),
            f"{one['seconds']['median']:.1f}",
            f"{one['images_a_minute']:.0f}",
            f"{medians[one['images']] / medians[smallest] / (one['images'] / smallest):.2f}",
            slope,
            f"{1000 * one['cpu_seconds_an_image']['median']:.0f}",
        ]
        for one, slope in zip(bursts, ["", *slopes], strict=True)
    ]
    columns = [
        "images at once",
        "seconds",
        "images a minute",
        f"against {smallest}, 1 being linear",
        "ms for each further image",
        "processor ms an image",
    ]
    largest = [
        [f"the largest process of `{name}`", f"{memory.largest[name] / _MEGABYTE:.0f} MB"]
        for name in OURS
        if name in memory.largest
    ]
    all_at_once = f"all {memory.processes_at_once} processes of the functions at once"
    return [
        {"title": "Bursts on the local cloud", "columns": columns, "rows": rows},
        {
            "title": "Memory",
            "columns": ["resident in the local cloud, at most", "memory"],
            "rows": [*largest, [all_at_once, f"{memory.bytes_at_once / _MEGABYTE:.0f} MB"]],
        },
    ]
