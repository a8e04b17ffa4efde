"""Whether an image's colors are sRGB's. Sources: ICC.1:2022 (profiles), IEC 61966-2-1 (sRGB), ITU-T H.273 (code points).

A profile that cannot be read is ignored, as browsers do: the image then counts as sRGB.
"""

import struct
import zlib
from collections.abc import Callable, Iterable

MAX_PROFILE_BYTES = 4_000_000
"""The most bytes that a compressed profile is decompressed to."""
MAX_ELEMENTS = 50
"""The most elements of one table of a profile. Published profiles have fewer than ten."""
MAX_ELEMENT_BYTES = 64_000_000
"""The most bytes of all of them together, if each is as long as the profile."""

_COLORANTS = {
    b"rXYZ": (0.4360, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7139),
}
"""X, Y and Z of sRGB's red, green and blue, adapted to D50."""
_COLORANT_TOLERANCE = 0.01
"""The programs that write sRGB differ by 0.002; the nearest other color space, PAL's, differs by 0.02."""
_LIGHT_TOLERANCE = 0.01
"""Of linear light, from 0 to 1. A gamma of 2.2 differs from sRGB's curve by 0.005, one of 1.8 by 0.08, BT.709's by 0.045."""
_CHROMATICITIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of sRGB's white, red, green and blue."""
_CHROMATICITY_TOLERANCE = 0.015
_TABLES = (b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2", b"D2B3")
"""Where a profile has one of these, it is used instead of colorants and curves."""
_BT_709 = 1
_NOT_LIKE_SRGB = frozenset({8, 16, 18})
"""Transfer characteristics: linear, PQ and HLG."""
_STEPS = 16
"""How many parts of a curve are compared."""

_Curve = Callable[[float], float]


class _UnreadableProfile(Exception):
    """The profile is damaged, or of a kind that does not describe an image's colors."""


def is_srgb_profile(profile: bytes, *, gray: bool = False) -> bool:
    """Return whether the colors of an image with this ICC profile look as those of sRGB. `gray`: the image has no colors.

    False for other colorants or curves and for profiles made of tables. True for a profile that cannot be read, or is of
    another color space than the image.
    """
    try:
        return _is_srgb(profile, gray)
    except (_UnreadableProfile, ArithmeticError):
        return True


def has_too_many_elements(profile: bytes) -> bool:
    """Return whether a table of the profile has more elements than a viewer should compute: each can be as long as the profile.

    A few hundred bytes can name the same element thousands of times. Source: ICC.1:2022, 10.16 (multiProcessElementsType).
    """
    count = int.from_bytes(profile[128:132], "big")
    for at in range(132, min(132 + 12 * count, len(profile) - 11), 12):
        start = int.from_bytes(profile[at + 4 : at + 8], "big")
        if profile[start : start + 4] != b"mpet":
            continue
        elements = int.from_bytes(profile[start + 12 : start + 16], "big")
        if elements > MAX_ELEMENTS or elements * len(profile) > MAX_ELEMENT_BYTES:
            return True
    return False


def is_srgb_compressed(profile: bytes, *, gray: bool = False) -> bool:
    """The same for a profile in zlib's format, as PNG has it. One of more than `MAX_PROFILE_BYTES` counts as unreadable."""
    inflate = zlib.decompressobj()
    try:
        inflated = inflate.decompress(profile, MAX_PROFILE_BYTES)
    except zlib.error:
        return True
    return not inflate.eof or is_srgb_profile(inflated, gray=gray)


def is_srgb_code(primaries: int, transfer: int) -> bool:
    """Return whether these code points of H.273 are sRGB's, or BT.709's with a curve that is near to it."""
    return primaries == _BT_709 and transfer not in _NOT_LIKE_SRGB


def is_srgb_chromaticities(values: Iterable[float]) -> bool:
    """Return whether x and y of white, red, green and blue are near sRGB's. Impossible ones count as sRGB's: they are ignored."""
    given = tuple(values)
    if any(not 0 <= x <= 1 or not 0 < y <= 1 for x, y in zip(given[::2], given[1::2], strict=True)):
        return True
    return _near(given, _CHROMATICITIES, _CHROMATICITY_TOLERANCE)


def _is_srgb(profile: bytes, gray: bool) -> bool:
    tags = _tags(profile)
    if profile[16:20] == b"GRAY" and gray:
        return _is_srgb_curve(_curve(tags.get(b"kTRC", _NO_TAG)))
    if profile[16:20] != b"RGB ":
        return True
    code = tags.get(b"cicp", _NO_TAG)
    if len(code) >= 12:
        return is_srgb_code(code[8], code[9])
    if any(name in tags for name in _TABLES):
        return False
    colorants = {name: _xyz(tags.get(name, _NO_TAG)) for name in _COLORANTS}
    curves = {content: _curve(content) for content in (tags.get(name, _NO_TAG) for name in (b"rTRC", b"gTRC", b"bTRC"))}
    if not all(_near(colorants[name], values, _COLORANT_TOLERANCE) for name, values in _COLORANTS.items()):
        return False
    return all(_is_srgb_curve(curve) for curve in curves.values())


def _tags(profile: bytes) -> dict[bytes, memoryview]:
    """Return the content of each tag that is compared, which is not copied: tags may overlap. Raises _UnreadableProfile."""
    if len(profile) < 132 or profile[36:40] != b"acsp" or not 2 <= profile[8] <= 4:
        raise _UnreadableProfile
    size, count = int.from_bytes(profile[:4], "big"), int.from_bytes(profile[128:132], "big")
    if not 132 + 12 * count <= size <= len(profile):
        raise _UnreadableProfile
    tags: dict[bytes, memoryview] = {}
    for at in range(132, 132 + 12 * min(count, _MOST_TAGS), 12):
        name, start, length = struct.unpack_from(">4sII", profile, at)
        if start + length > size:
            raise _UnreadableProfile
        if name in _COMPARED and name not in tags:
            tags[name] = memoryview(profile)[start : start + length]
    return tags


_NO_TAG = memoryview(b"")
_COMPARED = frozenset({*_COLORANTS, *_TABLES, b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"cicp"})
_MOST_TAGS = 1000
"""How many tags are looked at. Real profiles have up to 40."""


def _xyz(content: memoryview) -> tuple[float, ...]:
    """Return X, Y and Z. Raises _UnreadableProfile."""
    if len(content) < 20 or bytes(content[:4]) != b"XYZ ":
        raise _UnreadableProfile
    return tuple(value / 65536 for value in struct.unpack_from(">3i", content, 8))


def _curve(content: memoryview) -> _Curve:
    """Return the function from a value to linear light, both from 0 to 1. Raises _UnreadableProfile."""
    if bytes(content[:4]) == b"curv" and len(content) >= 12:
        return _table(content)
    if bytes(content[:4]) == b"para" and len(content) >= 12:
        return _parametric(content)
    raise _UnreadableProfile


def _table(content: memoryview) -> _Curve:
    count = int.from_bytes(content[8:12], "big")
    if 12 + 2 * count > len(content):
        raise _UnreadableProfile
    if count == 0:
        return lambda value: value
    if count == 1:
        gamma = int.from_bytes(content[12:14], "big") / 256
        return lambda value: float(value**gamma)

    def interpolated(value: float) -> float:
        at = value * (count - 1)
        index = min(int(at), count - 2)
        low, high = struct.unpack_from(">2H", content, 12 + 2 * index)
        return float(low + (high - low) * (at - index)) / 65535

    return interpolated


_PARAMETERS = (1, 3, 4, 5, 7)
"""How many parameters each type of function has: g, a, b, c, d, e, f of ICC.1."""
_DEFAULTS = (1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Those that a type does not have."""


def _parametric(content: memoryview) -> _Curve:
    kind = int.from_bytes(content[8:10], "big")
    if kind >= len(_PARAMETERS) or 12 + 4 * _PARAMETERS[kind] > len(content):
        raise _UnreadableProfile
    values = [value / 65536 for value in struct.unpack_from(f">{_PARAMETERS[kind]}i", content, 12)]
    g, a, b, c, d, e, f = values + list(_DEFAULTS[len(values) :])
    if kind < 3:  # one part; where its power would be of a negative number, the power counts as 0
        d, e = 0.0, c

    def light(value: float) -> float:
        return float(max(0.0, a * value + b) ** g + e) if value >= d else float(c * value + f)

    return light


def _is_srgb_curve(curve: _Curve) -> bool:
    values = [index / _STEPS for index in range(_STEPS + 1)]
    return _near([curve(value) for value in values], [_srgb_light(value) for value in values], _LIGHT_TOLERANCE)


def _srgb_light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _near(found: Iterable[float], wanted: Iterable[float], tolerance: float) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(found, wanted, strict=True))
