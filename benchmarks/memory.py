"""The peak memory of our deliverer for small and huge videos, and of a submission for small and large images."""

import sys
from typing import Any

import boto3

from benchmarks.delivery import BUCKET, MEBIBYTE, MEMORY_LIMIT_MIB, Place, in_words, running_place
from benchmarks.image_set import large_jpeg
from benchmarks.measure import Say, is_quick, rounded, run_command, spread, target
from benchmarks.startup import built_functions

SIZES = (10_000_000, 200_000_000, 2_000_000_000)
"""Sizes of the videos in bytes; the last is close to the largest that the stack takes unless told otherwise."""
QUICK_SIZES = (10_000_000, 20_000_000)
IMAGE_SIZES = (100_000, 10_000_000)
"""Sizes of the images in bytes; the last is the largest that is taken."""
FLATNESS = 1.1
"""How many times the memory of the smallest the memory of the largest may be, at most."""
_RUNS = 2


def run(say: Say) -> dict[str, Any]:
    """Deliver videos of three sizes and submit images of two; return the peak of each, and that of the largest to the smallest."""
    sizes = QUICK_SIZES if is_quick() else SIZES
    peaks: dict[int, list[float]] = {}
    images: dict[int, list[float]] = {}
    with running_place() as place:
        for size in sizes:
            for number in range(1, _RUNS + 1):
                say(f"a video of {in_words(size)}, run {number} of {_RUNS}")
                peaks.setdefault(size, []).append(place.deliver("ours", size).peak_bytes)
        submitting = _submitting(place)
        for size in IMAGE_SIZES:
            place.client.put_object(Bucket=BUCKET, Key="image.jpg", Body=large_jpeg(size))
            for number in range(1, _RUNS + 1):
                say(f"an image of {in_words(size)}, run {number} of {_RUNS}")
                command = [sys.executable, "-m", "benchmarks.submit_side", "image.jpg"]
                images.setdefault(size, []).append(run_command(command, submitting).peak_bytes)
    growth = max(peaks[sizes[-1]]) / min(peaks[sizes[0]])
    largest = max(max(found) for found in peaks.values())
    mebibytes = {in_words(size): max(found) / MEBIBYTE for size, found in peaks.items()}
    submitted = {in_words(size): max(found) / MEBIBYTE for size, found in images.items()}
    return {
        "what": "Peak resident memory of our deliverer and of a submission, their whole processes counted.",
        "runs": _RUNS,
        "figures": {
            "peak_bytes": {str(size): spread(found) for size, found in peaks.items()},
            "largest_to_the_smallest": rounded(growth),
            "submission_peak_bytes": {str(size): spread(found) for size, found in images.items()},
        },
        "targets": [
            target("delivery: peak resident memory at any size, MiB", largest / MEBIBYTE, at_most=MEMORY_LIMIT_MIB),
            target(f"memory for {in_words(sizes[-1])}, times that for {in_words(sizes[0])}", growth, at_most=FLATNESS),
            target(
                "submission: peak resident memory at any size of the image, MiB",
                max(submitted.values()),
                at_most=MEMORY_LIMIT_MIB,
            ),
        ],
        "tables": [
            {
                "title": "Memory",
                "columns": ["step", "size", "peak memory"],
                "rows": [
                    *(["deliver a video", name, f"{peak:,.0f} MiB"] for name, peak in mebibytes.items()),
                    *(["submit an image", name, f"{peak:,.0f} MiB"] for name, peak in submitted.items()),
                ],
            }
        ],
        "plots": [
            {
                "name": "memory",
                "kind": "bars",
                "title": "Peak resident memory of the deliverer",
                "y": "MiB",
                "x": list(mebibytes),
                "series": {"Dropreel": list(mebibytes.values())},
                "line": {"at": MEMORY_LIMIT_MIB, "name": f"limit {MEMORY_LIMIT_MIB} MiB"},
            }
        ],
        "summary": [
            [f"memory to deliver {in_words(sizes[-1])}", f"{growth:.2f} x", f"memory to deliver {in_words(sizes[0])}"],
            [
                f"peak memory to submit an image of {in_words(IMAGE_SIZES[-1])}",
                f"{max(images[IMAGE_SIZES[-1]]) / MEBIBYTE:,.0f} MiB",
                f"{max(images[IMAGE_SIZES[0]]) / MEBIBYTE:,.0f} MiB for one of {in_words(IMAGE_SIZES[0])}",
            ],
        ],
    }


def _submitting(place: Place) -> dict[str, str]:
    """Return the environment of the submitting function, with the place's bucket, its server as the provider, and a key."""
    secrets = boto3.client(
        "secretsmanager",
        endpoint_url=place.client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=place.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=place.environment["AWS_SECRET_ACCESS_KEY"],
    )
    secret = secrets.create_secret(Name="bench-key", SecretString="nh_live_bench")
    return {
        **place.environment,
        **dict(built_functions()["submit_generation"].environment),
        "IMAGE_BUCKET_NAMES": BUCKET,
        "API_BASE_URL": place.videos_url,
        "API_KEY_SECRET_ARN": secret["ARN"],
    }
