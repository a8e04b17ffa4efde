"""The WebP format: chunks and bitstream headers. Source: RFC 9649. Image data is not decoded."""

from collections.abc import Iterator

from dropreel.media.images.color_profile import is_srgb_profile
from dropreel.media.images.exif import read_orientation
from dropreel.media.images.parsed_image import ParsedImage, damaged, truncated

_KNOWN_FLAGS = 0x3E
"""VP8X flags: profile, alpha, Exif, XMP, animation. libwebp refuses a file with any other."""
_ANIMATION_FLAG = 0x02
_EXIF_FLAG = 0x08
_PROFILE_FLAG = 0x20


def parse_webp(content: bytes) -> ParsedImage:
    """Parse every chunk inside the RIFF header's size. Raises UnreadableImage."""
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise truncated("WebP", f"its header gives {end:,} bytes, the file has {len(content):,}")
    chunks = _chunks(content, 12, end)
    kind, start, chunk_end = next(chunks, (b"", 20, 20))
    if kind == b"VP8X":
        return _read_extended(content, content[start:chunk_end], chunks, end)
    width, height = _read_bitstream(content, kind, start, chunk_end)
    for _chunk in chunks:
        pass  # the walk raises where what follows the bitstream is no chunk
    return ParsedImage(width, height, end)


def _chunks(content: bytes, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, payload start, payload end) of each chunk from `position` to `end`. Raises UnreadableImage."""
    while position + 8 <= end:
        start = position + 8
        chunk_end = start + int.from_bytes(content[position + 4 : start], "little")
        if chunk_end > end:
            raise damaged("WebP", f"the chunk at byte {position:,} ends outside the file")
        yield content[position : position + 4], start, chunk_end
        position = chunk_end + (chunk_end - start & 1)


def _read_bitstream(content: bytes, kind: bytes, start: int, end: int) -> tuple[int, int]:
    """Return width and height in pixels from a VP8 or VP8L chunk."""
    if kind == b"VP8L":
        return _read_lossless_header(content[start : min(end, start + 5)])
    if kind == b"VP8 ":
        return _read_lossy_header(content[start : min(end, start + 10)], end - start)
    raise damaged("WebP", f"there is no picture chunk at byte {start - 8:,}")


def _read_lossless_header(header: bytes) -> tuple[int, int]:
    bits = int.from_bytes(header[1:], "little")
    if len(header) < 5 or header[0] != 0x2F or bits >> 29:
        raise damaged("WebP", "its lossless header is wrong")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _read_lossy_header(header: bytes, length: int) -> tuple[int, int]:
    frame = int.from_bytes(header[:3], "little")
    is_key, profile, is_shown, first_partition = not frame & 1, frame >> 1 & 7, frame >> 4 & 1, frame >> 5
    width, height = int.from_bytes(header[6:8], "little") & 0x3FFF, int.from_bytes(header[8:], "little") & 0x3FFF
    if not is_key or profile > 3 or not is_shown or first_partition >= length:
        raise damaged("WebP", "its lossy header is wrong")
    if len(header) < 10 or header[3:6] != b"\x9d\x01\x2a" or not width or not height:
        raise damaged("WebP", "its lossy header is wrong")
    return width, height


def _read_extended(
    content: bytes, header: bytes, chunks: Iterator[tuple[bytes, int, int]], file_end: int
) -> ParsedImage:
    """Return the image from the VP8X payload and the chunks after it, up to the file's end."""
    if len(header) < 10 or header[0] & ~_KNOWN_FLAGS:
        raise damaged("WebP", "its VP8X chunk is wrong")
    canvas = 1 + int.from_bytes(header[4:7], "little"), 1 + int.from_bytes(header[7:10], "little")
    animated, expects_exif = bool(header[0] & _ANIMATION_FLAG), bool(header[0] & _EXIF_FLAG)
    expects_profile = bool(header[0] & _PROFILE_FLAG)
    orientation, is_srgb, has_picture, has_animation = 1, True, False, False
    for kind, start, end in chunks:
        if kind in (b"VP8 ", b"VP8L"):
            if animated or _read_bitstream(content, kind, start, end) != canvas:
                raise damaged("WebP", "its canvas and its picture differ in size or kind")
            has_picture = True
        elif kind == b"ANIM":
            has_animation = True
        elif kind == b"ANMF":
            if not animated or not has_animation:
                raise damaged("WebP", "it has an animation frame and is not an animation")
            _check_frame(content, start, end, canvas)
            has_picture = True
        elif kind == b"EXIF" and expects_exif:
            orientation = read_orientation(content[start:end].removeprefix(b"Exif\x00\x00"))
            expects_exif = False
        elif kind == b"ICCP" and expects_profile:
            is_srgb = is_srgb_profile(content[start:end])
            expects_profile = False
    if not has_picture:
        raise damaged("WebP", "it has no picture chunk")
    return ParsedImage(*canvas, file_end, orientation, animated, is_srgb=is_srgb)


def _check_frame(content: bytes, start: int, end: int, canvas: tuple[int, int]) -> None:
    """Check that an animation frame has a bitstream and lies on the canvas."""
    left = 2 * int.from_bytes(content[start : start + 3], "little")
    top = 2 * int.from_bytes(content[start + 3 : start + 6], "little")
    chunks = (chunk for chunk in _chunks(content, start + 16, end) if chunk[0] != b"ALPH")
    width, height = _read_bitstream(content, *next(chunks, (b"", start + 24, end)))
    if left + width > canvas[0] or top + height > canvas[1]:
        raise damaged("WebP", f"the animation frame at byte {start:,} is not inside the canvas")
