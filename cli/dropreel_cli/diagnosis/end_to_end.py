"""`doctor --end-to-end`: drops a small picture where that costs nothing, and follows it to its video."""

from __future__ import annotations

import secrets
import struct
import tempfile
import time
import zlib
from pathlib import Path

from dropreel.domain.job import JobStatus, job_id_of
from dropreel.domain.next_steps import next_step
from dropreel.domain.prices import usd
from dropreel_cli.diagnosis.check import Finding, Site, failed, ok, skipped
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.following import Following
from dropreel_cli.rehearsals import is_rehearsal
from dropreel_cli.stack_settings import prices_of
from dropreel_cli.submissions import Submissions
from dropreel_cli.uploading import upload_unchecked

_PIXELS = 64
_MAX_SECONDS = 300


def refuse_unless_free(site: Site) -> None:
    """Raise CommandError (REFUSED) where a video would be paid."""
    parameters = site.stack.parameters
    if site.is_local or is_rehearsal(site.stack):
        return
    cents = prices_of(site.stack).cents_of(parameters["DefaultMode"], int(parameters["DefaultDuration"]))
    raise CommandError(
        f"--end-to-end would pay for a video in {site.stack.name}: ${usd(cents)}. It runs only in the local cloud (--local) and"
        " in a stack with Rehearsal=true. Nothing was dropped.",
        Exit.REFUSED,
    )


def check_end_to_end(site: Site) -> Finding:
    """Drop a generated picture; say after how many seconds its video was there."""
    if Submissions.of(site.stack).is_paused:
        return skipped("The stack is paused.", site.command("unpause"))
    started = time.monotonic()
    key = f"dropreel-doctor/{secrets.token_hex(8)}.png"
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        picture.write_bytes(png())
        dropped = upload_unchecked(site.stack, picture, {}, key)
    following = Following.of(site.stack, [job_id_of(dropped)], max_seconds=_MAX_SECONDS)
    for _ in following.changes():
        pass
    if following.ended_early:
        return failed(f"{key} has no video: {following.ended_early}.", site.command(f"show {key}"))
    (job,) = following.found
    if job.status is not JobStatus.COMPLETED:
        reason = job.reason.message if job.reason else "It gave no reason."
        return failed(f"{key} ended without a video: {reason}", next_step(job) or site.command(f"show {key}"))
    return ok(f"{key} became a video in {time.monotonic() - started:.0f} s, with {job.polls} polls")


def png() -> bytes:
    """Return a small PNG picture, by the standard library alone."""
    row = b"\0" + bytes(value for x in range(_PIXELS) for value in (x * 4, 128, 255 - x * 4))
    header = struct.pack(">IIBBBBB", _PIXELS, _PIXELS, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * _PIXELS)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
