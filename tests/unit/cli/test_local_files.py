"""Which files a call of `drop` or `plan` names, and under which keys."""

import os
from pathlib import Path

import pytest

from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.local_files import FoundFiles, find_files, sort_files


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def keys(found: FoundFiles) -> list[str]:
    return [file.key for file in found.images]


def test_a_folders_keys_are_the_paths_below_it(tmp_path: Path) -> None:
    put(tmp_path, "b.jpg", "a/c.jpg", "a/dropreel.json", "a/c.jpg.JSON", ".DS_Store", "a/._c.jpg")

    found = find_files([str(tmp_path)], "to/")

    assert keys(found) == ["to/a/c.jpg", "to/b.jpg"]
    assert sorted(found.option_files) == ["to/a/c.jpg.JSON", "to/a/dropreel.json"]
    assert sorted(key for key, _ in found.skipped) == ["to/.DS_Store", "to/a/._c.jpg"]
    assert found.refused == []


def test_a_files_key_is_its_name_and_its_sidecar_counts(tmp_path: Path) -> None:
    put(tmp_path, "deep/a.jpg", "deep/a.jpg.json", "deep/b.jpg.json", "deep/dropreel.json")

    found = find_files([str(tmp_path / "deep" / "a.jpg")])

    assert keys(found) == ["a.jpg"]
    assert list(found.option_files) == ["a.jpg.json"]
    assert found.unused_defaults == {str(tmp_path / "deep" / "dropreel.json")}


def test_names_keep_their_unicode_form(tmp_path: Path) -> None:
    composed, decomposed = "\u00fcber.jpg", "u\u0308ber.jpg"
    put(tmp_path, composed, decomposed, f"{decomposed}.json")

    assert keys(find_files([str(tmp_path)])) == sorted([composed, decomposed])
    alone = find_files([str(tmp_path / composed)])
    assert list(alone.option_files) == [f"{decomposed}.json"]  # one name to people, and to the stack


def test_links_are_followed_once_and_a_loop_ends(tmp_path: Path) -> None:
    put(tmp_path, "real/a.jpg", "outside.jpg")
    root = tmp_path / "real"
    (root / "file.jpg").symlink_to(tmp_path / "outside.jpg")
    (root / "loop").symlink_to(root, target_is_directory=True)
    put(tmp_path, "other/b.jpg")
    for name in ("first", "second"):
        (root / name).symlink_to(tmp_path / "other", target_is_directory=True)

    found = find_files([str(root)])

    assert keys(found) == ["a.jpg", "file.jpg", "first/b.jpg"]
    assert [key for key, _ in found.skipped] == ["loop/", "second/"]
    assert all("followed once" in why for _, why in found.skipped)


def test_links_that_lead_nowhere_are_refused_and_the_others_stay(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")

    found = find_files([str(tmp_path)])

    assert keys(found) == ["a.jpg"]
    assert [key for key, _ in found.refused] == ["gone.jpg", "self.jpg"]


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.jpg", "secret/b.jpg")
    real = Path.iterdir

    def iterdir(path: Path):
        if path.name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)

    found = find_files([str(tmp_path)])

    assert keys(found) == ["a.jpg"]
    assert found.refused == [("secret/", "it cannot be read: Permission denied")]


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only UTF-8")

    found = find_files([str(tmp_path)])

    assert found.images == []
    assert "not UTF-8" in found.refused[0][1]


def test_what_is_no_file_is_skipped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")

    assert find_files([str(tmp_path)]).skipped == [("pipe.jpg", "not a file")]


def test_the_same_file_twice_is_taken_once(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")

    assert keys(find_files([str(tmp_path / "a.jpg"), str(tmp_path), str(tmp_path / "." / "a.jpg")])) == ["a.jpg"]


def test_two_files_with_one_key_are_a_usage_error(tmp_path: Path) -> None:
    put(tmp_path, "one/a.jpg", "two/a.jpg")

    with pytest.raises(CommandError) as caught:
        find_files([str(tmp_path / "one"), str(tmp_path / "two" / "a.jpg")])

    assert caught.value.exit_status is Exit.USAGE
    assert all(str(tmp_path / name / "a.jpg") in str(caught.value) for name in ("one", "two"))


@pytest.mark.parametrize("name", ["nope.jpg", "a.jpg/nope.jpg", "broken"])
def test_a_path_that_does_not_exist_is_a_usage_error(name: str, tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")

    with pytest.raises(CommandError, match="There is no file or folder") as caught:
        find_files([str(tmp_path / name)])

    assert caught.value.exit_status is Exit.USAGE


def test_an_empty_path_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given an image in the current folder
    put(tmp_path, "a.jpg")
    monkeypatch.chdir(tmp_path)
    # when a path is empty, as "$FOLDER" is where it is not set
    with pytest.raises(CommandError, match="A path is empty") as caught:
        find_files([""])
    # then nothing is found
    assert caught.value.exit_status is Exit.USAGE


def test_files_that_lie_elsewhere_have_the_keys_of_their_paths(tmp_path: Path) -> None:
    for name in ("1", "2", "3", "4"):
        (tmp_path / name).write_bytes(b"x")
    files = {"b/é.jpg": "1", "a.jpg": "2", "b/dropreel.json": "3", "b/.DS_Store": "4", "gone.jpg": "5"}

    found = sort_files({path: tmp_path / name for path, name in files.items()}, "to/")

    assert [(file.key, file.path) for file in found.images] == [
        ("to/a.jpg", str(tmp_path / "2")),
        ("to/b/é.jpg", str(tmp_path / "1")),
    ]
    assert list(found.option_files) == ["to/b/dropreel.json"]
    assert [key for key, _ in (*found.skipped, *found.refused)] == ["to/b/.DS_Store", "to/gone.jpg"]
