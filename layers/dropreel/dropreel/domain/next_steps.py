"""The next step for people, one for each reason code. Where the `dropreel` command has a way, it is named."""

from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.reasons import ReasonCode as Code

RESUMABLE = frozenset(
    {
        Code.TIMED_OUT,
        Code.DELIVERY_FAILED,
        Code.VIDEO_WITHOUT_MEDIA,
        Code.CHECK_FAILED,
        Code.WATCH_ENDED,
        Code.GENERATION_NOT_FOUND,
    }
)
"""Failures of a paid generation after which its video can still be delivered. Resuming is not paid again."""

_CORRECTIONS = {
    Code.IMAGE_ARCHIVED: "Restore the object first, then upload the image again, or request its video by an event",
    Code.IMAGE_ENCRYPTED: "Upload the image again with SSE-S3 or SSE-KMS instead of SSE-C",
    Code.IMAGE_KMS_KEY: "Enable the KMS key, then upload the image again, or request its video by an event",
    Code.WAITED_TOO_LONG: "Fix the cause of the wait and upload the image again",
    Code.IMAGE_KEY: "Upload the image again under a key without . or .. as a folder",
}
"""Next steps of rejected jobs; for all other codes it is to correct the image and upload it again."""
_RETRIED = "Nothing: the job is retried automatically."
_NEXT_ATTEMPT = frozenset({Code.GENERATION_FAILED, Code.CONTENT_REFUSED, Code.SUBMISSION_UNKNOWN})
"""Reasons after which the next attempt can follow."""
_SETTLE = (
    "Look for the generation at the provider. If it is there, run `dropreel adopt {job_id} GENERATION_ID`; if not, "
    "`dropreel abandon {job_id}`, or `dropreel resubmit {job_id}`, which may pay a second time."
)
_BY_CODE = {
    Code.SUBMISSION_UNKNOWN: _SETTLE,
    Code.IMAGE_MISSING: "Upload the image again; nothing was spent on this attempt.",
    Code.IMAGE_SUPERSEDED: "Nothing: the newer upload has a job of its own.",
    Code.DUPLICATE_COPY: "Nothing. For another video of the image, upload it again or request it by an event.",
    Code.REQUEST_ID_REUSED: "Use another request_id to request another video of the image; nothing was spent.",
    Code.BUCKET_NOT_ALLOWED: (
        "Set the stack's ExistingUploadsBucketName or UploadsPrefix to include the image, or move the image, and request it again."
    ),
    Code.OVER_DAILY_LIMIT: "Raise DailySpendLimitUsd or choose a cheaper mode or duration, and upload the image again.",
    Code.DAILY_LIMIT: "Nothing: the job is submitted automatically when the day (UTC) changes or DailySpendLimitUsd is raised.",
    Code.PROVIDER_BUSY: _RETRIED,
    Code.PROVIDER_UNREACHABLE: _RETRIED,
    Code.KEY_REFUSED: "Put a key that the provider accepts into the stack's secret; the job is then retried automatically.",
    Code.PROVIDER_BALANCE: "Add money to your account at the provider; the job is then retried automatically.",
    Code.DEAD_LETTER: "Fix the cause, then run `dropreel redrive {job_id}`; nothing is paid twice.",
    Code.GENERATION_FAILED: "Read the provider's message, change the image or the prompt, and upload the image again.",
    Code.CONTENT_REFUSED: (
        "Read the provider's message, change the image or the prompt, and upload the image again. Without a change, it will "
        "most likely be refused and paid again."
    ),
    Code.ABANDONED: "Nothing. If you upload the image again, it is a new job and is paid again.",
}


def can_resume(job: Job) -> bool:
    """Return whether a job failed with a paid generation whose video can still be delivered, and is not forgotten."""
    if job.status is not JobStatus.FAILED or job.generation_id is None:
        return False
    if job.reason is None or job.reason.code not in RESUMABLE:
        return False
    from dropreel.domain.forgetting import FORGOTTEN

    return job.reason.message != FORGOTTEN


def next_step(job: Job) -> str | None:
    """Return what people should do about a job's reason; None for a job without a reason."""
    if job.reason is None:
        return None
    if can_resume(job):
        return (
            f"Run `dropreel resume {job.job_id}`: it continues with the generation that is already paid, and nothing is "
            "paid again."
        )
    if job.status is JobStatus.UNKNOWN:
        return _SETTLE.format(job_id=job.job_id)
    if job.status is JobStatus.DEFERRED and job.reason.code in _NEXT_ATTEMPT:
        return _RETRIED
    if job.reason.code in _BY_CODE:
        return _BY_CODE[job.reason.code].format(job_id=job.job_id)
    correction = _CORRECTIONS.get(job.reason.code, "Correct it and upload the image again")
    if job.charge is Charge.NONE:
        return f"{correction}; nothing was spent."
    return f"{correction}; earlier attempts of this job were or may have been charged."
