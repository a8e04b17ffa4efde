"""The image check: ours beside Pillow's `Image.open` and `verify`, each from the whole file in memory.

Both sides fetch from one loopback server, by as many requests as they need. Processor time is that of the check alone; what
the SHA-256 of the same bytes takes, which ours is followed by, is shown beside it.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.image_set import LARGE, gathered
from benchmarks.loopback import running_server
from benchmarks.measure import CommandFailed, Say, interleaved, is_quick, ratios, rounded, run_command, spread, target

RUNS = 7
QUICK_RUNS = 1
ENOUGH = 300
"""How many images there are, at least."""
PROCESSOR_TARGET = 1.0
"""Processor time of ours, in times that of Pillow, at most."""
SIDES = ("ours", "pillow")
FORMATS = ("JPEG", "PNG", "WebP")
_CLASSES = {"small": "under 1 MB", "large": "1 to 10 MB", "all": "all"}
_TITLES = {"small": "small images", "large": "large images"}
_COUNTED = ("seconds", "hash_seconds", "requests", "bytes", "verdicts")
_Side = dict[str, Any]


def run(say: Say) -> dict[str, Any]:
    """Check all images by each side; return processor time, requests, and agreement.

    Raises CommandFailed where there are fewer than 300 images.
    """
    runs = QUICK_RUNS if is_quick() else RUNS
    with tempfile.TemporaryDirectory(prefix="dropreel-bench-") as place:
        folder = Path(place, "images")
        folder.mkdir()
        say("gathering and generating images")
        names = gathered(folder, few=is_quick())
        if len(names) < ENOUGH and not is_quick():
            raise CommandFailed(f"there are only {len(names)} images; {ENOUGH} are wanted")
        sizes = {name: (folder / name).stat().st_size for name in names}
        classes = {
            "small": [name for name in names if sizes[name] < LARGE],
            "large": [name for name in names if sizes[name] >= LARGE],
        }
        with running_server(folder) as url:
            found = {
                kind: _compared(url, Path(place), members, sizes, runs, say, kind) for kind, members in classes.items()
            }
    classes["all"] = [*classes["small"], *classes["large"]]
    found["all"] = {
        side: [_together(*pair) for pair in zip(found["small"][side], found["large"][side], strict=True)]
        for side in SIDES
    }
    figures = {kind: _figures(members, sizes, found[kind]) for kind, members in classes.items()}
    return {
        "what": "Images are validated, fetched over HTTP from a loopback server: format and size, or that they are none.",
        "runs": runs,
        "figures": figures,
        "targets": _targets(figures),
        "tables": _tables(figures),
        "plots": _plots(figures),
        "summary": _summary(figures),
    }


def _compared(
    url: str, place: Path, names: list[str], sizes: dict[str, int], runs: int, say: Say, kind: str
) -> dict[str, list[_Side]]:
    listed = place / f"{kind}.json"
    listed.write_text(json.dumps({name: sizes[name] for name in names}), encoding="utf-8")

    def by(side: str) -> Callable[[], _Side]:
        command = [sys.executable, "-m", "benchmarks.header_sides", side, url, str(listed)]

        def judged() -> _Side:
            taken = run_command(command)
            return {**json.loads(taken.output), "peak_bytes": taken.peak_bytes}

        return judged

    return interleaved(
        {side: by(side) for side in SIDES},
        runs,
        lambda run, side: say(f"{len(names)} {_TITLES[kind]}, run {run} of {runs}: {side}"),
    )


def _together(one: _Side, other: _Side) -> _Side:
    """Return one run over the images of both."""
    return {
        **{name: one[name] + other[name] for name in _COUNTED},
        "peak_bytes": max(one["peak_bytes"], other["peak_bytes"]),
    }


def _figures(names: list[str], sizes: dict[str, int], found: dict[str, list[_Side]]) -> dict[str, Any]:
    ours, pillow = found["ours"][0], found["pillow"][0]  # counts and verdicts are the same in each run
    times = {side: [sum(one["seconds"]) for one in runs] for side, runs in found.items()}
    hashing = [sum(one["hash_seconds"]) for one in found["ours"]]
    return {
        "images": len(names),
        "bytes": sum(sizes[name] for name in names),
        "processor_ms_an_image": {
            **{side: spread([1000 * seconds / len(names) for seconds in times[side]]) for side in SIDES},
            "sha256": spread([1000 * seconds / len(names) for seconds in hashing]),
        },
        "processor_time_to_pillow": ratios(times["ours"], times["pillow"]),
        "requests_per_image": {side: rounded(statistics.mean(found[side][0]["requests"])) for side in SIDES},
        "most_requests": max(ours["requests"]),
        "peak_bytes": {side: spread([one["peak_bytes"] for one in runs]) for side, runs in found.items()},
        "by_format": _by_format(found),
        "verdicts": _verdicts(ours["verdicts"], pillow["verdicts"]),
    }


def _by_format(found: dict[str, list[_Side]]) -> dict[str, Any]:
    """Return how many images of each format both take, and processor time for them."""
    pairs = list(zip(*(found[side][0]["verdicts"] for side in SIDES), strict=True))
    members = {
        kind: [at for at, (one, other) in enumerate(pairs) if one and other and one[0] == kind] for kind in FORMATS
    }
    times = {
        (kind, side): [sum(one["seconds"][at] for at in places) for one in found[side]]
        for kind, places in members.items()
        for side in SIDES
    }
    return {
        kind: {
            "images": len(places),
            "processor_ms_an_image": {
                side: spread([1000 * seconds / len(places) for seconds in times[kind, side]]) for side in SIDES
            },
            "processor_time_to_pillow": ratios(times[kind, "ours"], times[kind, "pillow"]),
        }
        for kind, places in members.items()
        if places
    }


def _verdicts(ours: list[Any], pillow: list[Any]) -> dict[str, int]:
    """Count the images by what both sides say. `differ` would be two answers to what an image is."""
    pairs = list(zip(ours, pillow, strict=True))
    return {
        "both_take": sum(one is not None and one == other for one, other in pairs),
        "both_refuse": sum(one is None and other is None for one, other in pairs),
        "only_ours_refuses": sum(one is None and other is not None for one, other in pairs),
        "only_pillow_refuses": sum(one is not None and other is None for one, other in pairs),
        "differ": sum(one is not None and other is not None and one != other for one, other in pairs),
    }


def _targets(figures: dict[str, Any]) -> list[dict[str, Any]]:
    everything = figures["all"]
    return [
        target("requests for an image", everything["most_requests"], at_most=1),
        *(
            target(
                f"{_TITLES.get(kind, 'all images')}: processor time, times that of Pillow",
                figures[kind]["processor_time_to_pillow"]["median"],
                at_most=PROCESSOR_TARGET,
            )
            for kind in ("large", "all")
        ),
        target("images that both take, and differ in what they are", everything["verdicts"]["differ"], at_most=0),
    ]


def _tables(figures: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        [_CLASSES[kind], name, str(one["images"]), *_cells(one), hashing]
        for kind, found in figures.items()
        for name, one, hashing in (
            ("every format", found, f"{found['processor_ms_an_image']['sha256']['median']:.2f}"),
            *((name, one, "") for name, one in found["by_format"].items() if kind != "all"),
        )
    ]
    verdicts = [
        [_CLASSES[kind], *(str(found["verdicts"][name]) for name in figures["all"]["verdicts"])]
        for kind, found in figures.items()
    ]
    return [
        {
            "title": "Image check",
            "columns": [
                "images",
                "format",
                "how many",
                "processor time, times Pillow's",
                "ms an image",
                "Pillow",
                "SHA-256 of it",
            ],
            "rows": rows,
        },
        {
            "title": "Verdicts",
            "columns": [
                "images",
                "both take, and agree on",
                "both refuse",
                "only ours refuses",
                "only Pillow refuses",
                "both take, and differ on",
            ],
            "rows": verdicts,
        },
    ]


def _cells(one: dict[str, Any]) -> list[str]:
    ratio, times = one["processor_time_to_pillow"], one["processor_ms_an_image"]
    return [
        f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})",
        f"{times['ours']['median']:.3f}",
        f"{times['pillow']['median']:.3f}",
    ]


def _plots(figures: dict[str, Any]) -> list[dict[str, Any]]:
    found = {"every format": figures["large"], **figures["large"]["by_format"]}
    return [
        {
            "name": "headers",
            "kind": "bars",
            "title": "Validating an image of 1 to 10 MB: processor time",
            "y": "ms an image",
            "x": list(found),
            "series": {
                name: [one["processor_ms_an_image"][side]["median"] for one in found.values()]
                for side, name in (("ours", "Dropreel"), ("pillow", "Pillow, open and verify"))
            },
        }
    ]


def _summary(figures: dict[str, Any]) -> list[list[str]]:
    large = figures["large"]
    return [
        [
            "validating an image of 1 to 10 MB",
            f"one request, {large['processor_time_to_pillow']['median']:.2f} x the processor time",
            "Pillow's `open` and `verify`",
        ]
    ]
