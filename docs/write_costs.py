"""Writes the tables of docs/costs.md from AWS's price list, the measured counts and the templates: `python -m docs.write_costs`.

A block goes between `<!-- made by docs/write_costs.py: NAME -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bill import (
    LIST,
    MINUTES,
    POLL_INTERVAL,
    PRICES,
    STATE_LOG,
    cost,
    cost_by_service,
    video_of,
)
from dropreel.domain.prices import DOCUMENTED

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "costs.md"
_BLOCK = re.compile(r"(<!-- made by docs/write_costs.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def figures() -> dict[str, Any]:
    """Return what a poll and the rest of a job take, as `make bench ONLY=bill` has counted it."""
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    counted: dict[str, Any] = results["bill"]["figures"]
    return counted


def page(text: str | None = None) -> str:
    """Return docs/costs.md, or the given text, with each block as it is now."""
    text = PAGE.read_text(encoding="utf-8") if text is None else text
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)


def a_video() -> str:
    """Return what AWS takes for a video, by service and length of the generation."""
    videos = {minutes: video_of(minutes, figures()) for minutes in MINUTES}
    services = {minutes: cost_by_service(video) for minutes, video in videos.items()}
    rows = [["polls", *(str(minutes * 60 // POLL_INTERVAL) for minutes in MINUTES)]]
    rows += [[name, *(f"{services[minutes][name]:.6f}" for minutes in MINUTES)] for name in services[MINUTES[0]]]
    rows += [["**all**", *(f"**{cost(video):.5f}**" for video in videos.values())]]
    shares = [f"{cost(video) * 100 / DOCUMENTED.lowest:.2%}" for video in videos.values()]
    rows += [[f"share of the cheapest video, ${DOCUMENTED.lowest / 100:.2f}", *shares]]
    return _table(["US dollars; the generation takes", *(f"{minutes} min" for minutes in MINUTES)], rows)


def counts() -> str:
    """Return what is counted of a poll and of the rest of a job, with the price of each."""
    counted = figures()
    rows = [
        [f"{one['service']}: {one['unit']}", f"{counted['a_poll'][name]:,g}", f"{counted['rest_of_a_job'][name]:,g}",
         _price(one), f"[list]({one['source']})"]
        for name, one in LIST["requests"].items() if name in PRICES
    ]  # fmt: skip
    head = ["what", "a poll", "the rest of a job", f"price ({LIST['region']}, {LIST['date']})", "source"]
    return _table(head, rows)


def state_logs() -> str:
    """Return what the state machine's log takes of a video."""
    price = PRICES["log_bytes"].usd / PRICES["log_bytes"].per
    counted = {minutes: _state_log(minutes) for minutes in MINUTES}
    parts = ", ".join(f"${counted[minutes][0] * price:.6f} for {minutes} min" for minutes in MINUTES)
    size, events = _state_log(0)
    poll_size, poll_events = (figures()["a_poll"][name] for name in STATE_LOG)
    return (
        f"The state machine's log is a part of it: {parts}. A poll is {poll_events:g} events and {poll_size:,.0f} bytes, "
        f"the rest of a job {events:g} events and {size:,.0f} bytes."
    )


def _state_log(minutes: int) -> list[float]:
    """Return the bytes and the events of the state machine's log for a generation of so many minutes."""
    counted, polls = figures(), minutes * 60 // POLL_INTERVAL
    return [polls * counted["a_poll"][name] + counted["rest_of_a_job"][name] for name in STATE_LOG]


def _price(one: dict[str, Any]) -> str:
    amount = f"${one['usd']:.10f}".rstrip("0").rstrip(".")
    return amount + {1: " each", 1024**3: " a GB"}.get(one["per"], f" for {one['per']:,}")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


BLOCKS: dict[str, Callable[[], str]] = {
    "a_video": a_video, "state_logs": state_logs, "counts": counts,
}  # fmt: skip

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
