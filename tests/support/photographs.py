"""Photographs of realistic size (megabytes), in every format and encoding that the reader accepts.

Each is a scene of soft colours with a camera's noise, which compresses as badly as a real photograph. All are the same on
each run.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

MAX_BYTES = 10_000_000
"""The provider's "10 MB", in the stricter reading."""

Pixels = NDArray[numpy.uint8]


@dataclass(frozen=True)
class Photograph:
    """A file of this format; width and height are in pixels, as shown (EXIF orientation counted)."""

    content: bytes
    format: str
    width: int
    height: int


@cache
def small_jpeg() -> bytes:
    """Return a JPEG of a few kilobytes, for tests that need any valid image."""
    return _saved(Image.fromarray(_scene(320, 180, noise=4)), "JPEG", quality=80)


@cache
def _scene(width: int, height: int, noise: int = 12) -> Pixels:
    """Return an RGB scene: two light sources over a horizon, and noise of so many levels."""
    across, down = numpy.linspace(0, 1, width), numpy.linspace(0, 1, height)[:, None]
    sun = numpy.exp(-8 * ((across - 0.7) ** 2 + (down - 0.3) ** 2))
    lamp = numpy.exp(-30 * ((across - 0.2) ** 2 + (down - 0.6) ** 2))
    planes = [60 + 150 * sun + 40 * lamp, 70 + 90 * sun + 60 * down, 120 - 60 * down + 40 * across + 80 * lamp]
    grain = numpy.random.default_rng(width * height).integers(-noise, noise + 1, (height, width, 3))
    return (numpy.stack([plane + 0 * (across + down) for plane in planes], axis=2) + grain).clip(0, 255).astype("uint8")


def _photograph(content: bytes, format_: str, width: int, height: int) -> Photograph:
    if len(content) > MAX_BYTES:
        raise AssertionError(f"{len(content):,} bytes are more than the provider takes")
    return Photograph(content, format_, width, height)


def _saved(image: Image.Image, format_: str, **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **how)
    return file.getvalue()


# --- JPEG -------------------------------------------------------------------------------------------------------------


def _jpeg(width: int = 1500, height: int = 1100, mode: str = "RGB", **how: object) -> Photograph:
    image = Image.fromarray(_scene(width, height)).convert(mode)
    return _photograph(_saved(image, "JPEG", **{"quality": 95, **how}), "JPEG", width, height)


def _with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """Insert segments after the SOI marker."""
    inserted = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return jpeg[:2] + inserted + jpeg[2:]


def _jpeg_with(*segments: tuple[int, bytes]) -> Photograph:
    plain = _jpeg()
    return _photograph(_with_segments(plain.content, *segments), "JPEG", plain.width, plain.height)


def _large_exif() -> Photograph:
    """The largest EXIF block that a segment holds, as cameras write it with a preview and a maker's note."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Camera maker", "Model 7"
    exif.get_ifd(0x8769)[0x927C] = _noise(60_000)
    return _jpeg(exif=exif)


def _oriented(orientation: int) -> Photograph:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = _jpeg(1500, 1050, exif=exif)
    turned = orientation >= 5
    return Photograph(
        upright.content,
        "JPEG",
        *((upright.height, upright.width) if turned else (upright.width, upright.height)),
    )


def _mpo() -> Photograph:
    """Two pictures in one file, as phones and stereo cameras write them."""
    first, second = (Image.fromarray(_scene(*size)) for size in ((1500, 1100), (1480, 1100)))
    content = _saved(first, "MPO", save_all=True, append_images=[second], quality=95)
    return _photograph(content, "JPEG", 1500, 1100)


def _motion_photo() -> Photograph:
    """A JPEG followed by a short video, as phones write it."""
    video = struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom") + struct.pack(">I4s", 2_000_008, b"mdat")
    still = _jpeg()
    return _photograph(still.content + video + _noise(2_000_000), "JPEG", still.width, still.height)


def _largest() -> Photograph:
    """The largest file that the provider takes, to the byte: a maker's data follows the picture."""
    still = _jpeg(3000, 2200)
    return _photograph(still.content + _noise(MAX_BYTES - len(still.content)), "JPEG", still.width, still.height)


@cache
def _noise(length: int) -> bytes:
    return numpy.random.default_rng(length).bytes(length)


# --- PNG --------------------------------------------------------------------------------------------------------------

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, step across and step down of each pass (PNG specification, 8.2)."""


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _rows(samples: NDArray[numpy.generic]) -> bytes:
    """Return rows with filter type 0 before each."""
    bytes_of_rows = samples.reshape(samples.shape[0], -1).view("uint8")
    return numpy.pad(bytes_of_rows, ((0, 0), (1, 0))).tobytes()


def _png(samples: NDArray[numpy.generic], colour_type: int, depth: int, *, interlaced: bool = False) -> Photograph:
    """Write what Pillow cannot: interlaced files and three channels of 16 bits. IDATs are of 64 kB, as libpng writes them."""
    height, width = samples.shape[:2]
    passes = [samples[y::down, x::across] for x, y, across, down in _ADAM7] if interlaced else [samples]
    data = zlib.compress(b"".join(_rows(numpy.ascontiguousarray(one)) for one in passes), 1)
    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    chunks = [_png_chunk(b"IDAT", data[start : start + 65_536]) for start in range(0, len(data), 65_536)]
    content = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", head) + b"".join(chunks) + _png_chunk(b"IEND", b"")
    return _photograph(content, "PNG", width, height)


def _png_of(mode: str, width: int = 1200, height: int = 1100, **how: object) -> Photograph:
    image = Image.fromarray(_scene(width, height))
    image = image.quantize(256) if mode == "P" else image.convert(mode)
    if "A" in mode:
        image.putalpha(Image.fromarray(_scene(width, height, noise=2)[:, :, 2]))
    return _photograph(_saved(image, "PNG", compress_level=1, **how), "PNG", width, height)


def _deep(samples: Pixels) -> NDArray[numpy.generic]:
    """Return samples of 16 bits, big-endian as PNG wants them."""
    return (samples.astype(">u2") * 257).astype(">u2")


def _screenshot_texts() -> Photograph:
    """Text chunks of every kind before the image data, as editors and generators write them."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a meadow at sunset " * 2000)
    info.add_text("packed", "x" * 100_000, zip=True)
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>" * 500, "de", "Übersicht")
    return _png_of("RGB", pnginfo=info, dpi=(144, 144))


# --- WebP -------------------------------------------------------------------------------------------------------------


def _webp(width: int = 1800, height: int = 1100, *, alpha: bool = False, **how: object) -> Photograph:
    image = Image.fromarray(_scene(width, height))
    if alpha:
        image.putalpha(Image.fromarray(_scene(width, height, noise=2)[:, :, 2]))
    return _photograph(_saved(image, "WEBP", **{"quality": 92, "method": 0, **how}), "WEBP", width, height)


def _webp_with_everything() -> Photograph:
    exif = Image.Exif()
    exif[0x010F] = "Camera maker"
    return _webp(alpha=True, exif=exif, icc_profile=_noise(200_000), xmp=b"<x:xmpmeta/>" * 1000)


ICC = [(0xE2, b"ICC_PROFILE\x00" + bytes([number, 20]) + _noise(60_000)) for number in range(1, 21)]
COMMENTS = [(0xFE, f"comment {number} ".encode() * 1000) for number in range(100)]

MAKERS: dict[str, Callable[[], Photograph]] = {
    "baseline": _jpeg,
    "baseline of 4 megapixels": lambda: _jpeg(2400, 1700),
    "progressive": lambda: _jpeg(progressive=True),
    "optimised, colours at full size": lambda: _jpeg(subsampling=0, optimize=True),
    "restart markers": lambda: _jpeg(restart_marker_rows=1),
    "grey": lambda: _jpeg(1800, 1300, "L", quality=94),
    "CMYK": lambda: _jpeg(mode="CMYK"),
    "MPO": _mpo,
    "large EXIF": _large_exif,
    "large ICC profile": lambda: _jpeg_with(*ICC),
    "many comments": lambda: _jpeg_with(*COMMENTS),
    "motion photo": _motion_photo,
    "exactly 10 MB": _largest,
    **{f"orientation {number}": partial(_oriented, number) for number in range(1, 9)},
    "palette": lambda: _png_of("P", 1800, 1300),
    "palette with transparency": lambda: _png_of("P", 1800, 1300, transparency=0),
    "PNG of grey": lambda: _png_of("L"),
    "PNG of grey with alpha": lambda: _png_of("LA"),
    "PNG of colours": lambda: _png_of("RGB"),
    "PNG of colours with alpha": lambda: _png_of("RGBA"),
    "PNG with long texts": _screenshot_texts,
    "PNG of grey in 16 bits": lambda: _png(_deep(_scene(1100, 1050)[:, :, 0]), 0, 16),
    "PNG of colours in 16 bits": lambda: _png(_deep(_scene(1100, 1050)), 2, 16),
    "interlaced PNG": lambda: _png(_scene(1200, 1100), 2, 8, interlaced=True),
    "interlaced PNG of an odd size": lambda: _png(_scene(1201, 1103)[:, :, 1], 0, 8, interlaced=True),
    "lossy WebP": _webp,
    "lossy WebP with alpha": lambda: _webp(alpha=True),
    "lossless WebP": lambda: _webp(lossless=True, quality=0, width=1200),
    "extended WebP": _webp_with_everything,
}
"""The function that makes each photograph."""


def photographs() -> Iterator[tuple[str, Photograph]]:
    """Yield the name and file of each photograph. They are made one by one, so that only one is in memory."""
    for name, make in MAKERS.items():
        yield name, make()
