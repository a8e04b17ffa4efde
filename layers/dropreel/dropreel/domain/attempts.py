"""The attempt rows: one for each submission, with what the provider charged for it."""

from datetime import datetime
from typing import NamedTuple

from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.reasons import Reason


class Attempt(NamedTuple):
    """The row of one submission, identified by the attempt and by `requeues` at its claim.

    One attempt has several submissions only where the provider accepted none of the earlier ones.
    """

    attempt: int
    requeues: int
    status: JobStatus
    charge: Charge
    generation_id: str | None
    reason: Reason | None
    at: datetime


def attempt_after(before: Job, after: Job) -> Attempt | None:
    """Return the row to write with a transition that starts or continues a submission; None for any other transition.

    A job without a reservation has no open submission: it was not claimed in this attempt, or nothing was charged for it.
    """
    if before.status is JobStatus.DEFERRED and after.status is JobStatus.SUBMITTING:
        return Attempt(after.attempt, after.requeues, after.status, Charge.UNKNOWN, None, None, after.updated_at)
    if before.reserved_day is None or before.is_at_same_step(after):
        return None
    status, generation_id = after.status, after.generation_id or before.generation_id
    charge = Charge.CHARGED if generation_id else Charge.UNKNOWN
    if after.attempt != before.attempt:
        status = JobStatus.FAILED if generation_id else JobStatus.UNKNOWN
    elif before.status is JobStatus.SUBMITTING and after.reserved_day is None:
        charge = Charge.NONE
    return Attempt(before.attempt, before.requeues, status, charge, generation_id, after.reason, after.updated_at)
