"""How far the stack scales: a day's images, second by second, compared with AWS's default quotas.

No clock and no network: arrivals, queue, polls and deliveries are computed from a seed. What AWS itself takes is assumed;
docs/scale.md lists the assumptions. What our own code does is read from it.
"""

from typing import Any

from benchmarks.measure import Progress, rounded
from benchmarks.scale.claims import HOLDS, WORKERS, simulate_claims
from benchmarks.scale.day import DAY_SECONDS, HOURS, PACE, Scenario, simulate
from benchmarks.scale.quotas import (
    DEFAULT_CONCURRENCY,
    DEFAULT_LIMIT_CENTS,
    JOBS_A_PASS,
    NO_LIMIT,
    QUOTAS,
    concurrency_for,
    images_a_day,
    needs,
)
from benchmarks.tables import Report, Table
from dropreel.domain.prices import PRICE_CENTS

MINUTES = (1, 3, 10)
"""How long the provider generates, in minutes: assumed, its document does not say."""
MILLION = 1_000_000
USUAL_MINUTES = 3
PEAK = max(HOURS) * MILLION / DAY_SECONDS
"""Images a second in the busiest hour of a million's working day."""
ENOUGH = concurrency_for(PEAK)
"""The SubmitConcurrency that keeps up with it."""
MOST_WORKERS = 100
"""The largest SubmitConcurrency that docs/scale.md recommends."""
SCENARIOS = {
    "1": Scenario(1, "working day", USUAL_MINUTES, DEFAULT_CONCURRENCY),
    "1,000": Scenario(1_000, "working day", USUAL_MINUTES, DEFAULT_CONCURRENCY),
    "1,000 at once": Scenario(1_000, "burst", USUAL_MINUTES, DEFAULT_CONCURRENCY),
    "1,000,000": Scenario(MILLION, "working day", USUAL_MINUTES, ENOUGH),
    "1,000,000, 10 min": Scenario(MILLION, "working day", 10, ENOUGH),
    "1,000,000, 10 min, polls every 15 s": Scenario(MILLION, "working day", 10, ENOUGH, poll_seconds=15),
}
"""A working day with three-minute generations, unless the name says something else."""


def run(progress: Progress) -> dict[str, Any]:
    """Simulate every scenario. It takes seconds and no network."""
    progress("days of 1, 1,000 and 1,000,000 images")
    days = {name: needs(simulate(scenario), scenario.pace) for name, scenario in SCENARIOS.items()}
    by_minutes = {minutes: needs_of_million(minutes) for minutes in MINUTES}
    progress("claims on the day's one item")
    claims = [_claims(workers) for workers in WORKERS]
    most = next(one["10 ms"]["a_second"] for one in claims if one["workers"] == MOST_WORKERS)
    return {
        "days": {name: _rounded(day) for name, day in days.items()},
        "limits": limits(by_minutes, most),
        "claims": claims,
    }


def needs_of_million(minutes: float) -> dict[str, float]:
    """Return what a working day of a million images needs, by how long the provider generates."""
    return needs(simulate(Scenario(MILLION, "working day", minutes, ENOUGH)))


def limits(by_minutes: dict[int, dict[str, float]], claims_a_second: float) -> list[dict[str, Any]]:
    """Return for each limit how many images of a working day it is enough for, in us-east-1 and at the smallest default.

    The tightest is first. `by_minutes` is what a million need, by how long the provider generates.
    """
    own = {
        f"`DailySpendLimitUsd` = {DEFAULT_LIMIT_CENTS // 100}": DEFAULT_LIMIT_CENTS // min(PRICE_CENTS.values()),
        f"`SubmitConcurrency` = {DEFAULT_CONCURRENCY}": DEFAULT_CONCURRENCY / PACE.submit_seconds / PEAK * MILLION,
        f"claims on the day's one item, `SubmitConcurrency` = {MOST_WORKERS}": claims_a_second / PEAK * MILLION,
    }
    rows = [
        {"what": f"**ours:** {what}", "images": [[rounded(images, 3)] * 2] * len(MINUTES)}
        for what, images in own.items()
    ]
    quotas = [(one.what, one.need, one.most, one.smallest) for one in QUOTAS]
    sweeper = ("**ours:** the sweeper's jobs a pass", "jobs_old", JOBS_A_PASS, JOBS_A_PASS)
    for what, need, *both in (sweeper, *quotas):
        found = [[rounded(images_a_day(one, day[need], MILLION), 3) for one in both] for day in by_minutes.values()]
        rows.append({"what": what, "images": found})
    return sorted(rows, key=lambda row: float(row["images"][MINUTES.index(USUAL_MINUTES)][0]))


def _rounded(found: dict[str, float]) -> dict[str, float]:
    return {name: rounded(value, 3) for name, value in found.items()}


def _claims(workers: int) -> dict[str, Any]:
    found: dict[str, Any] = {"workers": workers}
    for hold in HOLDS:
        claims = simulate_claims(workers, hold)
        figures = {"a_second": claims.done_a_second, "failed": claims.failed}
        found[f"{hold * 1000:g} ms"] = _rounded({**figures, "dead_letters": claims.dead_letters * MILLION})
    return found


def report(figures: dict[str, Any]) -> Report:
    """Return the tables of docs/scale.md."""
    tables = {
        "scale-days": _days_table(figures["days"]),
        "scale-limits": _limits_table(figures["limits"]),
        "scale-claims": _claims_table(figures["claims"]),
    }
    tightest = max(figures["days"]["1,000,000"][quota.need] / quota.most for quota in QUOTAS)
    summary = [["a million images a day, tightest default quota in us-east-1", f"{tightest:.0%}", "of AWS's default"]]
    return Report(tables, summary=summary)


def _days_table(days: dict[str, dict[str, float]]) -> Table:
    rows = [
        [quota.what, *(_amount(day[quota.need]) for day in days.values()), _both(quota.most, quota.smallest)]
        for quota in QUOTAS
    ]
    rows += [
        [what, *(show(day[name]) for day in days.values()), ""]
        for name, what, show in (
            ("messages_waiting", "SQS: messages that wait", _amount),
            ("jobs_old", "jobs older than ten minutes that generate", _amount),
            ("longest_image_seconds", "an image takes at most", _duration),
        )
    ]
    rows.append(["`SubmitConcurrency`", *(str(scenario.concurrency) for scenario in SCENARIOS.values()), ""])
    return Table(("what", *days, "default quota: us-east-1 / smallest"), rows)


def _limits_table(limits: list[dict[str, Any]]) -> Table:
    rows = [[one["what"], *(_both(*images) for images in one["images"])] for one in limits]
    return Table(("limit", *(f"{minutes} min" for minutes in MINUTES)), rows)


def _claims_table(claims: list[dict[str, Any]]) -> Table:
    holds = [f"{hold * 1000:g} ms" for hold in HOLDS]
    outcomes = ("images a second", "claims that fail", "dead letters of a million")
    columns = ["`SubmitConcurrency`", *(f"{hold}: {what}" for hold in holds for what in outcomes)]
    rows = []
    for one in claims:
        row = [str(one["workers"])]
        for found in (one[hold] for hold in holds):
            letters = rounded(found["dead_letters"], 2)
            row += [_amount(found["a_second"]), _percent(found["failed"])]
            row.append("under 0.01" if letters < 0.01 else _amount(letters))
        rows.append(row)
    return Table(columns, rows)


def _both(most: float, smallest: float) -> str:
    return " / ".join(
        f"{one:,.0f}" if one < NO_LIMIT else "more than 100 million" for one in dict.fromkeys((most, smallest))
    )


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.{2 if value < 10 else 3}g}"


def _percent(value: float) -> str:
    return "none" if value == 0 else f"{value * 100:.2g}%" if value >= 0.0001 else "under 0.01%"


def _duration(seconds: float) -> str:
    for unit, name in ((DAY_SECONDS, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds:.2g} s"
