"""Read an image's format, displayed size and completeness from its bytes.

The object's key and content type are not used, and nothing is decoded. Source of the formats and of the 10 MB: the
provider's document. The rules of each format are in its own module.
"""

from dropreel.domain.images import ImageFacts
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images.jpeg import parse_jpeg
from dropreel.media.images.parsed_image import UnreadableImage
from dropreel.media.images.png import parse_png
from dropreel.media.images.webp import parse_webp
from dropreel.provider.limits import MAX_IMAGE_BYTES

MAX_PIXELS = 100_000_000
"""The most pixels (width times height): a limit of ours against small files that decode to huge images."""


def too_large(size: int) -> Reason:
    """Return the reason for refusing an image of so many bytes, which need not be read for it."""
    return Reason(
        ReasonCode.IMAGE_TOO_LARGE, f"The image has {size:,} bytes; the provider takes at most {MAX_IMAGE_BYTES:,}."
    )


def inspect_image(content: bytes) -> ImageFacts | Reason:
    """Return the facts of a complete image file, or the reason why it cannot be used. It never raises, for any bytes."""
    if not content:
        return Reason(ReasonCode.IMAGE_EMPTY, "The image is empty (0 bytes).")
    if len(content) > MAX_IMAGE_BYTES:
        return too_large(len(content))
    try:
        facts = _read(content)
    except UnreadableImage as unreadable:
        return unreadable.reason
    if facts.width * facts.height > MAX_PIXELS:
        return Reason(
            ReasonCode.IMAGE_TOO_MANY_PIXELS,
            f"The image has {facts.width} x {facts.height} pixels; at most {MAX_PIXELS:,} in all are taken.",
        )
    return facts


def _read(content: bytes) -> ImageFacts:
    if content.startswith(b"\xff\xd8\xff"):
        name, image = "JPEG", parse_jpeg(content)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        name, image = "PNG", parse_png(content)
    elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        name, image = "WebP", parse_webp(content)
    else:
        kind = _kind_of_file(content[:64])
        raise UnreadableImage(ReasonCode.IMAGE_FORMAT, f"The file is {kind}, not a JPG, PNG or WebP image.")
    if name != "JPEG":  # phones append a second image or a video to a JPEG
        _refuse_polyglot(content, image.end, name)
    width, height = (image.height, image.width) if image.orientation >= 5 else (image.width, image.height)
    return ImageFacts(name, width, height, len(content), image.orientation, image.animated)


_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"<svg", "an SVG drawing"),
    (b"<html", "an HTML page"),
    (b"<!doctype", "an HTML page"),
    (b"<script", "an HTML page"),
    (b"<?php", "a PHP program"),
    (b"<?xml", "an XML document"),
)


def _kind_of_file(head: bytes) -> str:
    """Name the kind of a file that is no image, from its first bytes."""
    if head[4:8] == b"ftyp":
        return "a HEIC, AVIF or MP4 file"
    start = head.lstrip().lower()
    for signature, name in _SIGNATURES:
        if start.startswith(signature.lower()):
            return name
    if head and all(byte in b"\t\n\r" or byte >= 0x20 for byte in head):
        return "text"
    return "of an unknown kind"


def _refuse_polyglot(content: bytes, end: int, name: str) -> None:
    """Raise UnreadableImage where a file of another kind follows the image, which ends at this byte.

    Zeros and line ends between the two are skipped. Other bytes after the image are allowed, as in every decoder.
    """
    tail = content[end : end + 64].lstrip(b"\x00\r\n\t ").lower()
    for signature, kind in _SIGNATURES:
        if len(signature) > 2 and tail.startswith(signature.lower()):  # two bytes occur by chance
            raise _polyglot(name, kind)
    # A ZIP archive is found from its end record, wherever it starts.
    if content.rfind(b"PK\x05\x06", max(end, len(content) - 512)) >= 0:
        raise _polyglot(name, "a ZIP archive")


def _polyglot(name: str, kind: str) -> UnreadableImage:
    return UnreadableImage(ReasonCode.IMAGE_POLYGLOT, f"The {name} has {kind} behind its end; send the image alone.")
