"""What a whole MP4 is, told from its bytes as they stream by, and where a job's video goes."""

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA, VideoFault
from dropreel.domain.job import Job
from dropreel.media.mp4 import VideoFacts, end_of_samples, facts_of, has_video_track

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
_MEDIA = frozenset({b"mdat", b"imda"})
_QUICKTIME_STARTS = frozenset(
    {b"moov", b"mdat", b"wide", b"free", b"skip", b"junk", b"pnot", b"uuid", b"udta", b"styp"}
)
_KNOWN = (
    _MEDIA
    | _QUICKTIME_STARTS
    | {b"ftyp", b"moof", b"mfra", b"sidx", b"ssix", b"emsg", b"prft", b"meta", b"pdin", b"PICT"}
)
"""The boxes of a file's top level in ISO/IEC 14496-12 and in Apple's QuickTime File Format: what is anything else and does
not fit is no box."""
_KIND = re.compile(rb"[A-Za-z0-9 _.\xa9-]{4}")
"""What a box's type looks like: four printable characters, in files that are told from junk here."""


def starts_as_video(head: bytes) -> bool:
    """Tell whether the first 8 bytes are the header of a box that an MP4 or a QuickTime movie starts with."""
    return head[4:8] == b"ftyp" or head[4:8] in _QUICKTIME_STARTS


@dataclass
class BoxWalker:
    """Walks the top-level boxes of an MP4 without keeping it: feed it the bytes in order, then call `finish`.

    Source of the rules: ISO/IEC 14496-12: a box is a 32-bit size and a type; size 1 means a 64-bit size follows; size 0
    means "to the end of the file". A video has a `moov` with a video track, and media in an `mdat`. A whole one starts
    with `ftyp`, and its last box ends at its last byte.

    `measured` says that the number of bytes was known beforehand (a Content-Length that was met, a stored object), so
    that the file cannot have been cut on its way. What is then odd and no obstacle to a player (bytes behind the last
    box, a last box that claims more than there is, no `ftyp`) is no fault but one of the `warnings`. Where it was not
    known, a last box of size 0 says nothing of where the file ends: it is whole if all samples that `moov` lists have come.

    The first `moov` alone is kept, if its payload has at most `MAX_MOOV_BYTES`. `facts` is what it says; all of it is
    None before `finish` has found the video whole, and for a `moov` larger than that.
    """

    measured: bool = False
    position: int = 0
    facts: VideoFacts = field(default_factory=VideoFacts)
    warnings: tuple[str, ...] = ()
    """What is odd about a whole video, as sentences; empty before `finish`."""
    _box: bytes = b""
    _box_at: int = 0
    _next_box: int = 0
    _header: bytes = b""
    _walks: bool = True
    _is_open: bool = False
    _first_kind: bytes = b""
    _junk_from: int | None = None
    _media_from: int | None = None
    _moov_end: int | None = None
    _moov: bytearray = field(default_factory=bytearray)
    _moov_from: int = 0
    _moov_to: int = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises VideoFault as soon as they cannot be part of a video."""
        view = memoryview(chunk)
        start = self.position
        self.position += len(view)
        while self._walks and self._next_box + len(self._header) < self.position:
            offset = self._next_box + len(self._header) - start
            self._header += bytes(view[offset : offset + _HEADER - len(self._header)])
            if not self._read_header():
                break
        self._keep_moov(view, start)

    def finish(self) -> None:
        """Say that the last byte has come. Raises VideoFault unless what came is one whole video."""
        if self.position == 0:
            raise VideoFault("the video is empty")
        odd_end = self._odd_end()
        if self._moov_end is None:
            raise VideoFault("the video has no moov box, so no player can open it")
        if self._is_open and not self.measured and not self._has_all_samples():
            kind = self._box.decode("latin-1")
            raise VideoFault(
                f"the video may be cut short: its last box ({kind}, at byte {self._box_at:,}) has no size,"
                " the answer had no Content-Length, and moov does not say that all of it is there"
            )
        if self._media_from is None or self._media_from >= self.position:
            raise VideoFault(
                "the video has no media: there is a moov box, and no mdat box that holds anything", VIDEO_WITHOUT_MEDIA
            )
        if len(self._moov) <= MAX_MOOV_BYTES:
            if self._moov_to and not has_video_track(self._moov):
                raise VideoFault("the video has no video track, so there is nothing to see", VIDEO_WITHOUT_MEDIA)
            self.facts = facts_of(self._moov)
        self.warnings = (*self._odd_start(), *odd_end)

    def _has_all_samples(self) -> bool:
        """Tell whether the first moov is all there and lists samples, all of which have come."""
        if not self._moov_to or len(self._moov) != self._moov_to - self._moov_from:
            return False  # it is too large to be kept, or is itself the box of size 0
        end = end_of_samples(self._moov)
        return end is not None and end <= self.position

    def _odd_start(self) -> tuple[str, ...]:
        if self._first_kind == b"ftyp":
            return ()
        kind = self._first_kind.decode()
        return (f"The video starts with a {kind} box where an MP4 has ftyp; players take it as a QuickTime movie.",)

    def _odd_end(self) -> tuple[str, ...]:
        """Return what is odd about the end. Raises VideoFault where it is the end of no whole video."""
        junk_from = self._junk_from
        if self._header:
            junk_from = self._next_box
        elif self._walks and self._next_box > self.position and self._box not in _KNOWN:
            junk_from = self._box_at
        is_long = self._walks and self._next_box > self.position
        if junk_from is None and not is_long:
            return ()
        if not self.measured or self._moov_end is None or self._moov_end > self.position:
            raise VideoFault(f"the video is cut short or damaged: it ends at byte {self.position} inside a box")
        if junk_from is None:
            said, there = self._next_box - self._box_at, self.position - self._box_at
            name = f"{self._box.decode()}, at byte {self._box_at:,}"
            return (
                f"The video's last box ({name}) says that it has {said:,} bytes; the file ends after {there:,} of them.",
            )
        more = self.position - junk_from
        count = f"{more:,} byte{'s' if more != 1 else ''}"
        return (f"The video has {count} behind its last box, from byte {junk_from:,} on, of no use to a player.",)

    def _read_header(self) -> bool:
        """Read one box header if enough of it is there; return whether the walk may go on."""
        if len(self._header) < 8:
            return False
        size, kind = int.from_bytes(self._header[:4], "big"), self._header[4:8]
        if not self._first_kind:
            if kind != b"ftyp" and not (self.measured and kind in _QUICKTIME_STARTS):
                raise VideoFault("the answer is not an MP4: it does not start with an ftyp box")
            self._first_kind = kind
        if not _KIND.fullmatch(kind):
            return self._no_box("has no type")
        smallest, to_the_end = 8, size == 0
        if size == 1:
            if len(self._header) < _HEADER:
                return False
            size, smallest = int.from_bytes(self._header[8:16], "big"), 16
        if to_the_end:
            self._walks, self._is_open = False, True
        elif size < smallest:
            return self._no_box(f"says it has {size} bytes")
        payload = self._next_box + smallest
        if kind in _MEDIA and self._media_from is None and (to_the_end or size > smallest):
            self._media_from = payload
        if kind == b"moov" and self._moov_end is None:
            self._moov_end = payload if to_the_end else self._next_box + size
            # An open box does not say its size: one byte more than allowed is kept of it, and tells that it is too large.
            length = MAX_MOOV_BYTES + 1 if to_the_end else size - smallest
            if to_the_end or length <= MAX_MOOV_BYTES:
                self._moov_from, self._moov_to = payload, payload + length
        self._box, self._box_at = kind, self._next_box
        self._next_box += size
        self._header = b""
        return True

    def _no_box(self, what: str) -> bool:
        """End the walk: what begins here is no box. Raises VideoFault where the file has to go on here."""
        if not self.measured or self._moov_end is None:
            raise VideoFault(f"the video is damaged: a box at byte {self._next_box} {what}")
        self._junk_from, self._walks, self._header = self._next_box, False, b""
        return False

    def _keep_moov(self, view: memoryview, start: int) -> None:
        """Keep what these bytes, of which the first is byte `start` of the video, hold of the payload of the moov box."""
        wanted = self._moov_from + len(self._moov)
        if wanted < min(self._moov_to, self.position):
            self._moov += view[wanted - start : self._moov_to - start]


def video_key(job: Job) -> str:
    """Return `<image key without its ending>-<generation id>.mp4`, cut where needed to S3's 1,024 bytes."""
    folder, slash, name = job.image.key.rpartition("/")
    stem, dot, _ending = name.rpartition(".")
    stem = folder + slash + (stem if dot and stem else name)
    tail = f"-{re.sub(r'[^0-9A-Za-z_.-]', '_', job.generation_id or '')}.mp4"
    return stem.encode()[: MAX_KEY_BYTES - len(tail)].decode(errors="ignore") + tail


def video_metadata(job: Job) -> dict[str, str]:
    """Return a video's user metadata: source, job and generation id.

    S3 takes ASCII, so other letters are percent-encoded; what is too long for it is cut (the id) or left out (the source).
    """
    ids = {"job-id": job.job_id, "generation-id": quote(job.generation_id or "", safe=":/")[:_LONGEST_ID]}
    whole = {"source": quote(f"s3://{job.image.bucket}/{job.image.key}", safe=":/"), **ids}
    return whole if sum(map(len, (*whole, *whole.values()))) <= MAX_METADATA_BYTES else ids


def video_warnings(duration: int, facts: VideoFacts) -> tuple[str, ...]:
    """Return what is odd about a whole video beside the `duration` that was asked for, in seconds; as sentences."""
    if facts.duration_seconds is None:
        return ("The video does not say how long it is.",)
    if abs(facts.duration_seconds - duration) > DURATION_TOLERANCE_SECONDS:
        return (f"The video is {facts.duration_seconds:g} s long; {duration} s were asked for.",)
    return ()
