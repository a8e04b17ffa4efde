"""Settle a submission that may have been charged: the one rule for every step that finds one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dropreel.domain.job import Job, next_attempt, park
from dropreel.domain.messages import retry_message_of
from dropreel.domain.metrics import Metric
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.save_job import save_at_step

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs, Queue


@dataclass(frozen=True)
class UnknownSubmission:
    """Parks the job as `unknown`, or begins its next attempt (`AmbiguousSubmitPolicy` is `resubmit`, an attempt is left).

    The reservation stays in both cases.
    """

    jobs: "Jobs"
    queue: "Queue"
    publisher: Publisher
    resubmits: bool
    max_attempts: int
    count: Callable[[Metric, str], None]

    def settle(self, job: Job, message: str, at: datetime, provider_error: str | None = None) -> Job | None:
        """Return the job as it is then. None: it was changed meanwhile and is not settled."""
        self.count(Metric.SUBMISSION_UNKNOWN, job.job_id)
        reason = Reason(ReasonCode.SUBMISSION_UNKNOWN, message, provider_error=provider_error)
        if self.resubmits and job.attempt < self.max_attempts:
            published = self.publisher.publish(job)  # the next attempt has events of the same types
            if not published.is_at_same_step(job):
                return None  # accepted or settled meanwhile: what it is now may be charged
            settled = save_at_step(
                published, lambda read: next_attempt(read, reason, at), self.jobs.save, self.jobs.get
            )
            if settled is not None:
                self.queue.send(retry_message_of(settled))
            return settled
        settled = save_at_step(job, lambda read: park(read, reason, at), self.jobs.save, self.jobs.get)
        return settled if settled is None else self.publisher.publish(settled)
