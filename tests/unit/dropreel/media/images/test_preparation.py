import random
import struct
import zlib
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.images import PrepareReason
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images import reader
from dropreel.media.images.preparation import HEAD_BYTES, MAX_ORIGINAL_BYTES, MAX_ORIGINAL_PIXELS, classify_image
from dropreel.media.images.reader import MAX_PIXELS, inspect_image
from dropreel.provider.limits import MAX_IMAGE_BYTES
from tests.faults.fuzz_images import changed
from tests.support.classified_images import classified, prepared_for, refusal_of
from tests.support.icc_profiles import PROFILES
from tests.support.pictures import (
    animated,
    chunk,
    encoded,
    exif,
    jpeg,
    picture,
    png,
    png_header,
    segment,
    webp,
    with_chunks,
    with_segments,
    zipped,
)

AS_THEY_ARE = {
    "JPEG": jpeg(),
    "progressive JPEG": jpeg(progressive=True),
    "gray JPEG": encoded(picture(mode="L"), "JPEG"),
    "JPEG with sRGB's profile": jpeg(icc_profile=PROFILES["sRGB IEC61966-2.1"]),
    "JPEG with Exif": jpeg(orientation=1),
    "JPEG of two pictures": encoded(picture(), "MPO", save_all=True, append_images=[picture(30, 20)]),
    **{f"PNG of mode {mode}": png(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")},
    "PNG with Exif": png(exif=exif(1)),
    "PNG with sRGB's profile": png(icc_profile=PROFILES["sRGB"]),
    "PNG with one frame": with_chunks(png(), chunk(b"acTL", struct.pack(">II", 1, 0))),
    "WebP": webp(),
    "lossless WebP": webp(lossless=True),
    "WebP with sRGB's profile and Exif": webp(icc_profile=PROFILES["sRGB"], exif=exif(1)),
}


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_an_upright_srgb_image_is_submitted_as_it_is(name):
    found = classified(AS_THEY_ARE[name])

    assert isinstance(found, ImageFacts)
    assert found == inspect_image(AS_THEY_ARE[name])
    assert found.prepare_for == ()


DEEP_PNG = png_header(20, 10, depth=16)
PREPARED = {
    "animated PNG": (animated("PNG"), ["animated"]),
    "animated WebP": (animated("WEBP"), ["animated"]),
    **{f"JPEG of orientation {number}": (jpeg(orientation=number), ["orientation"]) for number in range(2, 9)},
    "PNG of orientation 3": (png(exif=exif(3)), ["orientation"]),
    "WebP of orientation 8": (webp(exif=exif(8)), ["orientation"]),
    "CMYK": (encoded(picture(mode="CMYK"), "JPEG"), ["cmyk"]),
    "CMYK with a printer's profile": (
        encoded(picture(mode="CMYK"), "JPEG", icc_profile=PROFILES["CMYK table"]),
        ["cmyk"],
    ),
    "16 bits": (png("I;16"), ["bit_depth"]),
    "16 bits of three channels": (DEEP_PNG, ["bit_depth"]),
    "JPEG in Display P3": (jpeg(icc_profile=PROFILES["Display P3"]), ["color_profile"]),
    "PNG in Adobe RGB": (png(icc_profile=PROFILES["Adobe RGB (1998)"]), ["color_profile"]),
    "WebP in ProPhoto RGB": (webp(icc_profile=PROFILES["ProPhoto RGB"]), ["color_profile"]),
    "several": (
        with_chunks(DEEP_PNG, chunk(b"cICP", b"\x09\x10\0\1"), chunk(b"eXIf", exif(6)[6:])),
        ["orientation", "bit_depth", "color_profile"],
    ),
    "all of a PNG": (
        with_chunks(
            png_header(20_000, 5001, depth=16),
            chunk(b"acTL", struct.pack(">II", 2, 0)),
            chunk(b"cICP", b"\x09\x10\0\1"),
            chunk(b"eXIf", exif(6)[6:]),
        ),
        ["animated", "pixels", "orientation", "bit_depth", "color_profile"],
    ),
    "a phone's portrait": (jpeg(orientation=6, icc_profile=PROFILES["Display P3"]), ["orientation", "color_profile"]),
}


@pytest.mark.parametrize("name", PREPARED)
def test_an_image_that_might_be_shown_wrongly_is_prepared(name):
    content, reasons = PREPARED[name]

    assert prepared_for(content) == reasons


@pytest.mark.parametrize("name", PREPARED)
def test_the_facts_of_a_prepared_image_are_those_that_are_read_anyway(name):
    content, _ = PREPARED[name]
    found, inspected = classified(content), inspect_image(content)

    assert isinstance(found, ImageFacts)
    if name != "all of a PNG":  # too many pixels to be submitted
        assert replace(found, prepare_for=()) == inspected


def test_reasons_are_in_the_order_of_their_enum():
    for content, _ in PREPARED.values():
        found = prepared_for(content)
        assert found == [reason for reason in PrepareReason if reason in found]


# --- formats ----------------------------------------------------------------------------------------------------------

OTHER_FORMATS = {
    "AVIF": encoded(picture(), "AVIF"),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
    "TIFF": encoded(picture(), "TIFF"),
    "BMP": encoded(picture(), "BMP"),
    "GIF": encoded(picture(), "GIF"),
}


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_another_format_is_prepared(name):
    assert classified(OTHER_FORMATS[name]) == (PrepareReason.FORMAT,)


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_a_large_file_of_another_format_is_prepared_for_both(name):
    content = OTHER_FORMATS[name]

    found = classify_image(None, content[:HEAD_BYTES], MAX_IMAGE_BYTES + 1)

    assert found == (PrepareReason.FORMAT, PrepareReason.SIZE)


@pytest.mark.parametrize("content", [b"notes\n", b"\0\0\0\x14ftypisom\0\0\0\0mp41", zipped(), b"\0"])
def test_a_file_that_is_no_image_is_refused_at_any_size(content):
    reason = refusal_of(content)

    assert reason.code == ReasonCode.IMAGE_FORMAT
    assert classify_image(None, content, MAX_IMAGE_BYTES + 1) == reason


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_an_empty_file_has_a_reason_of_its_own():
    assert classify_image(b"", b"", 0) == inspect_image(b"")


@pytest.mark.parametrize("content", [jpeg(), png(), webp()], ids=["JPEG", "PNG", "WebP"])
def test_an_image_above_the_providers_limit_is_prepared(content):
    head = content[:HEAD_BYTES]

    assert classify_image(None, head, MAX_IMAGE_BYTES + 1) == (PrepareReason.SIZE,)
    assert classify_image(None, head, MAX_ORIGINAL_BYTES) == (PrepareReason.SIZE,)


def test_an_image_of_the_providers_limit_is_submitted_as_it_is():
    content = jpeg() + bytes(MAX_IMAGE_BYTES - len(jpeg()))

    assert prepared_for(content) == []
    assert prepared_for(content + b"\0") == ["size"]


@pytest.mark.parametrize("head", [jpeg()[:HEAD_BYTES], b"notes\n"])
def test_an_image_that_is_not_even_prepared_is_refused_with_both_limits(head):
    reason = classify_image(None, head, MAX_ORIGINAL_BYTES + 1)

    assert reason == Reason(
        ReasonCode.IMAGE_TOO_LARGE,
        "The image has 1,000,000,001 bytes. The provider takes at most 10,000,000; a larger image is prepared for it if it "
        "has at most 1,000,000,000.",
    )


# --- pixels -----------------------------------------------------------------------------------------------------------


def test_more_pixels_than_are_submitted_are_prepared():
    assert prepared_for(png_header(10_000, MAX_PIXELS // 10_000)) == []
    assert prepared_for(png_header(10_000, MAX_PIXELS // 10_000 + 1)) == ["pixels"]
    assert prepared_for(png_header(10_000, MAX_ORIGINAL_PIXELS // 10_000)) == ["pixels"]


def test_more_pixels_than_are_prepared_are_refused():
    reason = refusal_of(png_header(10_000, MAX_ORIGINAL_PIXELS // 10_000 + 1))

    assert reason == Reason(
        ReasonCode.IMAGE_TOO_MANY_PIXELS, "The image has 10000 x 21001 pixels; at most 210,000,000 in all are prepared."
    )


# --- refusals, as without preparing -----------------------------------------------------------------------------------

UNUSABLE = {
    "a cut JPEG": jpeg()[:-20],
    "a damaged PNG": with_chunks(png(), chunk(b"tEXt", b"k\0v")[:-1] + b"\0"),
    "a cut WebP": webp()[:-20],
    "a PNG with an archive": png() + zipped(),
    "12 bits": b"\xff\xd8" + segment(0xC1, b"\x0c\0\x10\0\x10\x01\x01\x11\0") + bytes(40),
    "a cut JPEG in Display P3": jpeg(icc_profile=PROFILES["Display P3"])[:-20],
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_image_is_refused_as_without_preparing(name):
    content = UNUSABLE[name]

    assert refusal_of(content) == inspect_image(content)


@pytest.mark.parametrize("content", [jpeg(), png(), webp()], ids=["JPEG", "PNG", "WebP"])
def test_a_file_is_parsed_once(content, monkeypatch):
    parsed: list[int] = []

    def counted(parse, given):
        parsed.append(len(given))
        return parse(given)

    for name in ("parse_jpeg", "parse_png", "parse_webp"):
        monkeypatch.setattr(reader, name, partial(counted, getattr(reader, name)))

    classified(content)

    assert parsed == [len(content)]


# --- any bytes --------------------------------------------------------------------------------------------------------

SAMPLES = [
    *AS_THEY_ARE.values(),
    *(content for content, _ in PREPARED.values()),
    *OTHER_FORMATS.values(),
    with_chunks(png(), chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(20_000_000)))),
    with_segments(jpeg(), segment(0xE2, b"ICC_PROFILE\0\1\1" + PROFILES["RGB table"][:300])),
]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2 * MAX_ORIGINAL_BYTES))
def test_any_bytes_of_any_size_have_a_decision(head, size):
    whole = head if 0 < size <= MAX_IMAGE_BYTES else None

    assert isinstance(classify_image(whole, head, size), (ImageFacts, tuple, Reason))


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_any_changed_image_has_a_decision(number):
    chance = random.Random(number)

    for _ in range(60):
        content = changed(SAMPLES[number], chance)[:MAX_IMAGE_BYTES]
        found, inspected = classified(content), inspect_image(content)

        assert isinstance(found, (ImageFacts, tuple, Reason))
        if isinstance(inspected, ImageFacts):  # what is taken without preparing is taken with it
            assert isinstance(found, ImageFacts)
            assert replace(found, prepare_for=()) == inspected
        elif isinstance(found, Reason):
            assert found.code.startswith("image_")
            assert found.message.isprintable()


def test_pictures_of_every_mode_that_pillow_writes_have_a_decision():
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"):
            try:
                content = encoded(Image.new(mode, (9, 7)), kind)
            except (OSError, KeyError, ValueError):  # the format does not have this mode
                continue
            assert not isinstance(classified(content), Reason), (kind, mode)
