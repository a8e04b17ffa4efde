"""The delivery of a video: the deliverer's own code, a shell pipe, and the whole body in memory.

Every side is a process of its own, measured from its start to its end, and fetches from the same local server. What
is stored goes into the same local S3, which is one process and takes a share of the time of every side.
"""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.functions import functions
from benchmarks.local_account import cpu_seconds_of
from benchmarks.measure import (
    MEBIBYTE,
    CommandFailed,
    Progress,
    Usage,
    interleaved,
    is_quick,
    ratios,
    run_command,
    spread,
)
from benchmarks.tables import Report, Table, Target, range_text, size_text
from benchmarks.video_server import VIDEO_SECONDS, running_server
from local.cloud import ROOT, Engine, running_engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RUNS = {10_000_000: 5, 100_000_000: 5, 1_000_000_000: 9}
"""Size of the video in bytes -> how many times each side delivers it."""
QUICK_RUNS = {1_000_000: 2, 10_000_000: 1}
MEMORY_LIMIT_MIB = 128
"""The most resident memory that a function may take, in MiB, whatever the size of the video or image."""
SPEED_TARGET = 1.2
"""How many times as fast as the pipe it has to be, at least."""
SIDES = {
    "ours": "Dropreel",
    "pipe": "`curl URL | aws s3 cp - s3://...`",
    "whole": "`requests.get(URL).content`, then `put_object`",
}
BUCKET = "bench-videos"
_KEY = "video.mp4"
KEEPS_MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736:glibc.malloc.top_pad=67108864"
}
"""Lets the local S3 keep the memory that it has once taken: else a third of its time goes into asking the system for it
again, for every side. It has an effect with glibc only."""


@dataclass(frozen=True)
class Delivery(Usage):
    """One delivery. `s3_cpu_seconds` is the processor time that the local S3 took for it."""

    s3_cpu_seconds: float


@dataclass(frozen=True)
class Testbed:
    """The server of videos and the local S3."""

    videos_url: str
    engine: Engine
    client: "S3Client"

    @property
    def environment(self) -> dict[str, str]:
        """What the sides run with."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**inherited, **self.engine.environment}

    def step_environment(self, step: str) -> dict[str, str]:
        """Return the environment of a function here."""
        function = functions()[step]
        here = {"VIDEOS_BUCKET_NAME": BUCKET, "IMAGE_BUCKET_NAMES": BUCKET, "API_BASE_URL": self.videos_url}
        return {**function.environment, **self.environment, **here, "PYTHONPATH": str(function.folder)}

    def deliver(self, side: str, size: int) -> Delivery:
        """Deliver one video of `size` bytes by one side, check that all of it is stored, and delete it again."""
        environment = self.step_environment("deliver_video") if side == "ours" else self.environment
        before = cpu_seconds_of(self.engine.process.pid)
        usage = run_command(_command(side, f"{self.videos_url}/video/{size}", size), environment)
        s3_cpu_seconds = cpu_seconds_of(self.engine.process.pid) - before
        stored = self.client.head_object(Bucket=BUCKET, Key=_KEY)["ContentLength"]
        self.client.delete_object(Bucket=BUCKET, Key=_KEY)  # the local S3 holds it in memory
        if stored != size:
            raise CommandFailed(f"{side} stored {stored:,} of {size:,} bytes")
        if side == "ours" and json.loads(usage.output)["seconds"] != VIDEO_SECONDS:
            raise CommandFailed(f"the deliverer has not read the video's header: {usage.output}")
        return Delivery(**asdict(usage), s3_cpu_seconds=s3_cpu_seconds)


@contextmanager
def running_testbed() -> Iterator[Testbed]:
    """Start the server of videos and the local S3, and stop both at the end."""
    with running_engine(KEEPS_MEMORY) as engine, running_server() as videos_url:
        client = engine.session().client("s3", endpoint_url=engine.endpoint_url)
        client.create_bucket(Bucket=BUCKET)
        yield Testbed(videos_url, engine, client)


def _command(side: str, url: str, size: int) -> list[str | Path]:
    python = [sys.executable, "-m", "benchmarks.run_step"]
    if side == "ours":
        return [*python, "deliver", url, _KEY]
    if side == "whole":
        return [*python, "copy_whole", url, BUCKET, _KEY]
    aws = shlex.quote(str(ROOT / ".venvs" / "aws" / "bin" / "aws"))
    curl = f"curl --silent --show-error --fail {shlex.quote(url)}"
    copy = f"{aws} s3 cp - s3://{BUCKET}/{_KEY} --only-show-errors --expected-size {size}"
    return ["bash", "-c", f"set -o pipefail; {curl} | {copy}"]


def run(progress: Progress) -> dict[str, Any]:
    """Deliver videos of three sizes by each side; return speed, processor time and memory, and ratios between the sides."""
    sizes: dict[str, Any] = {}
    runs_by_size = QUICK_RUNS if is_quick() else RUNS
    with running_testbed() as testbed:
        for size, runs in runs_by_size.items():
            progress(f"{size_text(size)}, a first delivery by each side, which is not counted")
            for side in SIDES:
                testbed.deliver(side, size)
            sides = {side: partial(testbed.deliver, side, size) for side in SIDES}
            whole = {"whole": sides.pop("whole")}  # separately: the 2 GB that it frees would slow the next side
            progress(f"{size_text(size)}, {runs} deliveries by each side")
            sizes[str(size)] = _figures({**interleaved(sides, runs, progress), **interleaved(whole, runs, progress)})
    return {"runs": max(runs_by_size.values()), "bytes": sizes}


def _figures(found: dict[str, list[Delivery]]) -> dict[str, Any]:
    wall = {side: [one.wall_seconds for one in runs] for side, runs in found.items()}
    cpu = {side: [one.cpu_seconds for one in runs] for side, runs in found.items()}
    return {
        side: {
            "wall_seconds": spread(wall[side]),
            "cpu_seconds": spread(cpu[side]),
            "peak_bytes": spread([one.peak_bytes for one in runs]),
            "s3_share_of_time": spread([one.s3_cpu_seconds / one.wall_seconds for one in runs]),
            "speed_of_ours": ratios(wall[side], wall["ours"]),
            "cpu_of_ours": ratios(cpu["ours"], cpu[side]),
        }
        for side, runs in found.items()
    }


def report(figures: dict[str, Any]) -> Report:
    """Return the table of sides, and what the speed and memory are held to."""
    sizes = {int(size): sides for size, sides in figures["bytes"].items()}
    columns = ("video", "side", "Dropreel's speed", "Dropreel's processor time", "peak memory", "the local S3's share")
    rows = [
        [
            size_text(size),
            name,
            range_text(sides[side]["speed_of_ours"]) if side != "ours" else "1",
            range_text(sides[side]["cpu_of_ours"]) if side != "ours" else "1",
            f"{_peak_mib(sides[side]):,.0f} MiB",
            f"{sides[side]['s3_share_of_time']['median']:.0%}",
        ]
        for size, sides in sizes.items()
        for side, name in SIDES.items()
    ]
    speeds = {size_text(size): sides["pipe"]["speed_of_ours"]["median"] for size, sides in sizes.items()}
    largest = max(sizes)
    ends = (size_text(min(sizes)), size_text(largest))
    targets = [
        *(
            Target(f"{size}: speed, times that of curl | aws s3 cp", one, at_least=SPEED_TARGET)
            for size, one in speeds.items()
        ),
        Target(
            "peak memory at any size",
            max(_peak_mib(sides["ours"]) for sides in sizes.values()),
            at_most=MEMORY_LIMIT_MIB,
            unit="MiB",
        ),
    ]
    summary = [
        *([f"delivering a video of {end}", f"{speeds[end]:.2f} x as fast", "`curl | aws s3 cp -`"] for end in ends),
        [
            f"peak memory to deliver {size_text(largest)}",
            f"{_peak_mib(sizes[largest]['ours']):,.0f} MiB",
            f"{_peak_mib(sizes[largest]['whole']):,.0f} MiB with the whole body in memory",
        ],
    ]
    return Report({"delivery": Table(columns, rows)}, targets, summary)


def _peak_mib(side: dict[str, Any]) -> float:
    return float(side["peak_bytes"]["max"]) / MEBIBYTE
