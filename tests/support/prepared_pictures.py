"""Originals for Prepare Image, and what comes out of them."""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import pillow_heif
from PIL import Image, ImageCms, ImageFile

from dropreel.adapters.imaging import PreparedPicture, prepare_picture
from dropreel.domain.reasons import Reason
from tests.support.heic_grid import encode_tile, grid_heic
from tests.support.pictures import animated, encoded, picture

ORIGINALS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(picture(), "JPEG", quality=95),
    "progressive JPEG": lambda: encoded(picture(), "JPEG", quality=95, progressive=True),
    "MPO": lambda: encoded(picture(), "MPO", save_all=True, append_images=[picture()], quality=95),
    "PNG": lambda: encoded(picture(), "PNG"),
    "APNG": lambda: animated("PNG"),
    "WebP": lambda: encoded(picture(), "WEBP", quality=95),
    "lossless WebP": lambda: encoded(picture(), "WEBP", lossless=True),
    "animated WebP": lambda: animated("WEBP", lossless=True),
    "AVIF": lambda: encoded(picture(), "AVIF", quality=95),
    "HEIC": lambda: heic(picture()),
    "HEIC grid": lambda: grid_heic([encode_tile(picture(512, 512), 95)], 700, 600),
    "TIFF": lambda: encoded(picture(), "TIFF"),
    "LZW TIFF": lambda: encoded(picture(), "TIFF", compression="tiff_lzw"),
    "deflate TIFF": lambda: encoded(picture(), "TIFF", compression="tiff_adobe_deflate"),
    "packbits TIFF": lambda: encoded(picture(), "TIFF", compression="packbits"),
    "JPEG TIFF": lambda: encoded(picture(), "TIFF", compression="jpeg", quality=95),
    "fax TIFF": lambda: encoded(picture(mode="1"), "TIFF", compression="group4"),
    "TIFF of two pages": lambda: encoded(picture(), "TIFF", save_all=True, append_images=[picture(9, 9)]),
    "BMP": lambda: encoded(picture(), "BMP"),
    "GIF": lambda: encoded(picture(), "GIF"),
    "animated GIF": lambda: animated("GIF"),
}
"""A picture of 60 x 40 pixels in each format, but for the grid."""


@cache
def original(name: str) -> bytes:
    """The file of `ORIGINALS` with this name."""
    return ORIGINALS[name]()


def heic(image: Image.Image, **options: Any) -> bytes:
    """A HEIC of one item, as pillow_heif writes it."""
    written = io.BytesIO()
    pillow_heif.from_pillow(image).save(written, **{"quality": 95, "chroma": "444", **options})
    return written.getvalue()


def prepare(folder: Path, content: bytes) -> PreparedPicture | Reason:
    """What `prepare_picture` returns for a file of these bytes."""
    path = folder / "original"
    path.write_bytes(content)
    return prepare_picture(path)


def prepared(folder: Path, content: bytes) -> PreparedPicture:
    """The prepared picture; the test fails where there is none."""
    result = prepare(folder, content)
    assert isinstance(result, PreparedPicture), result
    return result


def refused(folder: Path, content: bytes) -> Reason:
    """The reason; the test fails where the picture is prepared."""
    result = prepare(folder, content)
    assert isinstance(result, Reason), result
    return result


def shown(result: PreparedPicture) -> Image.Image:
    """The prepared picture as Pillow decodes it."""
    image: ImageFile.ImageFile = Image.open(io.BytesIO(result.content))
    image.load()
    assert (image.format, image.size) == (result.format, (result.width, result.height))
    return image


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """The samples of one pixel."""
    return tuple(image.crop((x, y, x + 1, y + 1)).tobytes())


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures in levels of 255."""
    assert one.size == other.size
    pixels = [numpy.asarray(image.convert("RGB"), dtype=float) for image in (one, other)]
    return float(abs(pixels[0] - pixels[1]).mean())


def lab(image: Image.Image) -> Image.Image:
    """The picture in CIE Lab."""
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    assert converted is not None
    return converted


def deep(mode: str = "I;16") -> Image.Image:
    """The picture in gray with 16 bits a sample, from black to white."""
    gray = numpy.asarray(picture(mode="L"), dtype="uint32") * 257
    order = ">u2" if mode == "I;16B" else "<u2"
    return Image.frombytes(mode, (60, 40), gray.astype(order).tobytes())


def noise(width: int, height: int, seed: int = 1, channels: int = 3) -> Image.Image:
    """A picture that no format makes small: smooth colors under the noise of a night's photograph."""
    random = numpy.random.default_rng(seed)
    base = numpy.linspace(60, 190, width)[None, :, None]
    values = base + random.normal(0, 80, (height, width, channels))
    return Image.fromarray(values.clip(0, 255).astype("uint8"))
