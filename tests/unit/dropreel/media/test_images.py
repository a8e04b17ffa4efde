import io
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images import reader as images
from dropreel.media.images.reader import MAX_IMAGE_BYTES, MAX_PIXELS, ImageFacts, inspect_image, too_large
from tests.support.photographs import MAKERS
from tests.support.pictures import (
    animated,
    chunk,
    displayed_size,
    encoded,
    exif,
    jpeg,
    picture,
    png,
    png_header,
    riff,
    riff_chunk,
    segment,
    vp8x,
    webp,
    with_chunks,
    with_segments,
)


def facts_of(content: bytes) -> ImageFacts:
    facts = inspect_image(content)
    assert isinstance(facts, ImageFacts), facts
    return facts


def reason_for(content: bytes) -> Reason:
    reason = inspect_image(content)
    assert isinstance(reason, Reason), reason
    return reason


def assert_as_pillow_shows_it(content: bytes, kind: str) -> None:
    facts = facts_of(content)
    assert (facts.format, facts.size) == (kind, len(content))
    assert (facts.width, facts.height) == displayed_size(content)


def zipped(comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("payload.txt", "hello " * 100)
        archive.comment = comment
    return file.getvalue()


def dot() -> bytes:
    """The picture chunk of a WebP of one pixel."""
    return encoded(picture(1, 1), "WEBP", lossless=True)[12:]


def long_exif(orientation: int) -> bytes:
    """An Exif block of more than a segment takes, its directory at the end of it."""
    entry = b"\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0])
    return b"Exif\0\0II*\0" + (80_000).to_bytes(4, "little") + bytes(79_992) + b"\x01\0" + entry + bytes(4)


def by_component() -> bytes:
    """A baseline JPEG with a scan for each of its three components."""
    grey = encoded(picture(mode="L"), "JPEG")
    start = grey.index(b"\xff\xda")
    header, data = grey[:start].replace(segment(0xC0, b"\x08\0\x28\0\x3c\x01\x01\x11\0"), b""), grey[start + 10 : -2]
    frame = segment(0xC0, b"\x08\0\x28\0\x3c\x03" + b"\x01\x11\0\x02\x11\0\x03\x11\0")
    scans = [segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + data for number in (1, 2, 3)]
    return header + frame + b"".join(scans) + b"\xff\xd9"


# --- JPEG ------------------------------------------------------------------------------------------------------------

JPEGS = {
    "baseline": jpeg(),
    "progressive": jpeg(progressive=True),
    "grey": encoded(picture(mode="L"), "JPEG"),
    "CMYK": encoded(picture(mode="CMYK"), "JPEG"),
    "restart markers": jpeg(restart_marker_blocks=1),
    "progressive with restart markers": jpeg(progressive=True, restart_marker_rows=1),
    "4:4:4": jpeg(subsampling=0),
    "optimized": jpeg(optimize=True),
    "ICC profile": jpeg(icc_profile=bytes(200_000)),
    "comment": jpeg(comment=b"a comment with \xff\xd9 in it"),
    "one pixel": encoded(picture(1, 1), "JPEG"),
    "wide": encoded(picture(3000, 7), "JPEG"),
    "many segments": with_segments(jpeg(), *[segment(0xE5, b"x" * 100)] * 500),
    "large segments": with_segments(jpeg(), *[segment(0xE2, bytes(65_533))] * 20),
    "stray bytes between segments": with_segments(jpeg(), segment(0xE5, b"x"), b"stray\0\0", segment(0xE5, b"y")),
    "a stray stuffed FF between segments": with_segments(jpeg(), segment(0xE5, b"x"), b"\xff\0\0", segment(0xE5, b"y")),
    "many stray bytes": with_segments(jpeg(), segment(0xE5, b"x"), bytes(50_000)),
    "fill bytes": jpeg()[:2] + b"\xff" * 9 + jpeg()[2:],
    "an Adobe segment with a thumbnail": with_segments(jpeg(), segment(0xED, b"Photoshop 3.0\0" + jpeg())),
    "two pictures (MPO)": encoded(picture(), "MPO", save_all=True, append_images=[picture(30, 20)]),
    "zeros behind its end": jpeg() + bytes(5000),
    "optimized and progressive": jpeg(progressive=True, optimize=True, quality=95),
    "an Exif block over two segments": with_segments(
        jpeg(), segment(0xE1, b"Exif\0\0" + long_exif(6)[6:65_000]), segment(0xE1, b"Exif\0\0" + long_exif(6)[65_000:])
    ),
    "Exif with a thumbnail": with_segments(jpeg(), segment(0xE1, exif(6) + jpeg(quality=30))),
    "an end mark between two scans": jpeg(progressive=True).replace(
        b"\xff\xda", segment(0xFE, b"a comment with \xff\xd9 in it") + b"\xff\xda"
    ),
    "fill bytes before the end mark": jpeg()[:-2] + b"\xff\xff\xff\xd9",
    "a scan for each component": by_component(),
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_has_the_size_that_pillow_shows(name):
    assert_as_pillow_shows_it(JPEGS[name], "JPEG")


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpegs_orientation_is_counted(orientation, byte_order):
    content = jpeg(exif=exif(orientation, byte_order))

    assert_as_pillow_shows_it(content, "JPEG")
    assert facts_of(content).orientation == orientation


def test_orientation_is_found_behind_a_large_profile():
    content = with_segments(jpeg(orientation=6), *[segment(0xE2, bytes(65_533))] * 3)

    assert_as_pillow_shows_it(content, "JPEG")


def test_only_exif_tells_the_orientation():
    content = with_segments(jpeg(orientation=8), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"))

    assert facts_of(content).orientation == 8


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
def test_an_exif_block_that_cannot_be_read_is_no_reason_to_refuse(block):
    facts = facts_of(with_segments(jpeg(), segment(0xE1, b"Exif\0\0" + block)))

    assert (facts.width, facts.height, facts.orientation) == (60, 40, 1)


@pytest.mark.parametrize("name", ["baseline", "progressive", "CMYK", "ICC profile", "restart markers"])
@pytest.mark.parametrize("part", [0.05, 0.2, 0.5, 0.8, 0.99])
def test_a_jpeg_that_is_cut_is_refused(name, part):
    content = JPEGS[name]

    reason = reason_for(content[: max(4, int(part * len(content)))])

    assert reason.code == "image_truncated"


def test_a_jpeg_cut_anywhere_is_refused():
    content = jpeg(orientation=6)

    accepted = [end for end in range(len(content)) if isinstance(inspect_image(content[:end]), ImageFacts)]

    assert accepted == []


BEHIND = {
    "zeros": bytes(5000),
    "a line end": b"\n",
    "a video (motion photo)": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(256)) * 4000,
    "a whole second picture": jpeg(quality=20),
    "a second picture that is cut": jpeg(quality=20)[:-40],
    "a picture in another format": png(),
    "a maker's data": b"SEFH\x6b\0\0\0" + bytes(range(256)) * 90 + b"SEFT",
    "text": b"<x:depthmap>" + b"ffff" * 30_000 + b"</x:depthmap>",
    "markers of every kind": bytes(byte for marker in range(256) for byte in (0xFF, marker)),
    "a ZIP archive": zipped(),
    "a PDF document": b"%PDF-1.7\n1 0 obj\n",
    "a PHP program": b"<?php ?>",
}


@pytest.mark.parametrize("what", BEHIND)
@pytest.mark.parametrize("name", ["baseline", "progressive", "CMYK", "restart markers"])
def test_a_jpeg_with_anything_behind_it_is_its_first_picture(name, what):
    assert_as_pillow_shows_it(JPEGS[name] + BEHIND[what], "JPEG")


@pytest.mark.parametrize("name", ["baseline", "progressive", "CMYK", "restart markers"])
def test_a_jpeg_that_is_cut_is_not_made_whole_by_a_second_one_behind_it(name):
    content = JPEGS[name]
    scan = content.index(b"\xff\xda") + 20

    reasons = {reason_for(content[:end] + jpeg()).code for end in range(scan, len(content) - 2, 7)}

    assert reasons <= {"image_truncated", "image_damaged"}


def test_a_jpeg_that_is_cut_before_another_one_says_so():
    content = jpeg()[:-30]

    assert reason_for(content + jpeg()).message == (
        f"The JPEG is cut short: another one starts at byte {len(content):,}, before its end mark."
    )


@pytest.mark.parametrize("marker", [0x01, 0x02, 0xC8, 0xF0, 0xBF])
def test_a_marker_that_no_picture_data_has_is_damage(marker):
    content = jpeg()

    assert reason_for(content[:-30] + bytes([0xFF, marker]) + content[-30:]).code == "image_damaged"


def test_a_jpeg_without_a_frame_is_refused():
    assert reason_for(b"\xff\xd8" + segment(0xDA, b"\x01\x01\0\0\x3f\0") + b"data\xff\xd9").code == "image_damaged"


@pytest.mark.parametrize(
    "frame",
    [
        b"\x08\0\0\0\x10\x01\x01\x11\0",
        b"\x08\0\x10\0\0\x01\x01\x11\0",
        b"\x08\0\x10\0\x10\0",
        b"\x08\0\x10\0\x10\x03\x01",
    ],
    ids=["no height", "no width", "no components", "fewer components than said"],
)
def test_a_jpeg_with_an_impossible_frame_is_refused(frame: bytes):
    content = b"\xff\xd8" + segment(0xC0, frame) + segment(0xDA, b"\x01\x01\0\0\x3f\0") + b"data\xff\xd9"

    assert reason_for(content).code in ("image_damaged", "image_truncated")


SCAN = segment(0xDA, b"\x01\x01\0\0\x3f\0") + b"data\xff\xd9"
TABLE = segment(0xDB, b"\0" + bytes(64))


def grey_frame(precision: int = 8, components: bytes = b"\x01\x11\0") -> bytes:
    return bytes([precision, 0, 16, 0, 16, len(components) // 3]) + components


@pytest.mark.parametrize(
    ("segments", "what"),
    [
        (TABLE + segment(0xC0, grey_frame()) * 2 + SCAN, "two frame headers"),
        (TABLE + segment(0xC0, grey_frame(components=b"\x01\x51\0")) + SCAN, "sampling"),
        (TABLE + segment(0xC0, grey_frame(components=b"\x02\x11\0")) + SCAN, "different components"),
        (TABLE + segment(0xC0, grey_frame()) + segment(0xDA, b"") + b"data\xff\xd9", "picture data"),
        (segment(0xC0, grey_frame()) + SCAN, "missing"),
        (segment(0xDB, b"\0" + bytes(63)), "quantization table"),
        (segment(0xDB, b"\x04" + bytes(64)), "quantization table"),
        (segment(0xC4, b"\0" + b"\3" + bytes(15) + b"abc"), "Huffman table"),
        (segment(0xC4, b"\0" + b"\0\1" + bytes(14) + b"\x11") + bytes(500), "Huffman table"),
        (segment(0xC4, b"\x20" + bytes(16)) + bytes(500), "Huffman table"),
        (segment(0x42, b""), "marker 42"),
        (TABLE + segment(0xC0, grey_frame()) + b"\xff\xd9", "ends before its picture data"),
    ],
)
def test_a_jpeg_whose_headers_no_reader_takes_is_refused(segments, what):
    reason = reason_for(b"\xff\xd8" + segments)

    assert reason.code == "image_damaged"
    assert what in reason.message


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC9, 0xCA])
def test_a_jpeg_of_every_usual_kind_is_taken(marker):
    facts = facts_of(b"\xff\xd8" + TABLE + segment(marker, grey_frame()) + SCAN)

    assert (facts.width, facts.height) == (16, 16)


def test_a_lossless_jpeg_needs_no_quantization_table():
    assert facts_of(b"\xff\xd8" + segment(0xC3, grey_frame()) + SCAN).format == "JPEG"


@pytest.mark.parametrize(
    ("marker", "frame"),
    [
        (0xC1, grey_frame(precision=12)),
        (0xC0, grey_frame(components=b"\x01\x11\0\x02\x11\0")),
        (0xC5, grey_frame()),
        (0xCF, grey_frame()),
    ],
    ids=["12 bits", "two components", "hierarchical", "lossless and arithmetic"],
)
def test_a_jpeg_of_a_kind_that_hardly_any_program_opens_is_refused(marker, frame):
    reason = reason_for(b"\xff\xd8" + TABLE + segment(marker, frame) + SCAN)

    assert reason.code == "image_format"
    assert "save it as an ordinary JPEG" in reason.message


@pytest.mark.parametrize("kind", [1, 3, 4], ids=["BYTE", "SHORT", "LONG"])
def test_an_orientation_may_be_an_integer_of_any_width(kind):
    block = b"II*\0\x08\0\0\0\x01\0\x12\x01" + bytes([kind, 0]) + b"\x01\0\0\0\x06\0\0\0\0\0\0\0"

    facts = facts_of(with_segments(jpeg(), segment(0xE1, b"Exif\0\0" + block)))

    assert facts.orientation == 6


@pytest.mark.parametrize(
    "tail",
    [
        b"<html><body>Hello</body></html>\xff\xd9",
        b"\xe0\x00\x01" + bytes(50),
        b"\xe0\x00\x00" + bytes(50),
        b"\x00" * 50,
        b"\xd9",
        b"\xd8\xff\xd8\xff\xd9",
        b"\xe0\x00\x10" + b"<html>" * 20 + b"\xff\xd9",
    ],
)
def test_a_jpeg_start_with_something_else_behind_it_is_refused(tail):
    assert reason_for(b"\xff\xd8\xff" + tail).code in ("image_damaged", "image_truncated")


# --- PNG -------------------------------------------------------------------------------------------------------------

PNG_DATA = png()[41:-16]
PNGS = {
    **{mode: png(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    "2 bits": encoded(picture(mode="L").convert("P", palette=Image.Palette.ADAPTIVE, colors=4), "PNG", bits=2),
    "transparent palette": encoded(picture(mode="P"), "PNG", transparency=0),
    "profile and text": with_chunks(png(), chunk(b"iCCP", bytes(90_000)), chunk(b"tEXt", b"Comment\0hello")),
    "many chunks": with_chunks(png(), *[chunk(b"tEXt", b"k\0" + b"v" * 200)] * 400),
    "one pixel": encoded(picture(1, 1), "PNG"),
    "an end mark in a text": with_chunks(png(), chunk(b"tEXt", b"k\0" + b"\0\0\0\0IEND\xaeB`\x82")),
    "zeros behind its end": png() + bytes(5000),
    "an older, longer file behind its end": png() + PNG_DATA[-300:] + png()[-12:],
    "an empty IDAT chunk before the others": with_chunks(png(), chunk(b"IDAT", b"")),
    "an empty IDAT chunk behind the others": png()[:-12] + chunk(b"IDAT", b"") + png()[-12:],
    "IDAT chunks of one byte": png()[:33] + b"".join(chunk(b"IDAT", bytes([byte])) for byte in PNG_DATA) + png()[-12:],
    "text behind its picture data": png()[:-12] + chunk(b"tEXt", b"k\0v") + chunk(b"tIME", bytes(7)) + png()[-12:],
}


@pytest.mark.parametrize("name", PNGS)
def test_a_png_has_the_size_that_pillow_shows(name):
    assert_as_pillow_shows_it(PNGS[name], "PNG")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pngs_orientation_is_counted(orientation):
    content = png(exif=exif(orientation))

    assert_as_pillow_shows_it(content, "PNG")
    assert facts_of(content).orientation == orientation


def test_an_animated_png_says_so():
    content = animated("PNG")

    assert_as_pillow_shows_it(content, "PNG")
    assert facts_of(content).animated


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_behind_the_picture_data_is_counted(orientation):
    content = png()[:-12] + chunk(b"eXIf", exif(orientation)[6:]) + png()[-12:]

    assert_as_pillow_shows_it(content, "PNG")
    assert facts_of(content).orientation == orientation


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
        png()[:33] + chunk(b"IDAT", PNG_DATA[:1]) + png()[-12:],
        png()[:33] + chunk(b"IDAT", PNG_DATA[:1] + b"\0" + PNG_DATA[2:]) + png()[-12:],
        png()[:33] + chunk(b"IDAT", b"GIF8" + PNG_DATA) + png()[-12:],
        png()[:33]
        + chunk(b"IDAT", PNG_DATA[:20])
        + chunk(b"tEXt", b"k\0v")
        + chunk(b"IDAT", PNG_DATA[20:])
        + png()[-12:],
        with_chunks(png(), png()[8:33]),
        png()[:8] + chunk(b"IHDR", png()[16:29] + b"\0") + png()[33:],
        png("P").replace(png("P")[33 : png("P").index(b"IDAT") - 4], b""),
    ],
)
def test_a_damaged_png_is_refused(content):
    assert reason_for(content).code == "image_damaged"


def test_the_png_of_57_bytes_is_no_picture():
    content = b"\x89PNG\r\n\x1a\n" + png()[8:33] + chunk(b"IDAT", b"") + chunk(b"IEND", b"")

    assert len(content) == 57
    assert reason_for(content) == Reason(ReasonCode.IMAGE_DAMAGED, "The PNG is damaged: it has no picture data.")


# --- WebP ------------------------------------------------------------------------------------------------------------

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
    "zeros behind its end": webp() + bytes(5000),
}


@pytest.mark.parametrize("name", WEBPS)
def test_a_webp_has_the_size_that_pillow_shows(name):
    assert_as_pillow_shows_it(WEBPS[name], "WebP")


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_webps_orientation_is_counted(orientation, lossless):
    content = webp(exif=exif(orientation), lossless=lossless)

    assert_as_pillow_shows_it(content, "WebP")
    assert facts_of(content).orientation == orientation


@pytest.mark.parametrize(("name", "is_animated"), [("lossy", False), ("extended lossy", False), ("animated", True)])
def test_an_animated_webp_says_so(name, is_animated):
    assert facts_of(WEBPS[name]).animated is is_animated


def test_the_orientation_of_a_long_animation_is_found_behind_it():
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
        riff(vp8x(0x02, 60, 40), riff_chunk(b"ANIM", bytes(6)), riff_chunk(b"ANMF", bytes(40))),
    ],
)
def test_a_damaged_webp_is_refused(content):
    assert reason_for(content).code == "image_damaged"


# --- what is no image ------------------------------------------------------------------------------------------------


def test_an_empty_file_is_told_as_such():
    assert reason_for(b"").code == "image_empty"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"these are notes, not a picture\n", "text"),
        (b"<html><body>404</body></html>", "an HTML page"),
        (b"\n\n  <!DOCTYPE html><html></html>", "an HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%PDF-1.7\n...", "a PDF document"),
        (zipped(), "a ZIP archive"),
        (encoded(picture(), "GIF"), "a GIF image"),
        (encoded(picture(), "BMP"), "a BMP image"),
        (encoded(picture(), "TIFF"), "a TIFF image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC, AVIF or MP4 file"),
        (b"\x00\x01\x02\x03", "unknown"),
    ],
)
def test_another_kind_of_file_is_named(content, what):
    reason = reason_for(content)

    assert reason.code == "image_format"
    assert what in reason.message


@pytest.mark.parametrize("content", [jpeg()[:2], png()[:7], webp()[:11], b"RIFF\x10\0\0\0AVI " + bytes(8), b"\xff"])
def test_less_than_a_start_is_of_no_known_kind(content):
    assert reason_for(content).code == "image_format"


# --- two files in one ------------------------------------------------------------------------------------------------

WHOLE = {"PNG": png(), "WebP": webp()}
APPENDED = {
    "a ZIP archive": zipped(),
    "a PDF document": b"%PDF-1.7\n1 0 obj\n",
    "an HTML page": b"<html><script>alert(1)</script></html>",
    "a PHP program": b"<?php system($_GET['c']); ?>",
    "a RAR archive": b"Rar!\x1a\x07\x00" + bytes(40),
}


@pytest.mark.parametrize("gap", [b"", b"\n", bytes(20)], ids=["at once", "after a line end", "after zeros"])
@pytest.mark.parametrize("what", APPENDED)
@pytest.mark.parametrize("kind", WHOLE)
def test_an_image_with_another_file_behind_it_is_refused(kind, what, gap):
    reason = reason_for(WHOLE[kind] + gap + APPENDED[what])

    assert reason.code == "image_polyglot"
    assert what in reason.message


@pytest.mark.parametrize("kind", WHOLE)
def test_an_archive_behind_a_gap_of_noise_is_refused(kind):
    assert reason_for(WHOLE[kind] + b"\x17" * 3000 + zipped()).code == "image_polyglot"


def test_an_archive_cannot_hide_behind_a_second_end_mark():
    assert reason_for(png() + zipped(comment=b"\0\0\0\0IEND\xaeB`\x82")).code == "image_polyglot"


def test_what_looks_like_an_archive_inside_the_picture_is_none():
    assert facts_of(with_chunks(png(), chunk(b"tEXt", b"k\0PK\x05\x06" * 90))).format == "PNG"


# --- limits ----------------------------------------------------------------------------------------------------------


def test_a_size_can_be_reason_enough_without_a_read():
    assert too_large(MAX_IMAGE_BYTES + 1) == reason_for(bytes(MAX_IMAGE_BYTES + 1))
    assert reason_for(bytes(MAX_IMAGE_BYTES + 1)).code == "image_too_large"


def test_the_provider_takes_ten_million_bytes_and_no_more():
    content = jpeg() + bytes(MAX_IMAGE_BYTES - len(jpeg()))

    assert facts_of(content).size == 10_000_000
    assert reason_for(content + b"\0").code == "image_too_large"


def test_a_message_about_size_says_how_much_is_allowed():
    message = reason_for(bytes(MAX_IMAGE_BYTES + 1)).message

    assert "10,000,001" in message
    assert "10,000,000" in message


def test_as_many_pixels_as_allowed_are_taken():
    assert facts_of(png_header(10_000, MAX_PIXELS // 10_000)).width == 10_000


@pytest.mark.parametrize(("width", "height"), [(10_000, MAX_PIXELS // 10_000 + 1), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused(width, height):
    assert reason_for(png_header(width, height)).code == "image_too_many_pixels"


LONGEST_WALK = 6.0
"""Seconds that any file of 10 MB may take when its bytes are at hand."""

BOMBS = {
    "JPEG of empty segments": with_segments(jpeg(), segment(0xE5, b"") * 2_000_000),
    "JPEG of stray bytes": with_segments(jpeg(), segment(0xE5, b""), bytes(9_000_000)),
    "JPEG of stuffed stray bytes": with_segments(jpeg(), segment(0xE5, b""), b"x\xff\0" * 3_000_000),
    "JPEG of Huffman tables": with_segments(jpeg(), segment(0xC4, bytes(17 * 3800)) * 150),
    "JPEG of quantization tables": with_segments(jpeg(), segment(0xDB, bytes(65 * 1000)) * 150),
    "JPEG of restart markers": with_segments(jpeg(), b"\xff\xd0" * 4_500_000),
    "JPEG of Exif blocks": with_segments(
        jpeg(), segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(65_000)) * 150
    ),
    "PNG of Exif blocks": with_chunks(png(), chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(8000)) * 1200),
    "JPEG of large segments": with_segments(jpeg(), segment(0xE2, bytes(65_533)) * 150),
    "JPEG of middling segments": with_segments(jpeg(), segment(0xE2, bytes(1500)) * 6000),
    "JPEG of fill bytes": jpeg()[:2] + b"\xff" * 9_000_000 + jpeg()[2:],
    "JPEG without an end": jpeg()[:-2] + bytes(9_000_000),
    "JPEG of FF bytes without an end": jpeg()[:-2] + b"\xff\0" * 4_500_000,
    "JPEG of scans": jpeg()[:-2] + jpeg()[jpeg().index(b"\xff\xda") : -2] * (9_000_000 // len(jpeg())),
    "PNG of empty chunks": with_chunks(png(), chunk(b"teXt", b"") * 800_000),
    "PNG of empty picture data": png()[:33] + chunk(b"IDAT", b"") * 800_000 + png()[-12:],
    "PNG of large chunks": with_chunks(png(), chunk(b"teXt", bytes(70_000)) * 140),
    "PNG without an end": png()[:-12] + chunk(b"IDAT", bytes(9_000_000)),
    "WebP of empty chunks": riff(vp8x(0, 60, 40), riff_chunk(b"JUNK", b"") * 1_000_000, webp()[12:]),
    "WebP of pictures": riff(
        vp8x(2, 1, 1), riff_chunk(b"ANIM", bytes(6)), riff_chunk(b"ANMF", bytes(16) + dot()) * 150_000
    ),
    "WebP of chunks before a frame's picture": riff(
        vp8x(2, 60, 40),
        riff_chunk(b"ANIM", bytes(6)),
        riff_chunk(b"ANMF", bytes(16) + riff_chunk(b"ALPH", b"") * 1_000_000),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_made_to_be_read_for_ever_takes_seconds(name):
    start = time.process_time()
    found = inspect_image(BOMBS[name][:MAX_IMAGE_BYTES])

    assert time.process_time() - start < LONGEST_WALK
    assert isinstance(found, (ImageFacts, Reason))


# --- photographs -----------------------------------------------------------------------------------------------------


def scene() -> Image.Image:
    """A photograph to encode: 4 megapixels."""
    return Image.open(io.BytesIO(MAKERS["baseline of 4 megapixels"]().content))


def again(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture and another one, as an animation."""
    return encoded(image, kind, save_all=True, append_images=[image.rotate(180)], **options)


PHOTOGRAPHS: dict[str, Callable[[], bytes]] = {
    **{name: (lambda make=make: make().content) for name, make in MAKERS.items()},
    "JPEG of many restarts, progressive": lambda: encoded(
        scene(), "JPEG", quality=90, progressive=True, restart_marker_blocks=20
    ),
    "PNG with Exif": lambda: encoded(scene().reduce(2), "PNG", compress_level=1, exif=exif(8)),
    "animated PNG": lambda: again(scene().reduce(3), "PNG", compress_level=1),
    "WebP with Exif": lambda: encoded(scene(), "WEBP", quality=92, method=0, exif=exif(5)),
    "animated WebP": lambda: again(scene(), "WEBP", quality=95, method=0),
}
HAVE_MORE_BEHIND = ("MPO", "motion photo", "exactly 10 MB")


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_has_the_size_that_pillow_shows_and_is_refused_when_it_is_cut(name):
    content = PHOTOGRAPHS[name]()
    with Image.open(io.BytesIO(content)) as opened:
        kind = {"PNG": "PNG", "WEBP": "WebP"}.get(opened.format or "", "JPEG")

    assert 500_000 <= len(content) <= MAX_IMAGE_BYTES
    assert_as_pillow_shows_it(content, kind)
    for part in (0.001, 0.05, 0.2) if name in HAVE_MORE_BEHIND else (0.001, 0.2, 0.7, 0.999999):
        assert reason_for(content[: int(part * len(content))]).code == "image_truncated"


# --- whatever the bytes ----------------------------------------------------------------------------------------------

FILES = [
    jpeg(orientation=6),
    jpeg(progressive=True, exif=exif(3, ">")),
    png(exif=exif(5)),
    png("P"),
    animated("PNG"),
    webp(),
    webp(lossless=True),
    webp(exif=exif(8)),
    animated("WEBP"),
]
STARTS = st.sampled_from(
    [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBP", png()[:33], b"RIFF\x40\0\0\0WEBPVP8X"]
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.builds(bytes.__add__, STARTS, st.binary(max_size=300)))
def test_any_bytes_give_facts_or_a_reason(content):
    assert isinstance(inspect_image(content), (ImageFacts, Reason))


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, min(len(content) - 1, draw(st.sampled_from([40, 200, 100_000]))))))
        match draw(st.sampled_from(["set", "insert", "delete", "repeat"])):
            case "set":
                content[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case "insert":
                content[at:at] = draw(st.binary(max_size=20))
            case "delete":
                del content[at : at + draw(st.integers(1, 40))]
            case "repeat":
                content[at:at] = content[at : at + 64] * draw(st.integers(1, 50))
    return bytes(content)


@settings(max_examples=500, deadline=None)
@given(mutated_files())
def test_any_change_of_a_good_file_gives_facts_or_a_reason(content):
    found = inspect_image(content)

    if isinstance(found, ImageFacts):
        assert 0 < found.width * found.height <= MAX_PIXELS
        assert 1 <= found.orientation <= 8
    else:
        assert found.code.startswith("image_")
        assert found.message.isprintable()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([content for content in FILES if content[:4] != b"RIFF"]), st.integers(0, 40_000))
def test_where_the_reads_fall_does_not_change_the_facts(content, padding):
    start, behind = (2, segment(0xE5, bytes(padding))) if content[0] == 0xFF else (33, chunk(b"teXt", bytes(padding)))

    moved = facts_of(content[:start] + behind + content[start:])

    assert replace(moved, size=len(content)) == facts_of(content)


# --- what is written about it ----------------------------------------------------------------------------------------

DOCUMENT = Path(__file__).parents[4] / "docs" / "images.md"


def test_the_document_explains_every_reason_and_no_other():
    codes = {code for code in ReasonCode if code.startswith("image_")}

    assert set(re.findall(r"^\| `(image_[a-z_]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)) == codes


@pytest.mark.parametrize("name", ["MAX_IMAGE_BYTES", "MAX_PIXELS"])
def test_the_document_has_the_limits_of_the_module(name):
    assert f"{getattr(images, name):,}" in DOCUMENT.read_text(encoding="utf-8")
