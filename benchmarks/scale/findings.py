"""The simulation's result as JSON values: every scenario, what bends, claims, the sweeper, and what is asked of them."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from benchmarks.measure import Say, is_quick, rounded, target
from benchmarks.scale.claims import (
    FEW,
    HOLDS,
    SHARDS,
    USUAL_HOLD,
    WORKERS,
    Claims,
    claims_at_rate,
    claims_of_workers,
    rate_that_holds,
)
from benchmarks.scale.quotas import (
    DEFAULT_CONCURRENCY,
    DEFAULT_LIMIT_CENTS,
    QUOTAS,
    UNITS,
    bends_at,
    concurrency_for,
    needs,
)
from benchmarks.scale.sweeper import (
    BUSY_SHARE,
    JOBS_A_PASS,
    PASS_SECONDS,
    READ_SECONDS,
    SEND_SECONDS,
    SENT_A_PASS,
    SWEEP_EVERY_SECONDS,
    Drained,
    drain,
)
from benchmarks.scale.way import DAY, HOURS, PACE, SHAPES, Scenario, simulate
from dropreel.domain.prices import PRICE_CENTS

VOLUMES = (1, 1_000, 1_000_000)
MINUTES = (1, 3, 10)
"""How long the provider generates, in minutes: assumed, its document does not say."""
MILLION = 1_000_000
USUAL_MINUTES = 3
PEAK = max(HOURS) * MILLION / DAY
"""Images a second in the busiest hour of a million's working day."""
ENOUGH = concurrency_for(PEAK)
"""The SubmitConcurrency that keeps up with it."""


def found(say: Say) -> dict[str, Any]:
    """Simulate every scenario and return the result as JSON values. It takes seconds and no network."""
    say("the way of 1, 1,000 and 1,000,000 images a day")
    days = [_day(scenario) for scenario in _scenarios()]
    say("claims on the day's one item")
    claims = _claims(500 if is_quick() else 10_000)
    say("the sweeper and a long queue")
    sweeper = _sweeper(days)
    result: dict[str, Any] = {
        "what": "The way of 1, 1,000 and 1,000,000 images a day, simulated, against AWS's default quotas.",
        "assumed": {
            **asdict(PACE),
            "hold_seconds": list(HOLDS),
            "read_seconds": READ_SECONDS,
            "send_seconds": SEND_SECONDS,
        },
        "units": asdict(UNITS),
        "quotas": [asdict(quota) for quota in QUOTAS],
        "days": days,
        "bends": _bends(days, claims),
        "claims": claims,
        "sweeper": sweeper,
    }
    result["targets"] = _targets(days, claims, sweeper)
    result["summary"] = [
        ["a million images a day, tightest default quota in us-east-1", f"{_tightest(days):.0%}", "of AWS's default"]
    ]
    return result


def day_of(days: list[dict[str, Any]], images: int, shape: str, minutes: int, concurrency: int | None = None) -> Any:
    """Return what one of the days needs; where two differ by their SubmitConcurrency alone, the first. Raises KeyError."""
    for day in days:
        wanted = (images, shape, minutes, concurrency or day["concurrency"])
        if (day["images"], day["shape"], day["minutes"], day["concurrency"]) == wanted:
            return day["needs"]
    raise KeyError((images, shape, minutes, concurrency))


def _scenarios() -> Iterable[Scenario]:
    for images in VOLUMES:
        for shape in SHAPES:
            for minutes in MINUTES:
                yield Scenario(images, shape, minutes, ENOUGH if images == MILLION else DEFAULT_CONCURRENCY)
    yield Scenario(MILLION, "working day", 10, ENOUGH, poll_seconds=15)
    yield Scenario(MILLION, "working day", USUAL_MINUTES, DEFAULT_CONCURRENCY)
    yield Scenario(MILLION, "burst", USUAL_MINUTES, DEFAULT_CONCURRENCY)


def _day(scenario: Scenario) -> dict[str, Any]:
    found = needs(simulate(scenario), scenario.pace)
    return {**asdict(scenario), "needs": {name: rounded(value, 3) for name, value in found.items()}}


def _bends(days: list[dict[str, Any]], claims: dict[str, Any]) -> list[dict[str, Any]]:
    """Say for each limit how many images of a working day it is enough for, the tightest first."""

    def row(what: str, each: dict[int, tuple[float, float]], ours: bool = False) -> dict[str, Any]:
        found = {
            f"{minutes}_min": {"most": rounded(most, 3), "smallest": rounded(smallest, 3)}
            for minutes, (most, smallest) in each.items()
        }
        return {"what": what, "ours": ours, **found}

    def of_day(minutes: int) -> Any:
        return day_of(days, MILLION, "working day", minutes)

    def same(images: float) -> dict[int, tuple[float, float]]:
        return dict.fromkeys(MINUTES, (images, images))

    held = next(one["holds_up_to"] for one in claims["holds"] if one["hold_seconds"] == USUAL_HOLD)
    rows = [
        row(
            f"`DailySpendLimitUsd` = {DEFAULT_LIMIT_CENTS // 100}",
            same(DEFAULT_LIMIT_CENTS // min(PRICE_CENTS.values())),
            True,
        ),
        row(
            f"`SubmitConcurrency` = {DEFAULT_CONCURRENCY}, to keep up in the busiest hour",
            same(DEFAULT_CONCURRENCY / PACE.submit_seconds / PEAK * MILLION),
            True,
        ),
        row(f"claims on the day's one item, held for {USUAL_HOLD * 1000:g} ms", same(held / PEAK * MILLION), True),
        row(
            f"the sweeper: {JOBS_A_PASS:,} jobs older than ten minutes that generate",
            {m: (bends_at(JOBS_A_PASS, of_day(m)["jobs_old"], MILLION),) * 2 for m in MINUTES},
            True,
        ),
    ]
    for quota in QUOTAS:
        found: dict[int, tuple[float, float]] = {}
        for minutes in MINUTES:
            needed = of_day(minutes)[quota.need]
            found[minutes] = (bends_at(quota.most, needed, MILLION), bends_at(quota.smallest, needed, MILLION))
        rows.append(row(quota.what, found))
    return sorted(rows, key=lambda one: float(one[f"{USUAL_MINUTES}_min"]["most"]))


def _claims(number: int) -> dict[str, Any]:
    return {
        "peak_a_second": rounded(PEAK, 3),
        "holds": [
            {
                "hold_seconds": hold,
                "holds_up_to": rate_that_holds(hold, claims=number),
                "holds_up_to_with_shards": rate_that_holds(hold, claims=number, shards=SHARDS),
                "holds_up_to_if_both_lose": rate_that_holds(hold, claims=number, both_lose=True),
                "at_peak": _claims_json(claims_at_rate(PEAK, hold, claims=4 * number)),
            }
            for hold in HOLDS
        ],
        "workers": [
            {
                "concurrency": workers,
                "one_item": {f"{hold * 1000:g} ms": _claims_json(claims_of_workers(workers, hold)) for hold in HOLDS},
                "provider_busy": _claims_json(claims_of_workers(workers, USUAL_HOLD, releases=True)),
                "shards": _claims_json(claims_of_workers(workers, USUAL_HOLD, shards=SHARDS)),
            }
            for workers in WORKERS
        ],
    }


def _claims_json(claims: Claims) -> dict[str, float]:
    found = {**asdict(claims), "dead": claims.dead}
    return {name: rounded(value, 3) for name, value in found.items()}


def _sweeper(days: list[dict[str, Any]]) -> dict[str, Any]:
    released = [
        {"held": held, "concurrency": concurrency, **_drained_json(drain(held, held=True, concurrency=concurrency))}
        for held, concurrency in ((100, 5), (1_000, 5), (10_000, 5), (10_000, 2), (10_000, ENOUGH))
    ]
    deferred = [
        {
            "images": images,
            "busy_share": BUSY_SHARE,
            "busy_seconds": busy_seconds,
            "swept": _drained_json(drain(images, busy_share=BUSY_SHARE, busy_seconds=busy_seconds)),
            "not_swept": _drained_json(drain(images, busy_share=BUSY_SHARE, busy_seconds=busy_seconds, sweeps=False)),
        }
        for images, busy_seconds in ((1_000, 0), (10_000, 0), (30_000, 0), (10_000, 3_600))
    ]
    return {
        "jobs_a_pass": JOBS_A_PASS,
        "sent_a_pass": SENT_A_PASS,
        "sent_a_day": SENT_A_PASS * DAY // SWEEP_EVERY_SECONDS,
        "seconds_at_peak": {
            f"{minutes}_min": rounded(day_of(days, MILLION, "working day", minutes)["jobs_old"] * READ_SECONDS, 3)
            for minutes in MINUTES
        },
        "released": released,
        "deferred": deferred,
    }


def _drained_json(drained: Drained) -> dict[str, float]:
    return {
        "messages": drained.messages,
        "submissions": drained.submissions,
        "messages_a_submission": rounded(drained.messages / drained.submissions, 3),
        "seconds": rounded(drained.seconds, 3),
    }


def _tightest(days: list[dict[str, Any]]) -> float:
    million = day_of(days, MILLION, "working day", USUAL_MINUTES)
    return max(float(million[quota.need]) / quota.most for quota in QUOTAS)


def _targets(days: list[dict[str, Any]], claims: dict[str, Any], sweeper: dict[str, Any]) -> list[dict[str, Any]]:
    thousand = day_of(days, 1_000, "working day", USUAL_MINUTES)
    million = day_of(days, MILLION, "working day", USUAL_MINUTES)
    peak = {one["hold_seconds"]: one["at_peak"] for one in claims["holds"]}
    lost = sum(day["images"] - day["needs"]["ended"] for day in days)
    busy = next(one["provider_busy"] for one in claims["workers"] if one["concurrency"] == ENOUGH)
    released = next(
        one for one in sweeper["released"] if (one["held"], one["concurrency"]) == (10_000, DEFAULT_CONCURRENCY)
    )
    return [
        _most("images that did not end, all days together", lost, 0),
        _most("1,000 images a day: functions at once, in a new account", thousand["lambda_at_once"], 10),
        _most("1,000,000 images a day: share of the tightest default quota in us-east-1", _tightest(days), 1),
        _most("1,000,000 images a day: seconds in the queue, at most", million["longest_wait_in_queue_seconds"], 60),
        _most("share of claims that fail in that day's busiest hour, item held for 10 ms", peak[0.01]["failed"], FEW),
        _most("share of claims that fail in that day's busiest hour, item held for 20 ms", peak[0.02]["failed"], FEW),
        _most("dead letters of 1,000,000 images at that, item held for 20 ms", peak[0.02]["dead"] * MILLION, 1),
        _most("share of releases that fail while the provider refuses all, 10 ms", busy["lost_releases"], 0),
        _most(
            "seconds of the sweeper's longest pass in that hour, ten-minute generations",
            sweeper["seconds_at_peak"]["10_min"],
            PASS_SECONDS,
        ),
        _most("messages a submission, 10,000 held jobs released", released["messages_a_submission"], 1.1),
        _most("hours to release 1,000,000 held jobs", 24 * MILLION / sweeper["sent_a_day"], 24),
    ]


def _most(what: str, value: float, at_most: float) -> dict[str, Any]:
    return {**target(what, value, at_most=at_most), "target": f"at most {at_most:g}"}
