"""Decisions on the page: each is about the job and the price that its dialog showed, and is made once."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.adapters.queues import JobQueue
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.prices import DOCUMENTED
from dropreel.use_cases.publish_events import Publisher
from dropreel_cli.stack import Stack
from tests.support.command_stack import CommandStack, command_stack
from tests.support.sample_jobs import IMAGE, OPTIONS, job_with
from tests.unit.web.conftest import Board

RAISED = DOCUMENTED.text.replace("fast-5=0.47", "fast-5=0.90")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    with command_stack(monkeypatch, MaxAttempts="2") as found:
        yield found


@pytest.fixture
def board(made: CommandStack, board_of: Callable[[Any], Board]) -> Board:
    made.stack.outputs["EventBusName"] = "default"
    return board_of(made.stack)


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what changes the stack's parameters: they are read with `Stack.renewed`."""

    def set_parameters(**values: str) -> None:
        monkeypatch.setattr(Stack, "renewed", lambda self: replace(self, parameters={**self.parameters, **values}))

    return set_parameters


def unknown_job(attempt: int = 1) -> Job:
    return job_with(
        status=JobStatus.UNKNOWN,
        image=IMAGE._replace(key="a.jpg"),
        options=OPTIONS,
        charge=Charge.UNKNOWN,
        attempt=attempt,
        cost_cents=47,
    )


def dialog_of(board: Board, job: Job, verb: str) -> dict[str, str]:
    """Return what the dialog of a decision sends."""
    text = board.client.get(f"/jobs/{job.job_id}/actions/{verb}").text
    shown = dict(re.findall(r'data-(attempt|cents)="([^"]*)"', text))
    return {**shown, **({"may_pay_twice": "yes"} if verb == "resubmit" else {})}


def decide(board: Board, job: Job, verb: str, answers: dict[str, str]) -> Any:
    return board.client.post(f"/jobs/{job.job_id}/actions/{verb}", json=answers)


def job_now(board: Board, job: Job) -> Job:
    found = board.site.operations.jobs.get(job.job_id)
    assert found is not None
    return found


def test_a_resubmission_is_made_once_by_two_pages_that_show_the_same_dialog(board: Board, made: CommandStack) -> None:
    job = unknown_job()
    made.put(job)
    answers = dialog_of(board, job, "resubmit")

    first, second = (decide(board, job, "resubmit", answers) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)  # a copy of the same message: it is claimed once
    assert job_now(board, job).attempt == 2


@pytest.mark.parametrize("verb", ["resubmit", "abandon"])
def test_a_decision_that_a_fault_cut_short_is_completed_by_the_same_dialog(
    board: Board, made: CommandStack, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = unknown_job()
    made.put(job)
    answers = dialog_of(board, job, verb)
    fault: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}}

    def fail(*_: Any) -> None:
        raise ClientError(fault, "SendMessage")

    with monkeypatch.context() as broken:
        broken.setattr(JobQueue, "send", fail)
        broken.setattr(Publisher, "publish", lambda _, job: job if job.status is JobStatus.UNKNOWN else fail())
        first = decide(board, job, verb, answers)
    changed = job_now(board, job)

    second = decide(board, job, verb, answers)

    assert (first.status_code, second.status_code) == (409, 200)
    assert job_now(board, job).attempt == changed.attempt
    assert job_now(board, job).status is changed.status is not JobStatus.UNKNOWN


@pytest.mark.parametrize("verb", ["resubmit", "abandon"])
def test_a_dialog_left_open_does_not_decide_about_a_later_attempt(board: Board, made: CommandStack, verb: str) -> None:
    job = unknown_job()
    made.put(job)
    answers = dialog_of(board, job, verb)
    made.put(unknown_job(attempt=2))  # another page submitted it again, and that is unknown, too

    answer = decide(board, job, verb, answers)

    assert answer.status_code == 409
    assert "Nothing was done" in answer.json()["error"]
    assert (job_now(board, job).status, job_now(board, job).attempt) == (JobStatus.UNKNOWN, 2)


def test_a_resubmission_at_another_price_than_shown_is_refused(
    board: Board, made: CommandStack, change: Callable[..., None]
) -> None:
    job = unknown_job()
    made.put(job)
    answers = dialog_of(board, job, "resubmit")
    change(PricesUsd=RAISED)

    answer = decide(board, job, "resubmit", answers)

    assert answer.status_code == 409
    assert "price" in answer.json()["error"]
    assert job_now(board, job).attempt == 1


@pytest.mark.parametrize("left_out", ["attempt", "cents", "may_pay_twice"])
def test_a_resubmission_without_what_its_dialog_sends_is_refused(
    board: Board, made: CommandStack, left_out: str
) -> None:
    job = unknown_job()
    made.put(job)
    answers = dialog_of(board, job, "resubmit")
    del answers[left_out]

    answer = decide(board, job, "resubmit", answers)

    assert answer.status_code == 409
    assert job_now(board, job).attempt == 1


def test_a_dialog_shows_the_price_and_the_limit_as_they_are_now(
    board: Board, made: CommandStack, change: Callable[..., None]
) -> None:
    job = unknown_job()
    made.put(job)
    change(PricesUsd=RAISED, DailySpendLimitUsd="7")

    text = board.client.get(f"/jobs/{job.job_id}/actions/resubmit").text

    assert "Resubmit for up to $0.90" in text
    assert "$0.00 of $7.00" in text


def test_an_end_of_the_rehearsal_is_shown_without_a_restart(
    made: CommandStack, board_of: Callable[[Any], Board], change: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropreel_cli.web.feed._PARAMETERS_SECONDS", 0.0)
    made.stack.parameters["Rehearsal"] = "true"
    board = board_of(made.stack)
    assert "nothing is paid" in board.client.get("/").text
    change(Rehearsal="false", DailySpendLimitUsd="7")

    board.feed.look()

    text = board.client.get("/").text
    assert "nothing is paid" not in text
    assert "of $7.00" in text


class Switch:
    """The queue's event source mapping."""

    def __init__(self) -> None:
        self.switched: list[bool] = []

    def switch(self, enabled: bool) -> None:
        self.switched.append(enabled)


@pytest.fixture
def switch(board: Board) -> Switch:
    made = Switch()
    vars(board.site)["submissions"] = made
    return made


def test_submissions_start_again_only_after_what_waits_was_shown(
    board: Board, made: CommandStack, switch: Switch
) -> None:
    made.stack.client("sqs").send_message(QueueUrl=made.stack.outputs["QueueUrl"], MessageBody="{}")

    refused = board.client.post("/submissions/unpause", json={})
    question = board.client.get("/submissions/unpause").text
    done = board.client.post("/submissions/unpause", json={"confirmed": "yes"})

    assert (refused.status_code, done.status_code) == (409, 200)
    assert "One image waits in the queue, to be submitted and paid within the day&#39;s limit of $50." in question
    assert switch.switched == [True]


def test_a_pause_needs_no_question(board: Board, switch: Switch) -> None:
    answer = board.client.post("/submissions/pause", json={})

    assert answer.json() == {"message": "PAUSED: no new submission starts."}
    assert switch.switched == [False]
