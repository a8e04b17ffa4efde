"""The images of the headers benchmark: those that come with the installed packages, and generated ones up to 10 MB."""

import io
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
from PIL import Image, ImageFile

from dropreel.media.images.reader import MAX_IMAGE_BYTES

LARGE = 1_000_000
"""From how many bytes on an image is a large one."""
ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp"})

_SMALL_SIDES = (48, 64, 96, 128, 160, 240, 320, 400, 480, 560)
_SMALL_QUALITIES = (30, 50, 70, 85)
_SIDES = {"JPEG": (1400, 2000, 2800), "PNG": (800, 1300, 1900), "WebP": (1500, 2200, 2900)}
"""Sides of the large pictures in pixels, by format: each takes 1 to 10 MB."""
_LONG_EXIF = 60_000
_LARGE_PROFILE = 400_000
_COMMENTS = 2000
_PICTURES_PER_KIND = 2


def gathered(folder: Path, few: bool = False) -> list[str]:
    """Write the images into a folder; return their names. `few` leaves most of them out.

    There are at least 300 otherwise: about a hundred come with the packages of the environment, the rest is generated
    from one seed, and so the same every time.
    """
    names = []
    for number, (ending, content) in enumerate(_few(_all()) if few else _all()):
        if 0 < len(content) <= MAX_IMAGE_BYTES:
            names.append(f"{number:04}{ending}")
            (folder / names[-1]).write_bytes(content)
    return names


def large_jpeg(size: int) -> bytes:
    """Return a JPEG of noise of exactly so many bytes: from 95 % on, zeros behind its end."""
    noise, side = numpy.random.default_rng(seed=1), 64
    content = b""
    while len(longer := _encoded(_picture(noise, side), "JPEG", quality=90)) <= size:
        content, side = longer, side + max(16, side // 50)
    return content + bytes(size - len(content))


def _few(images: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    return (image for number, image in enumerate(images) if number % 20 == 0)


def _all() -> Iterator[tuple[str, bytes]]:
    packages = Path(sysconfig.get_path("purelib"))
    for path in sorted(packages.rglob("*")):
        if path.suffix.lower() in ENDINGS and path.is_file():
            yield path.suffix.lower(), path.read_bytes()
    noise = numpy.random.default_rng(seed=1)
    yield from _small(noise)
    yield from _large(noise)


def _small(noise: numpy.random.Generator) -> Iterator[tuple[str, bytes]]:
    for side in _SMALL_SIDES:
        for quality in _SMALL_QUALITIES:
            yield ".jpg", _encoded(_picture(noise, side), "JPEG", quality=quality, exif=_exif(side))
            yield ".jpg", _encoded(_picture(noise, side), "JPEG", quality=quality, progressive=True)
            yield ".png", _encoded(_picture(noise, side), "PNG", compress_level=1)
            yield ".webp", _encoded(_picture(noise, side), "WEBP", quality=quality, method=0)


def _large(noise: numpy.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Yield as many pictures of each format, in the encodings that cameras, phones and editors write."""
    for _ in range(_PICTURES_PER_KIND):
        for small, middle, large in zip(*(_pictures(noise, sides) for sides in _SIDES.values()), strict=True):
            yield from ((".jpg", content) for content in _jpegs(small))
            yield from ((".png", content) for content in _pngs(middle))
            yield from ((".webp", content) for content in _webps(large))


def _pictures(noise: numpy.random.Generator, sides: tuple[int, ...]) -> list[Image.Image]:
    return [_picture(noise, side) for side in sides]


def _jpegs(picture: Image.Image) -> Iterator[bytes]:
    exif = _exif(picture.width, "x" * _LONG_EXIF)
    baseline = _encoded(picture, "JPEG", quality=85, exif=exif)
    yield baseline
    yield _encoded(picture, "JPEG", quality=85, progressive=True, exif=exif)
    yield _encoded(picture.convert("CMYK"), "JPEG", quality=60)
    yield _encoded(picture, "JPEG", quality=85, icc_profile=bytes(_LARGE_PROFILE), restart_marker_rows=1)
    yield _with_segments(baseline, b"\xff\xfe\x00\x0ba comment", _COMMENTS)
    yield _encoded(picture, "MPO", quality=80, save_all=True, append_images=[picture.reduce(4)])


def _pngs(picture: Image.Image) -> Iterator[bytes]:
    yield _encoded(picture, "PNG", compress_level=1)
    yield _encoded(picture, "PNG", compress_level=1, exif=_exif(picture.width))
    yield _encoded(picture.convert("RGBA"), "PNG", compress_level=1)
    yield _encoded(
        picture.resize((picture.width * 3 // 2, picture.height * 3 // 2)).convert("L"), "PNG", compress_level=1
    )
    yield _encoded(
        picture.resize((picture.width * 3 // 2, picture.height * 3 // 2)).convert("P"), "PNG", compress_level=1
    )
    yield _encoded(
        picture.reduce(2), "PNG", compress_level=1, save_all=True, append_images=[picture.reduce(2).rotate(180)]
    )


def _webps(picture: Image.Image) -> Iterator[bytes]:
    yield _encoded(picture, "WEBP", quality=92, method=0)
    yield _encoded(picture, "WEBP", quality=92, method=0, exif=_exif(picture.width))
    yield _encoded(picture, "WEBP", quality=92, method=0, icc_profile=bytes(_LARGE_PROFILE))
    yield _encoded(picture.reduce(2), "WEBP", lossless=True, quality=0, method=0)
    yield _encoded(
        picture.reduce(2).convert("RGBA"), "WEBP", lossless=True, quality=0, method=0, exif=_exif(picture.width)
    )
    yield _encoded(
        picture.reduce(2), "WEBP", quality=95, method=0, save_all=True, append_images=[picture.reduce(2).rotate(180)]
    )


def _picture(noise: numpy.random.Generator, side: int) -> Image.Image:
    """Return a picture of noise, which no encoder makes small."""
    return Image.fromarray(noise.integers(0, 256, (side * 3 // 4, side, 3), dtype=numpy.uint8))


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 2**24)  # its JPEG writer expects pictures that get smaller
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _exif(side: int, description: str = "A description") -> Image.Exif:
    """Return what a camera writes before the picture, its orientation among it."""
    data = Image.Exif()
    data[0x010E] = description
    data[0x010F] = "A camera's maker"
    data[0x0112] = 1 + side // 100 % 8
    return data


def _with_segments(content: bytes, segment: bytes, number: int) -> bytes:
    """Put so many segments behind the first one, the Exif block."""
    after = 4 + int.from_bytes(content[4:6], "big")
    return content[:after] + segment * number + content[after:]
