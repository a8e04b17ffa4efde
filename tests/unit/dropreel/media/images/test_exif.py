import pytest

from tests.support.inspected_images import assert_as_pillow_shows_it, facts_of
from tests.support.pictures import exif, jpeg, segment, with_segments


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
