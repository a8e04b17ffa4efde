from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.errors import VideoFault
from dropreel.videos import MAX_KEY_BYTES, BoxWalker, video_key
from tests.unit.dropreel.sample_jobs import job_with
from tests.unit.dropreel.tiny_video import boundaries, box, long_box, open_box, tiny_video

FTYP = box(b"ftyp", b"isom\0\0\2\0")
MOOV = box(b"moov", bytes(40))
MDAT = box(b"mdat", bytes(range(100)))


def walk(*pieces: bytes) -> None:
    walker = BoxWalker()
    for piece in pieces:
        walker.feed(piece)
    walker.finish()


def fault_of(*pieces: bytes) -> str:
    with pytest.raises(VideoFault) as caught:
        walk(*pieces)
    return str(caught.value)


def cut_at(content: bytes, places: list[int]) -> list[bytes]:
    places = [0, *sorted(places), len(content)]
    return [content[start:end] for start, end in pairwise(places)]


# --- a whole video ---------------------------------------------------------------------------------------------------


def test_a_real_video_is_whole():
    walk(tiny_video())


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
    "boxes of nothing but a header": FTYP + box(b"free") + box(b"free") + MOOV + box(b"free"),
    "64-bit sizes": long_box(b"ftyp", b"isom") + long_box(b"mdat", bytes(300)) + long_box(b"moov", bytes(30)),
    "a 64-bit box of nothing": FTYP + long_box(b"free") + MOOV,
    "the last box open": FTYP + MOOV + open_box(b"mdat", bytes(500)),
    "the last box open and empty": FTYP + MOOV + open_box(b"mdat"),
    "moov open": FTYP + MDAT + open_box(b"moov", bytes(50)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_every_way_to_write_boxes_is_understood(name):
    walk(WHOLE[name])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(WHOLE.values())), st.lists(st.integers(0, 400), max_size=40))
def test_every_way_to_write_boxes_is_understood_in_pieces(content, places):
    walk(*cut_at(content, [min(place, len(content)) for place in places]))


# --- not a whole video -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [(), (b"",), (b"", b"")])
def test_nothing_is_no_video(pieces):
    assert "empty" in fault_of(*pieces)


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html><body>expired</body></html>",
        b'{"error": "expired"}',
        MOOV + FTYP,
        b"\0" * 100,
        b"RIFF" * 9,
    ],
)
def test_what_does_not_start_as_an_mp4_is_refused_at_its_first_bytes(content):
    walker = BoxWalker()

    with pytest.raises(VideoFault, match="not an MP4"):
        walker.feed(content[:16])


@pytest.mark.parametrize("content", [b"<", b"gone", b"\0\0\0\x20fty"])
def test_less_than_a_box_is_cut_short(content):
    assert "cut short" in fault_of(content)


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


@pytest.mark.parametrize("behind", [b"\0", b"\0\0\0\x10junk", b"<html></html>"])
def test_bytes_that_are_no_whole_box_behind_the_last_are_refused(behind):
    assert fault_of(FTYP + MOOV + behind)


@pytest.mark.parametrize("size", [2, 7])
def test_a_box_smaller_than_its_header_is_damage(size):
    assert "damaged" in fault_of(FTYP + size.to_bytes(4, "big") + b"free" + MOOV)


@pytest.mark.parametrize("size", [0, 1, 15])
def test_a_64_bit_box_smaller_than_its_header_is_damage(size):
    damaged = b"\0\0\0\x01free" + size.to_bytes(8, "big")

    assert "damaged" in fault_of(FTYP + damaged + MOOV)


def test_a_64_bit_size_beyond_the_end_is_cut_short():
    assert "cut short" in fault_of(FTYP + MOOV + b"\0\0\0\x01mdat" + (2**63).to_bytes(8, "big") + bytes(100))


def test_an_open_box_hides_no_missing_moov():
    assert "no moov" in fault_of(FTYP + open_box(b"mdat", MOOV))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_any_bytes_are_a_video_or_a_fault_and_pieces_make_no_difference(behind, places):
    content = FTYP + behind

    def outcome(pieces: list[bytes]) -> str:
        try:
            walk(*pieces)
        except VideoFault as fault:
            return "fault" if fault.args else "nameless"
        return "whole"

    assert outcome(cut_at(content, [min(place, len(content)) for place in places])) == outcome([content])


# --- the key ---------------------------------------------------------------------------------------------------------


def key_of(image_key: str, generation_id: str = "gen_1") -> str:
    return video_key(job_with(image={"bucket": "uploads", "key": image_key}, generation_id=generation_id))


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
