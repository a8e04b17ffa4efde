"""When a generation was polled: the histories of a job's executions, as Step Functions has them for 90 days."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.domain.job import Job, execution_name
from dropreel_cli.aws_errors import explain, is_denied

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from dropreel_cli.stack import Stack

NOT_ALLOWED = (
    "When it was polled is not shown: your credentials may not use states:GetExecutionHistory. The stack's policies "
    "ReaderPolicyArn and OperatorPolicyArn allow it."
)
NOT_KEPT = "When it was polled is not known any more: Step Functions keeps an execution for 90 days."
POLL, DELIVERY = "Check Status", "Deliver Video"
"""States of statemachine/generate_video.asl.json."""
_FAILED = frozenset({"LambdaFunctionFailed", "LambdaFunctionTimedOut", "TaskFailed", "TaskTimedOut"})
_ENDED = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})
_PAGE = 1_000
_NEW_PAGE = 100
_KEPT_SECONDS = 2.0
"""So long an execution that runs is not read again."""
_MAX_KEPT = 500
_GONE = frozenset({"ExecutionDoesNotExist", "StateMachineDoesNotExist"})


@dataclass(frozen=True)
class Execution:
    """One execution: when each poll was answered, which runs of a function failed and were repeated, and the delivery."""

    attempt: int
    resume: int
    started_at: datetime | None = None
    polls: tuple[datetime, ...] = ()
    failures: tuple[tuple[datetime, str], ...] = ()
    delivery_began_at: datetime | None = None
    ended_at: datetime | None = None
    last_event: int = 0
    state: str = ""

    def with_event(self, event: dict[str, Any]) -> Execution:
        """Return the execution after one more event of its history."""
        kind, at, number = event["type"], event["timestamp"], event["id"]
        found = replace(self, last_event=number)
        if kind == "ExecutionStarted":
            return replace(found, started_at=at)
        if kind in _ENDED:
            return replace(found, ended_at=at)
        if kind == "TaskStateEntered":
            state = event["stateEnteredEventDetails"]["name"]
            began = self.delivery_began_at or (at if state == DELIVERY else None)
            return replace(found, state=state, delivery_began_at=began)
        if kind == "TaskStateExited" and self.state == POLL:
            return replace(found, polls=(*self.polls, at))
        if kind in _FAILED:
            return replace(found, failures=(*self.failures, (at, self.state)))
        return found


@dataclass(frozen=True)
class Polls:
    """The executions of a job that could be read, the oldest first, and why not all could."""

    executions: Sequence[Execution] = ()
    note: str = ""


@dataclass
class Histories:
    """Reads histories, each event once: one that has ended is kept, and of one that runs only what is new is read."""

    stack: Stack
    _kept: OrderedDict[str, tuple[float, Execution]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of_job(self, job: Job) -> Polls:
        """Return what is known of a job's executions. It raises no error of AWS: the note has it."""
        if not job.polls and job.generation_id is None:
            return Polls()
        found: list[Execution] = []
        with self._lock:
            for attempt, resume in _executions(job):
                try:
                    found.append(self._read(job, attempt, resume))
                except ClientError as error:
                    if error.response["Error"]["Code"] in _GONE:
                        continue
                    return Polls(found, NOT_ALLOWED if is_denied(error) else explain(error))
                except BotoCoreError as error:
                    return Polls(found, explain(error))
        return Polls(found, NOT_KEPT if job.polls and not found else "")

    def _read(self, job: Job, attempt: int, resume: int) -> Execution:
        name = execution_name(replace(job, attempt=attempt, resumes=resume))
        arn = self.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{name}"
        read_at, execution = self._kept.get(arn, (0.0, Execution(attempt, resume)))
        if execution.ended_at is None and (not read_at or time.monotonic() - read_at >= _KEPT_SECONDS):
            for event in sorted(self._events(arn, execution.last_event), key=lambda each: int(each["id"])):
                execution = execution.with_event(event)
            read_at = time.monotonic()
        self._kept[arn] = read_at, execution
        self._kept.move_to_end(arn)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return execution

    def _events(self, arn: str, after: int) -> Iterator[dict[str, Any]]:
        """Yield the events after one, the newest first. Their inputs and outputs are not read."""
        client: Any = self.stack.client("stepfunctions")
        pages = client.get_paginator("get_execution_history").paginate(
            executionArn=arn,
            reverseOrder=True,
            includeExecutionData=False,
            PaginationConfig={"PageSize": _NEW_PAGE if after else _PAGE},
        )
        for page in pages:
            for event in page["events"]:
                if event["id"] <= after:
                    return
                yield event


def _executions(job: Job) -> Iterator[tuple[int, int]]:
    """Yield attempt and number of resumes of the executions that the job can have. A resumed attempt is the last one."""
    yield from ((attempt, 0) for attempt in range(1, job.attempt))
    yield from ((job.attempt, resume) for resume in range(job.resumes + 1))
