"""`make run IMAGE=folder/`: images, option files and ignored files of a folder."""

from pathlib import Path

from local.folder import read_folder


def _folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_images_and_option_files_are_found_in_subfolders_too(tmp_path: Path) -> None:
    root = _folder(tmp_path, "b.jpg", "b.jpg.json", "dropreel.json", "sub/deep/a b+ü.png", "sub/dropreel.json")

    folder = read_folder(root)

    assert folder.images == ("b.jpg", "sub/deep/a b+ü.png")
    assert folder.option_files == ("b.jpg.json", "dropreel.json", "sub/dropreel.json")


def test_a_file_with_another_ending_is_left_to_the_stack(tmp_path: Path) -> None:
    """The stack validates bytes: a text file is dropped like any other, and rejected."""
    assert read_folder(_folder(tmp_path, "notes.txt")).images == ("notes.txt",)


def test_files_of_desktops_are_skipped(tmp_path: Path) -> None:
    folder = read_folder(_folder(tmp_path, ".DS_Store", "a/._b.jpg", "a/Thumbs.db", "a/b.jpg", "desktop.ini"))

    assert folder.images == ("a/b.jpg",)
    assert folder.skipped == (".DS_Store", "a/._b.jpg", "a/Thumbs.db", "desktop.ini")


def test_an_empty_folder_has_no_image(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert read_folder(tmp_path).images == ()
