"""The peak memory of a delivery for small and huge videos, and of a submission for small and large images."""

import io
import sys
from typing import Any

from PIL import Image

from benchmarks.delivery import BUCKET, MEMORY_LIMIT_MIB, running_testbed
from benchmarks.measure import MEBIBYTE, Progress, is_quick, run_command, spread
from benchmarks.tables import Report, Table, Target, size_text

SIZES = (10_000_000, 200_000_000, 2_000_000_000)
"""Sizes of the videos in bytes; the last is close to the default of `MaxVideoBytes`."""
QUICK_SIZES = (10_000_000, 20_000_000)
IMAGE_SIZES = {100_000: 330, 10_000_000: 3_300}
"""Sizes of the images in bytes, with their sides in pixels; the last is the largest that is accepted."""
GROWTH_LIMIT = 1.1
"""How many times the memory of the smallest video the memory of the largest may be, at most."""
_RUNS = 2


def run(progress: Progress) -> dict[str, Any]:
    """Deliver videos of three sizes and submit images of two; return the peak of each whole process."""
    delivery: dict[str, Any] = {}
    submission: dict[str, Any] = {}
    with running_testbed() as testbed:
        for size in QUICK_SIZES if is_quick() else SIZES:
            progress(f"a video of {size_text(size)}, {_RUNS} runs")
            delivery[str(size)] = spread([testbed.deliver("ours", size).peak_bytes for _ in range(_RUNS)])
        secrets = testbed.engine.session().client("secretsmanager", endpoint_url=testbed.engine.endpoint_url)
        key = secrets.create_secret(Name="bench-key", SecretString="nh_live_bench")["ARN"]
        environment = {**testbed.step_environment("submit_generation"), "API_KEY_SECRET_ARN": key}
        command = [sys.executable, "-m", "benchmarks.run_step", "submit", BUCKET, "image.jpg"]
        for size, side in IMAGE_SIZES.items():
            progress(f"an image of {size_text(size)}, {_RUNS} runs")
            testbed.client.put_object(Bucket=BUCKET, Key="image.jpg", Body=jpeg_of(size, side))
            peaks = [run_command(command, environment).peak_bytes for _ in range(_RUNS)]
            submission[str(size)] = spread(peaks)
    return {"runs": _RUNS, "delivery_peak_bytes": delivery, "submission_peak_bytes": submission}


def jpeg_of(size: int, side: int) -> bytes:
    """Return a JPEG of noise of exactly so many bytes: most of it picture, the rest zeros behind its end."""
    file = io.BytesIO()
    Image.effect_noise((side, side), 100).convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue().ljust(size, b"\0")


def report(figures: dict[str, Any]) -> Report:
    """Return the table of peaks, and what they are held to."""
    videos = {int(size): found for size, found in figures["delivery_peak_bytes"].items()}
    images = {int(size): found for size, found in figures["submission_peak_bytes"].items()}
    small, large = size_text(min(videos)), size_text(max(videos))
    growth = videos[max(videos)]["max"] / videos[min(videos)]["min"]
    steps = {"deliver a video": videos, "submit an image": images}
    rows = [
        [step, size_text(size), f"{found['max'] / MEBIBYTE:,.0f} MiB"]
        for step, sizes in steps.items()
        for size, found in sizes.items()
    ]
    peaks = {step: max(found["max"] for found in sizes.values()) / MEBIBYTE for step, sizes in steps.items()}
    targets = [
        *(Target(f"{step}: peak memory", one, at_most=MEMORY_LIMIT_MIB, unit="MiB") for step, one in peaks.items()),
        Target(f"memory for {large}, times that for {small}", growth, at_most=GROWTH_LIMIT),
    ]
    summary = [
        [f"memory to deliver {large}", f"{growth:.2f} x", f"memory to deliver {small}"],
        [
            f"peak memory to submit an image of {size_text(max(images))}",
            rows[-1][-1],
            f"{rows[-2][-1]} for a small one",
        ],
    ]
    return Report({"memory": Table(("step", "size", "peak memory"), rows)}, targets, summary)
