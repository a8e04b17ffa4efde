"""The error tree. What a caller must tell apart is a value, not an exception: these all mean "a fault, try again".

DropreelError
├── SettingsError      the function's environment is not what the template sets
├── RetryLater           this delivery cannot be finished now; the queue or the state machine brings it back
├── TransitionError    a job is not in a status from which the transition may start; it has changed, or the code is wrong
├── ActionNotAllowed        the owner asked for something that the job's status does not allow; the message says why
├── VideoFault         the bytes behind `result.url` are not one whole video; its text begins with its `code` if it has one
└── PublishFault       the event bus did not take an event
"""


class DropreelError(Exception):
    """Anything that Dropreel itself raises."""


class SettingsError(DropreelError):
    """An environment variable is missing or not of the form that the template promises."""


class RetryLater(DropreelError):
    """The work is not done and nothing is lost: whoever called should call again later."""


class TransitionError(DropreelError):
    """A job is not in a status from which this transition may start. Nothing was saved."""


class ActionNotAllowed(DropreelError):
    """What was asked cannot be done with this job. Nothing was changed; the message is for the person who asked."""


VIDEO_WITHOUT_MEDIA = "video_without_media"
"""The reason's code of a video that has nothing to play: no media, or no video track."""


class VideoFault(DropreelError):
    """The answer behind `result.url` is not one whole video; nothing of it may become an object.

    `code` is the reason's code of a job whose delivery ends with this fault, None for the usual one. It is written before
    the message: of an exception, the message alone comes through the state machine everywhere.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message if code is None else f"{code}: {message}")


class PublishFault(DropreelError):
    """EventBridge did not take the event (an error, or a failed entry in its answer)."""
