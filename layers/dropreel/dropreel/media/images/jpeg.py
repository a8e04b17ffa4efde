"""The JPEG format: segments, frame header, tables and scans. Source: ITU-T T.81. Image data is not decoded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap
from typing import NamedTuple

from dropreel.domain.reasons import ReasonCode
from dropreel.media.images.color_profile import is_srgb_profile
from dropreel.media.images.exif import is_adobe_rgb, read_orientation
from dropreel.media.images.parsed_image import ParsedImage, UnreadableImage, damaged, truncated

_LOSSLESS_FRAME = 0xC3
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, _LOSSLESS_FRAME, 0xC9, 0xCA})
"""The frame headers (SOF) that libjpeg-turbo decodes."""
_UNSUPPORTED_FRAMES = frozenset({0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF})
"""Hierarchical, or lossless and arithmetic."""
_DHT, _SOI, _EOI, _SOS, _DQT, _APP1, _APP2 = 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xE1, 0xE2
_SKIPPED = frozenset({0xCC, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE} - {_APP1, _APP2})
"""DAC, DNL, DRI, the other application segments and comments."""
_SEGMENTS = _SKIPPED | _FRAMES | _UNSUPPORTED_FRAMES | {_DHT, _DQT, _SOS, _APP1, _APP2}
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker other than a stuffed zero, a restart marker and a fill byte: the next one after image data or stray bytes."""
_EXIF = b"Exif\x00\x00"
_ICC = b"ICC_PROFILE\x00"
"""Before the number of the part, the number of parts (a byte each) and the part (ICC.1:2022, annex B.4)."""
_MAX_PROFILE_PARTS = 255
MAX_SEGMENTS = 5000
"""The most segments of a picture, a limit of ours: as many of the largest have 300 MB. Decoders keep a record of each."""
MAX_EXIF_SEGMENTS = 100
"""The most segments of Exif, 6.5 MB: decoders join them one by one."""
MAX_STRAY_BYTES = 1_000_000
"""The most bytes between the segments before the first scan: decoders skip them one by one."""


class _Frame(NamedTuple):
    """A frame header: width and height in pixels, how many components, and the number of each one's quantization table."""

    width: int
    height: int
    components: int
    tables: dict[int, int]


class JpegMetadata(NamedTuple):
    """The Exif block (from its TIFF header on) and the ICC profile before the first scan, and how many scans there are."""

    exif: bytes
    profile: bytes
    scans: int


@dataclass
class _Collected:
    """What the segments so far say, within limits."""

    segments: int = 0
    position: int = 2
    stray: int = 0
    scans: int = 0
    exif: list[bytes] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)

    def add(self, marker: int, content: bytes | mmap, start: int, end: int) -> None:
        """Add a segment. Metadata after the first scan header does not count, as in decoders. Raises UnreadableImage."""
        self.segments += 1
        if self.segments > MAX_SEGMENTS:
            raise damaged("JPEG", f"it has more than {MAX_SEGMENTS:,} segments")
        if not self.scans:
            self.stray += start - 4 - self.position  # the marker and the length are none
            if self.stray > MAX_STRAY_BYTES:
                raise damaged("JPEG", f"it has more than {MAX_STRAY_BYTES:,} bytes between its segments")
        self.position = end
        if marker == _SOS:
            self.scans += 1
        elif marker == _EOI and not self.scans:
            raise damaged("JPEG", "it ends before its picture data")
        elif marker == _APP1 and not self.scans and content[start : start + len(_EXIF)] == _EXIF:
            self.exif.append(content[start + len(_EXIF) : end])  # a larger block continues in the next segment
            if len(self.exif) > MAX_EXIF_SEGMENTS:
                raise damaged("JPEG", f"it has more than {MAX_EXIF_SEGMENTS} segments of Exif")
        elif marker == _APP2 and not self.scans and content[start : start + len(_ICC)] == _ICC:
            self.parts = [*self.parts[:_MAX_PROFILE_PARTS], content[start + len(_ICC) : end]]  # one more makes it none

    def metadata(self) -> JpegMetadata:
        return JpegMetadata(b"".join(self.exif), _joined(self.parts), self.scans)


def parse_jpeg(content: bytes) -> ParsedImage:
    """Parse the file's first image, up to its end marker. What follows it (a second image, a video) is not read.

    Raises UnreadableImage.
    """
    frame: _Frame | None = None
    tables: set[int] = set()
    collected = _Collected()
    for marker, start, end in _segments(content):
        collected.add(marker, content, start, end)
        if marker == _EOI:
            if frame is None:
                raise damaged("JPEG", "it ends before its picture data")
            return _image(frame, end, collected.metadata())
        if marker in _SKIPPED:
            continue
        payload = content[start:end]
        if marker in _UNSUPPORTED_FRAMES:
            raise _unsupported("hierarchical or arithmetic")
        if marker in _FRAMES:
            if frame is not None:
                raise damaged("JPEG", "it has two frame headers")
            frame = _read_frame(payload)
            if marker == _LOSSLESS_FRAME:
                tables = set(range(256))  # lossless images are not quantized
        elif marker == _DQT:
            tables |= _read_quantization_tables(payload)
        elif marker == _DHT:
            _check_huffman_tables(payload)
        elif marker == _SOS:
            if frame is None:
                raise damaged("JPEG", "its picture data starts before its frame header")
            _check_scan(payload, frame, tables)
    raise truncated("JPEG", "its end mark is missing")


def read_metadata(content: bytes | mmap) -> JpegMetadata:
    """Return what the file's first picture says beside its pixels. The picture itself is left to a decoder.

    It may be cut after its first scan header. Raises UnreadableImage where a decoder could read other segments than these.
    """
    collected = _Collected()
    try:
        for marker, start, end in _segments(content):
            collected.add(marker, content, start, end)
    except UnreadableImage as error:
        if not collected.scans or error.reason.code != ReasonCode.IMAGE_TRUNCATED:
            raise
    if not collected.scans:
        raise truncated("JPEG", "its picture data is missing")
    return collected.metadata()


def _image(frame: _Frame, end: int, metadata: JpegMetadata) -> ParsedImage:
    is_cmyk, is_gray = frame.components == 4, frame.components == 1
    exif, profile = metadata.exif, metadata.profile
    is_srgb = is_srgb_profile(profile, gray=is_gray) if profile else not is_adobe_rgb(exif)
    return ParsedImage(
        frame.width, frame.height, end, read_orientation(exif), is_cmyk=is_cmyk, is_srgb=is_srgb or is_cmyk
    )


def _joined(parts: list[bytes]) -> bytes:
    """Return the ICC profile of these parts in any order, empty where a part is missing, twice or miscounted, as in libjpeg."""
    by_number = {part[0]: part[2:] for part in parts if len(part) >= 2 and part[1] == len(parts)}
    if len(by_number) != len(parts) or by_number.keys() != {*range(1, len(parts) + 1)}:
        return b""
    return b"".join(by_number[number] for number in sorted(by_number))


def _segments(content: bytes | mmap) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, payload start, payload end) of each segment, up to and including the end marker.

    Bytes between segments are skipped: image data after a scan header, and stray bytes elsewhere, which some cameras and
    editors write and libjpeg skips too. Raises UnreadableImage.
    """
    position = 2
    while found := _MARKER.search(content, position):
        start = found.end()
        marker = content[start - 1]
        if marker == _EOI:
            yield marker, start, start
            return
        if marker == _SOI:
            raise truncated("JPEG", f"another one starts at byte {start - 2:,}, before its end mark")
        if marker not in _SEGMENTS:
            raise damaged("JPEG", f"marker {marker:02X} at byte {start - 2:,} is not allowed there")
        position = start + int.from_bytes(content[start : start + 2], "big")
        if position > len(content) or start + 2 > len(content):
            raise truncated("JPEG", f"the segment at byte {start - 2:,} is not whole")
        if position < start + 2:
            raise damaged(
                "JPEG", f"the segment at byte {start - 2:,} has an impossible length of {position - start} bytes"
            )
        yield marker, start + 2, position


def _read_frame(payload: bytes) -> _Frame:
    if len(payload) < 6:
        raise damaged("JPEG", f"its frame header has {len(payload)} bytes")
    precision, count = payload[0], payload[5]
    height, width = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
    if not width or not height or not count or len(payload) != 6 + 3 * count:
        raise damaged("JPEG", f"its frame header says {width} x {height} pixels and {count} components")
    if any(not 1 <= sampling >> 4 <= 4 or not 1 <= sampling & 0x0F <= 4 for sampling in payload[7::3]):
        raise damaged("JPEG", "its frame header has an impossible sampling factor")
    if precision != 8:
        raise _unsupported(f"{precision} bits a sample")
    if count not in (1, 3, 4):
        raise _unsupported(f"{count} components")
    return _Frame(width, height, count, dict(zip(payload[6::3], payload[8::3], strict=True)))


def _read_quantization_tables(payload: bytes) -> set[int]:
    """Return the numbers (0 to 3) of the tables that the segment defines: 64 entries each, of one or two bytes."""
    numbers = set()
    at = 0
    while at < len(payload):
        precision, number = payload[at] >> 4, payload[at] & 0x0F
        at += 1 + 64 * (1 + precision)
        if precision > 1 or number > 3 or at > len(payload):
            raise damaged("JPEG", "one of its quantization tables is wrong")
        numbers.add(number)
    return numbers


def _check_huffman_tables(payload: bytes) -> None:
    """Check that each table has as many values as its counts say, and no more codes of a length than are possible."""
    at = 0
    while at < len(payload):
        kind, number, counts = payload[at] >> 4, payload[at] & 0x0F, payload[at + 1 : at + 17]
        values = payload[at + 17 : at + 17 + sum(counts)]
        codes = sum(count << (16 - bits) for bits, count in enumerate(counts, 1))
        at += 17 + sum(counts)
        if kind > 1 or number > 3 or at > len(payload) or len(values) > 256 or codes >= 1 << 16:
            raise damaged("JPEG", "one of its Huffman tables is wrong")
        if kind == 0 and any(value > 16 for value in values):  # a DC value is a number of bits, at most 16
            raise damaged("JPEG", "one of its Huffman tables is wrong")


def _check_scan(payload: bytes, frame: _Frame, tables: set[int]) -> None:
    count = payload[0] if payload else 0
    if not 1 <= count <= 4 or len(payload) != 4 + 2 * count:
        raise damaged("JPEG", "the header of its picture data is wrong")
    if any(component not in frame.tables for component in payload[1:-3:2]):
        raise damaged("JPEG", "its picture data and its frame header name different components")
    if any(frame.tables[component] not in tables for component in payload[1:-3:2]):
        raise damaged("JPEG", "a quantization table that its picture data needs is missing")


def _unsupported(kind: str) -> UnreadableImage:
    return UnreadableImage(
        ReasonCode.IMAGE_FORMAT,
        f"The JPEG is of a kind that hardly any program opens ({kind}); save it as an ordinary JPEG.",
    )
