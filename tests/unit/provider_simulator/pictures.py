"""Makes the images that the tests send."""

import io
from typing import Any

import numpy
from PIL import Image


def textured_picture(width: int = 1600, height: int = 1200) -> Image.Image:
    """A picture that looks different everywhere, at every scale, so that a crop of it can be recognised."""
    dice = numpy.random.default_rng(20)
    picture = numpy.zeros((height, width, 3))
    for cells, strength in ((6, 0.5), (24, 0.3), (200, 0.2)):
        noise = dice.integers(0, 256, (cells, cells, 3), dtype=numpy.uint8)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        picture += strength * numpy.asarray(layer)
    return Image.fromarray(picture.astype(numpy.uint8))


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """The picture as a file of that kind."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
