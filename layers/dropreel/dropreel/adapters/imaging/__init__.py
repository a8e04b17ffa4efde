"""Pillow and pi-heif: turn a picture into a JPEG or PNG that the provider takes. Only Prepare Image has them.

Formats: JPEG (the first picture of an MPO), PNG, WebP, GIF and AVIF (their first frame), HEIC, TIFF (its first page) and
BMP. Raw files of cameras are refused: what is easily read from them is a small preview. Limits beside those of
`media/images/preparation.py` are in `checks.py`: a WebP may have at most 137 million pixels, as its decoder holds it four times.

Transparency matters where any pixel has an alpha below 255: such a picture becomes a PNG, every other one a JPEG.
"""

from dataclasses import dataclass, field
from pathlib import Path

from dropreel.adapters.imaging.decoding import Decoded, decode
from dropreel.adapters.imaging.encoding import encode_jpeg, encode_png
from dropreel.adapters.imaging.rendering import Rendering
from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.images import PrepareReason
from dropreel.domain.reasons import Reason
from dropreel.media.images.parsed_image import UnreadableImage
from dropreel.media.images.preparation import HEAD_BYTES, classify_image
from dropreel.media.images.reader import MAX_PIXELS
from dropreel.provider.limits import MAX_IMAGE_BYTES


@dataclass(frozen=True)
class PreparedPicture:
    """A prepared picture: the bytes of a JPEG or PNG, and the original as displayed (its format, its size in pixels)."""

    content: bytes = field(repr=False)
    format: str
    width: int
    height: int
    original_format: str
    original_width: int
    original_height: int
    reasons: tuple[PrepareReason, ...]


def prepare_picture(path: Path) -> PreparedPicture | Reason:
    """Return the picture in this file as a JPEG or PNG of at most `MAX_IMAGE_BYTES`, or why that is not possible.

    The picture is turned upright, its colors are converted to sRGB, and it is scaled down only as far as needed. The result
    has no metadata. Raises OSError where the file cannot be read, and MemoryError.
    """
    try:
        with decode(path) as picture:
            return _prepare(picture, path)
    except UnreadableImage as unreadable:
        return unreadable.reason


def _prepare(picture: Decoded, path: Path) -> PreparedPicture:
    rendering = Rendering(picture)
    encoded = encode_png(rendering) if rendering.transparent else encode_jpeg(rendering)
    width, height = picture.size if picture.orientation < 5 else picture.size[::-1]
    return PreparedPicture(
        content=encoded.content,
        format=encoded.format,
        width=encoded.width,
        height=encoded.height,
        original_format=picture.format,
        original_width=width,
        original_height=height,
        reasons=_reasons(picture, path, converted=rendering.changes_colors),
    )


def _reasons(picture: Decoded, path: Path, *, converted: bool) -> tuple[PrepareReason, ...]:
    """Return each reason that is true for this picture, and those for which it was sent here, in the order of the enum."""
    width, height = picture.size
    size = path.stat().st_size
    true = {
        PrepareReason.FORMAT: picture.format not in ("JPEG", "PNG", "WebP"),
        PrepareReason.ANIMATED: picture.animated,
        PrepareReason.SIZE: size > MAX_IMAGE_BYTES,
        PrepareReason.PIXELS: width * height > MAX_PIXELS,
        PrepareReason.ORIENTATION: picture.sideways,
        PrepareReason.CMYK: picture.mode == "CMYK",
        PrepareReason.BIT_DEPTH: picture.deep,
        PrepareReason.COLOR_PROFILE: converted and picture.mode != "CMYK",
    }
    classified = _classified(path, size)
    return tuple(reason for reason in PrepareReason if true[reason] or reason in classified)


def _classified(path: Path, size: int) -> tuple[PrepareReason, ...]:
    """Return why Submit Generation has sent the picture here."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = classify_image(path.read_bytes() if size <= MAX_IMAGE_BYTES else None, head, size)
    if isinstance(found, ImageFacts):
        return found.prepare_for
    return found if isinstance(found, tuple) else ()
