"""The state machine that polls a generation until it ends."""

import json
from typing import TYPE_CHECKING

from dropreel.domain.job import Job, execution_name

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StateMachine:
    """Starts executions. Starting an attempt is idempotent."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self.client = client
        self.arn = arn

    def start(self, job: Job, generation_id: str | None = None) -> None:
        """Start polling a job's attempt, or do nothing where its execution exists (AWS keeps names for 90 days).

        `generation_id` is given where the job does not have it yet.
        """
        generation = generation_id or job.generation_id
        try:
            self.client.start_execution(
                stateMachineArn=self.arn,
                name=execution_name(job),
                input=json.dumps({"job_id": job.job_id, "attempt": job.attempt, "generation_id": generation}),
            )
        except self.client.exceptions.ExecutionAlreadyExists:
            return

    def status_of(self, job: Job) -> str | None:
        """Return the status of the attempt's execution (`RUNNING`, `FAILED`, ...), or None where it was never started."""
        return status_of(self.client, self.arn.replace(":stateMachine:", ":execution:") + ":" + execution_name(job))


def status_of(client: "SFNClient", execution_arn: str) -> str | None:
    """Return an execution's status (`RUNNING`, `FAILED`, ...), or None where there is none."""
    try:
        return client.describe_execution(executionArn=execution_arn)["status"]
    except client.exceptions.ExecutionDoesNotExist:
        return None
