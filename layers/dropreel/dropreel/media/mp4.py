"""MP4 files: their boxes, read as the bytes arrive, and the facts in the `moov` box.

Source of the rules: ISO/IEC 14496-12: boxes (4.2), `mvhd` (8.2.2), `tkhd` (8.3.2), `hdlr` (8.4.3), `stsz` (8.7.3.2),
`stsc` (8.7.4), `stco` and `co64` (8.7.5), `mvex` and `mehd` (8.8.1, 8.8.2). Media is not decoded. The functions that read
a `moov` take its payload; they never raise, for any bytes, and read at most `MAX_BOXES` boxes.
"""

import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise, repeat

from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA, VideoFault

MAX_MOOV_BYTES = 4 * 1024 * 1024
"""The largest payload of a `moov` box that is kept and read: a limit of ours, far above that of a video of some seconds."""
MAX_BOXES = 10_000
"""The most box headers that are read in one `moov`: a limit of ours on the time that countless tiny boxes can take.
A real one has a few dozen on the levels that are read."""

_HEADER = 16
_MEDIA = frozenset({b"mdat", b"imda"})
_QUICKTIME_STARTS = frozenset(
    {b"moov", b"mdat", b"wide", b"free", b"skip", b"junk", b"pnot", b"uuid", b"udta", b"styp"}
)
_KNOWN = (
    _MEDIA
    | _QUICKTIME_STARTS
    | {b"ftyp", b"moof", b"mfra", b"sidx", b"ssix", b"emsg", b"prft", b"meta", b"pdin", b"PICT"}
)
"""The top-level boxes of ISO/IEC 14496-12 and of Apple's QuickTime File Format. A last box of another type whose size does
not fit is junk."""
_KIND = re.compile(rb"[A-Za-z0-9 _.\xa9-]{4}")
"""A box type: four printable characters. Anything else at the place of a type is junk."""
_EMPTY = memoryview(b"")
_Boxes = defaultdict[bytes, list[memoryview]]


@dataclass(frozen=True)
class VideoFacts:
    """Duration in seconds, rounded to the millisecond; width and height in pixels as displayed. Unknown facts are None.

    Width and height are both known or both None. No value is 0.
    """

    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None


def starts_as_video(head: bytes) -> bool:
    """Return whether the first 8 bytes are the header of a box that an MP4 or a QuickTime movie starts with."""
    return head[4:8] == b"ftyp" or head[4:8] in _QUICKTIME_STARTS


@dataclass
class BoxWalker:
    """Validates the top-level boxes of a video as its bytes arrive: call `feed` with each piece in order, then `finish`.

    A box is a 32-bit size and a type; size 1 means that a 64-bit size follows, size 0 that the box extends to the end of
    the file. A valid video has a `moov` with a video track, and media in an `mdat`. It starts with `ftyp`, and its last
    box ends at its last byte.

    `measured` means that the file's length was known beforehand (a Content-Length that was met, a stored object), so
    the file was not cut on the way. Deviations that players accept (bytes behind the last box, a last box that is longer
    than the file, no `ftyp`) are then `warnings` instead of faults. Where the length was not known, a last box of size 0
    does not show where the file ends: the video is complete once all samples that `moov` lists have arrived.

    Only the first `moov` is kept, if its payload has at most `MAX_MOOV_BYTES`. `facts` are read from it; all of them are
    None before `finish` has returned, and for a larger `moov`.
    """

    measured: bool = False
    position: int = 0
    facts: VideoFacts = field(default_factory=VideoFacts)
    warnings: tuple[str, ...] = ()
    """The deviations of a valid video, as sentences; empty before `finish`."""
    _box: bytes = b""
    _box_at: int = 0
    _next_box: int = 0
    _header: bytes = b""
    _reads_boxes: bool = True
    _is_open: bool = False
    _first_kind: bytes = b""
    _junk_from: int | None = None
    _media_from: int | None = None
    _moov_end: int | None = None
    _moov: bytearray = field(default_factory=bytearray)
    _moov_from: int = 0
    _moov_to: int = 0

    def feed(self, chunk: bytes) -> None:
        """Process the next bytes. Raises VideoFault as soon as they cannot be part of a video."""
        view = memoryview(chunk)
        start = self.position
        self.position += len(view)
        while self._reads_boxes and self._next_box + len(self._header) < self.position:
            offset = self._next_box + len(self._header) - start
            self._header += bytes(view[offset : offset + _HEADER - len(self._header)])
            if not self._read_header():
                break
        self._keep_moov(view, start)

    def finish(self) -> None:
        """Process the end of the file. Raises VideoFault unless the bytes are one complete video."""
        if self.position == 0:
            raise VideoFault("the video is empty")
        end_warnings = self._check_end()
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
            self.facts = read_facts(self._moov)
        self.warnings = (*self._start_warnings(), *end_warnings)

    def _has_all_samples(self) -> bool:
        """Return whether the first moov is complete and lists samples, all of which have arrived."""
        if not self._moov_to or len(self._moov) != self._moov_to - self._moov_from:
            return False  # it is too large to be kept, or is itself the box of size 0
        end = end_of_samples(self._moov)
        return end is not None and end <= self.position

    def _start_warnings(self) -> tuple[str, ...]:
        if self._first_kind == b"ftyp":
            return ()
        kind = self._first_kind.decode()
        return (f"The video starts with a {kind} box where an MP4 has ftyp; players take it as a QuickTime movie.",)

    def _check_end(self) -> tuple[str, ...]:
        """Return the warnings about the file's end. Raises VideoFault where a complete video does not end like this."""
        is_inside_box = self._reads_boxes and self._next_box > self.position
        junk_from = self._junk_from
        if self._header:
            junk_from = self._next_box
        elif is_inside_box and self._box not in _KNOWN:
            junk_from = self._box_at
        if junk_from is None and not is_inside_box:
            return ()
        if not self.measured or self._moov_end is None or self._moov_end > self.position:
            raise VideoFault(f"the video is cut short or damaged: it ends at byte {self.position} inside a box")
        if junk_from is None:
            size, present = self._next_box - self._box_at, self.position - self._box_at
            name = f"{self._box.decode()}, at byte {self._box_at:,}"
            return (
                f"The video's last box ({name}) says that it has {size:,} bytes; the file ends after {present:,} of them.",
            )
        more = self.position - junk_from
        count = f"{more:,} byte{'s' if more != 1 else ''}"
        return (f"The video has {count} behind its last box, from byte {junk_from:,} on; players ignore them.",)

    def _read_header(self) -> bool:
        """Read one box header if enough of it has arrived; return whether the next one can be read."""
        if len(self._header) < 8:
            return False
        size, kind = int.from_bytes(self._header[:4], "big"), self._header[4:8]
        if not self._first_kind:
            if kind != b"ftyp" and not (self.measured and kind in _QUICKTIME_STARTS):
                raise VideoFault("the answer is not an MP4: it does not start with an ftyp box")
            self._first_kind = kind
        if not _KIND.fullmatch(kind):
            return self._end_at_junk("has no type")
        header_size, is_open = 8, size == 0
        if size == 1:
            if len(self._header) < _HEADER:
                return False
            size, header_size = int.from_bytes(self._header[8:16], "big"), 16
        if is_open:
            self._reads_boxes, self._is_open = False, True
        elif size < header_size:
            return self._end_at_junk(f"says it has {size} bytes")
        payload = self._next_box + header_size
        if kind in _MEDIA and self._media_from is None and (is_open or size > header_size):
            self._media_from = payload
        if kind == b"moov" and self._moov_end is None:
            self._moov_end = payload if is_open else self._next_box + size
            # The size of an open box is not known here: one byte more than allowed is kept, which shows that it is too large.
            length = MAX_MOOV_BYTES + 1 if is_open else size - header_size
            if is_open or length <= MAX_MOOV_BYTES:
                self._moov_from, self._moov_to = payload, payload + length
        self._box, self._box_at = kind, self._next_box
        self._next_box += size
        self._header = b""
        return True

    def _end_at_junk(self, problem: str) -> bool:
        """Stop reading boxes: this is not one. Raises VideoFault where the video cannot be complete before it."""
        if not self.measured or self._moov_end is None:
            raise VideoFault(f"the video is damaged: a box at byte {self._next_box} {problem}")
        self._junk_from, self._reads_boxes, self._header = self._next_box, False, b""
        return False

    def _keep_moov(self, view: memoryview, start: int) -> None:
        """Keep the part of the moov payload that is in these bytes, which start at byte `start` of the video."""
        wanted = self._moov_from + len(self._moov)
        if wanted < min(self._moov_to, self.position):
            self._moov += view[wanted - start : self._moov_to - start]


def read_facts(moov: bytes | bytearray) -> VideoFacts:
    """Return the facts in a `moov`. Fields that are missing or not readable are None."""
    budget = iter(range(MAX_BOXES))
    movie = _child_boxes(memoryview(moov), budget)
    return VideoFacts(_duration(movie, budget), *_size(movie, budget))


def has_video_track(moov: bytes | bytearray) -> bool:
    """Return whether a `moov` has a track with the handler `vide`.

    True also where that is not known: a compressed movie header (QuickTime's `cmov`), or `MAX_BOXES` boxes without one.
    """
    budget = iter(range(MAX_BOXES))
    movie = _child_boxes(memoryview(moov), budget)
    is_found = any(_handler(media) == b"vide" for _track, media in _tracks(movie, budget))
    return is_found or bool(movie[b"cmov"]) or next(budget, None) is None


def end_of_samples(moov: bytes | bytearray) -> int | None:
    """Return the offset in the file at which the last sample of all tracks ends.

    None where the tables do not give it: there are fragments, no samples, sizes in a form not read here (`stz2`), or tables
    that are missing, cut or inconsistent.
    """
    budget = iter(range(MAX_BOXES))
    movie = _child_boxes(memoryview(moov), budget)
    ends = [_end_of_track(media, budget) for _track, media in _tracks(movie, budget)]
    known = [end for end in ends if end is not None]
    if movie[b"mvex"] or len(known) < len(ends):
        return None
    return max(known, default=0) or None


def _end_of_track(media: _Boxes, budget: Iterator[int]) -> int | None:
    """Return the offset at which the last sample of a track ends, 0 without samples. A chunk holds samples without gaps."""
    information = _child_boxes(next(iter(media[b"minf"]), _EMPTY), budget)
    tables = _child_boxes(next(iter(information[b"stbl"]), _EMPTY), budget)
    offsets = _table_rows(tables[b"stco"], 8, ">I") or _table_rows(tables[b"co64"], 8, ">Q")
    runs = _table_rows(tables[b"stsc"], 8, ">III")
    header = _full_box(tables[b"stsz"])
    same_size, samples = _number(header, 4, 4), _number(header, 8, 4)
    sizes = iter(()) if same_size else _table_rows(tables[b"stsz"], 12, ">I")
    if offsets is None or runs is None or sizes is None:
        return None
    end = found = 0
    for (offset,), count in zip(offsets, _samples_of_chunks(runs), strict=False):
        length = count * same_size if same_size else sum(size for (size,) in islice(sizes, count))
        end, found = max(end, offset + length), found + count
    return end if found == samples else None


def _samples_of_chunks(runs: Iterator[tuple[int, ...]]) -> Iterator[int]:
    """Yield the number of samples of each chunk. A run of chunks ends where the next one begins, the last with the track."""
    last: list[tuple[int, ...]] = [(0, 0, 0)]
    for (first, count, _), (next_first, _, _) in pairwise(chain(runs, last)):
        yield from repeat(count, next_first - first) if next_first else repeat(count)


def _table_rows(boxes: list[memoryview], at: int, form: str) -> Iterator[tuple[int, ...]] | None:
    """Return the rows of a table that start at this offset, after their count. None where the box has fewer rows."""
    box = _full_box(boxes)
    end = at + _number(box, at - 4, 4) * struct.calcsize(form)
    return struct.iter_unpack(form, box[at:end]) if at <= end <= len(box) else None


def _tracks(movie: _Boxes, budget: Iterator[int]) -> Iterator[tuple[_Boxes, _Boxes]]:
    """Yield the child boxes of each track, and of its media."""
    for payload in movie[b"trak"]:
        track = _child_boxes(payload, budget)
        yield track, _child_boxes(next(iter(track[b"mdia"]), _EMPTY), budget)


def _handler(media: _Boxes) -> bytes:
    """Return a track's handler: `vide`, `soun` or another. The box's version is not checked, as in players."""
    return bytes(next(iter(media[b"hdlr"]), _EMPTY)[8:12])


def _duration(movie: _Boxes, budget: Iterator[int]) -> float | None:
    header = _full_box(movie[b"mvhd"])
    scale = _number(header, 20 if _has_64_bit_times(header) else 12, 4)
    ticks = _ticks(header, 16, 24)
    if movie[b"mvex"]:
        # mvhd does not count fragments: it has 0 or, as ffmpeg writes it, the duration of the first fragment.
        ticks = _ticks(_full_box(_child_boxes(movie[b"mvex"][0], budget)[b"mehd"]), 4, 4)
    return round(ticks / scale, 3) or None if scale else None


def _size(movie: _Boxes, budget: Iterator[int]) -> tuple[int, int] | tuple[None, None]:
    """Return width and height of the first video track, as displayed."""
    for track, media in _tracks(movie, budget):
        if _handler(media) != b"vide":
            continue
        header = _full_box(track[b"tkhd"])
        at = 88 if _has_64_bit_times(header) else 76
        # 16.16 fixed-point numbers, which have a fraction where pixels are not square
        width, height = round(_number(header, at, 4) / 65536), round(_number(header, at + 4, 4) / 65536)
        if not (width and height):
            break
        # The track's matrix and the movie's are applied one after the other.
        turned = _is_quarter_turn(header, 40, 52) != _is_quarter_turn(_full_box(movie[b"mvhd"]), 36, 48)
        return (height, width) if turned else (width, height)
    return None, None


def _child_boxes(content: memoryview, budget: Iterator[int]) -> _Boxes:
    """Return the payloads of the boxes in this content by type, up to the first box that does not fit."""
    found: _Boxes = defaultdict(list)
    at = 0
    for _ in budget:
        size, kind, header = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(content) - at
        if size < header or at + size > len(content):
            break
        found[bytes(kind)].append(content[at + header : at + size])
        at += size
    return found


def _full_box(boxes: list[memoryview]) -> memoryview:
    """Return the first of these boxes whose version is 0 or 1: the standard requires readers to skip unknown versions."""
    return next((box for box in boxes if len(box) > 0 and box[0] <= 1), _EMPTY)


def _has_64_bit_times(box: memoryview) -> bool:
    """Return whether times and durations have 64 bits, as in version 1."""
    return _number(box, 0, 1) == 1


def _ticks(box: memoryview, at: int, at_64_bit: int) -> int:
    """Return a duration in units of the movie's timescale, 0 where it is unknown (all bits set)."""
    at, length = (at_64_bit, 8) if _has_64_bit_times(box) else (at, 4)
    ticks = _number(box, at, length)
    return 0 if ticks == 256**length - 1 else ticks


def _is_quarter_turn(box: memoryview, at: int, at_64_bit: int) -> bool:
    """Whether a matrix { a b u, c d v, x y w } turns by 90 or 270 degrees, mirrored or not: x' = ax + cy, y' = bx + dy."""
    at = at_64_bit if _has_64_bit_times(box) else at
    a, b, c, d = (_number(box, at + place, 4) for place in (0, 4, 12, 16))
    return a == d == 0 and b != 0 and c != 0


def _number(box: memoryview, at: int, length: int) -> int:
    """Return the big-endian number at this offset, 0 where the box is too short: 0 means "unknown" in every field read here."""
    return int.from_bytes(box[at : at + length], "big") if at + length <= len(box) else 0
