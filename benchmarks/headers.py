"""The image check: ranged reads of the headers beside Pillow's `Image.open` and `verify` on a whole download.

Both sides fetch from one loopback server, which answers at once: speed here is that of the code and of copying bytes.
Bytes and requests are counts, the same for any server.
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
BYTES_TARGET = 0.01
"""The part of the large images' bytes that is fetched, at most."""
SIDES = ("ours", "pillow")
_CLASSES = {"small": "under 1 MB", "large": "1 to 10 MB", "all": "all"}
_TITLES = {"small": "small images", "large": "large images"}
_Side = dict[str, Any]


def run(say: Say) -> dict[str, Any]:
    """Check all images by each side; return images a second, the part of the bytes fetched, requests, and agreement.

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
        "what": "Images are judged, over HTTP from a loopback server: format and size, or that they are none.",
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
        **{name: one[name] + other[name] for name in ("seconds", "requests", "bytes", "verdicts")},
        "peak_bytes": max(one["peak_bytes"], other["peak_bytes"]),
    }


def _figures(names: list[str], sizes: dict[str, int], found: dict[str, list[_Side]]) -> dict[str, Any]:
    ours, pillow = found["ours"][0], found["pillow"][0]  # counts and verdicts are the same in each run
    whole = [sizes[name] for name in names]
    parts = [fetched / size for fetched, size in zip(ours["bytes"], whole, strict=True)]
    times = {side: [one["seconds"] for one in runs] for side, runs in found.items()}
    return {
        "images": len(names),
        "bytes": sum(whole),
        "images_per_second": {side: spread([len(names) / seconds for seconds in times[side]]) for side in SIDES},
        "times_as_fast": ratios(times["pillow"], times["ours"]),
        "bytes_per_image": {side: rounded(statistics.mean(found[side][0]["bytes"])) for side in SIDES},
        "part_of_bytes": {"all": rounded(sum(ours["bytes"]) / sum(whole)), **spread(parts)},
        "requests_per_image": {side: rounded(statistics.mean(found[side][0]["requests"])) for side in SIDES},
        "most_requests": max(ours["requests"]),
        "peak_bytes": {side: spread([one["peak_bytes"] for one in runs]) for side, runs in found.items()},
        "by_format": _by_format(whole, ours),
        "verdicts": _verdicts(ours["verdicts"], pillow["verdicts"]),
    }


def _by_format(whole: list[int], ours: _Side) -> dict[str, Any]:
    """Return our part of the bytes and requests for each format that was taken."""
    members: dict[str, list[int]] = {}
    for place, verdict in enumerate(ours["verdicts"]):
        if verdict is not None:
            members.setdefault(verdict[0], []).append(place)
    return {
        kind: {
            "images": len(places),
            "part_of_bytes": rounded(sum(ours["bytes"][at] for at in places) / sum(whole[at] for at in places)),
            "requests_per_image": rounded(statistics.mean(ours["requests"][at] for at in places)),
        }
        for kind, places in sorted(members.items())
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
    large, everything = figures["large"], figures["all"]
    return [
        target("large images: part of the bytes that is fetched", large["part_of_bytes"]["all"], at_most=BYTES_TARGET),
        target("large images: times as fast as Pillow", large["times_as_fast"]["median"], at_least=1.0),
        target("all images: times as fast as Pillow", everything["times_as_fast"]["median"], at_least=1.0),
        target("images that both take, and differ in what they are", everything["verdicts"]["differ"], at_most=0),
    ]


def _tables(figures: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [
        [
            _CLASSES[kind],
            str(found["images"]),
            f"{found['times_as_fast']['median']:.2f} ({found['times_as_fast']['min']:.2f} to {found['times_as_fast']['max']:.2f})",
            f"{found['part_of_bytes']['all']:.2%}",
            f"{found['bytes_per_image']['ours']:,.0f} of {found['bytes_per_image']['pillow']:,.0f}",
            f"{found['requests_per_image']['ours']:.1f} / {found['requests_per_image']['pillow']:.0f}",
        ]
        for kind, found in figures.items()
    ]
    formats = [
        [_CLASSES[kind], name, str(one["images"]), f"{one['part_of_bytes']:.2%}", f"{one['requests_per_image']:.1f}"]
        for kind, found in figures.items()
        for name, one in found["by_format"].items()
        if kind != "all"
    ]
    columns = [
        "images",
        "how many",
        "times as fast as Pillow",
        "part of the bytes",
        "bytes an image",
        "requests, ours / Pillow",
    ]
    return [
        {"title": "Image check", "columns": columns, "rows": rows},
        {
            "title": "By format",
            "columns": ["images", "format", "how many", "part of the bytes", "requests an image"],
            "rows": formats,
        },
    ]


def _plots(figures: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": "headers_bytes",
            "kind": "bars",
            "title": "Checking an image: bytes fetched, mean of all",
            "y": "bytes",
            "log": True,
            "x": [_CLASSES[kind] for kind in figures],
            "series": {
                "Dropreel": [found["bytes_per_image"]["ours"] for found in figures.values()],
                "whole download": [found["bytes_per_image"]["pillow"] for found in figures.values()],
            },
        }
    ]


def _summary(figures: dict[str, Any]) -> list[list[str]]:
    large = figures["large"]
    return [
        [
            "checking an image of 1 to 10 MB",
            f"{large['part_of_bytes']['all']:.2%} of its bytes, {large['times_as_fast']['median']:.1f} x as fast",
            "a whole download and Pillow",
        ]
    ]
