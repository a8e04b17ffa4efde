import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.option_files import (
    FOLDER_FILE,
    MAX_FILE_BYTES,
    MAX_FOLDERS,
    folder_keys,
    option_keys,
    place_of,
    sidecar_key,
)
from dropreel.options import Fault, Place, resolve

KEY = "holiday/beach.jpg.json"


def fault_of(content: bytes) -> Fault:
    found = place_of(KEY, content)
    assert isinstance(found, Fault), found
    return found


def values_of(content: bytes) -> dict[str, object]:
    found = place_of(KEY, content)
    assert isinstance(found, Place), found
    return dict(found.values)


# --- which files belong to an image ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "sidecar"),
    [
        ("beach.jpg", "beach.jpg.json"),
        ("holiday/beach.jpg", "holiday/beach.jpg.json"),
        ("no ending", "no ending.json"),
        ("holiday/", "holiday/.json"),
    ],
)
def test_a_sidecar_has_the_images_whole_key(image, sidecar):
    assert sidecar_key(image) == sidecar


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
def test_folder_files_are_looked_for_from_the_image_up_to_the_bucket(image, files):
    assert list(folder_keys(image)) == files


def test_only_the_nearest_folders_of_a_very_deep_image_and_the_bucket_itself_are_looked_at():
    folders = [str(number) for number in range(MAX_FOLDERS + 20)]

    found = list(folder_keys("/".join([*folders, "beach.jpg"])))

    assert len(found) == MAX_FOLDERS
    assert found[0] == "/".join([*folders, FOLDER_FILE])
    assert found[-2:] == ["/".join([*folders[:22], FOLDER_FILE]), FOLDER_FILE]


@given(st.text(alphabet="ab/.", max_size=150))
def test_every_folder_file_lies_in_a_folder_that_the_image_is_in(image):
    found = list(folder_keys(image))

    assert len(found) == min(image.count("/") + 1, MAX_FOLDERS)
    assert all(image.startswith(key.removesuffix(FOLDER_FILE)) for key in found)
    assert found == sorted(found, key=len, reverse=True)


def test_the_sidecar_comes_before_the_folder_files():
    assert list(option_keys("a/b.jpg")) == ["a/b.jpg.json", "a/dropreel.json", "dropreel.json"]


@pytest.mark.parametrize(("image", "has_sidecar"), [("é" * 509 + "b", True), ("é" * 510, False)])
def test_a_sidecar_whose_key_s3_could_not_have_is_not_looked_for(image, has_sidecar):
    assert list(option_keys(image)) == [*([sidecar_key(image)] if has_sidecar else []), FOLDER_FILE]


def test_a_folder_file_whose_key_s3_could_not_have_is_not_looked_for_and_those_above_it_are():
    folder = "f" * 500

    assert list(option_keys(f"{folder}/{'g' * 515}/beach.j")) == [f"{folder}/dropreel.json", "dropreel.json"]


# --- what is in a file -----------------------------------------------------------------------------------------------


def test_a_file_is_a_place_under_its_own_key():
    assert place_of(KEY, b'{"prompt": "waves", "duration": 10}') == Place(KEY, {"prompt": "waves", "duration": 10})


def test_a_file_with_nothing_in_its_object_says_nothing():
    assert values_of(b"{}") == {}


def test_a_byte_order_mark_as_windows_writes_it_is_accepted():
    assert values_of(b'\xef\xbb\xbf{"mode": "hq"}') == {"mode": "hq"}


def test_text_beyond_ascii_is_read_as_utf8():
    assert values_of('{"prompt": "Wellen – 海"}'.encode()) == {"prompt": "Wellen – 海"}


@pytest.mark.parametrize(
    "content",
    [b"", b"   ", b"\xef\xbb\xbf", b"prompt: waves", b'{"mode": "hq"', b"{'mode': 'hq'}", b'{"a": 1} {}', b"\0"],
)
def test_what_is_not_json_is_a_fault_that_says_where(content):
    found = fault_of(content)

    assert found.place == KEY
    assert "it is not JSON (line 1, column " in found.message


@pytest.mark.parametrize("content", [b"[]", b'[{"mode": "hq"}]', b'"hq"', b"5", b"null", b"true"])
def test_what_is_not_an_object_is_a_fault_that_shows_one(content):
    found = fault_of(content)

    assert found.place == KEY
    assert "one JSON object" in found.message


@pytest.mark.parametrize("content", [b'{"prompt": "\xe9t\xe9"}', b"\xff\xfe{\x00}\x00", b'{"mode": "h\xc3'])
def test_what_is_not_utf8_is_a_fault_that_says_so(content):
    found = fault_of(content)

    assert found.place == KEY
    assert "not UTF-8" in found.message


def test_a_file_of_just_the_largest_size_is_read():
    assert values_of(b"{}".ljust(MAX_FILE_BYTES)) == {}


def test_a_larger_file_is_a_fault_that_says_the_limit():
    found = fault_of(b"{}".ljust(MAX_FILE_BYTES + 1))

    assert found.place == KEY
    assert "64,000 bytes" in found.message


@pytest.mark.parametrize("content", [b'{"mode": "hq", "mode": "fast"}', b'{"prompt": {"a": 1, "a": 1}}'])
def test_a_name_that_is_there_twice_is_a_fault_that_names_it(content):
    found = fault_of(content)

    assert found.place == KEY
    assert "is there twice" in found.message


def test_a_long_name_that_is_there_twice_is_cut_in_the_message():
    name = "x" * 30_000

    assert len(fault_of(f'{{"{name}": 1, "{name}": 2}}'.encode()).message) < 500


def test_a_strange_name_that_is_there_twice_gives_a_message_that_can_be_sent():
    found = fault_of(rb'{"\ud800": 1, "\ud800": 2}')

    assert found.message.encode()


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_is_no_json_number_is_a_fault_that_names_it(number):
    found = fault_of(b'{"cfg_scale": ' + number + b"}")

    assert found.place == KEY
    assert number.decode() in found.message


def test_a_number_of_thousands_of_digits_is_a_fault():
    assert fault_of(b'{"duration": ' + b"9" * 30_000 + b"}").place == KEY


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 4000])
def test_a_number_beyond_all_sizes_is_a_fault_of_its_option(number):
    place = place_of(KEY, b'{"duration": ' + number + b"}")
    assert isinstance(place, Place)

    faults = resolve([place])

    assert isinstance(faults, list)
    assert [(fault.place, fault.option) for fault in faults] == [(KEY, "duration")]


# What can be decoded at all differs: Python 3.11 gives up at about 1,000, 3.13 at about 10,000.
@pytest.mark.parametrize(("start", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [10, 500, 900, *range(930, 1000, 3), 5_000, 9_000, *range(9_900, 10_000, 7), 10_600])
@pytest.mark.parametrize("option", ["prompt", "sound", "nonsense"])
def test_a_value_of_any_depth_is_a_fault_and_no_crash(option, depth, start, end):
    found = place_of(KEY, b'{"%s": ' % option.encode() + start * depth + b"1" + end * depth + b"}")

    faults = resolve([found]) if isinstance(found, Place) else [found]

    assert isinstance(faults, list)
    assert faults[0].place == KEY
    assert [fault.place for fault in faults] == [KEY]


@given(st.binary(max_size=300))
def test_any_bytes_give_a_place_or_a_fault_that_names_the_file(content):
    found = place_of(KEY, content)

    assert (found.name if isinstance(found, Place) else found.place) == KEY


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.integers(0, 80))
def test_any_json_cut_anywhere_gives_a_place_or_a_fault_that_names_the_file(value, cut):
    content = json.dumps(value).encode()

    found = place_of(KEY, content[:cut])

    assert (found.name if isinstance(found, Place) else found.place) == KEY


@given(st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(), max_size=5))
def test_an_object_is_read_as_it_was_written(values):
    assert values_of(json.dumps(values, ensure_ascii=True).encode()) == values
