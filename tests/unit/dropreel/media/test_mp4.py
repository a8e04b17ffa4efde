"""The facts in a `moov`, compared with those that PyAV (FFmpeg) reads of the same video."""

import io
import struct
import threading
from dataclasses import astuple
from itertools import pairwise

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.errors import VideoFault
from dropreel.media.mp4 import MAX_BOXES, VideoFacts, has_video_track, read_facts
from local.provider_simulator.camera import CameraMotion
from local.provider_simulator.rendering import VideoPlan, render_video
from tests.support import pictures
from tests.support.encoded_videos import FRAGMENTED, VIDEOS, video
from tests.support.mp4_boxes import ANY_BOXES, DAMAGE, boxes_in, changed, damaged, moov_of, overwrite
from tests.support.tiny_video import box, long_box, open_box
from tests.support.walked_videos import walked_facts

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


def seen_by_pyav(content: bytes) -> VideoFacts:
    with av.open(io.BytesIO(content)) as container:
        seconds = (container.duration or 0) / av.time_base
        frame = next(container.decode(video=0))
        size = (frame.width, frame.height)
        return VideoFacts(seconds, *(reversed(size) if frame.rotation % 180 == 90 else size))


def turned(content: bytes, kind: bytes, turn: str) -> bytes:
    """The video with its matrix in `tkhd` or `mvhd` set; all zeros for a turn that is not in TURNS."""
    a, b, c, d = (number << 16 for number in TURNS.get(turn, (0, 0, 0, 0)))
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = [b"moov", b"trak", b"tkhd"] if kind == b"tkhd" else [b"moov", b"mvhd"]
    return changed(content, path, lambda payload: overwrite(MATRIX[kind, payload[0]], matrix)(payload))


# --- compared with a decoder ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VIDEOS)
def test_duration_and_size_are_those_that_a_decoder_reads(name):
    seen = seen_by_pyav(video(name))

    facts = walked_facts(video(name))

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
def test_the_sample_videos_have_the_boxes_in_their_names(name, kinds):
    assert [kind for kind, _ in boxes_in(video(name))][: len(kinds)] == kinds


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*VIDEOS, *FRAGMENTED]), st.lists(st.integers(0, 20_000), max_size=30))
def test_the_facts_do_not_depend_on_the_pieces(name, places):
    content = video(name)
    places = [0, *sorted(min(place, len(content)) for place in places), len(content)]

    facts = walked_facts(*(content[start:end] for start, end in pairwise(places)))

    assert facts == read_facts(moov_of(content)) != UNKNOWN


def test_a_simulated_video_of_5_seconds_has_that_duration(tmp_path):
    plan = VideoPlan("fast", "16:9", 5, False, CameraMotion.ZOOM_IN, 0.5)
    render_video(pictures.encoded(pictures.picture(), "JPEG"), plan, tmp_path / "video.mp4", threading.Event())

    facts = walked_facts((tmp_path / "video.mp4").read_bytes())

    assert facts.duration_seconds == pytest.approx(5, abs=0.1)
    assert (facts.width, facts.height) == (640, 360)


# --- duration ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["durations of 64 bits", "durations of 64 bits, moov first"])
def test_durations_of_64_bits_are_read(name):
    moov = moov_of(video(name))
    assert (dict(boxes_in(moov))[b"mvhd"][0], dict(boxes_in(dict(boxes_in(moov))[b"trak"]))[b"tkhd"][0]) == (1, 1)

    assert read_facts(moov) == VideoFacts(3.0, 64, 48)


@pytest.mark.parametrize("name", FRAGMENTED)
def test_fragments_without_a_total_duration_have_none(name):
    seen = seen_by_pyav(video(name))

    facts = walked_facts(video(name))

    assert facts == VideoFacts(None, seen.width, seen.height)


@pytest.mark.parametrize("form", [">4xI", ">B3xQ"])
@pytest.mark.parametrize("name", FRAGMENTED)
def test_a_fragmented_video_may_have_a_total_duration(name, form):
    moov = moov_of(video(name))
    mvhd = dict(boxes_in(moov))[b"mvhd"]
    ticks_a_second = int.from_bytes(mvhd[20:24] if mvhd[0] else mvhd[12:16], "big")
    seconds = seen_by_pyav(video(name)).duration_seconds or 0
    mehd = box(b"mehd", struct.pack(form, *([1] if "Q" in form else []), round(seconds * ticks_a_second)))

    facts = read_facts(changed(moov, [b"mvex"], lambda payload: mehd + payload))

    assert facts.duration_seconds == pytest.approx(seconds, abs=0.001)
    assert seconds >= 2


@pytest.mark.parametrize("mehd", [b"", bytes(4), bytes(7), bytes(8), b"\1" + bytes(7), bytes(4) + b"\xff" * 4])
def test_a_total_duration_that_is_not_readable_is_none(mehd):
    moov = changed(moov_of(video("the first fragment in moov")), [b"mvex"], lambda _: box(b"mehd", mehd))

    assert read_facts(moov).duration_seconds is None


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
def test_an_unknown_duration_is_none_and_the_size_is_read(name, at, value):
    assert read_facts(changed(moov_of(video(name)), [b"mvhd"], overwrite(at, value))) == VideoFacts(None, 64, 48)


@pytest.mark.parametrize("name", ["two seconds, moov last", "durations of 64 bits"])
def test_a_duration_that_is_cut_is_none(name):
    mvhd = dict(boxes_in(moov_of(video(name))))[b"mvhd"]
    end = 32 if mvhd[0] else 20

    assert {read_facts(box(b"mvhd", mvhd[:length])) for length in range(end)} == {UNKNOWN}
    assert read_facts(box(b"mvhd", mvhd[:end])).duration_seconds == (3 if mvhd[0] else 2)


def test_less_than_half_a_millisecond_is_no_duration():
    mvhd = struct.pack(">12xII", 1_000_000, 499)

    assert read_facts(box(b"mvhd", mvhd)) == UNKNOWN


def test_the_longest_duration_that_can_be_written_is_a_number():
    mvhd = struct.pack(">B19xIQ", 1, 1, 2**64 - 2)

    assert read_facts(box(b"mvhd", mvhd)).duration_seconds == pytest.approx(1.8447e19, rel=1e-4)


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two seconds, moov last", "durations of 64 bits"])
@pytest.mark.parametrize("kind", [b"tkhd", b"mvhd"])
@pytest.mark.parametrize("turn", TURNS)
def test_the_size_is_the_one_displayed_after_a_turn(name, kind, turn):
    content = turned(video(name), kind, turn)
    seen = seen_by_pyav(content)

    facts = walked_facts(content)

    assert (facts.width, facts.height) == (seen.width, seen.height)
    assert facts.width == (48 if "90" in turn or "270" in turn else 64)


def test_two_turns_by_90_degrees_keep_width_and_height():
    content = turned(turned(video("two seconds, moov last"), b"tkhd", "90 degrees"), b"mvhd", "90 degrees")

    facts = walked_facts(content)

    assert (facts.width, facts.height) == (64, 48) == astuple(seen_by_pyav(content))[1:]


@pytest.mark.parametrize("kind", [b"tkhd", b"mvhd"])
def test_a_matrix_of_noughts_is_no_turn(kind):
    facts = walked_facts(turned(video("two seconds, moov last"), kind, "none"))

    assert (facts.width, facts.height) == (64, 48)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [((1047.27, 576), (1047, 576)), ((64.6, 48.6), (65, 49)), ((65535, 1), (65535, 1)), ((1, 65535.4), (1, 65535))],
)
def test_a_size_with_a_fraction_is_rounded(stored, shown):
    size = struct.pack(">II", *(int(number * 65536) for number in stored))

    facts = read_facts(changed(moov_of(video("two seconds, moov last")), [b"trak", b"tkhd"], overwrite(76, size)))

    assert (facts.width, facts.height) == shown


@pytest.mark.parametrize(
    "change",
    [
        overwrite(76, bytes(4)),
        overwrite(80, bytes(4)),
        overwrite(80, b"\0\0\x7f\xff"),
        overwrite(0, b"\2"),
        lambda payload: payload[:83],
        lambda _: b"",
    ],
    ids=["no width", "no height", "height below half a pixel", "version 2", "cut", "empty"],
)
def test_an_unknown_size_is_none_and_the_duration_is_read(change):
    moov = changed(moov_of(video("two seconds, moov last")), [b"trak", b"tkhd"], change)

    assert read_facts(moov) == VideoFacts(2.0, None, None)


def test_a_sound_alone_has_a_duration_and_no_size():
    moov = changed(moov_of(video("two seconds, moov last")), [b"trak", b"mdia", b"hdlr"], overwrite(8, b"soun"))

    assert read_facts(moov) == VideoFacts(2.0, None, None)


@pytest.mark.parametrize("handler", [b"vide", b"soun", b"text", b"VIDE", b"vid"])
def test_the_first_video_track_is_the_one_that_counts(handler):
    moov = moov_of(video("two seconds, moov last"))
    trak = box(b"trak", dict(boxes_in(moov))[b"trak"])
    other = changed(trak, [b"trak", b"tkhd"], overwrite(76, struct.pack(">II", 20 << 16, 10 << 16)))
    other = changed(
        other, [b"trak", b"mdia", b"hdlr"], lambda payload: overwrite(8, handler)(payload)[: 8 + len(handler)]
    )

    facts = read_facts(other + moov)

    assert (facts.width, facts.height) == ((20, 10) if handler == b"vide" else (64, 48))


def test_a_first_video_track_without_a_size_leaves_it_unknown():
    moov = moov_of(video("two seconds, moov last"))
    other = changed(box(b"trak", dict(boxes_in(moov))[b"trak"]), [b"trak", b"tkhd"], overwrite(76, bytes(8)))

    assert read_facts(other + moov) == VideoFacts(2.0, None, None)


# --- a video track ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*VIDEOS, *FRAGMENTED])
def test_every_video_has_a_video_track(name):
    assert has_video_track(moov_of(video(name)))


@pytest.mark.parametrize("handler", [b"soun", b"text", b"VIDE", b"\0\0\0\0"])
def test_a_track_with_another_handler_is_no_video_track(handler):
    path = [b"trak", b"mdia", b"hdlr"]

    assert not has_video_track(changed(moov_of(video("two seconds, moov last")), path, overwrite(8, handler)))


@pytest.mark.parametrize("moov", [b"", b"moov", bytes(100), box(b"trak"), box(b"trak", box(b"mdia")), box(b"mvhd")])
def test_a_moov_without_a_readable_track_has_no_video_track(moov):
    assert not has_video_track(moov)


def test_a_handler_of_any_version_is_read_as_players_do():
    path = [b"trak", b"mdia", b"hdlr"]
    content = changed(video("two seconds, moov last"), [b"moov", *path], overwrite(0, b"\2"))

    assert seen_by_pyav(content) == VideoFacts(2.0, 64, 48) == read_facts(moov_of(content))
    assert has_video_track(moov_of(content))


def test_a_movie_that_cannot_be_read_may_have_a_video_track():
    sound = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"soun")))

    assert not has_video_track(sound + box(b"free") * 100)
    assert has_video_track(sound + box(b"free") * MAX_BOXES)
    assert has_video_track(box(b"cmov", bytes(50)))


# --- boxes ------------------------------------------------------------------------------------------------------------


def in_long_boxes(content: bytes) -> bytes:
    return b"".join(
        long_box(kind, in_long_boxes(payload) if kind in (b"trak", b"mdia", b"mvex") else payload)
        for kind, payload in boxes_in(content)
    )


@pytest.mark.parametrize("name", [*VIDEOS, *FRAGMENTED])
def test_boxes_of_64_bits_are_read(name):
    moov = moov_of(video(name))

    assert read_facts(in_long_boxes(moov)) == read_facts(moov)


def test_a_box_that_extends_to_the_end_is_read():
    moov = moov_of(video("two seconds, moov last"))
    boxes = dict(boxes_in(moov))

    assert read_facts(box(b"mvhd", boxes[b"mvhd"]) + open_box(b"trak", boxes[b"trak"])) == read_facts(moov)


@pytest.mark.parametrize("behind", [b"\0", bytes(4), bytes(7), b"\0\0\0\x01", b"\0\0\0\x07free", b"\0\0\0\x01free\0"])
def test_junk_after_the_boxes_does_not_change_the_facts(behind):
    moov = moov_of(video("two seconds, moov last"))

    assert read_facts(moov + behind) == VideoFacts(2.0, 64, 48)


@pytest.mark.parametrize("write", [box, long_box])
def test_a_box_that_does_not_fit_is_not_read(write):
    mvhd = write(b"mvhd", dict(boxes_in(moov_of(video("two seconds, moov last"))))[b"mvhd"])

    assert read_facts(mvhd) == VideoFacts(2.0, None, None)
    assert read_facts(mvhd[:-1]) == UNKNOWN


@pytest.mark.parametrize("kind", [b"mvhd", b"trak"])
def test_the_first_of_two_boxes_of_a_type_counts(kind):
    moov = moov_of(video("two seconds, moov last"))
    other = dict(boxes_in(moov_of(video("tall"))))

    assert read_facts(moov + box(kind, other[kind])) == read_facts(moov)


def test_boxes_beyond_the_limit_are_not_read():
    moov = moov_of(video("two seconds, moov last"))

    assert read_facts(box(b"free") * (MAX_BOXES - 100) + moov) == VideoFacts(2.0, 64, 48)
    assert read_facts(box(b"free") * MAX_BOXES + moov) == UNKNOWN


def test_the_limit_counts_the_boxes_of_all_tracks():
    moov = moov_of(video("two seconds, moov last"))
    track = box(b"trak", box(b"free") * 100)

    assert read_facts(track * 80 + moov) == VideoFacts(2.0, 64, 48)
    assert read_facts(track * 110 + moov) == VideoFacts(2.0, None, None)


# --- any bytes --------------------------------------------------------------------------------------------------------


def assert_sound(facts: VideoFacts) -> None:
    assert facts.duration_seconds is None or facts.duration_seconds > 0
    assert (facts.width is None) == (facts.height is None)
    assert facts.width is None or (0 < facts.width <= 65536 and 0 < (facts.height or 0) <= 65536)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), ANY_BOXES))
def test_any_bytes_have_facts(content):
    assert_sound(read_facts(content))
    assert has_video_track(content) in (True, False)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*VIDEOS, *FRAGMENTED]), DAMAGE, st.integers(0, 2_000))
def test_any_damage_to_a_moov_leaves_facts(name, damage, end):
    assert_sound(read_facts(damaged(moov_of(video(name)), damage, end)))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*VIDEOS, *FRAGMENTED]), DAMAGE, st.sampled_from([0, 0, 0, 1, 100]), st.integers(1, 5_000))
def test_any_damage_to_a_video_is_a_fault_or_leaves_facts(name, damage, end, piece):
    content = damaged(video(name), damage, end)
    try:
        facts = walked_facts(*(content[at : at + piece] for at in range(0, len(content), piece)))
    except VideoFault:
        return

    assert_sound(facts)


@pytest.mark.parametrize("name", ["two seconds, moov last", "durations of 64 bits", "nothing in moov"])
def test_a_moov_cut_anywhere_has_facts(name):
    moov = moov_of(video(name))

    for end in range(len(moov)):
        assert_sound(read_facts(moov[:end]))
