"""The input of a job's execution, and EventBridge's event about its end."""

from typing import Any

from dropreel.domain.executions import EndedExecution, Generation
from dropreel.domain.job import Job, execution_name


def generation_of(job: Job) -> Generation:
    """Return the input of the job's current execution: each attempt, resume and adoption starts a new one."""
    return Generation(job.job_id, job.attempt, job.generation_id or "", execution_name(job))


def ended_execution_of(job: Job, status: str = "ABORTED", **changes: Any) -> EndedExecution:
    """Return the event that the job's execution has ended."""
    name = execution_name(job)
    arn = f"arn:aws:states:us-east-1:123456789012:execution:dropreel:{name}"
    fields: dict[str, Any] = {"job_id": job.job_id, "name": name, "arn": arn, "status": status, "cause": ""}
    return EndedExecution(**{**fields, **changes})
