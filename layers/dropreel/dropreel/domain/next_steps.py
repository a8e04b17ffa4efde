"""What to do next, for whoever reads why a job is where it is: one plain sentence a reason code."""

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
"""The failures of a paid generation whose video may still come: going on costs nothing more."""

_CORRECTIONS = {
    Code.IMAGE_ARCHIVED: "Restore the object first, then upload the image again, or request its video by an event",
    Code.IMAGE_ENCRYPTED: "Upload the image again without a key of your own (SSE-S3 and SSE-KMS are fine)",
    Code.IMAGE_KMS_KEY: "Enable the KMS key, then upload the image again, or request its video by an event",
    Code.WAITED_TOO_LONG: "Fix what it waited for and upload the image again",
    Code.IMAGE_KEY: "Upload the image again under a key without . or .. as a folder",
}
"""What to do where more helps than to correct the image itself and upload it again."""
_COMES_AGAIN = "Nothing: it comes again by itself."
_NEXT_ATTEMPT = frozenset({Code.GENERATION_FAILED, Code.CONTENT_REFUSED, Code.SUBMISSION_UNKNOWN})
"""Why an attempt ended that another one follows."""
_BY_CODE = {
    Code.IMAGE_MISSING: "Upload the image again; nothing was spent on this attempt.",
    Code.IMAGE_SUPERSEDED: "Nothing: the newer upload has a job of its own.",
    Code.DUPLICATE_COPY: "Nothing. For one more video of the picture, upload it again or ask for it with an event.",
    Code.REQUEST_ID_REUSED: "Ask with another request_id for another video of the image; nothing was spent.",
    Code.BUCKET_NOT_ALLOWED: (
        "Give the stack the bucket (ExistingUploadsBucketName) or the prefix (UploadsPrefix), or move the image, and ask again."
    ),
    Code.OVER_DAILY_LIMIT: "Raise DailySpendLimitUsd or choose a cheaper mode or duration, and upload the image again.",
    Code.DAILY_LIMIT: "Nothing: it goes on when the day (UTC) changes or DailySpendLimitUsd is raised.",
    Code.PROVIDER_BUSY: _COMES_AGAIN,
    Code.PROVIDER_UNREACHABLE: _COMES_AGAIN,
    Code.KEY_REFUSED: "Put a key that the provider takes into the stack's secret; the image then goes on by itself.",
    Code.PROVIDER_BALANCE: "Add money to your account at the provider; the image then goes on by itself.",
    Code.DEAD_LETTER: "Fix the cause, then send the message back from the dead-letter queue; nothing is paid twice.",
    Code.SUBMISSION_UNKNOWN: (
        "Look for the video at the provider: adopt its generation id if it is there, else abandon or resubmit the job. "
        "Resubmitting may pay a second time."
    ),
    Code.GENERATION_FAILED: "Read what the provider said, change the image or the prompt, and upload the image again.",
    Code.CONTENT_REFUSED: (
        "Read what the provider said, change the image or the prompt, and upload the image again. Unchanged, it would most "
        "likely be refused and paid once more."
    ),
    Code.ABANDONED: "Nothing. Uploading the image again begins anew, and is paid anew.",
}


def can_resume(job: Job) -> bool:
    """Tell whether a job failed after its generation was paid, in a way that leaves the video still to be had."""
    return (
        job.status is JobStatus.FAILED
        and job.generation_id is not None
        and job.reason is not None
        and job.reason.code in RESUMABLE
    )


def next_step(job: Job) -> str | None:
    """Return what to do about a job's reason; None where it has none."""
    if job.reason is None:
        return None
    if can_resume(job):
        return f"Resume job {job.job_id}: it goes on with the generation that is paid for, and nothing is paid again."
    if job.status is JobStatus.DEFERRED and job.reason.code in _NEXT_ATTEMPT:
        return _COMES_AGAIN
    if job.reason.code in _BY_CODE:
        return _BY_CODE[job.reason.code]
    correction = _CORRECTIONS.get(job.reason.code, "Correct it and upload the image again")
    if job.charge is Charge.NONE:
        return f"{correction}; nothing was spent."
    return f"{correction}; earlier attempts of this job were or may have been charged."
