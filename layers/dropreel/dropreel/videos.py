"""What a whole MP4 is, told from its bytes as they stream by, and where a job's video goes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from dropreel.errors import VideoFault
from dropreel.jobs import Job
from dropreel.mp4_facts import VideoFacts, facts_of

MAX_KEY_BYTES = 1024
"""S3's limit on an object key, in bytes of UTF-8."""
MAX_METADATA_BYTES = 2048
"""S3's limit on an object's user metadata: the bytes of all names and values."""
MAX_MOOV_BYTES = 4 * 1024 * 1024
"""The largest payload of a `moov` box that is kept and read: a limit of ours, far above that of a video of some seconds."""
DURATION_TOLERANCE_SECONDS = 0.5
"""How far a video's own duration may be from the asked one before a warning: a limit of ours."""

_HEADER = 16
_LONGEST_ID = 1024


@dataclass
class BoxWalker:
    """Walks the top-level boxes of an MP4 without keeping it: feed it the bytes in order, then call `finish`.

    Source of the rules: ISO/IEC 14496-12: a box is a 32-bit size and a type; size 1 means a 64-bit size follows; size 0
    means "to the end of the file". A whole video starts with `ftyp`, has a `moov`, and its last box ends at its last byte.

    The first `moov` alone is kept, if its payload has at most `MAX_MOOV_BYTES`. `facts` is what it says; all of it is
    None before `finish` has found the video whole, and for a `moov` larger than that.
    """

    position: int = 0
    facts: VideoFacts = field(default_factory=VideoFacts)
    _next_box: int = 0
    _header: bytes = b""
    _open_ended: bool = False
    _has_ftyp: bool = False
    _has_moov: bool = False
    _moov: bytearray = field(default_factory=bytearray)
    _moov_from: int = 0
    _moov_to: int = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises VideoFault as soon as they cannot be part of a video."""
        view = memoryview(chunk)
        start = self.position
        self.position += len(view)
        while not self._open_ended and self._next_box + len(self._header) < self.position:
            offset = self._next_box + len(self._header) - start
            self._header += bytes(view[offset : offset + _HEADER - len(self._header)])
            if not self._read_header():
                break
        self._keep_moov(view, start)

    def finish(self) -> None:
        """Say that the last byte has come. Raises VideoFault unless what came is one whole video."""
        if self.position == 0:
            raise VideoFault("the video is empty")
        if self._header or (not self._open_ended and self._next_box != self.position):
            raise VideoFault(f"the video is cut short or damaged: it ends at byte {self.position} inside a box")
        if not self._has_moov:
            raise VideoFault("the video has no moov box, so no player can open it")
        if len(self._moov) <= MAX_MOOV_BYTES:
            self.facts = facts_of(self._moov)

    def _read_header(self) -> bool:
        """Read one box header if enough of it is there; return whether the walk may go on."""
        if len(self._header) < 8:
            return False
        size, kind = int.from_bytes(self._header[:4], "big"), self._header[4:8]
        if not self._has_ftyp and kind != b"ftyp":
            raise VideoFault("the answer is not an MP4: it does not start with an ftyp box")
        smallest, to_the_end = 8, size == 0
        if size == 1:
            if len(self._header) < _HEADER:
                return False
            size, smallest = int.from_bytes(self._header[8:16], "big"), 16
        if to_the_end:
            self._open_ended = True
        elif size < smallest:
            raise VideoFault(f"the video is damaged: a box at byte {self._next_box} says it has {size} bytes")
        self._has_ftyp = True
        if kind == b"moov" and not self._has_moov:
            self._has_moov = True
            # An open box does not say its size: one byte more than allowed is kept of it, and tells that it is too large.
            length = MAX_MOOV_BYTES + 1 if to_the_end else size - smallest
            if to_the_end or length <= MAX_MOOV_BYTES:
                self._moov_from = self._next_box + smallest
                self._moov_to = self._moov_from + length
        self._next_box += size
        self._header = b""
        return True

    def _keep_moov(self, view: memoryview, start: int) -> None:
        """Keep what these bytes, of which the first is byte `start` of the video, hold of the payload of the moov box."""
        wanted = self._moov_from + len(self._moov)
        if wanted < min(self._moov_to, self.position):
            self._moov += view[wanted - start : self._moov_to - start]


def video_key(job: Job) -> str:
    """Return `<image key without its ending>-<generation id>.mp4`, cut where needed to S3's 1,024 bytes."""
    folder, slash, name = str(job.image["key"]).rpartition("/")
    stem, dot, _ending = name.rpartition(".")
    stem = folder + slash + (stem if dot and stem else name)
    tail = f"-{re.sub(r'[^0-9A-Za-z_.-]', '_', job.generation_id or '')}.mp4"
    return stem.encode()[: MAX_KEY_BYTES - len(tail)].decode(errors="ignore") + tail


def video_metadata(job: Job) -> dict[str, str]:
    """Return a video's user metadata: source, job and generation id.

    S3 takes ASCII, so other letters are percent-encoded; what is too long for it is cut (the id) or left out (the source).
    """
    ids = {"job-id": job.job_id, "generation-id": quote(job.generation_id or "", safe=":/")[:_LONGEST_ID]}
    whole = {"source": quote(f"s3://{job.image['bucket']}/{job.image['key']}", safe=":/"), **ids}
    return whole if sum(map(len, (*whole, *whole.values()))) <= MAX_METADATA_BYTES else ids


def video_warnings(options: Mapping[str, Any], facts: VideoFacts) -> tuple[str, ...]:
    """Return what is odd about a whole video beside what was asked for, as sentences."""
    if facts.duration_seconds is None:
        return ("The video does not say how long it is.",)
    if abs(facts.duration_seconds - options["duration"]) > DURATION_TOLERANCE_SECONDS:
        return (f"The video is {facts.duration_seconds:g} s long; {options['duration']} s were asked for.",)
    return ()
