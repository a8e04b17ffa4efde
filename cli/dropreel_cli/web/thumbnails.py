"""Small pictures of the images, upright and in sRGB: made once, and kept in this user's cache for all boards."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.adapters.imaging.decoding import decode
from dropreel.adapters.imaging.rendering import Rendering
from dropreel.domain.forgetting import is_forgotten
from dropreel.media.images.parsed_image import UnreadableImage

if TYPE_CHECKING:
    from dropreel.domain.job import Job

SIDE = 640
"""The longer side of a thumbnail, in pixels."""
MAX_BYTES = 100 * 1024 * 1024
"""Of a larger file there is no thumbnail."""
_QUALITY = 80
MAX_CACHE_BYTES = 500 * 1024 * 1024
"""The most that the cache keeps of a stack: about 10,000 thumbnails."""
_LEFT_SECONDS = 3600
_WORKERS = 2
"""Pictures that are decoded at the same time: one has tens of megabytes of pixels."""


def cache_folder(stack_arn: str) -> Path:
    """Return the folder of a stack's thumbnails in this user's cache (XDG_CACHE_HOME)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = "".join(letter if letter.isalnum() else "-" for letter in stack_arn) or "stack"
    return Path(base, "dropreel", "thumbnails", name)


def make_thumbnail(path: Path) -> bytes | None:
    """Return a WebP of a picture of any format that the stack takes; None where it cannot be read."""
    try:
        with decode(path) as picture:
            width, height = picture.size
            scale = min(1.0, SIDE / max(width, height))
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = Rendering(picture).upright(size)
    except (UnreadableImage, OSError, MemoryError, ValueError):
        return None
    with tempfile.SpooledTemporaryFile() as file:
        small.save(file, "WEBP", quality=_QUALITY, method=2)
        file.seek(0)
        return file.read()


@dataclass(frozen=True)
class Thumbnails:
    """The thumbnails of a stack's images, by job. `client` is S3's."""

    client: Any
    folder: Path
    _slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_WORKERS))

    def of_job(self, job: Job) -> bytes | None:
        """Return the thumbnail of a job's image; None where there is none. One of a forgotten job is deleted."""
        kept = self.folder / f"{job.job_id}.webp"
        if is_forgotten(job):
            kept.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            return kept.read_bytes() or None
        with self._slots:
            with suppress(OSError):  # made while this one waited
                return kept.read_bytes() or None
            try:
                made = self._make(job)
            except (BotoCoreError, ClientError, OSError):
                return None  # not kept: it may be there the next time
            self._keep(kept, made or b"")
            return made

    def _make(self, job: Job) -> bytes | None:
        image = job.image
        version = {"VersionId": image.version_id} if image.version_id else {}
        answer = self.client.get_object(Bucket=image.bucket, Key=image.key, **version)
        if answer["ContentLength"] > MAX_BYTES:
            answer["Body"].close()
            return None
        with tempfile.NamedTemporaryFile(prefix="dropreel-") as file:
            for piece in answer["Body"].iter_chunks(1024 * 1024):
                file.write(piece)
            file.flush()
            return make_thumbnail(Path(file.name))

    def _keep(self, path: Path, content: bytes) -> None:
        """Write the file in one step, for this user only. Without a cache it is made each time."""
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.new")
            try:
                new.write_bytes(content)
                new.replace(path)
            finally:
                new.unlink(missing_ok=True)  # of a full disk

    def trim(self, most: int = MAX_CACHE_BYTES) -> None:
        """Delete the oldest thumbnails of a cache that has grown past the limit, and what a killed board has left."""
        with suppress(OSError):
            for file in self.folder.glob("*.new"):
                if time.time() - file.stat().st_mtime > _LEFT_SECONDS:
                    file.unlink(missing_ok=True)
            sizes = [
                (found.st_mtime, found.st_size, file) for file in self.folder.glob("*.webp") if (found := file.stat())
            ]
            total = sum(size for _, size, _ in sizes)
            for _, size, file in sorted(sizes):
                if total <= most:
                    return
                file.unlink(missing_ok=True)
                total -= size
