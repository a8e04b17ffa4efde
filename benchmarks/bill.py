"""What AWS takes for one video: every request counted in a real local run, priced by AWS's public list.

Three videos are made one after the other on the local cloud, with the real template and a poll a second: one in a fresh
cloud, so that every function starts cold, then one with few polls and one with many. What a poll takes is the difference
of the last two over the difference of their polls; the rest of a job is the first video without its polls. Both together
give generations of any length. What is assumed is in docs/performance.md.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Progress, is_quick, rounded
from benchmarks.meter import Counts, Meter, Video, add, metered_cloud, multiply, subtract
from benchmarks.tables import Report, Table, Target
from dropreel.domain.prices import PRICE_CENTS


@dataclass(frozen=True)
class Price:
    """So many US dollars for `per` units."""

    service: str
    usd: float
    per: float


LIST: dict[str, Any] = json.loads((Path(__file__).parent / "aws_prices.json").read_text(encoding="utf-8"))
"""AWS's public list of one region and month, with the source of each price."""
PRICES = {name: Price(one["service"], one["usd"], one["per"]) for name, one in LIST["requests"].items()}
"""Every count that has a price. Other counts cost nothing."""


def cost(counts: Counts) -> float:
    """Return what the counts cost, in US dollars."""
    return sum(cost_by_service(counts).values())


def cost_by_service(counts: Counts) -> dict[str, float]:
    """Return what the counts cost by service, in US dollars."""
    found: dict[str, float] = {}
    for name, price in PRICES.items():
        found[price.service] = found.get(price.service, 0.0) + counts.get(name, 0.0) / price.per * price.usd
    return found


AWS_CALL_SECONDS = 0.02
PROVIDER_CALL_SECONDS = 0.3
DOWNLOAD_SECONDS = 3.0
POLL_MEGABYTES = 256
JOB_MEGABYTES = 512
KEY_KEPT_SECONDS = 300
"""CheckStatus keeps the API key so long, so a longer generation reads the secret again."""
POLL_INTERVAL = 5
MINUTES = (1, 3, 10)
USUAL_MINUTES = 3


def each_poll(few: Counts, many: Counts) -> dict[str, float]:
    """Return what one poll takes, from two runs that differ only in their `polls`. Raises ValueError if they do not."""
    polls = many["polls"] - few["polls"]
    if polls <= 0:
        raise ValueError("the second run must have more polls than the first")
    return multiply(subtract(many, few), 1 / polls)


def job_of(seconds: int, poll: Counts, rest: Counts) -> dict[str, float]:
    """Return what a job takes whose generation runs so long. `rest` is a job without its polls."""
    return add(rest, multiply(poll, seconds // POLL_INTERVAL), {"secret_calls": float(seconds // KEY_KEPT_SECONDS)})


def video_of(minutes: int, figures: Any) -> dict[str, float]:
    """Return what a video takes whose generation runs so long."""
    return job_of(minutes * 60, figures["a_poll"], figures["rest_of_a_job"])


STATE_LOG = ("state_log_bytes", "state_log_events")
"""What is kept beside the counts that have a price: the bytes are a part of `log_bytes`."""


def add_network_time(counts: Counts, megabytes: int) -> dict[str, float]:
    """Return the counts with the time that calls take on a network, in a function of this size."""
    seconds = counts["aws_calls"] * AWS_CALL_SECONDS + counts["provider_calls"] * PROVIDER_CALL_SECONDS
    return add(counts, {"lambda_gb_seconds": seconds * megabytes / 1024})


FEW_SECONDS, MANY_SECONDS = 4.8, 26.0
"""How long the provider generates, in seconds: some five polls, and twenty more."""


def run(progress: Progress) -> dict[str, Any]:
    """Make three videos, and return what a poll and the rest of a job take."""
    many_seconds = 2 * FEW_SECONDS if is_quick() else MANY_SECONDS
    videos = []
    with metered_cloud(progress) as account:
        meter = Meter(account)
        for name, seconds in (("cold", FEW_SECONDS), ("few", FEW_SECONDS), ("many", many_seconds)):
            videos.append(meter.measure_video(name, seconds))
            progress(f"{name}: a generation of {seconds:.0f} s took {videos[-1].counts['polls']:.0f} polls")
    return figures_of(*videos)


def figures_of(cold: Video, few: Video, many: Video) -> dict[str, Any]:
    """Return what is kept of three counted videos. Raises ValueError where an item is too large for its reads."""
    if max(one.item_bytes for one in (cold, few, many)) > 4096:
        raise ValueError("a job's item is larger than one read unit")
    local_poll = each_poll(few.counts, many.counts)
    rest = add_network_time(subtract(cold.counts, multiply(local_poll, cold.counts["polls"])), JOB_MEGABYTES)
    rest = add(rest, {"lambda_gb_seconds": DOWNLOAD_SECONDS * JOB_MEGABYTES / 1024})
    return {"runs": 3, "a_poll": _priced(add_network_time(local_poll, POLL_MEGABYTES)), "rest_of_a_job": _priced(rest)}


def _priced(counts: Counts) -> dict[str, float]:
    return {name: rounded(counts.get(name, 0.0)) for name in (*PRICES, *STATE_LOG)}


def report(figures: dict[str, Any]) -> Report:
    """Return the bill for generations of several lengths, and what it is held to."""
    jobs = {minutes: video_of(minutes, figures) for minutes in MINUTES}
    services = {minutes: cost_by_service(job) for minutes, job in jobs.items()}
    cheapest = min(PRICE_CENTS.values()) / 100
    rows = [
        ["polls", *(str(minutes * 60 // POLL_INTERVAL) for minutes in MINUTES)],
        *(
            [service, *(f"{services[minutes][service]:.6f}" for minutes in MINUTES)]
            for service in services[USUAL_MINUTES]
        ),
        ["**all**", *(f"**{cost(job):.5f}**" for job in jobs.values())],
        ["share of the cheapest video", *(f"{cost(job) / cheapest:.2%}" for job in jobs.values())],
    ]
    usual = cost(jobs[USUAL_MINUTES])
    targets = [
        Target(f"AWS's bill for a video that takes {USUAL_MINUTES} minutes", usual, at_most=0.0035, unit="US dollars"),
        Target("that bill, in per cent of the cheapest video", usual / cheapest * 100, at_most=1, unit="per cent"),
    ]
    summary = [
        [
            f"AWS's bill for a video that takes {USUAL_MINUTES} minutes",
            f"${usual:.4f}",
            f"{usual / cheapest:.2%} of the cheapest video (${cheapest:.2f})",
        ]
    ]
    return Report({"bill": Table(("the generation takes", *(f"{one} min" for one in MINUTES)), rows)}, targets, summary)
