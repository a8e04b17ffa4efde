"""What an MP4's `moov` box says of the video: how long it plays, how large it is shown and where its samples lie.

Source of the forms: ISO/IEC 14496-12: boxes (4.2), `mvhd` (8.2.2), `tkhd` (8.3.2), `hdlr` (8.4.3), `stsz` (8.7.3.2),
`stsc` (8.7.4), `stco` and `co64` (8.7.5), `mvex` and `mehd` (8.8.1, 8.8.2). Nothing is decoded: the boxes are believed,
and what they do not say readably is None.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise, repeat

MAX_LOOKS = 10_000
"""The most box headers that are looked at: a limit of ours on the time that a `moov` of countless tiny boxes can take.
A real one has a few dozen on the levels that are read."""

_NOTHING = memoryview(b"")
_Boxes = defaultdict[bytes, list[memoryview]]


@dataclass(frozen=True)
class VideoFacts:
    """Duration in seconds, to the millisecond; width and height in pixels as displayed. None is what is not known.

    Width and height are known both or neither. No number is 0.
    """

    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None


def facts_of(moov: bytes | bytearray) -> VideoFacts:
    """Read the payload of a `moov` box. It never raises, for any bytes, and looks at `MAX_LOOKS` boxes at most."""
    looks = iter(range(MAX_LOOKS))
    movie = _inside(memoryview(moov), looks)
    return VideoFacts(_duration(movie, looks), *_size(movie, looks))


def has_video_track(moov: bytes | bytearray) -> bool:
    """Tell whether the payload of a `moov` box has a track whose handler is `vide`. It never raises, for any bytes.

    True also where it cannot be told: a compressed movie header (QuickTime's `cmov`), or `MAX_LOOKS` boxes without one.
    """
    looks = iter(range(MAX_LOOKS))
    movie = _inside(memoryview(moov), looks)
    is_seen = any(_handler(media) == b"vide" for _track, media in _tracks(movie, looks))
    return is_seen or bool(movie[b"cmov"]) or next(looks, None) is None


def end_of_samples(moov: bytes | bytearray) -> int | None:
    """Return at which byte of the file the last sample of all tracks ends. It never raises, for any bytes.

    None where the tables do not say it: there are fragments, no samples, sizes in a form not read here (`stz2`), or tables
    that are not there, not whole or do not agree.
    """
    looks = iter(range(MAX_LOOKS))
    movie = _inside(memoryview(moov), looks)
    ends = [_end_of_track(media, looks) for _track, media in _tracks(movie, looks)]
    known = [end for end in ends if end is not None]
    if movie[b"mvex"] or len(known) < len(ends):
        return None
    return max(known, default=0) or None


def _end_of_track(media: _Boxes, looks: Iterator[int]) -> int | None:
    """Return where the last sample of a track ends, 0 if it has none: samples lie in chunks, one behind the other."""
    information = _inside(next(iter(media[b"minf"]), _NOTHING), looks)
    tables = _inside(next(iter(information[b"stbl"]), _NOTHING), looks)
    offsets = _rows(tables[b"stco"], 8, ">I") or _rows(tables[b"co64"], 8, ">Q")
    runs = _rows(tables[b"stsc"], 8, ">III")
    header = _full_box(tables[b"stsz"])
    same_size, samples = _number(header, 4, 4), _number(header, 8, 4)
    sizes = iter(()) if same_size else _rows(tables[b"stsz"], 12, ">I")
    if offsets is None or runs is None or sizes is None:
        return None
    end = found = 0
    for (offset,), count in zip(offsets, _samples_of_chunks(runs), strict=False):
        length = count * same_size if same_size else sum(size for (size,) in islice(sizes, count))
        end, found = max(end, offset + length), found + count
    return end if found == samples else None


def _samples_of_chunks(runs: Iterator[tuple[int, ...]]) -> Iterator[int]:
    """Yield how many samples each chunk has. A run of chunks ends where the next begins, the last one with the track."""
    last: list[tuple[int, ...]] = [(0, 0, 0)]
    for (first, count, _), (next_first, _, _) in pairwise(chain(runs, last)):
        yield from repeat(count, next_first - first) if next_first else repeat(count)


def _rows(boxes: list[memoryview], at: int, form: str) -> Iterator[tuple[int, ...]] | None:
    """Return the rows of a table, whose number stands before the first one, which is at this place; None if one is missing."""
    box = _full_box(boxes)
    end = at + _number(box, at - 4, 4) * struct.calcsize(form)
    return struct.iter_unpack(form, box[at:end]) if at <= end <= len(box) else None


def _tracks(movie: _Boxes, looks: Iterator[int]) -> Iterator[tuple[_Boxes, _Boxes]]:
    """Yield the boxes of each track, and of its media."""
    for payload in movie[b"trak"]:
        track = _inside(payload, looks)
        yield track, _inside(next(iter(track[b"mdia"]), _NOTHING), looks)


def _handler(media: _Boxes) -> bytes:
    """Return what a track's media is: `vide`, `soun` or another handler. Readers do not look at the box's version here."""
    return bytes(next(iter(media[b"hdlr"]), _NOTHING)[8:12])


def _duration(movie: _Boxes, looks: Iterator[int]) -> float | None:
    header = _full_box(movie[b"mvhd"])
    scale = _number(header, 20 if _is_wide(header) else 12, 4)
    ticks = _ticks(header, 16, 24)
    if movie[b"mvex"]:
        # There are fragments, which mvhd leaves out: it says 0, or, as ffmpeg writes it, the first fragment's duration.
        ticks = _ticks(_full_box(_inside(movie[b"mvex"][0], looks)[b"mehd"]), 4, 4)
    return round(ticks / scale, 3) or None if scale else None


def _size(movie: _Boxes, looks: Iterator[int]) -> tuple[int, int] | tuple[None, None]:
    """Return width and height of the first video track, as displayed."""
    for track, media in _tracks(movie, looks):
        if _handler(media) != b"vide":
            continue
        header = _full_box(track[b"tkhd"])
        at = 88 if _is_wide(header) else 76
        # 16.16 fixed-point numbers, which have a fraction where pixels are not square
        width, height = round(_number(header, at, 4) / 65536), round(_number(header, at + 4, 4) / 65536)
        if not (width and height):
            break
        # A track may be turned, and then the movie once more.
        turned = _is_quarter_turn(header, 40, 52) != _is_quarter_turn(_full_box(movie[b"mvhd"]), 36, 48)
        return (height, width) if turned else (width, height)
    return None, None


def _inside(content: memoryview, looks: Iterator[int]) -> _Boxes:
    """Return the payloads of the boxes in this content by kind, up to the first box that does not fit."""
    found: _Boxes = defaultdict(list)
    at = 0
    for _ in looks:
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
    """Return the first of these boxes in a version known here: the standard has readers skip any other."""
    return next((box for box in boxes if len(box) > 0 and box[0] <= 1), _NOTHING)


def _is_wide(box: memoryview) -> bool:
    """Whether times and durations have 64 bits: they do in version 1."""
    return _number(box, 0, 1) == 1


def _ticks(box: memoryview, at: int, wide_at: int) -> int:
    """Return a duration in units of the movie's timescale, 0 where it is not known, which is written as all ones too."""
    at, length = (wide_at, 8) if _is_wide(box) else (at, 4)
    ticks = _number(box, at, length)
    return 0 if ticks == 256**length - 1 else ticks


def _is_quarter_turn(box: memoryview, at: int, wide_at: int) -> bool:
    """Whether a matrix { a b u, c d v, x y w } turns by 90 or 270 degrees, mirrored or not: x' = ax + cy, y' = bx + dy."""
    at = wide_at if _is_wide(box) else at
    a, b, c, d = (_number(box, at + place, 4) for place in (0, 4, 12, 16))
    return a == d == 0 and b != 0 and c != 0


def _number(box: memoryview, at: int, length: int) -> int:
    """Return the big-endian number at this place, 0 where the box is too short: 0 tells nothing in any field read here."""
    return int.from_bytes(box[at : at + length], "big") if at + length <= len(box) else 0
