"""The files that `drop` and `plan` are given: images and option files on this machine, with their keys in the bucket."""

import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dropreel.domain.encodable import encodable, is_encodable
from dropreel.domain.images import is_image_key
from dropreel.domain.messages import MAX_KEY_BYTES
from dropreel.domain.option_files import ENDING, FOLDER_STEM
from dropreel_cli.exits import CommandError, Exit


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file: its path, its key in the bucket, its size in bytes."""

    path: str
    key: str
    size: int


@dataclass
class FoundFiles:
    """All files below the given paths. `skipped` and `refused` have a key or a path, and why, for each that is not dropped.

    `unused_defaults`: files `dropreel.json` that lie beside a file that was given alone; they do not count for it.
    """

    images: list[LocalFile] = field(default_factory=list)
    option_files: dict[str, LocalFile] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unused_defaults: set[str] = field(default_factory=set)


def find_files(paths: Iterable[str], prefix: str = "", on_found: Callable[[int], None] = lambda _: None) -> FoundFiles:
    """Return the files at and below the paths, sorted by key. `prefix` is put in front of every key.

    Keys are paths below a given folder; a given file's key is its name. Names are kept as they are. `on_found` gets the
    number of images so far. Raises CommandError (USAGE) for a path that does not exist, and for two files with one key.
    """
    search = _Search(prefix, on_found)
    for path in paths:
        if not path:  # an unset variable of the shell; Python takes it for the current folder
            raise CommandError("A path is empty. The current folder is written as a dot. Nothing was done.", Exit.USAGE)
        search.add_path(Path(path))
    search.found.images.sort(key=lambda file: file.key)
    return search.found


def sort_files(files: Mapping[str, Path], prefix: str = "") -> FoundFiles:
    """Return files of a folder that lie elsewhere here, by their paths below that folder, as `find_files` returns them."""
    search = _Search(prefix, lambda _: None)
    for name, path in files.items():
        search.add_file(path, name)
    search.found.images.sort(key=lambda file: file.key)
    return search.found


class _Search:
    def __init__(self, prefix: str, on_found: Callable[[int], None]) -> None:
        self.found = FoundFiles()
        self._prefix = prefix
        self._on_found = on_found
        self._by_key: dict[str, LocalFile] = {}
        self._option_names: dict[Path, list[str]] = {}

    def add_path(self, path: Path) -> None:
        """Add a path of the command line: a file, or all files below a folder."""
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise CommandError(
                f"There is no file or folder {path}{_advice(path)}. Nothing was done.", Exit.USAGE
            ) from None
        except OSError as error:
            self.found.refused.append((str(path), cannot_be_read(error)))
            return
        if stat.S_ISDIR(found.st_mode):
            self._add_folder(path)
        else:
            self._add(path, path.name, found)
            if is_image_key(path.name):
                self._add_sidecars(path)

    def add_file(self, path: Path, name: str) -> None:
        """Add one file by its path below a folder."""
        self._add_entry(path, name, [], [])

    def _add_folder(self, root: Path) -> None:
        """Add all files below a folder. Links to folders come last, each folder once, so that a loop ends."""
        visited: dict[tuple[int, int], Path] = {}
        folders, links = [(root, "")], list[tuple[Path, str]]()
        while folders or links:
            path, key = folders.pop() if folders else links.pop(0)
            try:
                found = path.stat()
                inode = (found.st_dev, found.st_ino)
                if inode in visited:
                    why = f"a link to a folder that is already taken, {visited[inode]}; it is followed once"
                    self.found.skipped.append((f"{self._prefix}{key}", why))
                    continue
                visited[inode] = path
                names = sorted(entry.name for entry in path.iterdir())
            except OSError as error:
                self.found.refused.append((f"{self._prefix}{key}", cannot_be_read(error)))
                continue
            for name in names:
                self._add_entry(path / name, f"{key}{name}", folders, links)

    def _add_entry(self, path: Path, key: str, folders: list[tuple[Path, str]], links: list[tuple[Path, str]]) -> None:
        try:
            found = path.stat()
        except OSError as error:
            why = "a symbolic link to a file that does not exist" if _is_broken(path, error) else cannot_be_read(error)
            self.found.refused.append((f"{self._prefix}{key}", why))
            return
        if stat.S_ISDIR(found.st_mode):
            (links if path.is_symlink() else folders).append((path, f"{key}/"))
        else:
            self._add(path, key, found)

    def _add(self, path: Path, name: str, found: os.stat_result) -> None:
        """Add a file by its kind."""
        key = f"{self._prefix}{name}"
        if not stat.S_ISREG(found.st_mode):
            self.found.skipped.append((key, "not a file"))
        elif not is_encodable(key):
            self.found.refused.append((encodable(key), "its name is not UTF-8 text, which S3 requires; rename it"))
        elif len(key.encode()) > MAX_KEY_BYTES:
            self.found.refused.append((key, f"its key is longer than S3's {MAX_KEY_BYTES:,} bytes"))
        elif self._is_known(path, key):
            return
        elif is_image_key(key, found.st_size):
            self.found.images.append(self._remember(path, key, found.st_size))
            self._on_found(len(self.found.images))
        elif key.lower().endswith(ENDING):
            self.found.option_files[key] = self._remember(path, key, found.st_size)
        else:
            self.found.skipped.append((key, "not an image: a file of the desktop"))

    def _remember(self, path: Path, key: str, size: int) -> LocalFile:
        self._by_key[key] = LocalFile(str(path), key, size)
        return self._by_key[key]

    def _is_known(self, path: Path, key: str) -> bool:
        """Return whether the file was found before, under the same key. Raises CommandError where another one has that key."""
        other = self._by_key.get(key)
        if other is None:
            return False
        if path.samefile(other.path):
            return True
        raise CommandError(
            f"{other.path} and {path} would both get the key {key}. Drop them in two calls, one of them with "
            "--to FOLDER. Nothing was done.",
            Exit.USAGE,
        )

    def _add_sidecars(self, image: Path) -> None:
        """Add the sidecars of a file that was given alone. The folder's defaults would hold for more than this file."""
        folder = image.parent
        if folder not in self._option_names:
            with suppress(OSError):  # a folder can allow its files to be read and not its names
                self._option_names[folder] = [
                    each.name for each in folder.iterdir() if each.name.lower().endswith(ENDING)
                ]
        plain = unicodedata.normalize("NFC", image.name)
        for name in self._option_names.get(folder, []):
            path, stem = folder / name, name[: -len(ENDING)]
            if unicodedata.normalize("NFC", stem) == plain and path.is_file():
                self._add(path, name, path.stat())
            elif stem == FOLDER_STEM:
                self.found.unused_defaults.add(str(path))


def cannot_be_read(error: OSError) -> str:
    """Return why a file or folder cannot be read, in the operating system's words."""
    if isinstance(error, FileNotFoundError):
        return "it does not exist any more"
    return f"it cannot be read: {error.strerror or error}"


def _is_broken(path: Path, error: OSError) -> bool:
    return path.is_symlink() and (isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP)


def _advice(path: Path) -> str:
    if path.is_symlink():
        return " (it is a symbolic link to something that does not exist)"
    return "; an address in S3 begins with s3://" if str(path).startswith("s3:") else ""
