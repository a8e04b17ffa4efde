"""The orientation and the color space in an Exif block.

Sources: TIFF 6.0 (header, directory entries), Exif 2.3 (orientation, color space) and DCF 2.0 (Adobe RGB as `R03`).
"""

from collections.abc import Iterator
from typing import Literal

_ORIENTATION, _EXIF_DIRECTORY = 0x0112, 0x8769
_COLOR_SPACE, _INTEROPERABILITY_DIRECTORY = 0xA001, 0xA005
_UNCALIBRATED = 0xFFFF
_INTEROPERABILITY_INDEX = 0x0001
_ADOBE_RGB = b"R03\x00"
_INTEGER_WIDTHS = {1: 1, 3: 2, 4: 4}
"""Bytes of TIFF's BYTE, SHORT and LONG. Exif requires a SHORT; some programs write the others."""

_ByteOrder = Literal["little", "big"]


def read_orientation(block: bytes) -> int:
    """Return the orientation (1 to 8) of an Exif block that starts with its TIFF header.

    Return 1 where there is none or it cannot be read: browsers show such an image as it is stored.
    """
    order = _byte_order(block)
    value = _integer(block, order, _first_directory(block, order), _ORIENTATION) if order else None
    return value if value is not None and 1 <= value <= 8 else 1


def is_adobe_rgb(block: bytes) -> bool:
    """Return whether a camera says here that the colors are Adobe RGB (1998): uncalibrated, with the index `R03`."""
    order = _byte_order(block)
    if not order:
        return False
    directory = _integer(block, order, _first_directory(block, order), _EXIF_DIRECTORY)
    if directory is None or _integer(block, order, directory, _COLOR_SPACE) != _UNCALIBRATED:
        return False
    directory = _integer(block, order, directory, _INTEROPERABILITY_DIRECTORY)
    if directory is None:
        return False
    index = next(_entries(block, order, directory, _INTEROPERABILITY_INDEX), None)
    return index is not None and block[index + 8 : index + 12] == _ADOBE_RGB


def _byte_order(block: bytes) -> _ByteOrder | None:
    """Return None where the block does not start with a TIFF header."""
    if len(block) < 8 or not block.startswith((b"II*\x00", b"MM\x00*")):
        return None
    return "little" if block.startswith(b"II") else "big"


def _first_directory(block: bytes, order: _ByteOrder) -> int:
    return int.from_bytes(block[4:8], order)


def _integer(block: bytes, order: _ByteOrder, directory: int, tag: int) -> int | None:
    """Return the value of the tag's first entry that is one integer."""
    for at in _entries(block, order, directory, tag):
        width = _INTEGER_WIDTHS.get(int.from_bytes(block[at + 2 : at + 4], order))
        if width and int.from_bytes(block[at + 4 : at + 8], order) == 1:
            return int.from_bytes(block[at + 8 : at + 8 + width], order)
    return None


def _entries(block: bytes, order: _ByteOrder, directory: int, tag: int) -> Iterator[int]:
    """Yield where each entry of this tag starts in the directory. Entries outside the block do not count."""
    count = int.from_bytes(block[directory : directory + 2], order)
    for at in range(directory + 2, min(directory + 2 + 12 * count, len(block) - 11), 12):
        if int.from_bytes(block[at : at + 2], order) == tag:
            yield at
