"""The error tree. Expected outcomes are return values; an exception means a fault.

DropreelError
├── SettingsError      an environment variable of the function is missing or invalid
├── RetryLater         this delivery cannot be finished now; the queue or the state machine retries it
├── TransitionError    the job's status does not allow the transition: the job has changed, or the code is wrong
├── ActionNotAllowed   the job's status does not allow what the operator asked for; the message says why
├── VideoFault         the bytes at `result.url` are not one complete video; the message begins with `code` where it is set
├── PublishFault       EventBridge did not accept an event
└── WebhookFault       the endpoint of the webhooks did not answer
"""


class DropreelError(Exception):
    """The base of all errors that Dropreel raises."""


class SettingsError(DropreelError):
    """An environment variable is missing, or not in the format that the template sets."""


class RetryLater(DropreelError):
    """The work is not finished and nothing is lost: the caller retries later."""


class TransitionError(DropreelError):
    """The job's status does not allow this transition. Nothing was saved."""


class ActionNotAllowed(DropreelError):
    """The job's status does not allow this action. Nothing was changed; the message is for the operator."""


VIDEO_WITHOUT_MEDIA = "video_without_media"
"""The reason code of a video that cannot be played: no media, or no video track."""


class VideoFault(DropreelError):
    """The body of `result.url` is not one complete video, and must not be stored.

    `code` is the reason code of the job if the delivery fails for good; None for `delivery_failed`. It is part of the
    message, because an exception's class name does not reach the state machine on every engine.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message if code is None else f"{code}: {message}")


class PublishFault(DropreelError):
    """EventBridge did not accept the event (an error, or a failed entry in the response)."""


class WebhookFault(DropreelError):
    """The endpoint of the webhooks did not answer; the message has no part of its address."""
