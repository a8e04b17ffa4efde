"""Against what PyAV (FFmpeg) reads of videos that PyAV writes, and of those with a box changed by hand."""

import io
import struct
import tempfile
import threading
from collections.abc import Callable
from dataclasses import astuple
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.errors import VideoFault
from dropreel.media.mp4 import MAX_LOOKS, VideoFacts, facts_of, has_video_track
from dropreel.media.videos import BoxWalker
from local.provider_simulator.camera import Movement
from local.provider_simulator.rendering import VideoPlan, render_video
from tests.support import pictures
from tests.support.tiny_video import box, long_box, open_box

VIDEOS: dict[str, dict[str, Any]] = {
    "one frame": {"frames": 1},
    "two seconds, moov last": {},
    "five seconds, moov first": {"frames": 50, "movflags": "faststart"},
    "not whole milliseconds": {"frames": 31, "rate": 30},
    "tall": {"size": (36, 64)},
    "ten seconds with sound, moov last": {"frames": 100, "sound_seconds": 10, "size": (16, 16)},
    "with sound, moov first": {"sound_seconds": 2, "movflags": "faststart"},
    "sound outlasts the picture": {"sound_seconds": 3},
    "picture outlasts the sound": {"sound_seconds": 1},
    "durations of 64 bits": {"frames": 30, "movie_timescale": "2000000000"},
    "durations of 64 bits, moov first": {"frames": 30, "movie_timescale": "2000000000", "movflags": "faststart"},
    "fragments joined at the end": {"movflags": "hybrid_fragmented"},
}
FRAGMENTED: dict[str, dict[str, Any]] = {
    "nothing in moov": {"movflags": "frag_keyframe+empty_moov"},
    "nothing in moov, with sound": {"movflags": "frag_keyframe+empty_moov", "sound_seconds": 2},
    "the first fragment in moov": {"movflags": "frag_keyframe"},
    "for DASH": {"movflags": "dash+delay_moov+frag_keyframe"},
}
TURNS = {
    "upright": (1, 0, 0, 1),
    "90 degrees": (0, 1, -1, 0),
    "180 degrees": (-1, 0, 0, -1),
    "270 degrees": (0, -1, 1, 0),
    "90 degrees, mirrored": (0, 1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
}
MATRIX = {(b"tkhd", 0): 40, (b"tkhd", 1): 52, (b"mvhd", 0): 36, (b"mvhd", 1): 48}
UNKNOWN = VideoFacts(None, None, None)


@cache
def video(name: str) -> bytes:
    return written(**{**VIDEOS, **FRAGMENTED}[name])


def written(
    frames: int = 20, rate: int = 10, size: tuple[int, int] = (64, 48), sound_seconds: int = 0, **options: str
) -> bytes:
    """A video whose sound, if it has any, is its first track."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"  # FFmpeg reads a file again to put moov first
        with av.open(str(path), "w", format="mp4", options=options) as container:
            sound = container.add_stream("aac", rate=48_000, layout="mono") if sound_seconds else None
            picture = container.add_stream("mpeg4", rate=rate)
            picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
            if sound is not None:
                silence = numpy.zeros((1, 48_000 * sound_seconds), dtype=numpy.float32)
                frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 48_000, 0
                container.mux([*sound.encode(frame), *sound.encode(None)])
            for shade in range(frames):
                pixels = numpy.full((*reversed(size), 3), shade, dtype=numpy.uint8)
                container.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(picture.encode())
        return path.read_bytes()


def told_by_pyav(content: bytes) -> VideoFacts:
    with av.open(io.BytesIO(content)) as container:
        seconds = (container.duration or 0) / av.time_base
        frame = next(container.decode(video=0))
        size = (frame.width, frame.height)
        return VideoFacts(seconds, *(reversed(size) if frame.rotation % 180 == 90 else size))


def told_by_walker(*pieces: bytes) -> VideoFacts:
    walker = BoxWalker()
    for piece in pieces:
        walker.feed(piece)
    walker.finish()
    return walker.facts


def boxes_in(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(content):
        size = struct.unpack_from(">I", content, at)[0]
        found.append((content[at + 4 : at + 8], content[at + 8 : at + size]))
        at += size
    return found


def moov_of(content: bytes) -> bytes:
    return dict(boxes_in(content))[b"moov"]


def changed(content: bytes, path: list[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """The content with the payload of each box at this path changed."""
    if not path:
        return change(content)
    return b"".join(
        box(kind, changed(payload, path[1:], change) if kind == path[0] else payload)
        for kind, payload in boxes_in(content)
    )


def poke(at: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda payload: payload[:at] + value + payload[at + len(value) :]


def turned(content: bytes, kind: bytes, turn: str) -> bytes:
    """The video with its matrix in `tkhd` or `mvhd` set, to noughts for a turn that there is not."""
    a, b, c, d = (number << 16 for number in TURNS.get(turn, (0, 0, 0, 0)))
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = [b"moov", b"trak", b"tkhd"] if kind == b"tkhd" else [b"moov", b"mvhd"]
    return changed(content, path, lambda payload: poke(MATRIX[kind, payload[0]], matrix)(payload))


# --- as a decoder sees it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VIDEOS)
def test_duration_and_size_are_those_that_a_decoder_sees(name):
    seen = told_by_pyav(video(name))

    facts = told_by_walker(video(name))

    assert facts.duration_seconds == pytest.approx(seen.duration_seconds, abs=0.002)
    assert (facts.width, facts.height) == (seen.width, seen.height)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("two seconds, moov last", [b"ftyp", b"free", b"mdat", b"moov"]),
        ("five seconds, moov first", [b"ftyp", b"moov", b"free", b"mdat"]),
        ("nothing in moov", [b"ftyp", b"moov", b"moof", b"mdat", b"moof", b"mdat", b"moof", b"mdat"]),
    ],
)
def test_the_videos_here_are_what_their_names_say(name, kinds):
    assert [kind for kind, _ in boxes_in(video(name))][: len(kinds)] == kinds


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*VIDEOS, *FRAGMENTED]), st.lists(st.integers(0, 20_000), max_size=30))
def test_how_a_video_arrives_makes_no_difference_to_its_facts(name, places):
    content = video(name)
    places = [0, *sorted(min(place, len(content)) for place in places), len(content)]

    facts = told_by_walker(*(content[start:end] for start, end in pairwise(places)))

    assert facts == facts_of(moov_of(content)) != UNKNOWN


def test_a_video_of_5_seconds_from_the_simulator_says_so(tmp_path):
    plan = VideoPlan("fast", "16:9", 5, False, Movement.ZOOM_IN, 0.5)
    render_video(pictures.encoded(pictures.picture(), "JPEG"), plan, tmp_path / "video.mp4", threading.Event())

    facts = told_by_walker((tmp_path / "video.mp4").read_bytes())

    assert facts.duration_seconds == pytest.approx(5, abs=0.1)
    assert (facts.width, facts.height) == (640, 360)


# --- duration --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["durations of 64 bits", "durations of 64 bits, moov first"])
def test_durations_of_64_bits_are_read(name):
    moov = moov_of(video(name))
    assert (dict(boxes_in(moov))[b"mvhd"][0], dict(boxes_in(dict(boxes_in(moov))[b"trak"]))[b"tkhd"][0]) == (1, 1)

    assert facts_of(moov) == VideoFacts(3.0, 64, 48)


@pytest.mark.parametrize("name", FRAGMENTED)
def test_a_video_in_fragments_that_does_not_say_its_whole_duration_has_none(name):
    seen = told_by_pyav(video(name))

    facts = told_by_walker(video(name))

    assert facts == VideoFacts(None, seen.width, seen.height)


@pytest.mark.parametrize("form", [">4xI", ">B3xQ"])
@pytest.mark.parametrize("name", FRAGMENTED)
def test_a_video_in_fragments_may_say_its_whole_duration(name, form):
    moov = moov_of(video(name))
    mvhd = dict(boxes_in(moov))[b"mvhd"]
    ticks_a_second = int.from_bytes(mvhd[20:24] if mvhd[0] else mvhd[12:16], "big")
    seconds = told_by_pyav(video(name)).duration_seconds or 0
    mehd = box(b"mehd", struct.pack(form, *([1] if "Q" in form else []), round(seconds * ticks_a_second)))

    facts = facts_of(changed(moov, [b"mvex"], lambda payload: mehd + payload))

    assert facts.duration_seconds == pytest.approx(seconds, abs=0.001)
    assert seconds >= 2


@pytest.mark.parametrize("mehd", [b"", bytes(4), bytes(7), bytes(8), b"\1" + bytes(7), bytes(4) + b"\xff" * 4])
def test_a_whole_duration_that_tells_nothing_is_none(mehd):
    moov = changed(moov_of(video("the first fragment in moov")), [b"mvex"], lambda _: box(b"mehd", mehd))

    assert facts_of(moov).duration_seconds is None


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("two seconds, moov last", 16, bytes(4)),
        ("two seconds, moov last", 16, b"\xff" * 4),
        ("two seconds, moov last", 12, bytes(4)),
        ("two seconds, moov last", 0, b"\2"),
        ("durations of 64 bits", 24, bytes(8)),
        ("durations of 64 bits", 24, b"\xff" * 8),
        ("durations of 64 bits", 20, bytes(4)),
        ("durations of 64 bits", 0, b"\xff"),
    ],
    ids=["0", "unknown", "no timescale", "version 2", "0 (64)", "unknown (64)", "no timescale (64)", "version 255"],
)
def test_a_duration_that_tells_nothing_is_none_and_the_size_is_told_all_the_same(name, at, value):
    assert facts_of(changed(moov_of(video(name)), [b"mvhd"], poke(at, value))) == VideoFacts(None, 64, 48)


@pytest.mark.parametrize("name", ["two seconds, moov last", "durations of 64 bits"])
def test_a_duration_that_is_cut_is_none(name):
    mvhd = dict(boxes_in(moov_of(video(name))))[b"mvhd"]
    end = 32 if mvhd[0] else 20

    assert {facts_of(box(b"mvhd", mvhd[:length])) for length in range(end)} == {UNKNOWN}
    assert facts_of(box(b"mvhd", mvhd[:end])).duration_seconds == (3 if mvhd[0] else 2)


def test_less_than_half_a_millisecond_is_no_duration():
    mvhd = struct.pack(">12xII", 1_000_000, 499)

    assert facts_of(box(b"mvhd", mvhd)) == UNKNOWN


def test_the_longest_duration_that_can_be_written_is_a_number():
    mvhd = struct.pack(">B19xIQ", 1, 1, 2**64 - 2)

    assert facts_of(box(b"mvhd", mvhd)).duration_seconds == pytest.approx(1.8447e19, rel=1e-4)


# --- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two seconds, moov last", "durations of 64 bits"])
@pytest.mark.parametrize("kind", [b"tkhd", b"mvhd"])
@pytest.mark.parametrize("turn", TURNS)
def test_the_size_is_the_one_displayed_after_a_turn(name, kind, turn):
    content = turned(video(name), kind, turn)
    seen = told_by_pyav(content)

    facts = told_by_walker(content)

    assert (facts.width, facts.height) == (seen.width, seen.height)
    assert facts.width == (48 if "90" in turn or "270" in turn else 64)


def test_a_track_and_a_movie_turned_by_90_degrees_each_are_not_on_their_side():
    content = turned(turned(video("two seconds, moov last"), b"tkhd", "90 degrees"), b"mvhd", "90 degrees")

    facts = told_by_walker(content)

    assert (facts.width, facts.height) == (64, 48) == astuple(told_by_pyav(content))[1:]


@pytest.mark.parametrize("kind", [b"tkhd", b"mvhd"])
def test_a_matrix_of_noughts_is_no_turn(kind):
    facts = told_by_walker(turned(video("two seconds, moov last"), kind, "none at all"))

    assert (facts.width, facts.height) == (64, 48)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [((1047.27, 576), (1047, 576)), ((64.6, 48.6), (65, 49)), ((65535, 1), (65535, 1)), ((1, 65535.4), (1, 65535))],
)
def test_a_size_with_a_fraction_is_rounded(stored, shown):
    size = struct.pack(">II", *(int(number * 65536) for number in stored))

    facts = facts_of(changed(moov_of(video("two seconds, moov last")), [b"trak", b"tkhd"], poke(76, size)))

    assert (facts.width, facts.height) == shown


@pytest.mark.parametrize(
    "change",
    [
        poke(76, bytes(4)),
        poke(80, bytes(4)),
        poke(80, b"\0\0\x7f\xff"),
        poke(0, b"\2"),
        lambda payload: payload[:83],
        lambda _: b"",
    ],
    ids=["no width", "no height", "height below half a pixel", "version 2", "cut", "empty"],
)
def test_a_size_that_tells_nothing_is_none_and_the_duration_is_told_all_the_same(change):
    moov = changed(moov_of(video("two seconds, moov last")), [b"trak", b"tkhd"], change)

    assert facts_of(moov) == VideoFacts(2.0, None, None)


def test_a_sound_alone_has_a_duration_and_no_size():
    moov = changed(moov_of(video("two seconds, moov last")), [b"trak", b"mdia", b"hdlr"], poke(8, b"soun"))

    assert facts_of(moov) == VideoFacts(2.0, None, None)


@pytest.mark.parametrize("handler", [b"vide", b"soun", b"text", b"VIDE", b"vid"])
def test_the_first_video_track_is_the_one_that_counts(handler):
    moov = moov_of(video("two seconds, moov last"))
    trak = box(b"trak", dict(boxes_in(moov))[b"trak"])
    other = changed(trak, [b"trak", b"tkhd"], poke(76, struct.pack(">II", 20 << 16, 10 << 16)))
    other = changed(other, [b"trak", b"mdia", b"hdlr"], lambda payload: poke(8, handler)(payload)[: 8 + len(handler)])

    facts = facts_of(other + moov)

    assert (facts.width, facts.height) == ((20, 10) if handler == b"vide" else (64, 48))


def test_a_first_video_track_without_a_size_leaves_it_unknown():
    moov = moov_of(video("two seconds, moov last"))
    other = changed(box(b"trak", dict(boxes_in(moov))[b"trak"]), [b"trak", b"tkhd"], poke(76, bytes(8)))

    assert facts_of(other + moov) == VideoFacts(2.0, None, None)


# --- a video track ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*VIDEOS, *FRAGMENTED])
def test_every_video_has_a_video_track(name):
    assert has_video_track(moov_of(video(name)))


@pytest.mark.parametrize("handler", [b"soun", b"text", b"VIDE", b"\0\0\0\0"])
def test_a_track_of_anything_else_is_no_video_track(handler):
    path = [b"trak", b"mdia", b"hdlr"]

    assert not has_video_track(changed(moov_of(video("two seconds, moov last")), path, poke(8, handler)))


@pytest.mark.parametrize("moov", [b"", b"moov", bytes(100), box(b"trak"), box(b"trak", box(b"mdia")), box(b"mvhd")])
def test_a_moov_without_a_readable_track_has_no_video_track(moov):
    assert not has_video_track(moov)


def test_a_handler_of_any_version_is_taken_as_players_take_it():
    path = [b"trak", b"mdia", b"hdlr"]
    content = changed(video("two seconds, moov last"), [b"moov", *path], poke(0, b"\2"))

    assert told_by_pyav(content) == VideoFacts(2.0, 64, 48) == facts_of(moov_of(content))
    assert has_video_track(moov_of(content))


def test_where_it_cannot_be_told_a_movie_may_have_a_video_track():
    sound = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"soun")))

    assert not has_video_track(sound + box(b"free") * 100)
    assert has_video_track(sound + box(b"free") * MAX_LOOKS)
    assert has_video_track(box(b"cmov", bytes(50)))


# --- boxes -----------------------------------------------------------------------------------------------------------


def in_long_boxes(content: bytes) -> bytes:
    return b"".join(
        long_box(kind, in_long_boxes(payload) if kind in (b"trak", b"mdia", b"mvex") else payload)
        for kind, payload in boxes_in(content)
    )


@pytest.mark.parametrize("name", [*VIDEOS, *FRAGMENTED])
def test_boxes_of_64_bits_are_read(name):
    moov = moov_of(video(name))

    assert facts_of(in_long_boxes(moov)) == facts_of(moov)


def test_a_box_that_goes_on_to_the_end_is_read():
    moov = moov_of(video("two seconds, moov last"))
    boxes = dict(boxes_in(moov))

    assert facts_of(box(b"mvhd", boxes[b"mvhd"]) + open_box(b"trak", boxes[b"trak"])) == facts_of(moov)


@pytest.mark.parametrize("behind", [b"\0", bytes(4), bytes(7), b"\0\0\0\x01", b"\0\0\0\x07free", b"\0\0\0\x01free\0"])
def test_what_is_no_box_behind_the_boxes_hides_nothing(behind):
    moov = moov_of(video("two seconds, moov last"))

    assert facts_of(moov + behind) == VideoFacts(2.0, 64, 48)


@pytest.mark.parametrize("write", [box, long_box])
def test_a_box_that_does_not_fit_is_not_read(write):
    mvhd = write(b"mvhd", dict(boxes_in(moov_of(video("two seconds, moov last"))))[b"mvhd"])

    assert facts_of(mvhd) == VideoFacts(2.0, None, None)
    assert facts_of(mvhd[:-1]) == UNKNOWN


@pytest.mark.parametrize("kind", [b"mvhd", b"trak"])
def test_of_two_boxes_where_one_may_be_the_first_counts(kind):
    moov = moov_of(video("two seconds, moov last"))
    other = dict(boxes_in(moov_of(video("tall"))))

    assert facts_of(moov + box(kind, other[kind])) == facts_of(moov)


def test_what_lies_behind_as_many_boxes_as_are_looked_at_is_not_told():
    moov = moov_of(video("two seconds, moov last"))

    assert facts_of(box(b"free") * (MAX_LOOKS - 100) + moov) == VideoFacts(2.0, 64, 48)
    assert facts_of(box(b"free") * MAX_LOOKS + moov) == UNKNOWN


def test_the_boxes_of_all_tracks_are_counted_together():
    moov = moov_of(video("two seconds, moov last"))
    track = box(b"trak", box(b"free") * 100)

    assert facts_of(track * 80 + moov) == VideoFacts(2.0, 64, 48)
    assert facts_of(track * 110 + moov) == VideoFacts(2.0, None, None)


# --- any bytes -------------------------------------------------------------------------------------------------------

KINDS = [b"mvhd", b"mvex", b"mehd", b"trak", b"tkhd", b"mdia", b"hdlr", b"free"]


def boxes_of(payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    one = st.builds(lambda write, *of: write(*of), st.sampled_from([box, long_box]), st.sampled_from(KINDS), payloads)
    return st.lists(one, max_size=4).map(b"".join)


ANY_BOXES = st.recursive(st.binary(max_size=120), boxes_of, max_leaves=12)
DAMAGE = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=8)


def damaged(content: bytes, damage: list[tuple[int, int]], end: int) -> bytes:
    spoilt = bytearray(content)
    for place, value in damage:
        spoilt[place % len(spoilt)] = value
    return bytes(spoilt[: len(spoilt) - end])


def assert_sound(facts: VideoFacts) -> None:
    assert facts.duration_seconds is None or facts.duration_seconds > 0
    assert (facts.width is None) == (facts.height is None)
    assert facts.width is None or (0 < facts.width <= 65536 and 0 < (facts.height or 0) <= 65536)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), ANY_BOXES))
def test_any_bytes_have_facts(content):
    assert_sound(facts_of(content))
    assert has_video_track(content) in (True, False)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*VIDEOS, *FRAGMENTED]), DAMAGE, st.integers(0, 2_000))
def test_any_damage_to_a_moov_leaves_facts(name, damage, end):
    assert_sound(facts_of(damaged(moov_of(video(name)), damage, end)))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*VIDEOS, *FRAGMENTED]), DAMAGE, st.sampled_from([0, 0, 0, 1, 100]), st.integers(1, 5_000))
def test_any_damage_to_a_video_is_a_fault_or_leaves_facts(name, damage, end, piece):
    content = damaged(video(name), damage, end)
    try:
        facts = told_by_walker(*(content[at : at + piece] for at in range(0, len(content), piece)))
    except VideoFault:
        return

    assert_sound(facts)


@pytest.mark.parametrize("name", ["two seconds, moov last", "durations of 64 bits", "nothing in moov"])
def test_a_moov_cut_anywhere_has_facts(name):
    moov = moov_of(video(name))

    for end in range(len(moov)):
        assert_sound(facts_of(moov[:end]))
