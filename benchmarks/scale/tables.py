"""The result as tables for people, and a page with them."""

from typing import Any

from benchmarks.measure import rounded
from benchmarks.report import replaced, table
from benchmarks.scale.claims import SHARDS
from benchmarks.scale.findings import ENOUGH, MILLION, MINUTES, USUAL_MINUTES, VOLUMES, day_of
from benchmarks.scale.quotas import DEFAULT_CONCURRENCY, NEVER, QUOTAS
from benchmarks.scale.way import DAY


def tables(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the result as tables for people: each has a name, a title, columns and rows of text."""
    return [
        _needs_table(result),
        _days_table(result),
        _bends_table(result),
        _claims_table(result),
        _workers_table(result),
        _sweeper_table(result),
    ]


def renewed(page: str, result: dict[str, Any]) -> str:
    """Return a page with the result's tables between their markers, `<!-- bench:scale-NAME -->` and its end."""
    for one in result["tables"]:
        page = replaced(page, f"scale-{one['name']}", table(one["columns"], one["rows"]))
    return page


def _table(name: str, title: str, columns: list[str], rows: list[list[str]]) -> dict[str, Any]:
    return {"name": name, "title": title, "columns": columns, "rows": rows}


def _needs_table(result: dict[str, Any]) -> dict[str, Any]:
    days = [day_of(result["days"], images, "working day", USUAL_MINUTES) for images in VOLUMES]
    rows = []
    for quota in QUOTAS:
        limits = f"{quota.most:,.0f}" if quota.most == quota.smallest else f"{quota.most:,.0f} / {quota.smallest:,.0f}"
        share = days[-1][quota.need] / quota.most
        cells = [_amount(day[quota.need]) for day in days]
        rows.append([quota.what, *cells[:-1], f"{cells[-1]} ({_share(share)})", limits])
    for name, what in (
        ("submit_at_once", "of the functions at once: SubmitGeneration"),
        ("check_at_once", "CheckStatus"),
        ("deliver_at_once", "DeliverVideo"),
        ("messages_waiting", "SQS: messages that wait"),
        ("jobs_open", "jobs under way"),
        ("jobs_old", "jobs older than ten minutes that generate"),
    ):
        rows.append([what, *[_amount(day[name]) for day in days], ""])
    rows.append(["an image takes at most", *[_duration(day["longest_image_seconds"]) for day in days], ""])
    rows.append(["`SubmitConcurrency`", str(DEFAULT_CONCURRENCY), str(DEFAULT_CONCURRENCY), str(ENOUGH), ""])
    columns = ["what", *[f"{images:,}" for images in VOLUMES], "default quota: us-east-1 / smallest"]
    return _table("needs", f"A working day, {USUAL_MINUTES}-minute generations", columns, rows)


def _days_table(result: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for day in result["days"]:
        if day["images"] != MILLION and (day["images"], day["shape"]) != (1_000, "burst"):
            continue
        needed = day["needs"]
        rows.append(
            [
                f"{day['images']:,}",
                day["shape"],
                f"{day['minutes']} min",
                f"{day['poll_seconds']:g} s",
                str(day["concurrency"]),
                _amount(needed["lambda_at_once"]),
                _amount(needed["transitions_a_second"]),
                _amount(needed["job_writes_a_second"]),
                _amount(needed["messages_waiting"]),
                _duration(needed["last_image_seconds"]),
            ]
        )
    columns = [
        "images",
        "shape",
        "generation",
        "poll every",
        "`SubmitConcurrency`",
        "functions at once",
        "state transitions a second",
        "write units a second",
        "messages that wait",
        "the last image takes",
    ]
    return _table("days", "Shapes of a day", columns, rows)


def _bends_table(result: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for one in result["bends"]:
        cells = []
        for minutes in MINUTES:
            most, smallest = one[f"{minutes}_min"]["most"], one[f"{minutes}_min"]["smallest"]
            cells.append(_images(most) if most == smallest else f"{_images(most)} / {_images(smallest)}")
        rows.append([f"**ours:** {one['what']}" if one["ours"] else one["what"], *cells])
    columns = ["what bends", *[f"{minutes} min" for minutes in MINUTES]]
    return _table("bends", "Images a day up to which it holds: us-east-1 / smallest default", columns, rows)


def _claims_table(result: dict[str, Any]) -> dict[str, Any]:
    rows = [
        [
            _ms(one["hold_seconds"]),
            f"{one['holds_up_to']:,}",
            f"{one['holds_up_to_if_both_lose']:,}",
            f"{one['holds_up_to_with_shards']:,}",
            _percent(one["at_peak"]["failed"]),
            f"{one['at_peak']['tries']:.3g}",
            _a_million(one["at_peak"]["dead"]),
        ]
        for one in result["claims"]["holds"]
    ]
    columns = [
        "a transaction holds the item for",
        "claims a second that hold",
        "if a refused one holds it, too",
        f"with {SHARDS} shards",
        f"at {result['claims']['peak_a_second']} a second: RetryLater",
        "transactions a claim",
        "dead letters of a million",
    ]
    return _table("claims", "Claims on the day's one item", columns, rows)


def _workers_table(result: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for one in result["claims"]["workers"]:
        usual, slow = one["one_item"][_ms(0.01)], one["one_item"][_ms(0.02)]
        rows.append(
            [
                str(one["concurrency"]),
                _amount(usual["done_a_second"]),
                _percent(usual["failed"]),
                _a_million(usual["dead"]),
                _amount(slow["done_a_second"]),
                _percent(slow["failed"]),
                _a_million(slow["dead"]),
                _percent(one["provider_busy"]["lost_releases"]),
                _amount(one["shards"]["done_a_second"]),
            ]
        )
    columns = [
        "`SubmitConcurrency`",
        "10 ms: images a second",
        "RetryLater",
        "dead letters of a million",
        "20 ms: images a second",
        "RetryLater",
        "dead letters of a million",
        "provider refuses all, 10 ms: releases that fail",
        f"{SHARDS} shards, 10 ms: images a second",
    ]
    return _table("workers", "A long queue", columns, rows)


def _sweeper_table(result: dict[str, Any]) -> dict[str, Any]:
    found = result["sweeper"]
    rows = [
        [
            f"{one['held']:,} held jobs released, `SubmitConcurrency` = {one['concurrency']}",
            f"{one['messages']:,}",
            f"{one['messages_a_submission']:.3g}",
            _duration(one["seconds"]),
        ]
        for one in found["released"]
    ]
    for one in found["deferred"]:
        swept, not_swept = one["swept"], one["not_swept"]
        rows.append(
            [
                f"{one['images']:,} images wait, {_busy(one)}",
                f"{swept['messages']:,}",
                f"{swept['messages_a_submission']:.3g}",
                f"{_duration(swept['seconds'])}; {_duration(not_swept['seconds'])} without the sweeper",
            ]
        )
    return _table(
        "sweeper",
        "Messages that a backlog takes",
        ["backlog", "messages", "a submission", "until the last submission"],
        rows,
    )


def _busy(one: dict[str, Any]) -> str:
    share = f"{one['busy_share'] * 100:g} % of submissions deferred"
    return f"all deferred for {_duration(one['busy_seconds'])}, then {share}" if one["busy_seconds"] else share


def _amount(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.3g}"


def _images(value: float) -> str:
    return f"{value:,.0f}" if value < NEVER else "more than 100 million"


def _share(value: float) -> str:
    return "under 1 %" if value < 0.01 else f"{value * 100:.0f} %"


def _percent(value: float) -> str:
    if value == 0:
        return "none"
    return f"{value * 100:.2g} %" if value >= 0.0001 else "under 0.01 %"


def _a_million(share: float) -> str:
    number = share * MILLION
    return "under 0.01" if number < 0.01 else _amount(rounded(number, 2))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:g} ms"


def _duration(seconds: float) -> str:
    for unit, name in ((DAY, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds:.2g} s"
