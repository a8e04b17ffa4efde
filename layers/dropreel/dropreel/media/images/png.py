"""The PNG format: chunks, checksums and header. Source: the PNG specification. Image data is not decompressed."""

import struct
import zlib
from collections.abc import Iterator

from dropreel.media.images.color_profile import is_srgb_chromaticities, is_srgb_code, is_srgb_compressed
from dropreel.media.images.exif import read_orientation
from dropreel.media.images.parsed_image import ParsedImage, damaged, truncated

_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""The bit depths that each colour type may have."""
_PALETTE_COLOUR = 3
_GRAY_COLOURS = (0, 4)
_COLOUR_SPACE = frozenset({b"cICP", b"iCCP", b"sRGB", b"cHRM"})
"""Chunks before the picture data, of which the first one of each type counts."""


def parse_png(content: bytes) -> ParsedImage:
    """Parse every chunk up to IEND.

    The IDAT chunks must be consecutive, and follow a PLTE chunk where the colour type needs one. Raises UnreadableImage.
    """
    width = height = depth = colour = end = 0
    animated, has_palette, has_data = False, False, False
    data, exif, previous = b"", b"", b""
    colour_space: dict[bytes, bytes] = {}
    for kind, start, end in _chunks(content):
        if (kind == b"IHDR") is not (start == 16):
            raise damaged("PNG", "it does not start with its one IHDR chunk")
        if kind == b"IHDR":
            width, height, depth, colour = _read_header(content[start:end])
        elif kind == b"PLTE":
            has_palette = True
        elif kind == b"IDAT":
            if has_data and previous != b"IDAT":
                raise damaged("PNG", "its picture data is in two places")
            if colour == _PALETTE_COLOUR and not has_palette:
                raise damaged("PNG", "its palette is missing")
            has_data = True
            # The zlib header is the first two bytes of the data. A chunk may hold one byte, or none.
            data += content[start : min(end, start + 2 - len(data))]
        elif kind == b"acTL" and end - start == 8 and not has_data:
            animated = int.from_bytes(content[start : start + 4], "big") > 1
        elif kind == b"eXIf":
            exif = content[start:end]
        elif kind in _COLOUR_SPACE and not has_data:
            colour_space.setdefault(kind, content[start:end])
        previous = kind
    if not data:
        raise damaged("PNG", "it has no picture data")
    if len(data) < 2 or data[0] & 0x0F != 8 or int.from_bytes(data, "big") % 31:  # RFC 1950
        raise damaged("PNG", "its picture data does not start with a zlib header")
    is_srgb = _is_srgb(colour_space, gray=colour in _GRAY_COLOURS)
    return ParsedImage(width, height, end + 4, read_orientation(exif), animated, bit_depth=depth, is_srgb=is_srgb)


def _is_srgb(chunks: dict[bytes, bytes], *, gray: bool) -> bool:
    """Return whether the colours are sRGB's, by the chunk with the highest precedence: cICP, iCCP, sRGB, cHRM.

    A chunk that cannot be read is ignored. A gamma (gAMA) alone does not count.
    """
    code = chunks.get(b"cICP", b"")
    if len(code) == 4:
        return is_srgb_code(code[0], code[1])
    name, separator, profile = chunks.get(b"iCCP", b"").partition(b"\0")
    if name and separator and profile.startswith(b"\0"):  # compressed by zlib, the one method
        return is_srgb_compressed(profile[1:], gray=gray)
    chromaticities = chunks.get(b"cHRM", b"")
    if b"sRGB" in chunks or len(chromaticities) != 32 or gray:
        return True
    return is_srgb_chromaticities(value / 100_000 for value in struct.unpack(">8I", chromaticities))


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, payload start, payload end) of each chunk up to IEND, after its checksum. Raises UnreadableImage."""
    view = memoryview(content)
    position, kind = 8, b""
    while kind != b"IEND":
        start = position + 8
        length, kind = int.from_bytes(content[position : position + 4], "big"), content[position + 4 : start]
        end = start + length
        if len(kind) == 4 and (length >= 2**31 or not kind.isalpha()):
            raise damaged("PNG", f"there is no chunk at byte {position:,}")
        if end + 4 > len(content):
            raise truncated("PNG", f"its end mark is missing (byte {position:,})")
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise damaged("PNG", f"the checksum of its {kind.decode()} chunk at byte {position:,} is wrong")
        yield kind, start, end
        position = end + 4


def _read_header(payload: bytes) -> tuple[int, int, int, int]:
    """Return width and height in pixels, the bits of a sample, and the colour type."""
    if len(payload) != 13:
        raise damaged("PNG", f"its header has {len(payload)} bytes")
    width, height = int.from_bytes(payload[:4], "big"), int.from_bytes(payload[4:8], "big")
    depth, colour = payload[8], payload[9]
    if not 0 < width < 2**31 or not 0 < height < 2**31:
        raise damaged("PNG", f"its header says {width} x {height} pixels")
    if depth not in _DEPTHS.get(colour, set()) or payload[10] or payload[11] or payload[12] > 1:
        raise damaged("PNG", f"its header is of no known kind (colour type {colour}, {depth} bits)")
    return width, height, depth, colour
