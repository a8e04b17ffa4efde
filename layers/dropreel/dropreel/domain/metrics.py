"""The CloudWatch metrics that the functions write, in the namespace `Dropreel` with the stack's name as the dimension `stack`."""

from enum import StrEnum

from dropreel.domain.job import EventType, Job


class Metric(StrEnum):
    """A metric's name."""

    IMAGES_SUBMITTED = "ImagesSubmitted"
    IMAGES_REJECTED = "ImagesRejected"
    VIDEOS_DELIVERED = "VideosDelivered"
    GENERATIONS_FAILED = "GenerationsFailed"
    GENERATION_SECONDS = "GenerationSeconds"
    SUBMISSION_UNKNOWN = "SubmissionUnknown"
    KEY_REFUSED = "KeyRefused"
    NO_BALANCE = "NoBalance"
    JOBS_WAITING = "JobsWaiting"
    JOBS_HELD = "JobsHeld"
    JOBS_UNKNOWN = "JobsUnknown"
    OLDEST_JOB_SECONDS = "OldestJobSeconds"
    SPEND_RESERVED_USD = "SpendReservedUsd"
    SPEND_PERCENT = "SpendPercent"

    @property
    def unit(self) -> str:
        """CloudWatch's unit; it has none for dollars."""
        return _UNITS.get(self, "Count")


_UNITS = {
    Metric.GENERATION_SECONDS: "Seconds",
    Metric.OLDEST_JOB_SECONDS: "Seconds",
    Metric.SPEND_RESERVED_USD: "None",
    Metric.SPEND_PERCENT: "Percent",
}


def measurements_of(event: EventType, job: Job) -> dict[Metric, float]:
    """Return what is measured when an event of a job is published. An event that is published twice is measured twice."""
    match event:
        case EventType.SUBMITTED:
            return {Metric.IMAGES_SUBMITTED: 1}
        case EventType.REJECTED:
            return {Metric.IMAGES_REJECTED: 1}
        case EventType.FAILED:
            return {Metric.GENERATIONS_FAILED: 1}
        case EventType.COMPLETED:
            seconds = (job.updated_at - (job.submitted_at or job.updated_at)).total_seconds()
            return {Metric.VIDEOS_DELIVERED: 1, Metric.GENERATION_SECONDS: seconds}
        case EventType.UNKNOWN:
            return {Metric.JOBS_UNKNOWN: 1}  # there is at least one, now; Sweep Jobs counts them
        case EventType.HELD | EventType.DEFERRED:
            return {}
