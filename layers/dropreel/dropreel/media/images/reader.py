"""What an image is, told from its bytes: format, size as displayed, whole or not.

Names and content types are never believed, and nothing is decoded. Sources: the provider's document (formats, 10 MB),
ITU-T T.81 (JPEG), the PNG specification, RFC 9649 (WebP), TIFF 6.0 and Exif 2.3 (orientation).
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dropreel.domain.reasons import Reason, ReasonCode

MAX_IMAGE_BYTES = 10_000_000
"""The provider's "10 MB", in the stricter reading."""
MAX_PIXELS = 100_000_000
"""Width times height: a limit of ours against images that are small as files and huge as pictures."""
RECOMMENDED_SIDE = 1024
"""Pixels a side that the provider recommends at least."""
CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WebP": "image/webp"}
"""The media type of each format."""


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

    def __init__(self, code: ReasonCode, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


def too_large(size: int) -> Reason:
    """Return the reason why an image of so many bytes is not even read."""
    return Reason(
        ReasonCode.IMAGE_TOO_LARGE, f"The image has {size:,} bytes; the provider takes at most {MAX_IMAGE_BYTES:,}."
    )


def inspect_image(content: bytes) -> ImageFacts | Reason:
    """Return the facts of an image, given whole, or the reason why it cannot be used."""
    if not content:
        return Reason(ReasonCode.IMAGE_EMPTY, "The image is empty (0 bytes).")
    if len(content) > MAX_IMAGE_BYTES:
        return too_large(len(content))
    try:
        facts = _facts(content)
    except _Unreadable as unreadable:
        return unreadable.reason
    if facts.width * facts.height > MAX_PIXELS:
        return Reason(
            ReasonCode.IMAGE_TOO_MANY_PIXELS,
            f"The image has {facts.width} x {facts.height} pixels; at most {MAX_PIXELS:,} in all are taken.",
        )
    return facts


def _facts(content: bytes) -> ImageFacts:
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _webp(content)
    raise _Unreadable(
        ReasonCode.IMAGE_FORMAT, f"The file is {_looks_like(content[:64])}, not a JPG, PNG or WebP image."
    )


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


# --- JPEG ------------------------------------------------------------------------------------------------------------

_LOSSLESS_FRAME = 0xC3
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, _LOSSLESS_FRAME, 0xC9, 0xCA})  # what libjpeg-turbo decodes
_RARE_FRAMES = frozenset({0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF})  # hierarchical, or lossless and arithmetic
_HUFFMAN_TABLES, _START, _END, _SCAN, _QUANTIZATION_TABLES, _EXIF = 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xE1
_PASSED_OVER = frozenset({0xCC, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE} - {_EXIF})
_SEGMENTS = _PASSED_OVER | _FRAMES | _RARE_FRAMES | {_HUFFMAN_TABLES, _QUANTIZATION_TABLES, _SCAN, _EXIF}
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker that is no stuffed zero, restart or fill byte: finds the next segment over stray bytes and over picture data."""


@dataclass(frozen=True)
class _Frame:
    """A JPEG's frame header: pixels as stored, and which quantization table each component takes."""

    width: int
    height: int
    tables: dict[int, int]


def _jpeg(content: bytes) -> ImageFacts:
    """Read up to the end mark of the first picture. What stands behind it (a second picture, a video) is not looked at."""
    frame: _Frame | None = None
    tables: set[int] = set()
    exif: list[bytes] = []
    has_scan = False
    for marker, start, end in _jpeg_segments(content):
        if marker == _END:
            if frame is None or not has_scan:
                raise _damaged("JPEG", "it ends before its picture data")
            return _displayed("JPEG", frame.width, frame.height, content, _tiff_orientation(b"".join(exif)))
        if marker in _PASSED_OVER:
            continue
        payload = content[start:end]
        if marker in _RARE_FRAMES:
            raise _rare_jpeg("hierarchical or arithmetic")
        if marker in _FRAMES:
            if frame is not None:
                raise _damaged("JPEG", "it has two frame headers")
            frame = _jpeg_frame(payload)
            if marker == _LOSSLESS_FRAME:
                tables = set(range(256))  # nothing is quantized
        elif marker == _QUANTIZATION_TABLES:
            tables |= _quantization_tables(payload)
        elif marker == _HUFFMAN_TABLES:
            _check_huffman_tables(payload)
        elif marker == _EXIF and payload.startswith(b"Exif\x00\x00"):
            exif.append(payload[6:])  # one that is longer than a segment goes on in the next
        elif marker == _SCAN:
            if frame is None:
                raise _damaged("JPEG", "its picture data starts before its frame header")
            _check_scan(payload, frame, tables)
            has_scan = True
    raise _Unreadable(ReasonCode.IMAGE_TRUNCATED, "The JPEG is cut short: its end mark is missing.")


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, payload start, payload end) of each segment, the end mark too, as far as the file has any.

    What is between segments is passed over: picture data behind a scan's header, and elsewhere the stray bytes that some
    cameras and editors leave, as libjpeg and all that is built on it do.
    """
    position = 2
    while found := _MARKER.search(content, position):
        start = found.end()
        marker = content[start - 1]
        if marker == _END:
            yield marker, start, start
            return
        if marker == _START:
            raise _Unreadable(
                ReasonCode.IMAGE_TRUNCATED,
                f"The JPEG is cut short: another one starts at byte {start - 2:,}, before its end mark.",
            )
        if marker not in _SEGMENTS:
            raise _damaged("JPEG", f"marker {marker:02X} stands at byte {start - 2:,}, where none may be")
        position = start + int.from_bytes(content[start : start + 2], "big")
        if position > len(content) or start + 2 > len(content):
            raise _Unreadable(
                ReasonCode.IMAGE_TRUNCATED, f"The JPEG is cut short: the segment at byte {start - 2:,} is not whole."
            )
        if position < start + 2:
            raise _damaged("JPEG", f"the segment at byte {start - 2:,} says it has {position - start} bytes")
        yield marker, start + 2, position


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
    at = 0
    while at < len(payload):
        precision, number = payload[at] >> 4, payload[at] & 0x0F
        at += 1 + 64 * (1 + precision)
        if precision > 1 or number > 3 or at > len(payload):
            raise _damaged("JPEG", "a quantization table of it is wrong")
        numbers.add(number)
    return numbers


def _check_huffman_tables(payload: bytes) -> None:
    """Check that each table has as many values as it counts, and no more codes of a length than there can be."""
    at = 0
    while at < len(payload):
        kind, number, counts = payload[at] >> 4, payload[at] & 0x0F, payload[at + 1 : at + 17]
        values = payload[at + 17 : at + 17 + sum(counts)]
        codes = sum(count << (16 - bits) for bits, count in enumerate(counts, 1))
        at += 17 + sum(counts)
        if kind > 1 or number > 3 or at > len(payload) or len(values) > 256 or codes >= 1 << 16:
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
        ReasonCode.IMAGE_FORMAT,
        f"The JPEG is of a kind that hardly any program opens ({what}); save it as an ordinary JPEG.",
    )


# --- PNG -------------------------------------------------------------------------------------------------------------

_PNG_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_PALETTE_COLOUR = 3


def _png(content: bytes) -> ImageFacts:
    """Check every chunk up to the end mark, and that there is picture data in one piece, behind a palette if it needs one."""
    width = height = colour = end = 0
    animated, has_palette, has_data = False, False, False
    data, exif, previous = b"", b"", b""
    for kind, start, end in _png_chunks(content):
        if (kind == b"IHDR") is not (start == 16):
            raise _damaged("PNG", "it does not start with its one IHDR chunk")
        if kind == b"IHDR":
            width, height, colour = _png_header(content[start:end])
        elif kind == b"PLTE":
            has_palette = True
        elif kind == b"IDAT":
            if has_data and previous != b"IDAT":
                raise _damaged("PNG", "its picture data is in two places")
            if colour == _PALETTE_COLOUR and not has_palette:
                raise _damaged("PNG", "its palette is missing")
            has_data = True
            data += content[
                start : min(end, start + 2 - len(data))
            ]  # its first two bytes: a chunk may hold one, or none
        elif kind == b"acTL" and end - start == 8 and not has_data:
            animated = int.from_bytes(content[start : start + 4], "big") > 1
        elif kind == b"eXIf":
            exif = content[start:end]
        previous = kind
    if not data:
        raise _damaged("PNG", "it has no picture data")
    if len(data) < 2 or data[0] & 0x0F != 8 or int.from_bytes(data, "big") % 31:  # RFC 1950
        raise _damaged("PNG", "its picture data does not start as compressed data does")
    _refuse_polyglot(content, end + 4, "PNG")
    return _displayed("PNG", width, height, content, _tiff_orientation(exif), animated)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, payload start, payload end) of each chunk up to IEND, its check sum verified."""
    view = memoryview(content)
    position, kind = 8, b""
    while kind != b"IEND":
        start = position + 8
        length, kind = int.from_bytes(content[position : position + 4], "big"), content[position + 4 : start]
        end = start + length
        if len(kind) == 4 and (length >= 2**31 or not kind.isalpha()):
            raise _damaged("PNG", f"there is no chunk at byte {position:,}")
        if end + 4 > len(content):
            raise _Unreadable(
                ReasonCode.IMAGE_TRUNCATED, f"The PNG is cut short: its end mark is missing (byte {position:,})."
            )
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise _damaged("PNG", f"the check sum of its {kind.decode()} chunk at byte {position:,} is wrong")
        yield kind, start, end
        position = end + 4


def _png_header(payload: bytes) -> tuple[int, int, int]:
    """Return width and height in pixels, and the colour type."""
    if len(payload) != 13:
        raise _damaged("PNG", f"its header has {len(payload)} bytes")
    width, height = int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")
    depth, colour = payload[8], payload[9]
    if not 0 < width < 2**31 or not 0 < height < 2**31:
        raise _damaged("PNG", f"its header says {width} x {height} pixels")
    if depth not in _PNG_DEPTHS.get(colour, set()) or payload[10] or payload[11] or payload[12] > 1:
        raise _damaged("PNG", f"its header names no known kind of PNG (colour type {colour}, {depth} bits)")
    return width, height, colour


# --- WebP ------------------------------------------------------------------------------------------------------------

_WEBP_FLAGS = 0x3E  # profile, alpha, Exif, XMP, animation: libwebp refuses a file with any other


def _webp(content: bytes) -> ImageFacts:
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise _Unreadable(
            ReasonCode.IMAGE_TRUNCATED, f"The WebP is cut short: it says it has {end:,} bytes and has {len(content):,}."
        )
    chunks = _webp_chunks(content, 12, end)
    kind, start, behind = next(chunks, (b"", 20, 20))
    if kind == b"VP8X":
        width, height, orientation, animated = _webp_extended(content, content[start:behind], chunks)
    else:
        width, height = _webp_picture(content, kind, start, behind)
        orientation, animated = 1, False
        for _chunk in chunks:
            pass  # what follows the picture is chunks, too
    _refuse_polyglot(content, end, "WebP")
    return _displayed("WebP", width, height, content, orientation, animated)


def _webp_chunks(content: bytes, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, payload start, payload end) of each chunk before `end`."""
    while position + 8 <= end:
        start = position + 8
        behind = start + int.from_bytes(content[position + 4 : start], "little")
        if behind > end:
            raise _damaged("WebP", f"the chunk at byte {position:,} ends outside the file")
        yield content[position : position + 4], start, behind
        position = behind + (behind - start & 1)


def _webp_picture(content: bytes, kind: bytes, start: int, end: int) -> tuple[int, int]:
    """Return width and height in pixels from a picture chunk."""
    if kind == b"VP8L":
        return _webp_lossless(content[start : min(end, start + 5)])
    if kind == b"VP8 ":
        return _webp_lossy(content[start : min(end, start + 10)], end - start)
    raise _damaged("WebP", f"there is no picture chunk at byte {start - 8:,}")


def _webp_lossless(header: bytes) -> tuple[int, int]:
    bits = int.from_bytes(header[1:], "little")
    if len(header) < 5 or header[0] != 0x2F or bits >> 29:
        raise _damaged("WebP", "its lossless header is wrong")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _webp_lossy(header: bytes, length: int) -> tuple[int, int]:
    frame = int.from_bytes(header[:3], "little")
    is_key, profile, is_shown, first_partition = not frame & 1, frame >> 1 & 7, frame >> 4 & 1, frame >> 5
    width, height = int.from_bytes(header[6:8], "little") & 0x3FFF, int.from_bytes(header[8:], "little") & 0x3FFF
    if not is_key or profile > 3 or not is_shown or first_partition >= length:
        raise _damaged("WebP", "its lossy header is wrong")
    if len(header) < 10 or header[3:6] != b"\x9d\x01\x2a" or not width or not height:
        raise _damaged("WebP", "its lossy header is wrong")
    return width, height


def _webp_extended(
    content: bytes, header: bytes, chunks: Iterator[tuple[bytes, int, int]]
) -> tuple[int, int, int, bool]:
    """Return width, height, orientation and whether it moves, from the VP8X chunk's payload and the chunks behind it."""
    if len(header) < 10 or header[0] & ~_WEBP_FLAGS:
        raise _damaged("WebP", "its VP8X chunk is wrong")
    canvas = 1 + int.from_bytes(header[4:7], "little"), 1 + int.from_bytes(header[7:10], "little")
    animated, wants_exif = bool(header[0] & 0x02), bool(header[0] & 0x08)
    orientation, has_picture, has_animation = 1, False, False
    for kind, start, end in chunks:
        if kind in (b"VP8 ", b"VP8L"):
            if animated or _webp_picture(content, kind, start, end) != canvas:
                raise _damaged("WebP", "its canvas and its picture differ in size or kind")
            has_picture = True
        elif kind == b"ANIM":
            has_animation = True
        elif kind == b"ANMF":
            if not animated or not has_animation:
                raise _damaged("WebP", "it has an animation's picture and is no animation")
            _check_webp_frame(content, start, end, canvas)
            has_picture = True
        elif kind == b"EXIF" and wants_exif:
            orientation = _tiff_orientation(content[start:end].removeprefix(b"Exif\x00\x00"))
            wants_exif = False
    if not has_picture:
        raise _damaged("WebP", "it has no picture chunk")
    return *canvas, orientation, animated


def _check_webp_frame(content: bytes, start: int, end: int, canvas: tuple[int, int]) -> None:
    """Check that one picture of an animation is there and lies on the canvas."""
    left, top = (
        2 * int.from_bytes(content[start : start + 3], "little"),
        2 * int.from_bytes(content[start + 3 : start + 6], "little"),
    )
    chunks = (chunk for chunk in _webp_chunks(content, start + 16, end) if chunk[0] != b"ALPH")
    width, height = _webp_picture(content, *next(chunks, (b"", start + 24, end)))
    if left + width > canvas[0] or top + height > canvas[1]:
        raise _damaged("WebP", f"the animation's picture at byte {start:,} does not lie on its canvas")


# --- what the formats share ------------------------------------------------------------------------------------------

_INTEGER_WIDTHS = {1: 1, 3: 2, 4: 4}  # TIFF's BYTE, SHORT and LONG; Exif wants a SHORT and not every program knows
_ORIENTATION = 0x0112


def _tiff_orientation(block: bytes) -> int:
    """Return the orientation (1 to 8) of an Exif block, 1 where it says none that can be read: it is never a reason to refuse."""
    order: Literal["little", "big"] = "little" if block.startswith(b"II*\x00") else "big"
    if len(block) < 8 or not block.startswith((b"II*\x00", b"MM\x00*")):
        return 1
    directory = int.from_bytes(block[4:8], order)
    count = int.from_bytes(block[directory : directory + 2], order)
    for at in range(directory + 2, min(directory + 2 + 12 * count, len(block) - 11), 12):
        if int.from_bytes(block[at : at + 2], order) != _ORIENTATION:
            continue
        width = _INTEGER_WIDTHS.get(int.from_bytes(block[at + 2 : at + 4], order))
        if width and int.from_bytes(block[at + 4 : at + 8], order) == 1:
            value = int.from_bytes(block[at + 8 : at + 8 + width], order)
            return value if 1 <= value <= 8 else 1
    return 1


def _refuse_polyglot(content: bytes, end: int, name: str) -> None:
    """Refuse a PNG or WebP with a file of another kind behind its end. Only JPEGs have a good reason for that: phones do it."""
    behind = content[end : end + 64].lstrip(b"\x00\r\n\t ").lower()
    for signature, kind in _SIGNATURES:
        if len(signature) > 2 and behind.startswith(signature.lower()):
            raise _polyglot(name, kind)
    if content.rfind(b"PK\x05\x06", max(end, len(content) - 512)) >= 0:
        raise _polyglot(name, "a ZIP archive")


def _displayed(
    name: str, width: int, height: int, content: bytes, orientation: int, animated: bool = False
) -> ImageFacts:
    if orientation >= 5:
        width, height = height, width
    return ImageFacts(name, width, height, len(content), orientation, animated)


def _damaged(name: str, what: str) -> _Unreadable:
    return _Unreadable(ReasonCode.IMAGE_DAMAGED, f"The {name} is damaged: {what}.")


def _polyglot(name: str, kind: str) -> _Unreadable:
    return _Unreadable(ReasonCode.IMAGE_POLYGLOT, f"The {name} has {kind} behind its end; send the image alone.")
