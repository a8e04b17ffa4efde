"""The images of the headers benchmark: those that come with the installed packages, and generated ones up to 10 MB."""

import io
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from dropreel.images import MAX_IMAGE_BYTES

LARGE = 1_000_000
"""From how many bytes on an image is a large one."""
ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp"})

_SMALL_SIDES = (48, 64, 96, 128, 160, 240, 320, 400, 480, 560)
_SMALL_QUALITIES = (30, 50, 70, 85)
_LARGE_JPEG_SIDES = (1200, 1500, 1800, 2100, 2500, 3000)
_LARGE_PNG_SIDES = (700, 900, 1200, 1500, 1800, 2050)
_LARGE_WEBP_SIDES = (1500, 1900, 2300, 3000)
_MORE_SEGMENTS = (0, 1, 4)
_LONG_EXIF = 60_000
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
    for _ in range(_PICTURES_PER_KIND):
        for side in _LARGE_JPEG_SIDES:
            content = _encoded(_picture(noise, side), "JPEG", quality=90, exif=_exif(side, "x" * _LONG_EXIF))
            for segments in _MORE_SEGMENTS:
                yield ".jpg", _with_segments(content, segments)
        for side in _LARGE_PNG_SIDES:
            yield ".png", _encoded(_picture(noise, side), "PNG", compress_level=1)
        for side in _LARGE_WEBP_SIDES:
            yield ".webp", _encoded(_picture(noise, side), "WEBP", quality=95, method=0)


def _picture(noise: numpy.random.Generator, side: int) -> Image.Image:
    """Return a picture of noise, which no encoder makes small."""
    return Image.fromarray(noise.integers(0, 256, (side * 3 // 4, side, 3), dtype=numpy.uint8))


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
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


def _with_segments(content: bytes, number: int) -> bytes:
    """Put full APP2 segments, as a thumbnail or a colour profile takes, behind the first segment: the Exif block."""
    after = 4 + int.from_bytes(content[4:6], "big")
    segment = b"\xff\xe2\xff\xff" + bytes(65533)
    return content[:after] + segment * number + content[after:]
