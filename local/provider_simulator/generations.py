"""The simulator's records: every submission, what was paid, and the status of each generation."""

import secrets
import string
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from .contract import GenerationRequest
from .image_check import ImageFacts
from .videos import VideoFile

Status = Literal["created", "processing", "completed", "failed"]

_ID_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Pace:
    """Seconds of each stage, and how long a result address is valid. Fixed for a generation when it is accepted."""

    created_seconds: float = 1.0
    processing_seconds: float = 6.0
    result_url_seconds: float = 3600.0


@dataclass(frozen=True)
class ScriptedEnd:
    """An end set by a fault rule: `processing` without end, or failed with an error."""

    stuck: bool = False
    error: Any = None


@dataclass(frozen=True)
class Generation:
    """One accepted, and therefore paid, submission. `accepted_at` is on the monotonic clock."""

    id: str
    request: GenerationRequest
    accepted_at: float
    pace: Pace
    video: VideoFile | None
    scripted_end: ScriptedEnd | None

    def status(self, now: float) -> Status:
        """Its status. It stays `processing` until its video is rendered, however short its stages."""
        age = now - self.accepted_at
        if age < self.pace.created_seconds:
            return "created"
        if age < self.pace.created_seconds + self.pace.processing_seconds:
            return "processing"
        if self.scripted_end is not None:
            return "processing" if self.scripted_end.stuck else "failed"
        if self.video is None or not self.video.done():
            return "processing"
        return "completed" if not self.video.cancelled() and self.video.exception() is None else "failed"

    def error(self) -> Any:
        """Why it failed; any JSON if a fault rule sets it."""
        if self.scripted_end is not None:
            return self.scripted_end.error
        return {"code": "generation_failed", "message": "The video could not be made from this image."}


@dataclass
class Submission:
    """One POST that reached the endpoint. `status_code` is None until an answer is sent, if one is."""

    at: str
    request: Any
    id: str | None = None
    paid: bool = False
    price_cents: int = 0
    status_code: int | None = None
    image: ImageFacts | None = None


class Ledger:
    """Submissions, generations and their counts. Safe to use from several threads."""

    def __init__(self, pace: Pace) -> None:
        self._lock = threading.Lock()
        self._pace = pace
        self._submissions: list[Submission] = []
        self._generations: dict[str, Generation] = {}
        self._polls: Counter[str] = Counter()
        self._downloads: Counter[str] = Counter()
        self._in_flight = 0
        self._max_in_flight = 0

    @contextmanager
    def submission(self, request: Any) -> Iterator[Submission]:
        """Records a POST on arrival, and counts it as in flight for as long as the block lasts."""
        submission = Submission(datetime.now(UTC).isoformat(), request)
        with self._lock:
            self._submissions.append(submission)
            self._in_flight += 1
            self._max_in_flight = max(self._max_in_flight, self._in_flight)
        try:
            yield submission
        finally:
            with self._lock:
                self._in_flight -= 1

    def accept(
        self,
        submission: Submission,
        request: GenerationRequest,
        video: VideoFile | None,
        scripted_end: ScriptedEnd | None = None,
    ) -> Generation:
        """Accepts a submission: from this moment it is paid. Ids are never seeded, so no two runs share one."""
        identity = "gen_img2v_" + "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
        with self._lock:
            generation = Generation(identity, request, time.monotonic(), self._pace, video, scripted_end)
            self._generations[identity] = generation
            submission.id, submission.paid, submission.price_cents = identity, True, request.price_cents
        return generation

    def find(self, identity: str) -> Generation | None:
        """The generation of this id, if there is one."""
        with self._lock:
            return self._generations.get(identity)

    def count_poll(self, identity: str) -> None:
        """Counts one poll with the right key, whether or not the id is known."""
        with self._lock:
            self._polls[identity] += 1

    def count_download(self, identity: str) -> None:
        """Counts one request for a result with a valid signature, whatever the answer."""
        with self._lock:
            self._downloads[identity] += 1

    def submissions(self) -> list[dict[str, Any]]:
        """Every submission as a JSON object, in order of arrival."""
        with self._lock:
            return [asdict(submission) for submission in self._submissions]

    def summary(self) -> dict[str, Any]:
        """Counts: submissions, paid ones, their price in US cents, polls and downloads by id, most in flight at once."""
        with self._lock:
            return {
                "submissions": len(self._submissions),
                "paid": sum(submission.paid for submission in self._submissions),
                "price_cents": sum(submission.price_cents for submission in self._submissions),
                "polls": dict(self._polls),
                "downloads": dict(self._downloads),
                "max_in_flight": self._max_in_flight,
            }

    def change_pace(self, **seconds: float) -> Pace:
        """Sets the pace of later submissions; a value that is not given is kept."""
        with self._lock:
            self._pace = replace(self._pace, **seconds)
            return self._pace

    def clear(self) -> None:
        """Deletes submissions, generations and counts; the pace is kept."""
        with self._lock:
            self._submissions.clear()
            self._generations.clear()
            self._polls.clear()
            self._downloads.clear()
            self._max_in_flight = self._in_flight
