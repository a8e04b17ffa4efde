"""When a generation was polled: read from Step Functions, each event once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dropreel_cli.stack import Stack
from dropreel_cli.web import histories
from dropreel_cli.web.histories import NOT_ALLOWED, NOT_KEPT, Histories
from tests.support.command_stack import MACHINE
from tests.support.sample_jobs import job_with

START = datetime(2026, 5, 4, 12, tzinfo=UTC)


class StepFunctions:
    """Answers GetExecutionHistory by the execution's name, the newest event first, three events a page."""

    def __init__(self) -> None:
        self.histories: dict[str, list[dict[str, Any]]] = {}
        self.error: str | None = None
        self.pages = 0

    def add(self, name: str, *kinds: str) -> None:
        events = self.histories.setdefault(name, [])
        for each in kinds:
            kind, _, state = each.partition(":")
            number = len(events) + 1
            event = {"id": number, "type": kind, "timestamp": START + timedelta(seconds=number)}
            events.append({**event, "stateEnteredEventDetails": {"name": state}} if state else event)

    def get_paginator(self, name: str) -> "StepFunctions":
        assert name == "get_execution_history"
        return self

    def paginate(self, executionArn: str, **arguments: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        assert arguments["includeExecutionData"] is False
        name = executionArn.rpartition(":")[2]
        assert executionArn == f"{MACHINE.replace(':stateMachine:', ':execution:')}:{name}"
        if self.error or name not in self.histories:
            code = self.error or "ExecutionDoesNotExist"
            raise ClientError({"Error": {"Code": code, "Message": code}}, "GetExecutionHistory")
        events = self.histories[name][::-1]
        for start in range(0, len(events), 3):
            self.pages += 1
            yield {"events": events[start : start + 3]}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> StepFunctions:
    made = StepFunctions()
    monkeypatch.setattr(Stack, "client", lambda _self, _name: made)
    monkeypatch.setattr(histories, "_KEPT_SECONDS", 0.0)
    return made


@pytest.fixture
def reader() -> Histories:
    return Histories(Stack("shop", {"StateMachineArn": MACHINE}, boto3.Session(region_name="us-east-1")))


JOB = job_with(polls=2)
POLL = ("TaskStateEntered:Check Status", "TaskScheduled", "TaskSucceeded", "TaskStateExited")


def test_each_poll_has_its_time(service: StepFunctions, reader: Histories) -> None:
    service.add(f"{JOB.job_id}-1", "ExecutionStarted", *POLL, "WaitStateEntered", *POLL)
    service.add(f"{JOB.job_id}-1", "TaskStateEntered:Deliver Video", "TaskStateExited", "ExecutionSucceeded")

    (execution,) = reader.of_job(JOB).executions

    assert execution.started_at == START + timedelta(seconds=1)
    assert execution.polls == (START + timedelta(seconds=5), START + timedelta(seconds=10))
    assert execution.delivery_began_at == START + timedelta(seconds=11)
    assert execution.ended_at == START + timedelta(seconds=13)


def test_a_run_of_a_function_that_failed_is_no_poll(service: StepFunctions, reader: Histories) -> None:
    service.add(
        f"{JOB.job_id}-1", "TaskStateEntered:Check Status", "LambdaFunctionFailed", "TaskSucceeded", "TaskStateExited"
    )

    (execution,) = reader.of_job(JOB).executions

    assert execution.failures == ((START + timedelta(seconds=2), "Check Status"),)
    assert len(execution.polls) == 1


def test_only_new_events_are_read_again_and_none_after_the_end(service: StepFunctions, reader: Histories) -> None:
    name = f"{JOB.job_id}-1"
    service.add(name, "ExecutionStarted", *POLL, *POLL)
    reader.of_job(JOB)
    service.pages = 0
    service.add(name, "ExecutionSucceeded")

    (execution,) = reader.of_job(JOB).executions

    assert (len(execution.polls), service.pages) == (2, 1)
    reader.of_job(JOB)
    assert service.pages == 1


def test_attempts_and_resumes_have_executions_of_their_own(service: StepFunctions, reader: Histories) -> None:
    job = job_with(attempt=2, resumes=1, polls=3)
    for name in ("1", "2", "2-1"):
        service.add(f"{job.job_id}-{name}", "ExecutionStarted", *POLL)

    found = reader.of_job(job).executions

    assert [(each.attempt, each.resume) for each in found] == [(1, 0), (2, 0), (2, 1)]


@pytest.mark.parametrize(
    ("error", "note"), [("AccessDeniedException", NOT_ALLOWED), (None, NOT_KEPT), ("ThrottlingException", "Throttling")]
)
def test_what_cannot_be_read_is_said(service: StepFunctions, reader: Histories, error: str | None, note: str) -> None:
    service.error = error

    found = reader.of_job(JOB)

    assert found.executions == []
    assert note in found.note


def test_of_a_job_that_was_never_accepted_nothing_is_read(service: StepFunctions, reader: Histories) -> None:
    service.error = "AccessDeniedException"

    assert reader.of_job(job_with(generation_id=None, polls=0)).note == ""
