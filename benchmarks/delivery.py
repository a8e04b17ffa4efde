"""The delivery of a video: our deliverer's code beside a stock pipe, a first script, and the floor of reading and hashing.

Every side is a process of its own, measured from its start to its end, and fetches from the same loopback server. What
is stored goes into the same local S3, which is one process and takes a share of the time of every side that stores.
"""

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.local_account import cpu_seconds_of
from benchmarks.loopback import VIDEO_SECONDS, running_server
from benchmarks.measure import CommandFailed, Say, Taken, interleaved, is_quick, ratios, run_command, spread, target
from local.cloud import running_engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RUNS = {10_000_000: 5, 100_000_000: 5, 1_000_000_000: 9}
"""Size of the video in bytes -> how many times each side delivers it."""
QUICK_RUNS = {1_000_000: 2, 10_000_000: 1}
MEBIBYTE = 1024 * 1024
MEMORY_LIMIT_MIB = 128
"""The most resident memory that our deliverer may take, in MiB, whatever the size of the video."""
SPEED_TARGET = 1.2
"""How many times as fast as the pipe it shall be, at least."""
SIDES = {
    "ours": "Dropreel's deliverer: hashes, walks the boxes, uploads as it comes",
    "pipe": "`curl URL | aws s3 cp - s3://...`",
    "naive": "`requests.get(URL).content`, then `put_object`",
    "floor": "read and hash (SHA-256) only, nothing stored",
}
TURNS = (("ours", "pipe"), ("naive", "floor"))
"""Who takes turns with whom: the 2 GB that `naive` frees would slow whoever comes next."""
BUCKET = "bench-videos"
_KEY = "video.mp4"
KEEPS_MEMORY = {
    "GLIBC_TUNABLES": ":".join(
        [
            "glibc.malloc.mmap_max=0",
            "glibc.malloc.trim_threshold=68719476736",
            "glibc.malloc.top_pad=67108864",
        ]
    )
}
"""Lets the local S3 keep the memory that it has once taken. Else a third of its time goes into asking the system for it
anew, whoever stores. It means something to glibc only, and nothing elsewhere."""


@dataclass(frozen=True)
class Delivered(Taken):
    """One delivery, and what of its time is the local S3's own: `s3_cpu_seconds` is the processor time of that."""

    s3_cpu_seconds: float


@dataclass(frozen=True)
class Place:
    """Where videos come from and go to. `environment` is what the sides run with, `s3_pid` the local S3's process."""

    videos_url: str
    client: "S3Client"
    environment: dict[str, str]
    s3_pid: int

    def deliver(self, side: str, size: int) -> Delivered:
        """Deliver one video of `size` bytes by one side, look whether all of it is there, and delete it again."""
        url = f"{self.videos_url}/video/{size}"
        before = cpu_seconds_of(self.s3_pid)
        taken = run_command(_command(side, url, size), self.environment)
        served = cpu_seconds_of(self.s3_pid) - before
        if side != "pipe":
            said = json.loads(taken.output.splitlines()[-1])
            if said["size"] != size or said.get("seconds", VIDEO_SECONDS) != VIDEO_SECONDS:
                raise CommandFailed(f"{side} says of a video of {size:,} bytes: {said}")
        if side != "floor":
            stored = self.client.head_object(Bucket=BUCKET, Key=_KEY)["ContentLength"]
            self.client.delete_object(Bucket=BUCKET, Key=_KEY)  # the local S3 holds it in memory
            if stored != size:
                raise CommandFailed(f"{side} stored {stored:,} of {size:,} bytes")
        return Delivered(**asdict(taken), s3_cpu_seconds=served)


@contextmanager
def running_place() -> Iterator[Place]:
    """Start the server of videos and the local S3, and stop both at the end."""
    with (
        running_engine(KEEPS_MEMORY) as engine,
        tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder,
        running_server(Path(folder)) as videos_url,
    ):
        client = engine.session().client("s3", endpoint_url=engine.endpoint_url)
        client.create_bucket(Bucket=BUCKET)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        yield Place(videos_url, client, {**inherited, **engine.environment}, engine.process.pid)


def _command(side: str, url: str, size: int) -> list[str | Path]:
    if side == "pipe":
        aws = shlex.quote(str(Path(sys.executable).with_name("aws")))
        curl = f"curl --silent --show-error --fail {shlex.quote(url)}"
        return [
            "bash",
            "-c",
            f"set -o pipefail; {curl} | {aws} s3 cp - s3://{BUCKET}/{_KEY} --only-show-errors --expected-size {size}",
        ]
    return [sys.executable, "-m", "benchmarks.delivery_sides", side, url, BUCKET, _KEY]


def run(say: Say) -> dict[str, Any]:
    """Deliver videos of three sizes by each side; return speed, processor time, memory, and ratios against each rival."""
    sizes: dict[str, Any] = {}
    with running_place() as place:
        for size, runs in (QUICK_RUNS if is_quick() else RUNS).items():
            say(f"{in_words(size)}, a first delivery by each side, which is not counted")
            for side in SIDES:
                place.deliver(side, size)
            taken = {
                side: found
                for sides in TURNS
                for side, found in interleaved(_deliveries(place, size, sides), runs, _teller(say, size, runs)).items()
            }
            sizes[str(size)] = _figures(size, taken)
    figures = {"sides": SIDES, "bytes": sizes}
    return {
        "what": "A video is delivered: from a loopback HTTP server into the local S3. Whole processes, their start counted.",
        "runs": max(found["runs"] for found in sizes.values()),
        "figures": figures,
        "targets": _targets(sizes),
        "tables": _tables(sizes),
        "plots": _plots(sizes),
        "summary": _summary(sizes),
    }


def _deliveries(place: Place, size: int, sides: tuple[str, ...]) -> dict[str, Callable[[], Delivered]]:
    def by(side: str) -> Callable[[], Delivered]:
        return lambda: place.deliver(side, size)

    return {side: by(side) for side in sides}


def _teller(say: Say, size: int, runs: int) -> Callable[[int, str], None]:
    return lambda run, side: say(f"{in_words(size)}, run {run} of {runs}: {side}")


def _figures(size: int, taken: dict[str, list[Delivered]]) -> dict[str, Any]:
    wall = {side: [one.wall_seconds for one in runs] for side, runs in taken.items()}
    cpu = {side: [one.cpu_seconds for one in runs] for side, runs in taken.items()}
    return {
        "runs": len(taken["ours"]),
        "sides": {
            side: {
                "wall_seconds": spread(wall[side]),
                "cpu_seconds": spread(cpu[side]),
                "megabytes_per_second": spread([size / 1e6 / seconds for seconds in wall[side]]),
                "peak_bytes": spread([one.peak_bytes for one in runs]),
                "s3_part_of_the_time": spread([one.s3_cpu_seconds / one.wall_seconds for one in runs]),
            }
            for side, runs in taken.items()
        },
        "times_as_fast_as": {side: ratios(wall[side], wall["ours"]) for side in SIDES if side != "ours"},
        "cpu_of_ours_to": {side: ratios(cpu["ours"], cpu[side]) for side in SIDES if side != "ours"},
    }


def _targets(sizes: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        target(
            f"{in_words(int(size))}: speed, times that of curl | aws s3 cp",
            figures["times_as_fast_as"]["pipe"]["median"],
            at_least=SPEED_TARGET,
        )
        for size, figures in sizes.items()
    ]
    peak = max(figures["sides"]["ours"]["peak_bytes"]["max"] for figures in sizes.values())
    return [*found, target("peak resident memory of ours at any size, MiB", peak / MEBIBYTE, at_most=MEMORY_LIMIT_MIB)]


def _tables(sizes: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for size, figures in sizes.items():
        for side, name in SIDES.items():
            one = figures["sides"][side]
            speed = figures["times_as_fast_as"].get(side)
            cpu = figures["cpu_of_ours_to"].get(side)
            rows.append(
                [
                    in_words(int(size)),
                    name,
                    _range(speed) if speed else "",
                    _range(cpu) if cpu else "",
                    f"{one['peak_bytes']['max'] / MEBIBYTE:,.0f} MiB",
                    f"{one['s3_part_of_the_time']['median']:.0%}" if side != "floor" else "",
                ]
            )
    columns = [
        "video",
        "side",
        "ours is so many times as fast",
        "processor time of ours to it",
        "peak memory",
        "of the time, the local S3's own work",
    ]
    return [{"title": "Delivery", "columns": columns, "rows": rows}]


def _plots(sizes: dict[str, Any]) -> list[dict[str, Any]]:
    names = [in_words(int(size)) for size in sizes]
    legend = {
        "ours": "Dropreel",
        "pipe": "curl | aws s3 cp",
        "naive": "get().content + put_object",
    }
    against = {
        f"as {legend[side]}": [figures["times_as_fast_as"][side] for figures in sizes.values()]
        for side in ("pipe", "naive")
    }
    return [
        {
            "name": "delivery_speed",
            "kind": "bars",
            "title": "Delivering a video: how many times as fast as its rivals Dropreel is",
            "y": "times as fast",
            "x": names,
            "series": {name: [one["median"] for one in found] for name, found in against.items()},
            "ranges": {name: [[one["min"], one["max"]] for one in found] for name, found in against.items()},
            "line": {"at": SPEED_TARGET, "name": f"target {SPEED_TARGET:g} x curl | aws s3 cp"},
        },
        {
            "name": "delivery_memory",
            "kind": "bars",
            "title": "Delivering a video: peak resident memory",
            "y": "MiB",
            "log": True,
            "x": names,
            "series": {
                legend[side]: [figures["sides"][side]["peak_bytes"]["max"] / MEBIBYTE for figures in sizes.values()]
                for side in legend
            },
            "line": {"at": MEMORY_LIMIT_MIB, "name": f"limit {MEMORY_LIMIT_MIB} MiB"},
        },
    ]


def _summary(sizes: dict[str, Any]) -> list[list[str]]:
    (small, quick), *_others, (size, figures) = sizes.items()
    ours = figures["sides"]["ours"]["peak_bytes"]["max"] / MEBIBYTE
    naive = figures["sides"]["naive"]["peak_bytes"]["max"] / MEBIBYTE
    return [
        *(
            [
                f"delivering a video of {in_words(int(bytes_))}",
                f"{found['times_as_fast_as']['pipe']['median']:.2f} x as fast",
                "`curl | aws s3 cp -`",
            ]
            for bytes_, found in ((small, quick), (size, figures))
        ),
        [
            f"peak memory to deliver {in_words(int(size))}",
            f"{ours:,.0f} MiB",
            f"{naive:,.0f} MiB with the whole body in memory",
        ],
    ]


def _range(found: dict[str, float]) -> str:
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def in_words(size: int) -> str:
    """Return a size in decimal megabytes or gigabytes."""
    return f"{size / 1e9:g} GB" if size >= 1e9 else f"{size / 1e6:g} MB"
