"""The error tree. What a caller must tell apart is a value, not an exception: these all mean "a fault, try again".

DropreelError
├── SettingsError      the function's environment is not what the template sets
├── TryAgain           this delivery cannot be finished now; the queue or the state machine brings it back
├── NotPossible        the owner asked for something that the job's status does not allow; the message says why
├── VideoFault         the bytes behind `result.url` are not one whole video
└── PublishFault       the event bus did not take an event
"""


class DropreelError(Exception):
    """Anything that Dropreel itself raises."""


class SettingsError(DropreelError):
    """An environment variable is missing or not of the form that the template promises."""


class TryAgain(DropreelError):
    """The work is not done and nothing is lost: whoever called should call again later."""


class NotPossible(DropreelError):
    """What was asked cannot be done with this job. Nothing was changed; the message is for the person who asked."""


class VideoFault(DropreelError):
    """The answer behind `result.url` is not one whole video; nothing of it may become an object."""


class PublishFault(DropreelError):
    """EventBridge did not take the event (an error, or a failed entry in its answer)."""
