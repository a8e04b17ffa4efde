"""What becomes of a submission that may have been paid and cannot be told: one rule, for whoever finds it."""

import logging
from datetime import datetime

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.submission_queue import SubmissionQueue
from dropreel.events import EventType
from dropreel.jobs import Job, JobStatus, Money, Reason
from dropreel.use_cases.announce import Announcer

logger = logging.getLogger("dropreel")


def settle_ambiguous(
    job: Job,
    reason: Reason,
    at: datetime,
    *,
    may_resubmit: bool,
    jobs: JobTable,
    queue: SubmissionQueue,
    announcer: Announcer,
) -> Job | None:
    """Park the job as `unknown`, or, where its owner chose that and an attempt is left, let it come again as the next one.

    The reservation stays in both cases. Return the job as it is now, or None where somebody else has changed it.
    """
    logger.error("submission unknown", extra={"job_id": job.job_id, "attempt": job.attempt})
    if may_resubmit:
        announcer.announce(job)  # what this attempt still owes: the next one has events of its own
        settled = jobs.defer_next_attempt(job, reason, Money.PERHAPS, at)
        if settled is not None:
            queue.send_again(settled)
        return settled
    settled = jobs.finish(job, JobStatus.UNKNOWN, at, EventType.UNKNOWN, reason, Money.PERHAPS)
    if settled is not None:
        announcer.announce(settled)
    return settled
