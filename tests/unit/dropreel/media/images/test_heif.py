"""What is read from the boxes of a HEIC or AVIF file: the primary item's properties, and whether all data is there."""

from struct import pack

import pytest

from dropreel.domain.reasons import ReasonCode
from dropreel.media.images.heif import read_heif
from dropreel.media.images.parsed_image import UnreadableImage
from tests.support.heic_grid import box, full_box
from tests.support.heic_items import Item, heic_of, nclx, size

SIZE, SMALL, HUGE = size(256, 192), size(128, 96), size(30_000, 30_000)
P3, LINEAR, HDR, UNSPECIFIED = nclx(12, 13), nclx(1, 8), nclx(9, 16), nclx(2, 2)
GAIN_MAP = Item(2, properties=[SMALL, HDR], references=[(b"auxl", [1])], flags=1)
FORMS = [(0, False), (0, True), (1, False), (1, True)]


def colors(content: bytes) -> tuple[int, int]:
    facts = read_heif(content, "HEIC")
    return facts.primaries, facts.transfer


@pytest.mark.parametrize(("version", "wide"), FORMS)
def test_the_colors_are_the_primary_items(version, wide):
    content = heic_of([GAIN_MAP, Item(1, properties=[SIZE, P3])], version=version, wide=wide)

    assert colors(content) == (12, 13)
    assert read_heif(content, "HEIC").size == (256, 192)


@pytest.mark.parametrize("own", [[], [UNSPECIFIED]])
@pytest.mark.parametrize("gain_map_first", [False, True])
def test_a_gain_maps_colors_are_not_the_pictures(own, gain_map_first):
    items = [Item(1, properties=[SIZE, *own]), GAIN_MAP]

    assert colors(heic_of(items[::-1] if gain_map_first else items)) == (2, 2)


def test_a_tone_mapped_items_colors_are_not_the_pictures():
    tone_mapped = Item(3, properties=[HUGE, HDR], references=[(b"dimg", [1, 2])], kind=b"tmap")

    content = heic_of([tone_mapped, Item(1, properties=[SIZE]), Item(2, properties=[SMALL, LINEAR], flags=1)])

    assert colors(content) == (2, 2)
    assert read_heif(content, "HEIC").size == (256, 192)


def test_a_grid_has_its_own_colors():
    grid = Item(1, properties=[SIZE, P3], references=[(b"dimg", [2])], kind=b"grid")

    assert colors(heic_of([Item(2, properties=[SMALL, LINEAR], flags=1), grid])) == (12, 13)


@pytest.mark.parametrize("missing", [b"pitm", b"ipma"])
def test_without_a_primary_item_there_are_no_colors(missing):
    content = heic_of([Item(1, properties=[SIZE, P3]), Item(2, properties=[HUGE])], without=[missing])

    assert colors(content) == (2, 2)
    assert read_heif(content, "HEIC").size == (30_000, 30_000)


@pytest.mark.parametrize("damage", [pack(">IHB", 9, 1, 2), pack(">IHB", 2, 1, 200)])
def test_a_damaged_list_of_properties_gives_no_colors(damage):
    content = heic_of([Item(1, properties=[SIZE, P3]), Item(2, properties=[HUGE])])
    at = content.index(b"ipma") + 8

    damaged = content[:at] + damage + content[at + len(damage) :]

    assert colors(damaged) == (2, 2)
    assert read_heif(damaged, "HEIC").size == (30_000, 30_000)


def test_indexes_of_no_property_are_passed_over():
    content = heic_of([Item(1, properties=[SIZE, P3])])
    at = content.index(b"ipma") + 8 + 7

    assert colors(content[:at] + bytes((0, 0x82)) + content[at + 2 :]) == (12, 13)
    assert colors(content[:at] + bytes((9, 0x82)) + content[at + 2 :]) == (12, 13)


def test_an_unused_items_size_does_not_count():
    content = heic_of([Item(1, properties=[SIZE]), Item(2, properties=[HUGE], flags=1)])

    assert read_heif(content, "HEIC").size == (256, 192)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("own", "other"), [([(b"dimg", [2])], []), ([], [(b"auxl", [1])]), ([(b"dimg", [3])], [(b"auxl", [3])])]
)
def test_the_sizes_of_what_the_picture_is_decoded_from_count(own, other, version):
    tile = Item(3, properties=[SMALL], flags=1)
    content = heic_of(
        [Item(1, properties=[SIZE], references=own), Item(2, properties=[HUGE], references=other, flags=1), tile],
        version=version,
    )

    assert read_heif(content, "HEIC").size == (30_000, 30_000)


def test_references_in_a_circle_end():
    items = [Item(1, properties=[SIZE], references=[(b"dimg", [2])]), Item(2, references=[(b"dimg", [1, 2])])]

    assert read_heif(heic_of(items), "HEIC").size == (256, 192)


def test_more_properties_than_can_be_named_are_damage():
    content = heic_of([Item(1, properties=[SIZE])], without=[b"iprp"])
    at = content.index(b"meta")
    more = box(b"iprp", box(b"ipco", 0x8000 * SMALL))
    length = int.from_bytes(content[at - 4 : at], "big")
    end = at - 4 + length

    with pytest.raises(UnreadableImage) as raised:
        read_heif(content[: at - 4] + pack(">I", length + len(more)) + content[at:end] + more + content[end:], "HEIC")

    assert raised.value.reason.code == ReasonCode.IMAGE_DAMAGED


TRAILERS = {
    "Samsung's": b"\0\0\x30\x0a\x0e\0\0\0MotionPhoto_Data" + bytes(500) + b"SEFH" + bytes(20) + b"SEFT",
    "text": b"\r\nsome text that follows",
    "ones": b"\xff" * 100,
    "zeros": bytes(100),
    "a small number": pack(">I4s", 3, b"free") + bytes(8),
    "a box": box(b"free", bytes(9)),
}


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
def test_what_follows_the_last_box_does_not_count(trailer):
    content = heic_of([Item(1, properties=[SIZE, P3])])

    assert colors(content + trailer) == (12, 13)


def test_a_media_box_that_is_longer_than_the_file_may_have_all_data():
    content = heic_of([Item(1, properties=[SIZE, P3])])
    at = content.index(b"mdat") - 4

    assert colors(content[:at] + pack(">I", 1000) + content[at + 4 :]) == (12, 13)


@pytest.mark.parametrize("missing", [1, 4, 5, 12, 13, 300])
def test_a_file_that_is_cut_is_truncated(missing):
    content = heic_of([Item(1, properties=[SIZE, P3]), Item(2, properties=[SMALL])])

    with pytest.raises(UnreadableImage) as raised:
        read_heif(content[:-missing], "HEIC")

    assert raised.value.reason.code == ReasonCode.IMAGE_TRUNCATED


def test_an_item_that_ends_behind_the_file_is_truncated_with_a_trailer():
    content = heic_of([Item(1, properties=[SIZE], data=bytes(1000))])

    with pytest.raises(UnreadableImage) as raised:
        read_heif(content[:-900] + TRAILERS["Samsung's"], "HEIC")

    assert raised.value.reason.code == ReasonCode.IMAGE_TRUNCATED


def test_a_file_without_a_picture_is_damaged():
    with pytest.raises(UnreadableImage) as raised:
        read_heif(box(b"ftyp", b"heic", bytes(4), b"mif1heic") + full_box(b"free", 0, 0), "HEIC")

    assert raised.value.reason.code == ReasonCode.IMAGE_DAMAGED
