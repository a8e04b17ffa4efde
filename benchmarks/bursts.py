"""Many images at once on the local cloud: how time grows with their number, and that none is lost or paid twice."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from benchmarks.local_account import (
    Floor,
    LocalAccount,
    figures,
    function_processes,
    held_to,
    logical_name,
    pairwise_slopes,
    percentile,
)
from benchmarks.measure import is_quick, rounded
from local.cloud import running_cloud

PARAMETERS = {"PollIntervalSeconds": "1", "GenerationTimeoutMinutes": "30", "DailySpendLimitUsd": "unlimited"}
SIZES = (50, 200, 500)
QUICK_SIZES = (3, 6, 12)
WARM_UP = (1, 5, 10, 20, 50)
SINGLES = 5
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
after the other in the same cloud, the smallest one three times, before, between and after the others. Before, bursts
of growing size, which are not counted, start the functions' processes; what a larger one starts beyond them is in its
time. A burst lasts from the start of its first upload to the time at which its last job was completed (the job's own
updated_at). A burst of any size takes at least what a single image takes: a poll interval and the steps around it.
That fixed part would flatter the ratio of a large burst to a small one, so it is taken out: linear means that (time of
the largest - time of a single image) / (time of the smallest - time of a single image) is the ratio of their numbers,
each less one. The raw ratio and the seconds an image from each size to the next are given beside it. The floor is as
many uploads through engine_floor.yaml: the same bucket, rule and queue (at most 5 messages at a time), a function that
does nothing but start an execution, and the same state machine with empty functions. Memory is what the functions'
processes hold resident, looked at twice a second in /proc; the engine starts a process for each invocation that runs
at the same time and keeps it, as Lambda does with its environments."""


def run(say: Callable[[str], None]) -> dict[str, Any]:
    """Return times in seconds, memory in megabytes, counts, and the targets."""
    small, middle, large = QUICK_SIZES if is_quick() else SIZES
    warm_up = WARM_UP[:2] if is_quick() else WARM_UP
    seconds: dict[int, list[float]] = {}
    folders: dict[str, int] = {}
    with running_cloud(say, PARAMETERS, created_seconds=0, processing_seconds=0) as cloud:
        account = LocalAccount(cloud)
        say("deploying the engine's floor")
        floor = account.deploy_floor()
        for number in warm_up:
            say(f"warming up with {number} images at once")
            _burst(account, f"warm-{number}", number)
        singles = [_burst(account, f"single-{number}", 1) for number in range(SINGLES)]
        with watched_memory(cloud.engine.process.pid) as memory:
            for number in (small, middle, small, large, small):
                folder = f"burst-{len(folders)}"
                folders[folder] = number
                seconds.setdefault(number, []).append(_burst(account, folder, number))
                say(f"{number} images at once took {seconds[number][-1]:.1f} s")
        counts = _counts(account, folders)
        for number in warm_up:
            _floor_burst(floor, f"burst-warm-{number}", number)
        floor_seconds = _floor_burst(floor, "burst", middle)
        say(f"{middle} images at once through empty functions took {floor_seconds:.1f} s")
    return _result(seconds, singles, {"images": middle, "seconds": floor_seconds}, memory, counts)


def _burst(account: LocalAccount, folder: str, number: int) -> float:
    """Drop so many images at once; return the seconds from the first upload's start to the last job's completion."""
    began = account.put_many(folder, number)
    jobs = account.jobs_when_ended(folder, number, END_SECONDS)
    return max(datetime.fromisoformat(job["updated_at"]).timestamp() for job in jobs) - began


def _floor_burst(floor: Floor, folder: str, number: int) -> float:
    """Do the same with empty functions; return the seconds to the end of the last execution."""
    began = floor.account.put_many(folder, number, floor.outputs["UploadsBucketName"])
    return floor.wait_for_executions(number, began, END_SECONDS) - began


def _counts(account: LocalAccount, folders: dict[str, int]) -> dict[str, Any]:
    """Count what came out of the bursts, at the provider and in the job table."""
    simulator = account.cloud.simulator.client
    paid = Counter(_key(one) for one in simulator.submissions() if one["paid"])
    ours = {key: count for key, count in paid.items() if key.partition("/")[0] in folders}
    statuses = Counter(job["status"] for folder in folders for job in account.jobs(folder))
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


def growth(seconds: dict[int, float], single: float) -> dict[str, Any]:
    """Return how the time grows from the smallest burst to the largest, against linear (1.0)."""
    sizes = sorted(seconds)
    small, large = sizes[0], sizes[-1]
    numbers = (large - 1) / (small - 1)
    slopes = pairwise_slopes([(1, single), *((number, seconds[number]) for number in sizes)])
    return {
        "without_the_fixed_part": rounded((seconds[large] - single) / (seconds[small] - single) / numbers),
        "raw": rounded(seconds[large] / seconds[small] / (large / small)),
        "seconds_an_image_from_size_to_size": [rounded(slope) for slope in slopes],
    }


def _result(
    seconds: dict[int, list[float]],
    singles: list[float],
    floor: dict[str, Any],
    memory: Memory,
    counts: dict[str, Any],
) -> dict[str, Any]:
    medians = {number: percentile(took, 50) for number, took in sorted(seconds.items())}
    linear = growth(medians, percentile(singles, 50))
    bursts = [
        {"images": number, "seconds": figures(seconds[number]), "images_a_minute": rounded(number / took * 60)}
        for number, took in medians.items()
    ]
    against_floor = rounded(medians[floor["images"]] / floor["seconds"])
    completed = counts["ended"].get("completed", 0)
    return {
        "what": "Many images at once on the local cloud: time against number, memory, nothing lost, nothing paid twice.",
        "method": METHOD.replace("\n", " "),
        "runs": sum(len(took) for took in seconds.values()),
        "single_image_seconds": figures(singles),
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
        "summary": [
            [
                f"{counts['images']:,} images in bursts of up to {max(medians):,} at once",
                f"{completed:,} completed, {counts['paid_exactly_once']:,} paid for exactly once",
                f"time grows {linear['without_the_fixed_part']:.2f} times linearly ({against_floor:.1f} x the bare engine)",
            ]
        ],
        "targets": [
            held_to(
                f"time of {max(medians)} images against {min(medians)}, without the fixed part, 1 being linear",
                linear["without_the_fixed_part"],
                LINEAR_WITHIN,
            ),
            held_to("images that did not end as completed", counts["images"] - completed, 0),
            held_to("images that were not paid for exactly once", counts["images"] - counts["paid_exactly_once"], 0),
            held_to("submissions in flight at once", counts["most_submissions_in_flight"], SUBMIT_CONCURRENCY),
        ],
    }


def _tables(
    bursts: list[dict[str, Any]], medians: dict[int, float], linear: dict[str, Any], memory: Memory
) -> list[dict[str, Any]]:
    smallest = min(medians)
    rows = [
        [
            str(one["images"]),
            f"{one['seconds']['median']:.1f}",
            f"{one['images_a_minute']:.0f}",
            f"{medians[one['images']] / medians[smallest] / (one['images'] / smallest):.2f}",
            f"{1000 * slope:.0f}",
        ]
        for one, slope in zip(bursts, linear["seconds_an_image_from_size_to_size"], strict=True)
    ]
    columns = [
        "images at once",
        "seconds",
        "images a minute",
        f"against {smallest}, 1 being linear",
        "ms for each further image",
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
