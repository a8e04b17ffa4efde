"""A provider's bill: any CSV file with a column of generation ids and a column of US dollars."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

ID_COLUMNS = ("generation_id", "generation id", "generation", "id")
AMOUNT_COLUMNS = ("amount", "cost", "price", "usd", "amount_usd", "cost_usd", "price_usd")
"""The names that are looked for, the best one first, in any case."""
_DELIMITERS = ",;\t|"
_MAX_FAULTS = 10
_SHOWN = 40
_CURRENCY = re.compile(r"US\$|USD|\$", re.IGNORECASE)
_DOT = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?|[0-9]+(\.[0-9]+)?|\.[0-9]+")
_COMMA = re.compile(r"[0-9]{1,3}(\.[0-9]{3})+,[0-9]+|[0-9]{1,3}(\.[0-9]{3}){2,}|[0-9]*,([0-9]{1,2}|[0-9]{4,})")
_EITHER = re.compile(r"[0-9]{1,3},[0-9]{3}")


@dataclass
class BillItem:
    """What the bill has for one generation: the sum of its lines, in US dollars, and their numbers."""

    amount: Decimal
    lines: list[int]


@dataclass
class Bill:
    """A bill by generation id. `without_id`: the lines without an id, such as a total, which cannot be compared."""

    items: dict[str, BillItem] = field(default_factory=dict)
    without_id: dict[int, Decimal] = field(default_factory=dict)


class BadRow(Exception):
    """What is wrong with a line of the bill."""


def read_bill(path: Path, id_column: str | None = None, amount_column: str | None = None) -> Bill:
    """Read a bill. Raises CommandError with the line numbers where anything in it cannot be read, and OSError."""
    if path.is_char_device():  # such as /dev/zero, which has no end
        raise CommandError(f"{path} is a device. Name a CSV file.", Exit.USAGE)
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            return _read(file, str(path), id_column, amount_column)
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path} is not UTF-8: byte {error.object[error.start]:#04x} is not a part of a character. Save it as CSV UTF-8.",
            Exit.USAGE,
        ) from error


def parse_amount(text: str) -> Decimal:
    """Return an amount of US dollars. Raises BadRow for what is not one, or could be two."""
    bare = _CURRENCY.sub("", "".join(text.split()).replace("\u2212", "-"))
    is_negative = bare.startswith("-") or (bare.startswith("(") and bare.endswith(")"))
    bare = bare.strip("()") if is_negative and bare.startswith("(") else bare.removeprefix("-").removeprefix("+")
    if _EITHER.fullmatch(bare):
        raise BadRow(f"{_quoted(text)} can be {bare.replace(',', '')} or {bare.replace(',', '.')}: write it with a dot")
    if _DOT.fullmatch(bare):
        value = Decimal(bare.replace(",", ""))
    elif _COMMA.fullmatch(bare):
        value = Decimal(bare.replace(".", "").replace(",", "."))
    else:
        raise BadRow(f"{_quoted(text)} is not an amount of US dollars such as 0.47, $1,234.50 or 0,47")
    return -value if is_negative else value


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _read(file: TextIO, name: str, id_column: str | None, amount_column: str | None) -> Bill:
    delimiter, skipped = _delimiter(file, name, id_column, amount_column)
    rows = _rows(csv.reader(file, delimiter=delimiter), name, skipped)
    _, header = next(rows)
    id_at = _column(header, id_column, ID_COLUMNS)
    amount_at = _column(header, amount_column, AMOUNT_COLUMNS)
    if id_at is None or amount_at is None:
        raise _missing(header, name, id_column if id_at is None else amount_column, is_id=id_at is None)
    bill, faults = Bill(), list[str]()
    for line, row in rows:
        try:
            _add(bill, line, row, len(header), id_at, amount_at)
        except BadRow as fault:
            faults.append(f"  line {line}: {fault}")
    if faults:
        more = f"\n  and {len(faults) - _MAX_FAULTS:,} more" if len(faults) > _MAX_FAULTS else ""
        listed = "\n".join(faults[:_MAX_FAULTS])
        raise CommandError(f"{name} cannot be compared. Correct these lines:\n{listed}{more}", Exit.USAGE)
    return bill


def _add(bill: Bill, line: int, row: list[str], columns: int, id_at: int, amount_at: int) -> None:
    if any(each.strip() for each in row[columns:]):
        raise BadRow(f"it has {len(row)} columns, the header has {columns} (an amount with a comma must be in quotes)")
    if len(row) <= max(id_at, amount_at):
        raise BadRow(f"it has {len(row)} columns, the header has {columns}")
    if not row[amount_at].strip():
        raise BadRow("it has no amount")
    amount, generation_id = parse_amount(row[amount_at]), row[id_at].strip()
    if not generation_id:
        bill.without_id[line] = amount
    elif generation_id in bill.items:
        bill.items[generation_id].amount += amount
        bill.items[generation_id].lines.append(line)
    else:
        bill.items[generation_id] = BillItem(amount, [line])


def _delimiter(file: TextIO, name: str, id_column: str | None, amount_column: str | None) -> tuple[str, int]:
    """Return the delimiter under which the header has both columns, and the lines before the header; go to the header.

    csv.Sniffer guesses from the letters of all lines, and is often wrong for files of two columns.
    """
    skipped, position = 0, 0
    line = file.readline()
    while line and (not line.strip() or re.fullmatch(r"sep=.\s*", line)):  # Excel writes `sep=;`
        skipped += 1
        position = file.tell()
        line = file.readline()
    if not line:
        raise CommandError(f"{name} is empty.", Exit.USAGE)
    file.seek(position)
    best = max(_DELIMITERS, key=line.count)
    for delimiter in (best, *_DELIMITERS):
        header = next(csv.reader([line], delimiter=delimiter))
        if (
            _column(header, id_column, ID_COLUMNS) is not None
            and _column(header, amount_column, AMOUNT_COLUMNS) is not None
        ):
            return delimiter, skipped
    return best, skipped


def _rows(reader: Iterator[list[str]], name: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, each with its number in the file."""
    line = skipped
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CommandError(f"{name}, line {line + 1}: {error}.", Exit.USAGE) from error
        first, line = line + 1, skipped + reader.line_num  # type: ignore[attr-defined]  # of a csv.reader
        if any(each.strip() for each in row):
            yield first, row


def _column(header: list[str], wanted: str | None, names: tuple[str, ...]) -> int | None:
    """Return where a column is: the one that is asked for, else the first of the usual names that the header has once."""
    found = [each.strip().lower() for each in header]
    for name in names if wanted is None else (wanted.strip().lower(),):
        if found.count(name) == 1:
            return found.index(name)
    return None


def _missing(header: list[str], name: str, wanted: str | None, *, is_id: bool) -> CommandError:
    option, kind, names = (
        ("--id-column", "generation ids", ID_COLUMNS) if is_id else ("--amount-column", "amounts", AMOUNT_COLUMNS)
    )
    sought = f"named {_quoted(wanted)}" if wanted is not None else f"of {kind} ({', '.join(names)})"
    columns = ", ".join(_quoted(each.strip()) for each in header)
    return CommandError(
        f"{name} has no column {sought}, or two. Its columns are {columns}. Name one with {option}.", Exit.USAGE
    )


def _quoted(text: str) -> str:
    shown = printable(text)
    return f"`{shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}`"
