import io
from typing import Any

import numpy
import pytest
from PIL import Image, ImageCms

from tests.support.icc_profiles import ADOBE_RGB, D50, DISPLAY_P3, PROFILES, PROPHOTO, SRGB, colorants

MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}


def shown(name: str, color: Any) -> Any:
    """The color of one pixel with this profile, as sRGB, by Little CMS."""
    content = PROFILES[name]
    opened = ImageCms.ImageCmsProfile(io.BytesIO(content))
    pixel = Image.new(MODES[content[16:20]], (1, 1), color)
    converted = ImageCms.profileToProfile(pixel, opened, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return converted.getpixel((0, 0))


def assert_near(found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    assert max(abs(one - other) for one, other in zip(found, wanted, strict=True)) <= 2, (found, wanted)


@pytest.mark.parametrize("name", PROFILES)
def test_little_cms_reads_each_profile(name):
    white = {b"RGB ": (255, 255, 255), b"GRAY": 255, b"CMYK": (0, 0, 0, 0)}[PROFILES[name][16:20]]

    assert_near(shown(name, white), (255, 255, 255))


@pytest.mark.parametrize(
    ("primaries", "red"),
    [
        (SRGB, (0.4360, 0.2225, 0.0139)),
        (DISPLAY_P3, (0.5151, 0.2412, -0.0011)),
        (ADOBE_RGB, (0.6097, 0.3111, 0.0195)),
        (PROPHOTO, (0.7977, 0.2880, 0.0)),
    ],
    ids=["sRGB", "Display P3", "Adobe RGB (1998)", "ProPhoto RGB"],
)
def test_colorants_are_those_of_the_published_profiles(primaries, red):
    matrix = colorants(primaries)

    assert numpy.allclose(matrix[:, 0], red, atol=0.0005)
    assert numpy.allclose(matrix.sum(axis=1), D50, atol=0.0005)


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("sRGB", (200, 100, 50)),
        ("sRGB IEC61966-2.1", (200, 100, 50)),
        ("Display P3", (215, 93, 31)),
        ("Adobe RGB (1998)", (227, 100, 42)),
    ],
)
def test_a_color_is_converted_to_srgb(name, color):
    assert_near(shown(name, (200, 100, 50)), color)


def test_a_printers_profile_shows_ink():
    red, green, blue = shown("CMYK table", (255, 0, 0, 0))

    assert red < green
    assert red < blue
    assert shown("CMYK table", (0, 0, 0, 255)) == (0, 0, 0)
