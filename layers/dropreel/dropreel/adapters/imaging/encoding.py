"""Encode a picture as a JPEG or PNG of at most `MAX_IMAGE_BYTES`: best quality first, then scaled down as far as needed.

How many bytes a size and quality take is estimated from a sample, so that the whole picture is encoded once, seldom twice.
The files have no metadata. JPEGs are baseline: an optimized or progressive one is a few percent smaller, and takes more
time and the memory of a second picture.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from io import BytesIO
from itertools import dropwhile
from math import sqrt

from PIL import Image

from dropreel.adapters.imaging.rendering import Rendering
from dropreel.media.images.reader import MAX_PIXELS
from dropreel.provider.limits import MAX_IMAGE_BYTES

MAX_JPEG_SIDE = 65_500
"""The most pixels in each direction of a JPEG."""
JPEG_QUALITIES = ((95, 0), (95, 2), (90, 2), (85, 2))
"""Quality and chroma subsampling (0: none, 2: 4:2:0), best first. With the last one the picture is scaled down."""
SAMPLE_PIXELS = 300_000
"""How large a sample is at least; of a large picture it is a fiftieth."""
_LARGEST_BYTES_A_PIXEL = {"JPEG": 3.2, "PNG": 4.1}
"""A picture of noise has so many, in the best quality."""
_SURE, _AIM, _ENOUGH = 0.97, 0.95, 0.87
"""Of `MAX_IMAGE_BYTES`: up to which estimate a way is tried, what scaling aims at, and what is large enough."""
_TRIES = 4

_Save = Callable[[Image.Image], bytes]
_Sampled = Callable[[tuple[int, int]], Image.Image | float]


@dataclass(frozen=True)
class EncodedPicture:
    """A JPEG or PNG, its size in pixels as displayed."""

    format: str
    content: bytes = field(repr=False)
    width: int
    height: int


def encode_jpeg(rendering: Rendering) -> EncodedPicture:
    """Return the picture as a JPEG of at most `MAX_IMAGE_BYTES`."""
    return _encode(rendering, "JPEG", [_jpeg(quality, subsampling) for quality, subsampling in JPEG_QUALITIES])


def encode_png(rendering: Rendering) -> EncodedPicture:
    """Return the picture as a PNG of at most `MAX_IMAGE_BYTES`."""
    return _encode(rendering, "PNG", [_png])


def _jpeg(quality: int, subsampling: int) -> _Save:
    def save(image: Image.Image) -> bytes:
        written = BytesIO()
        image.save(written, "JPEG", quality=quality, subsampling=subsampling)
        return written.getvalue()

    return save


def _png(image: Image.Image) -> bytes:
    written = BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def _encode(rendering: Rendering, name: str, ways: list[_Save]) -> EncodedPicture:
    """Return the picture saved in the first way that fits in the full size; else in the last one, scaled down until it fits."""
    width, height = rendering.size
    full = scale = min(1.0, sqrt(MAX_PIXELS / (width * height)), MAX_JPEG_SIDE / max(width, height))
    sampled = cache(partial(_sample, rendering, name))
    size, most = _scaled(rendering, full), _SURE * MAX_IMAGE_BYTES
    left = list(dropwhile(lambda way: _estimate(sampled, size, way) > most, ways))
    if not left:
        left = ways[-1:]
        scale = _fitting_scale(rendering, sampled, full, left[0])
    best: EncodedPicture | None = None
    image: Image.Image | None = None
    attempt = 0
    while True:
        attempt += 1
        image = image or _clean(rendering.upright(_scaled(rendering, scale)))
        content = left[0](image)
        if len(content) <= MAX_IMAGE_BYTES and len(content) > (len(best.content) if best else 0):
            best = EncodedPicture(name, content, *image.size)
        is_enough = scale == full or attempt >= _TRIES or (best and len(best.content) >= _ENOUGH * MAX_IMAGE_BYTES)
        if best and is_enough:
            return best
        if scale == full and len(left) > 1:
            left = left[1:]  # the same image, in the next quality
            continue
        image = None
        scale = min(full, scale * sqrt(_AIM * MAX_IMAGE_BYTES / len(content)) * (1 if attempt < _TRIES else 0.8))


def _fitting_scale(rendering: Rendering, sampled: _Sampled, full: float, save: _Save) -> float:
    """Return the scale that gives about `_AIM` of the most bytes. A smaller picture has more bytes a pixel."""
    scale = full
    for _estimation in range(3):
        estimate = _estimate(sampled, _scaled(rendering, scale), save)
        scale = min(full, scale * sqrt(_AIM * MAX_IMAGE_BYTES / estimate))
    return scale


def _estimate(sampled: _Sampled, size: tuple[int, int], save: _Save) -> float:
    """Return about how many bytes the picture has in this size, or the most that it can have where it surely fits."""
    sample = sampled(size)
    if isinstance(sample, float):
        return sample
    return len(save(sample)) * size[0] * size[1] / (sample.width * sample.height)


def _sample(rendering: Rendering, name: str, size: tuple[int, int]) -> Image.Image | float:
    """Return a sample of the picture in this size; the most bytes that it can have, where these are few enough."""
    pixels = size[0] * size[1]
    most = pixels * _LARGEST_BYTES_A_PIXEL[name]
    if most <= _SURE * MAX_IMAGE_BYTES:
        return most
    return _clean(rendering.sample(size, max(SAMPLE_PIXELS, pixels // 50)))


def _scaled(rendering: Rendering, scale: float) -> tuple[int, int]:
    width, height = rendering.size
    return max(1, int(width * scale)), max(1, int(height * scale))


def _clean(image: Image.Image) -> Image.Image:
    """Return the image without what Pillow would write beside its pixels."""
    image.info.clear()
    return image
