"""Reading a video's stream."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.errors import VideoFault
from dropreel.media.video_stream import VideoStream
from tests.support.tiny_video import tiny_video


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(tiny_video())), max_size=20), st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_only_the_end_makes_a_read_short(places, lengths):
    places = [0, *sorted(set(places) - {0, len(tiny_video())}), len(tiny_video())]
    pieces = [tiny_video()[start:end] for start, end in pairwise(places)]
    stream = VideoStream(iter(pieces), max_bytes=10_000_000)

    found, turn = b"", 0
    while True:
        asked = lengths[turn % len(lengths)]
        piece = stream.read(asked)
        found, turn = found + piece, turn + 1
        if len(piece) < asked:
            break

    assert found == tiny_video()
    assert stream.read(1) == b""


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_read1_returns_the_next_bytes_at_once(sizes, lengths):
    pieces: list[bytes] = []
    rest = tiny_video()
    for size in (*sizes, len(rest)):
        pieces, rest = [*pieces, rest[:size]], rest[size:]
    given_out = 0

    def coming():
        nonlocal given_out
        for piece in filter(None, pieces):
            given_out += len(piece)
            yield piece

    stream = VideoStream(coming(), max_bytes=10_000_000)

    found, turn = b"", 0
    while piece := stream.read1(lengths[turn % len(lengths)]):
        assert len(piece) <= lengths[turn % len(lengths)]
        found, turn = found + piece, turn + 1
        assert given_out - len(found) < max(map(len, pieces)), "more was taken than could be given"

    assert found == tiny_video()


@pytest.mark.parametrize("length", [len(tiny_video()) - 1, len(tiny_video()) + 1, 10_000_000])
def test_a_stream_of_another_length_is_no_video(length):
    stream = VideoStream(iter([tiny_video()]), 10_000_000, length)

    with pytest.raises(VideoFault, match=f"ended after {len(tiny_video()):,} of {length:,} bytes"):
        stream.read()


@pytest.mark.parametrize("end", [1, 50, len(tiny_video()) - 1])
def test_the_last_read_of_a_cut_video_raises_and_is_not_short(end):
    stream = VideoStream(iter([tiny_video()[:end]]), max_bytes=10_000_000)

    with pytest.raises(VideoFault):
        stream.read(end + 1)
