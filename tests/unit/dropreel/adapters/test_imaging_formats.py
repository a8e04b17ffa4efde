"""Every format and kind of samples that is taken, as it is shown."""

import struct
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from dropreel.domain.images import PrepareReason
from dropreel.domain.reasons import ReasonCode
from tests.support.heic_grid import box, encode_tile, grid_heic
from tests.support.pictures import encoded, exif, picture
from tests.support.prepared_pictures import (
    ORIGINALS,
    deep,
    difference,
    heic,
    lab,
    original,
    pixel,
    prepared,
    refused,
    shown,
)

FORMAT, ANIMATED, ORIENTATION = PrepareReason.FORMAT, PrepareReason.ANIMATED, PrepareReason.ORIENTATION
KNOWN = ("TIFF", "JPEG", "PNG", "WebP", "AVIF", "HEIC", "BMP", "GIF")


@pytest.mark.parametrize("name", [name for name in ORIGINALS if name not in ("HEIC grid", "fax TIFF")])
def test_a_picture_of_each_format_is_shown_as_it_is(name, tmp_path: Path):
    result = prepared(tmp_path, original(name))

    assert result.format == "JPEG"
    assert (result.width, result.height) == (result.original_width, result.original_height) == (60, 40)
    assert difference(shown(result), picture()) < (6 if "GIF" in name else 3)


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_original_format_and_the_reasons_are_named(name, tmp_path: Path):
    result = prepared(tmp_path, original(name))

    words = [{"MPO": "JPEG", "APNG": "PNG"}.get(word, word) for word in name.split()]
    format_name = next(known for known in KNOWN if known in words)
    assert result.original_format == format_name
    expected = [FORMAT] * (format_name not in ("JPEG", "PNG", "WebP"))
    assert result.reasons == (*expected, *[ANIMATED] * (name == "APNG" or "animated" in name))


def test_a_black_and_white_page_of_a_fax_is_shown(tmp_path: Path):
    result = prepared(tmp_path, original("fax TIFF"))

    assert difference(shown(result), picture(mode="1")) < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_upright(kind, orientation, tmp_path: Path):
    stored = picture(50, 30)
    content = encoded(stored, kind, exif=exif(orientation))

    result = prepared(tmp_path, content)

    tagged = stored.copy()
    tagged.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(tagged)
    assert (result.original_width, result.original_height) == upright.size
    assert difference(shown(result), upright) < 5
    assert (ORIENTATION in result.reasons) == (orientation != 1)


@pytest.mark.parametrize(
    ("boxes", "turn"),
    [
        ([], None),
        ([box(b"irot", b"\1")], Image.Transpose.ROTATE_90),
        ([box(b"irot", b"\3")], Image.Transpose.ROTATE_270),
        ([box(b"imir", b"\1")], Image.Transpose.FLIP_LEFT_RIGHT),
    ],
    ids=["as stored", "90", "270", "mirrored"],
)
def test_a_heic_grid_is_turned_by_its_boxes(boxes, turn, tmp_path: Path):
    tile = picture(512, 512)
    result = prepared(tmp_path, grid_heic([encode_tile(tile, 95)], 700, 600, boxes))

    whole = Image.new("RGB", (1024, 1024))
    for place in ((0, 0), (512, 0), (0, 512), (512, 512)):
        whole.paste(tile, place)
    whole = whole.crop((0, 0, 700, 600))
    assert difference(shown(result), whole.transpose(turn) if turn is not None else whole) < 3
    assert result.reasons == (FORMAT,)


def test_the_exif_orientation_of_a_heic_is_not_applied_again(tmp_path: Path):
    content = heic(picture(50, 30), exif=exif(6))
    assert b"irot" in content

    result = prepared(tmp_path, content)

    assert (result.width, result.height) == (30, 50)
    assert difference(shown(result), picture(50, 30).transpose(Image.Transpose.ROTATE_270)) < 4


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_avif_is_turned_by_its_boxes(orientation, tmp_path: Path):
    result = prepared(tmp_path, encoded(picture(50, 30), "AVIF", quality=95, exif=exif(orientation)))

    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}[orientation]
    assert difference(shown(result), picture(50, 30).transpose(turn)) < 4


SAMPLES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"),
    "GIF": ("1", "L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK", "YCbCr"),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind in SAMPLES for mode in SAMPLES[kind]])
def test_each_kind_of_samples_is_shown(kind, mode, tmp_path: Path):
    content = encoded(lab(picture()) if mode == "LAB" else picture(mode=mode), kind)

    result = prepared(tmp_path, content)

    flat = picture() if mode in ("LAB", "CMYK") else picture().convert(mode)
    assert difference(shown(result), flat.convert("RGB")) < (12 if mode == "1" else 8)
    assert (PrepareReason.CMYK in result.reasons) == (mode == "CMYK")


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B")])
def test_16_bit_gray_is_scaled_to_8_bits(kind, mode, tmp_path: Path):
    result = prepared(tmp_path, encoded(deep(mode), kind))

    assert difference(shown(result), picture(mode="L")) < 2
    assert PrepareReason.BIT_DEPTH in result.reasons


def test_16_bit_gray_where_white_is_zero_is_not_negative(tmp_path: Path):
    result = prepared(tmp_path, encoded(deep(), "TIFF", tiffinfo={262: 0}))

    negative = ImageOps.invert(picture(mode="L"))
    assert difference(shown(result), negative) < 2


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_16_bit_rgb_of_a_tiff_is_scaled_to_8_bits(byte_order, tmp_path: Path):
    samples = (numpy.asarray(picture(), dtype="uint32") * 257).astype(byte_order + "u2").tobytes()

    result = prepared(tmp_path, tiff_of(samples, byte_order, bits=16))

    assert difference(shown(result), picture()) < 3
    assert result.reasons == (FORMAT, PrepareReason.BIT_DEPTH)


def test_a_planar_tiff_is_shown(tmp_path: Path):
    planes = numpy.asarray(picture()).transpose(2, 0, 1).tobytes()

    assert difference(shown(prepared(tmp_path, tiff_of(planes, "<", planar=True))), picture()) < 3


def test_a_tiled_tiff_is_shown(tmp_path: Path):
    canvas = Image.new("RGB", (64, 48))
    canvas.paste(picture())
    tiles = [canvas.crop((x, y, x + 16, y + 16)).tobytes() for y in range(0, 48, 16) for x in range(0, 64, 16)]

    assert difference(shown(prepared(tmp_path, tiff_of(b"".join(tiles), "<", tile=16))), picture()) < 3


def tiff_of(samples: bytes, order: str, bits: int = 8, planar: bool = False, tile: int = 0) -> bytes:
    """An RGB TIFF of 60 x 40 pixels, written by hand."""
    parts = 12 if tile else 3 if planar else 1
    length = len(samples) // parts
    entries: list[tuple[int, int, list[int] | None]] = [
        (256, 4, [60]),
        (257, 4, [40]),
        (258, 3, [bits] * 3),
        (259, 3, [1]),
        (262, 3, [2]),
        (277, 3, [3]),
    ]
    entries += [(284, 3, [2 if planar else 1])]
    if tile:
        entries += [(322, 3, [tile]), (323, 3, [tile]), (324, 4, None), (325, 4, [length] * parts)]
    else:
        entries += [(273, 4, None), (278, 3, [40]), (279, 4, [length] * parts)]
    start = 8 + 2 + 12 * len(entries) + 4
    outside = b""
    table = struct.pack(order + "H", len(entries))
    pixels = start + 4096
    for tag, kind, values in sorted(entries, key=lambda entry: entry[0]):
        numbers = [pixels + length * at for at in range(parts)] if values is None else values
        packed = struct.pack(order + {1: "B", 3: "H", 4: "I"}[kind] * len(numbers), *numbers)
        if len(packed) > 4:
            place = start + len(outside)
            outside += packed
            packed = struct.pack(order + "I", place)
        table += struct.pack(order + "HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return (header + table + bytes(4) + outside).ljust(pixels, b"\0") + samples


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_samples_are_refused(mode, tmp_path: Path):
    reason = refused(tmp_path, encoded(picture(mode="L").convert(mode), "TIFF"))

    assert reason.code == ReasonCode.IMAGE_FORMAT
    assert "32 bits a sample" in reason.message


@pytest.mark.parametrize(
    "tags",
    [{0xC612: b"\1\4\0\0"}, {254: 1, 271: "NIKON CORPORATION", 330: 8}],
    ids=["DNG", "NEF"],
)
def test_a_raw_file_is_refused_instead_of_its_preview(tags, tmp_path: Path):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[tag] = value
        info.tagtype[tag] = {bytes: 1, str: 2, int: 4}[type(value)]

    reason = refused(tmp_path, encoded(picture(), "TIFF", tiffinfo=info))

    assert reason.code == ReasonCode.IMAGE_FORMAT
    assert "raw file" in reason.message


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("alpha", [0, 254, 255])
def test_only_a_picture_with_transparent_pixels_becomes_a_png(kind, alpha, tmp_path: Path):
    image = picture(mode="RGBA")
    options = {"lossless": True} if kind == "WEBP" else {}
    image.putpixel((59, 39), (*pixel(image, 59, 39)[:3], alpha))
    if kind == "AVIF" and alpha == 254:
        image.putalpha(254)  # one pixel is lost in its compression

    result = prepared(tmp_path, encoded(image, kind, **options))

    assert result.format == ("JPEG" if alpha == 255 else "PNG")
    assert difference(shown(result), image) < 4
    if alpha == 0:
        assert min(shown(result).getchannel("A").tobytes()) < 10


def test_a_heic_with_transparent_pixels_becomes_a_png(tmp_path: Path):
    image = picture(mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))

    result = prepared(tmp_path, heic(image))

    assert result.format == "PNG"
    assert difference(shown(result).getchannel("A"), image.getchannel("A")) < 3


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_a_transparent_color_of_a_palette_becomes_a_png(kind, tmp_path: Path):
    image = picture(mode="P")

    unused = prepared(tmp_path, encoded(image.quantize(16), kind, transparency=255 if kind == "GIF" else 200))
    used = prepared(tmp_path, encoded(image, kind, transparency=image.getpixel((0, 0))))

    assert unused.format == "JPEG"
    assert used.format == "PNG"
    assert pixel(shown(used).convert("RGBA"), 0, 0)[3] == 0


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0", b"8BPS\0\1", b"P6 1 1 255 abc", b"hello", b"\0\0\0\1ftypqt  "]
)
def test_other_files_are_refused(content, tmp_path: Path):
    reason = refused(tmp_path, content)

    assert reason.code == ReasonCode.IMAGE_FORMAT
    assert "HEIC, AVIF, TIFF, BMP" in reason.message


def test_an_empty_file_is_refused(tmp_path: Path):
    assert refused(tmp_path, b"").code == ReasonCode.IMAGE_EMPTY
