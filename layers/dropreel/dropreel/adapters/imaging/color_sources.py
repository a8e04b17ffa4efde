"""The ICC profile of a picture's colors, wherever its file says what they are."""

from collections.abc import Mapping
from pathlib import Path
from struct import unpack
from typing import Any

from dropreel.adapters.imaging.profiles import ADOBE_RGB, code_point_profile, matrix_profile
from dropreel.media.images.color_profile import is_srgb_chromaticities
from dropreel.media.images.exif import is_adobe_rgb
from dropreel.media.images.heif import HeifFacts


def profile_of(name: str, path: Path, info: Mapping[Any, Any], facts: HeifFacts) -> bytes | None:
    """Return the profile of an opened picture's colors, None where they are sRGB's or nothing is said.

    `info` is Pillow's or pi_heif's. An embedded profile comes first, but for a PNG's code points (cICP). A JPEG without one
    may be Adobe RGB by its Exif block, a PNG may have chromaticities (cHRM).
    """
    embedded: bytes | None = info.get("icc_profile") or None
    if name == "PNG":
        return _png_profile(path, info, embedded)
    if embedded is not None:
        return embedded
    if name == "JPEG":
        return ADOBE_RGB if is_adobe_rgb(exif_of(info)) else None
    return code_point_profile(facts.primaries, facts.transfer)


def exif_of(info: Mapping[Any, Any]) -> bytes:
    """Return the Exif block, from its TIFF header on; empty where there is none."""
    return bytes(info.get("exif") or b"").removeprefix(b"Exif\x00\x00")


def _png_profile(path: Path, info: Mapping[Any, Any], embedded: bytes | None) -> bytes | None:
    chunks = _color_chunks(path)
    code = chunks.get(b"cICP", b"")
    if len(code) == 4:
        return code_point_profile(code[0], code[1])
    if embedded is not None:
        return embedded
    chromaticities = chunks.get(b"cHRM", b"")
    if len(chromaticities) != 32 or "srgb" in info:
        return None
    values = [value / 100_000 for value in unpack(">8I", chromaticities)]
    if is_srgb_chromaticities(values):
        return None
    white, red, green, blue = zip(values[::2], values[1::2], strict=True)
    try:
        return matrix_profile(red, green, blue, white)
    except ArithmeticError:
        return None


def _color_chunks(path: Path) -> dict[bytes, bytes]:
    """Return the first cICP and cHRM chunk before a PNG's pixels."""
    found: dict[bytes, bytes] = {}
    with path.open("rb") as file:
        file.seek(8)
        while len(header := file.read(8)) == 8 and header[4:] != b"IDAT":
            length = int.from_bytes(header[:4], "big")
            if header[4:] in (b"cICP", b"cHRM") and length <= 32:
                found.setdefault(header[4:], file.read(length))
                length = 0
            file.seek(length + 4, 1)
    return found
