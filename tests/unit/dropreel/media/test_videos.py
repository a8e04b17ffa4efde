import time
import tracemalloc
from collections.abc import Iterable
from itertools import pairwise, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA, VideoFault
from dropreel.domain.job import Image
from dropreel.media.mp4 import VideoFacts
from dropreel.media.videos import MAX_KEY_BYTES, MAX_MOOV_BYTES, BoxWalker, video_key
from tests.support.sample_jobs import job_with
from tests.support.tiny_video import boundaries, box, long_box, open_box, tiny_video

FTYP = box(b"ftyp", b"isom\0\0\2\0")
PICTURE = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide" + bytes(13))))
SOUND = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"soun" + bytes(13))))
MOOV = box(b"moov", PICTURE)
MDAT = box(b"mdat", bytes(range(100)))


def walk(*pieces: bytes, measured: bool = False) -> tuple[str, ...]:
    walker = BoxWalker(measured)
    for piece in pieces:
        walker.feed(piece)
    walker.finish()
    return walker.warnings


def fault_of(*pieces: bytes, measured: bool = False) -> str:
    with pytest.raises(VideoFault) as caught:
        walk(*pieces, measured=measured)
    return str(caught.value)


def cut_at(content: bytes, places: list[int]) -> list[bytes]:
    places = [0, *sorted(places), len(content)]
    return [content[start:end] for start, end in pairwise(places)]


# --- a whole video ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measured", [True, False])
def test_a_real_video_is_whole_and_nothing_is_odd(measured):
    assert walk(tiny_video(), measured=measured) == ()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, len(tiny_video())), max_size=30))
def test_how_a_video_arrives_makes_no_difference(places):
    walk(*cut_at(tiny_video(), places))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 15, 16, 17, 1000])
def test_a_video_may_come_in_pieces_of_any_size(size):
    content = tiny_video()

    walk(*(content[at : at + size] for at in range(0, len(content), size)))


WHOLE = {
    "moov last": FTYP + MDAT + MOOV,
    "moov first": FTYP + MOOV + MDAT,
    "in fragments": FTYP + MOOV + (box(b"moof", bytes(20)) + MDAT) * 5,
    "boxes of nothing but a header": FTYP + box(b"free") + box(b"free") + MOOV + MDAT + box(b"free"),
    "64-bit sizes": long_box(b"ftyp", b"isom") + long_box(b"mdat", bytes(300)) + long_box(b"moov", PICTURE),
    "a 64-bit box of nothing": FTYP + long_box(b"free") + MOOV + MDAT,
    "a box that only its maker knows": FTYP + MOOV + MDAT + box(b"SDLN", bytes(7)),
    "media in an identified box": FTYP + MOOV + box(b"imda", bytes(50)),
    "one byte of media": FTYP + MOOV + box(b"mdat") + box(b"mdat", b"1"),
    "a second video behind the first": FTYP + MOOV + MDAT + FTYP + MOOV + MDAT,
}


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("name", WHOLE)
def test_every_way_to_write_boxes_is_understood(name, measured):
    assert walk(WHOLE[name], measured=measured) == ()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(WHOLE.values())), st.lists(st.integers(0, 400), max_size=40))
def test_every_way_to_write_boxes_is_understood_in_pieces(content, places):
    walk(*cut_at(content, [min(place, len(content)) for place in places]))


# --- not a whole video -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("pieces", [(), (b"",), (b"", b"")])
def test_nothing_is_no_video(pieces, measured):
    assert "empty" in fault_of(*pieces, measured=measured)


NO_VIDEO = [
    b"<!DOCTYPE html><html><body>expired</body></html>",
    b'{"error": "expired"}',
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>',
    b"Not found, sorry.",
    b"\0" * 100,
    b"RIFF" * 9,
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1",
    b"\x1f\x8b\x08\0\0\0\0\0\0\3",
    b"ID3\4\0\0\0\0\0\0",
    b"\n" + FTYP,
]


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("content", NO_VIDEO)
def test_what_does_not_start_as_an_mp4_is_refused_at_its_first_bytes(content, measured):
    walker = BoxWalker(measured)

    with pytest.raises(VideoFault, match="not an MP4"):
        walker.feed(content[:16])


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("content", [b"<", b"gone", b"\0\0\0\x20fty"])
def test_less_than_a_box_is_cut_short(content, measured):
    assert "cut short" in fault_of(content, measured=measured)


@pytest.mark.parametrize("measured", [True, False])
def test_a_picture_in_the_same_boxes_is_no_video(measured):
    assert "no moov" in fault_of(box(b"ftyp", b"heic") + box(b"meta", bytes(90)) + MDAT, measured=measured)


def test_a_video_cut_inside_its_boxes_is_refused_wherever_it_is_cut():
    content = tiny_video()
    inside = set(range(1, len(content))) - set(boundaries(content))

    accepted = []
    for end in sorted(inside):
        walker = BoxWalker()
        walker.feed(content[:end])
        try:
            walker.finish()
        except VideoFault:
            continue
        accepted.append(end)

    assert accepted == []


def test_a_video_cut_between_boxes_before_its_moov_is_refused():
    content = FTYP + box(b"free") + MDAT + MOOV

    faults = [fault_of(content[:end]) for end in boundaries(content)[:-1]]

    assert all("no moov" in fault for fault in faults)


def test_a_real_video_without_its_last_box_is_refused():
    content = tiny_video()

    assert "no moov" in fault_of(content[: boundaries(content)[-2]])


@pytest.mark.parametrize(
    "behind", [b"\0", b"\n", bytes(8), bytes(5000), b"\0\0\0\x10junk", b"<html></html>", b"<!-- edge -->"]
)
def test_bytes_that_are_no_whole_box_behind_the_last_are_refused(behind):
    assert "damaged" in fault_of(FTYP + MOOV + MDAT + behind)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("size", [2, 7])
def test_a_box_smaller_than_its_header_is_damage(size, measured):
    assert "damaged" in fault_of(FTYP + MDAT + size.to_bytes(4, "big") + b"free" + MOOV, measured=measured)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("size", [0, 1, 15])
def test_a_64_bit_box_smaller_than_its_header_is_damage(size, measured):
    damaged = b"\0\0\0\x01free" + size.to_bytes(8, "big")

    assert "damaged" in fault_of(FTYP + MDAT + damaged + MOOV, measured=measured)


def test_a_64_bit_size_beyond_the_end_is_cut_short():
    assert "cut short" in fault_of(FTYP + MOOV + b"\0\0\0\x01mdat" + (2**63).to_bytes(8, "big") + bytes(100))


@pytest.mark.parametrize("measured", [True, False])
def test_an_open_box_hides_no_missing_moov(measured):
    assert "no moov" in fault_of(FTYP + open_box(b"mdat", MOOV), measured=measured)


def test_a_movie_without_ftyp_is_refused_where_its_length_was_not_known():
    assert "not an MP4" in fault_of(MOOV + MDAT)


# --- nothing to play -------------------------------------------------------------------------------------------------

NOTHING_TO_PLAY = {
    "moov alone": FTYP + MOOV,
    "an empty mdat": FTYP + MOOV + box(b"mdat"),
    "an empty mdat of 64 bits": FTYP + MOOV + long_box(b"mdat"),
    "a fragment without media": FTYP + MOOV + box(b"moof", bytes(20)),
    "free space": FTYP + MOOV + box(b"free", bytes(2000)),
    "sound alone": FTYP + box(b"moov", SOUND) + MDAT,
    "a moov of nothing": FTYP + box(b"moov") + MDAT,
    "the moov of a sound, then one of a picture": FTYP + box(b"moov", SOUND) + MOOV + MDAT,
}


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("name", NOTHING_TO_PLAY)
def test_a_video_with_nothing_to_play_is_a_fault_with_a_code_of_its_own(name, measured):
    assert fault_of(NOTHING_TO_PLAY[name], measured=measured).startswith(f"{VIDEO_WITHOUT_MEDIA}: the video has ")


@pytest.mark.parametrize("behind", [b"\0", bytes(5000), b"<!-- served by edge 7 -->"])
def test_bytes_behind_a_moov_are_no_media(behind):
    assert fault_of(FTYP + MOOV + behind, measured=True).startswith(VIDEO_WITHOUT_MEDIA)


def test_a_moov_too_large_to_be_read_may_have_a_video_track():
    assert walk(FTYP + MDAT + box(b"moov", SOUND + box(b"free", bytes(MAX_MOOV_BYTES)))) == ()


# --- a whole video with something odd about it: its length was known, so nothing was cut ------------------------------

BEHIND = {
    "a NUL": b"\0",
    "seven NULs": bytes(7),
    "eight NULs": bytes(8),
    "pages of NULs": bytes(100_000),
    "a newline": b"\n",
    "two newlines": b"\r\n\r\n",
    "a comment": b"<!-- served by edge 7 -->",
    "a page": b"<html><body>" + b"sorry " * 500,
    "junk as long as it says": b"\0junk" * 1_500_000,
    "a size": b"\0\0\0\1",
    "a box of 7 bytes": b"\0\0\0\7free",
    "a long box without its size": b"\0\0\0\1mdat\0\0",
    "a long box of 15 bytes": b"\0\0\0\1free" + bytes(7) + b"\x0f",
    "an unknown box that does not fit": b"\0\0\1\0abcd" + bytes(20),
}
COMPLETE = {
    "moov first": FTYP + MOOV + MDAT,
    "moov last": FTYP + MDAT + MOOV,
    "in fragments": FTYP + MOOV + (box(b"moof", bytes(20)) + MDAT) * 2,
}


@pytest.mark.parametrize("size", [1, 7, 64, 10_000_000])
@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("behind", BEHIND)
def test_bytes_behind_the_last_box_are_a_warning(name, behind, size):
    junk = BEHIND[behind]
    if size < 64 and len(junk) > 10_000:
        junk = junk[:9_999]
    count = "1 byte" if len(junk) == 1 else f"{len(junk):,} bytes"
    start = len(COMPLETE[name])

    warnings = walk(*in_pieces(COMPLETE[name] + junk, size), measured=True)

    assert warnings == (f"The video has {count} behind its last box, from byte {start:,} on, of no use to a player.",)


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.lists(st.integers(0, 600), max_size=10))
def test_any_bytes_behind_a_whole_video_leave_it_one(behind, places):
    content = FTYP + box(b"moov", TINY_MOOV) + MDAT + behind
    pieces = cut_at(content, [min(place, len(content)) for place in places])

    assert facts_in(pieces, measured=True) == TINY


@pytest.mark.parametrize("size", [1, 7, 10_000_000])
@pytest.mark.parametrize(
    ("header", "said"),
    [
        ((109).to_bytes(4, "big") + b"mdat", "109"),
        (b"\xff\xff\xff\xffmdat", "4,294,967,295"),
        (b"\0\0\0\1mdat" + (2**63).to_bytes(8, "big"), "9,223,372,036,854,775,808"),
    ],
)
def test_a_last_mdat_that_claims_more_than_there_is_is_a_warning(header, said, size):
    content = FTYP + MOOV + header + bytes(100)

    warnings = walk(*in_pieces(content, size), measured=True)

    name = f"mdat, at byte {len(FTYP + MOOV)}"
    there = len(header) + 100
    assert warnings == (
        f"The video's last box ({name}) says that it has {said} bytes; the file ends after {there} of them.",
    )


@pytest.mark.parametrize("kind", [b"moof", b"mfra", b"free", b"moov"])
def test_so_is_any_last_box_that_a_player_can_do_without(kind):
    (warning,) = walk(FTYP + MOOV + MDAT + (500).to_bytes(4, "big") + kind + bytes(20), measured=True)

    assert warning.startswith(f"The video's last box ({kind.decode()}, at byte ")


def test_a_box_that_claims_more_than_there_is_and_swallows_the_moov_is_a_fault():
    long_mdat = (len(MDAT) + len(MOOV) + 1).to_bytes(4, "big") + MDAT[4:]

    assert fault_of(FTYP + long_mdat + MOOV, measured=True)


@pytest.mark.parametrize("end", range(1, len(MOOV), 7))
def test_a_moov_that_is_not_all_there_is_a_fault(end):
    assert "cut short" in fault_of(FTYP + MDAT + MOOV[:-end], measured=True)


@pytest.mark.parametrize("kind", [b"wide", b"free", b"skip", b"junk", b"pnot", b"udta", b"uuid"])
@pytest.mark.parametrize("size", [1, 7, 10_000_000])
def test_a_quicktime_movie_without_ftyp_is_a_warning(kind, size):
    told = f"The video starts with a {kind.decode()} box where an MP4 has ftyp; players take it as a QuickTime movie."

    assert walk(*in_pieces(box(kind) + MDAT + MOOV, size), measured=True) == (told,)


@pytest.mark.parametrize("content", [MOOV + MDAT, MDAT + MOOV, open_box(b"mdat") + MOOV])
def test_a_quicktime_movie_may_start_with_moov_or_mdat(content):
    if content.startswith(bytes(4)):
        assert "no moov" in fault_of(content, measured=True)
    else:
        assert "starts with a m" in walk(content, measured=True)[0]


@pytest.mark.parametrize("start", [b"moof", b"meta", b"abcd", b"ftyq", b"FTYP", b"\0\0\0\0"])
def test_no_other_box_starts_a_movie(start):
    assert "not an MP4" in fault_of(box(start) + MOOV + MDAT, measured=True)


def test_all_that_is_odd_is_told():
    warnings = walk(box(b"wide") + MDAT + MOOV + b"\n", measured=True)

    assert len(warnings) == 2


def test_there_are_no_warnings_before_the_end_and_none_about_a_fault():
    walker = BoxWalker(measured=True)
    walker.feed(box(b"wide") + MOOV + b"\n")

    with pytest.raises(VideoFault):
        walker.finish()

    assert walker.warnings == ()


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*WHOLE.values(), *COMPLETE.values(), *NOTHING_TO_PLAY.values()]),
    st.binary(max_size=40),
    st.integers(0, 40),
)
def test_what_is_whole_without_a_known_length_is_so_with_one_and_as_odd(content, behind, cut):
    """So that a video is accepted again, with the same warnings, once it is stored and has a length."""
    content = content[: len(content) - cut] + behind
    try:
        warnings = walk(content)
    except VideoFault:
        return

    assert walk(content, measured=True) == warnings


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10), st.booleans())
def test_any_bytes_are_a_video_or_a_fault_and_pieces_make_no_difference(behind, places, measured):
    content = FTYP + behind

    def outcome(pieces: list[bytes]) -> str:
        try:
            walk(*pieces, measured=measured)
        except VideoFault as fault:
            return "fault" if fault.args else "nameless"
        return "whole"

    assert outcome(cut_at(content, [min(place, len(content)) for place in places])) == outcome([content])


# --- its facts -------------------------------------------------------------------------------------------------------

UNKNOWN = VideoFacts()
TINY = VideoFacts(1.0, 32, 32)
TINY_MOOV = tiny_video()[boundaries(tiny_video())[-2] + 8 :]
ONE_MEGABYTE = bytes(1024 * 1024)


def moov_of_length(length: int) -> bytes:
    """A moov's payload that is that long and says what the tiny video's says."""
    return TINY_MOOV + box(b"free", bytes(length - len(TINY_MOOV) - 8))


def facts_in(pieces: Iterable[bytes], measured: bool = False) -> VideoFacts:
    walker = BoxWalker(measured)
    for piece in pieces:
        walker.feed(piece)
    walker.finish()
    return walker.facts


def in_pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 15, 16, 17, 1000, 100_000])
def test_the_facts_are_the_same_in_pieces_of_any_size(size):
    assert facts_in(in_pieces(tiny_video(), size)) == TINY


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
def test_the_facts_are_found_wherever_the_moov_is_and_however_it_is_written(content, size):
    assert facts_in(in_pieces(content, size), measured=True) == TINY


@pytest.mark.parametrize(
    "behind",
    [box(b"free"), long_box(b"mdat", bytes(9)), box(b"mvex"), open_box(b"mvex")],
    ids=[
        "an empty box",
        "a 64-bit box",
        "a box that would tell in the moov",
        "an open box that would tell in the moov",
    ],
)
def test_the_facts_are_the_same_wherever_a_video_is_cut_in_two(behind):
    content = FTYP + MDAT + box(b"moov", TINY_MOOV) + behind

    assert {facts_in([content[:place], content[place:]]) for place in range(len(content) + 1)} == {TINY}


def test_there_are_no_facts_before_the_video_is_whole():
    walker = BoxWalker()
    walker.feed(tiny_video())
    before = walker.facts

    walker.finish()

    assert (before, walker.facts) == (UNKNOWN, TINY)


def test_a_video_that_is_not_whole_has_no_facts():
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


@pytest.mark.parametrize(
    ("moovs", "expected"),
    [
        (box(b"moov", TINY_MOOV) + MOOV, TINY),
        (box(b"moov", TINY_MOOV) + open_box(b"moov", bytes(50)), TINY),
        (MOOV + box(b"moov", TINY_MOOV), UNKNOWN),
        (box(b"moov", moov_of_length(MAX_MOOV_BYTES + 1)) + box(b"moov", TINY_MOOV), UNKNOWN),
    ],
    ids=["first tells", "first tells, last open", "second tells", "first too large"],
)
@pytest.mark.parametrize("size", [50, 70, 10_000_000])
def test_of_several_moov_boxes_the_first_counts(moovs, expected, size):
    assert facts_in(in_pieces(FTYP + MDAT + moovs, size), measured=True) == expected


@pytest.mark.parametrize("size", [64, 250_000, 10_000_000])
@pytest.mark.parametrize("write", [box, long_box, open_box])
def test_a_moov_as_large_as_allowed_is_read_and_one_a_byte_larger_is_not(write, size):
    allowed, larger = (FTYP + MDAT + write(b"moov", moov_of_length(MAX_MOOV_BYTES + more)) for more in (0, 1))

    assert facts_in(in_pieces(allowed, size), measured=True) == TINY
    assert facts_in(in_pieces(larger, size), measured=True) == UNKNOWN


def test_a_moov_in_countless_pieces_takes_no_time_of_its_own():
    pieces = in_pieces(FTYP + MDAT + box(b"moov", moov_of_length(MAX_MOOV_BYTES)), 40)
    begun = time.process_time()

    facts_in(pieces)

    assert time.process_time() - begun < 5  # 0.2 s; copying what was kept for each piece would take over a minute


@pytest.mark.parametrize(
    ("head", "allowed"),
    [
        (FTYP + MOOV + long_box(b"mdat", b"")[:8] + (64 * len(ONE_MEGABYTE) + 16).to_bytes(8, "big"), 100_000),
        (FTYP + MDAT + (64 * len(ONE_MEGABYTE) + 8).to_bytes(4, "big") + b"moov", 100_000),
        (FTYP + MOOV + MDAT + bytes(8), 100_000),
        (
            FTYP + MDAT + open_box(b"moov"),
            2.5 * MAX_MOOV_BYTES,
        ),  # a bytearray that grows may be there twice for a moment
    ],
    ids=["a large mdat", "a large moov", "junk", "a large open moov"],
)
def test_no_more_of_a_video_than_an_allowed_moov_is_held(head, allowed):
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
def test_a_damaged_video_has_the_same_facts_or_fault_however_it_arrives(content, damage, places):
    spoilt = bytearray(content)
    for place, value in damage:
        spoilt[place % len(spoilt)] = value

    def outcome(pieces: list[bytes]) -> VideoFacts | str:
        try:
            return facts_in(pieces)
        except VideoFault as fault:
            return "fault" if fault.args else "nameless"

    pieces = cut_at(bytes(spoilt), [min(place, len(spoilt)) for place in places])

    assert outcome(pieces) == outcome([bytes(spoilt)]) != "nameless"


# --- the key ---------------------------------------------------------------------------------------------------------


def key_of(image_key: str, generation_id: str = "gen_1") -> str:
    return video_key(job_with(image=Image("uploads", image_key), generation_id=generation_id))


@pytest.mark.parametrize(
    ("image_key", "expected"),
    [
        ("beach.jpg", "beach-gen_1.mp4"),
        ("holiday/2026/beach.jpeg", "holiday/2026/beach-gen_1.mp4"),
        ("beach", "beach-gen_1.mp4"),
        ("beach.at.noon.png", "beach.at.noon-gen_1.mp4"),
        ("v1.2/beach", "v1.2/beach-gen_1.mp4"),
        ("v1.2/beach.webp", "v1.2/beach-gen_1.mp4"),
        (".jpg", ".jpg-gen_1.mp4"),
        ("holiday/.hidden", "holiday/.hidden-gen_1.mp4"),
        ("beach.", "beach-gen_1.mp4"),
        ("/beach.jpg", "/beach-gen_1.mp4"),
        ("a//b.jpg", "a//b-gen_1.mp4"),
        ("a b+c%20é.jpg", "a b+c%20é-gen_1.mp4"),
    ],
)
def test_a_video_lies_where_its_image_lay(image_key, expected):
    assert key_of(image_key) == expected


@pytest.mark.parametrize("generation_id", ["../../other", "a/b", "a?b=c", "a b", "é"])
def test_a_generation_id_cannot_move_the_video(generation_id):
    name = key_of("holiday/beach.jpg", generation_id).removeprefix("holiday/beach-")

    assert "/" not in name
    assert name.isascii()


def test_a_second_generation_does_not_overwrite_the_first():
    assert key_of("beach.jpg", "gen_1") != key_of("beach.jpg", "gen_2")


@pytest.mark.parametrize("letter", ["a", "é", "海", "🌊"])
def test_a_long_key_is_cut_between_letters_and_keeps_its_end(letter):
    image_key = letter * (1020 // len(letter.encode())) + ".jpg"

    key = key_of(image_key, "gen_img2v_x7y8z9")

    assert MAX_KEY_BYTES - 4 < len(key.encode()) <= MAX_KEY_BYTES
    assert key == letter * key.count(letter) + "-gen_img2v_x7y8z9.mp4"


@settings(max_examples=150)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=1024), st.text(max_size=200))
def test_every_video_key_is_one_that_s3_takes(image_key, generation_id):
    key = key_of(image_key, generation_id)

    assert 0 < len(key.encode()) <= MAX_KEY_BYTES
    assert key.endswith(".mp4")
