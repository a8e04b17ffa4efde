"""Decodes what comes from the state machine: its state, why it reports a failure, and the end of an execution."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from dropreel.domain.encodable import encodable
from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA
from dropreel.domain.job import Job, JobStatus, execution_name
from dropreel.domain.reasons import Reason, ReasonCode

EXECUTION_ENDED = "Step Functions Execution Status Change"
"""The `detail-type` of Step Functions' event about an execution."""
MAX_CAUSE_CHARACTERS = 500
"""How much of an error or a cause is kept: a limit of ours."""


class Generation(NamedTuple):
    """The state machine's state: ids only, and the name of the execution."""

    job_id: str
    attempt: int
    generation_id: str
    execution: str

    def is_current(self, job: Job) -> bool:
        """Return whether the job still waits for this execution.

        An execution that a resume or an attempt has replaced can be redriven; it must then change nothing.
        """
        return job.status is JobStatus.GENERATING and self.execution == execution_name(job)

    def is_missing_from(self, job: Job) -> bool:
        """Return whether the job has no id for this generation: it was accepted, but the job table could not be written."""
        is_open = job.status in (JobStatus.SUBMITTING, JobStatus.UNKNOWN) and job.generation_id is None
        return is_open and self.execution == execution_name(job) and bool(self.generation_id)


class EndedExecution(NamedTuple):
    """An execution of the state machine that failed, timed out or was stopped, from EventBridge's event.

    `name` and `arn` are the execution's; `status` is `FAILED`, `TIMED_OUT` or `ABORTED`; `cause` is Step Functions' text.
    """

    job_id: str
    name: str
    arn: str
    status: str
    cause: str


def decode_generation(state: Mapping[str, Any]) -> Generation:
    """Decode the state machine's state. Raises KeyError if an id is missing."""
    return Generation(state["job_id"], int(state["attempt"]), state["generation_id"], state["pace"]["execution"])


def failure_reason(state: Mapping[str, Any]) -> Reason:
    """Return why the state machine runs Report Failure: the reason from Check Status, or the error of a step after its retries."""
    check = state.get("check") or {}
    if "reason" in check and "error" not in state:
        return Reason.from_json(check["reason"])
    cause = str((state.get("error") or {}).get("Cause") or "no cause was given")
    try:
        error = json.loads(cause)
        cause = f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        pass
    cause = encodable(cause)
    if check.get("outcome") == "completed":
        _step, coded, fault = cause.partition(f"{VIDEO_WITHOUT_MEDIA}: ")
        if coded:
            return Reason(
                ReasonCode.VIDEO_WITHOUT_MEDIA,
                f"The video from the provider cannot be played: {fault[:MAX_CAUSE_CHARACTERS]}.",
            )
        return Reason(
            ReasonCode.DELIVERY_FAILED,
            f"The video is ready at the provider but could not be copied: {cause[:MAX_CAUSE_CHARACTERS]}",
        )
    return Reason(
        ReasonCode.CHECK_FAILED, f"The generation could not be polled any longer: {cause[:MAX_CAUSE_CHARACTERS]}"
    )


def decode_ended_execution(event: Mapping[str, Any]) -> EndedExecution | None:
    """Decode `Step Functions Execution Status Change`; None for an execution without a job. Raises KeyError for anything else."""
    detail = event["detail"]
    found = re.fullmatch(_EXECUTION_NAME, detail["name"])
    if found is None:
        return None
    cause = encodable(str(detail.get("cause") or ""))[:MAX_CAUSE_CHARACTERS]
    return EndedExecution(found[1], detail["name"], detail["executionArn"], encodable(str(detail["status"])), cause)


_EXECUTION_NAME = r"([0-9a-f]{24})-[0-9]+(-[0-9]+)?"


def is_running(execution_status: str | None) -> bool:
    """Return whether an execution's status (DescribeExecution) means that it runs, or will run after a redrive."""
    return execution_status in ("RUNNING", "PENDING_REDRIVE")
