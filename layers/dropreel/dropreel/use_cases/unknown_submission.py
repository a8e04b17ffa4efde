"""What becomes of a submission when nobody can tell whether it was charged: one rule, for whoever finds it."""

import logging
from dataclasses import dataclass
from datetime import datetime

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.queues import SubmissionQueue
from dropreel.domain.job import Job, next_attempt, park
from dropreel.domain.messages import RetryMessage
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.save_job import save_at_step

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class UnknownSubmission:
    """Parks the job as `unknown`, or, where its owner chose that and an attempt is left, brings the next attempt.

    The reservation stays in both cases.
    """

    jobs: JobTable
    queue: SubmissionQueue
    publisher: Publisher
    resubmits: bool
    max_attempts: int

    def settle(self, job: Job, message: str, at: datetime, provider_error: str | None = None) -> Job | None:
        """Return the job as it is then, or None where somebody else has changed it."""
        logger.error("submission unknown", extra={"job_id": job.job_id, "attempt": job.attempt})
        reason = Reason(ReasonCode.SUBMISSION_UNKNOWN, message, provider_error=provider_error)
        if self.resubmits and job.attempt < self.max_attempts:
            published = self.publisher.publish(job)  # the next attempt has events of its own
            if not published.is_at_same_step(job):
                return None  # somebody has accepted or settled it meanwhile: what it is now may be charged
            settled = save_at_step(
                published, lambda read: next_attempt(read, reason, at), self.jobs.save, self.jobs.get
            )
            if settled is not None:
                self.queue.send(RetryMessage(settled.job_id, settled.attempt, settled.requeues))
            return settled
        settled = save_at_step(job, lambda read: park(read, reason, at), self.jobs.save, self.jobs.get)
        return settled if settled is None else self.publisher.publish(settled)
