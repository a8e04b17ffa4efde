import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.media.images.exif import is_adobe_rgb, read_orientation
from tests.support.inspected_images import assert_as_pillow_shows_it, facts_of
from tests.support.pictures import adobe_rgb, exif, jpeg, segment, with_segments


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_is_read_in_either_byte_order(orientation, byte_order):
    content = jpeg(exif=exif(orientation, byte_order))

    assert_as_pillow_shows_it(content, "JPEG")
    assert facts_of(content).orientation == orientation


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        b"XX*\0\x08\0\0\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x07\0\x01\0\0\0\x06\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0",
    ],
)
def test_an_unreadable_exif_block_means_orientation_1(block):
    facts = facts_of(with_segments(jpeg(), segment(0xE1, b"Exif\0\0" + block)))

    assert (facts.width, facts.height, facts.orientation) == (60, 40, 1)


@pytest.mark.parametrize("kind", [1, 3, 4], ids=["BYTE", "SHORT", "LONG"])
def test_an_orientation_may_be_an_integer_of_any_width(kind):
    block = b"II*\0\x08\0\0\0\x01\0\x12\x01" + bytes([kind, 0]) + b"\x01\0\0\0\x06\0\0\0\0\0\0\0"

    facts = facts_of(with_segments(jpeg(), segment(0xE1, b"Exif\0\0" + block)))

    assert facts.orientation == 6


# --- Adobe RGB without a profile --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
def test_adobe_rgb_is_recognized_in_either_byte_order(order):
    assert is_adobe_rgb(adobe_rgb(order))
    assert read_orientation(adobe_rgb(order)) == 1


@pytest.mark.parametrize(
    "block",
    [
        adobe_rgb(color_space=1),
        adobe_rgb(index=b"R98\0"),
        adobe_rgb(index=b"R03A"),
        adobe_rgb()[:60],
        adobe_rgb()[:70],
        adobe_rgb().replace(b"\x69\x87", b"\x69\x88"),
        adobe_rgb().replace(b"\x05\xa0", b"\x06\xa0"),
        adobe_rgb().replace(b"\x05\xa0\4\0\1\0\0\0", b"\x05\xa0\4\0\2\0\0\0"),
        adobe_rgb().replace(struct.pack("<I", 38), b"\xff\xff\xff\xff"),
        adobe_rgb().replace(struct.pack("<I", 68), b"\xff\xff\xff\xff"),
        exif(6)[6:],
        b"",
        b"XX*\0" + adobe_rgb()[4:],
    ],
    ids=[
        *("sRGB", "another index", "a longer index", "cut", "cut later", "no directory", "no index's directory"),
        *("two pointers", "directory outside", "index outside", "orientation alone", "empty", "no TIFF"),
    ],
)
def test_any_other_exif_block_is_not_adobe_rgb(block):
    assert not is_adobe_rgb(block)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 97), st.binary(min_size=1, max_size=4))
def test_any_changed_exif_block_gives_an_answer(at, replaced):
    block = adobe_rgb()[:at] + replaced + adobe_rgb()[at + len(replaced) :]

    assert is_adobe_rgb(block) in (True, False)
    assert 1 <= read_orientation(block) <= 8
