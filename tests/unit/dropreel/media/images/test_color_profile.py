import struct
import time
import tracemalloc
import zlib

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageCms

from dropreel.media.images.color_profile import (
    MAX_PROFILE_BYTES,
    is_srgb_chromaticities,
    is_srgb_code,
    is_srgb_compressed,
    is_srgb_profile,
)
from tests.support.icc_profiles import (
    D50_XY,
    DISPLAY_P3,
    PROFILES,
    REC_2020,
    SRGB,
    SRGB_CURVE,
    cicp_tag,
    colorants,
    gamma_curve,
    gray_profile,
    linear_curve,
    matrix_profile,
    parametric_curve,
    profile,
    rgb_profile,
    srgb_light,
    table_curve,
)

LIKE_SRGB = ["sRGB", "sRGB IEC61966-2.1", "sRGB, tiny", "gamma 2.2 with sRGB's colorants"]
OTHER = [
    *("Display P3", "DCI-P3", "Adobe RGB (1998)", "ProPhoto RGB", "Rec. 2020", "eciRGB v2", "PAL", "Rec. 709"),
    *("linear light with sRGB's colorants", "gamma 1.8 with sRGB's colorants", "RGB table"),
]


@pytest.mark.parametrize("name", LIKE_SRGB)
def test_a_profile_like_srgb_is_recognized(name):
    assert is_srgb_profile(PROFILES[name])


@pytest.mark.parametrize("name", OTHER)
def test_a_profile_of_another_color_space_is_recognized(name):
    assert not is_srgb_profile(PROFILES[name])


def test_the_profile_that_little_cms_makes_is_srgb():
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    assert is_srgb_profile(content)


# --- colorants --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_each_colorant_counts(row, column):
    matrix = colorants(SRGB)
    near, far = numpy.zeros((3, 3)), numpy.zeros((3, 3))
    near[row, column], far[row, column] = 0.005, 0.015

    assert is_srgb_profile(matrix_profile(matrix + near, SRGB_CURVE))
    assert is_srgb_profile(matrix_profile(matrix - near, SRGB_CURVE))
    assert not is_srgb_profile(matrix_profile(matrix + far, SRGB_CURVE))
    assert not is_srgb_profile(matrix_profile(matrix - far, SRGB_CURVE))


def test_colorants_that_are_not_adapted_to_d50_are_others():
    assert not is_srgb_profile(matrix_profile(colorants(SRGB, adapted=False), SRGB_CURVE))


@pytest.mark.parametrize("name", [b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2", b"D2B3"])
def test_a_table_counts_more_than_colorants(name):
    assert not is_srgb_profile(matrix_profile(colorants(SRGB), SRGB_CURVE, extra={name: b"a table"}))


@pytest.mark.parametrize(
    ("primaries", "transfer", "same"), [(1, 13, True), (1, 1, True), (12, 13, False), (1, 16, False)]
)
def test_code_points_count_more_than_colorants(primaries, transfer, same):
    extra = {b"cicp": cicp_tag(primaries, transfer)}

    assert is_srgb_profile(matrix_profile(colorants(SRGB), SRGB_CURVE, extra=extra)) is same
    assert is_srgb_profile(matrix_profile(colorants(DISPLAY_P3), SRGB_CURVE, extra=extra)) is same


# --- curves -----------------------------------------------------------------------------------------------------------

A, B = 1 / 1.055, 0.055 / 1.055
SRGB_CURVES = {
    "parametric": SRGB_CURVE,
    "parametric, with offsets": parametric_curve(4, 2.4, A, B, 1 / 12.92, 0.04045, 0.0, 0.0),
    "power": parametric_curve(0, 2.2),
    "power above a point": parametric_curve(1, 2.4, A, B),
    "parametric, near in two other parts": parametric_curve(4, 2.06, 1.0854, -0.0951, 0.2, 0.2, 0.02, -0.007),
    "gamma": gamma_curve(2.2),
    "table": table_curve(srgb_light),
    "table of 4096": table_curve(srgb_light, 4096),
    "table of 17": table_curve(srgb_light, 17),
}
OTHER_CURVES = {
    "identity": linear_curve(),
    "identity as a table": table_curve(lambda value: value, 2),
    "gamma 1.8": gamma_curve(1.8),
    "gamma 2.4": gamma_curve(2.4),
    "parametric power": parametric_curve(0, 1.8),
    "lifted": parametric_curve(2, 2.2, 1.0, 0.0, 0.1),
    "lifted above a point": parametric_curve(4, 2.4, A, B, 1 / 12.92, 0.04045, 0.1, 0.0),
    "lifted below a point": parametric_curve(4, 2.4, A, B, 1 / 12.92, 0.04045, 0.0, 0.1),
    "steep below a point": parametric_curve(3, 2.4, A, B, 0.5, 0.3),
    "inverted": table_curve(lambda value: 1 - srgb_light(value)),
    "dim": table_curve(lambda value: 0.9 * srgb_light(value)),
    "nearly zero": parametric_curve(2, 1.0, 0.0001, 0.0, 0.0),
    "lifted, and flat below a point": parametric_curve(2, 2.2, 1.2, -0.2, 0.05),
}


@pytest.mark.parametrize("name", SRGB_CURVES)
def test_a_curve_near_srgbs_is_recognized(name):
    assert is_srgb_profile(rgb_profile(SRGB, SRGB_CURVES[name]))


@pytest.mark.parametrize("name", OTHER_CURVES)
def test_another_curve_is_recognized(name):
    assert not is_srgb_profile(rgb_profile(SRGB, OTHER_CURVES[name]))


@pytest.mark.parametrize("channel", range(3))
def test_each_channels_curve_counts(channel):
    curves = [SRGB_CURVE] * 3
    curves[channel] = linear_curve()

    assert not is_srgb_profile(matrix_profile(colorants(SRGB), *curves))


# --- gray -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gray with sRGB's curve", "gray gamma 2.2"])
def test_a_gray_profile_with_a_curve_near_srgbs_is_fine(name):
    assert is_srgb_profile(PROFILES[name], gray=True)


@pytest.mark.parametrize("name", ["gray gamma 1.8", "dot gain 20%"])
def test_a_gray_profile_with_another_curve_is_not(name):
    assert not is_srgb_profile(PROFILES[name], gray=True)


def test_a_gray_profile_does_not_describe_colors():
    assert is_srgb_profile(gray_profile(linear_curve()))


def test_a_profile_of_colors_describes_a_gray_image():
    assert not is_srgb_profile(PROFILES["Display P3"], gray=True)


def test_a_profile_of_inks_does_not_describe_an_image_of_light():
    assert is_srgb_profile(PROFILES["CMYK table"])


# --- profiles that cannot be read -------------------------------------------------------------------------------------

WIDE = rgb_profile(DISPLAY_P3)
TAGS = {WIDE[at : at + 4].decode(): at for at in range(132, 132 + 9 * 12, 12)}


def with_bytes(at: int, content: bytes) -> bytes:
    return WIDE[:at] + content + WIDE[at + len(content) :]


def without_tag(name: str) -> bytes:
    return with_bytes(TAGS[name], b"none")


UNREADABLE = {
    "nothing": b"",
    "zeros": bytes(500),
    "a header alone": WIDE[:128],
    "cut": WIDE[:-1],
    "another signature": with_bytes(36, b"nope"),
    "version 1": with_bytes(8, b"\1"),
    "version 5": with_bytes(8, b"\5"),
    "a size larger than the profile": with_bytes(0, b"\x7f\xff\xff\xff"),
    "a size smaller than the tags": with_bytes(0, struct.pack(">I", 140)),
    "more tags than bytes": with_bytes(128, b"\xff\xff\xff\xff"),
    "a tag outside": with_bytes(TAGS["rXYZ"] + 4, b"\xff\xff\xff\xff"),
    "a tag that ends outside": with_bytes(TAGS["rXYZ"] + 8, b"\xff\xff\xff\xff"),
    "no red": without_tag("rXYZ"),
    "no blue": without_tag("bXYZ"),
    "no curve": without_tag("gTRC"),
    "a colorant of another type": with_bytes(TAGS["rXYZ"] + 4, WIDE[TAGS["rTRC"] + 4 : TAGS["rTRC"] + 12]),
    "a colorant too short": with_bytes(TAGS["rXYZ"] + 8, struct.pack(">I", 19)),
    "a curve of another type": with_bytes(TAGS["rTRC"] + 4, WIDE[TAGS["rXYZ"] + 4 : TAGS["rXYZ"] + 12]),
    "a curve too short": with_bytes(TAGS["rTRC"] + 8, struct.pack(">I", 31)),
    "a curve with more entries than bytes": rgb_profile(DISPLAY_P3, struct.pack(">4s4xI", b"curv", 0xFFFFFFFF)),
    "a curve of one missing entry": rgb_profile(DISPLAY_P3, struct.pack(">4s4xI", b"curv", 1)),
    "a function of no known type": rgb_profile(DISPLAY_P3, parametric_curve(5, 1, 1, 1, 1, 1, 1, 1)),
    "a function with too few parameters": rgb_profile(DISPLAY_P3, parametric_curve(4, 2.4, A, B)),
    "a power that overflows": rgb_profile(SRGB, parametric_curve(1, 30_000.0, 30_000.0, 1.0)),
    "a negative power of zero": rgb_profile(SRGB, parametric_curve(0, -1.0)),
    "a gray profile without a curve": profile(b"GRAY", {}),
    "another color space": profile(b"Lab ", {}),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_profile_that_cannot_be_read_is_ignored(name):
    assert is_srgb_profile(UNREADABLE[name])
    assert is_srgb_profile(UNREADABLE[name], gray=True)


def test_bytes_after_a_profile_are_ignored():
    assert not is_srgb_profile(WIDE + bytes(100))


def test_of_two_tags_with_one_name_the_first_one_counts():
    twice = profile(b"RGB ", {})
    entries = WIDE[132 : 132 + 12 * 9]
    second = entries.replace(entries[36:48], b"rXYZ" + WIDE[TAGS["bXYZ"] + 4 : TAGS["bXYZ"] + 12])

    assert twice[:4] != WIDE[:4]
    assert is_srgb_profile(WIDE) is is_srgb_profile(with_bytes(132, second)) is False


LONGEST = 0.5
"""Seconds of processor time."""
HOSTILE = {
    "overlapping tags of 9 MB": lambda: overlapping(b"curv" + bytes(4) + struct.pack(">I", 4_000_000)),
    "a table of 4 million entries": lambda: rgb_profile(
        SRGB, struct.pack(">4s4xI", b"curv", 4_000_000) + bytes(8_000_000)
    ),
    "700,000 tags": lambda: many_tags(b"rXYZ"),
    "700,000 other tags": lambda: many_tags(b"none"),
}


def overlapping(start: bytes) -> bytes:
    """A profile each of whose tags is the whole rest of it."""
    names = [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"cicp", b"A2B1", b"A2B2"]
    body = start.ljust(9_000_000, b"\0")
    table = b"".join(struct.pack(">4sII", name, 132 + 12 * len(names), len(body)) for name in names)
    return header(len(names), table + body)


def many_tags(name: bytes) -> bytes:
    return header(700_000, struct.pack(">4sII", name, 0, 128) * 700_000)


def header(count: int, rest: bytes) -> bytes:
    return struct.pack(">I", 132 + len(rest)) + WIDE[4:128] + struct.pack(">I", count) + rest


@pytest.mark.parametrize("name", HOSTILE)
def test_a_profile_built_to_be_slow_is_not(name):
    content = HOSTILE[name]()
    tracemalloc.start()
    start = time.process_time()

    is_srgb_profile(content)
    is_srgb_profile(content, gray=True)

    elapsed, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert elapsed < LONGEST
    assert peak < 1_000_000


# --- compressed profiles ----------------------------------------------------------------------------------------------


def test_a_compressed_profile_is_read():
    assert is_srgb_compressed(zlib.compress(PROFILES["sRGB"]))
    assert not is_srgb_compressed(zlib.compress(WIDE))
    assert not is_srgb_compressed(zlib.compress(PROFILES["dot gain 20%"]), gray=True)


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing of zlib's", zlib.compress(WIDE)[:-6], zlib.compress(WIDE)[:-4] + b"\0\0\0\0"],
    ids=["empty", "other bytes", "cut", "wrong checksum"],
)
def test_a_compressed_profile_that_is_damaged_is_ignored(content):
    assert is_srgb_compressed(content)


def test_a_compressed_profile_is_decompressed_only_so_far():
    bomb = zlib.compress(WIDE + bytes(50_000_000))
    tracemalloc.start()

    ignored = is_srgb_compressed(bomb)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ignored
    assert peak < 3 * MAX_PROFILE_BYTES


def test_the_largest_compressed_profile_is_read():
    assert not is_srgb_compressed(zlib.compress(WIDE.ljust(MAX_PROFILE_BYTES, b"\0")))
    assert is_srgb_compressed(zlib.compress(WIDE.ljust(MAX_PROFILE_BYTES + 1, b"\0")))


# --- code points and chromaticities -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("primaries", "transfer", "same"),
    [(1, 13, True), (1, 1, True), (12, 13, False), (9, 16, False), (1, 8, False), (1, 16, False), (1, 18, False)],
    ids=["sRGB", "BT.709", "Display P3", "BT.2100 PQ", "linear", "PQ", "HLG"],
)
def test_code_points_of_srgb_are_recognized(primaries, transfer, same):
    assert is_srgb_code(primaries, transfer) is same


def xy(primaries) -> list[float]:
    return [value for point in (primaries.white, primaries.red, primaries.green, primaries.blue) for value in point]


def test_chromaticities_of_srgb_are_recognized():
    assert is_srgb_chromaticities(xy(SRGB))
    assert is_srgb_chromaticities([0.31270, 0.32900, 0.64000, 0.33000, 0.30000, 0.60000, 0.15000, 0.06000])
    assert not is_srgb_chromaticities(xy(DISPLAY_P3))
    assert not is_srgb_chromaticities(xy(REC_2020))


@pytest.mark.parametrize("position", range(8))
def test_each_chromaticity_counts(position):
    near, far = xy(SRGB), xy(SRGB)
    near[position] += 0.01
    far[position] += 0.02

    assert is_srgb_chromaticities(near)
    assert not is_srgb_chromaticities(far)


def test_another_white_counts():
    assert not is_srgb_chromaticities([*D50_XY, *xy(SRGB)[2:]])


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_impossible_chromaticities_are_ignored(value):
    assert is_srgb_chromaticities([*xy(DISPLAY_P3)[:7], value])


# --- any bytes --------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_changed_profile_gives_an_answer(data):
    content = bytearray(PROFILES[data.draw(st.sampled_from(sorted(PROFILES)))][:1200])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4)) or b"\0"
    content[:4] = struct.pack(">I", len(content))  # so that it is read further than its header

    assert is_srgb_profile(bytes(content)) in (True, False)
    assert is_srgb_profile(bytes(content), gray=True) in (True, False)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_curve_gives_an_answer(content):
    for kind in (b"curv\0\0\0\0", b"para\0\0\0\0", b"para\0\0\0\0\0\1", b"para\0\0\0\0\0\4"):
        assert is_srgb_profile(rgb_profile(SRGB, kind + content)) in (True, False)
