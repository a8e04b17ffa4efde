"""The sentences of docs/ that are not in the code: the meaning of statuses, events, reason codes and metrics; examples."""

from dataclasses import replace
from datetime import UTC, datetime

from dropreel.domain.images import Image, ImageRef
from dropreel.domain.job import Charge, EventType, Job, JobStatus, VideoObject, job_id_of
from dropreel.domain.metrics import Metric
from dropreel.domain.option_places import STACK_PARAMETERS
from dropreel.domain.options import OPTION_NAMES, Options
from dropreel.domain.reasons import Reason, ReasonCode

STATUSES: dict[str, tuple[str, str]] = {
    JobStatus.DEFERRED: (
        "received, and waits for validation or for the next try; the reason has the cause",
        "read `next_step`; the stack submits it",
    ),
    JobStatus.PREPARING: (
        "the image is being turned into a JPEG or PNG that the provider takes; not charged",
        "wait",
    ),
    JobStatus.HELD: (
        "the price would exceed the day's limit; not charged",
        "wait for the next day (UTC), or raise `DailySpendLimitUsd`",
    ),
    JobStatus.SUBMITTING: ("its price is reserved and the POST is being sent", "wait"),
    JobStatus.GENERATING: ("the provider accepted it and generates the video", "wait"),
    JobStatus.COMPLETED: ("the video is in the videos bucket", "nothing"),
    JobStatus.FAILED: (
        "the provider failed, the deadline passed, or the video could not be copied",
        "read `next_step`: some jobs can be [resumed](operations.md#resume-a-failed-job); uploading the image again is paid again",
    ),
    JobStatus.REJECTED: (
        "not submitted, or refused by the provider; nothing was charged",
        "fix the cause in the reason and upload the image again",
    ),
    JobStatus.UNKNOWN: (
        "the submission may have been charged",
        "[settle it](operations.md#settle-an-unknown-job) before you upload the image again",
    ),
}
"""Status -> (what it means, what to do)."""

EVENTS: dict[str, str] = {
    EventType.HELD: "the price would exceed the day's limit; the job waits until it fits",
    EventType.DEFERRED: (
        "the job waits; published once an attempt, at once where the operator is needed (key refused, no balance, message in "
        "the dead-letter queue), else after 15 minutes"
    ),
    EventType.SUBMITTED: "the provider accepted the request and charges for it",
    EventType.COMPLETED: "the video is in the videos bucket",
    EventType.FAILED: "the job was or may have been charged, and there is no video",
    EventType.REJECTED: "the job was not submitted, or the provider refused it; nothing was charged",
    EventType.UNKNOWN: "the submission may have been charged",
}
"""Event -> when it is published."""

REASONS: dict[str, tuple[str, str]] = {
    ReasonCode.REQUEST_INVALID: ("rejected", "a request event has an invalid or unknown field"),
    ReasonCode.REQUEST_ID_REUSED: ("rejected", "the `request_id` belongs to another request about the same image"),
    ReasonCode.BUCKET_NOT_ALLOWED: ("rejected", "the stack does not accept images from this bucket or with this key"),
    ReasonCode.IMAGE_KEY: ("rejected", "HTTP clients would change the key in the presigned URL"),
    ReasonCode.IMAGE_MISSING: ("rejected", "the image does not exist (any more)"),
    ReasonCode.IMAGE_SUPERSEDED: ("rejected", "a newer upload replaced the image before it could be submitted"),
    ReasonCode.IMAGE_ARCHIVED: ("rejected", "the image is archived (S3 Glacier)"),
    ReasonCode.IMAGE_ENCRYPTED: ("rejected", "the image is encrypted with SSE-C"),
    ReasonCode.IMAGE_KMS_KEY: ("rejected", "the image's KMS key is disabled, pending deletion, or deleted"),
    ReasonCode.IMAGE_EMPTY: ("rejected", "the image has no bytes"),
    ReasonCode.IMAGE_TOO_LARGE: (
        "rejected",
        "the image has more than 1,000,000,000 bytes; with `PrepareImages` = `never`, more than 10,000,000",
    ),
    ReasonCode.IMAGE_TOO_MANY_PIXELS: (
        "rejected",
        "the image has more than 210,000,000 pixels; with `PrepareImages` = `never`, more than 100,000,000",
    ),
    ReasonCode.IMAGE_FORMAT: (
        "rejected",
        "the file is not a [picture that is taken](images.md), or of a kind that few programs open",
    ),
    ReasonCode.IMAGE_TRUNCATED: ("rejected", "the image is incomplete"),
    ReasonCode.IMAGE_DAMAGED: ("rejected", "the image is damaged"),
    ReasonCode.IMAGE_POLYGLOT: ("rejected", "the file is an image and another file format at the same time"),
    ReasonCode.OPTIONS_INVALID: ("rejected", "an option is invalid or unknown; `messages` has each fault separately"),
    ReasonCode.DUPLICATE_COPY: (
        "rejected",
        "a copy that has waited: another job has the same image with the same key",
    ),
    ReasonCode.OVER_DAILY_LIMIT: ("rejected", "the video costs more than the whole `DailySpendLimitUsd`"),
    ReasonCode.DAILY_LIMIT: ("held", "the price would exceed the day's limit"),
    ReasonCode.PROVIDER_BUSY: ("deferred", "the provider answered 429, or 503 with a `Retry-After`"),
    ReasonCode.PROVIDER_UNREACHABLE: ("deferred", "nothing was sent: no connection, or no time left for it"),
    ReasonCode.PROVIDER_BALANCE: ("deferred", "the account at the provider has no money left"),
    ReasonCode.KEY_REFUSED: ("deferred", "the provider refused the API key"),
    ReasonCode.DEAD_LETTER: (
        "deferred",
        "the message was received five times and is in the dead-letter queue; `preparing` if the image was to be prepared",
    ),
    ReasonCode.WAITED_TOO_LONG: (
        "rejected",
        (
            "it waited too long: 7 days for the provider or for its preparation, 14 days in the dead-letter queue, "
            "365 days for the day's limit"
        ),
    ),
    ReasonCode.PROVIDER_REFUSED: ("rejected", "the provider refused the request and charged nothing"),
    ReasonCode.SUBMISSION_UNKNOWN: ("unknown", "the provider's answer was lost: the submission may have been charged"),
    ReasonCode.GENERATION_FAILED: ("failed", "the provider could not make the video"),
    ReasonCode.CONTENT_REFUSED: ("failed", "the provider refuses the content of the image or the prompt"),
    ReasonCode.GENERATION_NOT_FOUND: ("failed", "the provider answered 404 about the generation for 5 minutes"),
    ReasonCode.TIMED_OUT: ("failed", "the video was not ready within `GenerationTimeoutMinutes`"),
    ReasonCode.CHECK_FAILED: ("failed", "the generation could not be polled any longer"),
    ReasonCode.WATCH_ENDED: ("failed", "the execution of the state machine ended before the job did"),
    ReasonCode.DELIVERY_FAILED: ("failed", "the video is ready and could not be copied"),
    ReasonCode.VIDEO_WITHOUT_MEDIA: ("failed", "the video from the provider cannot be played"),
    ReasonCode.ABANDONED: ("failed", "the operator abandoned a job that was `unknown`"),
}
"""Reason code -> (the status of a job that has it in its first attempt, what happened)."""


def example_jobs() -> dict[EventType, Job]:
    """Return a job for the example of each event. The first one is complete; the others show the differences."""
    done = _completed()
    before = replace(done, charge=Charge.NONE, generation_id=None, video=None)
    refused = Reason(ReasonCode.KEY_REFUSED, "The provider refused the API key (401); nothing was charged.")
    limit = Reason(
        ReasonCode.DAILY_LIMIT, "The daily limit of $50.00 would be passed; the image waits until the day has room."
    )
    wrong = Reason(ReasonCode.OPTIONS_INVALID, "S3 metadata: duration is '7'; allowed are 5 and 10 (seconds).")
    late = Reason(
        ReasonCode.TIMED_OUT,
        "The provider did not finish the video within 60 minutes after it was accepted; its last status is processing.",
    )
    lost = Reason(
        ReasonCode.SUBMISSION_UNKNOWN,
        "It is unknown whether the submission was charged: the provider answered 502.",
    )
    return {
        EventType.COMPLETED: done,
        EventType.SUBMITTED: done,
        EventType.HELD: replace(before, status=JobStatus.HELD, reason=limit),
        EventType.DEFERRED: replace(before, status=JobStatus.DEFERRED, reason=refused),
        EventType.REJECTED: replace(
            before, status=JobStatus.REJECTED, reason=wrong, options=None, option_sources={}, cost_cents=0
        ),
        EventType.FAILED: replace(done, status=JobStatus.FAILED, reason=late, video=None),
        EventType.UNKNOWN: replace(before, status=JobStatus.UNKNOWN, charge=Charge.UNKNOWN, reason=lost),
    }


def _completed() -> Job:
    image = ImageRef("dropreel-uploadsbucket-1a2b3c", "shoes/red.jpg", "3HL4kqtJvjVBH40Nrjfkd")
    folder, name = "dropreel-videosbucket-4d5e6f", "shoes/red-gen_img2v_x7y8z9"
    now = datetime(2026, 11, 12, 9, 30, tzinfo=UTC)
    return Job(
        job_id=job_id_of(image),
        status=JobStatus.COMPLETED,
        attempt=1,
        image=Image(
            image.bucket, image.key, image.version_id, '"9b2cf535f27731c974343645a3985328"', 2411530, "41d0" * 16,
            "JPEG", 1920, 1080,
        ),
        created_at=now,
        updated_at=now,
        options=Options("slow zoom out", "fast", "", "16:9", 5, 0.5, True),
        option_sources={name: "S3 metadata" if name == "prompt" else STACK_PARAMETERS for name in OPTION_NAMES},
        cost_cents=47,
        charge=Charge.CHARGED,
        generation_id="gen_img2v_x7y8z9",
        video=VideoObject(
            folder, f"{name}.mp4", 8241907, "9f2c" * 16, f"{name}.json", 5.04, 1280, 720,
            "gKBCZ2X8lqXcJbHVvS0xTAbVZpXxU2oS",
        ),
    )  # fmt: skip


METRICS: dict[str, tuple[str, str]] = {
    Metric.IMAGES_SUBMITTED: ("at the event", "submissions that the provider accepted, once an attempt"),
    Metric.IMAGES_REJECTED: ("at the event", "jobs that ended `rejected`; nothing was charged"),
    Metric.VIDEOS_DELIVERED: ("at the event", "jobs that ended `completed`"),
    Metric.GENERATIONS_FAILED: ("at the event", "jobs that ended `failed`: paid, and no video"),
    Metric.GENERATION_SECONDS: ("at the event", "from the accepted submission to the delivered video"),
    Metric.SUBMISSION_UNKNOWN: ("when it happens", "submissions of which it is unknown whether they were charged"),
    Metric.KEY_REFUSED: ("when it happens", "submissions and polls that were refused with 401 or 403"),
    Metric.NO_BALANCE: ("when it happens", "submissions and polls that were refused because no money is left"),
    Metric.JOBS_WAITING: ("every 5 minutes", "jobs that are `deferred`, `preparing` or `submitting`"),
    Metric.JOBS_HELD: ("every 5 minutes", "jobs that are `held`"),
    Metric.JOBS_UNKNOWN: ("every 5 minutes", "jobs that are `unknown` and not settled; 1 at once when one becomes it"),
    Metric.OLDEST_JOB_SECONDS: (
        "every 5 minutes",
        "age of the oldest job that is `generating` or counted in `JobsWaiting`",
    ),
    Metric.SPEND_RESERVED_USD: ("every 5 minutes", "US dollars that are reserved on the day (UTC)"),
    Metric.SPEND_PERCENT: (
        "every 5 minutes",
        "that in percent of `DailySpendLimitUsd`, 100 as soon as no video fits; not written for `unlimited` and 0",
    ),
}
"""When each metric is written, and what it is."""
