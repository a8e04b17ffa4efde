"""`dropreel spend`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dropreel_cli.command_line import StackOptions, json_option, stack_options
from dropreel_cli.command_line import command as subcommand
from dropreel_cli.time_spans import Since

if TYPE_CHECKING:
    from datetime import datetime

    from dropreel_cli.output import Output


@subcommand(
    "spend",
    examples=[
        "dropreel spend --days 7",
        "dropreel spend --days 30 --until 2026-11-30 --csv > november.csv",
        "dropreel spend --days 30 --until 2026-11-30 --against bill.csv",
    ],
)
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, metavar="N", help="N days (UTC).")
@click.option("--until", type=Since(), metavar="1d|2026-11-30", help="The last of these days; default: today.")
@click.option("--by", type=click.Choice(["day", "folder", "mode"]), help="Only this table; default: all three.")
@click.option("--csv", "is_csv", is_flag=True, help="Print one line of CSV for each submission, with a header.")
@click.option("--against", "bill", metavar="BILL.CSV", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Compare with the provider's bill by generation id. Ends with 1 where anything differs.")  # fmt: skip
@click.option(
    "--id-column", metavar="NAME", help="The bill's column of generation ids; default: generation_id, generation or id."
)
@click.option(
    "--amount-column", metavar="NAME", help="The bill's column of US dollars; default: amount, cost, price or usd."
)
@stack_options
@json_option
def command(
    days: int,
    until: datetime | None,
    by: str | None,
    is_csv: bool,
    bill: Path | None,
    id_column: str | None,
    amount_column: str | None,
    options: StackOptions,
    output: Output,
) -> int | None:
    """Show what each day cost, against the cap.

    By day with a bar, by folder, by mode, and what was or may have been charged without a video (unknown and failed).

    CHARGED and UNKNOWN (it may have been charged) are the sums of the submissions, RESERVED is what the spend table has:
    they are equal, and any difference is shown. With --csv, a cell that a spreadsheet would read as a formula begins with '.
    """
    from datetime import UTC, datetime

    from dropreel_cli.spend_report import days_until, print_csv, reader_of, report, report_bill

    if is_csv and (output.is_json or bill is not None or by):
        raise click.UsageError("--csv prints every submission: it goes with neither --json nor --against nor --by.")
    if bill is None and (id_column or amount_column):
        raise click.UsageError("--id-column and --amount-column are the bill's: name it with --against.")
    period = days_until(until or datetime.now(UTC), days)
    stack = options.connect()
    if bill is not None:
        return report_bill(stack, output, period, bill, (id_column, amount_column))
    if is_csv:
        print_csv(reader_of(stack).submissions(period))
    else:
        report(stack, output, period, by)
    return None
