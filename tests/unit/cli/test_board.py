"""The board of `dropreel watch`: what each look reads, and how it fits a terminal."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from rich.cells import cell_len
from rich.console import Console

from dropreel.domain.job import Charge, EventType, Job, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import SpendLimit
from dropreel_cli.board import Board, BoardReader
from dropreel_cli.board_view import BoardView, rows_that_fit
from dropreel_cli.submissions import Submissions
from tests.support.command_documents import validate_document
from tests.support.command_stack import CommandStack, command_stack, run
from tests.support.sample_jobs import IMAGE, VIDEO, job_with

NOW = datetime.now(UTC)
LETTER = Reason(ReasonCode.DEAD_LETTER, "received five times")
FAILED = Reason(ReasonCode.GENERATION_FAILED, "no")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    with command_stack(monkeypatch) as made:
        yield made


def job(number: int, status: JobStatus = JobStatus.GENERATING, age: float = 0, **changes: Any) -> Job:
    """Return a job that was created `age` hours ago and ended now."""
    image = IMAGE._replace(key=f"{number}.jpg")
    times = {"created_at": NOW - timedelta(hours=age), "updated_at": NOW, "submitted_at": NOW}
    return job_with(job_id=f"{number:024x}", status=status, **{"image": image, **times, **changes})


def reader(stack: CommandStack) -> BoardReader:
    return BoardReader(stack.stack, NOW - timedelta(days=1))


def numbers(jobs: list[Job]) -> list[int]:
    return [int(each.job_id, 16) for each in jobs]


def test_a_look_finds_jobs_in_work_of_any_age_and_those_that_ended(stack: CommandStack) -> None:
    stack.put(
        job(1),
        job(2, JobStatus.HELD, age=24 * 60),
        job(3, JobStatus.DEFERRED, age=24 * 60, reason=LETTER),
        job(4, JobStatus.COMPLETED, age=1, video=VIDEO, updated_at=NOW - timedelta(hours=1)),
        job(5, JobStatus.FAILED, age=2, reason=FAILED),
        job(6, JobStatus.FAILED, age=30, updated_at=NOW - timedelta(hours=29)),
        job(7, JobStatus.UNKNOWN, age=24 * 60, pending_events=frozenset({EventType.UNKNOWN})),
    )
    stack.reserve(datetime.now(UTC).date().isoformat(), 4700)
    stack.stack.client("sqs").send_message(QueueUrl=stack.stack.outputs["DeadLetterQueueUrl"], MessageBody="x")

    board = reader(stack).look()

    assert numbers(board.in_work) == [1, 3, 2]
    assert sorted(numbers(board.ended)) == [4, 5, 7]
    assert board.counts == {
        JobStatus.DEFERRED: 1, JobStatus.HELD: 1, JobStatus.GENERATING: 1,
        JobStatus.COMPLETED: 1, JobStatus.FAILED: 1, JobStatus.UNKNOWN: 1,
    }  # fmt: skip
    assert board.reserved_cents == 4700
    assert board.queues == {"queue": (0, 0), "dead letters": (1, 0)}
    assert board.faults == []
    assert board.paused is None


def test_later_looks_see_new_ended_and_resumed_jobs(stack: CommandStack) -> None:
    looks = reader(stack)
    stack.put(job(1, age=50), job(2, JobStatus.FAILED, age=1))
    looks.look()

    stack.put(job(1, JobStatus.COMPLETED, age=50, video=VIDEO), job(2, age=1, resumes=1), job(3, JobStatus.REJECTED))
    board = looks.look()

    assert numbers(board.in_work) == [2]
    assert sorted(numbers(board.ended)) == [1, 3]


def test_a_look_makes_few_calls_and_no_scan(stack: CommandStack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.put(*(job(number, JobStatus.COMPLETED) for number in range(150)))
    looks = reader(stack)
    looks.look()
    calls: list[str] = []
    looks.lists.client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))

    looks.look()

    assert set(calls) <= {"Query", "BatchGetItem", "GetItem"}
    assert len(calls) <= 7 + 2 + 1 + 1  # what they wait for, today and an hour ago, the jobs, the day's spending


def test_a_fault_of_aws_is_shown_and_the_next_look_tries_again(stack: CommandStack) -> None:
    stack.put(job(1))
    looks = reader(stack)
    looks.look()
    right, looks.lists = looks.lists, replace(looks.lists, table="gone")
    stack.stack.outputs["SpendTableName"] = "gone"

    board = looks.look()
    assert [fault.partition(":")[0] for fault in board.faults] == ["jobs", "spending"]
    assert numbers(board.in_work) == [1]

    looks.lists = right
    stack.stack.outputs["SpendTableName"] = "spend"
    assert looks.look().faults == []


def test_the_paused_state_is_read_where_the_credentials_allow_it(
    stack: CommandStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = stack.stack.client("lambda")
    monkeypatch.setattr(client, "get_event_source_mapping", lambda **_: {"State": "Disabled"})
    monkeypatch.setattr(Submissions, "of", lambda *_: Submissions(client, "id"))

    assert reader(stack).look().paused is True


def board_of(in_work: int, ended: int, **changes: Any) -> Board:
    made = Board(NOW, "shop", SpendLimit(5000), reserved_cents=4000, queues={"queue": (3, 1), "dead letters": (2, 0)})
    made.in_work = [job(number, polls=3, provider_status="processing") for number in range(in_work)]
    made.ended = [
        job(number, JobStatus.FAILED, charge=Charge.CHARGED, reason=Reason(ReasonCode.GENERATION_FAILED, "no " * 99))
        for number in range(1000, 1000 + ended)
    ]
    made.waiting = {JobStatus.GENERATING: in_work} if in_work else {}
    return replace(made, **changes)


def drawn(board: Board, width: int, height: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, record=True, force_terminal=True)
    console.print(BoardView(board, hint="Ctrl-C ends"), height=height)
    return console.export_text().rstrip("\n").split("\n")


@pytest.mark.parametrize("size", [(80, 24), (40, 24), (200, 60), (80, 8), (20, 5), (80, 1)])
@pytest.mark.parametrize("jobs", [(0, 0), (3, 3), (500, 1000), (0, 100), (100, 0)])
def test_the_board_fits_the_terminal(size: tuple[int, int], jobs: tuple[int, int]) -> None:
    lines = drawn(board_of(*jobs, paused=True, faults=["jobs: \x1b[2Jno network"]), *size)

    assert len(lines) <= size[1]
    assert max(map(cell_len, lines)) <= size[0]
    assert all(line.isprintable() for line in lines)


def test_the_board_of_80_columns_and_24_lines_has_all_that_matters() -> None:
    lines = drawn(board_of(30, 30, paused=True), 80, 24)
    text = "\n".join(lines)

    assert lines[0].rstrip() == f"shop   {NOW:%H:%M:%S} UTC   Ctrl-C ends"
    assert lines[1].startswith("PAUSED: no submission starts until `dropreel unpause`.")
    assert "30 generating   30 failed" in lines[2]
    assert "today $40.00 of $50.00  " + "█" * 32 + "·" * 8 in lines[3]
    assert "queue 3 and 1 in work   dead letters 2" in lines[4]
    assert "In work (9 of 30)" in text
    assert "Last ended (4 of 30)" in text
    assert "processing, 3 polls" in text
    assert "generation_" in text
    assert len(lines) == 24


def test_the_lines_are_shared_between_both_tables() -> None:
    assert rows_that_fit(18, 30, 30) == (8, 4)
    assert rows_that_fit(18, 2, 30) == (2, 10)
    assert rows_that_fit(18, 30, 1) == (11, 1)
    assert rows_that_fit(18, 5, 0) == (5, None)
    assert rows_that_fit(4, 5, 5) == (1, None)
    assert rows_that_fit(2, 5, 5) == (None, None)


def stop_after(monkeypatch: pytest.MonkeyPatch, *changes: Callable[[], None]) -> None:
    """Make one change before each look but the first, then press Ctrl-C."""
    left = iter(changes)

    def sleep(_seconds: float) -> None:
        change = next(left, None)
        if change is None:
            raise KeyboardInterrupt
        change()

    monkeypatch.setattr("dropreel_cli.watching.time.sleep", sleep)


def test_without_a_terminal_each_change_of_a_job_is_a_line(
    stack: CommandStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.put(job(1), job(2, JobStatus.COMPLETED, video=VIDEO))
    hostile = IMAGE._replace(key="\x1b[2J\n.jpg")
    stop_after(
        monkeypatch,
        lambda: stack.put(job(1, polls=5)),
        lambda: stack.put(job(1, JobStatus.FAILED, charge=Charge.CHARGED, reason=FAILED), job(3, image=hostile)),
    )

    assert run("watch") == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1:] for line in lines] == [
        [f"{1:024x}", "generating", "1.jpg"],
        [f"{3:024x}", "generating", r"\x1b[2J\n.jpg"],
        [f"{1:024x}", "failed", "1.jpg", "$0.47", "generation_failed: no"],
    ]


def test_with_json_each_change_is_a_document_on_one_line(
    stack: CommandStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.put(job(1))
    today = datetime.now(UTC).date().isoformat()
    stop_after(
        monkeypatch,
        lambda: stack.put(job(1, JobStatus.COMPLETED, video=VIDEO)),
        lambda: stack.reserve(today, 47),
    )

    assert run("watch", "--json") == 0

    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for document in documents:
        validate_document(document, "watch")
    assert [document["type"] for document in documents] == ["board", "stack", "job", "stack"]
    assert documents[0]["in_work"][0]["status"] == "generating"
    assert documents[2]["job"]["status"] == "completed"
    assert documents[3]["reserved_usd"] == 0.47


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_board_is_printed_once(arguments: list[str], stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.put(job(1), job(2, JobStatus.COMPLETED, video=VIDEO))

    assert run("watch", "--once", *arguments) == 0

    text = capsys.readouterr().out
    if arguments:
        validate_document(json.loads(text), "watch")
    else:
        assert "In work (1)" in text
        assert "Last ended (1)" in text


@pytest.mark.parametrize("arguments", [["--interval", "0"], ["--interval", "soon"], ["--since", "x"], ["job"]])
def test_a_wrong_call_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("watch", *arguments) == 2


def test_a_network_that_fails_is_a_fault_of_each_part(stack: CommandStack, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = reader(stack)

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.invalid")

    stack.stack.session.events.register("before-call", fail)
    looks.lists.client.meta.events.register("before-call", fail)

    board = looks.look()

    assert all("Check the region and your network connection." in fault for fault in board.faults)
    assert "jobs" in board.faults[0]
