"""What an image is, told from a few ranged reads of its bytes: format, size as displayed, whole or not.

Names and content types are never believed. Nothing is decoded and the whole file is never fetched: readers walk the
headers, look at the end, and stop at `MAX_BYTES_READ`. Sources: the provider's document (formats, 10 MB), ITU-T T.81
(JPEG), the PNG specification, RFC 9649 (WebP), TIFF 6.0 and Exif 2.3 (orientation).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from dropreel.jobs import Reason

MAX_IMAGE_BYTES = 10_000_000
"""The provider's "10 MB", in the stricter reading."""
MAX_PIXELS = 100_000_000
"""Width times height: a limit of ours against images that are small as files and huge as pictures."""
MAX_BYTES_READ = 2 * 1024 * 1024
"""The most that one inspection fetches, in bytes."""
MAX_READS = 256
"""The most ranged reads of one inspection."""
RECOMMENDED_SIDE = 1024
"""Pixels a side that the provider recommends at least."""

_FIRST_BLOCK = 16 * 1024
_BLOCK = 1024
_LARGEST_BLOCK = 64 * 1024
_LATE_EXIF = 4096
_TAIL_BLOCKS = (512, 16 * 1024, 128 * 1024, 1024 * 1024)


class ByteSource(Protocol):
    """Something whose bytes can be read by range. `read` returns fewer bytes than asked only at the end."""

    @property
    def size(self) -> int:
        """The whole length in bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, at most `length` of them."""
        ...


@dataclass(frozen=True)
class ImageFacts:
    """What the bytes say. `width` and `height` are in pixels as displayed: EXIF orientations 5 to 8 swap them."""

    format: str
    width: int
    height: int
    size: int
    orientation: int = 1
    animated: bool = False


class _Unreadable(Exception):
    """Ends a walk; `inspect_image` turns it into a Reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


def inspect_image(source: ByteSource) -> ImageFacts | Reason:
    """Return the facts of an image, or the reason why it cannot be used. Reads at most `MAX_BYTES_READ` bytes."""
    if source.size == 0:
        return Reason("image_empty", "The image is empty (0 bytes).")
    if source.size > MAX_IMAGE_BYTES:
        return Reason(
            "image_too_large",
            f"The image has {source.size:,} bytes; the provider takes at most {MAX_IMAGE_BYTES:,}.",
        )
    window = _Window(source)
    try:
        facts = _walk(window)
    except _Unreadable as unreadable:
        return unreadable.reason
    if facts.width * facts.height > MAX_PIXELS:
        return Reason(
            "image_too_many_pixels",
            f"The image has {facts.width} x {facts.height} pixels; at most {MAX_PIXELS:,} in all are taken.",
        )
    return facts


def _walk(window: "_Window") -> ImageFacts:
    head = window.at(0, 16)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(window)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(window)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(window)
    raise _Unreadable("image_format", f"The file is {_looks_like(head)}, not a JPG, PNG or WebP image.")


_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"<svg", "an SVG drawing"),
    (b"<html", "an HTML page"),
    (b"<!doctype", "an HTML page"),
    (b"<script", "an HTML page"),
    (b"<?php", "a PHP program"),
    (b"<?xml", "an XML document"),
)


def _looks_like(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return "a HEIC, AVIF or MP4 file"
    start = head.lstrip().lower()
    for signature, name in _SIGNATURES:
        if start.startswith(signature.lower()):
            return name
    if head and all(byte in b"\t\n\r" or byte >= 0x20 for byte in head):
        return "text"
    return "of an unknown kind"


@dataclass
class _Window:
    """Ranged reads with memory and a cap. Blocks grow while a walk goes on and on, so that many small segments cost few reads."""

    source: ByteSource
    bytes_read: int = 0
    reads: int = 0
    _blocks: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def has_reads_left(self) -> bool:
        """Whether there is room for a few reads more."""
        return self.reads < MAX_READS - 16 and self.bytes_read < MAX_BYTES_READ // 2

    def at(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, fewer than `length` only at the end of the file."""
        end = min(offset + length, self.source.size)
        if offset >= end:
            return b""
        for start, block in reversed(self._blocks):
            if start <= offset and end <= start + len(block):
                return block[offset - start : end - start]
        return self._fetch(offset, end - offset)[: end - offset]

    def exactly(self, offset: int, length: int, what: str) -> bytes:
        """Return `length` bytes, or end the walk: the file is cut short."""
        found = self.at(offset, length)
        if len(found) < length:
            raise _Unreadable("image_truncated", f"The image is cut short: {what} is missing at byte {offset:,}.")
        return found

    def tail(self, length: int) -> bytes:
        """Return the last bytes of the file."""
        start = max(0, self.source.size - length)
        return self.at(start, self.source.size - start)

    def _fetch(self, offset: int, needed: int) -> bytes:
        block = _FIRST_BLOCK if not self._blocks else min(_LARGEST_BLOCK, _BLOCK << (self.reads // 8))
        length = min(max(needed, block), self.source.size - offset)
        if self.reads >= MAX_READS or self.bytes_read + length > MAX_BYTES_READ:
            raise _Unreadable(
                "image_header_too_long",
                f"The image's header is not found in the first {self.bytes_read:,} bytes read of it.",
            )
        found = self.source.read(offset, length)
        self.reads += 1
        self.bytes_read += len(found)
        self._blocks = [*self._blocks[-3:], (offset, found)]
        return found


# --- JPEG ------------------------------------------------------------------------------------------------------------

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(window: _Window) -> ImageFacts:
    size: tuple[int, int] | None = None
    orientation = 0
    for marker, offset, length in _jpeg_segments(window):
        if marker in _FRAMES and size is None:
            frame = window.exactly(offset, 6, "the frame header")
            height, width, components = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big"), frame[5]
            if not width or not height or not components or length < 6 + 3 * components:
                raise _damaged("JPEG", f"its frame header says {width} x {height} pixels and {components} components")
            size = width, height
        elif marker == 0xE1 and not orientation:
            payload = window.at(offset, min(length, 6))
            if payload == b"Exif\x00\x00":
                orientation = _tiff_orientation(window, offset + 6, length - 6)
        elif marker == 0xDA:
            if size is None:
                raise _damaged("JPEG", "its picture data starts before its frame header")
            window.exactly(offset, length + 1, "the picture data")
            end = _find_end(window, offset + length, b"\xff\xd9", "JPEG")
            _refuse_polyglot(window, end, "JPEG")
            return _displayed("JPEG", *size, window, orientation or 1)
    raise _Unreadable("image_truncated", "The JPEG is cut short: it ends before its picture data.")


def _jpeg_segments(window: _Window) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, payload offset, payload length) from the start of the file on."""
    position = 2
    while position < window.source.size:
        pair = window.exactly(position, 2, "a segment")
        if pair[0] != 0xFF:
            raise _damaged("JPEG", f"there is no segment at byte {position:,}")
        marker = pair[1]
        if marker == 0xFF:  # fill bytes, any number of them
            run = window.at(position, _LARGEST_BLOCK)
            position += len(run) - len(run.lstrip(b"\xff")) - 1 or 1
            continue
        if marker in (0x00, 0xD8, 0xD9):
            raise _damaged("JPEG", f"marker {marker:02X} stands at byte {position:,}, where none may be")
        position += 2
        if marker in _STANDALONE:
            continue
        length = int.from_bytes(window.exactly(position, 2, "a segment's length"), "big")
        if length < 2:
            raise _damaged("JPEG", f"the segment at byte {position - 2:,} says it has {length} bytes")
        yield marker, position + 2, length - 2
        position += length


# --- PNG -------------------------------------------------------------------------------------------------------------

_PNG_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def _png(window: _Window) -> ImageFacts:
    header = window.exactly(8, 25, "the IHDR chunk")
    if header[:8] != b"\x00\x00\x00\rIHDR":
        raise _damaged("PNG", "it does not start with an IHDR chunk")
    if zlib.crc32(header[4:21]) != int.from_bytes(header[21:25], "big"):
        raise _damaged("PNG", "the check sum of its IHDR chunk is wrong")
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    depth, colour = header[16], header[17]
    if not 0 < width < 2**31 or not 0 < height < 2**31:
        raise _damaged("PNG", f"its header says {width} x {height} pixels")
    if depth not in _PNG_DEPTHS.get(colour, set()) or header[18] or header[19] or header[20] > 1:
        raise _damaged("PNG", f"its header names no known kind of PNG (colour type {colour}, {depth} bits)")
    orientation, animated = 1, False
    position = 33
    while True:
        chunk = window.exactly(position, 8, "a chunk")
        length, kind = int.from_bytes(chunk[:4], "big"), chunk[4:]
        if length >= 2**31 or not kind.isalpha():
            raise _damaged("PNG", f"there is no chunk at byte {position:,}")
        if kind == b"acTL" and length == 8:
            animated = int.from_bytes(window.exactly(position + 8, 4, "the animation's length"), "big") > 1
        elif kind == b"eXIf":
            orientation = _tiff_orientation(window, position + 8, length)
        elif kind == b"IDAT":
            break
        elif kind == b"IEND":
            raise _damaged("PNG", "it has no picture data")
        position += 12 + length
    end = _find_end(window, position, _PNG_END, "PNG")
    if orientation == 1:
        orientation = _late_png_orientation(window, max(position, end - _LATE_EXIF))
    _refuse_polyglot(window, end, "PNG")
    return _displayed("PNG", width, height, window, orientation, animated)


def _late_png_orientation(window: _Window, start: int) -> int:
    """Look for an eXIf chunk between the picture data and the end, where some programs write it."""
    tail = window.at(start, window.source.size - start)[:_LATE_EXIF]
    at = tail.rfind(b"eXIf")
    if at < 4:
        return 1
    length = int.from_bytes(tail[at - 4 : at], "big")
    chunk, check = tail[at : at + 4 + length], tail[at + 4 + length : at + 8 + length]
    if zlib.crc32(chunk) != int.from_bytes(check, "big"):
        return 1
    return _tiff_orientation(window, start + at + 4, length)


# --- WebP ------------------------------------------------------------------------------------------------------------


def _webp(window: _Window) -> ImageFacts:
    end = 8 + int.from_bytes(window.exactly(4, 4, "the RIFF size"), "little")
    if end > window.source.size:
        raise _Unreadable(
            "image_truncated",
            f"The WebP is cut short: it says it has {end:,} bytes and has {window.source.size:,}.",
        )
    kind = window.exactly(12, 4, "the first chunk")
    if kind == b"VP8X":
        width, height, orientation, animated = _webp_extended(window, end)
    elif kind in (b"VP8 ", b"VP8L"):
        width, height = _webp_bitstream(window, 12)
        orientation, animated = 1, False
    else:
        raise _damaged("WebP", "it has no picture chunk")
    _refuse_polyglot(window, end, "WebP")
    return _displayed("WebP", width, height, window, orientation, animated)


def _webp_bitstream(window: _Window, chunk: int) -> tuple[int, int]:
    kind = window.exactly(chunk, 4, "a picture chunk")
    if kind == b"VP8L":
        lossless = window.exactly(chunk + 8, 5, "the lossless header")
        bits = int.from_bytes(lossless[1:5], "little")
        if lossless[0] != 0x2F or bits >> 29:
            raise _damaged("WebP", "its lossless header is wrong")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    lossy = window.exactly(chunk + 8, 10, "the lossy header")
    width, height = int.from_bytes(lossy[6:8], "little") & 0x3FFF, int.from_bytes(lossy[8:10], "little") & 0x3FFF
    if lossy[0] & 1 or lossy[3:6] != b"\x9d\x01\x2a" or not width or not height:
        raise _damaged("WebP", "its lossy header is wrong")
    return width, height


def _webp_extended(window: _Window, end: int) -> tuple[int, int, int, bool]:
    header = window.exactly(20, 10, "the VP8X chunk")
    flags = header[0]
    width, height = int.from_bytes(header[4:7], "little") + 1, int.from_bytes(header[7:10], "little") + 1
    orientation, pictures, wants_exif = 1, 0, bool(flags & 0x08)
    position = 12
    while position + 8 <= end and (wants_exif or not pictures):
        if pictures and not window.has_reads_left:
            break  # only the orientation is left to find, and that is never a reason to refuse
        chunk = window.exactly(position, 8, "a chunk")
        kind, length = chunk[:4], int.from_bytes(chunk[4:8], "little")
        if position + 8 + length > end:
            raise _damaged("WebP", f"the chunk at byte {position:,} ends outside the file")
        if kind in (b"VP8 ", b"VP8L"):
            pictures += 1
            if _webp_bitstream(window, position) != (width, height):
                raise _damaged("WebP", "its canvas and its picture differ in size")
        elif kind == b"ANMF":
            pictures += 1
        elif kind == b"EXIF" and wants_exif:
            prefix = 6 if window.at(position + 8, 6) == b"Exif\x00\x00" else 0
            orientation = _tiff_orientation(window, position + 8 + prefix, length - prefix)
            wants_exif = False
        position += 8 + length + (length & 1)
    if not pictures:
        raise _damaged("WebP", "it has no picture chunk")
    return width, height, orientation, bool(flags & 0x02)


# --- what the formats share ------------------------------------------------------------------------------------------


def _tiff_orientation(window: _Window, start: int, length: int) -> int:
    """Return the orientation (1 to 8) of an Exif block, 1 where it says none that can be read: it is never a reason to refuse."""
    head = window.at(start, min(8, length))
    order = {b"II*\x00": "little", b"MM\x00*": "big"}.get(head[:4])
    if order is None or len(head) < 8:
        return 1

    def number(data: bytes) -> int:
        return int.from_bytes(data, "little" if order == "little" else "big")

    directory = number(head[4:8])
    if directory + 2 > length:
        return 1
    count = number(window.at(start + directory, 2))
    entries = window.at(start + directory + 2, min(12 * count, max(0, length - directory - 2)))
    for at in range(0, len(entries) - 11, 12):
        entry = entries[at : at + 12]
        if number(entry[:2]) == 0x0112 and number(entry[2:4]) == 3 and number(entry[4:8]) == 1:
            value = number(entry[8:10])
            return value if 1 <= value <= 8 else 1
    return 1


def _find_end(window: _Window, start: int, mark: bytes, name: str) -> int:
    """Return the offset just behind the last end mark after `start`, looking from the end of the file backwards."""
    for block in _TAIL_BLOCKS:
        first = max(start, window.source.size - block)
        found = window.at(first, window.source.size - first).rfind(mark)
        if found >= 0:
            return first + found + len(mark)
        if first == start:
            break
    raise _Unreadable("image_truncated", f"The {name} is cut short: its end mark is missing.")


def _refuse_polyglot(window: _Window, end: int, name: str) -> None:
    """Refuse an image with another file behind its end: what we checked must be what every reader sees."""
    behind = window.at(end, min(64, window.source.size - end)).lstrip(b"\x00\r\n\t ").lower()
    for signature, kind in _SIGNATURES:
        if len(signature) > 2 and behind.startswith(signature.lower()):
            raise _polyglot(name, kind)
    if b"PK\x05\x06" in window.tail(512):
        raise _polyglot(name, "a ZIP archive")


def _displayed(
    name: str, width: int, height: int, window: _Window, orientation: int, animated: bool = False
) -> ImageFacts:
    if orientation >= 5:
        width, height = height, width
    return ImageFacts(name, width, height, window.source.size, orientation, animated)


def _damaged(name: str, what: str) -> _Unreadable:
    return _Unreadable("image_damaged", f"The {name} is damaged: {what}.")


def _polyglot(name: str, kind: str) -> _Unreadable:
    return _Unreadable("image_polyglot", f"The {name} has {kind} behind its end; send the image alone.")
