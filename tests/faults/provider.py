"""The provider as it is played: it answers by a script and counts what it would bill."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from dropreel.adapters.http import TimeLimit
from dropreel.adapters.video_source import VideoStream
from dropreel.domain.errors import VideoFault
from dropreel.provider.answers import (
    Accepted,
    Busy,
    Finished,
    GenerationFailed,
    InProgress,
    KeyRefused,
    NoBalance,
    NotSent,
    PollAnswer,
    PollFault,
    Refused,
    SubmitAnswer,
    Unknown,
)
from dropreel.provider.client import _poll_answer, _submit_answer
from tests.faults.calls import Calls
from tests.faults.script import Script, Words
from tests.support.tiny_video import box

ADDRESS = "https://cdn.example/"
BEHIND = b"<!-- served by edge 7 -->"
"""What an edge may write behind a video, which plays nevertheless."""


def video_of(generation_id: str, take: int = 1) -> bytes:
    """Return the video that a generation comes to; another take of it has other bytes."""
    track = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide" + bytes(13))))
    return box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", track) + box(b"mdat", f"{generation_id} {take}".encode())


@dataclass
class Submission:
    """One POST as the provider saw it, and for which attempt of the job it was."""

    image: str
    attempt: int
    generation_id: str | None
    paid: bool
    fails: bool
    polls: int = 0
    said_failed: bool = False


def _response(word: str) -> tuple[requests.Response, TimeLimit]:
    """Return an answer for the real client to read: a status, perhaps with a `Retry-After` or a text that UTF-8 cannot encode."""
    response = requests.Response()
    response.status_code = int(word[:3])
    if "Retry-After" in word:
        response.headers["Retry-After"] = "60"
    response.raw = io.BytesIO(b'{"error": "half a pair: \\ud83d"}' if "broken text" in word else b"")
    return response, TimeLimit(1)


class Provider:
    """Answers POSTs and polls like ProviderClient, by a script. `attempt_of` tells which attempt of its job an image is in."""

    def __init__(self, calls: Calls, script: Script, attempt_of: Callable[[str], int]) -> None:
        self.calls = calls
        self.posts = Words(script.posts, "accept")
        self.polls = Words(script.polls, "")
        self.downloads = Words(script.downloads, "good")
        self.attempt_of = attempt_of
        self.submissions: list[Submission] = []

    def prepare(self, body: dict[str, Any]) -> "Prepared":
        """Like ProviderClient.prepare."""
        return Prepared(self, body["image_url"].partition("?")[0].rpartition("/")[2])

    def post(self, image: str) -> SubmitAnswer:
        """One POST takes effect."""
        word = self.posts.next()
        paid = word in ("accept", "fail", "lost", "lost and fails") or word.isdecimal()
        generation_id = f"gen_{len(self.submissions)}" if paid else None
        self.submissions.append(Submission(image, self.attempt_of(image), generation_id, paid, "fail" in word))
        if word in ("accept", "fail"):
            return Accepted(generation_id or "", "created")
        if word[:3].isdecimal():
            return _submit_answer(*_response(word), ())
        answers: dict[str, SubmitAnswer] = {
            "lost": Unknown("read time-out"),
            "lost and fails": Unknown("read time-out"),
            "lost unpaid": Unknown("the provider answered 500", "oops"),
            "busy": Busy(429, None),
            "busy for hours": Busy(429, 3 * 3600, "come back later"),
            "refuse": Refused(400, "no"),
            "bad key": KeyRefused(401),
            "no balance": NoBalance(402, "your balance is empty"),
            "unreachable": NotSent("no route"),
        }
        return answers[word]

    def poll(self, generation_id: str) -> PollAnswer:
        """Like ProviderClient.poll: first in progress, then ended, but for what the script says."""
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
        if word == "failed, wrongly":  # once a generation: the provider is not wrong twice
            was_wrong, found[0].said_failed = found[0].said_failed, True
            if not was_wrong:
                return GenerationFailed("a worker was restarted")
        if "broken text" in word:
            return _poll_answer(*_response(word), generation_id, ())
        if word in faults:
            return faults[word]
        if found[0].polls == 1:
            return InProgress("processing")
        return GenerationFailed("it did not work") if found[0].fails else Finished(ADDRESS + generation_id)

    def paid(self, image: str) -> int:
        """Return how often the provider would bill for an image."""
        return sum(one.paid for one in self.submissions if one.image == image)

    def lost_id(self, image: str, attempt: int) -> str | None:
        """Return the generation of an attempt, as the provider's own list of them would show it to the owner."""
        found = [one.generation_id for one in self.submissions if (one.image, one.attempt) == (image, attempt)]
        return next((one for one in found if one), None)

    def open(self, result_url: str) -> Any:
        """Like VideoSource.open: yield the video as a stream that checks itself."""
        return _opened(self, result_url)


@contextmanager
def _opened(provider: Provider, result_url: str) -> Iterator[VideoStream]:
    video = video_of(result_url.removeprefix(ADDRESS))
    word = provider.calls.around("video download", lambda _: provider.downloads.next())
    if word == "403":
        raise VideoFault("the video's address answered 403")
    if word == "rendered again":
        video = video_of(result_url.removeprefix(ADDRESS), take=2)
    length: int | None = len(video) + len(BEHIND) if word == "bytes behind" else len(video)
    if word == "bytes behind, no length":
        length = None
    if word == "no media":
        video = video[: video.index(b"mdat") - 4]
        length = len(video)
    pieces: dict[str, Callable[[], Iterator[bytes]]] = {
        "good": lambda: iter([video]),
        "rendered again": lambda: iter([video]),
        "bytes behind": lambda: iter([video, BEHIND]),
        "bytes behind, no length": lambda: iter([video, BEHIND]),
        "no media": lambda: iter([video]),
        "breaks off": lambda: _breaking_off(video),
        "cut short": lambda: iter([video[:-3]]),
        "no video": lambda: iter([b"<html>Sorry</html>"]),
    }
    yield VideoStream(pieces[word](), 1_000_000, length)


def _breaking_off(video: bytes) -> Iterator[bytes]:
    yield video[:20]
    raise requests.ConnectionError


@dataclass
class Prepared:
    """Like ProviderClient's PreparedSubmission."""

    provider: Provider
    image: str

    def send(self) -> SubmitAnswer:
        """POST, with death possible before it and after it took effect."""
        answer: SubmitAnswer = self.provider.calls.around("provider POST", lambda _: self.provider.post(self.image))
        return answer
