"""Image files as `classify_image` decides on them."""

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.images import PrepareReason
from dropreel.domain.reasons import Reason
from dropreel.media.images.preparation import HEAD_BYTES, classify_image
from dropreel.provider.limits import MAX_IMAGE_BYTES


def classified(content: bytes) -> ImageFacts | tuple[PrepareReason, ...] | Reason:
    """The decision on a file as it is read: whole, or its first bytes where it is large."""
    whole = content if len(content) <= MAX_IMAGE_BYTES else None
    return classify_image(whole, content[:HEAD_BYTES], len(content))


def prepared_for(content: bytes) -> list[str]:
    """Why the image must be prepared; empty where it is submitted as it is."""
    found = classified(content)
    assert not isinstance(found, Reason), found
    return [*(found.prepare_for if isinstance(found, ImageFacts) else found)]


def refusal_of(content: bytes) -> Reason:
    reason = classified(content)
    assert isinstance(reason, Reason), reason
    return reason
