"""What an image is, told from a few ranged reads of its bytes: format, size as displayed, whole or not.

Names and content types are never believed. Nothing is decoded and the whole file is never fetched: readers walk the
headers, look at the end, and stop at `MAX_BYTES_READ`. Sources: the provider's document (formats, 10 MB), ITU-T T.81
(JPEG), the PNG specification, RFC 9649 (WebP), TIFF 6.0 and Exif 2.3 (orientation).
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
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
MAX_LOOKS = 20_000
"""The most looks at what was read: it bounds the time that a header of countless tiny pieces can take."""
RECOMMENDED_SIDE = 1024
"""Pixels a side that the provider recommends at least."""

_SMALL_FILE = 512 * 1024
_FIRST_BLOCK = 16 * 1024
_BLOCK = 1024
_LARGEST_BLOCK = 64 * 1024
_RUN = 4096
_CHECKED_CHUNK = 16 * 1024
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


def first_block(size: int | None) -> int:
    """Return how many bytes the first read takes: all of a small file, for a second request takes longer than its bytes.

    S3's performance guidelines reckon with 85 MB a second for one request, and 100 ms or more until its first byte.
    """
    return _SMALL_FILE if size is not None and size <= _SMALL_FILE else _FIRST_BLOCK


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
    looks: int = 0
    _blocks: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def has_reads_left(self) -> bool:
        """Whether there is room for a few reads more."""
        return self.reads < MAX_READS - 16 and self.bytes_read < MAX_BYTES_READ // 2 and self.looks < MAX_LOOKS - 100

    def at(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset`, fewer than `length` only at the end of the file."""
        self.looks += 1
        if self.looks > MAX_LOOKS:
            raise self._too_long()
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
        block = first_block(self.source.size) if not self._blocks else min(_LARGEST_BLOCK, _BLOCK << (self.reads // 8))
        length = min(max(needed, block), self.source.size - offset)
        if self.reads >= MAX_READS or self.bytes_read + length > MAX_BYTES_READ:
            raise self._too_long()
        found = self.source.read(offset, length)
        self.reads += 1
        self.bytes_read += len(found)
        self._blocks = [*self._blocks[-3:], (offset, found)]
        return found

    def _too_long(self) -> _Unreadable:
        return _Unreadable(
            "image_header_too_long",
            f"The image's header does not end within {self.bytes_read:,} bytes read of it and {self.looks:,} pieces.",
        )


# --- JPEG ------------------------------------------------------------------------------------------------------------

_STANDALONE = frozenset(range(0xD0, 0xD8))
_LOSSLESS_FRAME = 0xC3
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, _LOSSLESS_FRAME, 0xC9, 0xCA})  # what libjpeg-turbo decodes
_RARE_FRAMES = frozenset({0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF})  # hierarchical, or lossless and arithmetic
_HUFFMAN_TABLES, _QUANTIZATION_TABLES, _SCAN, _EXIF = 0xC4, 0xDB, 0xDA, 0xE1
_SEGMENTS = frozenset(
    {*_FRAMES, *_RARE_FRAMES, _HUFFMAN_TABLES, 0xCC, _QUANTIZATION_TABLES, 0xDC, 0xDD, _SCAN, *range(0xE0, 0xF0), 0xFE}
)


@dataclass(frozen=True)
class _Frame:
    """A JPEG's frame header: pixels as stored, and which quantization table each component takes."""

    width: int
    height: int
    tables: dict[int, int]


def _jpeg(window: _Window) -> ImageFacts:
    frame: _Frame | None = None
    tables: set[int] = set()
    orientation = 0
    for marker, offset, length in _jpeg_segments(window):
        if marker in _RARE_FRAMES:
            raise _rare_jpeg("hierarchical or arithmetic")
        if marker in _FRAMES:
            if frame is not None:
                raise _damaged("JPEG", "it has two frame headers")
            frame = _jpeg_frame(window.exactly(offset, length, "the frame header"))
            if marker == _LOSSLESS_FRAME:
                tables = set(range(256))  # nothing is quantized
        elif marker == _QUANTIZATION_TABLES:
            tables |= _quantization_tables(window.exactly(offset, length, "a quantization table"))
        elif marker == _HUFFMAN_TABLES:
            _check_huffman_tables(window, offset, length)
        elif marker == _EXIF and not orientation:
            if window.at(offset, min(length, 6)) == b"Exif\x00\x00":
                orientation = _tiff_orientation(window, offset + 6, length - 6)
        elif marker == _SCAN:
            if frame is None:
                raise _damaged("JPEG", "its picture data starts before its frame header")
            _check_scan(window.exactly(offset, length + 1, "the picture data")[:-1], frame, tables)
            end = _find_end(window, offset + length, b"\xff\xd9", "JPEG")
            _refuse_polyglot(window, end, "JPEG")
            return _displayed("JPEG", frame.width, frame.height, window, orientation or 1)
    raise _Unreadable("image_truncated", "The JPEG is cut short: it ends before its picture data.")


def _jpeg_segments(window: _Window) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, payload offset, payload length) from the start of the file on.

    Stray bytes between segments are passed over, as libjpeg and all that is built on it do: cameras and editors leave some.
    """
    position = 2
    while position < window.source.size:
        pair = window.exactly(position, 2, "a segment")
        if pair[0] != 0xFF:
            position += _run(window, position, lambda run: run.find(b"\xff"))
            continue
        marker = pair[1]
        if marker == 0xFF:  # fill bytes, any number of them
            position += _run(window, position + 1, lambda run: len(run) - len(run.lstrip(b"\xff")) - 1) + 1
            continue
        if marker == 0x00 or marker in _STANDALONE:
            position += 2
            continue
        if marker not in _SEGMENTS:
            raise _damaged("JPEG", f"marker {marker:02X} stands at byte {position:,}, where none may be")
        length = int.from_bytes(window.exactly(position + 2, 2, "a segment's length"), "big")
        if length < 2:
            raise _damaged("JPEG", f"the segment at byte {position:,} says it has {length} bytes")
        yield marker, position + 4, length - 2
        position += 2 + length


def _run(window: _Window, position: int, measure: Callable[[bytes], int]) -> int:
    """Return how many bytes to pass over: what `measure` says, or all that was looked at where it finds no end (-1)."""
    run = window.at(position, _RUN)
    found = measure(run)
    return len(run) if found < 0 else found


def _jpeg_frame(payload: bytes) -> _Frame:
    if len(payload) < 6:
        raise _damaged("JPEG", f"its frame header has {len(payload)} bytes")
    precision, count = payload[0], payload[5]
    height, width = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
    if not width or not height or not count or len(payload) != 6 + 3 * count:
        raise _damaged("JPEG", f"its frame header says {width} x {height} pixels and {count} components")
    if any(not 1 <= sampling >> 4 <= 4 or not 1 <= sampling & 0x0F <= 4 for sampling in payload[7::3]):
        raise _damaged("JPEG", "its frame header says an impossible sampling")
    if precision != 8:
        raise _rare_jpeg(f"{precision} bits a sample")
    if count not in (1, 3, 4):
        raise _rare_jpeg(f"{count} components")
    return _Frame(width, height, dict(zip(payload[6::3], payload[8::3], strict=True)))


def _quantization_tables(payload: bytes) -> set[int]:
    """Return the numbers of the tables (0 to 3) that the segment defines: 64 entries each, of one or two bytes."""
    numbers = set()
    while payload:
        precision, number = payload[0] >> 4, payload[0] & 0x0F
        length = 1 + 64 * (1 + precision)
        if precision > 1 or number > 3 or len(payload) < length:
            raise _damaged("JPEG", "a quantization table of it is wrong")
        numbers.add(number)
        payload = payload[length:]
    return numbers


def _check_huffman_tables(window: _Window, offset: int, length: int) -> None:
    """Check that each table has as many values as it counts, and no more codes of a length than there can be."""
    end = offset + length
    while offset < end:
        head = window.exactly(offset, 17, "a Huffman table")
        kind, number, counts = head[0] >> 4, head[0] & 0x0F, head[1:]
        values = window.exactly(offset + 17, sum(counts), "a Huffman table")
        codes = sum(count << (16 - bits) for bits, count in enumerate(counts, 1))
        offset += 17 + len(values)
        if kind > 1 or number > 3 or offset > end or len(values) > 256 or codes >= 1 << 16:
            raise _damaged("JPEG", "a Huffman table of it is wrong")
        if kind == 0 and any(value > 16 for value in values):  # the bits of a difference, 16 at most
            raise _damaged("JPEG", "a Huffman table of it is wrong")


def _check_scan(payload: bytes, frame: _Frame, tables: set[int]) -> None:
    count = payload[0] if payload else 0
    if not 1 <= count <= 4 or len(payload) != 4 + 2 * count:
        raise _damaged("JPEG", "the header of its picture data is wrong")
    if any(component not in frame.tables for component in payload[1:-3:2]):
        raise _damaged("JPEG", "its picture data and its frame header name different components")
    if any(frame.tables[component] not in tables for component in payload[1:-3:2]):
        raise _damaged("JPEG", "a quantization table that its picture data needs is missing")


def _rare_jpeg(what: str) -> _Unreadable:
    return _Unreadable(
        "image_format", f"The JPEG is of a kind that hardly any program opens ({what}); save it as an ordinary JPEG."
    )


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
    for kind, offset, length in _png_chunks(window):
        if kind == b"IDAT":
            _check_png_data(window, offset, length)
            end = _find_end(window, offset + length, _PNG_END, "PNG")
            break
        if kind == b"IEND":
            raise _damaged("PNG", "it has no picture data")
        if length <= _CHECKED_CHUNK:
            _check_png_chunk(window, kind, offset, length)
        if kind == b"acTL" and length == 8:
            animated = int.from_bytes(window.exactly(offset, 4, "the animation's length"), "big") > 1
        elif kind == b"eXIf":
            orientation = _tiff_orientation(window, offset, length)
    if orientation == 1:
        orientation = _late_png_orientation(window, max(offset + length, end - _LATE_EXIF))
    _refuse_polyglot(window, end, "PNG")
    return _displayed("PNG", width, height, window, orientation, animated)


def _png_chunks(window: _Window) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, payload offset, payload length) from the first chunk behind the header on, without end."""
    position = 33
    while True:
        chunk = window.exactly(position, 8, "a chunk")
        length, kind = int.from_bytes(chunk[:4], "big"), chunk[4:]
        if length >= 2**31 or not kind.isalpha():
            raise _damaged("PNG", f"there is no chunk at byte {position:,}")
        yield kind, position + 8, length
        position += 12 + length


def _check_png_chunk(window: _Window, kind: bytes, offset: int, length: int) -> None:
    payload = window.exactly(offset, length + 4, f"the {kind.decode()} chunk")
    if zlib.crc32(kind + payload[:-4]) != int.from_bytes(payload[-4:], "big"):
        raise _damaged("PNG", f"the check sum of its {kind.decode()} chunk is wrong")


def _check_png_data(window: _Window, offset: int, length: int) -> None:
    """Check what can be told of the first IDAT chunk without decoding: its zlib header (RFC 1950) and what follows it."""
    if length >= 2:
        start = window.exactly(offset, 2, "the picture data")
        if start[0] & 0x0F != 8 or int.from_bytes(start, "big") % 31:
            raise _damaged("PNG", "its picture data does not start as compressed data does")
    behind = window.exactly(offset + length + 4, 8, "the rest of the picture data")
    if not behind[4:].isalpha():
        raise _damaged("PNG", f"there is no chunk at byte {offset + length + 4:,}")


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


_WEBP_PICTURES = (b"VP8 ", b"VP8L")
_WEBP_FLAGS = 0x3E  # profile, alpha, Exif, XMP, animation: libwebp refuses a file with any other


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
    else:
        width, height = _webp_picture(window, 12, end)
        orientation, animated = 1, False
        for _kind, _offset, _length in islice(_webp_chunks(window, end), 2):
            pass  # what follows the picture is a chunk, too
    _refuse_polyglot(window, end, "WebP")
    return _displayed("WebP", width, height, window, orientation, animated)


def _webp_chunks(window: _Window, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, payload offset, payload length) of each chunk before `end`."""
    position = 12
    while position + 8 <= end:
        chunk = window.exactly(position, 8, "a chunk")
        kind, length = chunk[:4], int.from_bytes(chunk[4:8], "little")
        if position + 8 + length > end:
            raise _damaged("WebP", f"the chunk at byte {position:,} ends outside the file")
        yield kind, position + 8, length
        position += 8 + length + (length & 1)


def _webp_picture(window: _Window, chunk: int, end: int) -> tuple[int, int]:
    """Return width and height in pixels from the picture chunk at this offset, which must end before `end`."""
    header = window.exactly(chunk, 8, "a picture chunk")
    kind, length = header[:4], int.from_bytes(header[4:], "little")
    if kind not in _WEBP_PICTURES:
        raise _damaged("WebP", f"there is no picture chunk at byte {chunk:,}")
    if chunk + 8 + length > end:
        raise _damaged("WebP", f"the chunk at byte {chunk:,} ends outside the file")
    return _webp_lossless(window, chunk + 8) if kind == b"VP8L" else _webp_lossy(window, chunk + 8, length)


def _webp_lossless(window: _Window, start: int) -> tuple[int, int]:
    header = window.exactly(start, 5, "the lossless header")
    bits = int.from_bytes(header[1:5], "little")
    if header[0] != 0x2F or bits >> 29:
        raise _damaged("WebP", "its lossless header is wrong")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _webp_lossy(window: _Window, start: int, length: int) -> tuple[int, int]:
    header = window.exactly(start, 10, "the lossy header")
    frame = int.from_bytes(header[:3], "little")
    is_key, profile, is_shown, first_partition = not frame & 1, frame >> 1 & 7, frame >> 4 & 1, frame >> 5
    width, height = int.from_bytes(header[6:8], "little") & 0x3FFF, int.from_bytes(header[8:10], "little") & 0x3FFF
    if not is_key or profile > 3 or not is_shown or first_partition >= length:
        raise _damaged("WebP", "its lossy header is wrong")
    if header[3:6] != b"\x9d\x01\x2a" or not width or not height:
        raise _damaged("WebP", "its lossy header is wrong")
    return width, height


def _webp_extended(window: _Window, end: int) -> tuple[int, int, int, bool]:
    header = window.exactly(16, 14, "the VP8X chunk")
    flags, canvas = header[4], (1 + int.from_bytes(header[8:11], "little"), 1 + int.from_bytes(header[11:14], "little"))
    if int.from_bytes(header[:4], "little") < 10 or flags & ~_WEBP_FLAGS:
        raise _damaged("WebP", "its VP8X chunk is wrong")
    animated, wants_exif = bool(flags & 0x02), bool(flags & 0x08)
    orientation, has_picture, has_animation = 1, False, False
    for kind, offset, length in _webp_chunks(window, end):
        if has_picture and not (wants_exif and window.has_reads_left):
            break  # only the orientation is left to find, and that is never a reason to refuse
        if kind in _WEBP_PICTURES:
            if animated or _webp_picture(window, offset - 8, end) != canvas:
                raise _damaged("WebP", "its canvas and its picture differ in size or kind")
            has_picture = True
        elif kind == b"ANIM":
            has_animation = True
        elif kind == b"ANMF":
            if not animated or not has_animation:
                raise _damaged("WebP", "it has an animation's picture and is no animation")
            _check_webp_frame(window, offset, length, canvas)
            has_picture = True
        elif kind == b"EXIF" and wants_exif:
            prefix = 6 if window.at(offset, 6) == b"Exif\x00\x00" else 0
            orientation = _tiff_orientation(window, offset + prefix, length - prefix)
            wants_exif = False
    if not has_picture:
        raise _damaged("WebP", "it has no picture chunk")
    return *canvas, orientation, animated


def _check_webp_frame(window: _Window, start: int, length: int, canvas: tuple[int, int]) -> None:
    """Check that one picture of an animation is there and lies on the canvas."""
    header = window.exactly(start, 24, "an animation's picture")
    left, top = 2 * int.from_bytes(header[:3], "little"), 2 * int.from_bytes(header[3:6], "little")
    picture = start + 16
    if header[16:20] == b"ALPH":
        alpha = int.from_bytes(header[20:24], "little")
        picture += 8 + alpha + (alpha & 1)
    width, height = _webp_picture(window, picture, start + length)
    if left + width > canvas[0] or top + height > canvas[1]:
        raise _damaged("WebP", f"the animation's picture at byte {start:,} does not lie on its canvas")


# --- what the formats share ------------------------------------------------------------------------------------------


_INTEGER_WIDTHS = {1: 1, 3: 2, 4: 4}  # TIFF's BYTE, SHORT and LONG; Exif wants a SHORT and not every program knows
_ORIENTATION = 0x0112
_MOST_ENTRIES = 512  # of a directory; cameras write some tens


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
    count = min(count, _MOST_ENTRIES)
    entries = window.at(start + directory + 2, min(12 * count, max(0, length - directory - 2)))
    for at in range(0, len(entries) - 11, 12):
        entry = entries[at : at + 12]
        width = _INTEGER_WIDTHS.get(number(entry[2:4]), 0)
        if number(entry[:2]) == _ORIENTATION and width and number(entry[4:8]) == 1:
            value = number(entry[8 : 8 + width])
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
