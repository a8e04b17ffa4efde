"""ICC profiles for tests, written tag by tag. Source of the format: ICC.1:2022; of the adaptation to D50: its annex E.

`PROFILES` has those that pictures really carry, by name, as bytes. Little CMS reads all of them.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

Chromaticity = tuple[float, float]
Curve = bytes
"""A tag of type `curv` or `para`."""

D50 = (0.9642, 1.0, 0.8249)
D50_XY, D65_XY, DCI_XY = (0.3457, 0.3585), (0.3127, 0.3290), (0.3140, 0.3510)
BRADFORD = numpy.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Primaries:
    """The chromaticities (x, y) of a color space."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity = D65_XY


SRGB = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
DCI_P3 = Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), DCI_XY)
ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PROPHOTO = Primaries((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), D50_XY)
REC_2020 = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
ECI_RGB = Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), D50_XY)
PAL = Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06))


def xyz_of(point: Chromaticity) -> numpy.ndarray:
    """X, Y and Z of a chromaticity, at Y = 1."""
    x, y = point
    return numpy.array([x / y, 1.0, (1 - x - y) / y])


def colorants(primaries: Primaries, *, adapted: bool = True) -> numpy.ndarray:
    """X, Y and Z (down) of red, green and blue (across), adapted to D50."""
    white = xyz_of(primaries.white)
    columns = numpy.stack([xyz_of(point) for point in (primaries.red, primaries.green, primaries.blue)], axis=1)
    matrix = columns * numpy.linalg.solve(columns, white)
    if not adapted:
        return matrix
    cones = BRADFORD @ numpy.array(D50) / (BRADFORD @ white)
    return numpy.linalg.inv(BRADFORD) @ numpy.diag(cones) @ BRADFORD @ matrix


def _fixed(value: float) -> int:
    """As a number of type s15Fixed16."""
    return round(float(value) * 65536)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


# --- curves -----------------------------------------------------------------------------------------------------------


def srgb_light(value: float) -> float:
    """Linear light of an sRGB value, both from 0 to 1 (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def rec_709_light(value: float) -> float:
    """Linear light of a value of a BT.709 camera."""
    return value / 4.5 if value < 0.081 else ((value + 0.099) / 1.099) ** (1 / 0.45)


def lightness_light(value: float) -> float:
    """Linear light of a CIE L*, as eciRGB v2 has it."""
    return value * 100 / 903.3 if value <= 0.08 else ((value + 0.16) / 1.16) ** 3


def gamma_curve(gamma: float) -> Curve:
    """A pure power."""
    return struct.pack(">4s4xIH2x", b"curv", 1, round(gamma * 256))


def linear_curve() -> Curve:
    """A curve without entries: the identity."""
    return struct.pack(">4s4xI", b"curv", 0)


def table_curve(light: Callable[[float], float], entries: int = 1024) -> Curve:
    """A table of so many entries."""
    table = [round(65535 * light(index / (entries - 1))) for index in range(entries)]
    return _padded(struct.pack(f">4s4xI{entries}H", b"curv", entries, *table))


def parametric_curve(kind: int, *parameters: float) -> Curve:
    """A function of ICC.1's types 0 to 4: g, a, b, c, d, e, f, as many as the type has."""
    return struct.pack(f">4s4xH2x{len(parameters)}i", b"para", kind, *map(_fixed, parameters))


SRGB_CURVE = parametric_curve(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


# --- profiles ---------------------------------------------------------------------------------------------------------


def profile(
    space: bytes,
    tags: Mapping[bytes, bytes],
    *,
    name: str = "a test's profile",
    version: int = 4,
    kind: bytes = b"mntr",
    connection: bytes = b"XYZ ",
) -> bytes:
    """A profile of these tags, with the description, copyright and white point that each must have.

    Tags of the same content share it, as profiles' writers do.
    """
    tags = {b"desc": _text(name, version), b"cprt": _text("none", version), b"wtpt": xyz_tag(*D50), **tags}
    start = 128 + 4 + 12 * len(tags)
    table, data, places = b"", b"", dict[bytes, int]()
    for signature, content in tags.items():
        if content not in places:
            places[content] = start + len(data)
            data += _padded(content)
        table += struct.pack(">4sII", signature, places[content], len(content))
    whole = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(">I4sI4s4s4s", 128 + len(whole), b"", version << 24, kind, space, connection)
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + xyz_tag(*D50)[8:]
    return header.ljust(128, b"\0") + whole


def rgb_profile(primaries: Primaries, curve: Curve = SRGB_CURVE, **how: Any) -> bytes:
    """A profile of three colorants and one curve."""
    return matrix_profile(colorants(primaries), curve, **how)


def matrix_profile(
    matrix: numpy.ndarray, *curves: Curve, extra: Mapping[bytes, bytes] | None = None, **how: Any
) -> bytes:
    """A profile of these colorants (red, green and blue across), and of one curve or three."""
    red, green, blue = (xyz_tag(*matrix[:, column]) for column in range(3))
    one, two, three = curves if len(curves) == 3 else curves * 3
    tags = {b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue, b"rTRC": one, b"gTRC": two, b"bTRC": three}
    return profile(b"RGB ", {**tags, **(extra or {})}, **how)


def gray_profile(curve: Curve, **how: Any) -> bytes:
    """A profile of one curve."""
    return profile(b"GRAY", {b"kTRC": curve}, **how)


def table_profile(space: bytes = b"RGB ", **how: Any) -> bytes:
    """A profile of a table (`A2B0`) instead of colorants, with white where no ink is or all light is.

    For `CMYK` it is a plain printer: L* falls with the ink, a* and b* lean to the ink's color.
    """
    channels = {b"RGB ": 3, b"CMYK": 4}[space]
    grid = numpy.stack(numpy.meshgrid(*[[0.0, 1.0]] * channels, indexing="ij"), axis=-1).reshape(-1, channels)
    light = grid if channels == 3 else (1 - grid[:, :3]) * (1 - grid[:, 3:])
    red, green, blue = light.T
    lightness = (3 * red + 6 * green + blue) / 10
    lab = numpy.stack([lightness, 0.5 + (red - green) / 4, 0.5 + (red + green - 2 * blue) / 8], axis=1)
    levels = (lab * 255).round().clip(0, 255).astype("uint8")
    identity = bytes(range(256))
    lut = struct.pack(">4s4xBBBx9i", b"mft1", channels, 3, 2, 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut += identity * channels + levels.tobytes() + identity * 3
    return profile(space, {b"A2B0": lut}, connection=b"Lab ", kind=b"scnr" if channels == 3 else b"prtr", **how)


def cicp_tag(primaries: int, transfer: int) -> bytes:
    """Code points of ITU-T H.273 inside a profile."""
    return struct.pack(">4s4x4B", b"cicp", primaries, transfer, 0, 1)


def xyz_tag(*values: float) -> bytes:
    """A tag of type `XYZ `."""
    return struct.pack(">4s4x3i", b"XYZ ", *map(_fixed, values))


def _text(text: str, version: int) -> bytes:
    """A description: in version 2 as ASCII with empty translations, in version 4 in one language."""
    if version < 4:
        ascii_text = text.encode("ascii") + b"\0"
        return struct.pack(">4s4xI", b"desc", len(ascii_text)) + ascii_text + bytes(78)
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", 2 * len(text), 28) + text.encode("utf-16-be")


PROFILES: dict[str, bytes] = {
    "sRGB": rgb_profile(SRGB, name="sRGB"),
    "sRGB IEC61966-2.1": rgb_profile(SRGB, table_curve(srgb_light), name="sRGB IEC61966-2.1", version=2),
    "sRGB, tiny": rgb_profile(SRGB, table_curve(srgb_light, 26), name="c2", version=2),
    "gamma 2.2 with sRGB's colorants": rgb_profile(SRGB, gamma_curve(2.2), version=2),
    "Display P3": rgb_profile(DISPLAY_P3, name="Display P3"),
    "DCI-P3": rgb_profile(DCI_P3, gamma_curve(2.6), name="DCI-P3"),
    "Adobe RGB (1998)": rgb_profile(ADOBE_RGB, gamma_curve(2.19921875), name="Adobe RGB (1998)", version=2),
    "ProPhoto RGB": rgb_profile(PROPHOTO, gamma_curve(1.8), name="ProPhoto RGB", version=2),
    "Rec. 2020": rgb_profile(REC_2020, table_curve(rec_709_light), name="Rec. 2020"),
    "eciRGB v2": rgb_profile(ECI_RGB, table_curve(lightness_light), name="eciRGB v2", version=2),
    "PAL": rgb_profile(PAL, gamma_curve(2.2), name="PAL"),
    "linear light with sRGB's colorants": rgb_profile(SRGB, linear_curve(), name="linear"),
    "gamma 1.8 with sRGB's colorants": rgb_profile(SRGB, gamma_curve(1.8)),
    "Rec. 709": rgb_profile(SRGB, table_curve(rec_709_light), name="Rec. 709"),
    "gray with sRGB's curve": gray_profile(SRGB_CURVE, name="gray"),
    "gray gamma 2.2": gray_profile(gamma_curve(2.2), name="Gray Gamma 2.2", version=2),
    "gray gamma 1.8": gray_profile(gamma_curve(1.8), name="Gray Gamma 1.8", version=2),
    "dot gain 20%": gray_profile(table_curve(lambda value: value**1.7, 256), name="Dot Gain 20%", version=2),
    "RGB table": table_profile(b"RGB ", name="a scanner", version=2),
    "CMYK table": table_profile(b"CMYK", name="a printer", version=2),
}
