import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA, VideoFault
from dropreel.media.mp4 import MAX_MOOV_BYTES, BoxWalker
from tests.support.mp4_boxes import FTYP, MDAT, MOOV, PICTURE, SOUND
from tests.support.tiny_video import boundaries, box, long_box, open_box, tiny_video
from tests.support.walked_videos import fault_of, split_at, split_every, walk

# --- a complete video -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measured", [True, False])
def test_an_encoded_video_is_complete_without_warnings(measured):
    assert walk(tiny_video(), measured=measured) == ()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, len(tiny_video())), max_size=30))
def test_a_complete_video_may_come_in_any_pieces(places):
    walk(*split_at(tiny_video(), places))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 15, 16, 17, 1000])
def test_a_video_may_come_in_pieces_of_any_size(size):
    content = tiny_video()

    walk(*(content[at : at + size] for at in range(0, len(content), size)))


WHOLE = {
    "moov last": FTYP + MDAT + MOOV,
    "moov first": FTYP + MOOV + MDAT,
    "in fragments": FTYP + MOOV + (box(b"moof", bytes(20)) + MDAT) * 5,
    "boxes with no payload": FTYP + box(b"free") + box(b"free") + MOOV + MDAT + box(b"free"),
    "64-bit sizes": long_box(b"ftyp", b"isom") + long_box(b"mdat", bytes(300)) + long_box(b"moov", PICTURE),
    "an empty 64-bit box": FTYP + long_box(b"free") + MOOV + MDAT,
    "a box of an unknown type": FTYP + MOOV + MDAT + box(b"SDLN", bytes(7)),
    "media in an identified box": FTYP + MOOV + box(b"imda", bytes(50)),
    "one byte of media": FTYP + MOOV + box(b"mdat") + box(b"mdat", b"1"),
    "a second video after the first": FTYP + MOOV + MDAT + FTYP + MOOV + MDAT,
}


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("name", WHOLE)
def test_every_way_to_write_boxes_is_understood(name, measured):
    assert walk(WHOLE[name], measured=measured) == ()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(WHOLE.values())), st.lists(st.integers(0, 400), max_size=40))
def test_every_way_to_write_boxes_is_understood_in_pieces(content, places):
    walk(*split_at(content, [min(place, len(content)) for place in places]))


# --- other files, and incomplete videos -------------------------------------------------------------------------------


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("pieces", [(), (b"",), (b"", b"")])
def test_an_empty_file_is_no_video(pieces, measured):
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
def test_other_files_are_refused_at_their_first_bytes(content, measured):
    walker = BoxWalker(measured)

    with pytest.raises(VideoFault, match="not an MP4"):
        walker.feed(content[:16])


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("content", [b"<", b"gone", b"\0\0\0\x20fty"])
def test_less_than_a_box_header_is_cut_short(content, measured):
    assert "cut short" in fault_of(content, measured=measured)


@pytest.mark.parametrize("measured", [True, False])
def test_a_heic_image_is_no_video(measured):
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


def test_an_encoded_video_without_its_last_box_is_refused():
    content = tiny_video()

    assert "no moov" in fault_of(content[: boundaries(content)[-2]])


@pytest.mark.parametrize(
    "behind", [b"\0", b"\n", bytes(8), bytes(5000), b"\0\0\0\x10junk", b"<html></html>", b"<!-- edge -->"]
)
def test_bytes_behind_the_last_box_are_refused_without_a_length(behind):
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
def test_a_moov_inside_an_open_box_is_missing(measured):
    assert "no moov" in fault_of(FTYP + open_box(b"mdat", MOOV), measured=measured)


def test_a_movie_without_ftyp_is_refused_without_a_length():
    assert "not an MP4" in fault_of(MOOV + MDAT)


# --- no media ---------------------------------------------------------------------------------------------------------

WITHOUT_MEDIA = {
    "moov alone": FTYP + MOOV,
    "an empty mdat": FTYP + MOOV + box(b"mdat"),
    "an empty mdat of 64 bits": FTYP + MOOV + long_box(b"mdat"),
    "a fragment without media": FTYP + MOOV + box(b"moof", bytes(20)),
    "free space": FTYP + MOOV + box(b"free", bytes(2000)),
    "sound alone": FTYP + box(b"moov", SOUND) + MDAT,
    "an empty moov": FTYP + box(b"moov") + MDAT,
    "a moov with sound, then one with video": FTYP + box(b"moov", SOUND) + MOOV + MDAT,
}


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("name", WITHOUT_MEDIA)
def test_a_video_without_media_is_a_fault_with_its_own_code(name, measured):
    assert fault_of(WITHOUT_MEDIA[name], measured=measured).startswith(f"{VIDEO_WITHOUT_MEDIA}: the video has ")


@pytest.mark.parametrize("behind", [b"\0", bytes(5000), b"<!-- served by edge 7 -->"])
def test_bytes_behind_a_moov_are_no_media(behind):
    assert fault_of(FTYP + MOOV + behind, measured=True).startswith(VIDEO_WITHOUT_MEDIA)


def test_a_moov_too_large_to_be_read_may_have_a_video_track():
    assert walk(FTYP + MDAT + box(b"moov", SOUND + box(b"free", bytes(MAX_MOOV_BYTES)))) == ()


# --- warnings about a video of known length, which cannot have been cut -----------------------------------------------

BEHIND = {
    "a NUL": b"\0",
    "seven NULs": bytes(7),
    "eight NULs": bytes(8),
    "pages of NULs": bytes(100_000),
    "a newline": b"\n",
    "two newlines": b"\r\n\r\n",
    "a comment": b"<!-- served by edge 7 -->",
    "a page": b"<html><body>" + b"sorry " * 500,
    "junk of a plausible size": b"\0junk" * 1_500_000,
    "a size alone": b"\0\0\0\1",
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

    warnings = walk(*split_every(COMPLETE[name] + junk, size), measured=True)

    assert warnings == (f"The video has {count} behind its last box, from byte {start:,} on; players ignore them.",)


@pytest.mark.parametrize("size", [1, 7, 10_000_000])
@pytest.mark.parametrize(
    ("header", "size_in_header"),
    [
        ((109).to_bytes(4, "big") + b"mdat", "109"),
        (b"\xff\xff\xff\xffmdat", "4,294,967,295"),
        (b"\0\0\0\1mdat" + (2**63).to_bytes(8, "big"), "9,223,372,036,854,775,808"),
    ],
)
def test_a_last_mdat_longer_than_the_file_is_a_warning(header, size_in_header, size):
    content = FTYP + MOOV + header + bytes(100)

    warnings = walk(*split_every(content, size), measured=True)

    name = f"mdat, at byte {len(FTYP + MOOV)}"
    present = len(header) + 100
    assert warnings == (
        f"The video's last box ({name}) says that it has {size_in_header} bytes; the file ends after {present} of them.",
    )


@pytest.mark.parametrize("kind", [b"moof", b"mfra", b"free", b"moov"])
def test_any_optional_last_box_longer_than_the_file_is_a_warning(kind):
    (warning,) = walk(FTYP + MOOV + MDAT + (500).to_bytes(4, "big") + kind + bytes(20), measured=True)

    assert warning.startswith(f"The video's last box ({kind.decode()}, at byte ")


def test_a_box_longer_than_the_file_that_covers_the_moov_is_a_fault():
    long_mdat = (len(MDAT) + len(MOOV) + 1).to_bytes(4, "big") + MDAT[4:]

    assert fault_of(FTYP + long_mdat + MOOV, measured=True)


@pytest.mark.parametrize("end", range(1, len(MOOV), 7))
def test_a_cut_moov_is_a_fault(end):
    assert "cut short" in fault_of(FTYP + MDAT + MOOV[:-end], measured=True)


@pytest.mark.parametrize("kind", [b"wide", b"free", b"skip", b"junk", b"pnot", b"udta", b"uuid"])
@pytest.mark.parametrize("size", [1, 7, 10_000_000])
def test_a_quicktime_movie_without_ftyp_is_a_warning(kind, size):
    warning = (
        f"The video starts with a {kind.decode()} box where an MP4 has ftyp; players take it as a QuickTime movie."
    )

    assert walk(*split_every(box(kind) + MDAT + MOOV, size), measured=True) == (warning,)


@pytest.mark.parametrize("content", [MOOV + MDAT, MDAT + MOOV, open_box(b"mdat") + MOOV])
def test_a_quicktime_movie_may_start_with_moov_or_mdat(content):
    if content.startswith(bytes(4)):
        assert "no moov" in fault_of(content, measured=True)
    else:
        assert "starts with a m" in walk(content, measured=True)[0]


@pytest.mark.parametrize("start", [b"moof", b"meta", b"abcd", b"ftyq", b"FTYP", b"\0\0\0\0"])
def test_no_other_box_starts_a_movie(start):
    assert "not an MP4" in fault_of(box(start) + MOOV + MDAT, measured=True)


def test_each_deviation_has_a_warning():
    warnings = walk(box(b"wide") + MDAT + MOOV + b"\n", measured=True)

    assert len(warnings) == 2


def test_a_fault_has_no_warnings():
    walker = BoxWalker(measured=True)
    walker.feed(box(b"wide") + MOOV + b"\n")

    with pytest.raises(VideoFault):
        walker.finish()

    assert walker.warnings == ()


# --- any bytes --------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*WHOLE.values(), *COMPLETE.values(), *WITHOUT_MEDIA.values()]),
    st.binary(max_size=40),
    st.integers(0, 40),
)
def test_a_video_accepted_without_a_length_is_accepted_with_one(content, behind, cut):
    """A stored video has a length, and must then be accepted again with the same warnings."""
    content = content[: len(content) - cut] + behind
    try:
        warnings = walk(content)
    except VideoFault:
        return

    assert walk(content, measured=True) == warnings


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10), st.booleans())
def test_any_bytes_are_a_video_or_a_fault_in_any_pieces(behind, places, measured):
    content = FTYP + behind

    def outcome(pieces: list[bytes]) -> str:
        try:
            walk(*pieces, measured=measured)
        except VideoFault as fault:
            return "fault" if fault.args else "no message"
        return "whole"

    assert outcome(split_at(content, [min(place, len(content)) for place in places])) == outcome([content])
