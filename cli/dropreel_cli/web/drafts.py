"""Drafts: files that were dropped on the page and are not uploaded yet, in a private temporary folder."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dropreel.media.images.preparation import MAX_ORIGINAL_BYTES
from dropreel_cli.plan_output import size_text
from dropreel_cli.web.thumbnails import MAX_BYTES, make_thumbnail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from dropreel_cli.plan_sources import PlannedFiles
    from dropreel_cli.stack import Stack
    from dropreel_cli.web.draft_upload import DraftUpload

MAX_FILES = 2_000
"""Files of one draft: the page has a row for each. The command takes any number."""
MAX_FILE_BYTES = MAX_ORIGINAL_BYTES
"""Of an image: the stack refuses larger ones."""
MAX_DRAFTS = 20
IDLE_SECONDS = 3600
"""A draft that is not used for so long is removed."""
_FREE_BYTES = 64 * 1024 * 1024
"""So much of the disk stays free."""
_CHECK_SECONDS = 60.0
_PREFIX = "dropreel-drops-"
_WORKERS = 2
"""Thumbnails that are made at the same time."""


class NotTaken(Exception):
    """A file or a request that a draft does not take. `status` is HTTP's; the message is for people."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class DropRequest(NamedTuple):
    """What is asked for beside the files: options by their names, the beginning of the keys, and whether all is made again."""

    wanted: Mapping[str, str]
    prefix: str
    again: bool


class PlannedDraft(NamedTuple):
    """A plan as it was shown, and the stack with the parameters that it was made with. Only its `token` can begin its upload."""

    token: str
    request: DropRequest
    files: PlannedFiles
    stack: Stack


@dataclass
class Draft:
    """The files of one drop, by their paths below what was dropped. Threads share it."""

    draft_id: str
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    planned: PlannedDraft | None = None
    upload: DraftUpload | None = None
    is_closed: bool = False
    used_at: float = field(default_factory=time.monotonic)
    lock: threading.RLock = field(default_factory=threading.RLock)
    planning: threading.Lock = field(default_factory=threading.Lock)
    """Held while a plan is made: one at a time."""
    _next: int = 0
    _turn: int = 0

    @property
    def is_uploading(self) -> bool:
        """Whether its upload has begun and not ended."""
        return self.upload is not None and self.upload.is_running

    def require_open(self) -> None:
        """Raise NotTaken where it was closed, or is being uploaded."""
        if self.is_closed:
            raise gone()
        if self.is_uploading:
            raise NotTaken("These images are being uploaded. Drop others once more for another upload.", 409)

    def new_file(self, path: str, size: int | None) -> Path:
        """Return where a file's bytes are written. `size` is None where it is not known. Raises NotTaken."""
        check_path(path)
        with self.lock:
            self.require_open()
            if path not in self.files and len(self.files) >= MAX_FILES:
                raise NotTaken(
                    f"More than {MAX_FILES:,} files at once: drop fewer, or use the command `dropreel drop`.", 413
                )
            self.check_size(size or 0, size or 0)
            self._next += 1
            return self.folder / str(self._next)

    def check_size(self, size: int, more: int) -> None:
        """Raise NotTaken for a file that is too large for the stack, or of which `more` bytes are too many for the disk."""
        if size > MAX_FILE_BYTES:
            raise NotTaken(f"It is larger than {size_text(MAX_FILE_BYTES)}, the most that the stack takes.", 413)
        free = shutil.disk_usage(self.folder).free
        if more + _FREE_BYTES > free:
            raise NotTaken(
                f"The disk of {tempfile.gettempdir()} is full: {size_text(free)} are free. Free some space, or start the "
                "board with TMPDIR set to another folder.",
                507,
            )

    def add(self, path: str, file: Path) -> None:
        """Add a file that was received whole. It replaces one with the same path."""
        with self.lock:
            self.require_open()
            before = self.files.get(path)
            self.files[path] = file
            self.planned = None
            if before is not None:
                before.unlink(missing_ok=True)

    def next_turn(self) -> int:
        """Return the number of a request for a plan: only the last one is answered."""
        with self.lock:
            self._turn += 1
            return self._turn

    def is_turn(self, number: int) -> bool:
        """Return whether no later plan was asked for."""
        return number == self._turn


class Drafts:
    """All drafts of this board. Their files are removed when they are closed, not used for an hour, and at the board's end.

    `sentences` say at the end what uploads were stopped with it.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.sentences: list[str] = []
        self._now = now
        self._drafts: dict[str, Draft] = {}
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(_WORKERS)
        self._folder: Path | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Remove what is not used any more, until the server ends."""

        async def watch() -> None:
            while True:
                await asyncio.sleep(_CHECK_SECONDS)
                await asyncio.to_thread(self.remove_unused)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.to_thread(self.close)

    def open(self) -> Draft:
        """Return a new draft. Raises NotTaken."""
        self.remove_unused()
        whole = [draft for draft in self._drafts.copy().values() if draft.upload is not None and draft.upload.is_whole]
        if whole and len(self._drafts) >= MAX_DRAFTS:
            self.remove(whole[0])
        with self._lock:
            if len(self._drafts) >= MAX_DRAFTS:
                raise NotTaken("Too many drops are open. Close the board's other pages and try again.", 409)
            draft_id = secrets.token_hex(16)
            folder = self._base() / draft_id
            folder.mkdir(mode=0o700)
            self._drafts[draft_id] = Draft(draft_id, folder, used_at=self._now())
            return self._drafts[draft_id]

    def find(self, draft_id: str) -> Draft:
        """Return a draft, which is in use from now on. Raises NotTaken."""
        draft = self._drafts.get(draft_id)
        if draft is None:
            raise gone()
        self.use(draft)
        return draft

    def use(self, draft: Draft) -> None:
        """Keep a draft for another hour."""
        draft.used_at = self._now()

    @property
    def uploads(self) -> list[Draft]:
        """The drafts whose upload has begun, the newest first."""
        return [draft for draft in reversed(self._drafts.copy().values()) if draft.upload is not None]

    def remove(self, draft: Draft) -> bool:
        """Remove a draft and its files; False while it is uploaded, which continues."""
        with draft.lock:
            if draft.is_uploading:
                return False
            draft.is_closed, draft.planned = True, None
        with self._lock:
            self._drafts.pop(draft.draft_id, None)
        shutil.rmtree(draft.folder, ignore_errors=True)
        return True

    def remove_unused(self) -> None:
        """Remove what was not used for an hour."""
        for draft in self._drafts.copy().values():
            if self._now() - draft.used_at > IDLE_SECONDS:
                self.remove(draft)

    def close(self) -> None:
        """Stop the uploads, wait for what has begun, and remove all files."""
        drafts = list(self._drafts.copy().values())
        running = [draft.upload for draft in drafts if draft.upload is not None and draft.upload.is_running]
        for upload in running:
            upload.stop()
        for upload in running:
            upload.wait()
            self.sentences.append(upload.sentence)
        for draft in drafts:
            self.remove(draft)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def thumbnail(self, draft: Draft, name: str) -> bytes | None:
        """Return the thumbnail of a file of a draft, by the file's name in its folder; None where there is none."""
        file = next((file for file in draft.files.copy().values() if file.name == name), None)
        if file is None:
            return None
        kept = file.with_suffix(".webp")
        with self._slots:
            with suppress(OSError):
                return kept.read_bytes() or None
            made = make_thumbnail(file) if file.stat().st_size <= MAX_BYTES else None
            with suppress(OSError):  # the draft was closed meanwhile, or the disk is full
                kept.write_bytes(made or b"")
            return made

    def _base(self) -> Path:
        """Return this process's folder, which nobody else can read; those of boards that were killed are removed."""
        if self._folder is None:
            remove_left_folders(Path(tempfile.gettempdir()))
            self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        return self._folder


def gone() -> NotTaken:
    """Return what is said of a draft that is not there."""
    return NotTaken("This drop is closed: nothing was uploaded from it. Drop the files again.", 404)


def check_path(path: str) -> None:
    """Raise NotTaken for a path that no file below a folder has."""
    parts = path.split("/")
    if "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
        raise NotTaken(f"{path!r} is no path of a file below a folder.")


def remove_left_folders(parent: Path) -> None:
    """Remove the folders of this user's boards that were killed: no process has the number in their name."""
    for folder in parent.glob(f"{_PREFIX}*"):
        found = re.fullmatch(rf"{_PREFIX}([0-9]+)-\w+", folder.name)
        with suppress(OSError):
            if found and not folder.is_symlink() and folder.stat().st_uid == os.getuid() and not _runs(int(found[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
