"""The peak memory of our deliverer for small and huge videos: it does not grow with them."""

from typing import Any

from benchmarks.delivery import MEBIBYTE, MEMORY_LIMIT_MIB, in_words, running_place
from benchmarks.measure import Say, is_quick, rounded, spread, target

SIZES = (10_000_000, 200_000_000, 2_000_000_000)
"""Sizes of the videos in bytes; the last is close to the largest that the stack takes unless told otherwise."""
QUICK_SIZES = (10_000_000, 20_000_000)
FLATNESS = 1.1
"""How many times the memory of the smallest the memory of the largest may be, at most."""
_RUNS = 2


def run(say: Say) -> dict[str, Any]:
    """Deliver videos of three sizes; return the peak of each, and that of the largest to the smallest."""
    sizes = QUICK_SIZES if is_quick() else SIZES
    peaks: dict[int, list[float]] = {}
    with running_place() as place:
        for size in sizes:
            for number in range(1, _RUNS + 1):
                say(f"{in_words(size)}, run {number} of {_RUNS}")
                peaks.setdefault(size, []).append(place.deliver("ours", size).peak_bytes)
    growth = max(peaks[sizes[-1]]) / min(peaks[sizes[0]])
    largest = max(max(found) for found in peaks.values())
    mebibytes = {in_words(size): max(found) / MEBIBYTE for size, found in peaks.items()}
    return {
        "what": "Our deliverer's peak resident memory, its whole process counted.",
        "runs": _RUNS,
        "figures": {
            "peak_bytes": {str(size): spread(found) for size, found in peaks.items()},
            "largest_to_the_smallest": rounded(growth),
        },
        "targets": [
            target("peak resident memory at any size, MiB", largest / MEBIBYTE, at_most=MEMORY_LIMIT_MIB),
            target(f"memory for {in_words(sizes[-1])}, times that for {in_words(sizes[0])}", growth, at_most=FLATNESS),
        ],
        "tables": [
            {
                "title": "Memory",
                "columns": ["video", "peak memory"],
                "rows": [[name, f"{peak:,.0f} MiB"] for name, peak in mebibytes.items()],
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
            [f"memory to deliver {in_words(sizes[-1])}", f"{growth:.2f} x", f"memory to deliver {in_words(sizes[0])}"]
        ],
    }
