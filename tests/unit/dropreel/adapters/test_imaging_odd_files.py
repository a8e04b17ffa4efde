"""Files that are allowed and that decoders confuse, and small files that take a decoder long."""

import struct
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageOps

from dropreel.adapters.imaging.checks import MAX_RLE_BYTES
from dropreel.domain.images import PrepareReason
from dropreel.domain.reasons import ReasonCode
from dropreel.media.images.color_profile import MAX_ELEMENTS, has_too_many_elements
from tests.support.icc_profiles import PROFILES, profile
from tests.support.pictures import encoded, exif, picture
from tests.support.prepared_pictures import difference, prepared, refused, shown

_ORIENTATION, _ROWS_PER_STRIP = 274, 278


@pytest.mark.parametrize("orientation", [3, 5, 6, 7, 8])
@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK"])
def test_a_turned_tiff_of_one_plain_strip_has_its_rows(tmp_path: Path, mode: str, orientation: int):
    stored = picture(60, 40).convert(mode)
    tags = {_ORIENTATION: orientation, _ROWS_PER_STRIP: 40}

    result = prepared(tmp_path, encoded(stored, "TIFF", tiffinfo=tags))

    upright = stored.convert("RGB")
    upright.getexif()[_ORIENTATION] = orientation
    assert difference(shown(result), ImageOps.exif_transpose(upright)) < 3
    assert PrepareReason.ORIENTATION in result.reasons


@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_is_none_is_no_reason(tmp_path: Path, orientation: int):
    result = prepared(tmp_path, encoded(picture(60, 40), "TIFF", tiffinfo={_ORIENTATION: orientation}))

    assert result.reasons == (PrepareReason.FORMAT,)


def test_a_deep_tiff_with_a_plane_a_channel_has_its_colors(tmp_path: Path):
    result = prepared(tmp_path, planar_tiff(picture(60, 40)))

    assert difference(shown(result), picture(60, 40)) < 3
    assert PrepareReason.BIT_DEPTH in result.reasons


def planar_tiff(image: Image.Image) -> bytes:
    """Return an RGB picture of 16 bits a sample, not compressed, one plane a channel."""
    samples = numpy.asarray(image.convert("RGB")).astype("<u2") * 257
    planes = [samples[:, :, channel].tobytes() for channel in range(3)]
    count, at = 11, 8 + 2 + 11 * 12 + 4
    bits, starts, lengths = at, at + 6, at + 18
    data = at + 30
    tags = [(256, 4, 1, image.width), (257, 4, 1, image.height), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 3, starts), (277, 3, 1, 3), (278, 4, 1, image.height), (279, 4, 3, lengths), (284, 3, 1, 2)]
    tags.append((339, 3, 1, 1))
    size = len(planes[0])
    places = struct.pack("<3I", *(data + size * number for number in range(3))) + struct.pack("<3I", size, size, size)
    table = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, count) + table + bytes(4)
    return head + struct.pack("<3H", 16, 16, 16) + places + b"".join(planes)


def test_a_profile_of_very_many_elements_is_ignored(tmp_path: Path):
    bomb = profile(b"RGB ", {b"D2B0": elements(MAX_ELEMENTS + 1)})
    content = encoded(picture(), "PNG", icc_profile=bomb)

    result = prepared(tmp_path, content)

    assert has_too_many_elements(bomb)
    assert difference(shown(result), picture()) < 3


def elements(count: int) -> bytes:
    """Return a table of elements that are all at the same place."""
    return (
        b"mpet"
        + bytes(4)
        + struct.pack(">HHI", 3, 3, count)
        + struct.pack(">II", 16 + 8 * count, 16) * count
        + bytes(16)
    )


@pytest.mark.parametrize("name", PROFILES)
def test_usual_profiles_have_few_elements(name: str):
    assert not has_too_many_elements(PROFILES[name])
    assert not has_too_many_elements(profile(b"RGB ", {b"D2B0": elements(MAX_ELEMENTS)}))


def test_a_run_length_encoded_bmp_of_empty_runs_is_refused(tmp_path: Path):
    runs = b"\0\2\0\0" * (MAX_RLE_BYTES // 4 + 5000)
    header = struct.pack("<IiiHHIIiiII", 40, 60, 40, 1, 8, 1, len(runs), 0, 0, 256, 0)
    file = b"BM" + struct.pack("<IHHI", 1078 + len(runs), 0, 0, 1078) + header + bytes(1024) + runs

    assert refused(tmp_path, file).code is ReasonCode.IMAGE_DAMAGED


def test_a_bmp_whose_alpha_is_not_used_is_not_transparent(tmp_path: Path):
    image = picture().convert("RGBA")
    image.putalpha(0)

    result = prepared(tmp_path, encoded(image, "BMP"))

    assert result.format == "JPEG"


def test_what_sent_a_picture_here_is_among_its_reasons(tmp_path: Path):
    gray = picture(mode="L")

    result = prepared(tmp_path, encoded(gray, "JPEG", icc_profile=PROFILES["Adobe RGB (1998)"], exif=exif(6)))

    assert result.reasons == (PrepareReason.ORIENTATION, PrepareReason.COLOR_PROFILE)
