"""Write on a job that its message is in the dead-letter queue, and publish it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dropreel.domain.job import Job, JobStatus, dead_letter
from dropreel.domain.messages import Drop, RetryMessage, is_overtaken
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.use_cases.find_job import FindJob
from dropreel.use_cases.publish_events import Publisher

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs

MAX_CHARACTERS = 500
"""The longest reason message: a limit of ours."""

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class NoteDeadLetter:
    """Called by Submit Generation and Prepare Image at a message's last receive, and by Sweep Jobs for what it finds in the queue."""

    jobs: "Jobs"
    find_job: FindJob
    publisher: Publisher
    now: Callable[[], datetime]

    def run(self, message: Drop | RetryMessage, fault: str) -> Job | None:
        """Return the changed job. None: it waits for no message, is a dead letter already, or has a later message."""
        if isinstance(message, Drop) and not message.creates_job:
            return None
        reason = Reason(
            ReasonCode.DEAD_LETTER,
            f"It could not be processed and is in the dead-letter queue: {fault}"[:MAX_CHARACTERS],
        )
        while True:
            job = self.find_job.run(message)
            if job is None:
                return None
            waits = job.status in (JobStatus.DEFERRED, JobStatus.PREPARING)
            if not waits or job.is_dead_letter or is_overtaken(message, job):
                return None
            saved = self.jobs.save(job, dead_letter(job, reason, self.now()))
            if saved is not None:
                return self._try_publish(saved)

    def _try_publish(self, job: Job) -> Job:
        """Publish the dead letter; if that fails, Sweep Jobs does it."""
        try:
            return self.publisher.publish(job)
        except Exception:
            logger.exception("not published", extra={"job_id": job.job_id})
            return job
