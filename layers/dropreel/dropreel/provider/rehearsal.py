"""Answers in place of the provider: ids, statuses over time, and one scripted failure. Nothing is sent and nothing is paid.

A generation's id holds when it began and how it ends, so nothing is stored: `rehearsal_<time>_<outcome>_<number>`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dropreel.domain.options import Options
from dropreel.domain.rehearsals import REHEARSAL_ID
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollAnswer, PollFault
from dropreel.provider.submit_answers import Accepted, NotSent, Refused, SubmitAnswer

FAILURE_PHRASE = "rehearse a failure"
"""A prompt with these words, in any case, gives a generation that fails."""
CREATED_SECONDS = 5
"""How long a generation is `created`."""
PROCESSING_UNTIL_SECONDS = 15
"""When a generation ends, counted from its submission."""
RESULT_SCHEME = "rehearsal:"
"""Begins `result.url`; the name of a packaged video follows."""
NO_PROVIDER = "Rehearsal is true, and this stack has no provider"

VIDEO_NAMES = frozenset(
    f"{shape}-{seconds}-{track}"
    for shape in ("16x9", "9x16", "1x1")
    for seconds in (5, 10)
    for track in ("sound", "silent")
)
"""The packaged videos: aspect ratio, seconds, and whether there is a sound track."""

_ID = re.compile(rf"{REHEARSAL_ID}([0-9a-f]{{8}})_([a-z0-9-]+)_[0-9a-f]+")
_FAILURE = "failure"
_UNREADABLE = "unreadable-"


@dataclass(frozen=True)
class Rehearsal:
    """The provider's two calls, without the provider.

    `read_image` reads the first bytes behind a presigned address, as the provider would; it returns None, or why it could
    not in one word of letters and digits (an HTTP status). `new_number` returns hex digits that no other generation has.
    """

    read_image: Callable[[str], str | None]
    clock: Callable[[], datetime]
    new_number: Callable[[], str]

    def prepare(self, options: Options, image_url: str) -> "RehearsedSubmission":
        """Return a submission that sends nothing."""
        return RehearsedSubmission(self, options, image_url)

    def poll(self, generation_id: str) -> PollAnswer:
        """Return the state of a generation at this time: always the same for the same id and time."""
        found = _ID.fullmatch(generation_id)
        if found is None:
            return PollFault("there is no such rehearsal", 404)
        age = self.clock().timestamp() - int(found[1], 16)
        if age < CREATED_SECONDS:
            return InProgress("created")
        if age < PROCESSING_UNTIL_SECONDS:
            return InProgress("processing")
        return _end(found[2])


@dataclass(frozen=True, repr=False)
class RehearsedSubmission:
    """One submission to the rehearsal. It holds the image's presigned address: never log it."""

    rehearsal: Rehearsal
    options: Options
    image_url: str

    def send(self) -> SubmitAnswer:
        """Accept the submission, unless it breaks the provider's contract. An image that cannot be read makes it fail later."""
        video = _video_name(self.options)
        if not self.options.prompt or video not in VIDEO_NAMES:
            return Refused(400, "the rehearsal has no video for these options")
        outcome = video
        if FAILURE_PHRASE in self.options.prompt.lower():
            outcome = _FAILURE
        elif (why := self.rehearsal.read_image(self.image_url)) is not None:
            outcome = _UNREADABLE + why
        began = int(self.rehearsal.clock().timestamp())
        return Accepted(f"{REHEARSAL_ID}{began:08x}_{outcome}_{self.rehearsal.new_number()}", "created")


@dataclass(frozen=True)
class NoProvider:
    """Stands in the provider's place while `Rehearsal` is true: jobs from before wait for it, and nothing is sent."""

    def prepare(self, options: Options, image_url: str) -> "NoProvider":  # noqa: ARG002 - the provider's own signature
        """Return a submission that is never sent."""
        return self

    def send(self) -> SubmitAnswer:
        """Send nothing: the job waits."""
        return NotSent(NO_PROVIDER)

    def poll(self, generation_id: str) -> PollAnswer:  # noqa: ARG002 - the provider's own signature
        """Answer as a provider that cannot be reached: polling goes on until the job's deadline."""
        return PollFault(NO_PROVIDER)


def _video_name(options: Options) -> str:
    track = "sound" if options.sound else "silent"
    return f"{options.aspect_ratio.replace(':', 'x')}-{options.duration}-{track}"


def _end(outcome: str) -> PollAnswer:
    if outcome in VIDEO_NAMES:
        return Finished(RESULT_SCHEME + outcome)
    if outcome.startswith(_UNREADABLE):
        why = outcome.removeprefix(_UNREADABLE)
        said = f"answered {why}" if why.isdecimal() else "could not be reached"
        return GenerationFailed(f"the image's presigned address {said}, so the provider could not read the image")
    return GenerationFailed(f'this rehearsal fails because its prompt says "{FAILURE_PHRASE}"')
