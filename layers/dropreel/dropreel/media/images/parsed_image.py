"""What the parser of an image format returns, and the exception that it raises."""

from typing import NamedTuple

from dropreel.domain.reasons import Reason, ReasonCode


class ParsedImage(NamedTuple):
    """Width and height in pixels as stored, Exif orientation (1 to 8), and the offset of the first byte after the image.

    `is_srgb` is False where a profile or another mark says that the colors are not sRGB's; `bit_depth` is of each sample.
    """

    width: int
    height: int
    end: int
    orientation: int = 1
    animated: bool = False
    is_cmyk: bool = False
    bit_depth: int = 8
    is_srgb: bool = True


class UnreadableImage(Exception):
    """The image cannot be used. `inspect_image` returns its `reason`."""

    def __init__(self, code: ReasonCode, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code, message)


def damaged(format_name: str, problem: str) -> UnreadableImage:
    """Return the exception for bytes that the format does not allow."""
    return UnreadableImage(ReasonCode.IMAGE_DAMAGED, f"The {format_name} is damaged: {problem}.")


def truncated(format_name: str, problem: str) -> UnreadableImage:
    """Return the exception for a file that ends before the image does."""
    return UnreadableImage(ReasonCode.IMAGE_TRUNCATED, f"The {format_name} is cut short: {problem}.")
