"""`dropreel jobs` on tables in moto: what is listed, in which order, and how it is printed."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from dropreel.domain.job import Charge, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.commands.jobs import STATUSES
from dropreel_cli.job_tables import Cell, plain_table
from tests.support.command_documents import validate_document
from tests.support.command_stack import CommandStack, command_stack, run
from tests.support.sample_jobs import IMAGE, VIDEO, job_with

NOW = datetime.now(UTC)
HELD = Reason(ReasonCode.DAILY_LIMIT, "the day's limit is reached")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    with command_stack(monkeypatch) as made:
        yield made


@pytest.fixture(autouse=True)
def _now() -> None:
    """The time of each test: ages are counted from it."""
    globals()["NOW"] = datetime.now(UTC)


def job(number: int, age: timedelta, status: JobStatus = JobStatus.COMPLETED, **changes: Any) -> Any:
    changes.setdefault("image", IMAGE._replace(key=f"folder/{number}.jpg"))
    return job_with(job_id=f"{number:024x}", status=status, created_at=NOW - age, updated_at=NOW, **changes)


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run("jobs", *arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    validate_document(document, "jobs")
    return document


def ids(document: Any) -> list[int]:
    return [int(one["job_id"], 16) for one in document["jobs"]]


def test_the_options_statuses_are_those_of_the_jobs() -> None:
    assert list(map(str, JobStatus)) == list(STATUSES)


def test_the_newest_come_first_and_those_of_the_last_week_only(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.put(*(job(days, timedelta(days=days, minutes=1)) for days in range(10)))

    assert ids(listed(capsys)) == [0, 1, 2, 3, 4, 5, 6]
    assert ids(listed(capsys, "--since", "30d")) == list(range(10))
    assert ids(listed(capsys, "--since", "30d", "--until", "5d")) == [5, 6, 7, 8, 9]


def test_hundreds_of_jobs_are_paged_without_a_gap_or_a_repetition(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.put(*(job(number, timedelta(minutes=10 * number)) for number in range(260)))

    found: list[int] = []
    until: list[str] = []
    while True:
        page = listed(capsys, "--since", "4d", "--limit", "120", *until)
        found += ids(page)
        if page["older"] is None:
            break
        until = ["--until", page["older"]]

    assert found == list(range(260))


def test_more_jobs_than_the_limit_are_announced_with_commands_to_paste(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.put(*(job(number, timedelta(minutes=number)) for number in range(5)))

    assert run("jobs", "--limit", "2", "--key-prefix", "folder/", "--status", "completed") == 0

    printed = capsys.readouterr().out
    assert "2 jobs: 2 completed." in printed
    older = (NOW - timedelta(minutes=2)).isoformat()
    command = "dropreel jobs --status completed --key-prefix folder/"
    assert f"There are more. The next ones: {command} --until {older}" in printed
    assert f"More at once: {command} --limit 20" in printed


def test_jobs_that_wait_are_found_whatever_their_age(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    old = timedelta(days=90)
    letter = Reason(ReasonCode.DEAD_LETTER, "received five times")
    stack.put(
        job(1, old, JobStatus.HELD, reason=HELD),
        job(2, timedelta(0), JobStatus.HELD, reason=HELD),
        job(3, old, JobStatus.DEFERRED, reason=letter),
        job(4, old, JobStatus.PREPARING, reason=letter),
        job(5, old, JobStatus.FAILED),
        job(6, timedelta(hours=1), JobStatus.FAILED),
    )

    assert ids(listed(capsys, "--status", "held")) == [2, 1]
    assert ids(listed(capsys, "--status", "held", "--since", "7d")) == [2]
    assert ids(listed(capsys, "--status", "deferred")) == [3]
    assert ids(listed(capsys, "--status", "preparing")) == [4]
    assert ids(listed(capsys, "--status", "held", "--status", "failed")) == [2, 6, 1]
    assert listed(capsys)["waiting_before"] == {"deferred": 2, "held": 1}


def test_older_jobs_that_wait_are_announced(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.put(job(1, timedelta(days=90), JobStatus.HELD, reason=HELD))

    assert run("jobs") == 0

    printed = capsys.readouterr().out
    assert "No job matches since" in printed
    assert "still waiting: 1 held. Show them: dropreel jobs --status held" in printed


def test_a_key_prefix_finds_both_spellings_of_a_letter(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.put(
        job(1, timedelta(0), image=IMAGE._replace(key="caf\u00e9/1.jpg")),
        job(2, timedelta(1), image=IMAGE._replace(key="cafe\u0301/2.jpg")),
        job(3, timedelta(2), image=IMAGE._replace(key="cafe/3.jpg")),
    )

    assert ids(listed(capsys, "--key-prefix", "caf\u00e9/")) == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--status", "done"], "'done' is not one of 'deferred', 'preparing', 'held', 'submitting', 'generating'"),
        (["--since", "yesterday"], "'yesterday' is not a span such as 30m, 12h, 7d or 2w"),
        (["--limit", "0"], "0 is not in the range 1<=x<=1000000"),
        (["more"], "Got unexpected extra argument (more)"),
        (["--local", "--stack", "shop"], "--local is the local cloud's one stack"),
    ],
)
def test_a_wrong_call_says_what_is_allowed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("jobs", *arguments) == 2
    assert message in capsys.readouterr().err


HOSTILE = [
    "\x1b[2J\x1b[31mred.jpg",
    "\x9b31mred.jpg",
    "two\nlines\r\t.jpg",
    "\u202egpj.exe",
    "[red]not markup[/red].jpg",
    "[link=https://example.com]x[/link].jpg",
    "\N{FAMILY}\N{PARTY POPPER}" * 20 + ".jpg",
    "long/" + "x" * 890 + ".jpg",
    "\u2028\ufeff\x00\x7f.jpg",
    "写真" * 60 + ".jpg",
]


@pytest.mark.parametrize("columns", [None, 40, 80, 200])
def test_no_name_breaks_the_table(
    columns: int | None,
    stack: CommandStack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    jobs = [
        job(number, timedelta(minutes=number), JobStatus.FAILED, image=IMAGE._replace(key=key), charge=Charge.CHARGED,
            reason=Reason(ReasonCode.GENERATION_FAILED, f"the provider says: {key}"))
        for number, key in enumerate(HOSTILE)
    ]  # fmt: skip
    stack.put(*jobs)
    if columns is not None:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")

    assert run("jobs") == 0

    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).split("\n")
    table = lines[: len(HOSTILE) + 1]
    assert [line.split()[0][:8] for line in table] == ["JOB", *(one.job_id[:8] for one in jobs)]
    assert lines[len(HOSTILE) + 1 :] == [f"{len(HOSTILE)} jobs: {len(HOSTILE)} failed.", ""]
    assert all(line.isprintable() for line in lines)
    if columns is None:
        assert "[red]not markup[/red].jpg" in table[5]
        assert r"\x1b[2J\x1b[31mred.jpg" in table[1]
        assert r"\u202egpj.exe" in table[4]
        assert "x" * 890 in table[8]
        assert not any(line.endswith(" ") for line in lines)
    else:
        assert max(map(cell_len, table)) <= columns


def test_charges_reasons_and_videos_are_in_the_table(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = Reason(ReasonCode.SUBMISSION_UNKNOWN, "no answer")
    stack.put(
        job(1, timedelta(minutes=1), charge=Charge.CHARGED, video=VIDEO),
        job(2, timedelta(minutes=2), JobStatus.UNKNOWN, charge=Charge.UNKNOWN, reason=unknown),
        job(3, timedelta(minutes=3), JobStatus.FAILED, charge=Charge.CHARGED, attempt=2),
        job(4, timedelta(minutes=4), JobStatus.HELD, reason=HELD),
        job(5, timedelta(hours=5), polls=7, provider_status="processing", status=JobStatus.GENERATING),
    )

    assert run("jobs") == 0

    rows = [line.split()[1:] for line in capsys.readouterr().out.splitlines()]
    assert rows[1] == ["1m", "completed", "folder/1.jpg", "1", "$0.47", "$0.47", "s3://videos/holiday/beach-gen_1.mp4"]
    assert rows[2][5:] == ["$0.47?", "submission_unknown:", "no", "answer"]
    assert rows[3][3:] == ["2", "$0.47", "≤$0.94"]
    assert rows[4][1:6] == ["held", "folder/4.jpg", "1", "$0.47", "-"]
    assert rows[5] == ["5h", "generating", "folder/5.jpg", "1", "$0.47", "-", "processing,", "7", "polls"]


@pytest.mark.parametrize(("keeps_end", "shown"), [(True, "s3://a…st.mp4"), (False, "s3://a-lon…")])
def test_a_long_text_loses_its_middle_or_its_end(keeps_end: bool, shown: str) -> None:
    table = plain_table("A")
    table.add_row(Cell("s3://a-long-name/last.mp4", keeps_end=keeps_end))
    console = Console(width=len(shown))

    with console.capture() as captured:
        console.print(table)

    assert captured.get().splitlines()[1].rstrip() == shown
