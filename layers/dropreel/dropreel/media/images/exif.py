"""The orientation in an Exif block. Sources: TIFF 6.0 (header, directory entries) and Exif 2.3 (orientation)."""

from typing import Literal

_ORIENTATION = 0x0112
_INTEGER_WIDTHS = {1: 1, 3: 2, 4: 4}
"""Bytes of TIFF's BYTE, SHORT and LONG. Exif requires a SHORT; some programs write the others."""


def read_orientation(block: bytes) -> int:
    """Return the orientation (1 to 8) of an Exif block that starts with its TIFF header.

    Return 1 where there is none or it cannot be read: browsers show such an image as it is stored.
    """
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
