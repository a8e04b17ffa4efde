"""A stand-in for the provider: it answers by a script and counts what it would charge."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from dropreel.domain.errors import VideoFault
from dropreel.domain.options import Options
from dropreel.media.video_stream import VideoStream
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollAnswer, PollFault
from dropreel.provider.reading import Reply, poll_answer, submit_answer
from dropreel.provider.submit_answers import (
    Accepted,
    Busy,
    KeyRefused,
    NoBalance,
    NotSent,
    Refused,
    SubmitAnswer,
    Unknown,
)
from tests.faults.calls import Calls
from tests.faults.script import Script, Words
from tests.support.tiny_video import box

ADDRESS = "https://cdn.example/"
TRAILING = b"<!-- served by edge 7 -->"
"""What an edge server may append to a video, which still plays."""


def video_of(generation_id: str, take: int = 1) -> bytes:
    """Return the video of a generation; each take has other bytes."""
    track = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide" + bytes(13))))
    return box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", track) + box(b"mdat", f"{generation_id} {take}".encode())


@dataclass
class Submission:
    """One POST that the provider received, with its job's attempt."""

    image: str
    attempt: int
    generation_id: str | None
    paid: bool
    fails: bool
    polls: int = 0
    said_failed: bool = False


def _reply(word: str) -> Reply:
    """Return a reply for the real code to read: a status, perhaps with a `Retry-After` or a text that UTF-8 cannot encode."""
    headers = {"Retry-After": "60"} if "Retry-After" in word else {}
    return Reply(int(word[:3]), headers, b'{"error": "half a pair: \\ud83d"}' if "broken text" in word else b"")


class Provider:
    """Answers POSTs and polls like ProviderClient, by a script.

    `attempt_of` returns the attempt of an image's job, `image_at` the key of the image that an address is presigned for.
    """

    def __init__(
        self, calls: Calls, script: Script, attempt_of: Callable[[str], int], image_at: Callable[[str], str]
    ) -> None:
        self.calls = calls
        self.posts = Words(script.posts, "accept")
        self.polls = Words(script.polls, "")
        self.downloads = Words(script.downloads, "good")
        self.attempt_of = attempt_of
        self.image_at = image_at
        self.submissions: list[Submission] = []
        self.begins_ids = "rehearsal_gen_" if script.rehearsal else "gen_"

    def prepare(self, options: Options, image_url: str) -> "Prepared":
        """Like ProviderClient.prepare."""
        return Prepared(self, self.image_at(image_url))

    def post(self, image: str) -> SubmitAnswer:
        """Accept one POST by the script's next word."""
        word = self.posts.next()
        paid = word in ("accept", "fail", "lost", "lost and fails") or word.isdecimal()
        generation_id = f"{self.begins_ids}{len(self.submissions)}" if paid else None
        self.submissions.append(Submission(image, self.attempt_of(image), generation_id, paid, "fail" in word))
        if word in ("accept", "fail"):
            return Accepted(generation_id or "", "created")
        if word[:3].isdecimal():
            return submit_answer(_reply(word), ())
        answers: dict[str, SubmitAnswer] = {
            "lost": Unknown("read time-out"),
            "lost and fails": Unknown("read time-out"),
            "lost unpaid": Unknown("the provider answered 500", "oops"),
            "busy": Busy(429, None),
            "busy for hours": Busy(429, 3 * 3600, "retry later"),
            "refuse": Refused(400, "no"),
            "bad key": KeyRefused(401),
            "no balance": NoBalance(402, "your balance is empty"),
            "unreachable": NotSent("no route"),
        }
        return answers[word]

    def poll(self, generation_id: str) -> PollAnswer:
        """Like ProviderClient.poll: in progress once, then ended, unless the script says otherwise."""
        answer: PollAnswer = self.calls.around("provider poll", lambda _: self._poll(generation_id))
        return answer

    def _poll(self, generation_id: str) -> PollAnswer:
        found = [one for one in self.submissions if one.generation_id == generation_id]
        if not found:
            return PollFault("the provider answered 404", 404)
        faults: dict[str, PollAnswer] = {
            "processing": InProgress("processing"),
            "time-out": PollFault("ReadTimeout: ReadTimeout"),
            "500": PollFault("the provider answered 500", 500),
            "401": PollFault("the provider answered 401", 401),
            "404": PollFault("the provider answered 404", 404),
            "no address": PollFault("the provider says completed and gives no result.url", 200),
        }
        found[0].polls += 1
        word = self.polls.next()
        if word == "failed, wrongly":  # once a generation
            was_wrong, found[0].said_failed = found[0].said_failed, True
            if not was_wrong:
                return GenerationFailed("a worker was restarted")
        if "broken text" in word:
            return poll_answer(_reply(word), generation_id, ())
        if word in faults:
            return faults[word]
        if found[0].polls == 1:
            return InProgress("processing")
        return GenerationFailed("it did not work") if found[0].fails else Finished(ADDRESS + generation_id)

    def paid(self, image: str) -> int:
        """Return the number of generations that the provider would bill for an image."""
        return sum(one.paid for one in self.submissions if one.image == image)

    def lost_id(self, image: str, attempt: int) -> str | None:
        """Return the generation of an attempt, as the operator finds it in the provider's list."""
        found = [one.generation_id for one in self.submissions if (one.image, one.attempt) == (image, attempt)]
        return next((one for one in found if one), None)

    def open(self, result_url: str) -> Any:
        """Like VideoSource.open: yield the video as a VideoStream."""
        return _opened(self, result_url)


@contextmanager
def _opened(provider: Provider, result_url: str) -> Iterator[VideoStream]:
    video = video_of(result_url.removeprefix(ADDRESS))
    word = provider.calls.around("video download", lambda _: provider.downloads.next())
    if word == "403":
        raise VideoFault("the video's address answered 403")
    if word == "rendered again":
        video = video_of(result_url.removeprefix(ADDRESS), take=2)
    length: int | None = len(video) + len(TRAILING) if word == "trailing bytes" else len(video)
    if word == "trailing bytes, no length":
        length = None
    if word == "no media":
        video = video[: video.index(b"mdat") - 4]
        length = len(video)
    pieces: dict[str, Callable[[], Iterator[bytes]]] = {
        "good": lambda: iter([video]),
        "rendered again": lambda: iter([video]),
        "trailing bytes": lambda: iter([video, TRAILING]),
        "trailing bytes, no length": lambda: iter([video, TRAILING]),
        "no media": lambda: iter([video]),
        "connection reset": lambda: _reset_connection(video),
        "cut short": lambda: iter([video[:-3]]),
        "no video": lambda: iter([b"<html>Sorry</html>"]),
    }
    yield VideoStream(pieces[word](), 1_000_000, length)


def _reset_connection(video: bytes) -> Iterator[bytes]:
    yield video[:20]
    raise requests.ConnectionError


@dataclass
class Prepared:
    """Like ProviderClient's PreparedSubmission."""

    provider: Provider
    image: str

    def send(self) -> SubmitAnswer:
        """POST; a crash is possible before it, and after it took effect."""
        answer: SubmitAnswer = self.provider.calls.around("provider POST", lambda _: self.provider.post(self.image))
        return answer
