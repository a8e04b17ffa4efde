"""Image files as `inspect_image` reads them, compared with Pillow."""

from dropreel.domain.image_facts import ImageFacts
from dropreel.domain.reasons import Reason
from dropreel.media.images.reader import inspect_image
from tests.support.pictures import displayed_size


def facts_of(content: bytes) -> ImageFacts:
    facts = inspect_image(content)
    assert isinstance(facts, ImageFacts), facts
    return facts


def reason_for(content: bytes) -> Reason:
    reason = inspect_image(content)
    assert isinstance(reason, Reason), reason
    return reason


def assert_as_pillow_shows_it(content: bytes, kind: str) -> None:
    facts = facts_of(content)
    assert (facts.format, facts.size) == (kind, len(content))
    assert (facts.width, facts.height) == displayed_size(content)
