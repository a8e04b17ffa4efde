"""A last box of size 0 extends to the end of the file: the video is complete where that end is known."""

import io
import struct
import time
from itertools import accumulate, pairwise
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA
from dropreel.media.mp4 import MAX_MOOV_BYTES, end_of_samples
from tests.support.encoded_videos import FRAGMENTED, VIDEOS, frames_decoded, video
from tests.support.mp4_boxes import (
    ANY_BOXES,
    DAMAGE,
    FTYP,
    MDAT,
    MOOV,
    PICTURE,
    boxes_in,
    changed,
    damaged,
    moov_of,
    with_last_mdat,
)
from tests.support.tiny_video import box, open_box
from tests.support.walked_videos import fault_of, split_every, walk

MOOV_FIRST = ["five seconds, moov first", "with sound, moov first", "durations of 64 bits, moov first"]
STBL = [b"moov", b"trak", b"mdia", b"minf", b"stbl"]


def opened(name: str) -> bytes:
    """The video with a size of 0 in its last box, an mdat."""
    return with_last_mdat(video(name), 0)


def packets(content: bytes) -> list[tuple[int, int]]:
    """The first and last offset of each sample, as FFmpeg reads it."""
    with av.open(io.BytesIO(content)) as container:
        return [(one.pos, one.pos + one.size) for one in container.demux() if one.pos is not None and one.size]


# --- the end is known from the file's length --------------------------------------------------------------------------

WHOLE_IF_MEASURED = {
    "mdat": FTYP + MOOV + open_box(b"mdat", bytes(500)),
    "an empty mdat": FTYP + MOOV + MDAT + open_box(b"mdat"),
    "moov": FTYP + MDAT + open_box(b"moov", PICTURE),
    "a fragment's mdat": FTYP + MOOV + box(b"moof", bytes(20)) + open_box(b"mdat", bytes(50)),
    "free space": FTYP + MOOV + MDAT + open_box(b"free", bytes(5)),
    "a box of an unknown type": FTYP + MOOV + MDAT + open_box(b"SDLN", bytes(5)),
    "a type that is not ASCII": FTYP + MOOV + MDAT + open_box(b"\xa9xyz", bytes(5)),
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("name", WHOLE_IF_MEASURED)
def test_an_open_last_box_is_whole_where_the_length_was_met(name, size):
    assert walk(*split_every(WHOLE_IF_MEASURED[name], size), measured=True) == ()


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("name", WHOLE_IF_MEASURED)
def test_an_open_last_box_of_unknown_length_is_a_fault(name, size):
    assert "may be cut short" in fault_of(*split_every(WHOLE_IF_MEASURED[name], size))


@pytest.mark.parametrize("content", [FTYP + MOOV + open_box(b"mdat"), FTYP + MDAT + open_box(b"moov")])
def test_an_empty_open_last_box_is_a_fault(content):
    assert fault_of(content, measured=True).startswith(VIDEO_WITHOUT_MEDIA)
    assert "may be cut short" in fault_of(content)


def test_the_fault_names_the_open_box():
    assert f"(mdat, at byte {len(FTYP + MOOV):,})" in fault_of(FTYP + MOOV + open_box(b"mdat", bytes(500)))


# --- the end is known from the samples that moov lists ----------------------------------------------------------------


@pytest.mark.parametrize("name", MOOV_FIRST)
def test_an_open_mdat_is_complete_with_its_last_sample(name):
    content = opened(name)
    end = max(end for _, end in packets(video(name)))

    assert frames_decoded(content) == frames_decoded(video(name))
    assert walk(content[:end]) == ()
    assert walk(content + bytes(1000)) == ()
    assert "may be cut short" in fault_of(content[: end - 1])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MOOV_FIRST), st.data())
def test_an_open_mdat_that_is_cut_anywhere_is_a_fault(name, data):
    content = opened(name)

    assert fault_of(content[: data.draw(st.integers(1, len(content) - 1))])


def test_an_open_box_after_a_complete_video_is_ignored():
    content = video("two seconds, moov last")

    assert walk(content + open_box(b"free", b"1")) == walk(content + open_box(b"moov")) == ()


def test_an_open_moov_may_be_cut():
    before, moov = video("two seconds, moov last").split(b"moov")

    assert "may be cut short" in fault_of(before[:-4] + open_box(b"moov", moov))


@pytest.mark.parametrize("name", ["nothing in moov", "the first fragment in moov"])
def test_an_open_mdat_of_a_fragment_may_be_cut(name):
    boxes = boxes_in(video(name))
    last = max(at for at, (kind, _) in enumerate(boxes) if kind == b"mdat")
    content = b"".join(box(*one) for one in boxes[:last]) + open_box(*boxes[last])

    assert "may be cut short" in fault_of(content)
    assert walk(content, measured=True) == ()


def test_a_moov_too_large_to_keep_does_not_prove_completeness():
    content = changed(video(MOOV_FIRST[0]), [b"moov"], lambda moov: moov + box(b"free", bytes(MAX_MOOV_BYTES)))

    assert "may be cut short" in fault_of(with_last_mdat(content, 0))


# --- the end of the samples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VIDEOS)
def test_the_samples_end_where_ffmpeg_reads_the_last_one(name):
    assert end_of_samples(moov_of(video(name))) == max(end for _, end in packets(video(name)))


@pytest.mark.parametrize("name", VIDEOS)
def test_chunk_offsets_of_64_bits_are_read(name):
    def widened(stbl: bytes) -> bytes:
        tables = dict(boxes_in(stbl))
        offsets = [offset for (offset,) in struct.iter_unpack(">I", tables.pop(b"stco")[8:])]
        wide = struct.pack(f">II{len(offsets)}Q", 0, len(offsets), *(offset + 2**40 for offset in offsets))
        return b"".join(box(*one) for one in tables.items()) + box(b"co64", wide)

    moov = moov_of(changed(video(name), STBL, widened))

    assert end_of_samples(moov) == max(end for _, end in packets(video(name))) + 2**40


@pytest.mark.parametrize("name", FRAGMENTED)
def test_the_end_of_fragments_is_not_known(name):
    assert end_of_samples(moov_of(video(name))) is None


def table(kind: bytes, form: str, *rows: tuple[int, ...], count: int | None = None, before: bytes = b"") -> bytes:
    packed = b"".join(struct.pack(f">{form}", *row) for row in rows)
    return box(kind, bytes(4) + before + struct.pack(">I", len(rows) if count is None else count) + packed)


def track(*tables: bytes) -> bytes:
    return box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", b"".join(tables)))))


def stco(*offsets: int, **more: Any) -> bytes:
    return table(b"stco", "I", *((offset,) for offset in offsets), **more)


def stsc(*runs: tuple[int, int], **more: Any) -> bytes:
    return table(b"stsc", "III", *((first, count, 1) for first, count in runs), **more)


def stsz(*sizes: int, **more: Any) -> bytes:
    return table(b"stsz", "I", *((size,) for size in sizes), before=bytes(4), **more)


def stsz_of_one_size(size: int, count: int) -> bytes:
    return table(b"stsz", "I", count=count, before=struct.pack(">I", size))


KNOWN = {
    "one sample": (track(stco(100), stsc((1, 1)), stsz(7)), 107),
    "samples of one size": (track(stco(100, 500), stsc((1, 3)), stsz_of_one_size(7, 6)), 521),
    "a billion samples": (track(stco(100), stsc((1, 10**9)), stsz_of_one_size(4, 10**9)), 100 + 4 * 10**9),
    "runs of different lengths": (track(stco(10, 20, 30, 40), stsc((1, 2), (3, 1)), stsz(1, 2, 3, 4, 5, 9)), 49),
    "chunks in any order": (track(stco(900, 10), stsc((1, 1)), stsz(50, 60)), 950),
    "two tracks": (track(stco(900), stsc((1, 1)), stsz(50)) + track(stco(100), stsc((1, 1)), stsz(800)), 950),
    "a track without samples": (track(stco(), stsc(), stsz()) + track(stco(9), stsc((1, 1)), stsz(1)), 10),
}
UNKNOWN = {
    "nothing": b"",
    "no tables": box(b"trak", box(b"mdia")),
    "no samples": track(stco(), stsc(), stsz()),
    "no chunk offsets": track(stsc((1, 1)), stsz(7)),
    "no runs": track(stco(100), stsz(7)),
    "no sizes": track(stco(100), stsc((1, 1))),
    "sizes in another form": track(stco(100), stsc((1, 1)), table(b"stz2", "I", (7,), before=bytes(4))),
    "a missing chunk offset": track(stco(100, count=2), stsc((1, 1)), stsz(7, 7)),
    "a missing run": track(stco(100), stsc((1, 1), count=2), stsz(7)),
    "a missing size": track(stco(100), stsc((1, 2)), stsz(7, count=2)),
    "a sample in no chunk": track(stco(100), stsc((1, 1)), stsz(7, 7)),
    "a sample without a size": track(stco(100), stsc((1, 2)), stsz(7)),
    "a chunk in no run": track(stco(100), stsc(), stsz(7)),
    "one track of two": track(stco(100), stsc((1, 1)), stsz(7)) + track(stco(100), stsz(7)),
    "fragments": track(stco(100), stsc((1, 1)), stsz(7)) + box(b"mvex"),
    "an unknown version": track(stco(100), stsc((1, 1)), box(b"stsz", b"\2" + stsz(7)[9:])),
    "too many boxes": track(stco(100), stsc((1, 1)), stsz(7)) + box(b"free") * 10_000,
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_end_of_the_samples_is_computed_from_the_tables(name):
    moov, end = KNOWN[name]

    assert end_of_samples(moov) == end


@pytest.mark.parametrize("name", UNKNOWN)
def test_incomplete_tables_give_no_end(name):
    assert end_of_samples(UNKNOWN[name]) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=4), min_size=1, max_size=8), st.data())
def test_any_distribution_of_samples_over_chunks_is_computed(chunked: list[list[int]], data):
    gaps = data.draw(st.lists(st.integers(0, 9), min_size=len(chunked), max_size=len(chunked)))
    lengths = [sum(sizes) for sizes in chunked]
    ends = list(accumulate(gap + length for gap, length in zip(gaps, lengths, strict=True)))
    counts = [0, *(len(sizes) for sizes in chunked)]
    runs = [(at, after) for at, (before, after) in enumerate(pairwise(counts), 1) if before != after]
    tables = (
        stco(*(end - length for end, length in zip(ends, lengths, strict=True))),
        stsc(*runs),
        stsz(*(size for sizes in chunked for size in sizes)),
    )

    assert (end_of_samples(track(*tables)) or 0) == ends[-1]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), ANY_BOXES))
def test_any_bytes_have_an_end_or_none(content):
    assert (end_of_samples(content) or 1) > 0


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*VIDEOS, *FRAGMENTED]), DAMAGE, st.integers(0, 2_000))
def test_any_damage_to_a_moov_leaves_an_end_or_none(name, damage, end):
    assert (end_of_samples(damaged(moov_of(video(name)), damage, end)) or 1) > 0


LARGEST = 2**32 - 1


@pytest.mark.parametrize(
    "moov",
    [
        track(stco(*range(200_000)), stsc((1, LARGEST)), stsz(*range(200_000))),
        track(stco(*range(200_000)), stsc(*((LARGEST, LARGEST),) * 100_000), stsz(1)),
        track(stco(1), stsc((1, LARGEST)), stsz_of_one_size(LARGEST, LARGEST)) * 1_500,
    ],
    ids=["counts of 4 billion", "countless runs", "countless tracks"],
)
def test_huge_tables_take_no_time(moov):
    begun = time.process_time()

    end_of_samples(moov)

    assert time.process_time() - begun < 2
