"""Open and decode a picture of any format that is taken, within limits that are checked before its pixels are decoded."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import Image, ImageFile, PngImagePlugin

from dropreel.adapters.imaging.checks import WEBP_BYTES_A_PIXEL, check_file, check_jpeg, check_picture, check_size
from dropreel.adapters.imaging.color_sources import exif_of, profile_of
from dropreel.domain.reasons import ReasonCode
from dropreel.media.images.exif import read_orientation
from dropreel.media.images.file_kinds import name_format, refuse_format
from dropreel.media.images.gif import is_animated_gif
from dropreel.media.images.heif import HeifFacts, read_heif
from dropreel.media.images.jpeg import JpegMetadata
from dropreel.media.images.parsed_image import UnreadableImage, damaged, truncated
from dropreel.media.images.preparation import HEAD_BYTES, MAX_ORIGINAL_PIXELS

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import TiffImageFile

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""The most bytes that one compressed text or profile in a PNG has; four times as many in all."""
Box = tuple[int, int, int, int]

_PLUGINS = {
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "WebP": ("WebPImagePlugin", "WebPImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
}
"""Pillow's decoders by format: module and class. Only the one that is needed is imported, and no other is ever used."""
_TRUNCATED = ("truncated", "end of file", "end-of-file", "no more images")
_UNSUPPORTED = ("unsupported", "not supported", "not yet supported", "unknown pixel mode", "unknown data organization")
"""What decoders say of a file that is cut short, and of one that is of another kind than they know."""
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 274, 258, 262
_WHITE_IS_ZERO = 0


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, as stored: `orientation` (1 to 8) is not yet applied. `mode` is Pillow's.

    `crop` returns a part of it. `image` is the whole picture, or None where it is only in the decoder's own memory.
    `sideways`: its file says an Exif orientation other than 1. `profile` is the ICC profile of its colors. `deep`: it had more
    than 8 bits a sample; `levels` is the largest sample, which is black where it is `inverted`.
    """

    format: str
    size: tuple[int, int]
    mode: str
    crop: Callable[[Box], Image.Image]
    image: Image.Image | None = None
    orientation: int = 1
    sideways: bool = False
    animated: bool = False
    deep: bool = False
    levels: int = 65535
    inverted: bool = False
    profile: bytes | None = None


@contextmanager
def decode(path: Path) -> Iterator[Decoded]:
    """Decode the first picture of a file. Raises UnreadableImage, OSError where the file cannot be read, and MemoryError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise UnreadableImage(ReasonCode.IMAGE_EMPTY, "The image is empty (0 bytes).")
    name = name_format(head)
    if name is None:
        refused = refuse_format(head)
        raise UnreadableImage(refused.code, refused.message)
    with _limits(), ExitStack() as stack:
        with reading(name):
            check_file(name, path)
            if name == "HEIC":
                picture = _decode_heic(path)
            else:
                metadata = check_jpeg(path) if name == "JPEG" else None
                facts = _heif_facts(name, path.read_bytes()) if name == "AVIF" else HeifFacts()
                image = stack.enter_context(_open(name, path))
                picture = _decode_with_pillow(name, path, image, facts, metadata)
        yield picture


def _open(name: str, path: Path) -> ImageFile.ImageFile:
    """Open a picture with Pillow's decoder of its format.

    libtiff reads every TIFF: Pillow's own reader confuses the rows of turned and of planar ones that are not compressed.
    """
    module, decoder = _PLUGINS[name]
    plugin: Any = import_module(f"PIL.{module}")
    if name == "TIFF":
        plugin.READ_LIBTIFF = True
    opened: ImageFile.ImageFile = getattr(plugin, decoder)(str(path), str(path))
    return opened


@contextmanager
def _limits() -> Iterator[None]:
    """Set Pillow's own limits, and none of its warnings: what it warns about is checked here."""
    before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    Image.MAX_IMAGE_PIXELS = MAX_ORIGINAL_PIXELS // 2  # Pillow refuses twice as many
    PngImagePlugin.MAX_TEXT_CHUNK = MAX_TEXT_BYTES
    PngImagePlugin.MAX_TEXT_MEMORY = 4 * MAX_TEXT_BYTES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = before


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what a decoder raises about a picture into UnreadableImage. Raises MemoryError, and OSError of the disk."""
    try:
        yield
    except (UnreadableImage, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            ReasonCode.IMAGE_TOO_MANY_PIXELS, f"The {name} has more than {MAX_ORIGINAL_PIXELS:,} pixels."
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = " ".join(str(error).split())[:200]
        if "memory" in text.lower() and not any(word in text.lower() for word in ("limit", "invalid")):
            raise MemoryError(text) from error
        said = text or type(error).__name__
        if isinstance(error, EOFError) or any(word in text.lower() for word in _TRUNCATED):
            raise truncated(name, f"it ends before its picture does ({said})") from error
        if any(word in text.lower() for word in _UNSUPPORTED):
            raise UnreadableImage(
                ReasonCode.IMAGE_FORMAT, f"The {name} is of a kind that cannot be decoded ({said}); save it as a JPG."
            ) from error
        raise damaged(name, f"it cannot be decoded ({said})") from error


def _heif_facts(name: str, content: bytes) -> HeifFacts:
    facts = read_heif(content, name)
    if facts.size != (1, 1):
        check_size(name, facts.size, 2 * facts.plane_bytes + 4)
    return facts


def _decode_with_pillow(
    name: str, path: Path, image: ImageFile.ImageFile, facts: HeifFacts, metadata: JpegMetadata | None
) -> Decoded:
    check_size(name, image.size, _decoder_bytes(name, image, facts))
    check_picture(name, path, image)
    deep = name in ("PNG", "TIFF") and any(mark in str(tile.args) for tile in image.tile for mark in (";16", ";12"))
    levels, inverted, orientation = 65535, False, 1
    if name == "TIFF":
        image = cast("TiffImageFile", image)
        levels = 4095 if image.tag_v2.get(_BITS_PER_SAMPLE) == (12,) else levels
        inverted = image.mode == "I;16" and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        orientation = image.tag_v2.get(_ORIENTATION, 1)
    if name == "GIF":
        animated = is_animated_gif(path.read_bytes())
    else:
        animated = name in ("PNG", "WebP", "AVIF") and bool(getattr(image, "is_animated", False))
    image.load()
    info = image.info
    if metadata is not None:  # Pillow looks for a profile only up to the frame header
        info = {"exif": metadata.exif, "icc_profile": metadata.profile}
    if name != "TIFF":
        orientation = read_orientation(exif_of(info))
    return Decoded(
        name,
        image.size,
        image.mode,
        image.crop,
        image,
        orientation=1 if name == "TIFF" else orientation,  # Pillow turned it when it decoded it
        sideways=orientation in range(2, 9),
        animated=animated,
        deep=deep,
        levels=levels,
        inverted=inverted,
        profile=profile_of(name, path, info, facts),
    )


def _decoder_bytes(name: str, image: ImageFile.ImageFile, facts: HeifFacts) -> float:
    """Return how many bytes of memory decoding takes a pixel, the decoded picture included. Measured."""
    stored = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}.get(image.mode, 4)
    if name == "WebP":
        return WEBP_BYTES_A_PIXEL
    if name == "AVIF":
        return facts.plane_bytes + 3 + stored
    if name == "JPEG" and image.info.get("progressive"):
        return 2 * len(image.getbands()) + stored  # the coefficients of all scans
    if name == "TIFF":
        return 2 * stored  # it is turned upright in a copy
    return stored


def _decode_heic(path: Path) -> Decoded:
    import pi_heif

    content = path.read_bytes()
    facts = _heif_facts("HEIC", content)
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    opened = pi_heif.HeifFile(content, remove_stride=False)
    picture = opened[opened.primary_index]
    width, height = picture.size
    check_size("HEIC", picture.size, 2 * facts.plane_bytes + 4)
    picture.load()
    if picture.size != (width, height):
        raise damaged(
            "HEIC", f"its header says {width} x {height} pixels, its picture has {picture.size[0]} x {picture.size[1]}"
        )
    mode, stride, pixel = picture.mode, picture.stride, len(picture.mode)

    def crop(box: Box) -> Image.Image:
        left, top, right, bottom = box
        data: Any = picture.data  # memory of `picture`, which must outlive it
        if mode in ("L", "RGBA"):  # not copied
            rows = Image.frombuffer(
                mode, (width, bottom - top), data[top * stride : bottom * stride], "raw", mode, stride, 1
            )
            return rows.crop((left, 0, right, bottom - top))
        return Image.frombytes(
            mode, (right - left, bottom - top), data[top * stride + left * pixel :], "raw", mode, stride, 1
        )

    return Decoded(
        "HEIC",
        (width, height),
        mode,
        crop,
        deep=picture.info.get("bit_depth", 8) > 8,
        profile=profile_of("HEIC", path, picture.info, facts),
    )
