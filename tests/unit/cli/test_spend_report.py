"""`dropreel spend` on tables in moto: sums, differences, CSV, and the comparison with a bill."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.prices import PRICE_CENTS
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.spend_report import CSV_COLUMNS, bar
from tests.support.command_documents import validate_document
from tests.support.command_stack import CommandStack, command_stack, run
from tests.support.sample_jobs import IMAGE, OPTIONS, job_with

NOON = datetime(2026, 11, 12, 12, tzinfo=UTC)
PERIOD = ("--days", "3", "--until", "2026-11-12")
UNKNOWN = Reason(ReasonCode.SUBMISSION_UNKNOWN, "no answer")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    with command_stack(monkeypatch) as made:
        yield made


def job(number: int, key: str = "shop/a.jpg", mode: str = "fast", **changes: Any) -> Job:
    options, image = OPTIONS._replace(mode=mode), IMAGE._replace(key=key)
    cents = PRICE_CENTS[mode, 5]
    return job_with(job_id=f"{number:024x}", options=options, image=image, cost_cents=cents, created_at=NOON, **changes)


@pytest.fixture
def filled(stack: CommandStack) -> CommandStack:
    """Three days: the first and the last with submissions of each kind, and their reservations."""
    jobs = [job(1), job(2, "shop/b.jpg", "hq"), job(3, "c.jpg"), job(4, "=cmd|' /C calc'!A1/d\n.jpg"), job(5)]
    stack.put(*jobs)
    first = NOON - timedelta(days=2)
    failed = Reason(ReasonCode.GENERATION_FAILED, "no")
    stack.put_submission(jobs[0], first, status=JobStatus.FAILED, generation_id="g1", reason=failed)
    stack.put_submission(jobs[0], NOON, attempt=2, generation_id="g2")
    stack.put_submission(jobs[1], NOON, generation_id="g3")
    stack.put_submission(jobs[2], NOON, Charge.UNKNOWN, status=JobStatus.UNKNOWN, reason=UNKNOWN)
    stack.put_submission(jobs[3], NOON, generation_id="-g4")
    stack.put_submission(jobs[4], NOON, Charge.NONE, status=JobStatus.DEFERRED)
    stack.reserve("2026-11-10", 47)
    stack.reserve("2026-11-12", 47 + 94 + 47 + 47)
    return stack


def spent(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    assert run("spend", *PERIOD, *arguments, "--json") == status
    document = json.loads(capsys.readouterr().out)
    validate_document(document, "spend")
    return document


def test_days_folders_and_modes_are_summed(filled: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    document = spent(capsys)

    assert [(day["day"], day["charged_usd"], day["unknown_usd"], day["reserved_usd"]) for day in document["days"]] == [
        ("2026-11-10", 0.47, 0, 0.47),
        ("2026-11-11", 0, 0, 0),
        ("2026-11-12", 1.88, 0.47, 2.35),
    ]
    assert document["total"] == {
        "charged_usd": 2.35, "unknown_usd": 0.47, "charged": 4, "unknown": 1, "released": 1, "reserved_usd": 2.82,
        "difference_usd": 0,
    }  # fmt: skip
    assert [(each["folder"], each["charged_usd"], each["unknown_usd"]) for each in document["folders"]] == [
        ("shop/", 1.88, 0),
        ("/", 0, 0.47),
        ("=cmd|' /C calc'!A1/", 0.47, 0),
    ]
    assert [(each["mode"], each["charged_usd"]) for each in document["modes"]] == [("fast 5 s", 1.41), ("hq 5 s", 0.94)]
    assert [(each["job_id"][-1], each["charge"]) for each in document["without_video"]] == [
        ("1", "charged"),
        ("3", "unknown"),
    ]


def test_the_tables_have_the_cap_and_a_bar_of_each_day(
    filled: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    filled.stack.parameters["DailySpendLimitUsd"] = "4.70"

    assert run("spend", *PERIOD) == 0

    text = capsys.readouterr().out
    assert "2026-11-12    $1.88   $0.47?     $2.35  ████████████▒▒▒···············" in text
    assert "2026-11-11    $0.00        -     $0.00  ······························" in text
    assert "total         $2.35   $0.47?     $2.82" in text
    assert "The cap is $4.70 a day now.\nNot charged, and released: 1 submission.\n" in text
    assert "Paid without a video: 2 submissions, $0.47 charged, $0.47 unknown" in text
    assert "2026-11-12 $0.47 may have been charged: submission_unknown; job 000000000000000000000003 c.jpg" in text
    assert "difference" not in text


def test_many_empty_days_before_the_first_charge_are_one_line(
    filled: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("spend", "--days", "30", "--until", "2026-11-12") == 0

    text = capsys.readouterr().out
    assert "Nothing on the 27 days before 2026-11-10." in text
    assert "2026-11-09  " not in text
    assert "2026-11-11    $0.00        -     $0.00  ······························" in text


@pytest.mark.parametrize(("by", "heading"), [("day", "DAY (UTC)"), ("folder", "FOLDER"), ("mode", "MODE")])
def test_one_table_is_printed_alone(
    by: str, heading: str, filled: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("spend", *PERIOD, "--by", by) == 0

    text = capsys.readouterr().out
    assert [each for each in ("DAY (UTC)", "FOLDER", "MODE") if each in text] == [heading]
    assert "Paid without" not in text


def test_a_difference_from_the_spend_table_is_shown(filled: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    filled.reserve("2026-11-12", 141)

    assert spent(capsys)["days"][2]["difference_usd"] == -0.94
    assert run("spend", *PERIOD) == 0

    text = capsys.readouterr().out
    assert "2026-11-12: the spend table has $1.41 and the submissions have $2.35, a difference of -$0.94." in text


def test_an_empty_stack_has_spent_nothing(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.stack.parameters["DailySpendLimitUsd"] = "unlimited"

    assert run("spend", "--days", "2", "--until", "2026-11-12") == 0

    text = capsys.readouterr().out
    assert "Nothing was charged from 2026-11-11 to 2026-11-12 (UTC)." in text
    assert "No cap." in text


def test_csv_has_a_line_for_each_submission_and_no_formula(
    filled: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("spend", *PERIOD, "--csv") == 0

    text = capsys.readouterr().out
    assert len(text.splitlines()) == 1 + 6
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == CSV_COLUMNS
    hostile = next(row for row in rows if row["job_id"].endswith("4"))
    assert hostile["generation_id"] == "'-g4"
    assert hostile["image_key"] == r"'=cmd|' /C calc'!A1/d\n.jpg"
    assert hostile["folder"] == "'=cmd|' /C calc'!A1/"
    assert sorted(row["cost_usd"] for row in rows) == ["0.47"] * 5 + ["0.94"]
    assert [row["charge"] for row in rows].count("none") == 1


def bill(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "bill.csv"
    file.write_text("\n".join(("id,amount", *lines)), encoding="utf-8")
    return str(file)


def test_a_bill_that_agrees_ends_with_0(
    filled: CommandStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = job(6)
    filled.put(earlier)
    filled.put_submission(earlier, NOON - timedelta(days=40), generation_id="g0")
    path = bill(tmp_path, "g0,0.47", "g1,$0.47", "g2,0.470", "g3,0.94", '-g4,"0,47"')

    document = spent(capsys, "--against", path)["bill"]

    assert document["is_equal"]
    assert document["equal"] == {"count": 5, "usd": 2.82}
    assert [each["job_id"][-1] for each in document["unknown"]] == ["3"]
    assert run("spend", *PERIOD, "--against", path) == 0
    assert "The bill and the jobs agree." in capsys.readouterr().out


def test_each_kind_of_difference_is_listed_and_ends_with_1(
    filled: CommandStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bill(tmp_path, "g1,0.47", "g2,0.47", "g2,0.47", "lost\x1b[31m,0.475", ",9.99", f"{'x' * 3000},1")

    document = spent(capsys, "--against", path, status=1)["bill"]

    assert not document["is_equal"]
    assert (document["billed_usd"], document["charged_usd"]) == (12.875, 2.35)
    assert [(each["generation_id"], each["billed_usd"], each["lines"]) for each in document["differing"]] == [
        ("g2", 0.94, [3, 4])
    ]
    assert [each["generation_id"][:4] for each in document["only_on_bill"]] == ["lost", "xxxx"]
    assert [each["generation_id"] for each in document["only_here"]] == ["g3", "-g4"]
    assert document["without_id"] == [{"line": 6, "billed_usd": 9.99}]

    assert run("spend", *PERIOD, "--against", path) == 1
    text = capsys.readouterr().out
    for line in (
        "On the bill: $12.875. Charged by shop, 2026-11-10 to 2026-11-12 (UTC): $2.35.",
        "On both and equal: 1 generations, $0.47.",
        "  g2: $0.94 on the bill (lines 3, 4), $0.47 here, job 000000000000000000000001",
        "perhaps an unknown job's: dropreel adopt JOB GENERATION_ID (2):",
        r"  lost\x1b[31m: $0.475 (line 5)",
        "Only here: charged, and not on the bill (2):",
        "May have been charged, without a generation id to compare (1):",
        "  line 6: $9.99",
        "The bill and the jobs differ.",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--csv", "--json"], "--csv prints every submission: it goes with neither --json nor --against nor --by."),
        (["--csv", "--by", "day"], "it goes with neither"),
        (["--id-column", "x"], "are the bill's: name it with --against."),
        (["--against", "nothing.csv"], "File 'nothing.csv' does not exist."),
        (["--against", "."], "is a directory"),
        (["--days", "0"], "0 is not in the range"),
        (["--by", "week"], "'week' is not one of 'day', 'folder', 'mode'"),
        (["--until", "soon"], "'soon' is not a span"),
    ],
)
def test_a_wrong_call_says_what_is_allowed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("spend", *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err + printed.out


def test_hundreds_of_submissions_of_a_job_are_summed_exactly(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    made = job(1)
    stack.put(made)
    for number in range(600):
        stack.put_submission(made, NOON - timedelta(days=number % 3), attempt=number % 90 + 1, requeues=number)
    for day, cents in (("2026-11-12", 200), ("2026-11-11", 200), ("2026-11-10", 200)):
        stack.reserve(day, cents * 47)

    total = spent(capsys)["total"]

    assert (total["charged"], total["charged_usd"], total["difference_usd"]) == (600, 282.0, 0)


def test_a_bar_is_full_where_more_than_the_whole_was_spent() -> None:
    assert bar(470, 0, 100, 10).plain == "█" * 10
    assert bar(0, 1, 100, 10).plain == "▒·········"
    assert bar(0, 0, 0, 10).plain == ""
