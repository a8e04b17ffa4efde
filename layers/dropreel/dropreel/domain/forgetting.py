"""A job without its owner's words: the prompts, and every message, which may repeat them."""

from dataclasses import replace

from dropreel.domain.job import TERMINAL, Job, JobStatus
from dropreel.domain.reasons import Reason

FORGOTTEN = "(forgotten)"
"""What stands in the job table in place of a text that was redacted."""

_WAIT = (
    "Wait until it has ended. Or delete all versions of the image, and of its prepared copy, in their buckets: when its turn "
    "comes it is rejected, and nothing is paid."
)
"""A delete marker is not enough: the job names a version, or its prepared copy."""
_WAYS = {
    JobStatus.UNKNOWN: "Its submission may have been paid. Settle it first: dropreel adopt, or dropreel abandon {job_id}.",
    JobStatus.SUBMITTING: "Wait for its video: it may be paid already.",
    JobStatus.GENERATING: "Wait for its video: it is paid already.",
}


def forgotten(job: Job) -> Job:
    """Return a job whose prompts and messages are redacted. Amounts, days, ids, codes, keys and hashes stay; it may be repeated."""
    options, fault = job.options, job.last_fault
    if options is not None:
        negative_prompt = FORGOTTEN if options.negative_prompt else ""
        options = options._replace(prompt=FORGOTTEN, negative_prompt=negative_prompt)
    return replace(
        job,
        options=options,
        reason=None if job.reason is None else forgotten_reason(job.reason),
        notices={event: forgotten_reason(reason) for event, reason in job.notices.items()},
        last_fault=None if fault is None else fault._replace(message=FORGOTTEN),
    )


def is_forgotten(job: Job) -> bool:
    """Return whether a job's texts were redacted: its image and what was made of it are deleted, too."""
    if job.options is not None:
        return job.options.prompt == FORGOTTEN
    return job.reason is not None and job.reason.message == FORGOTTEN  # rejected before its options were read


def forgotten_reason(reason: Reason) -> Reason:
    """Return a reason of which only the code is left: its messages quote options, and the provider's text can quote the prompt."""
    return Reason(reason.code, FORGOTTEN, provider_error=None if reason.provider_error is None else FORGOTTEN)


def forget_refusal(job: Job) -> str | None:
    """Return why a job cannot be forgotten, and what to do; None for one that has ended and owes nothing."""
    if job.status in TERMINAL and job.status is not JobStatus.UNKNOWN:
        if not job.pending_events:
            return None
        return (
            f"Job {job.job_id} is {job.status}, and its event is not published yet. Wait until it is: for some minutes."
        )
    return f"Job {job.job_id} is {job.status}. {_WAYS.get(job.status, _WAIT).format(job_id=job.job_id)}"
