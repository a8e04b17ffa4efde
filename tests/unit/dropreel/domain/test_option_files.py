import itertools
import json
import unicodedata
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.domain.messages import MAX_KEY_BYTES
from dropreel.domain.option_files import (
    MAX_FILE_BYTES,
    MAX_FOLDERS,
    decode_option_file,
    find_option_keys,
    is_folder_file,
    spellings,
)
from dropreel.domain.option_places import Fault, Place, resolve

KEY = "holiday/beach.jpg.json"


def fault_of(content: bytes) -> Fault:
    found = decode_option_file(KEY, content)
    assert isinstance(found, Fault), found
    return found


def values_of(content: bytes) -> dict[str, object]:
    found = decode_option_file(KEY, content)
    assert isinstance(found, Place), found
    return dict(found.values)


# --- which files belong to an image ----------------------------------------------------------------------------------


@dataclass
class Listed:
    """A bucket whose keys are listed in pages. It counts the requests."""

    keys: list[str]
    page: int = 1000
    asked: list[str] = field(default_factory=list)

    def __call__(self, prefix: str, after: str, most: int) -> tuple[list[str], bool]:
        assert len(prefix.encode()) <= MAX_KEY_BYTES
        self.asked.append(prefix)
        found = sorted((key for key in self.keys if key.startswith(prefix) and key > after), key=str.encode)
        most = min(most, self.page)
        return found[:most], len(found) > most


def found_of(image: str, *keys: str) -> list[str]:
    return find_option_keys(image, Listed([*keys, image]))


@pytest.mark.parametrize("image", ["beach.jpg", "holiday/beach.jpg", "no ending", "holiday/", "a//b.jpg", "/b.jpg"])
def test_a_sidecar_has_the_images_whole_key(image):
    assert found_of(image, f"{image}.json", f"{image}.jso", f"{image}x.json", f"{image}.json.bak") == [f"{image}.json"]


@pytest.mark.parametrize(
    ("image", "files"),
    [
        ("beach.jpg", ["dropreel.json"]),
        ("holiday/beach.jpg", ["holiday/dropreel.json", "dropreel.json"]),
        ("a/b/c.jpg", ["a/b/dropreel.json", "a/dropreel.json", "dropreel.json"]),
        ("a//c.jpg", ["a//dropreel.json", "a/dropreel.json", "dropreel.json"]),
        ("/c.jpg", ["/dropreel.json", "dropreel.json"]),
    ],
)
def test_folder_files_are_found_from_the_image_up_to_the_bucket(image, files):
    others = ["other/dropreel.json", "a/dropreel.jpg", "a/b/c/dropreel.json", "a/my-dropreel.json"]

    assert found_of(image, *files, *others) == files


def test_the_sidecar_comes_before_the_folder_files():
    files = ["a/b.jpg.json", "a/dropreel.json", "dropreel.json"]

    assert found_of("a/b.jpg", *reversed(files)) == files


def test_an_image_that_is_named_as_a_folder_file_has_each_file_once():
    assert found_of("a/dropreel", "a/dropreel.json") == ["a/dropreel.json"]


def test_of_a_deep_image_the_nearest_folders_and_the_root_are_searched():
    folders = [str(number) for number in range(MAX_FOLDERS + 20)]
    files = ["/".join([*folders[:depth], "dropreel.json"]) for depth in range(len(folders) + 1)]
    bucket = Listed(files)

    found = find_option_keys("/".join([*folders, "beach.jpg"]), bucket)

    assert len(found) == MAX_FOLDERS
    assert found == [*files[:21:-1], files[0]][:MAX_FOLDERS]
    assert len(bucket.asked) == MAX_FOLDERS + 1


@pytest.mark.parametrize("ending", [".json", ".JSON", ".Json", ".jSoN"])
@pytest.mark.parametrize("stem", ["a/b.jpg", "a/dropreel", "dropreel"])
def test_a_file_is_found_with_its_ending_in_any_case(stem, ending):
    assert found_of("a/b.jpg", stem + ending) == [stem + ending]


def test_of_two_endings_the_one_in_lower_case_comes_first():
    assert found_of("b.jpg", "b.jpg.JSON", "b.jpg.Json", "b.jpg.json") == ["b.jpg.json", "b.jpg.JSON", "b.jpg.Json"]


@pytest.mark.parametrize("key", ["Dropreel.json", "DROPREEL.JSON", "B.jpg.json", "b.JPG.json"])
def test_all_but_the_ending_is_case_sensitive(key):
    assert found_of("b.jpg", key) == []


def test_an_image_takes_one_request_a_folder_and_one_for_the_sidecar():
    bucket = Listed(["holiday/beach.jpg"])

    find_option_keys("holiday/beach.jpg", bucket)

    assert sorted(bucket.asked) == ["dropreel.", "holiday/beach.jpg.", "holiday/dropreel."]


@pytest.mark.parametrize("page", [1, 2, 7])
def test_few_requests_find_a_file_among_thousands_of_similar_keys(page):
    wanted = ["IMG.JSON", "IMG.Json", "IMG.json"]
    others = [f"IMG.{number:04d}.jpg" for number in range(2000)] + [f"IMG.json.{number:04d}" for number in range(2000)]
    others += [f"IMG.J{number:04d}" for number in range(2000)]
    bucket = Listed([*wanted, *others], page)

    assert sorted(find_option_keys("IMG", bucket)) == wanted
    assert len(bucket.asked) < 40


# --- spellings -------------------------------------------------------------------------------------------------------

NAMES = ["Straße in Zürich", "café", "Việt Nam", "がぎぐ", "한국", "Ångström", "e\u0301\u0323"]
KEPT = "\ufa19\u304c"
"""Two characters of Japanese names that can be decomposed. macOS decomposes only the second."""


def forms(name: str) -> list[str]:
    return [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("files_first", [True, False])
def test_a_sidecar_is_found_in_another_unicode_form(name, files_first):
    mac, other = sorted(forms(name), reverse=files_first)

    assert found_of(f"a/{mac}.jpg", f"a/{other}.jpg.JSON") == [f"a/{other}.jpg.JSON"]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_file_is_found_in_a_folder_of_another_unicode_form(name):
    for mac, other in itertools.permutations(forms(name), 2):
        assert found_of(f"{mac}/b.jpg", f"{other}/dropreel.json") == [f"{other}/dropreel.json"]


def test_files_are_found_whichever_folder_has_another_unicode_form():
    images = ["/".join(mixed) for mixed in itertools.product(forms("Büro"), forms("Köln"), forms("fête.jpg"))]
    for image in images:
        for sidecar in images:
            assert found_of(image, f"{sidecar}.json") == [f"{sidecar}.json"], (image, sidecar)
        for folder in {image.rpartition("/")[0] for image in images}:
            assert found_of(image, f"{folder}/dropreel.json") == [f"{folder}/dropreel.json"], (image, folder)


def test_a_file_is_found_below_plain_folders_of_another_unicode_form():
    composed, decomposed = forms("Büro")

    found = found_of(f"{composed}/2026/b.jpg", f"{decomposed}/2026/b.jpg.json", f"{decomposed}/2026/dropreel.json")

    assert found == [f"{decomposed}/2026/b.jpg.json", f"{decomposed}/2026/dropreel.json"]


def test_of_two_spellings_the_images_own_comes_first_then_the_other():
    for own, other in itertools.permutations(forms("Büro"), 2):
        files = [f"{own}/b.jpg.json", f"{other}/b.jpg.json", f"{own}/dropreel.json", f"{other}/dropreel.json"]

        assert found_of(f"{own}/b.jpg", *files) == files


def test_a_mac_keeps_some_characters_that_have_a_composition():
    on_a_mac = KEPT[0] + unicodedata.normalize("NFD", KEPT[1])

    assert on_a_mac not in forms(KEPT)
    assert found_of(f"{KEPT}.jpg", f"{on_a_mac}.jpg.json") == [f"{on_a_mac}.jpg.json"]
    assert found_of(f"{on_a_mac}.jpg", f"{KEPT}.jpg.json") == [f"{KEPT}.jpg.json"]


def test_a_name_with_one_spelling_takes_no_more_requests():
    assert spellings("beach.jpg") == ["beach.jpg"]
    assert spellings("東京–2026.jpg") == ["東京–2026.jpg"]


def test_a_folder_and_a_name_with_two_spellings_take_one_request_more_each():
    bucket = Listed([])

    find_option_keys("Büro/fête.jpg", bucket)

    assert len(bucket.asked) == 5


def test_a_folder_in_very_many_spellings_takes_no_more_than_a_few_requests():
    folders = ["ä", "ö", "ü"] * 4
    everywhere = ["/".join(mixed) for mixed in itertools.product(*(forms(folder) for folder in folders))]
    bucket = Listed([f"{folder}/x" for folder in everywhere])

    find_option_keys("/".join([*folders, "b.jpg"]), bucket)

    assert len(bucket.asked) < 160


@given(st.text(alphabet="äu\u0308/.がか\u3099", max_size=12))
def test_any_image_finds_its_own_files_first(image):
    own = [f"{image}.json", image.rpartition("/")[0] + "/dropreel.json" if "/" in image else "dropreel.json"]

    found = found_of(image, *own, *(f"{spelling}.json" for spelling in forms(image)))

    assert [key for key in found if key in own] == list(dict.fromkeys(own))
    assert found[0] == own[0]


@pytest.mark.parametrize(("image", "has_sidecar"), [("é" * 509 + "b", True), ("é" * 510, False)])
def test_a_sidecar_key_that_is_too_long_for_s3_is_not_searched(image, has_sidecar):
    bucket = Listed([f"{image}.json"])

    assert find_option_keys(image, bucket) == ([f"{image}.json"] if has_sidecar else [])
    assert any(prefix.startswith(image) for prefix in bucket.asked) is has_sidecar


def test_a_folder_key_that_is_too_long_is_skipped_and_those_above_are_not():
    folder = "f" * 500
    bucket = Listed([])

    find_option_keys(f"{folder}/{'g' * 515}/beach.j", bucket)

    assert sorted(bucket.asked) == ["dropreel.", f"{folder}/dropreel."]


def test_a_spelling_that_is_too_long_for_s3_is_not_searched():
    find_option_keys("/".join(["é" * 200, "é" * 200, "b.jpg"]), Listed([]))


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("dropreel.json", True),
        ("a/dropreel.JSON", True),
        ("a/Dropreel.json", False),
        ("dropreel.json/b.jpg.json", False),
    ],
)
def test_a_folder_file_is_recognized_by_its_name(key, is_one):
    assert is_folder_file(key) is is_one


# --- what is in a file -----------------------------------------------------------------------------------------------


def test_a_file_is_a_place_under_its_own_key():
    assert decode_option_file(KEY, b'{"prompt": "waves", "duration": 10}') == Place(
        KEY, {"prompt": "waves", "duration": 10}
    )


def test_an_empty_object_has_no_options():
    assert values_of(b"{}") == {}


def test_a_byte_order_mark_as_windows_writes_it_is_accepted():
    assert values_of(b'\xef\xbb\xbf{"mode": "hq"}') == {"mode": "hq"}


def test_text_beyond_ascii_is_read_as_utf8():
    assert values_of('{"prompt": "Wellen – 海"}'.encode()) == {"prompt": "Wellen – 海"}


@pytest.mark.parametrize(
    "content",
    [b"", b"   ", b"\xef\xbb\xbf", b"prompt: waves", b'{"mode": "hq"', b"{'mode': 'hq'}", b'{"a": 1} {}', b"\0"],
)
def test_invalid_json_is_a_fault_with_its_position(content):
    found = fault_of(content)

    assert found.place == KEY
    assert "it is not JSON (line 1, column " in found.message


@pytest.mark.parametrize("content", [b"[]", b'[{"mode": "hq"}]', b'"hq"', b"5", b"null", b"true"])
def test_a_value_that_is_no_object_is_a_fault_with_an_example(content):
    found = fault_of(content)

    assert found.place == KEY
    assert "one JSON object" in found.message


@pytest.mark.parametrize("content", [b'{"prompt": "\xe9t\xe9"}', b"\xff\xfe{\x00}\x00", b'{"mode": "h\xc3'])
def test_invalid_utf8_is_a_fault(content):
    found = fault_of(content)

    assert found.place == KEY
    assert "not UTF-8" in found.message


def test_a_file_of_the_largest_size_is_read():
    assert values_of(b"{}".ljust(MAX_FILE_BYTES)) == {}


def test_a_larger_file_is_a_fault_with_the_limit():
    found = fault_of(b"{}".ljust(MAX_FILE_BYTES + 1))

    assert found.place == KEY
    assert "64,000 bytes" in found.message


@pytest.mark.parametrize("content", [b'{"mode": "hq", "mode": "fast"}', b'{"prompt": {"a": 1, "a": 1}}'])
def test_a_repeated_name_is_a_fault_with_the_name(content):
    found = fault_of(content)

    assert found.place == KEY
    assert "appears twice" in found.message


def test_a_long_repeated_name_is_cut_in_the_message():
    name = "x" * 30_000

    assert len(fault_of(f'{{"{name}": 1, "{name}": 2}}'.encode()).message) < 500


def test_a_repeated_name_with_invalid_unicode_gives_an_encodable_message():
    found = fault_of(rb'{"\ud800": 1, "\ud800": 2}')

    assert found.message.encode()


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_constant_that_is_no_json_number_is_a_fault_with_its_name(number):
    found = fault_of(b'{"cfg_scale": ' + number + b"}")

    assert found.place == KEY
    assert number.decode() in found.message


def test_a_number_of_thousands_of_digits_is_a_fault():
    assert fault_of(b'{"duration": ' + b"9" * 30_000 + b"}").place == KEY


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 4000])
def test_a_huge_number_is_a_fault_of_its_option(number):
    place = decode_option_file(KEY, b'{"duration": ' + number + b"}")
    assert isinstance(place, Place)

    faults = resolve([place])

    assert isinstance(faults, list)
    assert [(fault.place, fault.option) for fault in faults] == [(KEY, "duration")]


# The deepest JSON that can be decoded depends on Python: about 1,000 levels in 3.11, 10,000 in 3.13.
@pytest.mark.parametrize(("start", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [10, 500, 900, *range(930, 1000, 3), 5_000, 9_000, *range(9_900, 10_000, 7), 10_600])
@pytest.mark.parametrize("option", ["prompt", "sound", "nonsense"])
def test_a_value_of_any_depth_is_a_fault_and_no_crash(option, depth, start, end):
    found = decode_option_file(KEY, b'{"%s": ' % option.encode() + start * depth + b"1" + end * depth + b"}")

    faults = resolve([found]) if isinstance(found, Place) else [found]

    assert isinstance(faults, list)
    assert faults[0].place == KEY
    assert [fault.place for fault in faults] == [KEY]


@given(st.binary(max_size=300))
def test_any_bytes_give_a_place_or_a_fault_with_the_files_key(content):
    found = decode_option_file(KEY, content)

    assert (found.name if isinstance(found, Place) else found.place) == KEY


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.integers(0, 80))
def test_any_cut_json_gives_a_place_or_a_fault_with_the_files_key(value, cut):
    content = json.dumps(value).encode()

    found = decode_option_file(KEY, content[:cut])

    assert (found.name if isinstance(found, Place) else found.place) == KEY


@given(st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(), max_size=5))
def test_an_object_is_read_as_it_was_written(values):
    assert values_of(json.dumps(values, ensure_ascii=True).encode()) == values
