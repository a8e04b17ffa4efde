"""Decide from an image's first bytes, or from all of them, whether it must be prepared before the provider gets it."""

from dataclasses import replace

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.images import PrepareReason
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images.file_kinds import name_format, refuse_format
from dropreel.media.images.parsed_image import ParsedImage, UnreadableImage
from dropreel.media.images.reader import EMPTY, MAX_PIXELS, image_facts, parse_image, too_many_pixels
from dropreel.provider.limits import CONTENT_TYPES, MAX_IMAGE_BYTES

MAX_ORIGINAL_BYTES = 1_000_000_000
"""The largest file that is prepared: a limit of ours, which the function's temporary storage holds."""
MAX_ORIGINAL_PIXELS = 210_000_000
"""The most pixels that are prepared: a 200-megapixel camera's pictures, which the function's memory holds."""
HEAD_BYTES = 4096
"""How many of a large file's first bytes are needed to name its format."""


def classify_image(content: bytes | None, head: bytes, size: int) -> ImageFacts | tuple[PrepareReason, ...] | Reason:
    """Return the facts of an image, why it must be prepared where they are not known, or why it cannot be used.

    Facts with `prepare_for` are of an image that must be prepared, too. `content` is None for an image of more than
    `MAX_IMAGE_BYTES`, of which only `head` was read. It never raises.
    """
    if not size:
        return EMPTY
    if size > MAX_ORIGINAL_BYTES:
        return original_too_large(size)
    name = name_format(head)
    if name is None:
        return refuse_format(head)
    reasons = () if name in CONTENT_TYPES else (PrepareReason.FORMAT,)
    if content is None or size > MAX_IMAGE_BYTES:
        return (*reasons, PrepareReason.SIZE)
    return reasons or _classify_parsed(content)


def original_too_large(size: int) -> Reason:
    """Return the reason for refusing an image of so many bytes, which not even Prepare Image takes."""
    return Reason(
        ReasonCode.IMAGE_TOO_LARGE,
        f"The image has {size:,} bytes. The provider takes at most {MAX_IMAGE_BYTES:,}; a larger image is prepared for it "
        f"if it has at most {MAX_ORIGINAL_BYTES:,}.",
    )


def _classify_parsed(content: bytes) -> ImageFacts | Reason:
    try:
        name, image = parse_image(content)
    except UnreadableImage as unreadable:
        return unreadable.reason
    refused = too_many_pixels(image, MAX_ORIGINAL_PIXELS, "prepared")
    return refused or replace(image_facts(name, image, len(content)), prepare_for=_reasons(image))


def _reasons(image: ParsedImage) -> tuple[PrepareReason, ...]:
    found = {
        PrepareReason.ANIMATED: image.animated,
        PrepareReason.PIXELS: image.width * image.height > MAX_PIXELS,
        PrepareReason.ORIENTATION: image.orientation != 1,
        PrepareReason.CMYK: image.is_cmyk,
        PrepareReason.BIT_DEPTH: image.bit_depth > 8,
        PrepareReason.COLOR_PROFILE: not image.is_srgb,
    }
    return tuple(reason for reason in PrepareReason if found.get(reason))
