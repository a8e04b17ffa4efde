"""Images on this machine, as the stack would find them in its bucket after their upload."""

from __future__ import annotations

import hashlib
import os
import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropreel.domain.images import ImageRef, Missing
from dropreel.domain.option_files import ENDING, MAX_FILE_BYTES
from dropreel.media.images.preparation import HEAD_BYTES
from dropreel.provider.limits import MAX_IMAGE_BYTES
from dropreel_cli.option_metadata import fits_metadata, merged_sidecar, typed_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dropreel_cli.bucket_folders import BucketFolders
    from dropreel_cli.local_files import FoundFiles

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class LocalImage:
    """A file as a stored image: the options of the command line are its metadata.

    `content`, and with it `sha256` (hex), is None where it has more than `MAX_IMAGE_BYTES`.
    """

    bucket: str
    key: str
    size: int
    last_modified: datetime
    metadata: Mapping[str, str]
    content: bytes | None = field(repr=False)
    head: bytes = field(repr=False)
    sha256: str | None
    version_id: str | None = None
    etag: str = ""

    def presigned_url(self, content_type: str) -> str:
        """Raise NotImplementedError: it is not in the bucket yet."""
        raise NotImplementedError(content_type)


class LocalImages:
    """Implements `Images` for files that are not uploaded yet, with the option files of this machine and of the bucket.

    `options` are those of the command line. Where S3's metadata cannot carry them, each image gets them in its sidecar:
    `sidecar_of` returns it. Threads can share it. Raises OSError where a file cannot be read, and botocore's ClientError.
    """

    def __init__(self, found: FoundFiles, folders: BucketFolders, options: Mapping[str, str]) -> None:
        self._files = {file.key: file for file in found.images}
        self._option_files = found.option_files
        self._folders = folders
        self._options = options
        self.uses_sidecars = not fits_metadata(options)
        self._typed: dict[str, Any] = {}
        if self.uses_sidecars and isinstance(typed := typed_options(options), dict):
            self._typed = typed
        self._keys = sorted([*self._files, *self._option_files])
        self._sidecar_keys: dict[str, str] = {}
        self._read = lru_cache(64)(self._read_option_file)
        self._thread = threading.local()

    @property
    def used_option_files(self) -> tuple[str, ...]:
        """The keys of the option files that this thread has read for its last image, and that are to be uploaded."""
        return tuple(self._thread.used)

    def find(self, image: ImageRef, size: int | None = None) -> LocalImage | Missing:  # noqa: ARG002 - of an event
        """Return the file with its content, or only its first bytes where it is large."""
        self._thread.used = []
        with Path(self._files[image.key].path).open("rb") as file:
            found = os.fstat(file.fileno())
            content = file.read(min(found.st_size, MAX_IMAGE_BYTES) + 1)  # a read takes all this memory at once
        is_whole = len(content) <= MAX_IMAGE_BYTES
        return LocalImage(
            image.bucket,
            image.key,
            len(content) if is_whole else found.st_size,
            datetime.fromtimestamp(found.st_mtime, UTC),
            {} if self.uses_sidecars else self._options,
            content if is_whole else None,
            content[:HEAD_BYTES],
            hashlib.sha256(content).hexdigest() if is_whole else None,
        )

    def list_keys(self, bucket: str, prefix: str, after: str, most: int) -> tuple[list[str], bool]:  # noqa: ARG002
        """Return keys here and in the bucket, as if all files were uploaded."""
        there, more = self._folders.list_keys(prefix, after, most)
        found = {*there, *self._local_keys(prefix, after)}
        if self._typed and not after and prefix[:-1] in self._files:
            found.add(self._choose_sidecar(prefix[:-1], found))
        keys = sorted(found)
        return keys[:most], more or len(keys) > most

    def read_file(self, bucket: str, key: str, most: int) -> bytes | Missing:  # noqa: ARG002 - one bucket, one limit
        """Return the content of an option file: of this machine, else of the bucket."""
        image_key = key[: -len(ENDING)]
        if self._typed and self._sidecar_keys.get(image_key) == key:
            self._thread.used.append(key)
            return self.sidecar_of(image_key)
        if key in self._option_files:
            self._thread.used.append(key)
            return self._read(key)
        return self._folders.read_file(key)

    def content_of(self, key: str) -> bytes:
        """Return the content with which an option file is uploaded."""
        image_key = key[: -len(ENDING)]
        return self.sidecar_of(image_key) if self._sidecar_keys.get(image_key) == key else self._read(key)

    def sidecar_of(self, image_key: str) -> bytes:
        """Return an image's sidecar with the options of the command line."""
        key = self._sidecar_keys[image_key]
        base = self._read(key) if key in self._option_files else self._folders.read_file(key)
        return merged_sidecar(key, None if isinstance(base, Missing) else base, self._typed)

    def _choose_sidecar(self, image_key: str, listed: set[str]) -> str:
        """Return the key of the image's most specific sidecar, of which the command line's options become a part."""
        usual = f"{image_key}{ENDING}"
        others = sorted(key for key in listed if key.startswith(image_key) and key[len(image_key) :].lower() == ENDING)
        self._sidecar_keys[image_key] = usual if usual in listed or not others else others[0]
        return self._sidecar_keys[image_key]

    def _local_keys(self, prefix: str, after: str) -> list[str]:
        start = bisect_right(self._keys, max(after, prefix))
        found = []
        for key in self._keys[start : start + 1000]:
            if not key.startswith(prefix):
                break
            found.append(key)
        return found

    def _read_option_file(self, key: str) -> bytes:
        with Path(self._option_files[key].path).open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file's bytes in hex, which are not held in memory. Raises OSError."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
