"""Read videos with a `BoxWalker`, whole or in pieces."""

from collections.abc import Iterable
from itertools import pairwise

import pytest

from dropreel.domain.errors import VideoFault
from dropreel.media.mp4 import BoxWalker, VideoFacts


def walk(*pieces: bytes, measured: bool = False) -> tuple[str, ...]:
    """Return the warnings about a video that arrives in these pieces."""
    return _walked(pieces, measured).warnings


def fault_of(*pieces: bytes, measured: bool = False) -> str:
    with pytest.raises(VideoFault) as caught:
        walk(*pieces, measured=measured)
    return str(caught.value)


def walked_facts(*pieces: bytes, measured: bool = False) -> VideoFacts:
    """Return the facts of a video that arrives in these pieces."""
    return _walked(pieces, measured).facts


def _walked(pieces: Iterable[bytes], measured: bool) -> BoxWalker:
    walker = BoxWalker(measured)
    for piece in pieces:
        walker.feed(piece)
    walker.finish()
    return walker


def split_at(content: bytes, places: list[int]) -> list[bytes]:
    places = [0, *sorted(places), len(content)]
    return [content[start:end] for start, end in pairwise(places)]


def split_every(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]
