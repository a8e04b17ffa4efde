"""Read an image's format, displayed size and completeness from its bytes.

The object's key and content type are not used, and nothing is decoded. Source of the formats and of the 10 MB: the
provider's document. The rules of each format are in its own module.
"""

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images.file_kinds import SIGNATURES, name_kind
from dropreel.media.images.jpeg import parse_jpeg
from dropreel.media.images.parsed_image import ParsedImage, UnreadableImage
from dropreel.media.images.png import parse_png
from dropreel.media.images.webp import parse_webp
from dropreel.provider.limits import MAX_IMAGE_BYTES

MAX_PIXELS = 100_000_000
"""The most pixels (width times height): a limit of ours against small files that decode to huge images."""
EMPTY = Reason(ReasonCode.IMAGE_EMPTY, "The image is empty (0 bytes).")


def too_large(size: int) -> Reason:
    """Return the reason for refusing an image of so many bytes, which need not be read for it."""
    return Reason(
        ReasonCode.IMAGE_TOO_LARGE, f"The image has {size:,} bytes; the provider takes at most {MAX_IMAGE_BYTES:,}."
    )


def inspect_image(content: bytes) -> ImageFacts | Reason:
    """Return the facts of a complete image file, or the reason why it cannot be used. It never raises, for any bytes."""
    if not content:
        return EMPTY
    if len(content) > MAX_IMAGE_BYTES:
        return too_large(len(content))
    try:
        name, image = parse_image(content)
    except UnreadableImage as unreadable:
        return unreadable.reason
    return too_many_pixels(image, MAX_PIXELS, "taken") or image_facts(name, image, len(content))


def too_many_pixels(image: ParsedImage, limit: int, use: str) -> Reason | None:
    """Return the reason for refusing an image of more pixels than this; `use`: what at most so many are."""
    if image.width * image.height <= limit:
        return None
    width, height = _displayed(image)
    return Reason(
        ReasonCode.IMAGE_TOO_MANY_PIXELS,
        f"The image has {width} x {height} pixels; at most {limit:,} in all are {use}.",
    )


def image_facts(name: str, image: ParsedImage, size: int) -> ImageFacts:
    """Return the facts of a parsed image of this format and of so many bytes."""
    return ImageFacts(name, *_displayed(image), size, image.orientation, image.animated)


def _displayed(image: ParsedImage) -> tuple[int, int]:
    return (image.height, image.width) if image.orientation >= 5 else (image.width, image.height)


def parse_image(content: bytes) -> tuple[str, ParsedImage]:
    """Return the format (JPEG, PNG or WebP) and what its parser has read. Raises UnreadableImage."""
    if content.startswith(b"\xff\xd8\xff"):
        name, image = "JPEG", parse_jpeg(content)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        name, image = "PNG", parse_png(content)
    elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        name, image = "WebP", parse_webp(content)
    else:
        kind = name_kind(content[:64])
        raise UnreadableImage(ReasonCode.IMAGE_FORMAT, f"The file is {kind}, not a JPG, PNG or WebP image.")
    if name != "JPEG":  # phones append a second image or a video to a JPEG
        _refuse_polyglot(content, image.end, name)
    return name, image


def _refuse_polyglot(content: bytes, end: int, name: str) -> None:
    """Raise UnreadableImage where a file of another kind follows the image, which ends at this byte.

    Zeros and line ends between the two are skipped. Other bytes after the image are allowed, as in every decoder.
    """
    tail = content[end : end + 64].lstrip(b"\x00\r\n\t ").lower()
    for signature, kind in SIGNATURES:
        if len(signature) > 2 and tail.startswith(signature.lower()):  # two bytes occur by chance
            raise _polyglot(name, kind)
    # A ZIP archive is found from its end record, wherever it starts.
    if content.rfind(b"PK\x05\x06", max(end, len(content) - 512)) >= 0:
        raise _polyglot(name, "a ZIP archive")


def _polyglot(name: str, kind: str) -> UnreadableImage:
    return UnreadableImage(ReasonCode.IMAGE_POLYGLOT, f"The {name} has {kind} behind its end; send the image alone.")
