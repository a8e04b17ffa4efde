import struct
import zlib

import pytest
from PIL import Image

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images.reader import inspect_image
from tests.support.classified_images import prepared_for
from tests.support.icc_profiles import PROFILES
from tests.support.inspected_images import assert_as_pillow_shows_it, facts_of, reason_for
from tests.support.pictures import animated, chunk, encoded, exif, picture, png, png_header, with_chunks

DATA = png()[41:-16]
PNGS = {
    **{mode: png(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    "2 bits": encoded(picture(mode="L").convert("P", palette=Image.Palette.ADAPTIVE, colors=4), "PNG", bits=2),
    "transparent palette": encoded(picture(mode="P"), "PNG", transparency=0),
    "profile and text": with_chunks(png(), chunk(b"iCCP", bytes(90_000)), chunk(b"tEXt", b"Comment\0hello")),
    "many chunks": with_chunks(png(), *[chunk(b"tEXt", b"k\0" + b"v" * 200)] * 400),
    "one pixel": encoded(picture(1, 1), "PNG"),
    "an end mark in a text": with_chunks(png(), chunk(b"tEXt", b"k\0" + b"\0\0\0\0IEND\xaeB`\x82")),
    "zeros after its end": png() + bytes(5000),
    "an older, longer file after its end": png() + DATA[-300:] + png()[-12:],
    "an empty IDAT chunk before the others": with_chunks(png(), chunk(b"IDAT", b"")),
    "an empty IDAT chunk after the others": png()[:-12] + chunk(b"IDAT", b"") + png()[-12:],
    "IDAT chunks of one byte": png()[:33] + b"".join(chunk(b"IDAT", bytes([byte])) for byte in DATA) + png()[-12:],
    "text after its picture data": png()[:-12] + chunk(b"tEXt", b"k\0v") + chunk(b"tIME", bytes(7)) + png()[-12:],
}


@pytest.mark.parametrize("name", PNGS)
def test_a_png_has_the_size_that_pillow_shows(name):
    assert_as_pillow_shows_it(PNGS[name], "PNG")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_png_is_read(orientation):
    content = png(exif=exif(orientation))

    assert_as_pillow_shows_it(content, "PNG")
    assert facts_of(content).orientation == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_after_the_image_data_is_read(orientation):
    content = png()[:-12] + chunk(b"eXIf", exif(orientation)[6:]) + png()[-12:]

    assert_as_pillow_shows_it(content, "PNG")
    assert facts_of(content).orientation == orientation


def test_an_animated_png_is_recognized():
    content = animated("PNG")

    assert_as_pillow_shows_it(content, "PNG")
    assert facts_of(content).animated


def test_a_still_png_is_not_animated():
    assert not facts_of(png()).animated


@pytest.mark.parametrize("name", ["RGB", "P", "1", "profile and text"])
def test_a_png_cut_anywhere_is_refused(name):
    content = PNGS[name]
    ends = range(0, len(content), max(1, len(content) // 300))

    accepted = [end for end in [*ends, len(content) - 1] if isinstance(inspect_image(content[:end]), ImageFacts)]

    assert accepted == []


@pytest.mark.parametrize(
    "content",
    [
        png_header(0, 10),
        png_header(10, 0),
        png_header(2**31, 10),
        png_header(10, 10, depth=3),
        png_header(10, 10, colour=1),
        png_header(10, 10, depth=4, colour=2),
        png_header(10, 10, rest=b"\1\0\0"),
        png_header(10, 10, rest=b"\0\0\2"),
        png()[:16] + b"\0\0\0\x09" + png()[20:],
        png()[:12] + b"IDAT" + png()[16:],
        png()[:33] + png()[-12:],
        png()[:33] + b"<html><body>" + png()[33:],
        png()[:33] + b"\xff\xff\xff\xffIDAT" + png()[41:],
        png()[:41] + b"\0\0" + png()[43:],
        png()[:33] + b"\0\0\0\x20IDAT" + png()[41:],
        with_chunks(png(), chunk(b"tEXt", b"k\0v")[:-1] + b"\0"),
        with_chunks(png(), chunk(b"iCCP", bytes(90_000))[:-1] + b"\0"),
        png()[:-13] + b"\0" + png()[-12:],
        png()[:-12] + chunk(b"tEXt", b"k\0v")[:-1] + b"\0" + png()[-12:],
        png()[:-1] + b"\0",
        png()[:60] + bytes(len(png()) - 60),
        png()[:33] + chunk(b"IDAT", b"") + png()[-12:],
        png()[:33] + chunk(b"IDAT", b"") * 3 + png()[-12:],
        png()[:33] + chunk(b"IDAT", DATA[:1]) + png()[-12:],
        png()[:33] + chunk(b"IDAT", DATA[:1] + b"\0" + DATA[2:]) + png()[-12:],
        png()[:33] + chunk(b"IDAT", b"GIF8" + DATA) + png()[-12:],
        png()[:33] + chunk(b"IDAT", DATA[:20]) + chunk(b"tEXt", b"k\0v") + chunk(b"IDAT", DATA[20:]) + png()[-12:],
        with_chunks(png(), png()[8:33]),
        png()[:8] + chunk(b"IHDR", png()[16:29] + b"\0") + png()[33:],
        png("P").replace(png("P")[33 : png("P").index(b"IDAT") - 4], b""),
    ],
)
def test_a_damaged_png_is_refused(content):
    assert reason_for(content).code == "image_damaged"


def test_a_png_with_empty_image_data_is_refused():
    content = b"\x89PNG\r\n\x1a\n" + png()[8:33] + chunk(b"IDAT", b"") + chunk(b"IEND", b"")

    assert len(content) == 57
    assert reason_for(content) == Reason(ReasonCode.IMAGE_DAMAGED, "The PNG is damaged: it has no picture data.")


# --- color spaces -----------------------------------------------------------------------------------------------------


def profile_chunk(name: str) -> bytes:
    return chunk(b"iCCP", b"a name\0\0" + zlib.compress(PROFILES[name]))


def chromaticities(*values: float) -> bytes:
    return chunk(b"cHRM", struct.pack(f">{len(values)}I", *(round(100_000 * value) for value in values)))


SRGB = chunk(b"sRGB", b"\0")
SRGB_CODE, WIDE_CODE, PQ_CODE = (chunk(b"cICP", code) for code in (b"\x01\x0d\0\1", b"\x0c\x0d\0\1", b"\x09\x10\0\1"))
SRGB_POINTS = chromaticities(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
WIDE_POINTS = chromaticities(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
SRGB_SPACES = {
    "none": [],
    "sRGB": [SRGB],
    "profile": [profile_chunk("sRGB")],
    "code points": [SRGB_CODE],
    "chromaticities": [chunk(b"gAMA", struct.pack(">I", 45_455)), SRGB_POINTS],
    "gamma alone": [chunk(b"gAMA", struct.pack(">I", 100_000))],
    "code points before a wide profile": [SRGB_CODE, profile_chunk("Display P3")],
    "code points after a wide profile": [profile_chunk("Display P3"), SRGB_CODE],
    "profile and wide chromaticities": [profile_chunk("sRGB"), WIDE_POINTS],
    "sRGB and wide chromaticities": [WIDE_POINTS, SRGB],
    "impossible chromaticities": [chromaticities(*[0.0] * 8)],
    "too few chromaticities": [chromaticities(0.3127, 0.329, 0.68, 0.32)],
    "too few code points": [chunk(b"cICP", b"\x09\x10")],
    "an empty profile": [chunk(b"iCCP", b"")],
    "a profile without its name": [chunk(b"iCCP", b"\0\0" + zlib.compress(PROFILES["Display P3"]))],
    "a profile compressed otherwise": [chunk(b"iCCP", b"k\0\1" + zlib.compress(PROFILES["Display P3"]))],
    "a damaged profile": [chunk(b"iCCP", b"k\0\0" + zlib.compress(PROFILES["Display P3"])[:-20])],
    "two profiles": [profile_chunk("sRGB"), profile_chunk("Display P3")],
}
OTHER_SPACES = {
    "profile": [profile_chunk("Display P3")],
    "code points": [WIDE_CODE],
    "PQ": [PQ_CODE],
    "chromaticities": [WIDE_POINTS],
    "code points and sRGB": [SRGB, WIDE_CODE],
    "code points and sRGB's profile": [WIDE_CODE, profile_chunk("sRGB")],
    "profile and sRGB": [SRGB, profile_chunk("Display P3")],
    "profile and sRGB's chromaticities": [SRGB_POINTS, profile_chunk("Display P3")],
    "a damaged code and a profile": [chunk(b"cICP", b"\1"), profile_chunk("Display P3")],
}


@pytest.mark.parametrize("name", SRGB_SPACES)
def test_a_png_of_srgb_is_submitted_as_it_is(name):
    assert prepared_for(with_chunks(png(), *SRGB_SPACES[name])) == []


@pytest.mark.parametrize("name", OTHER_SPACES)
def test_a_png_of_another_color_space_is_prepared(name):
    assert prepared_for(with_chunks(png(), *OTHER_SPACES[name])) == ["color_profile"]


def test_a_color_space_after_the_picture_data_does_not_count():
    for space in (WIDE_CODE, WIDE_POINTS, profile_chunk("Display P3")):
        assert prepared_for(png()[:-12] + space + png()[-12:]) == []


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_gray_profile_counts_for_a_gray_png_alone(mode):
    dot_gain = profile_chunk("dot gain 20%")

    assert "color_profile" in prepared_for(with_chunks(png(mode), dot_gain))
    assert prepared_for(with_chunks(png("RGB"), dot_gain)) == []
    assert prepared_for(with_chunks(png("P"), dot_gain)) == []


def test_chromaticities_of_a_gray_png_do_not_count():
    assert prepared_for(with_chunks(png("L"), WIDE_POINTS)) == []


@pytest.mark.parametrize(("depth", "colour"), [(16, 0), (16, 2), (16, 4), (16, 6)])
def test_16_bits_a_sample_are_prepared(depth, colour):
    assert prepared_for(png_header(9, 9, depth, colour)) == ["bit_depth"]


@pytest.mark.parametrize(("depth", "colour"), [(1, 0), (2, 0), (4, 0), (8, 0), (8, 2), (8, 4), (8, 6)])
def test_at_most_8_bits_a_sample_are_submitted_as_they_are(depth, colour):
    assert prepared_for(png_header(9, 9, depth, colour)) == []
