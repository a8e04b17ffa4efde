"""A plan as a table for people, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from dropreel.domain.encodable import encodable
from dropreel.domain.option_places import S3_METADATA, STACK_PARAMETERS
from dropreel.domain.prices import usd
from dropreel_cli.output import printable
from dropreel_cli.planning import SPENDS, Plan, PlannedImage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHOWN = 20
"""How many images a table shows beside the refused ones."""
VERDICTS = {
    Verdict.SUBMITTED: ("as it is", ""),
    Verdict.PREPARED: ("prepared", "cyan"),
    Verdict.REFUSED: ("refused", "red"),
    Verdict.SKIPPED: ("skipped", "dim"),
    Verdict.DUPLICATE: ("duplicate", "yellow"),
    Verdict.PRESENT: ("already there", "green"),
}
"""The word and the style of each verdict."""
_COUNTED = {
    Verdict.SUBMITTED: "submitted unchanged",
    Verdict.PREPARED: "prepared first",
    Verdict.REFUSED: "refused",
    Verdict.DUPLICATE: "duplicate",
    Verdict.PRESENT: "already there",
    Verdict.SKIPPED: "skipped",
}
_MAX_VALUE = 30
_MAX_DETAIL = 400


def plan_table(images: Iterable[PlannedImage], metadata: str) -> Table:
    """Return a row for each image. `metadata` is the name of the place that is S3 metadata, or will be."""
    table = Table(box=None, pad_edge=False)
    for heading in ("key", "image", "verdict", "options"):
        table.add_column(heading, overflow="fold")
    table.add_column("USD", justify="right")
    for image in images:
        word, style = VERDICTS[image.verdict]
        detail = printable(image.detail[:_MAX_DETAIL])
        cost = str(usd(image.cents)) if image.verdict in SPENDS else ""
        verdict = Text(f"{word}: {detail}" if detail else word, style)
        table.add_row(
            Text(printable(image.key)), describe_image(image), verdict, Text(describe_options(image, metadata)), cost
        )
    return table


def shown_images(plan: Plan, *, shows_all: bool) -> list[PlannedImage]:
    """Return the images of the table: all, or the refused ones and the first others."""
    if shows_all or len(plan.images) <= SHOWN:
        return plan.images
    left, shown = SHOWN, []
    for image in plan.images:
        if image.verdict is not Verdict.REFUSED:
            left -= 1
        if left >= 0 or image.verdict is Verdict.REFUSED:
            shown.append(image)
    return shown


def describe_options(image: PlannedImage, metadata: str) -> str:
    """Return the options that do not come from the stack's parameters, by their place: `mode=hq (command line)`."""
    if image.options is None or image.sources is None:
        return ""
    by_place: dict[str, list[str]] = {}
    for name, source in image.sources.items():
        if source != STACK_PARAMETERS:
            by_place.setdefault(source, []).append(f"{name}={_shown(image.options[name])}")
    places = {S3_METADATA: metadata}
    found = [f"{' '.join(values)} ({printable(places.get(place, place))})" for place, values in by_place.items()]
    return "; ".join(found) or "defaults"


def describe_image(image: PlannedImage) -> str:
    """Return an image's format and size: `JPEG, 4032 x 3024, 3.1 MB`. Empty where nothing is known."""
    pixels = f"{image.width} x {image.height}" if image.width else ""
    size = "" if image.size is None else size_text(image.size)
    return ", ".join(filter(None, (image.format, pixels, size)))


def summary_lines(plan: Plan) -> Iterator[str]:
    """Yield what is below the table: the counts, the price, the day's limit and the days that it takes."""
    counts = plan.counts
    yield (
        ", ".join(f"{counts[verdict]:,} {words}" for verdict, words in _COUNTED.items() if counts[verdict])
        or "no files"
    )
    if not plan.to_drop:
        return
    worst = plan.total_cents * plan.max_attempts
    more = f"; up to ${usd(worst)} if generations fail (MaxAttempts {plan.max_attempts})"
    yield f"${usd(plan.total_cents)} for {count(len(plan.to_drop), 'video')}{more if plan.max_attempts > 1 else ''}"
    if defaults := _defaults(plan.to_drop):
        yield f"defaults: {defaults} ({STACK_PARAMETERS})"
    yield limit_line(plan)


def limit_line(plan: Plan) -> str:
    """Return the day's limit, what is reserved today, and how long the images take."""
    if plan.limit.cents is None:
        return f"no daily limit; ${usd(plan.reserved_cents)} is reserved today"
    limit = f"daily limit ${usd(plan.limit.cents)}, ${usd(plan.reserved_cents)} of it reserved today"
    if not plan.limit.cents:
        return f"{limit}: all images will be held until DailySpendLimitUsd is raised"
    days = plan.days
    assert days is not None  # noqa: S101  # nosec B101 # what the limit can never hold is refused
    return f"{limit}: {'all fit today' if days == 1 else f'it takes {days:,} days (UTC), today included'}"


def price_question(plan: Plan) -> str:
    """Return what is confirmed before images are uploaded: the price, and the most that the attempts can cost."""
    worst = f", up to ${usd(plan.total_cents * plan.max_attempts)} if generations fail" if plan.max_attempts > 1 else ""
    return f"Upload {count(len(plan.to_drop), 'image')}? The videos cost ${usd(plan.total_cents)}{worst}."


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON. `schemas/plan.json` describes it."""
    counts = plan.counts
    limit = plan.limit.cents
    return {
        "images": [image_document(image) for image in plan.images],
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "total_usd": float(usd(plan.total_cents)),
        "max_attempts": plan.max_attempts,
        "limit_usd": None if limit is None else float(usd(limit)),
        "reserved_usd": float(usd(plan.reserved_cents)),
        "days": plan.days,
    }


def image_document(image: PlannedImage) -> dict[str, Any]:
    """Return a planned image as JSON. `schemas/planned_image.json` describes it."""
    return {
        "key": image.key,
        "path": encodable(image.path) or None,
        "verdict": image.verdict.value,
        "detail": encodable(image.detail) or None,
        "size": image.size,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "options": image.options or {},
        "option_sources": image.sources or {},
        "cost_usd": float(usd(image.cents)),
        "warnings": list(image.warnings),
        "job_id": image.job_id,
        "job_status": image.job_status,
    }


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 image`, `1,200 images`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size_text(size: int) -> str:
    """Return a number of bytes for people: `3.1 MB`."""
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def _defaults(images: Iterable[PlannedImage]) -> str:
    """Return the options that images have from the stack's parameters; `/` between the values of one option."""
    values: dict[str, dict[str, None]] = {}
    for image in images:
        for name, source in (image.sources or {}).items():
            if source == STACK_PARAMETERS and image.options and image.options[name] != "":
                values.setdefault(name, {})[_shown(image.options[name])] = None
    return " ".join(f"{name}={'/'.join(found)}" for name, found in values.items())


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = printable(text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…")
    return f'"{text}"' if isinstance(value, str) and (" " in text or not text) else text
