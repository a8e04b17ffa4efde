import pytest

from dropreel.domain.image_facts import ImageFacts
from dropreel.media.images.reader import inspect_image
from tests.support.classified_images import prepared_for
from tests.support.icc_profiles import PROFILES
from tests.support.inspected_images import assert_as_pillow_shows_it, facts_of, reason_for
from tests.support.pictures import animated, encoded, exif, picture, riff, riff_chunk, vp8x, webp

WEBPS = {
    "lossy": webp(),
    "lossless": webp(lossless=True),
    "lossy with alpha": encoded(picture(mode="RGBA").rotate(20), "WEBP"),
    "lossless with alpha": encoded(picture(mode="RGBA").rotate(20), "WEBP", lossless=True),
    "extended lossy": webp(icc_profile=bytes(3001)),
    "extended lossless": webp(lossless=True, xmp=b"<x:xmpmeta/>"),
    "one pixel": encoded(picture(1, 1), "WEBP"),
    "widest": encoded(picture(16_383, 1), "WEBP", lossless=True),
    "animated": animated("WEBP"),
    "animated lossless": animated("WEBP", lossless=True),
    "zeros after its end": webp() + bytes(5000),
}


@pytest.mark.parametrize("name", WEBPS)
def test_a_webp_has_the_size_that_pillow_shows(name):
    assert_as_pillow_shows_it(WEBPS[name], "WebP")


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_webp_is_read(orientation, lossless):
    content = webp(exif=exif(orientation), lossless=lossless)

    assert_as_pillow_shows_it(content, "WebP")
    assert facts_of(content).orientation == orientation


@pytest.mark.parametrize(("name", "is_animated"), [("lossy", False), ("extended lossy", False), ("animated", True)])
def test_an_animated_webp_is_recognized(name, is_animated):
    assert facts_of(WEBPS[name]).animated is is_animated


def test_the_orientation_after_a_long_animation_is_read():
    frames = [riff_chunk(b"ANMF", bytes(16) + webp()[12:] + bytes(20_000))] * 300
    content = riff(vp8x(0x0A, 60, 40), riff_chunk(b"ANIM", bytes(6)), *frames, riff_chunk(b"EXIF", exif(6)[6:]))

    assert facts_of(content).animated
    assert facts_of(content).orientation == 6


def test_of_two_exif_chunks_the_first_one_counts():
    first = webp(exif=exif(6))
    content = riff(first[12:], riff_chunk(b"EXIF", exif(3)[6:]))

    assert_as_pillow_shows_it(content, "WebP")
    assert facts_of(content).orientation == 6


@pytest.mark.parametrize("name", ["lossy", "lossless", "extended lossy", "animated", "lossy with alpha"])
def test_a_webp_cut_anywhere_is_refused(name):
    content = WEBPS[name]

    accepted = [end for end in range(len(content)) if isinstance(inspect_image(content[:end]), ImageFacts)]

    assert accepted == []


@pytest.mark.parametrize(
    "content",
    [
        riff(riff_chunk(b"JUNK", bytes(20))),
        riff(riff_chunk(b"VP8 ", b"\x01\0\0\x9d\x01\x2a\x10\0\x10\0")),
        riff(riff_chunk(b"VP8 ", b"\0\0\0\0\0\0\x10\0\x10\0")),
        riff(riff_chunk(b"VP8 ", b"\0\0\0\x9d\x01\x2a\0\0\x10\0")),
        riff(riff_chunk(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\x10\0\x10")),
        riff(riff_chunk(b"VP8L", b"\x2f\0\0")),
        riff(riff_chunk(b"VP8L", b"\x2e\0\0\0\0")),
        riff(riff_chunk(b"VP8L", b"\x2f\0\0\0\xe0")),
        riff(vp8x(0, 60, 40), riff_chunk(b"XMP ", b"<x/>")),
        riff(vp8x(0, 61, 40), webp()[12:]),
        riff(vp8x(0, 60, 40), b"VP8 \xff\xff\xff\x7f" + bytes(20)),
        riff(webp()[12:], b"JUNK\xff\xff\xff\x7f"),
        riff(b"VP8 \xff\xff\xff\x7f" + webp()[20:]),
        riff(riff_chunk(b"VP8 ", b"\x00" + webp()[21:])),
        riff(vp8x(0x40, 60, 40), webp()[12:]),
        riff(vp8x(0x02, 60, 40), webp()[12:]),
        riff(vp8x(0x02, 60, 40), riff_chunk(b"ANMF", bytes(16) + webp()[12:])),
        riff(vp8x(0, 60, 40), riff_chunk(b"ANMF", bytes(16) + webp()[12:])),
        riff(vp8x(0x02, 60, 40), riff_chunk(b"ANIM", bytes(6)), riff_chunk(b"ANMF", b"\1" + bytes(15) + webp()[12:])),
        riff(
            vp8x(0x02, 60, 40),
            riff_chunk(b"ANIM", bytes(6)),
            riff_chunk(b"ANMF", bytes(3) + b"\1" + bytes(12) + webp()[12:]),
        ),
        riff(vp8x(0x02, 60, 40), riff_chunk(b"ANIM", bytes(6)), riff_chunk(b"ANMF", bytes(40))),
    ],
)
def test_a_damaged_webp_is_refused(content):
    assert reason_for(content).code == "image_damaged"


# --- color profiles ---------------------------------------------------------------------------------------------------

WIDE, SRGB = riff_chunk(b"ICCP", PROFILES["Display P3"]), riff_chunk(b"ICCP", PROFILES["sRGB"])


def test_a_profile_counts_where_the_header_announces_it():
    assert prepared_for(riff(vp8x(0x20, 60, 40), WIDE, webp()[12:])) == ["color_profile"]
    assert prepared_for(riff(vp8x(0, 60, 40), WIDE, webp()[12:])) == []


def test_of_two_profiles_the_first_one_counts():
    assert prepared_for(riff(vp8x(0x20, 60, 40), WIDE, SRGB, webp()[12:])) == ["color_profile"]
    assert prepared_for(riff(vp8x(0x20, 60, 40), SRGB, WIDE, webp()[12:])) == []


@pytest.mark.parametrize("profile", [b"", bytes(3001), PROFILES["Display P3"][:200], PROFILES["gray gamma 1.8"]])
def test_a_profile_that_cannot_be_used_is_ignored(profile):
    assert prepared_for(riff(vp8x(0x20, 60, 40), riff_chunk(b"ICCP", profile), webp()[12:])) == []


def test_the_profile_of_an_animation_is_read():
    assert prepared_for(animated("WEBP", icc_profile=PROFILES["Display P3"])) == ["animated", "color_profile"]
