"""A provider's bill: which CSV files are read, and what is said of those that cannot be."""

from decimal import Decimal
from pathlib import Path

import pytest

from dropreel_cli.bills import BadRow, parse_amount, read_bill
from dropreel_cli.exits import CommandError


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.47", "0.47"),
        (" $0.47 ", "0.47"),
        ("US$ 0.47", "0.47"),
        ("0.47 USD", "0.47"),
        ("0.470000", "0.47"),
        (".47", "0.47"),
        ("0,47", "0.47"),
        ("0,4700", "0.47"),
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("1.234", "1.234"),
        ("12", "12"),
        ("-0.47", "-0.47"),
        ("-$0.47", "-0.47"),
        ("($0.47)", "-0.47"),
        ("\u22120.47", "-0.47"),
        ("1\u00a0234,50", "1234.50"),
    ],
)
def test_amounts_in_the_usual_notations_are_read(text: str, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,234", "`1,234` can be 1234 or 1.234: write it with a dot"),
        ("€0.47", "`€0.47` is not an amount of US dollars"),
        ("free", "`free` is not an amount"),
        ("1e3", "is not an amount"),
        ("NaN", "is not an amount"),
        ("0.47.1", "is not an amount"),
        ("1,23,4", "is not an amount"),
        ("٠.٤٧", "is not an amount"),
        ("\x1b[31m" + "9" * 99, r"`\x1b[31m"),
    ],
)
def test_an_amount_that_is_none_or_could_be_two_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadRow) as refused:
        parse_amount(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"id,amount\ngen_1,0.47\ngen_2,0.94\n",
        b"\xef\xbb\xbfid,amount\r\ngen_1,0.47\r\ngen_2,0.94\r\n",
        b"sep=;\r\nGeneration;When;Cost\r\ngen_1;x;0,47\r\ngen_2;x;0,94\r\n",
        b"Price\tgeneration_id\tid\n$0.47\tgen_1\t1\n$0.94\tgen_2\t2\n",
        b'"Amount","Generation ID"\n"0,47","gen_1"\n\n,\n"0.94",gen_2',
        "id,amount\ngen_1,0.47\ngen_2,0.94\n".encode("utf-16"),
        b'id;note;usd\ngen_1;"a, b; c\nd";0,47\ngen_2;;0,94;;\n',
        b"\n\nid|amount\ngen_1|0.47\ngen_2|0.94\n",
    ],
)
def test_files_of_other_shapes_give_the_same_bill(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "bill.csv"
    file.write_bytes(content)

    bill = read_bill(file)

    assert {name: item.amount for name, item in bill.items.items()} == {
        "gen_1": Decimal("0.47"),
        "gen_2": Decimal("0.94"),
    }


def test_lines_of_one_generation_are_summed_and_those_without_one_kept(tmp_path: Path) -> None:
    file = tmp_path / "bill.csv"
    file.write_text('id,note,amount\ngen_1,"two\nlines",0.47\ngen_1,refund,-0.47\n,total,0.00\n')

    bill = read_bill(file)

    assert (bill.items["gen_1"].amount, bill.items["gen_1"].lines) == (0, [2, 4])
    assert bill.without_id == {5: 0}


def test_columns_are_named_by_the_user_where_their_names_are_unusual(tmp_path: Path) -> None:
    file = tmp_path / "bill.csv"
    file.write_text("Vorgang;Betrag;id\ngen_1;0,47;7\n", encoding="utf-8")

    bill = read_bill(file, "vorgang", "Betrag")

    assert list(bill.items) == ["gen_1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b\n1,2\n", "generation, id), or two. Its columns are `a`, `b`. Name one with --id-column."),
        (b"id,b\n1,2\n", "has no column of amounts (amount, cost, price, usd"),
        (b"id,id,amount\n1,2,3\n", "has no column of generation ids"),
        (b"id,amount\ngen_1,0,47\n", "line 2: it has 3 columns, the header has 2 (an amount with a comma must be in quotes)"),
        (b"id,amount\ngen_1\n", "line 2: it has 1 columns"),
        (b"id,amount\ngen_1,\n", "line 2: it has no amount"),
        (b"id,amount\ngen_1,0.47\n\ngen_2,free\n", "line 4: `free` is not an amount of US dollars"),
        (b"id,amount\n" + b"gen,x\n" * 30, "and 20 more"),
        (b"id,amount\ngen_\xff,0.47\n", "is not UTF-8: byte 0xff"),
        (b"id,amount\n" + b"x" * 200_000 + b",1\n", "line 2: field larger than field limit"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_where_and_why(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bill.csv"
    file.write_bytes(content)

    with pytest.raises(CommandError) as refused:
        read_bill(file)

    assert message in str(refused.value)
    assert refused.value.exit_status == 2


def test_a_device_without_an_end_is_refused() -> None:
    with pytest.raises(CommandError, match=r"/dev/zero is a device\. Name a CSV file"):
        read_bill(Path("/dev/zero"))
