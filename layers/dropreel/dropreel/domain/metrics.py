"""The CloudWatch metrics that alarms watch. Each counts occurrences (unit Count)."""

from enum import StrEnum


class Metric(StrEnum):
    """A metric's name in the namespace `Dropreel`."""

    SUBMISSION_UNKNOWN = "SubmissionUnknown"
    KEY_REFUSED = "KeyRefused"
    NO_BALANCE = "NoBalance"
