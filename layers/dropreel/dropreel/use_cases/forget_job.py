"""Redact what the owner of an image wrote, in the rows of its job."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.domain.errors import ActionNotAllowed, RetryLater
from dropreel.domain.forgetting import forget_refusal, forgotten, forgotten_reason
from dropreel.domain.job import Job

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs


@dataclass(frozen=True)
class ForgetJob:
    """May be repeated after a fault: the rows of the submissions come first, so a redacted job has none left with words."""

    jobs: "Jobs"

    def run(self, job_id: str) -> Job:
        """Return the redacted job. Raises ActionNotAllowed for one that has not ended, and RetryLater where it was changed."""
        job = self.jobs.get(job_id)
        if job is None:
            raise ActionNotAllowed(f"There is no job {job_id}.")
        if (refused := forget_refusal(job)) is not None:
            raise ActionNotAllowed(refused)
        after = forgotten(job)
        if after == job:
            return job
        saved = self.jobs.redact(job, after, forgotten_reason)
        if saved is None:
            raise RetryLater(f"job {job_id} was changed meanwhile; try again")
        return saved
