"""Colors after the conversion to sRGB, beside values that are computed here from the color spaces' definitions."""

import struct
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image, ImageOps

from dropreel.adapters.imaging.profiles import code_point_profile
from dropreel.domain.images import PrepareReason
from tests.support import icc_profiles
from tests.support.heic_grid import box, encode_tile, grid_heic
from tests.support.icc_profiles import PROFILES, colorants, srgb_light
from tests.support.pictures import chunk, encoded, picture, segment, with_chunks, with_segments
from tests.support.prepared_pictures import difference, heic, pixel, prepared, shown

CONVERTED = PrepareReason.COLOR_PROFILE
COLORS = [(200, 60, 50), (60, 180, 70), (70, 80, 190), (128, 128, 128), (250, 250, 250), (20, 20, 20), (230, 180, 150)]
"""Colors that stay inside of sRGB."""
SPACES = {
    "Display P3": (icc_profiles.DISPLAY_P3, srgb_light),
    "Adobe RGB (1998)": (icc_profiles.ADOBE_RGB, lambda value: value**2.19921875),
    "Rec. 2020": (icc_profiles.REC_2020, icc_profiles.rec_709_light),
    "ProPhoto RGB": (icc_profiles.PROPHOTO, lambda value: value**1.8),
}
ADOBE_EXIF = (
    b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0"
    b"\x02\0\x01\xa0\x03\0\x01\0\0\0\xff\xff\0\0\x05\xa0\x04\0\x01\0\0\0\x38\0\0\0\0\0\0\0"
    b"\x01\0\x01\0\x02\0\x04\0\0\0R03\0\0\0\0\0"
)
"""A camera's block: uncalibrated color space, interoperability R03."""


def patches(colors=COLORS) -> Image.Image:
    """A picture of large patches, so that no compression mixes them."""
    image = Image.new("RGB", (32 * len(colors), 32))
    for at, color in enumerate(colors):
        image.paste(color, (32 * at, 0, 32 * at + 32, 32))
    return image


def in_srgb(space: str) -> numpy.ndarray:
    """What the colors of a space are in sRGB, by its primaries and curve."""
    primaries, light = SPACES[space]
    linear = numpy.array([[light(value / 255) for value in color] for color in COLORS])
    converted = linear @ colorants(primaries).T @ numpy.linalg.inv(colorants(icc_profiles.SRGB)).T
    converted = converted.clip(0, 1)
    return numpy.where(converted <= 0.0031308, 12.92 * converted, 1.055 * converted ** (1 / 2.4) - 0.055) * 255


def colors_of(image: Image.Image) -> numpy.ndarray:
    return numpy.array([image.convert("RGB").getpixel((32 * at + 16, 16)) for at in range(len(COLORS))])


def with_profile(kind: str, profile: bytes) -> bytes:
    if kind == "HEIC":
        return heic(patches(), icc_profile=profile, quality=100)
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    return encoded(patches(), kind, icc_profile=profile, **options.get(kind, {}))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB (1998)"])
def test_colors_of_a_wide_gamut_are_converted(space, kind, tmp_path: Path):
    result = prepared(tmp_path, with_profile(kind, PROFILES[space]))

    tolerance = 6 if kind == "AVIF" else 3.5  # the codec's own rounding grows at the edge of sRGB
    assert abs(colors_of(shown(result)) - in_srgb(space)).max() <= tolerance
    assert abs(colors_of(patches()) - in_srgb(space)).max() > 10
    assert CONVERTED in result.reasons


def test_a_profile_after_the_frame_header_of_a_jpeg_is_used(tmp_path: Path):
    content = encoded(patches(), "JPEG", quality=100, subsampling=0)
    scan = content.index(b"\xff\xda")
    profile = segment(0xE2, b"ICC_PROFILE\0\1\1" + PROFILES["Display P3"])

    result = prepared(tmp_path, content[:scan] + profile + content[scan:])

    assert abs(colors_of(shown(result)) - in_srgb("Display P3")).max() <= 3.5
    assert CONVERTED in result.reasons


@pytest.mark.parametrize("space", ["Rec. 2020", "ProPhoto RGB"])
def test_colors_of_the_widest_spaces_are_converted(space, tmp_path: Path):
    converted = colors_of(shown(prepared(tmp_path, with_profile("PNG", PROFILES[space]))))

    inside = (in_srgb(space) > 0).all(axis=1) & (in_srgb(space) < 255).all(axis=1)
    assert abs(converted - in_srgb(space))[inside].max() <= 3.5


@pytest.mark.parametrize("name", ["sRGB", "sRGB IEC61966-2.1", "sRGB, tiny", "gamma 2.2 with sRGB's colorants"])
def test_colors_of_srgb_are_not_converted(name, tmp_path: Path):
    result = prepared(tmp_path, with_profile("TIFF", PROFILES[name]))

    assert abs(colors_of(shown(result)) - colors_of(patches())).max() <= 2
    assert CONVERTED not in result.reasons


@pytest.mark.parametrize("profile", [b"no profile", PROFILES["Display P3"][:200], PROFILES["CMYK table"]])
def test_a_profile_that_cannot_be_used_is_ignored(profile, tmp_path: Path):
    result = prepared(tmp_path, with_profile("TIFF", profile))

    assert abs(colors_of(shown(result)) - colors_of(patches())).max() <= 2
    assert CONVERTED not in result.reasons


@pytest.mark.parametrize("code", [(12, 13, 1), (12, 1, 6)])
def test_a_heic_with_the_code_of_display_p3_is_converted(code, tmp_path: Path):
    tile = Image.new("RGB", (512, 512))
    tile.paste(patches())
    nclx = box(b"colr", b"nclx" + struct.pack(">HHHB", *code[:2], 6, 0x80))

    result = prepared(tmp_path, grid_heic([encode_tile(tile, 100)], 512, 512, [nclx]))

    assert (
        abs(colors_of(shown(result)) - in_srgb("Display P3")).max() <= 6
    )  # its tiles have half the colors' resolution
    assert CONVERTED in result.reasons


def test_an_avif_with_the_code_of_bt_2020_is_converted(tmp_path: Path):
    plain = encoded(patches(), "AVIF", quality=100)
    at = plain.index(b"nclx") + 4

    result = prepared(tmp_path, plain[:at] + struct.pack(">HH", 12, 13) + plain[at + 4 :])

    assert abs(colors_of(shown(result)) - in_srgb("Display P3")).max() <= 4


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"cICP", bytes((12, 13, 0, 1)))],
        [(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))],
    ],
)
def test_a_png_with_the_chunks_of_display_p3_is_converted(chunks, tmp_path: Path):
    content = with_chunks(encoded(patches(), "PNG"), *(chunk(*one) for one in chunks))

    result = prepared(tmp_path, content)

    assert abs(colors_of(shown(result)) - in_srgb("Display P3")).max() <= 3.5
    assert CONVERTED in result.reasons


def test_a_camera_that_says_adobe_rgb_in_its_exif_block_is_believed(tmp_path: Path):
    content = encoded(patches(), "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0" + ADOBE_EXIF)

    result = prepared(tmp_path, content)

    assert abs(colors_of(shown(result)) - in_srgb("Adobe RGB (1998)")).max() <= 3.5


def test_gray_with_another_curve_is_converted(tmp_path: Path):
    levels = [0, 40, 90, 128, 200, 255]
    image = patches([(level,) * 3 for level in levels]).convert("L")

    result = prepared(tmp_path, encoded(image, "TIFF", icc_profile=PROFILES["gray gamma 1.8"]))

    light = numpy.array([(level / 255) ** 1.8 for level in levels])
    expected = numpy.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    found = [shown(result).convert("L").getpixel((32 * at + 16, 16)) for at in range(len(levels))]
    assert abs(numpy.array(found) - expected).max() <= 3
    assert CONVERTED in result.reasons


def test_the_alpha_stays_when_colors_are_converted(tmp_path: Path):
    image = patches()
    image.putalpha(Image.linear_gradient("L").resize(image.size))

    result = prepared(tmp_path, encoded(image, "PNG", icc_profile=PROFILES["Display P3"]))

    assert shown(result).getchannel("A").tobytes() == image.getchannel("A").tobytes()
    assert abs(colors_of(shown(result)) - in_srgb("Display P3")).max() <= 2.5


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_is_not_inverted(kind, tmp_path: Path):
    options = {"quality": 95} if kind == "JPEG" else {}

    result = prepared(tmp_path, encoded(picture(mode="CMYK"), kind, **options))

    assert difference(shown(result), picture()) < 4
    assert PrepareReason.CMYK in result.reasons
    assert CONVERTED not in result.reasons


def test_cmyk_stored_as_luminance_and_ink_is_not_inverted(tmp_path: Path):
    """YCCK, as Photoshop writes it: transform 2 in Adobe's segment."""
    ink = ImageOps.invert(picture()).convert("YCbCr")
    stored = [ImageOps.invert(channel) for channel in ink.split()]
    image = Image.merge("CMYK", (*stored, Image.new("L", ink.size, 0)))
    plain = bytearray(encoded(image, "JPEG", quality=95, subsampling=0))
    plain[plain.index(b"Adobe") + 11] = 2

    result = prepared(tmp_path, bytes(plain))

    assert difference(shown(result), picture()) < 4


def test_cmyk_is_converted_by_its_profile(tmp_path: Path):
    white, black = (0, 0, 0, 0), (0, 0, 0, 255)
    image = Image.new("CMYK", (64, 32), white)
    image.paste(black, (32, 0, 64, 32))

    result = prepared(tmp_path, encoded(image, "TIFF", icc_profile=PROFILES["CMYK table"]))

    assert shown(result).getpixel((10, 10)) == pytest.approx((255, 255, 255), abs=3)
    assert shown(result).getpixel((50, 10)) == pytest.approx((0, 0, 0), abs=3)
    assert result.reasons == (PrepareReason.FORMAT, PrepareReason.CMYK)


def test_a_profile_in_many_segments_of_a_jpeg_is_used(tmp_path: Path):
    profile = PROFILES["Display P3"]
    parts = [profile[at : at + 100] for at in range(0, len(profile), 100)]
    segments = [
        b"\xff\xe2" + struct.pack(">H", len(part) + 16) + b"ICC_PROFILE\0" + bytes((at + 1, len(parts))) + part
        for at, part in enumerate(parts)
    ]
    content = with_segments(encoded(patches(), "JPEG", quality=100, subsampling=0), *segments)

    assert abs(colors_of(shown(prepared(tmp_path, content))) - in_srgb("Display P3")).max() <= 3.5


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_ends_at_the_reference_white(transfer, tmp_path: Path):
    profile = code_point_profile(9, transfer)
    assert profile is not None
    white = {16: 148, 18: 191}[transfer]  # 203 cd/m2 in PQ, 75% in HLG
    image = patches([(level,) * 3 for level in (0, white // 2, white, 255)])

    result = shown(prepared(tmp_path, encoded(image, "PNG", icc_profile=profile)))

    levels = [pixel(result, 32 * at + 16, 16)[0] for at in range(4)]
    assert levels[0] <= 2
    assert 40 < levels[1] < 200
    assert levels[2] >= 250
    assert levels[3] == 255


@pytest.mark.parametrize(("primaries", "transfer"), [(1, 13), (1, 1), (2, 2), (1, 6), (99, 13)])
def test_codes_of_srgb_and_unknown_ones_have_no_profile(primaries, transfer):
    assert code_point_profile(primaries, transfer) is None
