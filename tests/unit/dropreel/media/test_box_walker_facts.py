import time
import tracemalloc
from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.errors import VideoFault
from dropreel.media.mp4 import MAX_MOOV_BYTES, BoxWalker, VideoFacts
from tests.support.mp4_boxes import FTYP, MDAT, MOOV
from tests.support.tiny_video import boundaries, box, long_box, open_box, tiny_video
from tests.support.walked_videos import split_at, split_every, walked_facts

UNKNOWN = VideoFacts()
TINY = VideoFacts(1.0, 32, 32)
TINY_MOOV = tiny_video()[boundaries(tiny_video())[-2] + 8 :]
ONE_MEGABYTE = bytes(1024 * 1024)


def moov_of_length(length: int) -> bytes:
    """A moov payload of this length with the facts of the tiny video."""
    return TINY_MOOV + box(b"free", bytes(length - len(TINY_MOOV) - 8))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 15, 16, 17, 1000, 100_000])
def test_the_facts_are_the_same_in_pieces_of_any_size(size):
    assert walked_facts(*split_every(tiny_video(), size)) == TINY


@pytest.mark.parametrize(
    "content",
    [
        FTYP + MDAT + box(b"moov", TINY_MOOV),
        FTYP + box(b"moov", TINY_MOOV) + MDAT,
        FTYP + long_box(b"moov", TINY_MOOV) + MDAT,
        FTYP + MDAT + open_box(b"moov", TINY_MOOV),
        FTYP + box(b"moov", TINY_MOOV) + open_box(b"mdat", bytes(99)),
        FTYP + MDAT + box(b"moov", TINY_MOOV) + box(b"free"),
    ],
    ids=["last", "first", "64-bit", "open", "before an open box", "before an empty box"],
)
@pytest.mark.parametrize("size", [1, 5, 16, 64, 10_000])
def test_the_facts_are_read_from_a_moov_at_any_place_and_in_any_form(content, size):
    assert walked_facts(*split_every(content, size), measured=True) == TINY


@pytest.mark.parametrize(
    "behind",
    [box(b"free"), long_box(b"mdat", bytes(9)), box(b"mvex"), open_box(b"mvex")],
    ids=["an empty box", "a 64-bit box", "a box that belongs in the moov", "an open box that belongs in the moov"],
)
def test_the_facts_are_the_same_wherever_a_video_is_split(behind):
    content = FTYP + MDAT + box(b"moov", TINY_MOOV) + behind

    assert {walked_facts(content[:place], content[place:]) for place in range(len(content) + 1)} == {TINY}


def test_there_are_no_facts_before_the_end():
    walker = BoxWalker()
    walker.feed(tiny_video())
    before = walker.facts

    walker.finish()

    assert (before, walker.facts) == (UNKNOWN, TINY)


def test_a_cut_video_has_no_facts():
    walker = BoxWalker()
    walker.feed(FTYP + box(b"moov", TINY_MOOV) + MDAT[:-1])

    with pytest.raises(VideoFault):
        walker.finish()

    assert walker.facts == UNKNOWN


def test_a_video_that_is_finished_twice_keeps_its_facts():
    walker = BoxWalker()
    walker.feed(tiny_video())
    walker.finish()

    walker.finish()

    assert walker.facts == TINY


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.lists(st.integers(0, 600), max_size=10))
def test_bytes_behind_the_last_box_do_not_change_the_facts(behind, places):
    content = FTYP + box(b"moov", TINY_MOOV) + MDAT + behind
    pieces = split_at(content, [min(place, len(content)) for place in places])

    assert walked_facts(*pieces, measured=True) == TINY


@pytest.mark.parametrize(
    ("moovs", "expected"),
    [
        (box(b"moov", TINY_MOOV) + MOOV, TINY),
        (box(b"moov", TINY_MOOV) + open_box(b"moov", bytes(50)), TINY),
        (MOOV + box(b"moov", TINY_MOOV), UNKNOWN),
        (box(b"moov", moov_of_length(MAX_MOOV_BYTES + 1)) + box(b"moov", TINY_MOOV), UNKNOWN),
    ],
    ids=["first has facts", "first has facts, last open", "second has facts", "first too large"],
)
@pytest.mark.parametrize("size", [50, 70, 10_000_000])
def test_of_several_moov_boxes_the_first_counts(moovs, expected, size):
    assert walked_facts(*split_every(FTYP + MDAT + moovs, size), measured=True) == expected


@pytest.mark.parametrize("size", [64, 250_000, 10_000_000])
@pytest.mark.parametrize("write", [box, long_box, open_box])
def test_a_moov_of_the_allowed_size_is_read_and_no_larger_one(write, size):
    allowed, larger = (FTYP + MDAT + write(b"moov", moov_of_length(MAX_MOOV_BYTES + more)) for more in (0, 1))

    assert walked_facts(*split_every(allowed, size), measured=True) == TINY
    assert walked_facts(*split_every(larger, size), measured=True) == UNKNOWN


def test_a_moov_in_countless_pieces_takes_little_time():
    pieces = split_every(FTYP + MDAT + box(b"moov", moov_of_length(MAX_MOOV_BYTES)), 40)
    begun = time.process_time()

    walked_facts(*pieces)

    assert time.process_time() - begun < 5  # 0.2 s; copying the kept bytes for each piece would take over a minute


@pytest.mark.parametrize(
    ("head", "allowed"),
    [
        (FTYP + MOOV + long_box(b"mdat", b"")[:8] + (64 * len(ONE_MEGABYTE) + 16).to_bytes(8, "big"), 100_000),
        (FTYP + MDAT + (64 * len(ONE_MEGABYTE) + 8).to_bytes(4, "big") + b"moov", 100_000),
        (FTYP + MOOV + MDAT + bytes(8), 100_000),
        (FTYP + MDAT + open_box(b"moov"), 2.5 * MAX_MOOV_BYTES),  # a bytearray may be copied while it grows
    ],
    ids=["a large mdat", "a large moov", "junk", "a large open moov"],
)
def test_memory_is_bounded_by_the_allowed_moov(head, allowed):
    walker = BoxWalker(measured=True)
    tracemalloc.start()
    try:
        for piece in (head, *repeat(ONE_MEGABYTE, 64)):
            walker.feed(piece)
        walker.finish()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < allowed


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([tiny_video(), FTYP + box(b"moov", TINY_MOOV) + MDAT]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    st.lists(st.integers(0, 10_000), max_size=20),
)
def test_a_damaged_video_has_the_same_outcome_in_any_pieces(content, damage, places):
    changed_bytes = bytearray(content)
    for place, value in damage:
        changed_bytes[place % len(changed_bytes)] = value

    def outcome(pieces: list[bytes]) -> VideoFacts | str:
        try:
            return walked_facts(*pieces)
        except VideoFault as fault:
            return "fault" if fault.args else "no message"

    pieces = split_at(bytes(changed_bytes), [min(place, len(changed_bytes)) for place in places])

    assert outcome(pieces) == outcome([bytes(changed_bytes)]) != "no message"
