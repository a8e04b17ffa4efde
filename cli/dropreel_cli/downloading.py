"""Downloads videos into a folder: names from the bucket never lead out of it, and no file is replaced."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel_cli.aws_errors import explain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dropreel.domain.job import Job, VideoObject

_PIECE_BYTES = 1024 * 1024
_MAX_NAME_BYTES = 230
"""File systems take 255 bytes; some are left for a number and for the ending of an unfinished download."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Downloaded:
    """The video's file, and whether it was there before; or why it was not downloaded."""

    job: Job
    path: Path | None
    message: str | None = None


def local_path(folder: Path, key: str) -> Path:
    """Return where a video goes: under the folders of its key, with a safe name for each part."""
    return folder.joinpath(*_safe_parts(key))


def download_video(client: Any, job: Job, folder: Path) -> Downloaded:
    """Download a job's video. One of the same size that is there stays; another file with its name stays, too."""
    assert job.video is not None  # noqa: S101  # nosec B101 # it is completed
    try:
        wanted = local_path(folder, job.video.key)
        for path in _numbered(wanted):
            if not path.exists():
                break
            if path.is_file() and path.stat().st_size == job.video.size:
                return Downloaded(job, path, "it was there already")
        wanted.parent.mkdir(parents=True, exist_ok=True)
        return _fetch(client, job, job.video, path)
    except OSError as error:
        return Downloaded(job, None, f"it could not be written: {error.strerror or error}")
    except (BotoCoreError, ClientError) as error:
        return Downloaded(job, None, explain(error))


def _fetch(client: Any, job: Job, video: VideoObject, path: Path) -> Downloaded:
    version = {"VersionId": video.version_id} if video.version_id else {}
    answer = client.get_object(Bucket=video.bucket, Key=video.key, **version)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with closing(answer["Body"]) as body, unfinished.open("wb") as file:
            while piece := body.read(_PIECE_BYTES):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != video.sha256:
            return Downloaded(job, None, "its bytes are not those that were delivered; run the same command again")
        path.touch(exist_ok=False)  # it fails where the name was taken meanwhile; replacing alone would not
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return Downloaded(job, path)


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1


def _safe_parts(key: str) -> list[str]:
    parts = [_safe(part) for part in key.split("/") if part not in ("", ".", "..")]
    return parts or ["video.mp4"]


def _safe(part: str) -> str:
    part = _UNSAFE.sub("_", part).rstrip(". ") or "_"
    if _RESERVED.fullmatch(part):
        part = f"_{part}"
    stem, dot, ending = part.rpartition(".")
    if len(part.encode()) <= _MAX_NAME_BYTES:
        return part
    tail = f"{dot}{ending}" if stem and len(ending) < 10 else ""
    kept = part.encode()[: _MAX_NAME_BYTES - len(tail)] if not tail else stem.encode()[: _MAX_NAME_BYTES - len(tail)]
    return kept.decode(errors="ignore") + tail
