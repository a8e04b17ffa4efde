"""What the bytes of an image say about it."""

from dataclasses import dataclass

from dropreel.domain.images import PrepareReason


@dataclass(frozen=True)
class ImageFacts:
    """`format` is JPEG, PNG or WebP; `width` and `height` are in pixels as displayed; `size` is in bytes.

    Exif orientations 5 to 8 swap the stored width and height. `prepare_for`: why the provider might show it wrongly.
    """

    format: str
    width: int
    height: int
    size: int
    orientation: int = 1
    animated: bool = False
    prepare_for: tuple[PrepareReason, ...] = ()
