"""`dropreel spend`: prints days, folders and modes against the cap, as tables, as CSV, or beside the provider's bill."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.text import Text

from dropreel.adapters.ledger import Ledger
from dropreel.domain.job import Charge
from dropreel.domain.prices import usd
from dropreel.domain.spending import SpendLimit
from dropreel_cli.bill_comparison import Comparison, compare
from dropreel_cli.bills import read_bill
from dropreel_cli.exits import Exit
from dropreel_cli.job_lists import JobLists
from dropreel_cli.job_search import days_between
from dropreel_cli.job_tables import Cell, add_flexible, plain_table, show_table
from dropreel_cli.output import printable
from dropreel_cli.plan_output import count
from dropreel_cli.rehearsals import REHEARSAL_NOTICE, is_rehearsal
from dropreel_cli.spending import Charged, Day, Spending, SpendReader, Sums, charged_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rich.table import Table

    from dropreel_cli.output import Output
    from dropreel_cli.stack import Stack

CSV_COLUMNS = (
    *("day", "claimed_at", "job_id", "attempt", "requeues", "status", "charge", "cost_usd", "generation_id"),
    *("image_bucket", "image_key", "folder", "mode", "duration", "reason"),
)
_ONLY_ON_BILL = "Only on the bill: no job knows them, perhaps an unknown job's: dropreel adopt JOB GENERATION_ID"
_MAX_LISTED = 50
_MANY_EMPTY = 3
"""From so many on, the empty days before the first charge are left out of the table."""
_BAR = 30
"""Columns of a bar of the whole cap, at most."""
_STARTS_OF_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def reader_of(stack: Stack, lists: JobLists | None = None) -> SpendReader:
    """Return the reader of a stack's submissions and reservations. `lists` reads the jobs; default: from the table."""
    client = stack.client("dynamodb")
    jobs, spend = stack.outputs["JobsTableName"], stack.outputs["SpendTableName"]
    ledger = Ledger(client, jobs, spend, SpendLimit(None))
    return SpendReader(lists or JobLists(client, jobs), ledger.reserved_cents, is_rehearsal(stack))


def limit_of(stack: Stack) -> SpendLimit:
    """Return the stack's daily spend limit of now; no limit where its parameter cannot be read."""
    return SpendLimit.parse(stack.parameters.get("DailySpendLimitUsd", "unlimited"))


def days_until(last: datetime, count: int) -> list[str]:
    """Return so many days (UTC) that end with a day, the oldest first."""
    last = last.astimezone(UTC)
    return list(days_between(last - timedelta(days=count - 1), last))[::-1]


def report(stack: Stack, output: Output, days: list[str], by: str | None) -> None:
    """Print the spending of some days: by day, by folder and by mode, or only one of them."""
    spending = reader_of(stack).spending(days, with_jobs=by != "day" or output.is_json)
    limit = limit_of(stack)
    output.document(report_document(stack.name, spending, limit, by, rehearsal=is_rehearsal(stack)))
    if is_rehearsal(stack):
        output.note(REHEARSAL_NOTICE, "bold yellow")
    if by in (None, "day"):
        _show_days(output, spending, limit)
    for name, groups in (("folder", spending.folders), ("mode", spending.modes)):
        if by in (None, name) and groups:
            output.text()
            show_table(output, _groups_table(name, groups))
    if spending.without_video and by is None:
        output.text()
        _show_without_video(output, spending.without_video)
    if not spending.total.sums.cents:
        output.text(f"Nothing was charged from {days[0]} to {days[-1]} (UTC).")


def report_document(
    name: str, spending: Spending, limit: SpendLimit, by: str | None, *, rehearsal: bool = False
) -> dict[str, Any]:
    """Return the spending as JSON: `schemas/spend.json`."""
    total = spending.total
    return {
        "stack": name,
        "rehearsal": rehearsal,
        "by": by,
        "limit_usd": None if limit.cents is None else float(usd(limit.cents)),
        "days": [_day_document(day) for day in spending.days],
        "total": {name: value for name, value in _day_document(total).items() if name != "day"},
        "folders": [{"folder": folder, **_sums_document(sums)} for folder, sums in sorted_groups(spending.folders)],
        "modes": [{"mode": mode, **_sums_document(sums)} for mode, sums in sorted_groups(spending.modes)],
        "without_video": [charged_document(each) for each in spending.without_video],
        "bill": None,
    }


def report_bill(
    stack: Stack, output: Output, days: list[str], bill: Path, columns: tuple[str | None, str | None]
) -> int:
    """Print what a bill and the submissions have in common; return FAILED where they differ."""
    read = read_bill(bill, *columns)
    reader = reader_of(stack)
    compared = compare(read, reader.submissions(days), reader.lists)
    document = report_document(stack.name, Spending(), limit_of(stack), None, rehearsal=is_rehearsal(stack))
    output.document({**document, "bill": compared.as_json()})
    for text, style in bill_lines(compared, days, stack.name):
        output.text(text, style)
    return Exit.DONE if compared.is_equal else Exit.FAILED


def print_csv(submissions: Iterable[Charged]) -> None:
    """Print one line for each submission. A cell that a spreadsheet would read as a formula begins with `'`."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for each in submissions:
        writer.writerow([_cell(value) for value in _csv_values(each)])


def bill_lines(compared: Comparison, days: list[str], stack: str) -> list[tuple[str, str]]:
    """Return the comparison for people, each line with its style."""
    period = f"{days[0]} to {days[-1]} (UTC)"
    charged = f"Charged by {stack}, {period}: ${_amount(compared.ours_usd)}."
    lines = [
        (f"On the bill: ${_amount(compared.billed_usd)}. {charged}", "bold"),
        (f"On both and equal: {compared.equal:,} generations, ${_amount(compared.equal_usd)}.", "green"),
    ]
    lines += _section("Amounts differ", "red", (
        f"{each.generation_id}: ${_amount(each.billed)} on the bill ({_lines(each.lines)}), ${each.ours} here, job {each.job_id}"
        for each in compared.differing
    ))  # fmt: skip
    lines += _section(_ONLY_ON_BILL, "red", (
        f"{generation_id}: ${_amount(item.amount)} ({_lines(item.lines)})"
        for generation_id, item in compared.only_on_bill.items()
    ))  # fmt: skip
    lines += _section("Only here: charged, and not on the bill", "red", map(charged_line, compared.only_here))
    lines += _section(
        "May have been charged, without a generation id to compare", "magenta", map(charged_line, compared.unknown)
    )
    lines += _section("Without a generation id on the bill, so not compared", "yellow", (
        f"line {line}: ${_amount(amount)}" for line, amount in compared.without_id.items()
    ))  # fmt: skip
    lines.append(
        ("The bill and the jobs agree.", "green") if compared.is_equal else ("The bill and the jobs differ.", "red")
    )
    return lines


def bar(charged: int, unknown: int, whole: int, width: int) -> Text:
    """Return a bar of cents: `█` charged, `▒` unknown, `·` what is left of the whole. More than the whole fills it."""
    if whole <= 0 or width <= 0:
        return Text()
    full = min(width, -(-charged * width // whole))
    most = min(width, -(-(charged + unknown) * width // whole))
    return Text.assemble(("█" * full, "green"), ("▒" * (most - full), "magenta"), ("·" * (width - most), "dim"))


def _show_days(output: Output, spending: Spending, limit: SpendLimit) -> None:
    whole = limit.cents or max((max(day.sums.cents, day.reserved_cents) for day in spending.days), default=0)
    width = min(_BAR, output.console.width - 46)
    table = plain_table("DAY (UTC)")
    for name in ("CHARGED", "UNKNOWN", "RESERVED"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("OF THE CAP" if limit.cents else "", no_wrap=True)
    shown = _shown_days(spending.days)
    for day in shown:
        table.add_row(*_day_cells(day), bar(day.sums.charged_cents, day.sums.unknown_cents, whole, width))
    table.add_row(*_day_cells(spending.total), "", style="bold")
    show_table(output, table)
    output.text("No cap." if limit.cents is None else f"The cap is ${usd(limit.cents)} a day now.", "dim")
    if len(shown) < len(spending.days):
        output.text(f"Nothing on the {len(spending.days) - len(shown):,} days before {shown[0].day}.", "dim")
    if released := spending.total.sums.released:
        output.text(f"Not charged, and released: {count(released, 'submission')}.", "dim")
    for day in spending.days:
        if day.difference_cents:
            output.text(difference_text(day), "bold red")


def difference_text(day: Day) -> str:
    """Return how the spend table and the submissions of a day differ."""
    return (
        f"{day.day}: the spend table has ${usd(day.reserved_cents)} and the submissions have ${usd(day.sums.cents)}, "
        f"a difference of {_signed(day.difference_cents)}. Submissions of the last seconds can be missing: try again."
    )


def _shown_days(days: Sequence[Day]) -> Sequence[Day]:
    """Return the days without the empty ones at their beginning, where these are many."""
    first = next((n for n, day in enumerate(days) if day.sums.cents or day.reserved_cents), len(days) - 1)
    return days[first:] if first >= _MANY_EMPTY else days


def _day_cells(day: Day) -> list[str]:
    unknown = f"${usd(day.sums.unknown_cents)}?" if day.sums.unknown_cents else "-"
    return [day.day, f"${usd(day.sums.charged_cents)}", unknown, f"${usd(day.reserved_cents)}"]


def _groups_table(name: str, groups: Mapping[str, Sums]) -> Table:
    table = plain_table()
    add_flexible(table, name.upper())
    for heading in ("VIDEOS", "CHARGED", "UNKNOWN"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group, sums in sorted_groups(groups):
        unknown = f"${usd(sums.unknown_cents)}?" if sums.unknown_cents else "-"
        table.add_row(Cell(group), f"{sums.charged + sums.unknown:,}", f"${usd(sums.charged_cents)}", unknown)
    return table


def _show_without_video(output: Output, found: list[Charged]) -> None:
    charged, unknown = (sum(_cents(each, charge) for each in found) for charge in (Charge.CHARGED, Charge.UNKNOWN))
    output.text(
        f"Paid without a video: {len(found):,} submissions, ${usd(charged)} charged, ${usd(unknown)} unknown", "bold"
    )
    for each in found[-_MAX_LISTED:]:
        output.text(f"  {charged_line(each)}")
    if len(found) > _MAX_LISTED:
        output.text(f"  These are the last {_MAX_LISTED}. All of them: --json, or --csv.")


def charged_line(each: Charged) -> str:
    """Return a submission that was or may have been charged, on one line."""
    submission = each.submission
    state = "charged" if submission.charge is Charge.CHARGED else "may have been charged"
    key = "" if each.job is None else f" {each.job.image.key}"
    generation = f" {submission.generation_id}" if submission.generation_id else ""
    reason = submission.status if submission.reason is None else submission.reason.code
    return printable(
        f"{submission.day} ${usd(submission.cost_cents)} {state}: {reason}; job {each.job_id}{generation}{key}"
    )


def _cents(each: Charged, charge: Charge) -> int:
    return each.submission.cost_cents if each.submission.charge is charge else 0


def _csv_values(each: Charged) -> list[Any]:
    submission, job = each.submission, each.job
    options = None if job is None else job.options
    return [
        *(submission.day, submission.claimed_at.isoformat(), each.job_id, submission.attempt, submission.requeues),
        *(submission.status, submission.charge.value, usd(submission.cost_cents), submission.generation_id),
        *((None, None) if job is None else (job.image.bucket, job.image.key)),
        each.folder,
        *((None, None) if options is None else (options.mode, options.duration)),
        None if submission.reason is None else submission.reason.code.value,
    ]


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{printable(text)}" if text.startswith(_STARTS_OF_FORMULAS) else printable(text)


def _section(heading: str, style: str, lines: Iterable[str]) -> list[tuple[str, str]]:
    found = [(f"  {printable(line)}", "") for line in lines]
    return [("", ""), (f"{heading} ({len(found):,}):", style), *found] if found else []


def _lines(numbers: list[int]) -> str:
    return f"line {numbers[0]}" if len(numbers) == 1 else f"lines {', '.join(map(str, numbers))}"


def _amount(amount: Decimal) -> str:
    """Return an amount with at least two decimals, and with all that it has."""
    exact = amount.normalize()
    return f"{amount:,.2f}" if amount == amount.quantize(Decimal("0.01")) else f"{exact:,f}"


def _signed(cents: int) -> str:
    return f"{'-' if cents < 0 else '+'}${usd(abs(cents))}"


def sorted_groups(groups: Mapping[str, Sums]) -> list[tuple[str, Sums]]:
    """Return sums by folder or mode, the largest first."""
    return sorted(groups.items(), key=lambda group: (-group[1].cents, group[0]))


def _sums_document(sums: Sums) -> dict[str, Any]:
    return {
        "charged_usd": float(usd(sums.charged_cents)),
        "unknown_usd": float(usd(sums.unknown_cents)),
        "charged": sums.charged,
        "unknown": sums.unknown,
    }


def _day_document(day: Day) -> dict[str, Any]:
    return {
        "day": day.day,
        **_sums_document(day.sums),
        "released": day.sums.released,
        "reserved_usd": float(usd(day.reserved_cents)),
        "difference_usd": float(usd(day.difference_cents)),
    }
