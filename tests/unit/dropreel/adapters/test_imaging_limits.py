"""What comes out: bytes and pixels, no metadata, the same for the same picture."""

from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from dropreel.adapters.imaging import PreparedPicture
from dropreel.domain.images import PrepareReason
from dropreel.provider.limits import MAX_IMAGE_BYTES
from tests.support.icc_profiles import PROFILES
from tests.support.pictures import encoded, exif, picture
from tests.support.prepared_pictures import ORIGINALS, difference, noise, original, prepared, shown

GPS = b"48 deg 51 min north"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> PreparedPicture:
    """A photograph of 16 megapixels at night, which must be scaled down."""
    return prepared(tmp_path_factory.mktemp("noisy"), encoded(noise(4608, 3456), "BMP"))


def test_a_noisy_picture_is_scaled_down_no_more_than_needed(noisy: PreparedPicture):
    assert 0.85 * MAX_IMAGE_BYTES <= len(noisy.content) <= MAX_IMAGE_BYTES
    assert noisy.width < 4608
    assert noisy.width / noisy.height == pytest.approx(4 / 3, abs=0.001)
    assert (noisy.original_width, noisy.original_height) == (4608, 3456)
    assert shown(noisy).mode == "RGB"


def test_a_picture_that_fits_is_not_scaled_and_of_the_best_quality(tmp_path: Path):
    image = picture(1600, 1200)

    result = prepared(tmp_path, encoded(image, "BMP"))

    assert (result.width, result.height) == (1600, 1200)
    assert difference(shown(result), image) < 1
    best = encoded(picture(16, 16), "JPEG", quality=95)
    table = best.index(b"\xff\xdb")
    assert best[table : table + 69] in result.content  # the quantization of quality 95


def test_a_transparent_picture_is_scaled_down_until_it_fits(tmp_path: Path):
    image = noise(2600, 1800, channels=4)

    result = prepared(tmp_path, encoded(image, "PNG", compress_level=1))

    assert result.format == "PNG"
    assert 0.8 * MAX_IMAGE_BYTES <= len(result.content) <= MAX_IMAGE_BYTES
    assert result.width < 2600
    assert shown(result).mode == "RGBA"
    assert PrepareReason.SIZE in result.reasons


@pytest.mark.parametrize(("width", "height"), [(3000, 2), (2, 3000), (1, 1), (70_000, 10), (10, 70_000)])
def test_odd_shapes_are_prepared(width, height, tmp_path: Path):
    result = prepared(tmp_path, encoded(picture(width, height), "BMP"))

    assert max(result.width, result.height) <= 65_500
    assert (result.original_width, result.original_height) == (width, height)
    shown(result)


def test_the_parts_of_a_large_picture_meet_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("dropreel.adapters.imaging.encoding.MAX_PIXELS", 90_000)
    monkeypatch.setattr("dropreel.adapters.imaging.rendering.STRIP_PIXELS", 10_000)
    image = picture(500, 400)

    result = prepared(tmp_path, encoded(image, "TIFF", exif=exif(6)))

    whole = image.transpose(Image.Transpose.ROTATE_270).resize((result.width, result.height), Image.Resampling.LANCZOS)
    assert result.width * result.height == pytest.approx(90_000, rel=0.02)
    assert difference(shown(result), whole) < 1


@pytest.mark.parametrize("name", ["JPEG", "PNG", "HEIC", "animated GIF"])
def test_the_same_picture_gives_the_same_bytes(name, tmp_path: Path):
    assert prepared(tmp_path, original(name)) == prepared(tmp_path, original(name))


def test_a_scaled_picture_gives_the_same_bytes(noisy: PreparedPicture, tmp_path: Path):
    assert prepared(tmp_path, encoded(noise(4608, 3456), "BMP")).content == noisy.content


def with_metadata(kind: str, image: Image.Image) -> bytes:
    block = Image.Exif()
    block[0x010E] = GPS.decode()
    block[0x0112] = 6
    block.get_ifd(0x8825)[1] = "N"
    options = {"exif": block, "icc_profile": PROFILES["Display P3"]}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", GPS.decode())
        text.add_itxt("XML:com.adobe.xmp", GPS.decode())
        return encoded(image, kind, pnginfo=text, **options)
    if kind == "JPEG":
        return encoded(image, kind, comment=GPS, xmp=GPS, dpi=(300, 300), **options)
    return encoded(image, kind, xmp=GPS, **options)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_no_metadata_travels_with_a_prepared_picture(kind, mode, tmp_path: Path):
    image = picture(mode=mode)
    if mode == "RGBA" and kind != "JPEG":
        image.putalpha(100)
    content = with_metadata(kind, image.convert("RGB") if kind == "JPEG" else image)
    if kind != "PNG":
        assert GPS in content

    result = prepared(tmp_path, content)

    assert GPS not in result.content
    if result.format == "JPEG":
        assert jpeg_segments(result.content) <= {0xE0, 0xDB, 0xC0, 0xC4, 0xDA, 0xD9}
        assert result.content[2:20] == b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    else:
        assert png_chunks(result.content) <= {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize("name", ORIGINALS)
def test_no_prepared_picture_has_any_other_segment(name, tmp_path: Path):
    segments = jpeg_segments(prepared(tmp_path, original(name)).content)

    assert segments <= {0xE0, 0xDB, 0xC0, 0xC4, 0xDA, 0xD9}


def jpeg_segments(content: bytes) -> set[int]:
    """The markers of a JPEG."""
    found, at = set(), 2
    while True:
        assert content[at] == 0xFF
        found.add(content[at + 1])
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xDA in found:
            break
    markers = {second for first, second in pairwise(content[at:]) if first == 0xFF and second not in (0, 0xFF)}
    return found | markers


def png_chunks(content: bytes) -> set[bytes]:
    """The types of a PNG's chunks."""
    found, at = set(), 8
    while at < len(content):
        found.add(content[at + 4 : at + 8])
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return found
