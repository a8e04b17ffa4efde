import time

import pytest

from dropreel.domain.image_facts import ImageFacts
from dropreel.media.images.jpeg import read_metadata
from dropreel.media.images.parsed_image import UnreadableImage
from dropreel.media.images.reader import inspect_image
from tests.support.classified_images import prepared_for
from tests.support.icc_profiles import PROFILES
from tests.support.inspected_images import assert_as_pillow_shows_it, facts_of, reason_for
from tests.support.pictures import adobe_rgb, encoded, exif, jpeg, picture, png, segment, with_segments, zipped


def long_exif(orientation: int) -> bytes:
    """An Exif block larger than a segment, with its directory at its end."""
    entry = b"\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0])
    return b"Exif\0\0II*\0" + (80_000).to_bytes(4, "little") + bytes(79_992) + b"\x01\0" + entry + bytes(4)


def by_component() -> bytes:
    """A baseline JPEG with a scan for each of its three components."""
    grey = encoded(picture(mode="L"), "JPEG")
    start = grey.index(b"\xff\xda")
    header, data = grey[:start].replace(segment(0xC0, b"\x08\0\x28\0\x3c\x01\x01\x11\0"), b""), grey[start + 10 : -2]
    frame = segment(0xC0, b"\x08\0\x28\0\x3c\x03" + b"\x01\x11\0\x02\x11\0\x03\x11\0")
    scans = [segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + data for number in (1, 2, 3)]
    return header + frame + b"".join(scans) + b"\xff\xd9"


JPEGS = {
    "baseline": jpeg(),
    "progressive": jpeg(progressive=True),
    "grey": encoded(picture(mode="L"), "JPEG"),
    "CMYK": encoded(picture(mode="CMYK"), "JPEG"),
    "restart markers": jpeg(restart_marker_blocks=1),
    "progressive with restart markers": jpeg(progressive=True, restart_marker_rows=1),
    "4:4:4": jpeg(subsampling=0),
    "optimized": jpeg(optimize=True),
    "ICC profile": jpeg(icc_profile=bytes(200_000)),
    "comment": jpeg(comment=b"a comment with \xff\xd9 in it"),
    "one pixel": encoded(picture(1, 1), "JPEG"),
    "wide": encoded(picture(3000, 7), "JPEG"),
    "many segments": with_segments(jpeg(), *[segment(0xE5, b"x" * 100)] * 500),
    "large segments": with_segments(jpeg(), *[segment(0xE2, bytes(65_533))] * 20),
    "stray bytes between segments": with_segments(jpeg(), segment(0xE5, b"x"), b"stray\0\0", segment(0xE5, b"y")),
    "a stray stuffed FF between segments": with_segments(jpeg(), segment(0xE5, b"x"), b"\xff\0\0", segment(0xE5, b"y")),
    "many stray bytes": with_segments(jpeg(), segment(0xE5, b"x"), bytes(50_000)),
    "fill bytes": jpeg()[:2] + b"\xff" * 9 + jpeg()[2:],
    "an Adobe segment with a thumbnail": with_segments(jpeg(), segment(0xED, b"Photoshop 3.0\0" + jpeg())),
    "two pictures (MPO)": encoded(picture(), "MPO", save_all=True, append_images=[picture(30, 20)]),
    "zeros after its end": jpeg() + bytes(5000),
    "optimized and progressive": jpeg(progressive=True, optimize=True, quality=95),
    "an Exif block over two segments": with_segments(
        jpeg(), segment(0xE1, b"Exif\0\0" + long_exif(6)[6:65_000]), segment(0xE1, b"Exif\0\0" + long_exif(6)[65_000:])
    ),
    "Exif with a thumbnail": with_segments(jpeg(), segment(0xE1, exif(6) + jpeg(quality=30))),
    "an end mark between two scans": jpeg(progressive=True).replace(
        b"\xff\xda", segment(0xFE, b"a comment with \xff\xd9 in it") + b"\xff\xda"
    ),
    "fill bytes before the end mark": jpeg()[:-2] + b"\xff\xff\xff\xd9",
    "a scan for each component": by_component(),
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_has_the_size_that_pillow_shows(name):
    assert_as_pillow_shows_it(JPEGS[name], "JPEG")


def test_an_orientation_after_a_large_profile_is_read():
    content = with_segments(jpeg(orientation=6), *[segment(0xE2, bytes(65_533))] * 3)

    assert_as_pillow_shows_it(content, "JPEG")


def test_xmp_does_not_change_the_orientation():
    content = with_segments(jpeg(orientation=8), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"))

    assert facts_of(content).orientation == 8


# --- cut files, and files with more after the image -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["baseline", "progressive", "CMYK", "ICC profile", "restart markers"])
@pytest.mark.parametrize("part", [0.05, 0.2, 0.5, 0.8, 0.99])
def test_a_cut_jpeg_is_refused(name, part):
    content = JPEGS[name]

    reason = reason_for(content[: max(4, int(part * len(content)))])

    assert reason.code == "image_truncated"


def test_a_jpeg_cut_anywhere_is_refused():
    content = jpeg(orientation=6)

    accepted = [end for end in range(len(content)) if isinstance(inspect_image(content[:end]), ImageFacts)]

    assert accepted == []


AFTER = {
    "zeros": bytes(5000),
    "a line end": b"\n",
    "a video (motion photo)": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(256)) * 4000,
    "a whole second picture": jpeg(quality=20),
    "a second picture that is cut": jpeg(quality=20)[:-40],
    "a picture in another format": png(),
    "a maker's data": b"SEFH\x6b\0\0\0" + bytes(range(256)) * 90 + b"SEFT",
    "text": b"<x:depthmap>" + b"ffff" * 30_000 + b"</x:depthmap>",
    "markers of every kind": bytes(byte for marker in range(256) for byte in (0xFF, marker)),
    "a ZIP archive": zipped(),
    "a PDF document": b"%PDF-1.7\n1 0 obj\n",
    "a PHP program": b"<?php ?>",
}


@pytest.mark.parametrize("what", AFTER)
@pytest.mark.parametrize("name", ["baseline", "progressive", "CMYK", "restart markers"])
def test_bytes_after_a_jpeg_are_ignored(name, what):
    assert_as_pillow_shows_it(JPEGS[name] + AFTER[what], "JPEG")


@pytest.mark.parametrize("name", ["baseline", "progressive", "CMYK", "restart markers"])
def test_a_second_jpeg_does_not_complete_a_cut_one(name):
    content = JPEGS[name]
    scan = content.index(b"\xff\xda") + 20

    reasons = {reason_for(content[:end] + jpeg()).code for end in range(scan, len(content) - 2, 7)}

    assert reasons <= {"image_truncated", "image_damaged"}


def test_the_message_says_where_a_second_jpeg_starts():
    content = jpeg()[:-30]

    assert reason_for(content + jpeg()).message == (
        f"The JPEG is cut short: another one starts at byte {len(content):,}, before its end mark."
    )


# --- segments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marker", [0x01, 0x02, 0xC8, 0xF0, 0xBF])
def test_a_marker_that_image_data_cannot_have_is_damage(marker):
    content = jpeg()

    assert reason_for(content[:-30] + bytes([0xFF, marker]) + content[-30:]).code == "image_damaged"


def test_a_jpeg_without_a_frame_is_refused():
    assert reason_for(b"\xff\xd8" + segment(0xDA, b"\x01\x01\0\0\x3f\0") + b"data\xff\xd9").code == "image_damaged"


@pytest.mark.parametrize(
    "frame",
    [
        b"\x08\0\0\0\x10\x01\x01\x11\0",
        b"\x08\0\x10\0\0\x01\x01\x11\0",
        b"\x08\0\x10\0\x10\0",
        b"\x08\0\x10\0\x10\x03\x01",
    ],
    ids=["no height", "no width", "no components", "fewer components than counted"],
)
def test_a_jpeg_with_an_invalid_frame_header_is_refused(frame: bytes):
    content = b"\xff\xd8" + segment(0xC0, frame) + segment(0xDA, b"\x01\x01\0\0\x3f\0") + b"data\xff\xd9"

    assert reason_for(content).code in ("image_damaged", "image_truncated")


SCAN = segment(0xDA, b"\x01\x01\0\0\x3f\0") + b"data\xff\xd9"
TABLE = segment(0xDB, b"\0" + bytes(64))


def grey_frame(precision: int = 8, components: bytes = b"\x01\x11\0") -> bytes:
    return bytes([precision, 0, 16, 0, 16, len(components) // 3]) + components


@pytest.mark.parametrize(
    ("segments", "what"),
    [
        (TABLE + segment(0xC0, grey_frame()) * 2 + SCAN, "two frame headers"),
        (TABLE + segment(0xC0, grey_frame(components=b"\x01\x51\0")) + SCAN, "sampling"),
        (TABLE + segment(0xC0, grey_frame(components=b"\x02\x11\0")) + SCAN, "different components"),
        (TABLE + segment(0xC0, grey_frame()) + segment(0xDA, b"") + b"data\xff\xd9", "picture data"),
        (segment(0xC0, grey_frame()) + SCAN, "missing"),
        (segment(0xDB, b"\0" + bytes(63)), "quantization table"),
        (segment(0xDB, b"\x04" + bytes(64)), "quantization table"),
        (segment(0xC4, b"\0" + b"\3" + bytes(15) + b"abc"), "Huffman table"),
        (segment(0xC4, b"\x10" + b"\2" + bytes(15) + b"ab"), "Huffman table"),
        (segment(0xC4, b"\0" + b"\0\1" + bytes(14) + b"\x11") + bytes(500), "Huffman table"),
        (segment(0xC4, b"\x20" + bytes(16)) + bytes(500), "Huffman table"),
        (segment(0x42, b""), "marker 42"),
        (TABLE + segment(0xC0, grey_frame()) + b"\xff\xd9", "ends before its picture data"),
    ],
)
def test_a_jpeg_with_invalid_segments_is_refused(segments, what):
    reason = reason_for(b"\xff\xd8" + segments)

    assert reason.code == "image_damaged"
    assert what in reason.message


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC9, 0xCA])
def test_every_supported_frame_type_is_accepted(marker):
    facts = facts_of(b"\xff\xd8" + TABLE + segment(marker, grey_frame()) + SCAN)

    assert (facts.width, facts.height) == (16, 16)


def test_a_lossless_jpeg_needs_no_quantization_table():
    assert facts_of(b"\xff\xd8" + segment(0xC3, grey_frame()) + SCAN).format == "JPEG"


@pytest.mark.parametrize(
    ("marker", "frame"),
    [
        (0xC1, grey_frame(precision=12)),
        (0xC0, grey_frame(components=b"\x01\x11\0\x02\x11\0")),
        (0xC5, grey_frame()),
        (0xCF, grey_frame()),
    ],
    ids=["12 bits", "two components", "hierarchical", "lossless and arithmetic"],
)
def test_an_unsupported_kind_of_jpeg_is_refused(marker, frame):
    reason = reason_for(b"\xff\xd8" + TABLE + segment(marker, frame) + SCAN)

    assert reason.code == "image_format"
    assert "save it as an ordinary JPEG" in reason.message


@pytest.mark.parametrize(
    "tail",
    [
        b"<html><body>Hello</body></html>\xff\xd9",
        b"\xe0\x00\x01" + bytes(50),
        b"\xe0\x00\x00" + bytes(50),
        b"\x00" * 50,
        b"\xd9",
        b"\xd8\xff\xd8\xff\xd9",
        b"\xe0\x00\x10" + b"<html>" * 20 + b"\xff\xd9",
    ],
)
def test_other_bytes_after_a_jpeg_signature_are_refused(tail):
    assert reason_for(b"\xff\xd8\xff" + tail).code in ("image_damaged", "image_truncated")


# --- color profiles ---------------------------------------------------------------------------------------------------

WIDE = PROFILES["Display P3"]


def parts(*parts: tuple[int, int, bytes]) -> list[bytes]:
    """Segments of a profile: number, count and content of each."""
    return [segment(0xE2, b"ICC_PROFILE\0" + bytes([number, count]) + content) for number, count, content in parts]


def thirds(order: tuple[int, ...] = (1, 2, 3), count: int = 3) -> list[bytes]:
    """The segments of a wide-gamut profile in three parts, of which those in this order are there."""
    length = len(WIDE) // 3 + 1
    return parts(*((number, count, WIDE[(number - 1) * length : number * length]) for number in order))


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_a_profile_in_several_segments_is_read_in_any_order(order):
    assert prepared_for(with_segments(jpeg(), *thirds(order))) == ["color_profile"]


def test_a_profile_of_the_most_segments_is_read():
    cuts = [(number, 255, WIDE[number - 1 : number]) for number in range(1, 255)]
    content = with_segments(jpeg(), *parts(*cuts, (255, 255, WIDE[254:])))

    assert prepared_for(content) == ["color_profile"]


def test_other_segments_between_those_of_a_profile_do_not_count():
    first, *rest = thirds()

    assert prepared_for(with_segments(jpeg(), first, segment(0xE2, b"MPF\0MM\0*"), *rest)) == ["color_profile"]


@pytest.mark.parametrize(
    "segments",
    [
        thirds((1, 3)),
        thirds((1, 2, 2)),
        thirds((1, 2, 3), count=4),
        thirds((1, 2, 3), count=2),
        thirds((1, 2, 3, 3)),
        parts((0, 1, WIDE)),
        parts((2, 1, WIDE)),
        parts((1, 2, WIDE), (3, 2, b"")),
        parts((1, 2, WIDE), (2, 1, b"")),
        parts((1, 1, WIDE), (1, 1, WIDE)),
        [segment(0xE2, b"ICC_PROFILE\0")],
        [segment(0xE2, b"ICC_PROFILE\0\1")],
        [segment(0xE2, b"icc_profile\0\1\1" + WIDE)],
    ],
    ids=[
        *("one is missing", "one is twice", "fewer than counted", "more than counted", "one more", "numbered from 0"),
        *("numbered beyond", "another number", "another count", "two profiles", "no number", "no count", "other"),
    ],
)
def test_a_profile_with_wrong_segments_is_ignored(segments):
    assert prepared_for(with_segments(jpeg(), *segments)) == []


def test_a_profile_after_the_picture_data_starts_is_ignored():
    content = jpeg(progressive=True)
    scan = content.rindex(b"\xff\xda")

    assert prepared_for(content[:scan] + thirds()[0] + content[scan:]) == []
    assert prepared_for(content[:scan] + parts((1, 1, WIDE))[0] + content[scan:]) == []


def test_the_profile_of_a_second_picture_does_not_count():
    assert prepared_for(jpeg() + jpeg(icc_profile=WIDE)) == []


def test_a_gray_profile_counts_for_a_gray_jpeg_alone():
    dot_gain = PROFILES["dot gain 20%"]

    assert prepared_for(encoded(picture(mode="L"), "JPEG", icc_profile=dot_gain)) == ["color_profile"]
    assert prepared_for(jpeg(icc_profile=dot_gain)) == []


def test_a_cmyk_jpeg_is_prepared_for_that_alone():
    assert prepared_for(encoded(picture(mode="CMYK"), "JPEG", icc_profile=WIDE)) == ["cmyk"]


def test_components_with_one_name_are_counted_each():
    frame = grey_frame(components=b"\x01\x11\0" * 4)

    assert prepared_for(b"\xff\xd8" + TABLE + segment(0xC0, frame) + SCAN) == ["cmyk"]


def test_a_profile_counts_more_than_exif():
    adobe = segment(0xE1, b"Exif\0\0" + adobe_rgb())

    assert prepared_for(with_segments(jpeg(), adobe)) == ["color_profile"]
    assert prepared_for(with_segments(jpeg(icc_profile=PROFILES["sRGB"]), adobe)) == []


# --- limits, and what is read for a decoder ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("segments", "what"),
    [
        ([segment(0xE5, b"")] * 5000, "more than 5,000 segments"),
        ([segment(0xE1, exif(6) + b"x")] * 101, "more than 100 segments of Exif"),
        ([b"\xff" * 600_000, segment(0xE5, b""), bytes(600_000)], "more than 1,000,000 bytes between its segments"),
    ],
)
def test_a_jpeg_with_too_much_before_its_picture_is_refused(segments, what):
    reason = reason_for(with_segments(jpeg(), *segments))

    assert reason.code == "image_damaged"
    assert what in reason.message


def test_the_walk_ends_at_the_limit_of_segments():
    content = with_segments(jpeg(), segment(0xE5, b"") * 2_000_000)

    started = time.process_time()
    reason_for(content)

    assert time.process_time() - started < 0.5


def test_an_orientation_after_the_frame_header_is_read():
    content = jpeg()
    scan = content.index(b"\xff\xda")

    assert facts_of(content[:scan] + segment(0xE1, exif(6)) + content[scan:]).orientation == 6


def test_an_orientation_after_the_picture_data_starts_is_ignored():
    content = jpeg(progressive=True)
    scan = content.rindex(b"\xff\xda")

    assert facts_of(content[:scan] + segment(0xE1, exif(6)) + content[scan:]).orientation == 1
    assert facts_of(content[:-2] + segment(0xE1, exif(6)) + content[-2:]).orientation == 1


def test_the_scans_of_the_first_picture_alone_are_counted():
    content = jpeg(progressive=True)
    whole = read_metadata(content)

    assert whole.scans == 10
    assert read_metadata(content + content + b"\xff\xda" * 1000) == whole


def test_the_metadata_of_a_jpeg_without_its_end_is_read():
    assert read_metadata(jpeg(orientation=6)[:-30]).exif == exif(6)[6:]


@pytest.mark.parametrize("marker", [0xD8, 0xD9, 0xF0, 0xC8])
def test_a_marker_that_could_hide_segments_is_refused(marker):
    with pytest.raises(UnreadableImage):
        read_metadata(with_segments(jpeg(), bytes([0xFF, marker])))
