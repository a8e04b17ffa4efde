"""Many images at once on the local cloud: how time grows with their number, and that none is lost or paid twice.

The provider is done at once and has rendered its one video already. The same photograph is uploaded under so many keys,
one burst after the other in the same cloud. A round goes up and down again (50, 200, 500, 500, 200, 50), the next one
down and up, so that a slow minute of the machine meets each size. Before, bursts that are not counted start the
functions' processes, until one of the smallest starts none.

A burst lasts from the start of its first upload to the time at which its last job was completed (the job's own
`updated_at`). A burst of any size takes a poll interval and the steps around it, in part at the same time as the other
images. So growth is measured by slopes, which that fixed part is not in: linear means that each further image takes as
long from the middle size to the largest as from the smallest to the middle one, compared within each round.
"""

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from benchmarks.local_account import LocalAccount
from benchmarks.measure import Progress, is_quick, rounded, spread
from benchmarks.tables import Report, Table, Target
from local.cloud import running_cloud

PARAMETERS = {
    "PollIntervalSeconds": "1",
    "GenerationTimeoutMinutes": "30",
    "DailySpendLimitUsd": "unlimited",
    "UploadSettleSeconds": "0",
}
SIZES = (50, 200, 500)
QUICK_SIZES = (3, 6, 12)
WARM_UP = (1, 5, 10, 20, 50, 200)
WARM_UP_REPEATS = 8
ROUNDS = 4
KEEP_PROCESSES = {"LAMBDA_WARM_TTL_SECONDS": "86400"}
"""The engine keeps the processes that it has started for a day; by default it ends them after 5 idle minutes."""
SUBMIT_CONCURRENCY = 5
"""The template's default."""
LINEAR_WITHIN = 1.15
END_SECONDS = 240


@dataclass(frozen=True)
class Burst:
    """One burst: its number of images, and the seconds from the first upload to the last completed job."""

    images: int
    seconds: float


def run(progress: Progress) -> dict[str, Any]:
    """Return the bursts' times, how they grow, and counts of what came out of all images."""
    sizes, rounds = (QUICK_SIZES, 1) if is_quick() else (SIZES, ROUNDS)
    bursts: list[list[Burst]] = []
    with running_cloud(
        progress, PARAMETERS, created_seconds=0, processing_seconds=0, environment=KEEP_PROCESSES
    ) as cloud:
        account = LocalAccount(cloud)
        warm_up(account, WARM_UP[:2] if is_quick() else WARM_UP, sizes[0], progress)
        folders: dict[str, int] = {}
        for turn in range(rounds):
            bursts.append([])
            for number in order(sizes, turn):
                folders[folder := f"burst-{len(folders)}"] = number
                bursts[turn].append(burst_of(account, folder, number))
                progress(f"{number} images at once took {bursts[turn][-1].seconds:.1f} s")
        counts = count_results(account, folders)
    return {"runs": len(folders), **time_figures(bursts), "counts": counts}


def order(sizes: Sequence[int], turn: int) -> list[int]:
    """Return the sizes of a round's bursts: up and down, and down and up in every other round."""
    there = list(sizes[:: -1 if turn % 2 else 1])
    return [*there, *reversed(there)]


def warm_up(account: LocalAccount, numbers: Sequence[int], smallest: int, progress: Progress) -> None:
    """Start the functions' processes by growing bursts, then by small ones until one starts none, a few times at most."""
    for number in numbers:
        progress(f"warming up with {number} images at once")
        burst_of(account, f"warm-{number}", number)
    before = -1
    for turn in range(WARM_UP_REPEATS):
        running = len(account.function_processes())
        if running == before:
            return
        progress(f"warming up with {smallest} images at once: {running} processes so far")
        before = running
        burst_of(account, f"warm-again-{turn}", smallest)


def burst_of(account: LocalAccount, folder: str, number: int) -> Burst:
    """Upload so many images at once, and wait until the last job is completed."""
    began = account.put_many(folder, number)
    jobs = account.wait_for_jobs(folder, number, END_SECONDS)
    ended = max(datetime.fromisoformat(job["updated_at"]).timestamp() for job in jobs)
    return Burst(number, ended - began)


def count_results(account: LocalAccount, folders: dict[str, int]) -> dict[str, int]:
    """Count what came out of the bursts, at the provider and in the job table."""
    simulator = account.cloud.simulator.client
    paid = Counter(_image_key(one) for one in simulator.submissions() if one["paid"])
    statuses = Counter(job["status"] for folder in folders for job in account.jobs(folder))
    return {
        "images": sum(folders.values()),
        "completed": statuses["completed"],
        "paid_exactly_once": sum(count == 1 for key, count in paid.items() if key.partition("/")[0] in folders),
        "most_submissions_in_flight": simulator.summary()["max_in_flight"],
    }


def _image_key(submission: dict[str, Any]) -> str:
    """Return the key of the image that was submitted: its folder and its name."""
    return "/".join(unquote(submission["request"]["image_url"].partition("?")[0]).split("/")[-2:])


def time_figures(rounds: Sequence[Iterable[Burst]]) -> dict[str, Any]:
    """Return the times by size, what each further image takes between sizes, and how that grows: 1 is linear."""
    by_size: dict[int, list[float]] = {}
    slopes = []
    for bursts in rounds:
        seconds: dict[int, list[float]] = {}
        for burst in bursts:
            seconds.setdefault(burst.images, []).append(burst.seconds)
            by_size.setdefault(burst.images, []).append(burst.seconds)
        means = [(number, statistics.fmean(same)) for number, same in sorted(seconds.items())]
        slopes.append([(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in itertools.pairwise(means)])
    return {
        "seconds": {str(number): spread(by_size[number]) for number in sorted(by_size)},
        "seconds_a_further_image": [rounded(statistics.median(same)) for same in zip(*slopes, strict=True)],
        "growth": spread([slope[-1] / slope[0] for slope in slopes]),
    }


def report(figures: dict[str, Any]) -> Report:
    """Return the table of sizes, and what growth and counts are held to."""
    counts, growth = figures["counts"], figures["growth"]["median"]
    sizes = {int(number): found["median"] for number, found in figures["seconds"].items()}
    further = ["", *(f"{1000 * slope:.0f} ms" for slope in figures["seconds_a_further_image"])]
    rows = [
        [str(number), f"{seconds:.1f}", f"{number / seconds * 60:.0f}", slope]
        for (number, seconds), slope in zip(sizes.items(), further, strict=True)
    ]
    columns = ("images at once", "seconds", "images a minute", "each further image")
    smallest, middle, largest = sizes
    targets = [
        Target(
            f"time of a further image, {middle} to {largest}, times that of {smallest} to {middle}",
            growth,
            at_most=LINEAR_WITHIN,
        ),
        Target("images that did not end as completed", counts["images"] - counts["completed"], at_most=0),
        Target("images not paid for exactly once", counts["images"] - counts["paid_exactly_once"], at_most=0),
        Target("submissions in flight at once", counts["most_submissions_in_flight"], at_most=SUBMIT_CONCURRENCY),
    ]
    summary = [
        [
            f"{counts['images']:,} images in bursts of up to {largest:,} at once",
            f"{counts['completed']:,} completed, {counts['paid_exactly_once']:,} paid for exactly once",
            f"a further image takes {growth:.2f} x as long in a large burst as in a small one",
        ]
    ]
    return Report({"bursts": Table(columns, rows)}, targets, summary)
