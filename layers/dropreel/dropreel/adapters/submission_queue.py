"""The queue that images come through, and come again through."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.jobs import Job
from dropreel.waiting import LONGEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class SubmissionQueue:
    """Sends jobs through the queue again. A new message starts with a receive count of its own.

    `client` gives the client when it is first needed: most jobs never wait.
    """

    client: "Callable[[], SQSClient]"
    url: str

    def send_again(self, job: Job, delay_seconds: int = 0) -> None:
        """Bring a job's attempt back after `delay_seconds` (at most `LONGEST_SECONDS`; the job's `retry_at` holds beyond)."""
        again = {"job_id": job.job_id, "attempt": job.attempt, "defers": job.defers}
        self.client().send_message(
            QueueUrl=self.url, MessageBody=json.dumps(again), DelaySeconds=min(max(0, delay_seconds), LONGEST_SECONDS)
        )
