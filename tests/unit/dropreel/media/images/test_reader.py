import io
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images.reader import MAX_PIXELS, inspect_image, too_large
from dropreel.provider.limits import MAX_IMAGE_BYTES
from tests.support.inspected_images import assert_as_pillow_shows_it, facts_of, reason_for
from tests.support.photographs import MAKERS
from tests.support.pictures import (
    animated,
    chunk,
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
    zipped,
)

# --- other files ------------------------------------------------------------------------------------------------------


def test_an_empty_file_has_a_reason_of_its_own():
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
def test_the_reason_names_the_kind_of_another_file(content, what):
    reason = reason_for(content)

    assert reason.code == "image_format"
    assert what in reason.message


@pytest.mark.parametrize("content", [jpeg()[:2], png()[:7], webp()[:11], b"RIFF\x10\0\0\0AVI " + bytes(8), b"\xff"])
def test_less_than_a_signature_is_an_unknown_format(content):
    assert reason_for(content).code == "image_format"


# --- two files in one -------------------------------------------------------------------------------------------------

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
def test_an_image_followed_by_another_file_is_refused(kind, what, gap):
    reason = reason_for(WHOLE[kind] + gap + APPENDED[what])

    assert reason.code == "image_polyglot"
    assert what in reason.message


@pytest.mark.parametrize("kind", WHOLE)
def test_an_archive_after_noise_is_refused(kind):
    assert reason_for(WHOLE[kind] + b"\x17" * 3000 + zipped()).code == "image_polyglot"


def test_an_archive_before_a_second_end_marker_is_refused():
    assert reason_for(png() + zipped(comment=b"\0\0\0\0IEND\xaeB`\x82")).code == "image_polyglot"


def test_an_archives_signature_inside_a_png_is_accepted():
    assert facts_of(with_chunks(png(), chunk(b"tEXt", b"k\0PK\x05\x06" * 90))).format == "PNG"


# --- limits -----------------------------------------------------------------------------------------------------------


def test_too_large_gives_the_same_reason_without_a_read():
    assert too_large(MAX_IMAGE_BYTES + 1) == reason_for(bytes(MAX_IMAGE_BYTES + 1))
    assert reason_for(bytes(MAX_IMAGE_BYTES + 1)).code == "image_too_large"


def test_ten_million_bytes_are_accepted_and_no_more():
    content = jpeg() + bytes(MAX_IMAGE_BYTES - len(jpeg()))

    assert facts_of(content).size == 10_000_000
    assert reason_for(content + b"\0").code == "image_too_large"


def test_a_message_about_size_says_how_much_is_allowed():
    message = reason_for(bytes(MAX_IMAGE_BYTES + 1)).message

    assert "10,000,001" in message
    assert "10,000,000" in message


def test_the_most_pixels_allowed_are_accepted():
    assert facts_of(png_header(10_000, MAX_PIXELS // 10_000)).width == 10_000


@pytest.mark.parametrize(("width", "height"), [(10_000, MAX_PIXELS // 10_000 + 1), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused(width, height):
    assert reason_for(png_header(width, height)).code == "image_too_many_pixels"


LONGEST_WALK = 6.0
"""Seconds of processor time for any file of 10 MB."""


def dot() -> bytes:
    """The picture chunk of a WebP of one pixel."""
    return encoded(picture(1, 1), "WEBP", lossless=True)[12:]


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
def test_a_file_built_to_be_slow_takes_seconds(name):
    start = time.process_time()
    found = inspect_image(BOMBS[name][:MAX_IMAGE_BYTES])

    assert time.process_time() - start < LONGEST_WALK
    assert isinstance(found, (ImageFacts, Reason))


# --- photographs ------------------------------------------------------------------------------------------------------


def scene() -> Image.Image:
    """A photograph of 4 megapixels, to be encoded."""
    return Image.open(io.BytesIO(MAKERS["baseline of 4 megapixels"]().content))


def animation_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An animation of the picture and of the same one turned."""
    return encoded(image, kind, save_all=True, append_images=[image.rotate(180)], **options)


PHOTOGRAPHS: dict[str, Callable[[], bytes]] = {
    **{name: partial(lambda make: make().content, make) for name, make in MAKERS.items()},
    "JPEG of many restarts, progressive": lambda: encoded(
        scene(), "JPEG", quality=90, progressive=True, restart_marker_blocks=20
    ),
    "PNG with Exif": lambda: encoded(scene().reduce(2), "PNG", compress_level=1, exif=exif(8)),
    "animated PNG": lambda: animation_of(scene().reduce(3), "PNG", compress_level=1),
    "WebP with Exif": lambda: encoded(scene(), "WEBP", quality=92, method=0, exif=exif(5)),
    "animated WebP": lambda: animation_of(scene(), "WEBP", quality=95, method=0),
}
HAVE_MORE_AFTER_THEM = ("MPO", "motion photo", "exactly 10 MB")


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_is_read_as_by_pillow_and_refused_when_cut(name):
    content = PHOTOGRAPHS[name]()
    with Image.open(io.BytesIO(content)) as opened:
        kind = {"PNG": "PNG", "WEBP": "WebP"}.get(opened.format or "", "JPEG")

    assert 500_000 <= len(content) <= MAX_IMAGE_BYTES
    assert_as_pillow_shows_it(content, kind)
    for part in (0.001, 0.05, 0.2) if name in HAVE_MORE_AFTER_THEM else (0.001, 0.2, 0.7, 0.999999):
        assert reason_for(content[: int(part * len(content))]).code == "image_truncated"


# --- any bytes --------------------------------------------------------------------------------------------------------

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
def test_any_changed_image_gives_facts_or_a_reason(content):
    found = inspect_image(content)

    if isinstance(found, ImageFacts):
        assert 0 < found.width * found.height <= MAX_PIXELS
        assert 1 <= found.orientation <= 8
    else:
        assert found.code.startswith("image_")
        assert found.message.isprintable()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([content for content in FILES if content[:4] != b"RIFF"]), st.integers(0, 40_000))
def test_inserted_bytes_do_not_change_the_facts(content, padding):
    start, behind = (2, segment(0xE5, bytes(padding))) if content[0] == 0xFF else (33, chunk(b"teXt", bytes(padding)))

    moved = facts_of(content[:start] + behind + content[start:])

    assert replace(moved, size=len(content)) == facts_of(content)


# --- docs/images.md ---------------------------------------------------------------------------------------------------

DOCUMENT = Path(__file__).parents[5] / "docs" / "images.md"


def test_the_document_explains_every_reason_and_no_other():
    codes = {code for code in ReasonCode if code.startswith("image_")}

    assert set(re.findall(r"^\| `(image_[a-z_]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)) == codes


@pytest.mark.parametrize("limit", [MAX_IMAGE_BYTES, MAX_PIXELS])
def test_the_document_has_the_limits_of_the_module(limit):
    assert f"{limit:,}" in DOCUMENT.read_text(encoding="utf-8")
