"""ICC profiles of the color spaces that pictures name by a code. Sources: ICC.1:2022, ITU-T H.273 (code points)."""

from collections.abc import Callable
from math import exp
from struct import pack

Chromaticity = tuple[float, float]

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D65, _DCI_WHITE = (0.3127, 0.3290), (0.3140, 0.3510)
_PRIMARIES: dict[int, tuple[Chromaticity, Chromaticity, Chromaticity, Chromaticity]] = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI_WHITE),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
"""Red, green, blue and white of BT.709, PAL, NTSC, BT.2020, DCI-P3 and Display P3."""
_BT_709 = 1
_REFERENCE_WHITE = 203 / 10_000, 0.265
"""What PQ (of 10,000 cd/m2) and HLG have as light of the reference white, which becomes sRGB's white. Source: ITU-R BT.2408."""
_TABLE_ENTRIES = 4096

_Matrix = tuple[tuple[float, ...], ...]


def code_point_profile(primaries: int, transfer: int) -> bytes | None:
    """Return the profile of these code points of H.273, None where the colors are sRGB's or unknown.

    PQ and HLG are cut at the reference white: what is brighter becomes white.
    """
    light = _LIGHT.get(transfer)
    if primaries not in _PRIMARIES or (primaries == _BT_709 and light is None):
        return None
    return matrix_profile(*_PRIMARIES[primaries], None if light is None else _table_curve(light))


def matrix_profile(
    red: Chromaticity, green: Chromaticity, blue: Chromaticity, white: Chromaticity, curve: bytes | None = None
) -> bytes:
    """Return a profile of these chromaticities (x, y) and this curve: a tag of type `para` or `curv`, None for sRGB's.

    Raises ArithmeticError for chromaticities that no color space can have.
    """
    unscaled = tuple(zip(*(_xyz(point) for point in (red, green, blue)), strict=True))
    scales = _times(_inverse(unscaled), _xyz(white))
    adaptation = _adaptation(_xyz(white))
    columns = zip((_xyz(point) for point in (red, green, blue)), scales, strict=True)
    colorants = [_times(adaptation, [value * scale for value in column]) for column, scale in columns]
    text = pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", 2, 28) + b"\x00-\x00\x00"
    tags = {b"desc": text, b"cprt": text, b"wtpt": _xyz_tag(_D50)}
    tags |= {name: _xyz_tag(values) for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve or _SRGB_CURVE)
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += pack(">4sII", name, start + len(data), len(content))
        data += content
    header = pack(">I4xI4s4s4s12x4s28x", start + len(data), 0x04000000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (header + _xyz_tag(_D50)[8:]).ljust(128, b"\x00") + pack(">I", len(tags)) + table + data


def _pq_light(value: float) -> float:
    """Light of a PQ value in units of the reference white. Source: SMPTE ST 2084."""
    root = value ** (1 / 78.84375)
    return float(
        (max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125) / _REFERENCE_WHITE[0]
    )


def _hlg_light(value: float) -> float:
    """Light of an HLG value in units of the reference white. Source: ITU-R BT.2100."""
    light = value**2 / 3 if value <= 0.5 else (exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return light / _REFERENCE_WHITE[1]


def _table_curve(light: Callable[[float], float]) -> bytes:
    last = _TABLE_ENTRIES - 1
    table = [round(65535 * min(1.0, light(index / last))) for index in range(_TABLE_ENTRIES)]
    return pack(f">4s4xI{_TABLE_ENTRIES}H", b"curv", _TABLE_ENTRIES, *table)


def _xyz(point: Chromaticity) -> list[float]:
    x, y = point
    return [x / y, 1.0, (1 - x - y) / y]


def _times(matrix: _Matrix, values: list[float] | tuple[float, ...]) -> list[float]:
    return [sum(one * other for one, other in zip(row, values, strict=True)) for row in matrix]


def _inverse(m: _Matrix) -> _Matrix:
    (a, b, c), (d, e, f), (g, h, i) = m
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return tuple(tuple(value / determinant for value in row) for row in cofactors)


def _adaptation(white: list[float]) -> _Matrix:
    """Return the matrix that adapts X, Y and Z from this white to D50 (Bradford)."""
    cones = [to / of for to, of in zip(_times(_BRADFORD, _D50), _times(_BRADFORD, white), strict=True)]
    scaled = tuple(tuple(value * cone for value in row) for row, cone in zip(_BRADFORD, cones, strict=True))
    inverse = _inverse(_BRADFORD)
    return tuple(
        tuple(sum(inverse[row][k] * scaled[k][column] for k in range(3)) for column in range(3)) for row in range(3)
    )


def _xyz_tag(values: list[float] | tuple[float, ...]) -> bytes:
    return pack(">4s4x3i", b"XYZ ", *map(_fixed, values))


def _fixed(value: float) -> int:
    """As a number of type s15Fixed16."""
    return round(value * 65536)


_SRGB_CURVE = pack(">4s4xH2x5i", b"para", 3, *map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
_LIGHT: dict[int, Callable[[float], float]] = {8: lambda value: value, 16: _pq_light, 18: _hlg_light}
"""Transfer characteristics that are not near sRGB's curve: linear, PQ and HLG."""
ADOBE_RGB = matrix_profile(
    (0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65, pack(">4s4xIH2x", b"curv", 1, round(2.19921875 * 256))
)
"""Adobe RGB (1998)."""
