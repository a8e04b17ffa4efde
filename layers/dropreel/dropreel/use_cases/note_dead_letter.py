"""Say on a job that its message is in the dead-letter queue."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dropreel.adapters.job_table import JobTable
from dropreel.domain.errors import RetryLater
from dropreel.domain.job import Job, JobStatus, dead_letter
from dropreel.domain.messages import Drop, RetryMessage, is_overtaken
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.find_job import FindJob
from dropreel.use_cases.publish_events import Publisher

MAX_CHARACTERS = 500
"""How much of a fault is kept: a limit of ours."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class NoteDeadLetter:
    """Called by whoever knows of it first: the function at the last receive, or the sweeper that looks into the queue."""

    jobs: JobTable
    find_job: FindJob
    publisher: Publisher
    now: Callable[[], datetime]

    def run(self, message: Drop | RetryMessage, fault: str) -> Job | None:
        """Return the job as it is then. None: it has gone on, is a dead letter already, or has a later message."""
        if isinstance(message, Drop) and not message.is_about_an_image:
            return None
        reason = Reason(
            ReasonCode.DEAD_LETTER,
            f"It could not be processed and is in the dead-letter queue: {fault}"[:MAX_CHARACTERS],
        )
        while True:
            try:
                job = self.find_job.run(message)
            except RetryLater:
                return None  # there is no such job (any more)
            if job.status is not JobStatus.DEFERRED or job.is_dead_letter or is_overtaken(message, job):
                return None
            saved = self.jobs.save(job, dead_letter(job, reason, self.now()))
            if saved is not None:
                return self._published(saved)

    def _published(self, job: Job) -> Job:
        """Publish that it is a dead letter; where that fails the sweeper does."""
        try:
            return self.publisher.publish(job)
        except Exception:
            logger.exception("not published", extra={"job_id": job.job_id})
            return job
